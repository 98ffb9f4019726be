// The one place where a body (actor-body.ts) reaches into XState 5.33.3; test/actors/actor-body-pins.test.ts pins what is relied on. XState
// announces each actor of a system in its constructor, before its state is made ('@xstate.actor'): there it is given an executor of actions
// that may put them off, a stub in place of what would begin something outside, names that come out the same everywhere, and its system
// a relay and a scheduler that are ours. XState's clock, ids and random numbers are never used.
import { type AnyActorLogic, type AnyActorRef, type AnyActorScope, createActor, type EventObject, type Snapshot } from 'xstate';
import type { BodyPath } from './actor-body-api.ts';
import { isMachine, kindOf, type OutsideKind, stubOf } from './actor-logics.ts';
import { orderly } from './actor-order.ts';

export type Deed = { type: string; info: DeedInfo; params: unknown; exec?: (info: DeedInfo, params: unknown) => void };
export type DeedInfo = { context: unknown; event: EventObject; self: AnyActorRef; system: unknown };

export type Scheduler = {
  schedule(source: InnerActor, target: AnyActorRef, event: EventObject, delayMs: number, id?: string): void;
  cancel(source: InnerActor, id: string): void;
  cancelAll(source: InnerActor): void;
};

type InspectionEvent = { type: string; actorRef: InnerActor; event: EventObject; snapshot: Snapshot<unknown> };

export type InnerSystem = {
  _bookId(): string;
  _relay(source: AnyActorRef | undefined, target: AnyActorRef, event: EventObject): void;
  _sendInspectionEvent(event: InspectionEvent): void;
  scheduler: Scheduler;
};

type InnerScope = Omit<AnyActorScope, 'actionExecutor' | 'id' | 'sessionId'> & {
  actionExecutor(action: Deed): void;
  id: string;
  sessionId: string;
};

const running = 1;
const stopped = 2;

/** XState's `Actor` with the fields that it calls internal. */
export type InnerActor = Omit<AnyActorRef, 'id' | 'sessionId' | 'src' | 'system'> & {
  id: string;
  sessionId: string;
  src: string | AnyActorLogic;
  logic: AnyActorLogic;
  system: InnerSystem;
  systemId: string | undefined;
  _parent?: InnerActor;
  _snapshot: Snapshot<unknown> & { children?: Record<string, InnerActor> };
  _syncSnapshot?: boolean;
  _processingStatus: number;
  _actorScope: InnerScope;
  _deferred: (() => void)[];
  _send(event: EventObject): void;
};

export const innerOf = (actor: AnyActorRef): InnerActor => actor as unknown as InnerActor;
export const refOf = (actor: InnerActor): AnyActorRef => actor as unknown as AnyActorRef;

/** What is invoked: begun by whoever may. */
export type Outside = {
  path: BodyPath;
  src: string;
  input: unknown;
  actor: InnerActor;
  logic: AnyActorLogic;
  kind: OutsideKind;
};

export type InsideEvents = {
  /** Before anything else. */
  made(inside: Inside): void;
  act(actor: InnerActor, path: BodyPath, deed: Deed): void;
  relay(source: AnyActorRef | undefined, target: AnyActorRef, event: EventObject): void;
  emit(path: BodyPath, event: EventObject): void;
  begin(outside: Outside): void;
  tell(path: BodyPath, event: EventObject): void;
  end(path: BodyPath, actor: InnerActor): void;
  /** A transition of one of them. Throws when there are too many. */
  stepped(): void;
  /** The next number, for what has no name. */
  book(): number;
  seen(type: 'actor' | 'event' | 'snapshot', path: BodyPath, detail: InspectionEvent | null): void;
  log(line: readonly unknown[]): void;
};

export type Inside = {
  readonly root: InnerActor;
  /** Those that live, by path; the latest under it. */
  readonly actors: ReadonlyMap<BodyPath, InnerActor>;
  readonly machines: ReadonlySet<AnyActorLogic>;
  /** Also of one that is gone; undefined: not of this body. */
  pathOf(actor: unknown): BodyPath | undefined;
  /** A reference to one that is gone. */
  gone(path: BodyPath): unknown;
  watched: boolean;
};

/** Of XState's own, those that do something; all but `log` concern the inside. */
const builtIns: ReadonlySet<string> = new Set([
  'xstate.raise',
  'xstate.cancel',
  'xstate.sendTo',
  'xstate.spawnChild',
  'xstate.stopChild',
  'xstate.emit',
]);

/** An id as a part of a path. */
const part = (id: string): string => id.replace(/[%/]/g, encodeURIComponent);

export const isRunning = (actor: InnerActor): boolean => actor._processingStatus === running;
export const isStopped = (actor: InnerActor): boolean => actor._processingStatus === stopped;

const srcOf = (actor: InnerActor): string => (typeof actor.src === 'string' ? actor.src : 'inline');

type OpenArguments = {
  logic: AnyActorLogic;
  id: string;
  from: { readonly input: unknown } | { readonly snapshot: unknown };
  scheduler: Scheduler;
  on: InsideEvents;
};

/** The root and its system, not started yet. */
export const openInside = ({ logic, id, from, scheduler, on }: OpenArguments): void => {
  const actors = new Map<BodyPath, InnerActor>();
  const machines = new Set<AnyActorLogic>();
  const paths = new WeakMap<object, BodyPath>();

  /** Its path is free: it will be stopped at the end of this step, and another may take its place in the same step. */
  const leave = (actor: InnerActor): void => {
    const path = paths.get(actor);
    if (path === undefined || actors.get(path) !== actor) return;
    actors.delete(path);
    for (const child of Object.values(actor._snapshot?.children ?? {})) if (child !== undefined) leave(child);
  };

  const name = (actor: InnerActor): BodyPath => {
    const { _parent: parent } = actor;
    if (parent === undefined) return '';
    // XState names the nameless by a counter of the process.
    if (actor.id === actor.sessionId) actor.id = `${srcOf(actor)}:${on.book()}`;
    const above = paths.get(parent) ?? '';
    const path = above === '' ? part(actor.id) : `${above}/${part(actor.id)}`;
    const before = actors.get(path);
    if (before !== undefined && !isStopped(before)) supersede(parent, before);
    return path;
  };

  /** Another has taken its id: XState would let it go on where nobody finds it, and forget it at the next restoration. */
  const supersede = (parent: InnerActor, child: InnerActor): void => {
    leave(child);
    const stop = (): void => parent._actorScope.stopChild(refOf(child));
    if (isRunning(child)) parent._deferred.push(stop);
    else stop();
  };

  const adopt = (actor: InnerActor): void => {
    const path = name(actor);
    const scope = actor._actorScope;
    scope.id = actor.id;
    actor.sessionId = scope.sessionId = path === '' ? id : `${id}/${path}`;
    actors.set(path, actor);
    paths.set(actor, path);
    dress(actor, path);
    direct(actor, path, scope);
    if (inside.watched) on.seen('actor', path, null);
  };

  const dress = (actor: InnerActor, path: BodyPath): void => {
    const { logic: original } = actor;
    const kind = kindOf(original);
    if (kind === 'inside') {
      if (!isMachine(original)) return;
      machines.add(original);
      actor.logic = orderly(original);
      return;
    }
    actor.logic = stubOf(original, kind, {
      begin: (input) => on.begin({ path, src: srcOf(actor), input, actor, logic: original, kind }),
      tell: (event) => on.tell(path, event),
      end: () => on.end(path, actor),
    });
  };

  const direct = (actor: InnerActor, path: BodyPath, scope: InnerScope): void => {
    const execute = scope.actionExecutor;
    const { emit, stopChild } = scope;
    scope.emit = (event) => {
      on.emit(path, event);
      emit(event);
    };
    scope.stopChild = (child) => {
      leave(innerOf(child));
      stopChild(child);
    };
    scope.actionExecutor = (deed) => {
      if (!builtIns.has(deed.type)) {
        if (deed.exec === undefined) return;
        // The actions of the first state wait until the actor is started, as in XState.
        if (isRunning(actor)) on.act(actor, path, deed);
        else actor._deferred.push(() => on.act(actor, path, deed));
        return;
      }
      const params = deed.params as { id?: unknown } | undefined;
      if (deed.type === 'xstate.spawnChild' && params?.id === undefined)
        // XState keeps all of these under the name 'undefined', so that only the last can be found again.
        throw new Error('spawnChild needs an id in a durable actor');
      if (deed.type === 'xstate.stopChild' && params !== undefined) leave(params as unknown as InnerActor);
      execute(deed);
    };
  };

  const take = (system: InnerSystem): void => {
    system._relay = on.relay;
    system.scheduler = scheduler;
    system._sendInspectionEvent = (event) => {
      if (event.type === '@xstate.actor') adopt(event.actorRef);
      else if (event.type === '@xstate.microstep') on.stepped();
      else if (inside.watched && event.type === '@xstate.snapshot') on.seen('snapshot', paths.get(event.actorRef) ?? '', event);
    };
  };

  let taken = false;
  const inside: Inside & { root: InnerActor } = {
    root: null as unknown as InnerActor,
    actors,
    machines,
    pathOf: (actor) => (typeof actor === 'object' && actor !== null ? paths.get(actor) : undefined),
    gone(path) {
      const snapshot = { status: 'stopped', output: undefined, error: undefined };
      const ref = {
        id: path.slice(path.lastIndexOf('/') + 1),
        sessionId: `${id}/${path}`,
        system: inside.root.system,
        getSnapshot: () => snapshot,
        _parent: actors.get(path.slice(0, Math.max(0, path.lastIndexOf('/')))),
        _processingStatus: stopped,
        send() {},
        _send() {},
        _stop() {},
      };
      paths.set(ref, path);
      return Object.assign(ref, { ref });
    },
    watched: false,
  };
  createActor(logic, {
    id,
    ...('snapshot' in from ? { snapshot: from.snapshot as Snapshot<unknown> } : { input: from.input }),
    logger: (...line: unknown[]) => on.log(line),
    // Called for the root only, whose constructor goes on with the system that is ours then.
    inspect(event) {
      if (taken) return;
      taken = true;
      inside.root = innerOf(event.actorRef as AnyActorRef);
      on.made(inside);
      take(inside.root.system);
      adopt(inside.root);
    },
  });
};

/** Goes through an actor's children, each with its parent's. */
export const childrenOf = (actor: InnerActor): [string, InnerActor][] => Object.entries(actor._snapshot.children ?? {});
