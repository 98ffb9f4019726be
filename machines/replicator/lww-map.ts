// A map of which, key by key, the last put or remove stays. Without a vector: a removed key is kept as a tombstone, marked with the round
// in which it was made, until everybody has it and everything made without knowledge of it. What still arrives from then on, from such
// a round, is old news: were it not here, it would have been overwritten (types.ts tells what a round is).
import { isEventCount } from '../versions/vector.ts';
import { isWellFormed } from '../wire/octets.ts';
import type { Crdt, Joined, Unfit } from './crdt.ts';
import { replicatorLimits as max } from './limits.ts';
import { isValue, unfitValue } from './plain.ts';
import {
  isContested,
  isLater,
  isMark,
  isSeenMark,
  type Mark,
  never,
  type Stamped,
  sharedReplica,
  stampAfter,
} from './stamped.ts';
import type { Plain, ReplicaId, Round, Stamp } from './types.ts';

/** A put, or a tombstone. Not changed in place: states may share it. */
export type LwwEntry = Stamped & { readonly round: Round };

export type LwwMapState = {
  readonly entries: Map<string, LwwEntry>;
  /** Entries that are no tombstones. */
  size: number;
};

export type LwwMapChange = { type: 'put'; key: string; value: Plain } | { type: 'remove'; key: string };

/** A view of the living map, in the order in which keys came to this replica. */
export type LwwMapView = {
  readonly size: number;
  has(key: string): boolean;
  get(key: string): Plain | undefined;
  [Symbol.iterator](): Iterator<readonly [string, Plain]>;
  /** By key: the same at every replica. */
  sorted(): (readonly [string, Plain])[];
};

/** The key, stamp and replica of what its author overwrote there, and the entry. */
type Delta = readonly [string, Stamp, ReplicaId, ...EntryForm];

/** Without a value: a tombstone. */
type EntryForm = readonly [Stamp, ReplicaId, Round, Plain?];

export const isMapKey = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= max.keyCharsMax && isWellFormed(value);

const formEntry = ({ stamp, replica, round, value }: LwwEntry): EntryForm =>
  value === undefined ? [stamp, replica, round] : [stamp, replica, round, value];

/** From `from` on. */
const isEntryForm = (fields: readonly unknown[], from: number): boolean => {
  const [stamp, replica, round, value] = fields.slice(from);
  if (!isMark(stamp, replica) || !isEventCount(round)) return false;
  return fields.length === from + 3 || (fields.length === from + 4 && isValue(value));
};

const entryOf = ([stamp, replica, round, value]: EntryForm): LwwEntry => ({
  stamp,
  replica: sharedReplica(replica),
  round,
  value,
});

const put = (state: LwwMapState, key: string, entry: LwwEntry): void => {
  const before = state.entries.get(key);
  state.size += Number(entry.value !== undefined) - Number(before !== undefined && before.value !== undefined);
  state.entries.set(key, entry);
};

const joinEntry = (state: LwwMapState, key: string, entry: LwwEntry, stable: Round): boolean => {
  const here = state.entries.get(key);
  if (here === undefined ? entry.round <= stable : !isLater(entry, here)) return false;
  put(state, key, entry);
  return true;
};

const change = (state: LwwMapState, given: LwwMapChange, author: Parameters<typeof lwwMap.change>[2]): unknown => {
  const { key } = given;
  const here = state.entries.get(key);
  if (given.type === 'remove' && (here === undefined || here.value === undefined)) return null;
  if (here === undefined && state.entries.size >= max.elementsMax) return { unfit: 'is full' };
  const stamp = stampAfter(here, author.stamp());
  if (typeof stamp !== 'number') return stamp;
  const value = given.type === 'put' ? given.value : undefined;
  const entry: LwwEntry = { stamp, replica: author.replica, round: author.round, value };
  put(state, key, entry);
  const seen: Mark = here ?? never;
  return [key, seen.stamp, seen.replica, ...formEntry(entry)];
};

const parseChange = (value: unknown): LwwMapChange | Unfit => {
  if (typeof value !== 'object' || value === null) return { unfit: 'is no change of a map' };
  const given = value as { type?: unknown; key?: unknown; value?: unknown };
  if (given.type !== 'put' && given.type !== 'remove') return { unfit: 'is neither put nor remove' };
  if (!isMapKey(given.key)) return { unfit: `has no key of at most ${max.keyCharsMax} characters` };
  if (given.type === 'remove') return { type: 'remove', key: given.key };
  return unfitValue(given.value) ?? { type: 'put', key: given.key, value: given.value as Plain };
};

const byKey = ([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number => (a < b ? -1 : 1);

const parse = (value: unknown): LwwMapState | null => {
  if (!Array.isArray(value)) return null;
  const state: LwwMapState = { entries: new Map(), size: 0 };
  let before: string | null = null;
  for (const entry of value as unknown[]) {
    if (!Array.isArray(entry) || !isMapKey(entry[0]) || !isEntryForm(entry, 1)) return null;
    if (before !== null && entry[0] <= before) return null;
    before = entry[0];
    put(state, before, entryOf(entry.slice(1) as unknown as EntryForm));
  }
  return state;
};

const viewOf = (state: LwwMapState): LwwMapView => {
  const view: LwwMapView = {
    get size() {
      return state.size;
    },
    has: (key) => state.entries.get(key)?.value !== undefined,
    get: (key) => state.entries.get(key)?.value,
    *[Symbol.iterator]() {
      for (const [key, { value }] of state.entries) if (value !== undefined) yield [key, value] as const;
    },
    sorted: () => [...view].sort(byKey),
  };
  return view;
};

export const lwwMap: Crdt<LwwMapState, LwwMapChange, LwwMapView> = {
  type: 'lww-map',
  empty: () => ({ entries: new Map(), size: 0 }),
  change,
  parseChange,
  apply(state, delta, stable = 0): Joined {
    const [key, seenStamp, seenReplica, ...form] = delta as Delta;
    const entry = entryOf(form);
    const here = state.entries.get(key);
    if (!joinEntry(state, key, entry, stable)) return 'same';
    // A tombstone of an earlier round may have been collected where the entry was made.
    const mayBeUnseen = here !== undefined && (here.value !== undefined || here.round >= entry.round);
    return mayBeUnseen && isContested(here, { stamp: seenStamp, replica: seenReplica }, entry) ? 'conflict' : 'changed';
  },
  parseDelta: (value) =>
    Array.isArray(value) && isMapKey(value[0]) && isSeenMark(value[1], value[2]) && isEntryForm(value, 3) ? value : null,
  join(state, other, stable = 0) {
    let joined: Joined = 'same';
    for (const [key, entry] of other.entries) if (joinEntry(state, key, entry, stable)) joined = 'changed';
    return joined;
  },
  form: ({ entries }) => Array.from(entries, ([key, entry]) => [key, ...formEntry(entry)] as const).sort(byKey),
  parse,
  read: viewOf,
  collect({ entries }, stable) {
    const before = entries.size;
    for (const [key, { value, round }] of entries) if (value === undefined && round < stable) entries.delete(key);
    return entries.size < before;
  },
  pending({ entries }) {
    let last = 0;
    for (const { value, round } of entries.values()) if (value === undefined && round > last) last = round;
    return last;
  },
  isEmpty: ({ entries }) => entries.size === 0,
  retag({ entries, size }, round) {
    return { entries: new Map(Array.from(entries, ([key, entry]) => [key, { ...entry, round }])), size };
  },
  latest(given) {
    if (Array.isArray(given)) return (given as unknown as Delta)[3];
    let latest = 0;
    for (const { stamp } of (given as LwwMapState).entries.values()) latest = Math.max(latest, stamp);
    return latest;
  },
};
