// An XState logic that a log can drive (actor-body-api.ts): a root actor of a system of its own, whose actions, messages to others, timers
// and invocations are told as data instead of being done. A body that is live does at once what a recorded one tells: there is one way
// through it, so that what holds for the one holds for the other. Docs: docs/internals/actors-local.md.
import type { AnyActorLogic, AnyActorRef, EventObject, Snapshot } from 'xstate';
import { type ActorAddress, isActorAddress, parseAddress } from '../machines/entity/address.ts';
import { refMark } from './actor-api.ts';
import type {
  ActorBody,
  BodyAnswer,
  BodyArguments,
  BodyEffect,
  BodyMode,
  BodyPath,
  BodySeen,
  PersistedBody,
  TimerChange,
} from './actor-body-api.ts';
import { deedOf, type Exec, nameOf } from './actor-deeds.ts';
import {
  type Deed,
  type DeedInfo,
  type InnerActor,
  type Inside,
  type InsideEvents,
  innerOf,
  isRunning,
  isStopped,
  type Outside,
  openInside,
  refOf,
} from './actor-inside.ts';
import { beginOutside, eventOf, isMachine } from './actor-logics.ts';
import { completeInside, outlineInside, persistInside, recall, restorable, writable } from './actor-persist.ts';
import { Steps } from './actor-steps.ts';
import { createBodyTimers, type LiveTimer } from './actor-timers.ts';

type ActionEffect = Extract<BodyEffect, { kind: 'action' }>;
type InvokeEffect = Extract<BodyEffect, { kind: 'invoke' }>;
type Begun = ReturnType<typeof beginOutside>;

const logType = 'xstate.log';
/** Whoever takes nothing keeps it, perhaps: it is not the list that the next turn fills. */
const nothing: never[] = Object.freeze([]) as never;

/** Where a message to the outside goes; null: it is no reference of ours. */
const addressOf = (target: unknown): ActorAddress | null => {
  if (typeof target !== 'object' || target === null) return null;
  const { [refMark]: marked, $ref: written } = target as { [refMark]?: unknown; $ref?: unknown };
  if (isActorAddress(marked)) return marked;
  return parseAddress(written);
};

/** Throws what the logic throws when it is made, and an error that says what cannot be restored. */
export const createBody = (args: BodyArguments): ActorBody => {
  const { logic, id, from, clock } = args;
  let mode: BodyMode = args.mode;
  let booked = 'persisted' in from ? from.persisted.booked : 0;
  let isRestoring = 'persisted' in from;
  let inTurn = false;
  let isOver = false;
  const steps = new Steps();
  /** From the moment in which XState announces the root, before its first state is made. */
  let inside!: Inside;
  let failed: { error: unknown } | null = null;
  let last: Snapshot<unknown> | null = null;
  let effects: BodyEffect[] = [];
  let changes: TimerChange[] = [];
  /** How a recorded action is done, while whoever took it has it. */
  const deeds = new WeakMap<ActionEffect, () => void>();
  const outside = new Map<BodyPath, Outside>();
  /** Of a live body. */
  const begun = new Map<BodyPath, Begun>();
  const alarms = new Map<string, { cancel(): void }>();
  const listeners = new Set<(snapshot: Snapshot<unknown>) => void>();
  const taps = new Set<(seen: BodySeen) => void>();
  const tapped = (seen: BodySeen): void => {
    for (const on of [...taps]) on(seen);
  };

  const turn = (run: () => void): void => {
    if (inTurn) return run();
    if (failed !== null) throw failed.error;
    inTurn = true;
    steps.begin();
    try {
      run();
    } finally {
      inTurn = false;
    }
    // Assigned while it ran.
    const why = failed as { error: unknown } | null;
    if (why !== null) throw why.error;
    const { _snapshot: snapshot } = inside.root;
    if (snapshot === last) return;
    last = snapshot;
    for (const on of [...listeners]) on(snapshot);
  };

  /** What comes from nobody who could be told: from a clock, or from a promise. Within a turn, it is the turn's. */
  const attempt = (run: () => void): void => {
    if (inTurn) return run();
    try {
      run();
    } catch (error) {
      args.onFailed?.(error);
    }
  };

  // ---------------------------------------------------------------- timers

  const arm = ({ id: timer, delayMs }: { id: string; delayMs: number }): void => {
    const set = clock?.after(delayMs, () => {
      alarms.delete(timer);
      attempt(() => void body.fire(timer));
    });
    if (set !== undefined) alarms.set(timer, set);
  };

  const changed = (change: TimerChange): void => {
    if (mode !== 'live') return void changes.push(change);
    if (change.type === 'set') return arm(change.timer);
    alarms.get(change.id)?.cancel();
    alarms.delete(change.id);
  };

  const timers = createBodyTimers({ pathOf: (actor) => inside.pathOf(actor), book: () => booked++, changed });

  // ---------------------------------------------------------------- what the inside wants done

  const beginNow = (one: Outside): void => {
    begun.set(
      one.path,
      start(one, (answer) => {
        if (outside.get(one.path) === one) attempt(() => answered(one, answer));
      }),
    );
  };

  const start = (one: Outside, on: (answer: BodyAnswer) => void): Begun =>
    beginOutside({
      logic: one.logic,
      kind: one.kind,
      actor: refOf(one.actor),
      scope: one.actor._actorScope as never,
      input: one.input,
      on,
      emit: (event) => args.onEmit?.(event),
    });

  const act = (actor: InnerActor, path: BodyPath, { type, info, params, exec }: Deed): void => {
    if (mode === 'live') return exec?.(info, params);
    if (mode === 'muted' || exec === undefined) return;
    const name = type === logType || !isMachine(actor.logic) ? type : nameOf(actor.logic, type, exec);
    const effect: ActionEffect = { kind: 'action', path, type: name, params, event: info.event, context: info.context };
    deeds.set(effect, () => exec(info, params));
    effects.push(effect);
  };

  const sendOut = (source: AnyActorRef | undefined, target: AnyActorRef, event: EventObject): void => {
    const to = addressOf(target);
    if (to === null) throw new TypeError('an actor outside is known by its reference (node.ref), nothing else can be sent to');
    if (mode === 'live') return target.send(event);
    if (mode === 'recorded') effects.push({ kind: 'send', path: inside.pathOf(source) ?? '', to, event });
  };

  const relay: InsideEvents['relay'] = (source, target, event) => {
    // What a child tells its parent when it is started was told when it was started first.
    if (isRestoring) return;
    const path = inside.pathOf(target);
    if (path === undefined) return sendOut(source, target, event);
    if (inTurn) return hand(innerOf(target), path, event);
    if (mode === 'live') return attempt(() => turn(() => hand(innerOf(target), path, event)));
    if (mode === 'recorded') args.onSent?.(path, event);
  };

  const hand = (actor: InnerActor, path: BodyPath, event: EventObject): void => {
    if (taps.size > 0) tapped({ type: 'event', path, event });
    // XState warns of these in development.
    if (isStopped(actor)) return;
    steps.count();
    actor._send(event);
  };

  const on: InsideEvents = {
    made: (made) => void (inside = made),
    act,
    relay,
    emit(path, event) {
      if (mode === 'live') args.onEmit?.(event);
      else if (mode === 'recorded') effects.push({ kind: 'emit', path, event });
    },
    begin(one) {
      // The one before has yet to handle that it was stopped, where it was in the middle of something.
      const before = outside.get(one.path);
      if (before !== undefined) on.end(one.path, before.actor);
      outside.set(one.path, one);
      if (isRestoring) return;
      if (mode === 'live') beginNow(one);
      else if (mode === 'recorded') effects.push({ kind: 'invoke', path: one.path, src: one.src, input: one.input });
    },
    tell(path, event) {
      if (mode === 'live') begun.get(path)?.tell(event);
      else if (mode === 'recorded') effects.push({ kind: 'tell', path, event });
    },
    end(path, actor) {
      if (outside.get(path)?.actor !== actor) return;
      outside.delete(path);
      if (mode === 'recorded') effects.push({ kind: 'uninvoke', path });
      const running = begun.get(path);
      begun.delete(path);
      running?.stop();
    },
    stepped() {
      if (!isOver) steps.count();
    },
    book: () => booked++,
    seen(type, path, detail) {
      const actor = inside.actors.get(path);
      if (type === 'actor') return tapped({ type, path, src: srcOf(actor), logic: actor?.logic ?? null });
      if (type === 'snapshot' && detail !== null) tapped({ type, path, snapshot: detail.snapshot, event: detail.event });
    },
    log: (line) => args.onLog?.(line),
  };

  const srcOf = (actor: InnerActor | undefined): string => (typeof actor?.src === 'string' ? actor.src : '');

  const answered = (one: Outside, answer: BodyAnswer): void =>
    turn(() => {
      const event = eventOf(one.kind, answer);
      const self = refOf(one.actor);
      if (event !== null) return relay(self, self, event);
      const { _parent: parent } = one.actor;
      if (answer.type === 'event' && parent !== undefined) relay(self, refOf(parent), answer.event);
    });

  // ---------------------------------------------------------------- from the beginning, or from what was persisted

  const restoreTimer = (persisted: PersistedBody['timers'][number]): void => {
    const source = inside.actors.get(persisted.source);
    if (source === undefined) throw new TypeError(`timer ${persisted.id} belongs to nobody`);
    const { target, event } = recall(
      inside,
      restorable({ target: persisted.target, event: persisted.event }, args.formRef),
    ) as {
      target: AnyActorRef;
      event: EventObject;
    };
    const { id: timer, delayMs, key } = persisted;
    timers.restore({ id: timer, delayMs, key, source, target, event });
  };

  const open = (): void => {
    const first = 'persisted' in from ? { snapshot: restorable(from.persisted.snapshot, args.formRef) } : from;
    openInside({ logic, id, from: first, scheduler: timers, on });
    if ('persisted' in from) {
      completeInside(inside, from.persisted.snapshot);
      from.persisted.timers.forEach(restoreTimer);
    }
    inside.root.subscribe({ error: (error: unknown) => void (failed = { error }) } as never);
    inside.root.start();
    isRestoring = false;
    if (mode === 'live' && 'persisted' in from) wake();
  };

  /** What waits begins. */
  const wake = (): void => {
    for (const timer of timers.all()) arm(timer);
    for (const one of [...outside.values()]) if (!begun.has(one.path)) beginNow(one);
  };

  /** Of a live body: what is under way ends, and is still wanted. */
  const lull = (): void => {
    for (const alarm of alarms.values()) alarm.cancel();
    alarms.clear();
    const ending = [...begun.values()];
    begun.clear();
    for (const one of ending) one.stop();
  };

  // ---------------------------------------------------------------- actions of a log

  const find = (path: BodyPath, name: string): { exec: Exec; self: AnyActorRef } | null => {
    const actor = inside.actors.get(path);
    const machines: AnyActorLogic[] = actor !== undefined && isMachine(actor.logic) ? [actor.logic] : [];
    // A child that has ended since then is not there to ask.
    for (const machine of [...machines, ...inside.machines]) {
      const exec = deedOf(machine, name);
      if (exec !== null) return { exec, self: actor === undefined ? (inside.gone(path) as AnyActorRef) : refOf(actor) };
    }
    return null;
  };

  const persistTimer = ({ id: timer, delayMs, key, source, target, event }: LiveTimer): PersistedBody['timers'][number] => {
    const plain = writable(inside, { target, event }, `timer ${timer}`) as { target: unknown; event: unknown };
    return { id: timer, delayMs, key, source: inside.pathOf(source) ?? '', ...plain };
  };

  const persistedTimers = (): PersistedBody['timers'] => [...timers.all()].map(persistTimer);

  const body: ActorBody = {
    deliver: (event) => turn(() => relay(undefined, refOf(inside.root), event)),

    fire(timer) {
      const due = timers.take(timer);
      if (due === null) return false;
      turn(() => relay(refOf(due.source), due.target, due.event));
      return true;
    },

    answer(path, answer) {
      if (answer.type === 'sent') {
        const actor = inside.actors.get(path);
        if (actor === undefined || !isRunning(actor)) return false;
        turn(() => relay(undefined, refOf(actor), answer.event));
        return true;
      }
      const one = outside.get(path);
      if (one === undefined) return false;
      answered(one, answer);
      return true;
    },

    takeEffects() {
      if (effects.length === 0) return nothing;
      const taken = effects;
      effects = [];
      return taken;
    },

    takeTimerChanges() {
      if (changes.length === 0) return nothing;
      const taken = changes;
      changes = [];
      return taken;
    },

    timers: () => [...timers.all()].map(({ id: timer, delayMs }) => ({ id: timer, delayMs })),
    invoked: () => [...outside.values()].map(({ path, src, input }) => ({ path, src, input })),
    snapshot: () => inside.root._snapshot,

    persist: () => ({ snapshot: persistInside(inside), timers: persistedTimers(), booked }),
    outline: () => ({ snapshot: outlineInside(inside), timers: timers.size === 0 ? nothing : persistedTimers(), booked }),

    mode(next) {
      if (next === mode || isOver) return;
      if (mode === 'live') lull();
      mode = next;
      if (next === 'live') wake();
    },

    run(action) {
      const deed = deeds.get(action);
      if (deed !== undefined) {
        deed();
        return true;
      }
      if (action.type === logType) {
        const { label, value } = (action.params ?? {}) as { label?: unknown; value?: unknown };
        args.onLog?.(label === undefined ? [value] : [label, value]);
        return true;
      }
      const found = find(action.path, action.type);
      if (found === null) return false;
      const { event, context, params } = action;
      const info: DeedInfo = { context, event, self: found.self, system: inside.root.system };
      found.exec(info as never, params);
      return true;
    },

    invoke(invoked: InvokeEffect, tell) {
      const one = outside.get(invoked.path);
      return one === undefined ? null : start(one, tell);
    },

    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    tap(listener) {
      taps.add(listener);
      inside.watched = true;
      return () => {
        taps.delete(listener);
        inside.watched = taps.size > 0;
      };
    },

    children: () => [...inside.actors].filter(([path, actor]) => path !== '' && isRunning(actor)).map(([path]) => path),

    stop() {
      if (isOver) return;
      lull();
      mode = 'muted';
      isOver = true;
      inTurn = true;
      listeners.clear();
      taps.clear();
      outside.clear();
      inside.root.stop();
    },
  };

  turn(open);
  return body;
};
