// Groups over HTTP: who is in them, changes of their members, transfer of leadership.
import type { GroupChange, NodeApi } from '../../actors/api.ts';
import { isNodeName } from '../../machines/genesis/messages.ts';
import { callOptionsOf, type Exchange } from './exchange.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const groupOf = (exchange: Exchange): string => {
  const group = segmentOfPath(exchange.url, 2, 'the group');
  return isNodeName(group) ? group : refuse('a group is named with 1 to 63 of a-z, 0-9 and -');
};

const nodeOf = (name: unknown): string =>
  isNodeName(name) ? name : refuse('node must be a node’s name: 1 to 63 of a-z, 0-9 and -');

const changeParameters = ['timeout-ms'] as const;

const change = (exchange: Exchange, api: NodeApi, wanted: GroupChange): void => {
  const options = callOptionsOf(Query.of(exchange.url, changeParameters));
  const group = groupOf(exchange);
  exchange.effect = true;
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  api.changeGroup(group, wanted, options, (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    exchange.json(JSON.stringify({ group, node: wanted.node, change: wanted.type, index: outcome.value.index }));
  });
};

const add = (exchange: Exchange, api: NodeApi): void => {
  const { node, role = 'voter' } = exchange.fields(['node', 'role']);
  if (role !== 'voter' && role !== 'learner') return refuse("role must be 'voter' or 'learner'");
  change(exchange, api, { type: 'add', node: nodeOf(node), role });
};

const memberOf = (exchange: Exchange): string => nodeOf(segmentOfPath(exchange.url, 4, 'the node'));

const remove = (exchange: Exchange, api: NodeApi): void => change(exchange, api, { type: 'remove', node: memberOf(exchange) });

const promote = (exchange: Exchange, api: NodeApi): void =>
  change(exchange, api, { type: 'promote', node: memberOf(exchange) });

const transfer = (exchange: Exchange, api: NodeApi): void =>
  change(exchange, api, { type: 'transfer', node: nodeOf(exchange.fields(['node']).node) });

const list = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify({ groups: api.status().groups }));
};

export const groupRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/groups', handle: list },
  { method: 'POST', path: '/v1/groups/:group/members', handle: add },
  { method: 'DELETE', path: '/v1/groups/:group/members/:node', handle: remove },
  { method: 'POST', path: '/v1/groups/:group/members/:node/promote', handle: promote },
  { method: 'POST', path: '/v1/groups/:group/transfer', handle: transfer },
];
