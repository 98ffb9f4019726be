// Transition logic (`fromTransition`, `fromStore`, anything that only turns a snapshot and an event into the next snapshot), driven without
// XState around it: that is an order of magnitude faster. It becomes the root of a whole XState system as soon as it touches what only a
// system has: `self`, `system`, children.
import type { AnyActorLogic, EventObject, Snapshot } from 'xstate';
import type { Engine, EngineHost, Inside } from './actor-cell-engine.ts';
import { SystemEngine } from './actor-cell-system.ts';

/** Charts have states, and promises, callbacks and observables are started. */
export const isTransitionLogic = (logic: AnyActorLogic): boolean =>
  logic.start === undefined && !('__xstatenode' in logic) && typeof logic.transition === 'function';

/** While it is made. */
const unborn: Snapshot<unknown> = { status: 'active', output: undefined, error: undefined };

/** What logic is given as its `actorScope`. */
class LightScope {
  readonly #engine: LightEngine;
  readonly id: string;
  readonly sessionId: string;

  constructor(engine: LightEngine, id: string) {
    this.#engine = engine;
    this.id = id;
    this.sessionId = id;
  }

  get self(): unknown {
    return this.#engine.whole().root;
  }

  get system(): unknown {
    return this.#engine.whole().root.system;
  }

  readonly logger = (...args: unknown[]): void => this.#engine.host.says(args);

  readonly defer = (run: () => void): void => this.#engine.defer(run);

  readonly stopChild = (child: unknown): void => this.#engine.whole().scope.stopChild(child);

  /** Whoever listens from inside had to touch `self` before. */
  readonly emit = (event: EventObject): void => this.#engine.emit(event);

  readonly actionExecutor = (action: unknown): void => this.#engine.whole().scope.actionExecutor(action);
}

export class LightEngine implements Engine {
  readonly host: EngineHost;
  readonly #logic: AnyActorLogic;
  readonly #scope: LightScope;
  #snapshot = unborn;
  #deferred: (() => void)[] | null = null;
  #whole: SystemEngine | null = null;

  constructor(host: EngineHost, logic: AnyActorLogic) {
    this.host = host;
    this.#logic = logic;
    this.#scope = new LightScope(this, host.id);
  }

  begin(input: unknown): void {
    try {
      this.#snapshot = this.#logic.getInitialSnapshot(this.#scope as never, input);
      this.#whole?.commit(this.#snapshot, null);
      this.#runDeferred();
    } catch (error) {
      this.#break(error);
    }
  }

  handle(event: EventObject, to: Inside): void {
    if (this.#whole !== null) return this.#whole.handle(event, to);
    try {
      this.#snapshot = this.#logic.transition(this.#snapshot, event, this.#scope as never);
      if (this.#deferred !== null) this.#runDeferred();
      // Touched while it ran: from now on the system drives it.
      if (this.#becameWhole()) this.#whole!.commit(this.#snapshot, event);
    } catch (error) {
      this.#break(error);
    }
    if (this.host.seen !== null && !this.#becameWhole())
      this.host.seen({ type: 'snapshot', path: '', snapshot: this.#snapshot, event });
  }

  #becameWhole(): boolean {
    return this.#whole !== null;
  }

  #runDeferred(): void {
    for (let run = this.#deferred?.shift(); run !== undefined; run = this.#deferred?.shift()) run();
    this.#deferred = null;
  }

  #break(error: unknown): void {
    this.#deferred = null;
    this.#snapshot = { ...this.#snapshot, status: 'error', error } as Snapshot<unknown>;
    this.#whole?.abort(error);
  }

  snapshot(): Snapshot<unknown> {
    return this.#whole === null ? this.#snapshot : this.#whole.snapshot();
  }

  persisted(): unknown {
    return this.#whole === null ? this.#logic.getPersistedSnapshot(this.#snapshot) : this.#whole.persisted();
  }

  children(): readonly string[] {
    return this.#whole?.children() ?? [];
  }

  isBusy(): boolean {
    return this.#whole?.isBusy() ?? false;
  }

  stop(): void {
    if (this.#whole !== null) return this.#whole.stop();
    if (this.#snapshot.status !== 'active') return;
    try {
      // As XState does: logic may have something to put away.
      this.#snapshot = this.#logic.transition(this.#snapshot, { type: 'xstate.stop' }, this.#scope as never);
    } catch (error) {
      this.host.fails(error);
    }
    if (this.#becameWhole()) this.#whole!.stop();
  }

  // ---------------------------------------------------------------- of its scope

  whole(): SystemEngine {
    if (this.#whole === null) {
      this.#whole = new SystemEngine(this.host, this.#logic);
      this.#whole.beginAt(this.#snapshot);
    }
    return this.#whole;
  }

  defer(run: () => void): void {
    if (this.#whole !== null) return this.#whole.scope.defer(run);
    this.#deferred ??= [];
    this.#deferred.push(run);
  }

  emit(event: EventObject): void {
    if (this.#whole !== null) this.#whole.scope.emit(event);
    else if (this.host.isHeard) this.host.emitted(event);
  }

  hear(): void {
    this.#whole?.hear();
  }
}
