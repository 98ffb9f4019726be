// How this node reaches another, over HTTP: straight on, over whom, since when, or why not (row R4); and where it would go for something
// that is offered (row R1).
import type { NodeApi } from '../../actors/api.ts';
import { offerKinds } from '../../machines/catalog/index.ts';
import type { Exchange } from './exchange.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const nodePattern = /^[A-Za-z0-9-]{1,128}$/;

const route = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, ['ask']);
  const node = segmentOfPath(exchange.url, 2, 'the node');
  if (!nodePattern.test(node)) return refuse('a node is named by its name or its peer id');
  api.routes.describe(node, query.flag('ask'), (outcome) => {
    if (outcome.ok) exchange.json(JSON.stringify(outcome.value));
    else exchange.problem(outcome.failure);
  });
};

const locate = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, ['name', 'kind', 'range', 'prefer']);
  const name = query.text('name');
  const prefer = query.text('prefer') ?? null;
  if (name === undefined) return refuse('name says what is looked for');
  if (prefer !== null && !nodePattern.test(prefer)) return refuse('a node is named by its name or its peer id');
  const kind = query.oneOf('kind', offerKinds);
  const range = query.text('range');
  const lookup = { name, ...(kind === undefined ? {} : { kind }), ...(range === undefined ? {} : { range }) };
  api.routes.locate(lookup, prefer, (outcome) => {
    if (outcome.ok) exchange.json(JSON.stringify({ places: outcome.value }));
    else exchange.problem(outcome.failure);
  });
};

export const peerRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/routes', handle: locate },
  { method: 'GET', path: '/v1/routes/:node', handle: route },
];
