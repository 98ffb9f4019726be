// A map from keys to replicated data of any type with dots, maps among them (Almeida, Shoker, Baquero 2018, §6). Removing a key takes away
// what its remover has seen inside; what others changed there at the same time stays, and the key with it. All share one vector.
// A key is there as long as there is anything in it; under one key, each type is an object of its own.
import type { Joined, Unfit } from './crdt.ts';
import { isUnfit } from './crdt.ts';
import { causal, type DotEvent, type DotStore } from './dots.ts';
import { disableWinsDots, enableWinsDots, type FlagChange } from './flag.ts';
import type { GCounterChange } from './g-counter.ts';
import { gCounterInside, lwwRegisterInside, pnCounterInside, registerInside } from './inside.ts';
import { replicatorLimits as max } from './limits.ts';
import { isMapKey } from './lww-map.ts';
import { type OrSetChange, orSetDots, type SetView } from './or-set.ts';
import type { PnCounterChange } from './pn-counter.ts';
import type { RegisterChange, Sibling } from './register.ts';
import type { Dot, Plain, Vector } from './types.ts';

/** Of each type that may be inside: how it is changed, and how it is read. */
export interface Inside {
  register: [RegisterChange, readonly Sibling[]];
  'lww-register': [RegisterChange, Plain | undefined];
  'g-counter': [GCounterChange, number];
  'pn-counter': [PnCounterChange, number];
  flag: [FlagChange, boolean];
  'disable-wins-flag': [FlagChange, boolean];
  'or-set': [OrSetChange, SetView];
  'or-map': [OrMapChange, OrMapView];
}

export type InsideType = keyof Inside;

type Update<Of extends InsideType> = { type: 'update'; of: Of; key: string; change: Inside[Of][0] };

export type OrMapChange =
  | { [Of in InsideType]: Update<Of> }[InsideType]
  | { type: 'remove'; of: InsideType; key: string }
  | { type: 'clear' };

/** A view of the living map. */
export interface OrMapView {
  readonly size: number;
  has(of: InsideType, key: string): boolean;
  get<Of extends InsideType>(of: Of, key: string): Inside[Of][1] | undefined;
  /** By type and key: in the same order at every replica. */
  sorted(): (readonly [InsideType, string, Inside[InsideType][1]])[];
}

/** By type, then by key; nothing empty is in it. */
export type OrMapStore = Map<InsideType, Map<string, unknown>>;

/** Where and what changes inside; a key that goes; or nothing: all go. */
type Part = readonly [InsideType, string, unknown] | readonly [InsideType, string] | readonly [];

type AnyStore = DotStore<unknown, unknown, unknown>;

const isInsideType = (value: unknown): value is InsideType => typeof value === 'string' && Object.hasOwn(kinds, value);

const childOf = (store: OrMapStore, of: InsideType, key: string): unknown => store.get(of)?.get(key);

/** Puts a child where it belongs, unless nothing is in it. */
const settle = (store: OrMapStore, of: InsideType, key: string, child: unknown): void => {
  const keys = store.get(of);
  if (kinds[of].isEmpty(child)) {
    keys?.delete(key);
    if (keys?.size === 0) store.delete(of);
  } else if (keys === undefined) store.set(of, new Map([[key, child]]));
  else keys.set(key, child);
};

const sizeOf = (store: OrMapStore): number => {
  let size = 0;
  for (const keys of store.values()) size += keys.size;
  return size;
};

const children = function* (store: OrMapStore): Generator<readonly [InsideType, string, unknown]> {
  for (const [of, keys] of store) for (const [key, child] of keys) yield [of, key, child] as const;
};

type Placed = readonly [InsideType, string, ...unknown[]];

const byPlace = (a: Placed, b: Placed): number => (a[0] === b[0] ? (a[1] < b[1] ? -1 : 1) : a[0] < b[0] ? -1 : 1);

const graver = (a: Joined, b: Joined): Joined => (a === 'conflict' || b === 'same' ? a : b);

const join = (store: OrMapStore, other: OrMapStore, vector: Vector, others: Vector): Joined => {
  let joined: Joined = 'same';
  const joinChild = (of: InsideType, key: string, mine: unknown, theirs: unknown): void => {
    const came = kinds[of].join(mine, theirs, vector, others);
    if (came === 'same') return;
    settle(store, of, key, mine);
    joined = graver(joined, came);
  };
  for (const [of, key, mine] of [...children(store)]) joinChild(of, key, mine, childOf(other, of, key) ?? kinds[of].empty());
  for (const [of, key, theirs] of children(other))
    if (childOf(store, of, key) === undefined) joinChild(of, key, kinds[of].empty(), theirs);
  return joined;
};

const none: Vector = [];

const change = (store: OrMapStore, given: OrMapChange, event: DotEvent): Part | null | Unfit => {
  if (given.type === 'clear') {
    if (store.size === 0) return null;
    orMapDots.gather(store, event.seen);
    store.clear();
    return [];
  }
  const { of, key } = given;
  const kind = kinds[of];
  const there = childOf(store, of, key);
  if (given.type === 'remove') {
    if (there === undefined) return null;
    kind.gather(there, event.seen);
    settle(store, of, key, kind.empty());
    return [of, key];
  }
  if (there === undefined && sizeOf(store) >= max.elementsMax) return { unfit: 'is full' };
  const child = there ?? kind.empty();
  const part = kind.change(child, given.change, event);
  if (part === null || isUnfit(part)) return part;
  settle(store, of, key, child);
  return [of, key, part];
};

const apply = (store: OrMapStore, part: unknown, dot: Dot | null, seen: Vector): Joined => {
  if ((part as Part).length === 0) return join(store, new Map(), none, seen);
  const [of, key, inside] = part as readonly [InsideType, string, unknown?];
  const there = childOf(store, of, key);
  const isRemoved = (part as Part).length === 2;
  if (there === undefined && dot === null) return 'same';
  const child = there ?? kinds[of].empty();
  const joined = isRemoved ? kinds[of].join(child, kinds[of].empty(), none, seen) : kinds[of].apply(child, inside, dot, seen);
  settle(store, of, key, child);
  // A removal that changes made elsewhere outlive, or a change of what was removed meanwhile.
  const isContested = isRemoved ? joined !== 'same' && !kinds[of].isEmpty(child) : there === undefined && seen.length > 0;
  return isContested ? 'conflict' : joined;
};

const parseChange = (value: unknown, depth: number): OrMapChange | Unfit => {
  if (typeof value !== 'object' || value === null) return { unfit: 'is no change of a map' };
  if (depth >= max.mapsDepthMax) return { unfit: `is more than ${max.mapsDepthMax} maps deep` };
  const { type, of, key, change: inside } = value as { [field in keyof Update<InsideType>]?: unknown };
  if (type === 'clear') return { type };
  if (type !== 'update' && type !== 'remove') return { unfit: 'is neither update nor remove nor clear' };
  if (!isInsideType(of)) return { unfit: `is of none of the types ${Object.keys(kinds).join(', ')}` };
  if (!isMapKey(key)) return { unfit: `has no key of at most ${max.keyCharsMax} characters` };
  if (type === 'remove') return { type, of, key };
  const parsed = kinds[of].parseChange(inside, depth + 1);
  return isUnfit(parsed) ? parsed : ({ type, of, key, change: parsed } as OrMapChange);
};

const isPart = (value: unknown, hasDot: boolean, depth: number): boolean => {
  if (!Array.isArray(value) || value.length > 3 || depth >= max.mapsDepthMax) return false;
  if (value.length === 0) return !hasDot;
  if (!isInsideType(value[0]) || !isMapKey(value[1])) return false;
  return value.length === 2 ? !hasDot : kinds[value[0]].parsePart(value[2], hasDot, depth + 1) !== null;
};

const parse = (value: unknown, vector: Vector, depth: number): OrMapStore | null => {
  if (!Array.isArray(value) || depth >= max.mapsDepthMax) return null;
  const store: OrMapStore = new Map();
  let before: Placed | null = null;
  for (const entry of value as unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 3 || !isInsideType(entry[0]) || !isMapKey(entry[1])) return null;
    const place: Placed = [entry[0], entry[1]];
    if (before !== null && (byPlace(before, place) >= 0 || (before[0] === place[0] && before[1] === place[1]))) return null;
    const child = kinds[place[0]].parse(entry[2], vector, depth + 1);
    if (child === null || kinds[place[0]].isEmpty(child)) return null;
    settle(store, place[0], place[1], child);
    before = place;
  }
  return store;
};

const viewOf = (store: OrMapStore): OrMapView => {
  const read = (of: InsideType, child: unknown) => kinds[of].read(child) as Inside[InsideType][1];
  return {
    get size() {
      return sizeOf(store);
    },
    has: (of, key) => childOf(store, of, key) !== undefined,
    get<Of extends InsideType>(of: Of, key: string) {
      const child = childOf(store, of, key);
      return child === undefined ? undefined : (read(of, child) as Inside[Of][1]);
    },
    sorted: () => [...children(store)].sort(byPlace).map(([of, key, child]) => [of, key, read(of, child)] as const),
  };
};

export const orMapDots: DotStore<OrMapStore, OrMapChange, OrMapView> = {
  type: 'or-map',
  empty: () => new Map(),
  isEmpty: (store) => store.size === 0,
  change,
  parseChange,
  apply,
  parsePart: (value, hasDot, depth) => (isPart(value, hasDot, depth) ? value : null),
  join,
  gather(store, seen) {
    for (const [of, , child] of children(store)) kinds[of].gather(child, seen);
  },
  form: (store, places) =>
    [...children(store)].sort(byPlace).map(([of, key, child]) => [of, key, kinds[of].form(child, places)]),
  parse,
  read: viewOf,
  latest(store) {
    let latest = 0;
    for (const [of, , child] of children(store)) latest = Math.max(latest, kinds[of].latest(child));
    return latest;
  },
  latestOfPart(part) {
    const [of, , inside] = part as Part;
    return of === undefined || inside === undefined ? 0 : kinds[of].latestOfPart(inside);
  },
};

const kinds: { readonly [Of in InsideType]: AnyStore } = {
  register: registerInside,
  'lww-register': lwwRegisterInside,
  'g-counter': gCounterInside,
  'pn-counter': pnCounterInside,
  flag: enableWinsDots,
  'disable-wins-flag': disableWinsDots,
  'or-set': orSetDots,
  'or-map': orMapDots,
};

export const orMap = causal(orMapDots);
