// A register that keeps every value that nobody has overwritten knowingly (MV-register, Shapiro et al. 2011): usually one; several,
// called siblings, after writes that knew nothing of each other. Which of them a reader sees is a strategy of the reader's
// (strategies.ts), so that the data is the same whatever the strategy, and no concurrent write is lost without being counted.
import { isStamp } from '../versions/hybrid-clock.ts';
import { countOf, covers, isEventCount, isReplicaId, knows, parseVector, raised, raisedToAll } from '../versions/vector.ts';
import type { Crdt, Joined } from './crdt.ts';
import { replicatorLimits as max } from './limits.ts';
import { isValue, samePlain, unfitValue } from './plain.ts';
import type { Plain, ReplicaId, Stamp, Vector } from './types.ts';

/** A value and the event that wrote it: replica, count, stamp, value. */
export type Sibling = [ReplicaId, number, Stamp, Plain];

/** Siblings are sorted by replica; each is of a different one, and known to the vector. None: it was cleared, or never written. */
export type RegisterState = { vector: Vector; siblings: Sibling[] };

export type RegisterChange = { type: 'set'; value: Plain } | { type: 'clear' };

const hasSibling = (siblings: readonly Sibling[], [replica, count]: Sibling): boolean =>
  siblings.some((one) => one[0] === replica && one[1] === count);

/** What stays of one side: what the other has too, or has never heard of. */
const staying = (siblings: readonly Sibling[], other: RegisterState): Sibling[] =>
  siblings.filter((one) => hasSibling(other.siblings, one) || !knows(other.vector, one[0], one[1]));

const byReplica = (a: Sibling, b: Sibling): number => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);

const join = (state: RegisterState, other: RegisterState): Joined => {
  const kept = staying(state.siblings, other);
  const come = staying(other.siblings, state).filter((one) => !hasSibling(kept, one));
  const isNew = !covers(state.vector, other.vector);
  state.vector = raisedToAll(state.vector, other.vector);
  if (come.length === 0 && kept.length === state.siblings.length) return isNew ? 'changed' : 'same';
  state.siblings = come.length === 0 ? kept : [...kept, ...come].sort(byReplica).slice();
  return come.length > 0 && state.siblings.length > 1 ? 'conflict' : 'changed';
};

const form = ({ vector, siblings }: RegisterState): unknown => [[...vector], siblings.map((one) => [...one])];

const isSibling = (value: unknown): value is Sibling =>
  Array.isArray(value) &&
  value.length === 4 &&
  isReplicaId(value[0]) &&
  isEventCount(value[1]) &&
  isStamp(value[2]) &&
  isValue(value[3]);

const parse = (value: unknown): RegisterState | null => {
  if (!Array.isArray(value) || value.length !== 2 || !Array.isArray(value[1]) || value[1].length > max.siblingsMax) return null;
  const vector = parseVector(value[0]);
  const siblings = value[1] as unknown[];
  if (vector === null || !siblings.every(isSibling)) return null;
  for (let at = 0; at < siblings.length; at++) {
    const [replica, count] = siblings[at]!;
    if (count > countOf(vector, replica) || (at > 0 && siblings[at - 1]![0] >= replica)) return null;
  }
  return { vector, siblings };
};

export const register: Crdt<RegisterState, RegisterChange, readonly Sibling[]> = {
  type: 'register',
  empty: () => ({ vector: [], siblings: [] }),
  change(state, change, author) {
    const { replica } = author;
    const [only] = state.siblings;
    if (change.type === 'clear' && only === undefined) return null;
    const count = countOf(state.vector, replica) + 1;
    state.vector = raised(state.vector, replica, count);
    state.siblings = change.type === 'clear' ? [] : [[replica, count, author.stamp(), change.value]];
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
  read: ({ siblings }) => siblings,
  latest: (given) => (given as RegisterState).siblings.reduce((latest, [, , stamp]) => Math.max(latest, stamp), 0),
};

export const sameSiblings = (a: readonly Sibling[], b: readonly Sibling[]): boolean =>
  a.length === b.length && a.every((one, at) => one.every((field, place) => samePlain(field as Plain, b[at]![place] as Plain)));
