// From a history without an order to the few operations that show it. Every step keeps the proof: if the smaller part has no order,
// neither has the larger. Cutting the end and the beginning is sound (part.ts). An operation may be left out if an order of the
// larger part, with it struck out, is an order of the smaller one: reads always; of a cell, what puts a value that nobody
// in the part needs. A write whose value is needed stays, or its reads would seem to come from nowhere.
import { Budget } from './budget.ts';
import { type Item, type Part, partFrom, partUntil, returnOf, withoutUnseen } from './part.ts';
import { Search } from './search.ts';
import type { Space } from './space.ts';

type AnySpace = Space<unknown, unknown>;

/** So few operations are looked at without cutting the beginning off first. */
const wholeItemsMax = 64;
/** A proof that begins where the history begins is easier to believe, if it is not longer than this. */
const closedItemsMax = 12;
const closedItemsTriedMax = 200;
const shrinkStepsMax = 2_000_000;
const attemptStepsMax = 100_000;

const isRefuted = (part: Part<unknown>, space: AnySpace, budget: Budget, stepsMax: number): boolean =>
  new Search(part, space, budget).run(stepsMax) === 'exhausted';

/** Where a part may begin: at calls. Beginnings later than the failing answer are none. */
const beginnings = (part: Part<unknown>, at: number): number[] =>
  [...new Set(part.items.map((item) => item.operation.callAt))].filter((callAt) => callAt <= at).sort((a, b) => b - a);

/** Looks at longer and longer parts that end where the search is stuck. Null: none of those tried is without an order. */
export const refuteNear = (
  part: Part<unknown>,
  deepest: number,
  space: AnySpace,
  budget: Budget,
  stepsMax: number,
): Part<unknown> | null => {
  if (!space.isCell || deepest === Number.NEGATIVE_INFINITY) return null;
  const until = partUntil(part, deepest, space);
  const starts = beginnings(until, deepest);
  let stepsLeft = stepsMax;
  for (let width = 4; width < 2 * starts.length && stepsLeft > 0; width *= 2) {
    const from = partFrom(until, starts[Math.min(width, starts.length - 1)]!, space);
    const steps = Math.min(stepsLeft, attemptStepsMax);
    stepsLeft -= steps;
    if (isRefuted(from, space, budget, steps)) return from;
  }
  return null;
};

/** The latest beginning that still shows it, by halving: a part that begins earlier knows more. */
const cutBeginning = (until: Part<unknown>, at: number, space: AnySpace, budget: Budget): Part<unknown> => {
  const starts = beginnings(until, at);
  let [low, high] = [0, starts.length - 1];
  let best = until;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const part = partFrom(until, starts[middle]!, space);
    if (isRefuted(part, space, budget, attemptStepsMax)) {
      best = part;
      high = middle;
    } else low = middle + 1;
  }
  return best;
};

/** May `dropped` be left out, if only `kept` stay? Those that may not be are kept. */
const droppable = (items: readonly Item<unknown>[], chunk: ReadonlySet<Item<unknown>>, space: AnySpace): Item<unknown>[] => {
  const { isCell, isRead, needs, puts } = space;
  let kept = items.filter((item) => !chunk.has(item));
  // Whoever comes back may need what another puts.
  for (;;) {
    const needed = new Set(kept.map(({ kind }) => needs[kind]!).filter((state) => state >= 0));
    const isKept = new Set(kept);
    const next = items.filter((item) => isKept.has(item) || !(isRead[item.kind] || (isCell && !needed.has(puts[item.kind]!))));
    if (next.length === kept.length) return next;
    kept = next;
  }
};

/** Leaves out as many operations as possible, first many at a time, then one by one until none can go. */
const drop = (part: Part<unknown>, space: AnySpace, budget: Budget): Part<unknown> => {
  let current = part;
  for (let size = Math.ceil(part.items.length / 2); size >= 1; ) {
    let hasDropped = false;
    for (let at = 0; at < current.items.length; ) {
      const items = droppable(current.items, new Set(current.items.slice(at, at + size)), space);
      const smaller = { ...current, items: withoutUnseen(items, space) };
      const goes = smaller.items.length < current.items.length && isRefuted(smaller, space, budget, attemptStepsMax);
      if (goes) {
        current = smaller;
        hasDropped = true;
      } else at += size;
      if (budget.over !== null) return current;
    }
    if (size === 1 && !hasDropped) return current;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return current;
};

/** The part, with all that puts what it needs and what put something else last before it, from the history's beginning. */
const closed = (whole: Part<unknown>, part: Part<unknown>, space: AnySpace): Part<unknown> => {
  const { needs, puts } = space;
  const lines = new Set(part.items.map((item) => item.operation.callLine));
  const last = Math.max(...part.items.map((item) => (item.standing === 'free' ? item.operation.callAt : returnOf(item))));
  const until = partUntil(whole, last, space);
  const first = Math.min(...part.items.map((item) => item.operation.callAt));
  const over = until.items.filter((item) => item.standing === 'required' && puts[item.kind]! >= 0 && returnOf(item) < first);
  const latest = over.reduce<Item<unknown> | null>(
    (best, item) => (best === null || item.operation.callAt > best.operation.callAt ? item : best),
    null,
  );
  const chosen = new Set(until.items.filter((item) => lines.has(item.operation.callLine) || item === latest));
  for (let size = -1; size !== chosen.size; ) {
    size = chosen.size;
    const needed = new Set([...chosen].map(({ kind }) => needs[kind]!).filter((state) => state >= 0));
    for (const item of until.items) if (needed.has(puts[item.kind]!)) chosen.add(item);
  }
  return { ...until, items: until.items.filter((item) => chosen.has(item)) };
};

/** `failing` has no order and is a part of `whole`. Has limits of its own: who has found a failure wants to see it. */
export const shrink = (whole: Part<unknown>, failing: Part<unknown>, space: AnySpace): Part<unknown> => {
  const budget = new Budget({ stepsMax: shrinkStepsMax });
  const search = new Search(failing, space, budget);
  if (search.run(attemptStepsMax) !== 'exhausted') return failing;
  const until = partUntil(failing, search.deepest, space);
  const isLong = space.isCell && until.whole && until.items.length > wholeItemsMax;
  const cut = isLong ? cutBeginning(until, search.deepest, space, budget) : until;
  const part = drop(cut, space, budget);
  if (part.whole) return part;
  const wider = closed(whole, part, space);
  if (wider.items.length > closedItemsTriedMax || !isRefuted(wider, space, budget, attemptStepsMax)) return part;
  const smallest = drop(wider, space, budget);
  return smallest.items.length <= closedItemsMax ? smallest : part;
};
