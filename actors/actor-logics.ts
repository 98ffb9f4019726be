// What kinds of XState logic there are, and what each is inside of a body (actor-body.ts). Machines, transitions and stores are run; a
// promise, a callback or an observable is replaced by a stub that waits for its answers, and the original is begun by whoever may do that.
// XState marks none of its logics, so they are known by the text of their `start`, which is the same for all that one function makes; a
// logic that was wrapped (`{ ...logic, transition }`) keeps it.
import {
  type AnyActorLogic,
  type AnyActorRef,
  type AnyActorScope,
  type EventObject,
  fromCallback,
  fromEventObservable,
  fromObservable,
  fromPromise,
  type Snapshot,
} from 'xstate';
import type { BodyAnswer } from './actor-body-api.ts';
import { plainError, plainOf } from './actor-values.ts';

export type OutsideKind = 'promise' | 'callback' | 'observable' | 'events';

const never = (): never => {
  throw new Error('InvariantBroken: a sample of a logic was run');
};

const sample = (logic: AnyActorLogic): string => String(logic.start);

const startOf: readonly (readonly [string, OutsideKind])[] = [
  [sample(fromPromise(never)), 'promise'],
  [sample(fromCallback(never)), 'callback'],
  [sample(fromObservable(never)), 'observable'],
  [sample(fromEventObservable(never)), 'events'],
];

export const isMachine = (logic: AnyActorLogic): boolean => '__xstatenode' in logic;

const kinds = new WeakMap<AnyActorLogic, OutsideKind | 'inside'>();

/** 'inside': it is run where the actor is. Throws for a logic with a start of its own, which nobody could keep from happening. */
export const kindOf = (logic: AnyActorLogic): OutsideKind | 'inside' => {
  const known = kinds.get(logic);
  if (known !== undefined) return known;
  let kind: OutsideKind | 'inside' = 'inside';
  if (typeof logic.start === 'function' && !isMachine(logic)) {
    const found = startOf.find(([text]) => text === String(logic.start));
    if (found === undefined)
      throw new TypeError(
        'a durable actor is made of machines, transitions, stores, promises, callbacks and observables; this logic has a start of its own',
      );
    kind = found[1];
  }
  kinds.set(logic, kind);
  return kind;
};

const stopType = 'xstate.stop';
const resolveType = 'xstate.promise.resolve';
const rejectType = 'xstate.promise.reject';
const nextType = 'xstate.observable.next';
const errorType = 'xstate.observable.error';
const completeType = 'xstate.observable.complete';
/** A callback has no event of XState's that ends it. */
const failType = 'polity.callback.error';

type Told = EventObject & { data?: unknown };
type Inner = Snapshot<unknown> & { input?: unknown };

/** What a stub tells of itself. */
export type StubEvents = { begin(input: unknown): void; tell(event: EventObject): void; end(): void };

/** In place of the original: its snapshots are those that XState would have, nothing begins. */
export const stubOf = (logic: AnyActorLogic, kind: OutsideKind, on: StubEvents): AnyActorLogic => ({
  ...logic,
  start(snapshot: Inner): void {
    if (snapshot.status === 'active') on.begin(snapshot.input);
  },
  transition(snapshot: Inner, event: Told, scope: AnyActorScope): Snapshot<unknown> {
    if (event.type === stopType) {
      on.end();
      const input = kind === 'callback' ? snapshot.input : undefined;
      return { ...snapshot, status: 'stopped', error: undefined, input } as Inner;
    }
    if (kind !== 'callback') {
      const next = logic.transition(snapshot, event, scope) as Snapshot<unknown>;
      if (next.status !== 'active') on.end();
      return next;
    }
    if (event.type === failType) {
      on.end();
      throw event.data;
    }
    on.tell(event);
    return snapshot;
  },
});

/** The event by which a stub hears of it; null: it is for the parent. */
export const eventOf = (kind: OutsideKind, answer: BodyAnswer): Told | null => {
  switch (answer.type) {
    case 'done':
      return kind === 'promise' ? { type: resolveType, data: answer.output } : { type: completeType };
    case 'error':
      if (kind === 'promise') return { type: rejectType, data: answer.error };
      return { type: kind === 'callback' ? failType : errorType, data: answer.error };
    case 'next':
      return { type: nextType, data: answer.value };
    default:
      return null;
  }
};

const answerOf = (event: Told): BodyAnswer | null => {
  switch (event.type) {
    case resolveType:
      return { type: 'done', output: event.data };
    case completeType:
      return { type: 'done', output: undefined };
    case rejectType:
    case errorType:
      return { type: 'error', error: event.data };
    case nextType:
      return { type: 'next', value: event.data };
    default:
      return null;
  }
};

/** What it says as a log can keep it: what is no plain data is an error in its place. */
const plainAnswer = (answer: BodyAnswer): BodyAnswer => {
  if (answer.type === 'error') return { type: 'error', error: plainError(answer.error) };
  const [said, name] =
    answer.type === 'done'
      ? [answer.output, 'output']
      : answer.type === 'next'
        ? [answer.value, 'value']
        : [answer.event, 'event'];
  const plain = plainOf(said, name);
  if (!plain.ok) return { type: 'error', error: { name: 'TypeError', message: plain.failure.message } };
  if (answer.type === 'done') return { type: 'done', output: plain.value };
  if (answer.type === 'next') return { type: 'next', value: plain.value };
  return { type: answer.type, event: plain.value as EventObject };
};

type Beginning = {
  logic: AnyActorLogic;
  kind: OutsideKind;
  /** The stub in whose place it works: what its code sees as `self`, but for its snapshot. */
  actor: AnyActorRef;
  scope: AnyActorScope;
  input: unknown;
  on: (answer: BodyAnswer) => void;
  emit: (event: EventObject) => void;
};

type Relaying = { _relay(source: AnyActorRef | undefined, target: AnyActorRef, event: EventObject): void };

/** Begins the original. Nothing is said after its end. */
export const beginOutside = ({ logic, kind, actor, scope, input, on, emit }: Beginning) => {
  let isOver = false;
  const say = (answer: BodyAnswer): void => {
    if (isOver) return;
    const plain = plainAnswer(answer);
    const isLast = plain.type === 'done' || plain.type === 'error';
    if (isLast && kind !== 'callback') isOver = true;
    on(plain);
  };
  const system = Object.create(actor.system as object, {
    _relay: {
      value(source: AnyActorRef | undefined, target: AnyActorRef, event: EventObject): void {
        const answer = target === self ? answerOf(event) : null;
        if (answer !== null) return say(answer);
        if (source === self && target === actor._parent) return say({ type: 'event', event });
        (actor.system as unknown as Relaying)._relay(source === self ? actor : source, target === self ? actor : target, event);
      },
    },
  }) as AnyActorScope['system'];
  const self = Object.create(actor, {
    getSnapshot: { value: () => (isOver ? { ...state, status: 'stopped' } : state) },
    system: { value: system },
  }) as AnyActorRef;
  const inner: AnyActorScope = { ...scope, self, system, emit };
  const state = logic.getInitialSnapshot(inner, input) as Snapshot<unknown>;
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      say({ type: 'error', error });
    }
  };
  attempt(() => logic.start?.(state, inner));
  return {
    tell(event: EventObject): void {
      if (!isOver && kind === 'callback') attempt(() => logic.transition(state, event, inner));
    },
    /** Throws what its clean-up throws. */
    stop(): void {
      if (isOver) return;
      isOver = true;
      logic.transition(state, { type: stopType }, inner);
    },
  };
};
