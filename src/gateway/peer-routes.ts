// How this node reaches another, over HTTP: straight on, over whom, since when, or why not (row R4).
import type { NodeApi } from '../../actors/api.ts';
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

export const peerRoutes: readonly Route[] = [{ method: 'GET', path: '/v1/routes/:node', handle: route }];
