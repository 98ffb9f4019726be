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

/** Nothing says that it is gone. */
const isThere = ({ self, status, connected }: MemberView): boolean =>
  self || connected || status === 'alive' || status === 'suspect';

/** This node itself, then who is there, then who has been what it is for longest. */
const bySeniority = (a: MemberView, b: MemberView): number =>
  Number(b.self) - Number(a.self) || Number(isThere(b)) - Number(isThere(a)) || (b.forMs ?? 0) - (a.forMs ?? 0);

const viewOfMember = (member: Member): MemberView => {
  const { peer, status, self, state, forMs, incarnation, version, region, tags, addresses } = member;
  const { capabilities, resources, capacity, load } = member;
  // Who was thrown out before anybody heard its name is known by its peer id.
  return {
    ...unknown(member.name === '' ? peer : member.name),
    ...{ peerId: peer, self, status, state, forMs, incarnation, version, region, tags, addresses },
    ...{ capabilities, resources, capacity, load },
  };
};

/** Who is known by its peer id: this node, members, and who is connected or was. */
const peersOf = (status: NodeStatus, known: readonly Member[]): MemberView[] => {
  const views = new Map<string, MemberView>();
  views.set(status.peerId, unknown(status.name));
  for (const member of known) views.set(member.peer, viewOfMember(member));
  for (const { name, peerId, connected, rttMs, addresses } of status.peers) {
    const view = views.get(peerId) ?? unknown(name);
    if (view.self || peerId === status.peerId) continue;
    views.set(peerId, Object.assign(view, { peerId, connected, rttMs }, addresses.length > 0 ? { addresses } : {}));
  }
  const { peerId, listen, version } = status;
  Object.assign(views.get(peerId)!, { peerId, self: true, connected: true, addresses: listen, version });
  return [...views.values()];
};

/**
 * Of lives under one name, as while a wiped node is replaced, those that are there count. Two that are there are both told: somebody gave
 * two nodes one name (NAME_TAKEN), and must see it.
 */
const withoutFormerLives = (namesakes: readonly MemberView[]): MemberView[] => {
  const there = namesakes.filter(isThere);
  if (there.length > 0) return there;
  // Of those that are gone, the one heard of last.
  return [namesakes.reduce((a, b) => ((b.forMs ?? 0) < (a.forMs ?? 0) ? b : a))];
};

/** Which of those with one name a group means: who waits to join a cluster is in none, nor is this node if it plays no role there. */
const meantBy = (namesakes: readonly MemberView[], { role }: NodeStatus['groups'][number]): MemberView => {
  const isMeant = ({ self, state }: MemberView): boolean => (self ? role !== 'none' : state !== 'joining');
  return namesakes.find(isMeant) ?? namesakes[0]!;
};

/** Everybody this node knows of: members, peers, and whom groups name that it has not met since its start. */
export const membersOf = (status: NodeStatus, known: readonly Member[]): MemberView[] => {
  const lives = new Map<string, MemberView[]>();
  for (const view of peersOf(status, known)) {
    const namesakes = lives.get(view.name);
    if (namesakes === undefined) lives.set(view.name, [view]);
    else namesakes.push(view);
  }
  const members = new Map([...lives].map(([name, all]) => [name, withoutFormerLives(all).sort(bySeniority)]));
  const memberOf = (name: string, group: NodeStatus['groups'][number]): MemberView => {
    if (!members.has(name)) members.set(name, [unknown(name)]);
    return meantBy(members.get(name)!, group);
  };
  for (const group of status.groups) {
    for (const name of group.learners) memberOf(name, group).groups[group.id] = 'learner';
    for (const name of group.voters) memberOf(name, group).groups[group.id] = 'voter';
    if (group.leader !== null) memberOf(group.leader, group).leads.push(group.id);
  }
  return [...members.values()].flat().sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : bySeniority(a, b)));
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
