// The store of everything that holds a value a replica: registers, flags and counters, which differ in what a write takes away and in
// what a reader makes of the values (DotFun: Almeida, Shoker, Baquero 2018, §5).
import { countOf, isEventCount, raise } from '../versions/vector.ts';
import { isUnfit, type Joined, type Unfit } from './crdt.ts';
import type { DotEvent, DotStore, Places } from './dots.ts';
import type { Dot, ReplicaId, Stamp, Vector } from './types.ts';

/** A value and the event that wrote it. Not changed in place: states may share it. */
export type Written<Value> = readonly [ReplicaId, number, Value];

/** Sorted by replica, each once. The list is replaced, not changed: what grows in place takes five times the memory. */
export type DotValues<Value> = { written: readonly Written<Value>[] };

export type ValueRules<Value, Change, Read> = {
  readonly type: string;
  /** A write takes away every value that its maker has seen, and several values are a conflict; or only its maker's own. */
  readonly replaces: 'all' | 'own';
  /** The new value in place of the maker's own. Undefined: all go, none comes. Null: nothing changes. */
  write(change: Change, own: Value | undefined, event: DotEvent): Value | undefined | null | Unfit;
  isValue(value: unknown): value is Value;
  parseChange(value: unknown): Change | Unfit;
  read(values: readonly Written<Value>[]): Read;
  stampOf(value: Value): Stamp;
};

/** Takes away what was seen, puts in what came; true if anything is different. */
const settle = <Value>(
  store: DotValues<Value>,
  come: readonly Written<Value>[],
  goes: (one: Written<Value>) => boolean,
): boolean => {
  const kept = store.written.filter((one) => !goes(one));
  if (come.length === 0 && kept.length === store.written.length) return false;
  const [first] = come;
  if (kept.length === 0 && come.length === 1) store.written = [first!];
  else store.written = [...kept, ...come].sort((a, b) => (a[0] < b[0] ? -1 : 1)).slice();
  return true;
};

const join = <Value>(
  store: DotValues<Value>,
  other: DotValues<Value>,
  vector: Vector,
  others: Vector,
): 'same' | 'less' | 'more' => {
  const theirs = new Set(other.written.map(([replica, count]) => `${replica} ${count}`));
  const come = other.written.filter(([replica, count]) => countOf(vector, replica) < count);
  const isNew = settle(
    store,
    come,
    ([replica, count]) => countOf(others, replica) >= count && !theirs.has(`${replica} ${count}`),
  );
  return isNew ? (come.length > 0 ? 'more' : 'less') : 'same';
};

const form = <Value>(store: DotValues<Value>, places: Places): unknown =>
  store.written.map(([replica, count, value]) => [places.get(replica)!, count, value]);

const parse = <Value>(value: unknown, vector: Vector, isValue: (value: unknown) => value is Value): DotValues<Value> | null => {
  if (!Array.isArray(value)) return null;
  const read: Written<Value>[] = [];
  let before = -1;
  for (const entry of value as unknown[]) {
    if (!Array.isArray(entry) || entry.length !== 3) return null;
    const [place, count, written] = entry as unknown[];
    if (!Number.isSafeInteger(place) || (place as number) <= before || (place as number) * 2 >= vector.length) return null;
    before = place as number;
    if (!isEventCount(count) || count > (vector[before * 2 + 1] as number) || !isValue(written)) return null;
    read.push([vector[before * 2] as ReplicaId, count, written]);
  }
  return { written: read.slice() };
};

const change = <Value, Change, Read>(
  { write, replaces }: ValueRules<Value, Change, Read>,
  store: DotValues<Value>,
  given: Change,
  event: DotEvent,
): unknown | null | Unfit => {
  const own = store.written.find(([replica]) => replica === event.replica);
  const value = write(given, own?.[2], event);
  if (value === null || isUnfit(value)) return value;
  if (value === undefined && store.written.length === 0) return null;
  const goes = replaces === 'all' || value === undefined ? store.written : own === undefined ? [] : [own];
  for (const [replica, count] of goes) raise(event.seen, replica, count);
  event.isMade = value !== undefined;
  const gone = new Set(goes);
  settle(store, value === undefined ? [] : [[event.replica, event.count, value]], (one) => gone.has(one));
  return value === undefined ? [] : [value];
};

export const dotValues = <Value, Change, Read>(
  rules: ValueRules<Value, Change, Read>,
): DotStore<DotValues<Value>, Change, Read> => {
  const isConflict = (store: DotValues<Value>): boolean => rules.replaces === 'all' && store.written.length > 1;
  return {
    type: rules.type,
    empty: () => ({ written: [] }),
    isEmpty: (store) => store.written.length === 0,
    change: (store, given, event) => change(rules, store, given, event),
    parseChange: rules.parseChange,
    apply(store, part, dot: Dot | null, seen) {
      const come: Written<Value>[] = dot === null ? [] : [[dot[0], dot[1], (part as [Value])[0]]];
      if (!settle(store, come, ([replica, count]) => countOf(seen, replica) >= count || replica === dot?.[0])) return 'same';
      return dot === null ? (store.written.length > 0 ? 'conflict' : 'changed') : isConflict(store) ? 'conflict' : 'changed';
    },
    parsePart: (value, hasDot) =>
      Array.isArray(value) && (hasDot ? value.length === 1 && rules.isValue(value[0]) : value.length === 0) ? value : null,
    join(store, other, vector, others): Joined {
      const joined = join(store, other, vector, others);
      return joined === 'same' ? 'same' : joined === 'more' && isConflict(store) ? 'conflict' : 'changed';
    },
    gather(store, seen) {
      for (const [replica, count] of store.written) raise(seen, replica, count);
    },
    form,
    parse: (value, vector) => parse(value, vector, rules.isValue),
    read: ({ written }) => rules.read(written),
    latest: ({ written }) => written.reduce((latest, [, , value]) => Math.max(latest, rules.stampOf(value)), 0),
    latestOfPart: (part) => ((part as [Value] | []).length === 0 ? 0 : rules.stampOf((part as [Value])[0])),
  };
};
