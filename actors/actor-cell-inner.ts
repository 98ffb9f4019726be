// Inside of XState: what an Actor is made of, and what stands in place of parts of it on each hosted actor and its system, so that nothing is
// delivered on somebody's stack, thrown on a timer or dropped in silence. Together with actor-cell-system.ts it holds everything of XState 5.33
// that cells rely on, which test/actors/xstate-traps.test.ts pins:
// - an Actor that is given a parent takes over the parent's system, which is all that it asks of it in its constructor. So a root gets a
//   system of ours in place of one that XState would make, and no parent;
// - each Actor tells its system (`_sendInspectionEvent`) of itself in its constructor, before its state is made;
// - events reach an actor by `_send`, its next snapshot is kept and told by `update`, errors that nobody looks after leave it by
//   `_reportError`, timers are set by `system.scheduler`, ids come from `system._bookId`.
import { Actor, type AnyActorLogic, type EventObject, type Snapshot } from 'xstate';
import type { SystemEngine } from './actor-cell-system.ts';
import { CellTimers } from './actor-cell-timers.ts';

type Listener = (value: unknown) => void;
type Observer = { next?: Listener; error?: Listener; complete?: () => void };
type Subscription = { unsubscribe(): void };

/** XState's ProcessingStatus. */
export const runs = 1;
export const isStopped = 2;

export type InnerScope = {
  sessionId: string;
  defer(run: () => void): void;
  stopChild(child: unknown): void;
  emit(event: EventObject): void;
  actionExecutor(action: unknown): void;
};

export type InnerSnapshot = Snapshot<unknown> & { children?: Record<string, Inner | undefined> };

/** An actor as it is inside. */
export type Inner = {
  readonly id: string;
  readonly sessionId: string;
  logic: AnyActorLogic;
  readonly src: unknown;
  readonly systemId: string | undefined;
  readonly system: CellSystem;
  _parent?: Inner | undefined;
  _processingStatus: number;
  _snapshot: InnerSnapshot;
  readonly _actorScope: InnerScope;
  /** To be done once its snapshot is there. */
  readonly _deferred: readonly (() => void)[];
  readonly observers: Set<Observer>;
  readonly eventListeners: Map<string, unknown>;
  start(): void;
  update(snapshot: Snapshot<unknown>, event: EventObject): void;
  getPersistedSnapshot(): unknown;
  stop(): Inner;
  subscribe(next?: Observer | Listener, error?: Listener, complete?: () => void): Subscription;
  on(type: string, handler: Listener): Subscription;
  _send(event: EventObject): void;
  _stop(): void;
  _error(error: unknown): void;
  _reportError(error: unknown): void;
};

export type Inspected =
  | { type: '@xstate.actor'; actorRef: Inner }
  | { type: '@xstate.event'; actorRef: Inner; sourceRef: Inner | undefined; event: EventObject }
  | { type: '@xstate.snapshot'; actorRef: Inner; event: EventObject; snapshot: Snapshot<unknown> }
  | { type: '@xstate.action' | '@xstate.microstep' };

export const plain = Actor.prototype as unknown as Inner;

const guarded =
  <Value>(engine: SystemEngine, self: unknown, run: ((value: Value) => void) | undefined) =>
  (value: Value): void => {
    try {
      run?.call(self, value);
    } catch (error) {
      engine.fails(error);
    }
  };

const Plain = Actor as unknown as new (logic: AnyActorLogic, options: object) => Inner;

/** The root of a hosted system. */
export class Root extends Plain {
  override _send(event: EventObject): void {
    this.system.engine.route(this, event);
  }

  override _reportError(error: unknown): void {
    const observers = [...this.observers];
    this.observers.clear();
    this.eventListeners.clear();
    for (const observer of observers) observer.error?.(error);
  }

  override subscribe(next?: Observer | Listener, error?: Listener, complete?: () => void): Subscription {
    const { engine } = this.system;
    const given: Observer =
      typeof next === 'object' && next !== null ? next : { next: next!, error: error!, complete: complete! };
    return plain.subscribe.call(this, {
      next: guarded(engine, given, given.next),
      error: guarded(engine, given, given.error),
      complete: guarded<void>(engine, given, given.complete),
    });
  }

  override on(type: string, handler: Listener): Subscription {
    return plain.on.call(this, type, guarded(this.system.engine, undefined, handler));
  }

  override stop(): Inner {
    this.system.engine.stopsItself();
    return this;
  }
}

const hosted = Root.prototype;

/** One that XState has made. Its `stop` stays XState's, which refuses. */
export const host = (child: Inner): void => {
  child._send = hosted._send;
  child._reportError = hosted._reportError;
  child.subscribe = hosted.subscribe;
  child.on = hosted.on;
};

/** In place of the system that XState makes with each root: that one has its ids, timers and times from the process. */
export class CellSystem {
  readonly engine: SystemEngine;
  #timers: CellTimers | null = null;
  /** Those that have a `systemId`. */
  #named: Map<string, Inner> | null = null;
  #ids = 0;

  constructor(engine: SystemEngine) {
    this.engine = engine;
  }

  get hasTimers(): boolean {
    return this.#timers?.waits === true;
  }

  stopTimers(): void {
    this.#timers?.stop();
  }

  // ---------------------------------------------------------------- what XState asks of it

  /** As a root's parent, until it is told of. */
  get system(): CellSystem {
    return this;
  }

  /** The root's session is its address. */
  _bookId(): string {
    return this.engine.isMade ? `x:${++this.#ids}` : this.engine.host.id;
  }

  _sendInspectionEvent(event: Inspected): void {
    if (event.type === '@xstate.actor') return this.engine.adopt(event.actorRef);
    if (event.type === '@xstate.microstep') return this.engine.stepped();
    if (this.engine.host.seen !== null) this.engine.tell(event);
  }

  _relay(source: Inner | undefined, target: Inner, event: EventObject): void {
    if (this.engine.host.seen !== null) this.engine.tell({ type: '@xstate.event', sourceRef: source, actorRef: target, event });
    target._send(event);
  }

  get scheduler(): CellSystem {
    return this;
  }

  schedule(source: Inner, target: Inner, event: EventObject, delayMs: number, id?: string): void {
    this.#timers ??= new CellTimers(this.engine.host, relay);
    this.#timers.schedule(source, target, event, delayMs, id);
  }

  cancel(source: Inner, id: string): void {
    this.#timers?.cancel(source, id);
  }

  cancelAll(source: Inner): void {
    this.#timers?.cancelAll(source);
  }

  get _clock(): unknown {
    return this.engine.host.xstateClock;
  }

  get _logger(): (...args: unknown[]) => void {
    return (...args) => this.engine.host.says(args);
  }

  /** Functions that can be taken from it, as XState's can. */
  get get(): (systemId: string) => Inner | undefined {
    return (systemId) => this.#named?.get(systemId);
  }

  get getAll(): () => Record<string, Inner> {
    return () => Object.fromEntries(this.#named ?? []);
  }

  _set(systemId: string, actor: Inner): void {
    const named = this.get(systemId);
    if (named !== undefined && named !== actor) throw new Error(`Actor with system ID '${systemId}' already exists.`);
    this.#named ??= new Map();
    this.#named.set(systemId, actor);
  }

  _register(sessionId: string): string {
    return sessionId;
  }

  _unregister(actor: Inner): void {
    if (actor.systemId !== undefined && this.get(actor.systemId) === actor) this.#named?.delete(actor.systemId);
  }

  start(): void {}

  /** Whoever looks on taps the actor. */
  inspect(): Subscription {
    return { unsubscribe() {} };
  }

  getSnapshot(): { _scheduledEvents: object } {
    return { _scheduledEvents: {} };
  }
}

const relay = (source: object, target: object, event: EventObject): void =>
  (source as Inner).system._relay(source as Inner, target as Inner, event);
