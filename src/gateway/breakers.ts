// Breakers over HTTP (row B3): those of the node that is asked, and what a person tells them.
import type { NodeApi } from '../../actors/api.ts';
import type { Exchange } from './exchange.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const list = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify({ breakers: api.breakers() }));
};

const serviceOf = (service: unknown): string | null =>
  service === undefined || service === null
    ? null
    : typeof service === 'string'
      ? service
      : refuse('service is a name; left out, every service of the node that was called is meant');

const command = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  const node = segmentOfPath(exchange.url, 2, 'the node');
  const { service, command: wanted } = exchange.fields(['service', 'command']);
  if (wanted !== 'open' && wanted !== 'close' && wanted !== 'reset')
    return refuse("command must be 'open', 'close' or 'reset'");
  const which = { node, service: serviceOf(service) };
  exchange.effect = true;
  const outcome = api.commandBreaker(which, wanted);
  if (outcome.ok) exchange.json(JSON.stringify({ ...which, command: wanted, told: outcome.value }));
  else exchange.problem(outcome.failure);
};

export const breakerRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/breakers', handle: list },
  { method: 'POST', path: '/v1/breakers/:node', handle: command },
];
