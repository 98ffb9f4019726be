// Version vectors (Parker et al. 1983): how many events of each replica are known. Flat and sorted, because there is one for each key
// of the replicator and most name one or two replicas: a map would cost more than the data.

/** Names one copy of the data on one disk; made at random, never used again once its data may be lost. */
export type ReplicaId = string;

/** `[replica, count, replica, count …]`, sorted by replica, each once, each count at least 1. */
export type Vector = (ReplicaId | number)[];

/** One event: the `count`th of this replica. */
export type Dot = readonly [ReplicaId, number];

export const vectorLimits = { replicaCharsMax: 32, replicasMax: 4_096 } as const;

/** Where in the vector the replica stands, or should. */
export const placeOf = (vector: Vector, replica: ReplicaId): number => {
  let from = 0;
  let to = vector.length >> 1;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((vector[middle * 2] as ReplicaId) < replica) from = middle + 1;
    else to = middle;
  }
  return from * 2;
};

/** How many events of this replica are known; 0 = none. */
export const countOf = (vector: Vector, replica: ReplicaId): number => {
  const at = placeOf(vector, replica);
  return vector[at] === replica ? (vector[at + 1] as number) : 0;
};

export const knows = (vector: Vector, replica: ReplicaId, count: number): boolean => countOf(vector, replica) >= count;

/** Raises a count in place; true if it was lower. */
export const raise = (vector: Vector, replica: ReplicaId, count: number): boolean => {
  const at = placeOf(vector, replica);
  if (vector[at] !== replica) {
    if (count > 0) vector.splice(at, 0, replica, count);
    return count > 0;
  }
  if ((vector[at + 1] as number) >= count) return false;
  vector[at + 1] = count;
  return true;
};

/** Takes over whatever the other knows more of, in place; true if that was anything. */
export const raiseAll = (vector: Vector, other: Vector): boolean => {
  let changed = false;
  for (let at = 0; at < other.length; at += 2)
    if (raise(vector, other[at] as ReplicaId, other[at + 1] as number)) changed = true;
  return changed;
};

/** A list that takes no more room than it needs: one that has grown takes several times as much, and there is one for every key. */
export const exact = (vector: Vector): Vector => (vector.length === 2 ? [vector[0]!, vector[1]!] : vector.slice());

/** `raise` for a vector that is kept: in place where the replica is known, else a new and exact one. */
export const raised = (vector: Vector, replica: ReplicaId, count: number): Vector => {
  if (countOf(vector, replica) > 0) {
    raise(vector, replica, count);
    return vector;
  }
  const more = [...vector];
  raise(more, replica, count);
  return exact(more);
};

/** `raiseAll` for a vector that is kept: the same one if nothing is new, else an exact one. */
export const raisedToAll = (vector: Vector, other: Vector): Vector => {
  const more = [...vector];
  return raiseAll(more, other) ? exact(more) : vector;
};

/** Whether everything that the other knows is known. */
export const covers = (vector: Vector, other: Vector): boolean => {
  for (let at = 0; at < other.length; at += 2)
    if (!knows(vector, other[at] as ReplicaId, other[at + 1] as number)) return false;
  return true;
};

/** Every id that was lately seen, so that a hundred thousand objects share one text of each and none is looked at twice. */
const shared = new Map<string, ReplicaId>();

/** The one text of this id, in place of a copy from a message. Null: it is none. */
export const parseReplicaId = (value: unknown): ReplicaId | null => {
  if (typeof value !== 'string') return null;
  const known = shared.get(value);
  if (known !== undefined) return known;
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(value)) return null;
  // Whoever tells of ids without end makes us forget some, which costs memory and no more.
  if (shared.size >= vectorLimits.replicasMax) shared.clear();
  shared.set(value, value);
  return value;
};

export const isReplicaId = (value: unknown): value is ReplicaId => parseReplicaId(value) !== null;

export const isEventCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;

/** Takes the value over. Null: this is no vector. */
export const parseVector = (value: unknown): Vector | null => {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > vectorLimits.replicasMax * 2) return null;
  const given = value as unknown[];
  for (let at = 0; at < given.length; at += 2) {
    const replica = parseReplicaId(given[at]);
    if (replica === null || !isEventCount(given[at + 1])) return null;
    if (at > 0 && (given[at - 2] as string) >= replica) return null;
    given[at] = replica;
  }
  return given as Vector;
};
