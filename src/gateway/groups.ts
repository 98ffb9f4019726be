// Groups over HTTP: who is in them, changes of their members, transfer of leadership.
import type { GroupChange, NodeApi, NodeStatus } from '../../actors/api.ts';
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

export type MemberView = {
  name: string;
  peerId: string | null;
  self: boolean;
  connected: boolean;
  rttMs: number | null;
  addresses: string[];
  /** What it is in each group that it belongs to. */
  groups: Record<string, 'voter' | 'learner'>;
  /** Groups that it leads, as far as this node knows. */
  leads: string[];
};

/** Everybody this node knows of: itself, its peers, and members of groups that it has not met since its start. */
export const membersOf = (status: NodeStatus): MemberView[] => {
  const members = new Map<string, MemberView>();
  const add = (name: string, known: Partial<MemberView>): void => {
    const unknown = {
      peerId: null,
      self: false,
      connected: false,
      rttMs: null,
      addresses: [],
      groups: {},
      leads: [] as string[],
    };
    members.set(name, { name, ...unknown, ...known });
  };
  add(status.name, { peerId: status.peerId, self: true, connected: true, addresses: status.listen });
  // Two peers with one name happen while a wiped node is replaced: the connected one counts.
  for (const peer of status.peers)
    if (!members.has(peer.name) || (peer.connected && members.get(peer.name)!.self === false))
      add(peer.name, { peerId: peer.peerId, connected: peer.connected, rttMs: peer.rttMs, addresses: peer.addresses });
  for (const group of status.groups) {
    const inGroup = (name: string, role: 'voter' | 'learner'): void => {
      if (!members.has(name)) add(name, {});
      members.get(name)!.groups = { ...members.get(name)!.groups, [group.id]: role };
    };
    for (const name of group.learners) inGroup(name, 'learner');
    for (const name of group.voters) inGroup(name, 'voter');
    if (group.leader !== null) members.get(group.leader)?.leads.push(group.id);
  }
  return [...members.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
};

export const groupRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/groups', handle: list },
  { method: 'POST', path: '/v1/groups/:group/members', handle: add },
  { method: 'DELETE', path: '/v1/groups/:group/members/:node', handle: remove },
  { method: 'POST', path: '/v1/groups/:group/members/:node/promote', handle: promote },
  { method: 'POST', path: '/v1/groups/:group/transfer', handle: transfer },
];
