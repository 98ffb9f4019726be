// A set in which an add wins over a remove that did not know of it (observed-remove set; optimised: Bieniusa et al. 2012). Elements
// carry the dots of their adds; a remove takes away the dots that it has seen and leaves nothing behind. A delta names one element.
import { raise, raiseAll } from '../versions/vector.ts';
import type { Joined, Unfit } from './crdt.ts';
import { causal, type DotStore, formDots, joinDots, parseDots } from './dots.ts';
import { type ElementKey, elementOf, keyOf, sizeOf } from './elements.ts';
import { replicatorLimits as max } from './limits.ts';
import { isPlain, textOf } from './plain.ts';
import type { Plain, Vector } from './types.ts';

/** Dots by element, never none. The lists of dots are not changed in place: sets may share them. */
export type OrSetStore = Map<ElementKey, Vector>;

export type OrSetChange = { type: 'add' | 'remove'; element: Plain } | { type: 'clear' };

/** A view of the living set, in the order in which elements came to this replica. */
export type SetView = {
  readonly size: number;
  has(element: Plain): boolean;
  [Symbol.iterator](): Iterator<Plain>;
  /** In the same order at every replica. */
  sorted(): Plain[];
};

/** The element, or nothing: all of them. */
type Part = readonly [Plain] | readonly [];

const isElement = (value: unknown): value is Plain => isPlain(value) && sizeOf(keyOf(value)) <= max.elementCharsMax;

/** In the order of their first dots: no two elements share one. */
const byFirstDot = (a: readonly unknown[], b: readonly unknown[]): number =>
  (a[1] as number) - (b[1] as number) || (a[2] as number) - (b[2] as number);

const viewOf = (store: OrSetStore): SetView => ({
  get size() {
    return store.size;
  },
  has: (element) => store.has(keyOf(element)),
  *[Symbol.iterator]() {
    for (const key of store.keys()) yield elementOf(key);
  },
  sorted: () =>
    Array.from(store.keys(), (key) => {
      const element = elementOf(key);
      return [textOf(element), element] as const;
    })
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, element]) => element),
});

const joinElement = (
  store: OrSetStore,
  key: ElementKey,
  mine: Vector,
  theirs: Vector,
  [vector, others]: [Vector, Vector],
): Joined => {
  const dots = joinDots(mine, theirs, vector, others);
  if (dots === mine) return 'same';
  if (dots.length === 0) store.delete(key);
  else store.set(key, dots);
  return 'changed';
};

const none: Vector = [];

const join = (store: OrSetStore, other: OrSetStore, vector: Vector, others: Vector): Joined => {
  let joined: Joined = 'same';
  for (const [key, mine] of store)
    if (joinElement(store, key, mine, other.get(key) ?? none, [vector, others]) !== 'same') joined = 'changed';
  for (const [key, theirs] of other)
    if (!store.has(key) && joinElement(store, key, none, theirs, [vector, others]) !== 'same') joined = 'changed';
  return joined;
};

const parse = (value: unknown, vector: Vector): OrSetStore | null => {
  if (!Array.isArray(value)) return null;
  const store: OrSetStore = new Map();
  let before: readonly unknown[] = [null, -1, 0];
  for (const entry of value as unknown[]) {
    if (!Array.isArray(entry) || !isElement(entry[0])) return null;
    const dots = parseDots(entry, 1, vector);
    const key = keyOf(entry[0]);
    if (dots === null || byFirstDot(before, entry) >= 0 || store.has(key)) return null;
    before = entry;
    store.set(key, dots);
  }
  return store;
};

export const orSetDots: DotStore<OrSetStore, OrSetChange, SetView> = {
  type: 'or-set',
  empty: () => new Map(),
  isEmpty: (store) => store.size === 0,
  change(store, change, event) {
    if (change.type === 'clear') {
      if (store.size === 0) return null;
      orSetDots.gather(store, event.seen);
      store.clear();
      return [];
    }
    const key = keyOf(change.element);
    const dots = store.get(key);
    if (change.type === 'remove') {
      if (dots === undefined) return null;
      store.delete(key);
    } else {
      if (dots === undefined && store.size >= max.elementsMax) return { unfit: 'is full' };
      store.set(key, [event.replica, event.count]);
      event.isMade = true;
    }
    if (dots !== undefined) event.seen.push(...dots);
    return [change.element];
  },
  parseChange(value): OrSetChange | Unfit {
    if (typeof value !== 'object' || value === null) return { unfit: 'is no change of a set' };
    const { type, element } = value as { type?: unknown; element?: unknown };
    if (type === 'clear') return { type };
    if (type !== 'add' && type !== 'remove') return { unfit: 'is neither add nor remove nor clear' };
    if (!isPlain(element)) return { unfit: 'is no plain data' };
    return isElement(element) ? { type, element } : { unfit: `is longer than ${max.elementCharsMax} characters` };
  },
  apply(store, part, dot, seen) {
    const [element] = part as Part;
    if (element === undefined) return join(store, new Map(), none, seen);
    const key = keyOf(element);
    const here = store.get(key);
    const left = joinDots(here ?? none, none, none, seen);
    const dots = dot === null ? left : left.length === 0 ? [...dot] : [...left];
    if (dot !== null && left.length > 0) raise(dots, ...dot);
    if (dots === (here ?? none)) return 'same';
    if (dots.length === 0) store.delete(key);
    else store.set(key, dots);
    // A remove that others' adds outlive, or an add of what was taken away meanwhile.
    return dot === null
      ? dots.length > 0
        ? 'conflict'
        : 'changed'
      : here === undefined && seen.length > 0
        ? 'conflict'
        : 'changed';
  },
  parsePart: (value, hasDot) =>
    Array.isArray(value) && (value.length === 0 ? !hasDot : value.length === 1 && isElement(value[0])) ? value : null,
  join,
  gather(store, seen) {
    for (const dots of store.values()) raiseAll(seen, dots);
  },
  form: (store, places) =>
    Array.from(store, ([key, dots]) => [elementOf(key), ...formDots(dots, places)] as unknown[]).sort(byFirstDot),
  parse,
  read: viewOf,
  latest: () => 0,
  latestOfPart: () => 0,
};

export const orSet = causal(orSetDots);
