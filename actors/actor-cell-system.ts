// An XState actor as the root of a system of its own, hosted: what XState would do on somebody's stack waits for the actor's turn, what it
// would throw on a timer is the actor's failure, what it would drop in silence is a dead letter.
import type { AnyActorLogic, EventObject, Snapshot } from 'xstate';
import type { Engine, EngineHost, Inside } from './actor-cell-engine.ts';
import {
  CellSystem,
  host,
  type Inner,
  type InnerScope,
  type InnerSnapshot,
  type Inspected,
  isStopped,
  plain,
  Root,
  runs,
} from './actor-cell-inner.ts';
import { Steps } from './actor-steps.ts';

/** Those that have ended are looked for among as many. */
const kinMin = 16;

export class SystemEngine implements Engine {
  readonly host: EngineHost;
  readonly #logic: AnyActorLogic;
  readonly #system: CellSystem;
  #root: Inner | null = null;
  /** Its own code runs: what it sends to what is inside goes on its own stack, as in XState. */
  #isAtWork = false;
  #isOver = false;
  readonly #steps = new Steps();
  /** Children and theirs; some that have ended are forgotten late. */
  #kin: Inner[] | null = null;
  #kinMax = kinMin;

  #isHeard = false;

  constructor(host: EngineHost, logic: AnyActorLogic) {
    this.host = host;
    this.#logic = logic;
    this.#system = new CellSystem(this);
  }

  begin(input: unknown): void {
    this.#isAtWork = true;
    try {
      this.#make(this.#logic, input);
      if (this.host.isHeard) this.hear();
      this.#root!.start();
    } catch (error) {
      this.fails(error);
    } finally {
      this.#isAtWork = false;
    }
  }

  /** In place of one that was driven without a system: with this snapshot, while an event is handled that `commit` or `abort` ends. */
  beginAt(snapshot: Snapshot<unknown>): void {
    this.#isAtWork = true;
    this.#make(Object.create(this.#logic, { getInitialSnapshot: { value: () => snapshot } }) as AnyActorLogic, undefined);
    this.#root!.logic = this.#logic;
    if (this.host.isHeard) this.hear();
    this.#root!.start();
  }

  commit(snapshot: Snapshot<unknown>, event: EventObject | null): void {
    if (event === null) this.#root!._snapshot = snapshot;
    else this.#work(() => this.#root!.update(snapshot, event));
    this.#isAtWork = false;
  }

  abort(error: unknown): void {
    this.#work(() => this.#break(this.#root!, error));
  }

  /** Its root has told of itself. */
  get isMade(): boolean {
    return this.#root !== null;
  }

  get root(): Inner {
    return this.#root!;
  }

  get scope(): InnerScope {
    return this.#root!._actorScope;
  }

  /** It is taken from within the constructor (`adopt`): code that runs there has to find it. */
  #make(logic: AnyActorLogic, input: unknown): void {
    new Root(logic, { id: this.host.id, input, parent: this.#system });
  }

  hear(): void {
    if (this.#isHeard) return;
    this.#isHeard = true;
    plain.on.call(this.#root!, '*', (event) => {
      if (!this.#isOver) this.host.emitted(event as EventObject);
    });
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
    const root = this.#root!;
    const target = (to as Inner | null) ?? root;
    if (target._processingStatus === isStopped) return this.#lose(event);
    this.#steps.begin();
    this.#isAtWork = true;
    try {
      // What is for the root waits in the cell, never in the mailbox that XState gave it.
      if (target === root) this.#step(root, event);
      else plain._send.call(target, event);
    } catch (error) {
      // XState catches what logic throws; this is a fault of it or of ours.
      this.fails(error);
    } finally {
      this.#isAtWork = false;
    }
  }

  /** As XState's `_process` does, but for what nobody would hear of. */
  #step(root: Inner, event: EventObject): void {
    let next: Snapshot<unknown>;
    try {
      next = root.logic.transition(root._snapshot, event, root._actorScope as never);
    } catch (error) {
      return this.#break(root, error);
    }
    if (next.status !== 'active' || root.observers.size > 0 || root._deferred.length > 0 || this.host.seen !== null)
      root.update(next, event);
    else root._snapshot = next;
  }

  #break(root: Inner, error: unknown): void {
    root._snapshot = { ...root._snapshot, status: 'error', error } as InnerSnapshot;
    root._error(error);
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
    if (this.#system.hasTimers) return true;
    // A promise, a callback or an observable: what it waits for is outside of what can be seen.
    if (children === undefined) return this.#logic.start !== undefined;
    for (const id in children) if (children[id]?._snapshot.status === 'active') return true;
    return false;
  }

  stop(): void {
    this.#isOver = true;
    if (!this.#endsQuietly())
      this.#work(() => {
        if (this.#root?._processingStatus === runs) plain._stop.call(this.#root);
        // A transition that threw leaves its children behind (XState: "children don't belong entirely to the actor").
        for (const one of this.#kin ?? []) if (one._processingStatus !== isStopped) plain._stop.call(one);
      });
    this.#system.stopTimers();
    this.#kin = null;
  }

  /** A chart that never had children, on which nobody looks: to stop it is to say so. All others have something to do, or somebody to tell. */
  #endsQuietly(): boolean {
    const root = this.#root;
    if (root === null || root._processingStatus !== runs || !('__xstatenode' in root.logic)) return false;
    if (this.#kin !== null || root.observers.size > 0 || this.host.seen !== null) return false;
    root._processingStatus = isStopped;
    root._snapshot = { ...root._snapshot, status: 'stopped' } as InnerSnapshot;
    return true;
  }

  // ---------------------------------------------------------------- what XState's parts ask for

  /** An actor tells of itself from within its constructor, the root first of all. */
  adopt(actor: Inner): void {
    if (this.#root === null) {
      this.#root = actor;
      actor._parent = undefined;
    } else this.#adopt(actor);
  }

  #adopt(child: Inner): void {
    host(child);
    this.#kin ??= [];
    if (this.#kin.length >= this.#kinMax) {
      this.#kin = this.#kin.filter((one) => one._processingStatus !== isStopped);
      this.#kinMax = Math.max(kinMin, 2 * this.#kin.length);
    }
    this.#kin.push(child);
    const src = typeof child.src === 'string' ? child.src : '';
    this.host.seen?.({ type: 'actor', path: this.#pathOf(child), src, logic: child.logic });
  }

  route(target: Inner, event: EventObject): void {
    if (this.#isOver || target._processingStatus === isStopped) this.#lose(event);
    else if (target === this.#root) this.host.arrives(event, null);
    else if (this.#isAtWork) {
      this.#steps.count();
      plain._send.call(target, event);
    } else this.host.arrives(event, target);
  }

  /** What ends goes through as many as it has. */
  stepped(): void {
    if (!this.#isOver) this.#steps.count();
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
