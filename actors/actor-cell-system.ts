// An XState actor as the root of a system of its own, hosted: what XState would do on somebody's stack waits for the actor's turn, what it
// would throw on a timer is the actor's failure, what it would drop in silence is a dead letter. Everything that is relied on inside of
// XState 5.33 stands in this file, and test/actors/xstate-traps.test.ts pins it:
// - each Actor tells its system (`_sendInspectionEvent`) of itself in its constructor, before its state is made;
// - events reach an actor by `_send`, errors that nobody looks after leave it by `_reportError`, timers are set by `system.scheduler`,
//   ids come from `system._bookId`; all of them are looked up anew at each use, so that they can be replaced on the objects.
import { Actor, type AnyActorLogic, createActor, type EventObject, type Snapshot } from 'xstate';
import type { Engine, EngineHost, Inside } from './actor-cell-engine.ts';
import { CellTimers } from './actor-cell-timers.ts';

const hosting: unique symbol = Symbol('polity.engine');

type Listener = (value: unknown) => void;
type Observer = { next?: Listener; error?: Listener; complete?: () => void };
type Subscription = { unsubscribe(): void };

/** XState's ProcessingStatus. */
const runs = 1;
const isStopped = 2;

type InnerScope = {
  sessionId: string;
  defer(run: () => void): void;
  stopChild(child: unknown): void;
  emit(event: EventObject): void;
  actionExecutor(action: unknown): void;
};

/** An actor as it is inside. */
type Inner = {
  readonly id: string;
  sessionId: string;
  logic: AnyActorLogic;
  readonly src: unknown;
  readonly system: InnerSystem;
  readonly _parent?: Inner;
  readonly _processingStatus: number;
  _snapshot: Snapshot<unknown> & { children?: Record<string, Inner | undefined> };
  readonly _actorScope: InnerScope;
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

type Inspected =
  | { type: '@xstate.actor'; actorRef: Inner }
  | { type: '@xstate.event'; actorRef: Inner; sourceRef: Inner | undefined; event: EventObject }
  | { type: '@xstate.snapshot'; actorRef: Inner; event: EventObject; snapshot: Snapshot<unknown> }
  | { type: '@xstate.action' | '@xstate.microstep' };

type InnerSystem = {
  [hosting]: SystemEngine;
  scheduler: unknown;
  _bookId(): string;
  _relay(source: Inner, target: Inner, event: EventObject): void;
  _sendInspectionEvent(event: Inspected): void;
};

const plain = Actor.prototype as unknown as Inner;

// ---------------------------------------------------------------- in place of XState's own, on each hosted actor and its system

function bookId(this: InnerSystem): string {
  return this[hosting].nextId();
}

function inspected(this: InnerSystem, event: Inspected): void {
  if (event.type === '@xstate.actor') this[hosting].adopt(event.actorRef);
  else if (this[hosting].host.seen !== null) this[hosting].tell(event);
}

function send(this: Inner, event: EventObject): void {
  this.system[hosting].route(this, event);
}

function stop(this: Inner): Inner {
  this.system[hosting].stopsItself();
  return this;
}

function reportError(this: Inner, error: unknown): void {
  const observers = [...this.observers];
  this.observers.clear();
  this.eventListeners.clear();
  for (const observer of observers) observer.error?.(error);
}

const guarded =
  <Value>(engine: SystemEngine, self: unknown, run: ((value: Value) => void) | undefined) =>
  (value: Value): void => {
    try {
      run?.call(self, value);
    } catch (error) {
      engine.fails(error);
    }
  };

function subscribe(this: Inner, next?: Observer | Listener, error?: Listener, complete?: () => void): Subscription {
  const engine = this.system[hosting];
  const given: Observer =
    typeof next === 'object' && next !== null ? next : { next: next!, error: error!, complete: complete! };
  return plain.subscribe.call(this, {
    next: guarded(engine, given, given.next),
    error: guarded(engine, given, given.error),
    complete: guarded<void>(engine, given, given.complete),
  });
}

function on(this: Inner, type: string, handler: Listener): Subscription {
  return plain.on.call(this, type, guarded(this.system[hosting], undefined, handler));
}

const relay = (source: object, target: object, event: EventObject): void =>
  (source as Inner).system._relay(source as Inner, target as Inner, event);

/** The engine whose root is made just now. */
let creating: SystemEngine | null = null;

/** XState tells whoever inspects of the root from within its constructor: the first moment at which its system can be had. */
const inspect = (event: unknown): void => {
  const engine = creating;
  creating = null;
  engine?.take((event as { actorRef: Inner }).actorRef);
};

// ---------------------------------------------------------------- one system

export class SystemEngine implements Engine {
  readonly host: EngineHost;
  readonly #logic: AnyActorLogic;
  #root: Inner | null = null;
  /** Its own code runs: what it sends to what is inside goes on its own stack, as in XState. */
  #isAtWork = false;
  #isOver = false;
  #ids = 0;
  /** Children and theirs; some that have ended are forgotten late. */
  #kin: Inner[] | null = null;
  #kinMax = 16;
  #timers: CellTimers | null = null;

  constructor(host: EngineHost, logic: AnyActorLogic) {
    this.host = host;
    this.#logic = logic;
  }

  begin(input: unknown): void {
    this.#work(() => {
      this.#make(this.#logic, input);
      this.#root!.start();
    });
  }

  /** In place of one that was driven without a system: with this snapshot, while an event is handled that `commit` or `abort` ends. */
  beginAt(snapshot: Snapshot<unknown>): void {
    this.#isAtWork = true;
    this.#make(Object.create(this.#logic, { getInitialSnapshot: { value: () => snapshot } }) as AnyActorLogic, undefined);
    this.#root!.logic = this.#logic;
    this.#root!.start();
  }

  commit(snapshot: Snapshot<unknown>, event: EventObject | null): void {
    if (event === null) this.#root!._snapshot = snapshot;
    else this.#work(() => this.#root!.update(snapshot, event));
    this.#isAtWork = false;
  }

  abort(error: unknown): void {
    const root = this.#root!;
    this.#work(() => {
      root._snapshot = { ...root._snapshot, status: 'error', error } as Snapshot<unknown>;
      root._error(error);
    });
  }

  get root(): Inner {
    return this.#root!;
  }

  get scope(): InnerScope {
    return this.#root!._actorScope;
  }

  #make(logic: AnyActorLogic, input: unknown): void {
    const { id, xstateClock: clock } = this.host;
    const logger = (...args: unknown[]): void => this.host.says(args);
    creating = this;
    try {
      createActor(logic, { id, input, inspect, clock, logger } as never);
    } finally {
      creating = null;
    }
  }

  /** What an incarnation says that is over is not the next one's. */
  fails(error: unknown): void {
    if (!this.#isOver) this.host.fails(error);
  }

  stopsItself(): void {
    if (!this.#isOver) this.host.stopsItself();
  }

  #work(run: () => void): void {
    this.#isAtWork = true;
    try {
      run();
    } catch (error) {
      this.fails(error);
    } finally {
      this.#isAtWork = false;
    }
  }

  handle(event: EventObject, to: Inside): void {
    const target = (to as Inner | null) ?? this.#root!;
    if (target._processingStatus === isStopped) return this.#lose(event);
    this.#isAtWork = true;
    try {
      plain._send.call(target, event);
    } catch (error) {
      // XState catches what logic throws; this is a fault of it or of ours.
      this.fails(error);
    } finally {
      this.#isAtWork = false;
    }
  }

  snapshot(): Snapshot<unknown> {
    return this.#root!._snapshot;
  }

  persisted(): unknown {
    return this.#root!.getPersistedSnapshot();
  }

  children(): readonly string[] {
    return Object.keys(this.#root?._snapshot.children ?? {});
  }

  isBusy(): boolean {
    const { children, status } = this.#root!._snapshot;
    if (status !== 'active') return false;
    if (this.#timers?.waits) return true;
    // A promise, a callback or an observable: what it waits for is outside of what can be seen.
    if (children === undefined) return this.#logic.start !== undefined;
    for (const id in children) if (children[id]?._snapshot.status === 'active') return true;
    return false;
  }

  stop(): void {
    this.#isOver = true;
    this.#work(() => {
      if (this.#root?._processingStatus === runs) plain._stop.call(this.#root);
      // A transition that threw leaves its children behind (XState: "children don't belong entirely to the actor").
      for (const one of this.#kin ?? []) if (one._processingStatus !== isStopped) plain._stop.call(one);
    });
    this.#timers?.stop();
    this.#kin = null;
  }

  // ---------------------------------------------------------------- what XState's parts ask for

  take(root: Inner): void {
    const { system } = root;
    this.#root = root;
    root.sessionId = root._actorScope.sessionId = this.host.id;
    root.stop = stop;
    system[hosting] = this;
    this.#timers = new CellTimers(this.host, relay);
    system.scheduler = this.#timers;
    system._bookId = bookId;
    system._sendInspectionEvent = inspected;
    this.#host(root);
  }

  #host(actor: Inner): void {
    actor._send = send;
    actor._reportError = reportError;
    actor.subscribe = subscribe;
    actor.on = on;
  }

  adopt(child: Inner): void {
    this.#host(child);
    this.#kin ??= [];
    if (this.#kin.length >= this.#kinMax) {
      this.#kin = this.#kin.filter((one) => one._processingStatus !== isStopped);
      this.#kinMax = Math.max(16, 2 * this.#kin.length);
    }
    this.#kin.push(child);
    this.host.seen?.({ type: 'actor', path: this.#pathOf(child), src: typeof child.src === 'string' ? child.src : '' });
  }

  nextId(): string {
    return `x:${++this.#ids}`;
  }

  route(target: Inner, event: EventObject): void {
    if (this.#isOver || target._processingStatus === isStopped) this.#lose(event);
    else if (target === this.#root) this.host.arrives(event, null);
    else if (this.#isAtWork) plain._send.call(target, event);
    else this.host.arrives(event, target);
  }

  /** XState's own words to what has ended are nobody's loss. */
  #lose(event: EventObject): void {
    if (!event.type.startsWith('xstate.')) this.host.lost(event);
  }

  tell(event: Exclude<Inspected, { type: '@xstate.actor' }>): void {
    const seen = this.host.seen!;
    if (event.type === '@xstate.event') {
      // What is for the actor itself is told when its turn comes.
      if (event.actorRef === this.#root || event.actorRef.system !== this.#root!.system) return;
      const source = event.sourceRef === undefined ? '' : this.#pathOf(event.sourceRef);
      seen({ type: 'event', path: this.#pathOf(event.actorRef), event: event.event, source });
    } else if (event.type === '@xstate.snapshot') {
      const path = this.#pathOf(event.actorRef);
      const { status } = event.snapshot;
      seen({ type: 'snapshot', path, snapshot: event.snapshot, event: event.event });
      if (path === '' || status === 'active') return;
      seen({ type: 'ended', path, reason: status === 'error' ? 'failed' : status });
    }
  }

  /** Ids from below the root on. */
  #pathOf(actor: Inner): string {
    const ids: string[] = [];
    for (let one: Inner | undefined = actor; one !== undefined && one !== this.#root; one = one._parent) ids.unshift(one.id);
    return ids.join('/');
  }
}
