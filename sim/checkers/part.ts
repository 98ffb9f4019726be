// A part of one object's history, laid out for the search: operations in order of their calls, each either due (it has an answer, so
// it happened before that), or free to happen at any time after its call, or never.
import type { Operation } from './history.ts';
import type { Space } from './space.ts';

/** How an operation stands in a part. `passing`: it may have happened before the part begins, or in it before its answer. */
export type Standing = 'required' | 'passing' | 'free';

export type Item<Action> = { readonly operation: Operation<Action>; readonly standing: Standing; readonly kind: number };

export type Part<Action> = {
  readonly items: readonly Item<Action>[];
  /** States the object may be in when the part begins; `unseen` stands for all that nothing in the part needs. */
  readonly starts: readonly number[];
  /** True: the part begins where the history begins. */
  readonly whole: boolean;
};

/** A state that nothing looks for: all such states are one to the search. */
export const unseen = -2;

export const returnOf = ({ operation, standing }: Item<unknown>): number =>
  standing === 'free' ? Number.POSITIVE_INFINITY : operation.returnAt;

export const wholePart = <State, Action>(
  operations: readonly Operation<Action>[],
  space: Space<State, Action>,
): Part<Action> => {
  const items = operations.map((operation): Item<Action> => {
    const standing = operation.returnAt === Number.POSITIVE_INFINITY ? 'free' : 'required';
    return { operation, standing, kind: space.classOf(operation.action) };
  });
  items.sort((a, b) => a.operation.callAt - b.operation.callAt);
  const starts = [space.stateOf(space.model.initial)];
  return { items: withoutUnseen(items, space), starts, whole: true };
};

/**
 * Without what says nothing: reads that nobody heard the answer of, and, of a cell, values put by operations of unknown outcome that
 * nobody needs once they were called. An order with such an operation is one without it, and the other way round.
 */
export const withoutUnseen = <State, Action>(
  items: readonly Item<Action>[],
  { isCell, isRead, needs, puts }: Space<State, Action>,
): Item<Action>[] => {
  const lastNeed = new Map<number, number>();
  for (const item of items) {
    const need = needs[item.kind]!;
    if (need >= 0) lastNeed.set(need, Math.max(lastNeed.get(need) ?? Number.NEGATIVE_INFINITY, returnOf(item)));
  }
  return items.filter(({ standing, kind, operation }) => {
    if (standing === 'required') return true;
    if (isRead[kind]) return false;
    return !isCell || puts[kind]! === -1 || (lastNeed.get(puts[kind]!) ?? Number.NEGATIVE_INFINITY) >= operation.callAt;
  });
};

/** What had been called when `at` was answered: it has an order if the whole has one, so it is enough to refute it. */
export const partUntil = <State, Action>(part: Part<Action>, at: number, space: Space<State, Action>): Part<Action> => {
  const items = part.items
    .filter(({ operation }) => operation.callAt <= at)
    .map((item): Item<Action> => (returnOf(item) > at ? { ...item, standing: 'free' } : item));
  return { ...part, items: withoutUnseen(items, space) };
};

/**
 * What was still under way at `at` or called later, beginning in any state that a cell may have had then. An order of the whole
 * holds one of this part, so that it, too, is enough to refute.
 */
export const partFrom = <State, Action>(part: Part<Action>, at: number, space: Space<State, Action>): Part<Action> => {
  const { puts } = space;
  const kept = part.items
    .filter((item) => returnOf(item) >= at)
    .map(
      (item): Item<Action> =>
        item.operation.callAt < at && item.standing === 'required' ? { ...item, standing: 'passing' } : item,
    );
  const items = withoutUnseen(kept, space);
  if (items.length === part.items.length) return part;
  // What was put before another put began is gone by the time that other one is answered.
  let lastPut = Number.NEGATIVE_INFINITY;
  const before = part.items.filter(({ kind, operation }) => operation.callAt < at && puts[kind]! >= 0);
  for (const item of before)
    if (item.standing === 'required' && returnOf(item) < at) lastPut = Math.max(lastPut, item.operation.callAt);
  const possible = new Set<number>(lastPut === Number.NEGATIVE_INFINITY ? part.starts : []);
  for (const item of before) if (returnOf(item) >= lastPut) possible.add(puts[item.kind]!);
  return { items, starts: startsThatMatter(items, [...possible], space), whole: false };
};

/** States that nobody in the part needs are one. */
export const startsThatMatter = <State, Action>(
  items: readonly Item<Action>[],
  starts: readonly number[],
  { needs }: Space<State, Action>,
): number[] => {
  const needed = new Set(items.map(({ kind }) => needs[kind]!).filter((state) => state >= 0));
  const kept = starts.filter((state) => needed.has(state));
  return kept.length < starts.length ? [...kept, unseen] : kept;
};
