// From a history without an order to the few operations that show it. Every step keeps the proof: if the smaller part has no order,
// neither has the larger. Cutting the end and the beginning is sound (part.ts). An operation may be left out if an order of the
// larger part, with it struck out, is an order of the smaller one: reads always; of a cell, what puts a value that nobody
// in the part needs. A write whose value is needed stays, or its reads would seem to come from nowhere.
import { Budget } from './budget.ts';
import { type Item, type Part, partFrom, partUntil, startsThatMatter, withoutUnseen } from './part.ts';
import { Search } from './search.ts';
import type { Space } from './space.ts';

type AnySpace = Space<unknown, unknown>;

/** So few operations are looked at without cutting the beginning off first. */
const wholeItemsMax = 64;
/** A longer part that is easier to believe is shown if it is not longer than this. */
const shownItemsMax = 12;
const widerItemsMax = 400;
const shrinkStepsMax = 2_000_000;
const attemptStepsMax = 100_000;
const attemptStepsMin = 200;
const attemptsMax = 10;
const looksMax = 400;

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

/** Looks at parts of `width` operations all over the history, each overlapping the next by half. */
export const refuteAnywhere = (
  part: Part<unknown>,
  width: number,
  space: AnySpace,
  budget: Budget,
  stepsMax: number,
): Part<unknown> | null => {
  const { items } = part;
  if (!space.isCell || items.length <= width) return null;
  // Each look costs as much as the history is long.
  const stride = Math.max(Math.ceil(width / 2), Math.ceil(items.length / looksMax));
  const steps = Math.max(attemptStepsMin, Math.floor((stepsMax * stride) / items.length));
  for (let end = width; budget.over === null; end += stride) {
    const last = Math.min(end, items.length - 1);
    const until = partUntil(part, items[last]!.operation.callAt, space);
    const from = partFrom(until, items[last - width]!.operation.callAt, space);
    if (isRefuted(from, space, budget, steps)) return from;
    if (last < end) return null;
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

const smallerPart = (part: Part<unknown>, chosen: readonly Item<unknown>[], space: AnySpace): Part<unknown> => {
  const items = withoutUnseen(chosen, space);
  return part.whole ? { ...part, items } : { ...part, items, starts: startsThatMatter(items, part.starts, space) };
};

/** Leaves out as many operations as possible, first many at a time, then one by one until none can go. */
const drop = (part: Part<unknown>, space: AnySpace, budget: Budget): Part<unknown> => {
  let current = part;
  for (let size = Math.ceil(part.items.length / 2); size >= 1; ) {
    let hasDropped = false;
    for (let at = 0; at < current.items.length; ) {
      const items = droppable(current.items, new Set(current.items.slice(at, at + size)), space);
      const smaller = smallerPart(current, items, space);
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

/** What surely was put before `part` begins, and called last. */
const lastPutBefore = (until: Part<unknown>, part: Part<unknown>, { puts }: AnySpace): Item<unknown> | null => {
  const first = Math.min(...part.items.map((item) => item.operation.callAt));
  const before = until.items.filter(
    (item) => item.standing === 'required' && puts[item.kind]! >= 0 && item.operation.returnAt < first,
  );
  const callAt = Math.max(...before.map((item) => item.operation.callAt));
  return before.find((item) => item.operation.callAt === callAt) ?? null;
};

/** The part, with `last` and all that puts what is needed, from the history's beginning. */
const closed = (until: Part<unknown>, part: Part<unknown>, last: Item<unknown> | null, space: AnySpace): Part<unknown> => {
  const { needs, puts } = space;
  const lines = new Set(part.items.map((item) => item.operation.callLine));
  const chosen = new Set(until.items.filter((item) => lines.has(item.operation.callLine) || item === last));
  for (let size = -1; size !== chosen.size; ) {
    size = chosen.size;
    const needed = new Set([...chosen].map(({ kind }) => needs[kind]!).filter((state) => state >= 0));
    for (const item of until.items) if (needed.has(puts[item.kind]!)) chosen.add(item);
  }
  return { ...until, items: until.items.filter((item) => chosen.has(item)) };
};

/** What last put a value that `part` needs, before it begins. */
const lastPutOfNeeded = (until: Part<unknown>, part: Part<unknown>, { needs, puts }: AnySpace): Item<unknown> | null => {
  const first = Math.min(...part.items.map((item) => item.operation.callAt));
  const needed = new Set(part.items.map(({ kind }) => needs[kind]!).filter((state) => state >= 0));
  return until.items.findLast((item) => item.operation.callAt < first && needed.has(puts[item.kind]!)) ?? null;
};

/**
 * The shortest part can be hard to believe: a value was not there, but why? Shows also where it came from and what put another
 * since, or, if that is not longer, everything of importance since the beginning.
 */
const widen = (until: Part<unknown>, part: Part<unknown>, space: AnySpace, budget: Budget): Part<unknown> => {
  const source = lastPutOfNeeded(until, part, space);
  const candidates = [closed(until, part, lastPutBefore(until, part, space), space)];
  if (source !== null) candidates.push(partFrom(until, source.operation.callAt, space));
  const wider = candidates
    .filter((one) => one.items.length <= widerItemsMax && isRefuted(one, space, budget, attemptStepsMax))
    .map((one) => drop(one, space, budget))
    .filter((one) => one.items.length <= shownItemsMax);
  const shortest = Math.min(...wider.map((one) => one.items.length));
  return wider.find((one) => one.items.length === shortest) ?? part;
};

/** `failing` has no order and is a part of `whole`. Has limits of its own: who has found a failure wants to see it. */
export const shrink = (whole: Part<unknown>, failing: Part<unknown>, space: AnySpace): Part<unknown> => {
  const budget = new Budget({ stepsMax: shrinkStepsMax });
  const search = new Search(failing, space, budget);
  if (search.run(attemptStepsMax) !== 'exhausted') {
    // It took long to find; a smaller part of it may be found soon.
    const near = refuteNear(failing, search.deepest, space, budget, attemptsMax * attemptStepsMax);
    return near === null ? failing : shrink(whole, near, space);
  }
  const until = partUntil(failing, search.deepest, space);
  const isLong = space.isCell && until.whole && until.items.length > wholeItemsMax;
  const cut = isLong ? cutBeginning(until, search.deepest, space, budget) : until;
  const part = drop(cut, space, budget);
  if (part.whole) return part;
  return widen(until.whole ? until : partUntil(whole, search.deepest, space), part, space, budget);
};
