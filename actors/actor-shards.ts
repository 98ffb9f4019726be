// Where actors are (`Placing`): one of a node at the node that its address names, one of the cluster at the leader of its key's group, as
// long as that leader's lease holds. What has to be done now and then, or with other nodes, is the keeper's (shard-keeper.ts); this is
// asked for every message, and answers at once from what is known.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import type { Hosted } from '../machines/entity/hosted.ts';
import { actorGroups, keyPlacement } from '../machines/entity/placement.ts';
import { oldestReadable } from '../machines/entity/versions.ts';
import { type ErrorCode, type Failure, failure } from '../machines/errors.ts';
import type { ActorDefinition, Placement, Whereabouts } from './actor-api.ts';
import type { GroupEvent } from './group.ts';
import type { Leaderships } from './leadership.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { ShardHost, ShardPlace, Shards, ShardView } from './shard-api.ts';
import type { ShardsEvent } from './shard-keeper.ts';
import type { ShardLeaders } from './shard-leaders.ts';
import { createShardLives, isSameToken, type ShardLives } from './shard-lives.ts';
import { createShardMemory, type ShardMemory } from './shard-memory.ts';
import type { Cell } from './supervise.ts';

export type ShardsArguments = {
  name: string;
  self: PeerId;
  clock: ClockPort;
  sink: SinkPort;
  leaderships: Leaderships;
  /** Groups of the genesis; null before it is known. */
  groups: () => readonly string[] | null;
  group: (group: string) => Cell<GroupEvent> | null;
  /** Who has this name and can be reached. */
  peerNamed: (name: string) => PeerId | null;
  nameOf: (peer: PeerId) => string | null;
  isKnown: (name: string) => boolean;
  cell: () => Cell<ShardsEvent> | null;
};

/** What the keeper and this share. */
export type ShardFacts = {
  /** Actor groups of the cluster; empty before it is known. */
  readonly groups: () => readonly string[];
  readonly groupOf: Shards['groupOf'];
  readonly host: () => ShardHost | null;
  readonly lives: ShardLives;
  readonly memory: ShardMemory;
  /** Types of the cluster's actors that are hosted here. */
  readonly hosted: () => Hosted;
  /** When somebody last asked for an actor of a group that this node leads. */
  readonly askedAtMs: Map<string, number>;
  /** What a peer hosts, as far as it has said so; null: it is not there. */
  hostedAt: (peer: PeerId) => Hosted | null;
  /** Who leads groups that have no replica here, or one that does not hear its leader. */
  learnt: Pick<ShardLeaders, 'leader' | 'fresh'>;
  preferred: ReadonlyMap<string, string>;
  /** By group, as it was when the preferred ones were worked out. */
  voters: ReadonlyMap<string, ShardView['voters']>;
  notify(): void;
};

export interface ShardsDoor {
  readonly api: Shards;
  readonly facts: ShardFacts;
  /** A node can be reached now, or cannot any more; or membership knows something else. */
  changed(): void;
  /** Who should lead the group, if this node stops. */
  successor(group: string): string | null;
}

const againMs = { lease: 20, election: 100, unknown: 100, hosting: 500, node: 500 } as const;
const lapseLookMs = 10;

export const isOfCluster = (placement: Placement): boolean => placement === 'sharded' || placement === 'singleton';

type Nowhere = Extract<Whereabouts, { where: 'nowhere' }>;
const nowhere = (code: ErrorCode, message: string, ms: number, address: ActorAddress): Nowhere => ({
  ...{ where: 'nowhere', failure: failure(code, message, { address: addressText(address) }), againMs: ms },
});

export const createShards = (args: ShardsArguments): ShardsDoor => {
  const { name, self, clock, sink, leaderships } = args;
  const listeners = new Set<() => void>();
  let host: ShardHost | null = null;
  let hosted: Hosted = new Map();
  let definitions = new Map<string, ActorDefinition>();
  let placed: { groups: readonly string[]; groupOf: (actor: { type: string; key: string }) => string } | null = null;
  let notifyDue = false;
  /** Groups that this node leads without a lease at the moment, and somebody wants to work in. */
  const lapsed = new Set<string>();

  // -------------------------------------------------------------- telling

  const tell = (): void => {
    notifyDue = false;
    for (const listener of [...listeners])
      try {
        listener();
      } catch (error) {
        sink.log('error', 'LISTENER_THREW', error instanceof Error ? error.message : String(error), { of: 'shards' });
      }
  };
  const notify = (): void => {
    if (notifyDue) return;
    notifyDue = true;
    clock.soon(tell);
  };

  // -------------------------------------------------------------- groups

  /** They are fixed at the genesis, so what follows from them is worked out once. */
  const placement = (): NonNullable<typeof placed> | null => {
    if (placed !== null) return placed;
    const known = args.groups();
    if (known === null || known.length === 0) return null;
    const groups = actorGroups(known);
    placed = { groups, groupOf: keyPlacement(groups) };
    return placed;
  };
  const groupOf = (address: Pick<ActorAddress, 'type' | 'key'>): string | null => placement()?.groupOf(address) ?? null;

  const send = (group: string, event: GroupEvent): void => {
    const cell = args.group(group);
    if (cell !== null) return cell.send(event);
    if (event.type === 'write' || event.type === 'read')
      event.done({ ok: false, failure: failure('NOT_READY', `${name} is starting '${group}'`) });
  };
  const lives = createShardLives({ clock, sink });
  const memory = createShardMemory(send);

  leaderships.onChanged((group) => {
    if (placement()?.groups.includes(group) !== true) return;
    lives.settle(group, leaderships.of(group).reign());
    args.cell()?.send({ type: 'leading', group });
    notify();
  });

  /** Until the lease is back or the leadership over: what waits is told then. */
  const lookAgain = (): void => {
    for (const group of lapsed) {
      const { token, leader } = leaderships.of(group).now();
      if (token === null && leader === self) continue;
      lapsed.delete(group);
      notify();
    }
    if (lapsed.size > 0) clock.after(lapseLookMs, lookAgain);
  };
  const lapse = (group: string): void => {
    if (lapsed.has(group)) return;
    if (lapsed.size === 0) clock.after(lapseLookMs, lookAgain);
    lapsed.add(group);
  };

  // -------------------------------------------------------------- placing

  const ofNode = (address: ActorAddress): Whereabouts => {
    const { node, type } = address;
    if (node === null || node === name) {
      if (definitions.has(type)) return { where: 'here', token: null };
      return nowhere('ACTOR_NOT_FOUND', `${name} hosts no actors of type '${type}'`, againMs.hosting, address);
    }
    const peer = args.peerNamed(node);
    if (peer !== null) return { where: 'at', peer, node };
    if (args.isKnown(node)) return nowhere('UNREACHABLE', `${node} cannot be reached from ${name}`, againMs.node, address);
    return nowhere('MEMBER_NOT_FOUND', `no member is called ${node}`, againMs.node, address);
  };

  const unhosted = (group: string, address: ActorAddress): Nowhere => {
    const message = `${name}, which leads '${group}', hosts no actors of type '${address.type}'`;
    return nowhere('ACTOR_NOT_FOUND', message, againMs.hosting, address);
  };

  const atLeader = (group: string, address: ActorAddress): Whereabouts => {
    const leadership = leaderships.of(group);
    if (!hosted.has(address.type)) {
      return unhosted(group, address);
    }
    facts.askedAtMs.set(group, clock.nowMs());
    leadership.attend(true);
    const token = leadership.reign();
    if (token !== null && leadership.holds(token)) return { where: 'here', token };
    lapse(group);
    return nowhere('NOT_READY', `${name} waits for its lease of '${group}'`, againMs.lease, address);
  };

  /** A replica that is halted hears of no leader any more: others are asked then, as by a node that has none. */
  const hearsOfLeaders = (group: string): boolean => leaderships.of(group).replica()?.halted === false;

  const ofCluster = (address: ActorAddress): Whereabouts => {
    const group = groupOf(address);
    if (group === null) return nowhere('NOT_READY', `${name} does not belong to a cluster yet`, againMs.unknown, address);
    const peer = leaderOf(group);
    if (peer === self) return atLeader(group, address);
    return peer === null ? leaderless(group, address) : { where: 'at', peer, node: args.nameOf(peer) ?? '' };
  };

  // Its leader may be cut off from this node alone: others hear it, and know a way.
  const leaderOf = (group: string): PeerId | null =>
    hearsOfLeaders(group) ? (leaderships.of(group).leader() ?? facts.learnt.fresh(group)) : facts.learnt.leader(group);

  const leaderless = (group: string, address: ActorAddress): Nowhere =>
    hearsOfLeaders(group)
      ? nowhere('NO_QUORUM', `no leader of '${group}' is known to ${name}`, againMs.election, address)
      : nowhere('NOT_READY', `${name} asks who leads '${group}'`, againMs.unknown, address);

  const found = (address: ActorAddress): ShardPlace => {
    const placement = definitions.get(address.type)?.placement;
    if (address.node !== null || (placement !== undefined && !isOfCluster(placement))) {
      const at = ofNode(address);
      return { group: null, node: address.node ?? name, failure: at.where === 'nowhere' ? at.failure : null };
    }
    const group = groupOf(address);
    const peer = group === null ? null : leaderOf(group);
    if (group === null || peer === null) {
      const at = group === null ? ofCluster(address) : leaderless(group, address);
      return { group, node: null, failure: at.where === 'nowhere' ? at.failure : null };
    }
    const isHosted = peer !== self || hosted.has(address.type);
    return {
      group,
      node: peer === self ? name : args.nameOf(peer),
      failure: isHosted ? null : unhosted(group, address).failure,
    };
  };

  // -------------------------------------------------------------- those that live here

  const look = (): void => {
    definitions = new Map((host?.definitions() ?? []).map((one) => [one.name, one]));
    const ofCluster = [...definitions.values()].filter((one) => isOfCluster(one.placement));
    hosted = new Map(ofCluster.map((one) => [one.name, { oldest: oldestReadable(one), newest: one.version }]));
  };

  const facts: ShardFacts = {
    groups: () => placement()?.groups ?? [],
    groupOf,
    host: () => host,
    ...{ lives, memory, notify },
    hosted: () => hosted,
    askedAtMs: new Map(),
    hostedAt: () => null,
    learnt: { leader: () => null, fresh: () => null },
    ...{ preferred: new Map(), voters: new Map() },
  };

  const inGroup = (address: ActorAddress, done: (why: Failure | null) => void, run: (group: string) => void): void => {
    const group = groupOf(address);
    if (group === null) return done(failure('NOT_READY', `${name} does not belong to a cluster yet`));
    run(group);
  };

  const api: Shards = {
    locate: ({ placement: wanted }, address) => (isOfCluster(wanted) ? ofCluster(address) : ofNode(address)),
    holds(address, token) {
      const group = groupOf(address);
      if (group === null) return false;
      if (leaderships.of(group).holds(token)) return true;
      if (isSameToken(leaderships.of(group).reign(), token)) lapse(group);
      return false;
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    serve(given) {
      host = given;
      look();
      args.cell()?.send({ type: 'hosted' });
    },
    hosted() {
      look();
      args.cell()?.send({ type: 'hosted' });
      notify();
    },
    opening(definition, address, done) {
      if (!definition.remember || !isOfCluster(definition.placement)) return done(null);
      inGroup(address, done, (group) => memory.remember(group, definition, address, done));
    },
    opened(actor, token) {
      const group = token === null ? null : groupOf(actor.address);
      if (token === null || group === null) return;
      lives.add(group, actor, token);
      lives.settle(group, leaderships.of(group).reign());
    },
    gone(actor) {
      const group = isOfCluster(actor.definition.placement) ? groupOf(actor.address) : null;
      if (group !== null) lives.delete(group, actor);
    },
    stopped(definition, address, done) {
      if (!definition.remember || !isOfCluster(definition.placement)) return done(null);
      inGroup(address, done, (group) => memory.stopped(group, definition, address, done));
    },
    groupOf,
    leadership: (group) => leaderships.of(group).now(),
    view: () =>
      facts.groups().map((group) => {
        const { token, leader } = leaderships.of(group).now();
        const known = leader ?? (hearsOfLeaders(group) ? null : facts.learnt.leader(group));
        return {
          ...{ group, token, leader: known === null ? null : known === self ? name : args.nameOf(known) },
          ...{ preferred: facts.preferred.get(group) ?? null, voters: facts.voters.get(group) ?? [] },
          ...{ actors: lives.count(group), remembered: memory.count(group) },
        };
      }),
    find: found,
  };

  return { api, facts, changed: notify, successor: (group) => facts.preferred.get(group) ?? null };
};
