// Where members may live, over HTTP: what discovery holds, and one question to all sources (row D2).
import type { NodeApi } from '../../actors/api.ts';
import type { Exchange } from './exchange.ts';
import { Query } from './query.ts';
import type { Route } from './routes.ts';

const timeoutDefaultMs = 5_000;
const resultsDefault = 10;

const view = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify(api.discovery()));
};

const lookup = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, ['timeout-ms', 'max']);
  const timeoutMs = query.count('timeout-ms', 1, 60_000) ?? timeoutDefaultMs;
  const resultsMax = query.count('max', 1, 100) ?? resultsDefault;
  api.lookup({ timeoutMs, resultsMax }, ({ places, failures }) => exchange.json(JSON.stringify({ peers: places, failures })));
};

export const discoveryRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/discovery', handle: view },
  { method: 'GET', path: '/v1/discovery/lookup', handle: lookup },
];
