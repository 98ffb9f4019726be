// What the causal types share (dot stores: Almeida, Shoker, Baquero 2018): a state is a version vector and a store, in which every thing
// carries the dot of the event that put it there. A dot that the vector knows and the store lacks was taken away: so a removal needs
// no tombstone, and whatever the remover had not seen stays. Stores nest (or-map.ts), all under one vector.
import {
  countOf,
  covers,
  exact,
  isEventCount,
  parseReplicaId,
  parseVector,
  placeOf,
  raise,
  raised,
  raisedToAll,
} from '../versions/vector.ts';
import { type Crdt, isUnfit, type Joined, type Unfit } from './crdt.ts';
import type { Dot, ReplicaId, Stamp, Vector } from './types.ts';

/** A change on its way into a store. */
export type DotEvent = {
  readonly replica: ReplicaId;
  /** With the replica: the dot for what the change puts in. */
  readonly count: number;
  stamp(): Stamp;
  /** Filled by the store: what is here and goes. Where the change happens, all dots up to it go. */
  readonly seen: Vector;
  /** Set by the store when it uses the dot. A change without one only takes away. */
  isMade: boolean;
};

/** Changed in place, like every state. All its dots are known to the vector that goes with it; in each place, at most one a replica. */
export interface DotStore<Store, Change, Read> {
  readonly type: string;
  empty(): Store;
  /** Of stores inside others: nothing is in it, so that it need not be there. */
  isEmpty(store: Store): boolean;
  /** Makes a change; answers where and what, as plain data. Null: nothing changes. */
  change(store: Store, change: Change, event: DotEvent): unknown | null | Unfit;
  parseChange(value: unknown, depth: number): Change | Unfit;
  /** What `change` answered elsewhere: dots up to `seen` go there, then `dot`, if any, comes. */
  apply(store: Store, part: unknown, dot: Dot | null, seen: Vector): Joined;
  /** What `change` answered, from outside. Checked, or null. */
  parsePart(value: unknown, hasDot: boolean, depth: number): unknown | null;
  /** Joins a store of which the vector `others` tells what it knows. With an empty one: all dots up to `others` go. */
  join(store: Store, other: Store, vector: Vector, others: Vector): Joined;
  /** Raises the vector to everything that is in the store. */
  gather(store: Store, seen: Vector): void;
  form(store: Store, places: Places): unknown;
  parse(value: unknown, vector: Vector, depth: number): Store | null;
  read(store: Store): Read;
  latest(store: Store): Stamp;
  latestOfPart(part: unknown): Stamp;
}

/** Where in its vector each replica stands: in forms, replicas are numbers. */
export type Places = ReadonlyMap<ReplicaId, number>;

/** `[place, count, place, count …]`. */
export const formDots = (dots: Vector, places: Places): number[] =>
  dots.map((field) => (typeof field === 'string' ? places.get(field)! : field));

/** What `formDots` made, beginning at `from`; at least one. Null: it names what the vector does not know. */
export const parseDots = (fields: readonly unknown[], from: number, vector: Vector): Vector | null => {
  if (fields.length < from + 2 || (fields.length - from) % 2 !== 0) return null;
  const dots: Vector = [];
  let before = -1;
  for (let at = from; at < fields.length; at += 2) {
    const [place, count] = [fields[at], fields[at + 1]];
    if (!Number.isSafeInteger(place) || (place as number) <= before || (place as number) * 2 >= vector.length) return null;
    if (!isEventCount(count) || count > (vector[(place as number) * 2 + 1] as number)) return null;
    before = place as number;
    dots.push(vector[before * 2]!, count);
  }
  return exact(dots);
};

/** Of one place: what both have, and what one has of which the other has never heard. Answers `mine` itself if that is all. */
export const joinDots = (mine: Vector, theirs: Vector, vector: Vector, others: Vector): Vector => {
  let joined = mine;
  for (let at = mine.length - 2; at >= 0; at -= 2) {
    const [replica, count] = [mine[at] as ReplicaId, mine[at + 1] as number];
    if (countOf(theirs, replica) === count || countOf(others, replica) < count) continue;
    if (joined === mine) joined = [...mine];
    joined.splice(at, 2);
  }
  for (let at = 0; at < theirs.length; at += 2) {
    const [replica, count] = [theirs[at] as ReplicaId, theirs[at + 1] as number];
    if (countOf(vector, replica) >= count) continue;
    if (joined === mine) joined = [...mine];
    raise(joined, replica, count);
  }
  return joined === mine ? mine : exact(joined);
};

export type Causal<Store> = { vector: Vector; store: Store };

/** Author, its count (0: the change only takes away), what goes, where and what. */
type Delta = readonly [ReplicaId, number, Vector, unknown];

/** The vector's own copy of the name, so that a million dots share it. */
const shared = (vector: Vector, replica: ReplicaId): ReplicaId => {
  const at = placeOf(vector, replica);
  return vector[at] === replica ? (vector[at] as ReplicaId) : replica;
};

const placesOf = (vector: Vector): Places => {
  const places = new Map<ReplicaId, number>();
  for (let at = 0; at < vector.length; at += 2) places.set(vector[at] as ReplicaId, at >> 1);
  return places;
};

/** A store with a vector of its own: a replicated object. */
export const causal = <Store, Change, Read>(dots: DotStore<Store, Change, Read>): Crdt<Causal<Store>, Change, Read> => ({
  type: dots.type,
  empty: () => ({ vector: [], store: dots.empty() }),
  change(state, change, author) {
    const { vector, store } = state;
    const { replica } = author;
    const event = { replica, count: countOf(vector, replica) + 1, stamp: () => author.stamp(), seen: [], isMade: false };
    const part = dots.change(store, change, event);
    if (part === null || isUnfit(part)) return part;
    if (event.isMade) state.vector = raised(vector, replica, event.count);
    return [replica, event.isMade ? event.count : 0, event.seen, part];
  },
  parseChange: (value) => dots.parseChange(value, 0),
  apply(state, delta) {
    const { vector, store } = state;
    const [replica, count, seen, part] = delta as Delta;
    const known = countOf(vector, replica);
    if (count > 0 && count <= known) return 'same';
    // Whoever knows an event knows all that went with it: so neither its predecessor nor what it took away may be missing.
    if (count > known + 1 || !covers(vector, seen)) return 'gap';
    if (count === 0) return dots.apply(store, part, null, seen);
    const joined = dots.apply(store, part, [shared(vector, replica), count], seen);
    state.vector = raised(vector, replica, count);
    return joined === 'conflict' ? 'conflict' : 'changed';
  },
  parseDelta(value) {
    if (!Array.isArray(value) || value.length !== 4) return null;
    const [given, count, seen] = value as unknown[];
    const replica = parseReplicaId(given);
    if (replica === null || !(count === 0 || isEventCount(count)) || parseVector(seen) === null) return null;
    value[0] = replica;
    return dots.parsePart(value[3], count > 0, 0) === null ? null : value;
  },
  join(state, other) {
    const joined = dots.join(state.store, other.store, state.vector, other.vector);
    const { vector } = state;
    state.vector = raisedToAll(vector, other.vector);
    return joined === 'same' && !covers(vector, other.vector) ? 'changed' : joined;
  },
  form: ({ vector, store }) => [[...vector], dots.form(store, placesOf(vector))],
  parse(value) {
    if (!Array.isArray(value) || value.length !== 2) return null;
    const vector = parseVector(value[0]);
    const store = vector === null ? null : dots.parse(value[1], vector, 0);
    return store === null ? null : { vector: vector!, store };
  },
  read: ({ store }) => dots.read(store),
  latest: (given) =>
    Array.isArray(given) ? dots.latestOfPart(given[3] as unknown) : dots.latest((given as Causal<Store>).store),
});
