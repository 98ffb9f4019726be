// Who is there, over HTTP: what membership knows (SWIM), beside what the connections and the groups of this node say of the same nodes.
import type { NodeApi, NodeStatus } from '../../actors/api.ts';
import { failure } from '../../machines/errors.ts';
import type { MemberView as Member } from '../../machines/membership/index.ts';
import type { Exchange } from './exchange.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

export type MemberView = {
  name: string;
  peerId: string | null;
  self: boolean;
  /** What membership holds of it; 'unknown': it has not heard of it, but a connection or a group names it. */
  status: Member['status'] | 'unknown';
  /** What it says of itself (ready, degraded …), or null. */
  state: Member['state'] | null;
  /** Milliseconds since `status` became what it is; null: this node itself, or not known. */
  forMs: number | null;
  incarnation: number | null;
  version: string | null;
  region: string;
  tags: readonly string[];
  capabilities: readonly string[];
  resources: Member['resources'];
  /** 0: not said. */
  capacity: number;
  /** How busy its event loop is, 0 to 1. */
  load: number | null;
  connected: boolean;
  rttMs: number | null;
  addresses: readonly string[];
  /** What it is in each group that it belongs to. */
  groups: Record<string, 'voter' | 'learner'>;
  /** Groups that it leads, as far as this node knows. */
  leads: string[];
};

const unknown = (name: string): MemberView => ({
  ...{ name, peerId: null, self: false, status: 'unknown', state: null, forMs: null, incarnation: null, version: null },
  ...{ region: '', tags: [], capabilities: [], resources: {}, capacity: 0, load: null },
  ...{ connected: false, rttMs: null, addresses: [], groups: {}, leads: [] },
});

/** Of two lives under one name, as while a wiped node is replaced, the one that is there counts. */
const outranks = (member: Member, known: MemberView | undefined): boolean =>
  known === undefined || (!known.self && (member.self || member.status === 'alive' || known.status !== 'alive'));

/** Everybody this node knows of: members, peers, and whom groups name that it has not met since its start. */
export const membersOf = (status: NodeStatus, known: readonly Member[]): MemberView[] => {
  const members = new Map<string, MemberView>();
  const viewOf = (name: string): MemberView => {
    let view = members.get(name);
    if (view === undefined) members.set(name, (view = unknown(name)));
    return view;
  };
  const own = viewOf(status.name);
  Object.assign(own, { peerId: status.peerId, self: true, connected: true, addresses: status.listen, version: status.version });
  for (const member of known) {
    // Who was thrown out before anybody heard its name is known by its peer id.
    const name = member.name === '' ? member.peer : member.name;
    if (!member.self && !outranks(member, members.get(name))) continue;
    const { peer, status: standing, state, forMs, incarnation, version, region, tags, addresses } = member;
    const { capabilities, resources, capacity, load } = member;
    Object.assign(viewOf(name), {
      ...{ peerId: peer, status: standing, state, forMs, incarnation, version, region, tags, addresses },
      ...{ capabilities, resources, capacity, load },
    } satisfies Partial<MemberView>);
  }
  for (const { name, peerId, connected, rttMs, addresses } of status.peers) {
    const view = viewOf(name);
    if (view.self || (view.peerId !== null && view.peerId !== peerId && !connected)) continue;
    Object.assign(view, { peerId, connected, rttMs, addresses: addresses.length > 0 ? addresses : view.addresses });
  }
  for (const group of status.groups) {
    for (const name of group.learners) viewOf(name).groups[group.id] = 'learner';
    for (const name of group.voters) viewOf(name).groups[group.id] = 'voter';
    if (group.leader !== null) viewOf(group.leader).leads.push(group.id);
  }
  return [...members.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
};

const list = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify({ members: membersOf(api.status(), api.members()) }));
};

const peerPattern = /^[A-Za-z0-9-]{1,128}$/;

const evict = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  const peerId = segmentOfPath(exchange.url, 2, 'the peer id');
  if (!peerPattern.test(peerId)) return refuse('a peer id has 1 to 128 letters and digits');
  exchange.effect = true;
  if (api.evict(peerId)) exchange.json(JSON.stringify({ evicted: peerId }));
  else exchange.problem(failure('MEMBER_NOT_FOUND', `no other member has the peer id ${peerId}`));
};

export const memberRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/members', handle: list },
  { method: 'DELETE', path: '/v1/members/:peer', handle: evict },
];
