// What is inside a cell: one incarnation of an actor, an XState logic that is driven one event at a time by whoever has its turns.
import type { EventObject, Snapshot } from 'xstate';
import type { ActorEnd, ActorExecution } from './actor-api.ts';
import type { ClockPort } from './ports/index.ts';

/** One of the actor's own children, as XState has them; null: the actor itself. */
export type Inside = { readonly id: string } | null;

/** What an engine needs of its cell. */
export interface EngineHost {
  /** The actor's address as text. */
  readonly id: string;
  readonly clock: ClockPort;
  /** As logic can read it of its system; one of all actors. */
  readonly xstateClock: unknown;
  readonly execution: ActorExecution;
  /** A timer, a promise or a child has something to say, or somebody kept a reference of XState: it waits for the actor's turn. */
  arrives(event: EventObject, to: Inside): void;
  /** An error that nobody inside looks after: the actor fails. */
  fails(error: unknown): void;
  /** Sent to something inside that has ended. */
  lost(event: EventObject): void;
  /** The logic says `self.stop()`. */
  stopsItself(): void;
  /** What `log()` says. */
  says(args: readonly unknown[]): void;
  /** Whoever looks on, or null. */
  readonly seen: ((seen: EngineSeen) => void) | null;
  /** Somebody hears what it emits. */
  readonly isHeard: boolean;
  emitted(event: EventObject): void;
}

export type EngineSeen =
  | { type: 'event'; path: string; event: EventObject; source: string }
  | { type: 'snapshot'; path: string; snapshot: Snapshot<unknown>; event: EventObject | null }
  | { type: 'actor'; path: string; src: string; logic: object | null }
  | { type: 'ended'; path: string; reason: ActorEnd['reason'] };

/** Nothing here throws: what user code throws is in the snapshot (`status: 'error'`). */
export interface Engine {
  /** Makes and starts it; once. */
  begin(input: unknown): void;
  /** Runs one event to its end. */
  handle(event: EventObject, to: Inside): void;
  snapshot(): Snapshot<unknown>;
  /** Throws what XState throws. */
  persisted(): unknown;
  /** Ids. */
  children(): readonly string[];
  /** Children, timers, or what it waits for itself. */
  isBusy(): boolean;
  /** Somebody hears from now on what it emits. */
  hear(): void;
  /** With everything inside. Not while it handles an event. */
  stop(): void;
}
