// An XState logic as a thing that a log can drive: what it wants done is told apart from what it is, its timers and what it invokes are
// data, and all of it can be written down and read again. One body for actors with a log of their own and for replicas of one actor.
import type { AnyActorLogic, EventObject, Snapshot } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';

/** A child of the actor, by the ids that lead to it, joined by '/'; '' is the actor itself. */
export type BodyPath = string;

/**
 * 'live': actions, promises, callbacks and messages to others happen at once, as in XState. 'recorded': they do not happen; `takeEffects`
 * tells what is wanted, in order. 'muted': they do not happen and are not told (a log is read again).
 */
export type BodyMode = 'live' | 'recorded' | 'muted';

export type BodyEffect =
  /** A named action. `run` does it, as long as this body lives; `event` and `context` are those that it is given. */
  | { kind: 'action'; path: BodyPath; type: string; params: unknown; event: EventObject; context: unknown }
  /** To an actor outside. */
  | { kind: 'send'; path: BodyPath; to: ActorAddress; event: EventObject }
  /** A promise, callback or observable begins or is not wanted any more; its answers come back as `answer`. */
  | { kind: 'invoke'; path: BodyPath; src: string; input: unknown }
  | { kind: 'uninvoke'; path: BodyPath }
  /** To what was invoked (`sendTo` a callback). */
  | { kind: 'tell'; path: BodyPath; event: EventObject }
  | { kind: 'emit'; path: BodyPath; event: EventObject };

/** An `after` or a delayed event that waits. `id` is the same on every replica and after a restart. */
export type BodyTimer = { readonly id: string; readonly delayMs: number };
export type TimerChange = { type: 'set'; timer: BodyTimer } | { type: 'cleared'; id: string };

/**
 * What an invoked thing says: as XState would have it (`xstate.done.actor.ID`, events of a callback, next values of an observable). 'sent':
 * what an action, promise or callback sent by itself to the actor at that path (`self.send` outside of a turn, see `onSent`). Plain data.
 */
export type BodyAnswer =
  | { type: 'done'; output: unknown }
  | { type: 'error'; error: unknown }
  | { type: 'event'; event: EventObject }
  | { type: 'next'; value: unknown }
  | { type: 'sent'; event: EventObject };

/** Actors in it are `{ $actor: path }`, those outside `{ $ref }`. */
export type PersistedTimer = BodyTimer & {
  readonly key: string;
  readonly source: BodyPath;
  readonly target: unknown;
  readonly event: unknown;
};

/**
 * Plain data; what cannot be is refused with its path (snapshot.context.items[3].when is a Date). `snapshot` as XState persists it, but for
 * what stands for actors; `booked`: how many names and timers were numbered.
 */
export type PersistedBody = { readonly snapshot: unknown; readonly timers: readonly PersistedTimer[]; readonly booked: number };

/** What a tap sees, children included. */
export type BodySeen =
  | { type: 'event'; path: BodyPath; event: EventObject }
  | { type: 'snapshot'; path: BodyPath; snapshot: Snapshot<unknown>; event: EventObject }
  | { type: 'actor'; path: BodyPath; src: string; logic: object | null };

export interface ActorBody {
  /** Runs one event to its end, with all that it raises. Throws what user code throws; the body is of no use then. */
  deliver(event: EventObject): void;
  /** A timer is due: false if it was cleared. */
  fire(timer: string): boolean;
  /** What was invoked says something; false if it is not there any more. */
  answer(path: BodyPath, answer: BodyAnswer): boolean;
  takeEffects(): BodyEffect[];
  takeTimerChanges(): TimerChange[];
  /** Those that wait, in the order in which they were set. */
  timers(): readonly BodyTimer[];
  /** What is invoked and has not ended, in order: what a new leader has to look after. */
  invoked(): readonly { path: BodyPath; src: string; input: unknown }[];
  snapshot(): Snapshot<unknown>;
  persist(): PersistedBody;
  /** The same, not looked through: what of it is no plain data is in it as it is. */
  outline(): unknown;
  /** From now on. What is invoked when it becomes 'live' is begun. */
  mode(mode: BodyMode): void;
  /** Does a recorded action; for what comes back from a log, by its name. Throws what it throws; false: the logic has none of that name. */
  run(action: Extract<BodyEffect, { kind: 'action' }>): boolean;
  /** Begins a recorded promise, callback or observable; `on` is told what it says. Returns how it is told events, and what ends it. */
  invoke(
    invoked: Extract<BodyEffect, { kind: 'invoke' }>,
    on: (answer: BodyAnswer) => void,
  ): { tell(event: EventObject): void; stop(): void } | null;
  /** After each turn that made another snapshot. */
  subscribe(on: (snapshot: Snapshot<unknown>) => void): () => void;
  tap(on: (seen: BodySeen) => void): () => void;
  /** Children's paths, as far as they live. */
  children(): readonly BodyPath[];
  stop(): void;
}

export type BodyArguments = {
  readonly logic: AnyActorLogic;
  readonly id: string;
  /** For the first time, or from what was persisted (its timers are set as they are told: policies are for whoever reads it). */
  readonly from: { readonly input: unknown } | { readonly persisted: PersistedBody };
  readonly mode: BodyMode;
  /** Timers of a live body; others have none that run. */
  readonly clock: { after(delayMs: number, run: () => void): { cancel(): void } } | null;
  /** Sends of a live body to actors outside go through their references, which this makes of what was persisted. */
  readonly formRef?: (address: ActorAddress) => unknown;
  readonly onEmit?: (event: EventObject) => void;
  /**
   * Of a recorded body: code that runs outside of a turn (`run`, `invoke`) sent to an actor of this body. It happens when it comes back as
   * `answer(path, { type: 'sent', event })`, so that a log has it.
   */
  readonly onSent?: (path: BodyPath, event: EventObject) => void;
  /** Of a live body, which failed while nobody called it: by a timer, or by what an invocation said. */
  readonly onFailed?: (error: unknown) => void;
  /** What XState's `log` says. */
  readonly onLog?: (line: readonly unknown[]) => void;
};
