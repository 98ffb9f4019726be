// Actors that users write, wherever they live (row N7): the seams between what developers define (src/actor), the door that brings
// messages to the node where an actor is, what keeps it alive there (one way for each durability), and those who look on. Plain data and
// callbacks; a promise is made at the edge.
import type { AnyActorLogic, EventObject, Snapshot } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import type { Failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import type { Outcome } from './api.ts';
import type { PeerId } from './ports/index.ts';

// ---------------------------------------------------------------- what a developer defines, without its types

/**
 * What is promised of its state. 'none': it lives in memory. 'local': every event is on this node's disk before it is handled, the state
 * survives a restart. 'replicated': its events are entries of a Raft group, the state survives the loss of a machine (decision 5).
 */
export type Durability = 'none' | 'local' | 'replicated';

/**
 * 'node': at the node that the address names, or where it is asked for. 'each': one at every node that hosts its type, from the start
 * on; its key is '-'. 'sharded': one in the cluster for each key, at the leader of the key's group. 'singleton': one in the cluster, under
 * the key '-'. Replicated ones are 'sharded' or 'singleton'; local ones 'node' or 'each'.
 */
export type Placement = 'node' | 'each' | 'sharded' | 'singleton';

export const onlyKey = '-';

export type RestartStrategy = {
  /** What else begins anew when one fails: nothing, those that were made after it under the same parent or type, or all of those. */
  strategy: 'one-for-one' | 'rest-for-one' | 'all';
  failuresMax: number;
  windowMs: number;
  backoffMinMs: number;
  backoffMaxMs: number;
};

/** What becomes of promises, callbacks and observables of a replicated actor that were under way when its leader was lost. */
export type ResumeRule = 'retry' | 'fail' | 'ask';

/** Timers of an actor that is read from the disk: at their instant, with what was left when it stopped, or from the beginning. */
export type TimerPolicy = 'deadline' | 'remaining' | 'restart';

export type ReplyArguments = { readonly snapshot: Snapshot<unknown>; readonly event: EventObject };

/** Where a type of actors stands. Made once, checked by `checkDefinition`. */
export type ActorDefinition = {
  /** As in addresses. */
  readonly name: string;
  /** Of its snapshots; a whole number from 1. */
  readonly version: number;
  readonly logic: AnyActorLogic;
  readonly durability: Durability;
  readonly placement: Placement;
  /** What it is started with for the first time under a key. */
  readonly input: (key: string) => unknown;
  /**
   * By type of event: the answer to whoever asks, from the snapshot after it, or undefined while there is none yet: then it is asked again
   * after each later event. A pure function. What it throws is the answer ACTOR_REFUSED.
   */
  readonly replies: Readonly<Record<string, (args: ReplyArguments) => unknown>>;
  /**
   * What is taken from whoever sends, asked once by the door of the node where the actor lives, before an event goes further: the event as
   * it is to be handled, or INVALID_REQUEST. Absent: any event is taken. A pure function that does not throw.
   */
  readonly check?: (event: EventObject) => Outcome<EventObject>;
  readonly restart: RestartStrategy;
  /** Events that wait, at most; the next sender is told MAILBOX_FULL. */
  readonly mailboxMax: number;
  /** Without an event, an asker, a subscriber or a child's work for so long, it leaves the memory; null: never. Not for 'each'. */
  readonly passivateAfterMs: number | null;
  /** Is made again without being asked when its node or leader begins anew ('sharded' and 'singleton'). */
  readonly remember: boolean;
  readonly timers: TimerPolicy;
  /** By name (or id) of what is invoked; others 'retry'. */
  readonly resume: Readonly<Record<string, ResumeRule>>;
  /** By version: makes a persisted snapshot of it one of the next version. */
  readonly migrate: Readonly<Record<number, (snapshot: unknown) => unknown>>;
  /** Fields of context and events that nobody is shown who looks on, by name, at any depth. */
  readonly redact: readonly string[];
};

// ---------------------------------------------------------------- one live actor, whatever stands behind it

/** How an actor ended; it is told to whoever watches. 'unreachable': nobody can say, its node is gone. */
export type ActorEnd = {
  readonly address: ActorAddress;
  readonly reason: 'done' | 'stopped' | 'failed' | 'never-lived' | 'unreachable';
  /** Of an actor that is done: plain data. */
  readonly output?: unknown;
  readonly failure?: Failure;
};

/** Who sends, for who looks on: an address as text, or a node's name; '' where nobody knows. */
export type Trail = { readonly source: string; readonly correlation: string };

/** Same id, same receiver: one effect, for as long as row C7 says. */
export type DeliveryId = string;

export type ActorState = 'starting' | 'running' | 'backoff' | 'passive' | 'stopped' | 'failed' | 'diverged';

export type ActorView = {
  readonly address: ActorAddress;
  readonly durability: Durability | 'runtime';
  readonly placement: Placement;
  readonly version: number;
  readonly state: ActorState;
  /** Events handled since it was made here, and those that wait. */
  readonly handled: number;
  readonly waiting: number;
  readonly restarts: number;
  readonly reason: string | null;
  readonly token: FencingToken | null;
  readonly children: readonly string[];
};

/** One node's copy of an actor that lives. Made by a `Backing`. Nothing here throws; callbacks come once, in the same turn or later. */
export interface LiveActor {
  readonly address: ActorAddress;
  readonly definition: ActorDefinition;
  /** At most once: null, or why it surely is not taken (MAILBOX_FULL, ACTOR_STOPPED). */
  send(event: EventObject, trail: Trail): Failure | null;
  /**
   * At least once, with one effect for each id. Ends when the event is handled and as durable as the definition promises; with a reply if
   * `wantsReply`. `leftMs`: nobody waits longer, which takes nothing back. Returns what ends the waiting, nothing more.
   */
  deliver(
    event: EventObject,
    how: { id: DeliveryId | null; wantsReply: boolean; leftMs: number; trail: Trail },
    done: (outcome: Outcome<unknown>) => void,
  ): () => void;
  /** The snapshot now, then each new one; at most the latest of a turn. `ended` when it stops here (it may live on elsewhere). */
  subscribe(on: (snapshot: Snapshot<unknown>) => void, ended: (why: ActorEnd | 'moved') => void): () => void;
  snapshot(): Snapshot<unknown>;
  /** As it would be written: plain data. Throws what XState throws. */
  persisted(): unknown;
  view(): ActorView;
  /**
   * For good: forgets what is durable too. What waits in the mailbox is handled first unless `isHard`. Answers null, or why what is durable
   * may be there still: it has left this node's memory all the same.
   */
  stop(isHard: boolean, done: (why: Failure | null) => void): void;
  /** From this node only: state stays where it is durable. Who waits is told NOT_READY, or asked again elsewhere by the door. */
  release(why: 'passivated' | 'moved' | 'stopping', done: () => void): void;
  /** What it emits itself (`emit`) from now on, at most once: what is durable of that is as durable already. Free while nobody hears it. */
  hear(on: (event: EventObject) => void): () => void;
  /** Every event and transition from now on, to who looks on; free while nobody does. */
  tap(on: (seen: Seen) => void): () => void;
}

/** What a tap sees, as it is: neither plain data nor redacted yet. */
export type Seen =
  | { type: 'event'; address: ActorAddress; path: string; event: EventObject; trail: Trail | null }
  | { type: 'snapshot'; address: ActorAddress; path: string; snapshot: unknown; event: EventObject | null }
  /** `logic`: what it runs, for who draws its chart. */
  | { type: 'actor'; address: ActorAddress; path: string; src: string; logic: object | null }
  | { type: 'ended'; address: ActorAddress; path: string; end: ActorEnd | 'moved' };

/** What makes and keeps live actors of one durability. */
export interface Backing {
  readonly durability: Durability;
  /**
   * Brings an actor to life at this node: from what is durable, or for the first time. `token`: what fences it, for those placed by the
   * cluster. `onlyIfMade`: only if there is something durable (to be stopped or watched, it must not be made). Fails with
   * ACTOR_VERSION, OVERLOADED (too many actors), STORAGE_FAILED, ACTOR_STOPPED (nothing there). One at a time for each address.
   */
  open(
    definition: ActorDefinition,
    address: ActorAddress,
    token: FencingToken | null,
    done: (outcome: Outcome<LiveActor>) => void,
    onlyIfMade?: boolean,
  ): void;
  /**
   * What removes an actor for good without opening it, where `open` failed for this reason: it cannot be read, and waiting does not help.
   * Null: nothing does. Answers null when nothing of it is left, or why something may be.
   */
  removal?(address: ActorAddress, why: Failure): ((done: (why: Failure | null) => void) => void) | null;
  /** Those that live here now. */
  live(): Iterable<LiveActor>;
  /** Releases all of them ('stopping') once they have handled what waits, as long as whoever calls has patience. */
  stop(done: () => void): void;
}

/** What each backing is made with besides its own things: what it tells the door. */
export type BackingEvents = {
  /** One that `open` gave lives here no more: once for each, after its subscribers were told. */
  onGone(actor: LiveActor, why: ActorEnd | 'passivated' | 'moved'): void;
  /** It failed too often: that is its end for whoever watches, and it stays and refuses until it is gone. Not of one that goes at once. */
  onGivenUp(actor: LiveActor, end: ActorEnd): void;
  /** An event that was taken (`send` answered null) and will not be handled. Whoever delivered or asked is told by `done` instead. */
  onDeadLetter(letter: Omit<DeadLetter, 'atMs'>): void;
};

// ---------------------------------------------------------------- where an actor is

/** `token` null: it belongs to a node, nobody else can have it. */
export type Whereabouts =
  | { where: 'here'; token: FencingToken | null }
  | { where: 'at'; peer: PeerId; node: string }
  /** Nobody knows now; asked again after so long, or when `onChanged` says so. */
  | { where: 'nowhere'; failure: Failure; againMs: number };

export interface Placing {
  locate(definition: Pick<ActorDefinition, 'placement' | 'durability'>, address: ActorAddress): Whereabouts;
  /**
   * The token holds now: asked before each turn of an actor that has one. Cheap. False: nothing of it runs now, and what waits goes on
   * waiting. Perhaps for a moment only (this process was held up; a lease is back with the next heartbeat), then `onChanged` tells; who
   * has lost its token for good is released ('moved') by whoever places it, not by itself: what lives in memory alone outlives a pause.
   */
  holds(address: ActorAddress, token: FencingToken): boolean;
  /** Something may be elsewhere now. */
  onChanged(listener: () => void): () => void;
}

/** A Raft group as those need it whose actors live at its leader. */
export type Leadership = {
  readonly group: string;
  /** This node leads, has committed an entry of its own term, and its lease holds: `token` is (term, index of that entry). */
  readonly token: FencingToken | null;
  readonly leader: PeerId | null;
};

// ---------------------------------------------------------------- what an actor's code can ask while it runs

/** Of the event, action or promise that runs now: `polity.execution()` of the package. */
export type ActorExecution = {
  readonly address: ActorAddress;
  readonly token: FencingToken | null;
  /** group.index.n of an effect that a log made; the same when it is run again. Null in an actor without a log. */
  readonly effectId: string | null;
  /** Of the event that runs; what is sent meanwhile has it too. Absent: nobody gave one. */
  readonly correlation?: string;
};

// ---------------------------------------------------------------- the door

export { refMark } from '../machines/entity/address.ts';

export type SendOptions = { trail?: Trail };
export type DeliverOptions = SendOptions & {
  /** Milliseconds until whoever waits stops waiting; 1 to 60 000, default 5 000. */
  timeoutMs?: number;
  id?: DeliveryId;
};

export interface ActorsApi {
  /** This node can host actors of this type from now on. INVALID_REQUEST: another definition of that name and version is hosted. */
  host(definition: ActorDefinition): Failure | null;
  definitions(): readonly ActorDefinition[];
  /** At most once; what does not get there is a dead letter of the node where it got lost. */
  send(address: ActorAddress, event: EventObject, options?: SendOptions): void;
  /** At least once, tried again while the actor moves or its node is away, one effect. Done when it is handled and durable. */
  deliver(
    address: ActorAddress,
    event: EventObject,
    options: DeliverOptions,
    done: (outcome: Outcome<null>) => void,
  ): () => void;
  ask(
    address: ActorAddress,
    event: EventObject,
    options: DeliverOptions,
    done: (outcome: Outcome<unknown>) => void,
  ): () => void;
  /**
   * Snapshots as plain data ({ status, value?, context?, output?, error? }), or what is at `select` (a path as in `context.count`): now, and
   * whenever it changed. Goes on while the actor moves. `ended` once. `isRedacted`: for one who may not look on, what is secret
   * (`redact` of the definition, and what its name says it of) is left out, at the actor's node.
   */
  subscribe(
    address: ActorAddress,
    select: string | null,
    on: (value: unknown) => void,
    ended: (end: ActorEnd) => void,
    options?: { isRedacted?: boolean },
  ): () => void;
  /**
   * What it emits (`emit`) from now on, of this type or, with null, all of it, as plain data: each at most once, after it is as durable
   * as the definition says. What is emitted while the actor moves or the connection is gone is heard by nobody. `ended` once.
   */
  hear(
    address: ActorAddress,
    type: string | null,
    on: (event: EventObject) => void,
    ended: (end: ActorEnd) => void,
  ): () => void;
  /** Told once, when it has ended; of one that never lived, at once. */
  watch(address: ActorAddress, on: (end: ActorEnd) => void): () => void;
  /** `isHard`: what waits is not handled any more; and one that cannot be read (STORAGE_FAILED, ACTOR_VERSION, ACTOR_FAILED) goes unread. */
  stop(address: ActorAddress, options: { isHard?: boolean; timeoutMs?: number }, done: (outcome: Outcome<null>) => void): void;
  /** What was not delivered here, newest last, at most 256; and how many in all. */
  /** Told of each actor that is brought to life here, before its first event. Must not throw. Returns what ends it. */
  onOpened(listener: (actor: LiveActor) => void): () => void;
  deadLetters(): { readonly total: number; readonly recent: readonly DeadLetter[] };
  /** Actors of this node, the runtime's own too, as far as `type` and `prefix` of the key allow; pages by address. */
  list(query: { type?: string; prefix?: string; after?: string; limit: number }): readonly ActorView[];
  /** Of this node; null: it does not live here. */
  find(address: ActorAddress): LiveActor | null;
  placing: Placing;
}

export type DeadLetter = {
  readonly address: string;
  readonly event: string;
  readonly source: string;
  readonly reason: Failure['code'];
  /** On the wall clock. */
  readonly atMs: number;
};

export const actorLimits = {
  /** Of one node. */
  actorsMax: 1_000_000,
  typesMax: 1_024,
  mailboxMax: 1_000,
  mailboxMost: 100_000,
  eventTypeCharsMax: 256,
  /** Of an event, a reply or a snapshot on its way to another node, packed. */
  bytesMax: 1 << 20,
  subscribersMax: 1_024,
  watchersMax: 10_000,
  deadLettersKept: 256,
  /** Events that one actor handles before others have their turn, and the time after which it ends all the same. */
  turnEvents: 128,
  turnMs: 5,
  /** Transitions, and messages among its own, that one event may lead to before the actor fails over it. */
  stepsMax: 25_000,
  timeoutMs: 5_000,
  timeoutMsMax: 60_000,
} as const;

export const restartDefault: RestartStrategy = {
  ...{ strategy: 'one-for-one', failuresMax: 5, windowMs: 60_000, backoffMinMs: 50, backoffMaxMs: 5_000 },
};
