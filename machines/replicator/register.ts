// A register that keeps every value that nobody has overwritten knowingly (MV-register, Shapiro et al. 2011): usually one; several,
// called siblings, after writes that knew nothing of each other. Which of them a reader sees is a strategy of the reader's
// (strategies.ts), so that the data is the same whatever the strategy, and no concurrent write is lost without being counted.
import { isStamp } from '../versions/hybrid-clock.ts';
import {
  countOf,
  covers,
  exact,
  isEventCount,
  knows,
  parseReplicaId,
  parseVector,
  raised,
  raisedToAll,
} from '../versions/vector.ts';
import type { Crdt, Joined } from './crdt.ts';
import { replicatorLimits as max } from './limits.ts';
import { isValue, unfitValue } from './plain.ts';
import type { Plain, ReplicaId, Stamp, Vector } from './types.ts';

/** A value and the event that wrote it: replica, count, stamp, value. */
export type Sibling = readonly [ReplicaId, number, Stamp, Plain];

/**
 * Siblings are sorted by replica; each is of a different one, and known to the vector. The first lies open and the vector is left out
 * where it says no more than that sibling, since most registers are so and lists would take three times the memory.
 */
export type RegisterState = {
  /** Null: of the first sibling's event and no other; where there is no sibling, of none. */
  vector: Vector | null;
  replica: ReplicaId;
  count: number;
  stamp: Stamp;
  /** Undefined: it was cleared, or never written, and the three before mean nothing. */
  value: Plain | undefined;
  /** The other siblings; null: none. */
  others: readonly Sibling[] | null;
};

export type RegisterChange = { type: 'set'; value: Plain } | { type: 'clear' };

/** The same in full. */
type Wide = { readonly vector: Vector; readonly siblings: readonly Sibling[] };

const none: readonly Sibling[] = [];

const siblingsOf = ({ replica, count, stamp, value, others }: RegisterState): readonly Sibling[] => {
  if (value === undefined) return none;
  return others === null ? [[replica, count, stamp, value]] : [[replica, count, stamp, value], ...others];
};

const vectorOf = ({ vector, replica, count, value }: RegisterState): Vector =>
  vector ?? (value === undefined ? [] : [replica, count]);

const wideOf = (state: RegisterState): Wide => ({ vector: vectorOf(state), siblings: siblingsOf(state) });

const saysNoMore = (vector: Vector, first: Sibling | undefined): boolean =>
  first === undefined ? vector.length === 0 : vector.length === 2 && vector[0] === first[0] && vector[1] === first[1];

const keep = (state: RegisterState, { vector, siblings }: Wide): void => {
  const [first] = siblings;
  state.vector = saysNoMore(vector, first) ? null : vector;
  state.replica = first?.[0] ?? '';
  state.count = first?.[1] ?? 0;
  state.stamp = first?.[2] ?? 0;
  state.value = first?.[3];
  state.others = siblings.length > 1 ? siblings.slice(1) : null;
};

const empty = (): RegisterState => ({ vector: null, replica: '', count: 0, stamp: 0, value: undefined, others: null });

const hasSibling = (siblings: readonly Sibling[], [replica, count]: Sibling): boolean =>
  siblings.some((one) => one[0] === replica && one[1] === count);

/** What stays of one side: what the other has too, or has never heard of. */
const staying = (siblings: readonly Sibling[], other: Wide): readonly Sibling[] =>
  siblings.filter((one) => hasSibling(other.siblings, one) || !knows(other.vector, one[0], one[1]));

const byReplica = (a: Sibling, b: Sibling): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);

/** One event of one replica. */
const isOne = ({ vector, value, others }: RegisterState): boolean => vector === null && value !== undefined && others === null;

const join = (state: RegisterState, other: RegisterState): Joined => {
  // What joining in full comes to, where one replica alone has ever written.
  if (isOne(state) && isOne(other) && state.replica === other.replica) {
    if (other.count <= state.count) return 'same';
    state.count = other.count;
    state.stamp = other.stamp;
    state.value = other.value;
    return 'changed';
  }
  const [mine, theirs] = [wideOf(state), wideOf(other)];
  const kept = staying(mine.siblings, theirs);
  const come = staying(theirs.siblings, mine).filter((one) => !hasSibling(kept, one));
  const isNew = !covers(mine.vector, theirs.vector);
  const siblings = come.length === 0 ? kept : [...kept, ...come].sort(byReplica);
  const isSame = come.length === 0 && kept.length === mine.siblings.length;
  if (isSame && !isNew) return 'same';
  keep(state, { vector: raisedToAll(mine.vector, theirs.vector), siblings });
  return come.length > 0 && siblings.length > 1 ? 'conflict' : 'changed';
};

/** With the author's next event. */
const change = (state: RegisterState, change: RegisterChange, replica: ReplicaId, stamp: () => Stamp): void => {
  const vector = vectorOf(state);
  const count = countOf(vector, replica) + 1;
  if (
    change.type === 'set' &&
    (vector.length === 0 || (state.vector === null && state.others === null && state.replica === replica))
  ) {
    state.replica = replica;
    state.count = count;
    state.stamp = stamp();
    state.value = change.value;
  } else
    keep(state, {
      vector: raised(vector, replica, count),
      siblings: change.type === 'clear' ? none : [[replica, count, stamp(), change.value]],
    });
};

const form = (state: RegisterState): unknown => [[...vectorOf(state)], siblingsOf(state).map((one) => [...one])];

const isSibling = (value: unknown): value is [ReplicaId, number, Stamp, Plain] => {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const replica = parseReplicaId(value[0]);
  if (replica === null || !isEventCount(value[1]) || !isStamp(value[2]) || !isValue(value[3])) return false;
  value[0] = replica;
  return true;
};

const parse = (value: unknown): RegisterState | null => {
  if (!Array.isArray(value) || value.length !== 2 || !Array.isArray(value[1]) || value[1].length > max.siblingsMax) return null;
  const vector = parseVector(value[0]);
  const siblings = value[1] as unknown[];
  if (vector === null || !siblings.every(isSibling)) return null;
  for (let at = 0; at < siblings.length; at++) {
    const [replica, count] = siblings[at]!;
    if (count > countOf(vector, replica) || (at > 0 && siblings[at - 1]![0] >= replica)) return null;
  }
  const state = empty();
  keep(state, { vector: exact(vector), siblings });
  return state;
};

export const register: Crdt<RegisterState, RegisterChange, readonly Sibling[]> = {
  type: 'register',
  saysAll: true,
  empty,
  change(state, given, author) {
    if (given.type === 'clear' && state.value === undefined) return null;
    change(state, given, author.replica, () => author.stamp());
    return form(state);
  },
  parseChange(value) {
    if (typeof value !== 'object' || value === null) return { unfit: 'is no change of a register' };
    const given = value as { type?: unknown; value?: unknown };
    if (given.type === 'clear') return { type: 'clear' };
    if (given.type !== 'set') return { unfit: 'is neither set nor clear' };
    return unfitValue(given.value) ?? { type: 'set', value: given.value as Plain };
  },
  apply: (state, delta) => join(state, delta as RegisterState),
  parseDelta: parse,
  join,
  form,
  parse,
  read: siblingsOf,
  latest(given) {
    const { stamp, others } = given as RegisterState;
    return others === null ? stamp : others.reduce((latest, one) => Math.max(latest, one[2]), stamp);
  },
};
