// The runtime's own actors as subjects for whoever looks on: the node, every supervised actor, the replica of each group, each breaker
// and each place that discovery knows, with the charts that they move by. They pay nothing for it: what they are is read when somebody
// asks, and their events are seen only while somebody follows them.
import type { EventObject } from 'xstate';
import { breakerChart } from '../machines/breaker/index.ts';
import { type DiscoveryView, type PlaceView, placeChart } from '../machines/discovery/index.ts';
import { type ActorAddress, isActorKey, runtimeType } from '../machines/entity/address.ts';
import { nodeMachine } from '../machines/node/index.ts';
import { describeMessage, parseRaftMessage, raftChart } from '../machines/raft/index.ts';
import { childMachine } from '../machines/supervisor/index.ts';
import type { ActorState, ActorView, Seen, Trail } from './actor-api.ts';
import type { GroupStatus } from './api.ts';
import { type Chart, chartOf } from './inspect-chart.ts';
import type { Subject } from './inspect-subject.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { BreakerReport } from './service-api.ts';
import type { Cell } from './supervise.ts';

export type RuntimeParts = {
  node: string;
  clock: ClockPort;
  life: () => { value: unknown; context: { reason: string | null } };
  cells: () => readonly Cell<never>[];
  groups: () => Iterable<GroupStatus>;
  breakers: () => readonly BreakerReport[];
  discovery: () => DiscoveryView;
  /** By the address of a supervised actor: a few numbers and words of what it knows. */
  summaries: Readonly<Record<string, () => Readonly<Record<string, unknown>>>>;
  nameOf: (peer: PeerId) => string | null;
};

/** How often what changes by itself is looked at, while it is followed. */
const lookMs = 250;
const textCharsMax = 128;

type Now = { readonly value: unknown; readonly context: Readonly<Record<string, unknown>> };

type RuntimeActor = {
  readonly key: string;
  readonly chart: 'node' | 'actor' | 'raft' | 'breaker' | 'place';
  readonly life: object;
  readonly now: () => Now;
  readonly view: (now: Now) => Pick<ActorView, 'state' | 'restarts' | 'reason' | 'children'>;
  /** Whose events it handles, and which of them. */
  readonly cell: Cell<never> | null;
  readonly takes: (type: string) => boolean;
};

const charts = { node: nodeMachine, actor: childMachine, raft: raftChart, breaker: breakerChart, place: placeChart } as const;

const all = (): boolean => true;
const none = (): boolean => false;
const running = { state: 'running' as ActorState, restarts: 0, reason: null, children: [] };

// ---------------------------------------------------------------- what there is

const standingOf = ({ role, voters, learners }: GroupStatus, node: string): string => {
  if (role === 'none') return 'outsider';
  if (role === 'learner' || learners.includes(node)) return 'learner';
  return voters.includes(node) ? 'voter' : 'departing';
};

const raftNow = (status: GroupStatus, node: string): Now => {
  const { role, term, leader, voters, learners, commitIndex, appliedIndex, firstIndex, lastIndex, joint, halted } = status;
  return {
    value: {
      role: role === 'learner' || role === 'none' ? 'follower' : role,
      standing: standingOf(status, node),
      attention: status.quiet ? 'quiet' : 'awake',
      disk: halted === null ? 'working' : 'halted',
    },
    context: { term, leader, commitIndex, appliedIndex, firstIndex, lastIndex, voters, learners, joint, halted },
  };
};

const raftTypes = new Set(['raft', 'snapshot', 'peer-lost', 'peer-found', 'drain', 'host', 'relinquish']);

const breakerNow = ({ peer, node, service, status, openForMs, failures, refused }: BreakerReport): Now => ({
  value: status,
  context: { peer, node, service, openForMs, failures, refused },
});

const placeNow = ({ state, peer, name, addresses, sources, healthy }: PlaceView): Now => ({
  value: state,
  context: { peer, name, addresses: addresses.slice(0, 8), sources, healthy },
});

const raftActors = (parts: RuntimeParts): RuntimeActor[] =>
  [...parts.groups()].map((status): RuntimeActor => {
    const { id } = status;
    const current = (): GroupStatus | undefined => [...parts.groups()].find((group) => group.id === id);
    const cell = parts.cells().find(({ address }) => address === `group/${id}`) ?? null;
    return {
      ...{ key: `raft/${id}`, chart: 'raft', life: cell ?? parts, cell, takes: (type) => raftTypes.has(type) },
      now: () => raftNow(current() ?? status, parts.node),
      view: () => {
        const halted = current()?.halted ?? null;
        const report = cell?.report();
        return { state: halted !== null ? 'failed' : (report?.state ?? 'stopped'), restarts: 0, reason: halted, children: [] };
      },
    };
  });

const cellActors = (parts: RuntimeParts): RuntimeActor[] =>
  parts.cells().map((cell): RuntimeActor => {
    const { address } = cell;
    return {
      ...{ key: address, chart: 'actor', life: cell, cell, takes: all },
      now: () => ({ value: cell.report().state, context: { ...parts.summaries[address]?.() } }),
      view: () => {
        const { state, restarts, reason } = cell.report();
        const children = address.startsWith('group/') ? [`raft/${address.slice('group/'.length)}`] : [];
        return { state, restarts, reason, children };
      },
    };
  });

const breakerActors = (parts: RuntimeParts): RuntimeActor[] =>
  parts.breakers().map((report): RuntimeActor => {
    const isSame = ({ peer, service }: BreakerReport): boolean => peer === report.peer && service === report.service;
    return {
      ...{
        key: `breaker/${report.node ?? report.peer}/${report.service}`,
        chart: 'breaker',
        life: parts,
        cell: null,
        takes: none,
      },
      now: () => breakerNow(parts.breakers().find(isSame) ?? { ...report, status: 'closed', openForMs: 0 }),
      view: () => running,
    };
  });

const placeKey = ({ peer, name, addresses }: PlaceView): string => `discovery/${name ?? peer ?? addresses[0] ?? ''}`;

const placeActors = (parts: RuntimeParts): RuntimeActor[] =>
  parts.discovery().peers.map((place): RuntimeActor => {
    const key = placeKey(place);
    const current = (): PlaceView => parts.discovery().peers.find((other) => placeKey(other) === key) ?? place;
    return {
      ...{ key, chart: 'place', life: parts, cell: null, takes: none },
      ...{ now: () => placeNow(current()), view: () => running },
    };
  });

const nodeActor = (parts: RuntimeParts): RuntimeActor => ({
  ...{ key: 'node', chart: 'node', life: parts, cell: null, takes: none },
  now: () => {
    const { value, context } = parts.life();
    return { value, context: { reason: context.reason } };
  },
  view: () => {
    const { value, context } = parts.life();
    const state: ActorState = value === 'failed' ? 'failed' : value === 'left' ? 'stopped' : 'running';
    return { state, restarts: 0, reason: context.reason, children: parts.cells().map(({ address }) => address) };
  },
});

// ---------------------------------------------------------------- as subjects

type Told = { readonly type?: unknown; readonly delivery?: { peer: PeerId; type: string; body?: unknown; trace?: string } };

const scalar = (value: unknown): unknown => {
  if (typeof value === 'string') return value.slice(0, textCharsMax);
  return typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
};

const messageCharsMax = 300;

/** A message of Raft holds nothing of what its entries say. */
const raftEvent = (body: unknown): EventObject | null => {
  const parsed = parseRaftMessage(body);
  if (!parsed.ok) return null;
  const { type, from, to } = parsed.message;
  // Replicas have names that say nothing to a person; who sent it is told besides.
  const message = describeMessage(parsed.message).replace(`${from}->${to} ${type} `, '').slice(0, messageCharsMax);
  return { type: `raft ${type}`, message } as EventObject;
};

/** What is said to one of ours, without what others sent in it: bodies are theirs to show. */
const eventOf = (event: Told, nameOf: RuntimeParts['nameOf']): EventObject => {
  const { type, delivery, ...rest } = event;
  const raft = type === 'raft' && delivery !== undefined ? raftEvent(delivery.body) : null;
  if (raft !== null) return raft;
  const fields = Object.entries(rest).flatMap(([name, value]) => {
    const told = name === 'peer' && typeof value === 'string' ? (nameOf(value) ?? value) : scalar(value);
    return told === undefined ? [] : [[name, told] as const];
  });
  const kind = String(type).slice(0, textCharsMax);
  const what = delivery === undefined || delivery.type === kind ? kind : `${kind} ${delivery.type.slice(0, textCharsMax)}`;
  return { ...Object.fromEntries(fields), type: what };
};

const subject = (actor: RuntimeActor, parts: RuntimeParts): Subject => {
  const { key, cell } = actor;
  const { clock, nameOf } = parts;
  const address: ActorAddress = { type: runtimeType, key, node: parts.node };
  const snapshot = () => ({ status: 'active', ...actor.now() });
  const trailOf = ({ delivery }: Told): Trail | null =>
    delivery === undefined
      ? null
      : { source: nameOf(delivery.peer) ?? delivery.peer, correlation: delivery.trace?.slice(0, textCharsMax) ?? '' };

  const tap = (on: (seen: Seen) => void): (() => void) => {
    let before = JSON.stringify(actor.now());
    let isDue = false;
    let isOver = false;
    let last: EventObject | null = null;
    const look = (): void => {
      isDue = false;
      if (isOver) return;
      const now = JSON.stringify(actor.now());
      if (now !== before) on({ type: 'snapshot', address, path: '', snapshot: snapshot(), event: last });
      before = now;
      last = null;
    };
    const stopEvents = cell?.tap((told: Told) => {
      if (!actor.takes(String(told.type))) return;
      last = eventOf(told, nameOf);
      on({ type: 'event', address, path: '', event: last, trail: trailOf(told) });
      if (isDue) return;
      isDue = true;
      // Once what the event leads to in this turn is done.
      clock.soon(look);
    });
    const repeat = (): void => {
      look();
      timer = clock.after(lookMs, repeat);
    };
    let timer = clock.after(lookMs, repeat);
    return () => {
      isOver = true;
      stopEvents?.();
      timer.cancel();
    };
  };

  return {
    ...{ address, life: actor.life, redact: [], snapshot, tap },
    chartName: `${runtimeType} ${actor.chart}`,
    chart: (): Chart | null => chartOf(charts[actor.chart]),
    children: () => [],
    view: () => ({
      ...{ address, durability: 'runtime', placement: 'each', version: 1, token: null },
      ...(cell?.load() ?? { handled: 0, waiting: 0 }),
      ...actor.view(actor.now()),
    }),
  };
};

export interface RuntimeSubjects {
  all(): Subject[];
  find(key: string): Subject | null;
}

/** Who follows many asks for each of them, all at the same time. */
const heldMs = 20;

export const createRuntimeSubjects = (parts: RuntimeParts): RuntimeSubjects => {
  let held: { atMs: number; byKey: Map<string, Subject> } | null = null;
  const current = (): Map<string, Subject> => {
    const atMs = parts.clock.nowMs();
    if (held !== null && atMs - held.atMs < heldMs) return held.byKey;
    const actors = [nodeActor, cellActors, raftActors, breakerActors, placeActors].flatMap((of) => of(parts));
    const usable = actors.filter(({ key }) => isActorKey(key));
    held = { atMs, byKey: new Map(usable.map((actor) => [actor.key, subject(actor, parts)])) };
    return held.byKey;
  };
  return {
    all: () => [...current().values()],
    find: (key) => current().get(key) ?? null,
  };
};
