// The replicated objects of one node: each has a type and a key, both of which name it, so that two nodes that make objects of one key
// and different types make two objects. Changes made here and what is heard of others meet here; who stores and sends them is the
// actor's matter.
import { type Failure, failure } from '../errors.ts';
import { createHybridClock, type HybridClock, heed, isBelievable, tick } from '../versions/hybrid-clock.ts';
import { isEventCount } from '../versions/vector.ts';
import { pack } from '../wire/envelope.ts';
import { isWellFormed, utf8Length } from '../wire/octets.ts';
import { type Author, type Crdt, isUnfit, type Joined } from './crdt.ts';
import { replicatorLimits as max } from './limits.ts';
import { type Slot, Trie } from './trie.ts';
import type { ReplicaId, Round } from './types.ts';

/** Whatever its state, change and read are: here they only pass through. */
type AnyCrdt = Crdt<unknown, unknown, unknown>;

export type ObjectTypes = readonly AnyCrdt[];

const isUnsaved = 1;
const hasState = 2;

export class ReplicatedObject {
  readonly type: AnyCrdt;
  /** By which all know it; the only text that is kept of it. */
  readonly name: string;
  state: unknown;
  /** Changes so far, in this run of the node. */
  version = 0;
  /** Its place in the trie. */
  readonly slot: Slot;
  /** At most about what its form takes, packed; `isFull` tells. */
  bytes = 0;
  /** Two answers in one field: there is an object for every key. */
  #disk = 0;

  constructor(type: AnyCrdt, name: string, slot: Slot) {
    this.type = type;
    this.name = name;
    this.state = type.empty();
    this.slot = slot;
  }

  get key(): string {
    return this.name.slice(this.type.type.length + 1);
  }

  /** Not in the states on the disk as it is now: the log has what is missing there. */
  get unsaved(): boolean {
    return (this.#disk & isUnsaved) !== 0;
  }

  set unsaved(is: boolean) {
    this.#disk = is ? this.#disk | isUnsaved : this.#disk & ~isUnsaved;
  }

  /** There is a state of it on the disk, or on its way there. */
  get hasState(): boolean {
    return (this.#disk & hasState) !== 0;
  }

  set hasState(has: boolean) {
    this.#disk = has ? this.#disk | hasState : this.#disk & ~hasState;
  }
}

/** Not known: to be measured before it grows. A small number like all others: one that is not would make every object larger. */
const unmeasured = max.objectBytesMax + 1;
const lessening: ReadonlySet<unknown> = new Set(['remove', 'clear', 'disable']);

/** So much came to it: a delta or a state, packed. */
export const grow = (object: ReplicatedObject, bytes: number): void => {
  object.bytes = Math.min(unmeasured, object.bytes + bytes);
};

/** One that was full is not measured again for so long: that takes as long as all that is in it. */
const fullForMs = 10_000;

/** Measured only when it may be, and not again while it has not changed since. */
const isFull = ({ full }: Objects, object: ReplicatedObject, wallMs: number): boolean => {
  if (object.bytes <= max.objectBytesMax) return false;
  const found = full.get(object);
  if (found !== undefined && (found.version === object.version || Math.abs(wallMs - found.wallMs) < fullForMs)) return true;
  const bytes = pack(object.type.form(object.state)).byteLength;
  if (bytes > max.objectBytesMax * 0.9) {
    full.set(object, { version: object.version, wallMs });
    return true;
  }
  full.delete(object);
  object.bytes = bytes;
  return false;
};

/** One change as others hear it, as plain data. */
export type DeltaRecord = readonly [type: string, key: string, delta: unknown];
/** A whole state that came by repair, in the log of whoever joined it: what is written behind it may build on it. */
export type StateRecord = readonly [type: string, key: string, form: unknown, whole: true];
export type LogRecord = DeltaRecord | StateRecord;

/** Why something that was heard was not joined; counted under its code. */
export type HeardRefusal = 'TYPE_UNKNOWN' | 'KEY_INVALID' | 'DELTA_MALFORMED' | 'CLOCK_AHEAD' | 'OBJECTS_FULL';

export type Heard = Joined | 'gap' | { refused: HeardRefusal };

export type Objects = {
  /** Who makes changes here; another one once what it is known for may be lost, or was given up by the others. */
  replica: ReplicaId;
  readonly types: ReadonlyMap<string, AnyCrdt>;
  readonly clock: HybridClock;
  /** By `nameOf`; at most `objectsMax`. */
  readonly all: Map<string, ReplicatedObject>;
  /** Of all of them, by their names. */
  readonly trie: Trie;
  /** Those that are not on the disk as they are now, each once. */
  unsaved: ReplicatedObject[];
  round: Round;
  /** Everything made up to this round is at every registered replica. */
  stable: Round;
  /** Those in which something may wait to be forgotten. */
  readonly pending: Set<ReplicatedObject>;
  /** Names of those of which nothing is left, and that are still on the disk; true: with an empty state. */
  readonly gone: Map<string, boolean>;
  /** Those that were full when they were last measured. */
  readonly full: WeakMap<ReplicatedObject, { version: number; wallMs: number }>;
  /** No object that was ever here has had a higher version than this. */
  forgotten: number;
};

/** The canonical bytes of an object as it is now; null: there is none. Not to be changed by anybody. */
export const packedForm = (all: Objects['all'], name: string): Uint8Array | null => {
  const object = all.get(name);
  return object === undefined ? null : pack(object.type.form(object.state));
};

export const createObjects = (replica: ReplicaId, types: ObjectTypes): Objects => {
  const all = new Map<string, ReplicatedObject>();
  const trie = new Trie({
    formOf: (name) => packedForm(all, name),
  });
  const byName = new Map(types.map((type) => [type.type, type]));
  return {
    ...{ replica, types: byName, clock: createHybridClock(), all, trie, unsaved: [], round: 1, stable: 0 },
    ...{ pending: new Set<ReplicatedObject>(), gone: new Map<string, boolean>(), forgotten: 0, full: new WeakMap() },
  };
};

/** No type's name holds a slash. */
export const nameOf = (type: string, key: string): string => `${type}/${key}`;

export const isKey = (value: unknown): value is string =>
  typeof value === 'string' &&
  value.length > 0 &&
  value.length <= max.keyBytesMax &&
  isWellFormed(value) &&
  utf8Length(value) <= max.keyBytesMax &&
  !/\p{Cc}/u.test(value);

export const findObject = (objects: Objects, type: string, key: string): ReplicatedObject | undefined =>
  objects.all.get(nameOf(type, key));

const addObject = (objects: Objects, type: AnyCrdt, key: string): ReplicatedObject => {
  // Joined and not concatenated: the engine keeps what is concatenated as its parts, in twice the memory.
  const name = [type.type, key].join('/');
  const object = new ReplicatedObject(type, name, objects.trie.add(name));
  // What it was before is still there, until it is written over.
  if (objects.gone.size > 0) object.hasState = objects.gone.delete(name);
  object.version = objects.forgotten;
  objects.all.set(name, object);
  return object;
};

const dropObject = (objects: Objects, { name, slot, hasState }: ReplicatedObject): void => {
  objects.trie.remove(slot);
  objects.all.delete(name);
  if (hasState) objects.gone.set(name, false);
};

/** Nothing of it is left: not known is what it is again, here and on the disk. */
const forgetObject = (objects: Objects, object: ReplicatedObject): void => {
  dropObject(objects, object);
  objects.pending.delete(object);
  objects.forgotten = Math.max(objects.forgotten, object.version + 1);
};

const noteChange = (objects: Objects, object: ReplicatedObject): void => {
  if (!object.unsaved) objects.unsaved.push(object);
  object.unsaved = true;
  object.version++;
  objects.trie.touch(object.slot);
  if (object.type.pending !== undefined) objects.pending.add(object);
};

const authorOf = (objects: Objects, wallMs: number): Author => ({
  replica: objects.replica,
  stamp: () => tick(objects.clock, wallMs),
  round: objects.round,
});

export type Changed = { ok: true; object: ReplicatedObject; record: DeltaRecord | null } | { ok: false; failure: Failure };

const refuse = (why: string): Changed => ({ ok: false, failure: failure('INVALID_REQUEST', why) });

/** Makes a change here. It is visible at once; `record` is what the disk and others must hear of it, null = it changed nothing. */
export const change = (objects: Objects, wallMs: number, typeName: string, key: string, given: unknown): Changed => {
  const type = objects.types.get(typeName);
  if (type === undefined) return refuse(`there is no replicated type '${String(typeName).slice(0, 32)}'`);
  const known = typeof key === 'string' ? objects.all.get(nameOf(typeName, key)) : undefined;
  // What is known has a key that was looked at when it came.
  if (known === undefined && !isKey(key))
    return refuse(`a key has 1 to ${max.keyBytesMax} bytes of UTF-8 and no control characters`);
  const parsed = type.parseChange(given);
  if (isUnfit(parsed)) return refuse(`the change ${parsed.unfit}`);
  if (known === undefined && objects.all.size >= max.objectsMax)
    return {
      ok: false,
      failure: failure('TOO_LARGE', `this node holds ${max.objectsMax} replicated objects, which is all it may`),
    };
  const kind = (parsed as { type?: unknown }).type;
  if (known !== undefined && !lessening.has(kind) && isFull(objects, known, wallMs))
    return {
      ok: false,
      failure: failure('TOO_LARGE', `${typeName} '${key}' has reached what one object may take: spread it over several`),
    };
  const object = known ?? addObject(objects, type, key);
  const delta = type.change(object.state, parsed, authorOf(objects, wallMs));
  if (delta === null || isUnfit(delta)) {
    if (known === undefined) dropObject(objects, object);
    return delta === null ? { ok: true, object, record: null } : refuse(`the change ${delta.unfit}`);
  }
  noteChange(objects, object);
  if (kind === 'clear') objects.full.delete(object);
  return { ok: true, object, record: [typeName, key, delta] };
};

// ---------------------------------------------------------------- what is heard

type Found = { type: AnyCrdt; object: ReplicatedObject | undefined } | { refused: HeardRefusal };

const find = (objects: Objects, typeName: unknown, key: unknown): Found => {
  const type = typeof typeName === 'string' ? objects.types.get(typeName) : undefined;
  if (type === undefined) return { refused: 'TYPE_UNKNOWN' };
  const object = typeof key === 'string' ? objects.all.get(nameOf(type.type, key)) : undefined;
  if (object !== undefined) return { type, object };
  if (!isKey(key)) return { refused: 'KEY_INVALID' };
  return objects.all.size >= max.objectsMax ? { refused: 'OBJECTS_FULL' } : { type, object };
};

/** Whether its clock is one that may be followed; if so it is. */
const isInTime = (objects: Objects, type: AnyCrdt, stateOrDelta: unknown, wallMs: number): boolean => {
  const stamp = type.latest(stateOrDelta);
  if (!isBelievable(stamp, wallMs)) return false;
  heed(objects.clock, stamp);
  return true;
};

/** Of an object that is new and of which nothing became there is nothing. */
const settle = <Outcome extends Joined | 'gap'>(
  objects: Objects,
  object: ReplicatedObject,
  come: { isNew: boolean; bytes: number },
  outcome: Outcome,
): Outcome => {
  if (outcome === 'changed' || outcome === 'conflict') {
    noteChange(objects, object);
    grow(object, come.bytes);
  } else if (come.isNew) dropObject(objects, object);
  return outcome;
};

/** Joins a delta of another, which took so many bytes. What is refused changes nothing. */
export const hear = (objects: Objects, wallMs: number, record: unknown, bytes: number): Heard => {
  if (!Array.isArray(record) || record.length !== 3) return { refused: 'DELTA_MALFORMED' };
  const [typeName, key, given] = record as unknown[];
  const found = find(objects, typeName, key);
  if ('refused' in found) return found;
  const delta = found.type.parseDelta(given);
  if (delta === null) return { refused: 'DELTA_MALFORMED' };
  if (!isInTime(objects, found.type, delta, wallMs)) return { refused: 'CLOCK_AHEAD' };
  const object = found.object ?? addObject(objects, found.type, key as string);
  const come = { isNew: found.object === undefined, bytes };
  return settle(objects, object, come, found.type.apply(object.state, delta, objects.stable));
};

/** Joins a whole state of another, as `formOf` made it there; it took so many bytes. */
export const hearState = (
  objects: Objects,
  wallMs: number,
  [typeName, key, form]: readonly unknown[],
  bytes: number,
): Joined | { refused: HeardRefusal } => {
  const found = find(objects, typeName, key);
  if ('refused' in found) return found;
  const state = found.type.parse(form);
  if (state === null) return { refused: 'DELTA_MALFORMED' };
  if (!isInTime(objects, found.type, state, wallMs)) return { refused: 'CLOCK_AHEAD' };
  const object = found.object ?? addObject(objects, found.type, key as string);
  const come = { isNew: found.object === undefined, bytes };
  return settle(objects, object, come, found.type.join(object.state, state, objects.stable));
};

export const formOf = ({ type, key, state }: ReplicatedObject): readonly [string, string, unknown] => [
  type.type,
  key,
  type.form(state),
];

const stamped = ({ stable }: Objects, type: AnyCrdt, record: readonly unknown[]): readonly unknown[] =>
  type.collect === undefined || stable === 0 ? record : [...record, stable];

/** As it goes to the disk. Where rounds decide what is old news, with what is stable: what is older in the log is to be judged by it. */
export const savedForm = (objects: Objects, object: ReplicatedObject): readonly unknown[] =>
  stamped(objects, object.type, formOf(object));

/** The same of an object of which nothing is left. */
export const emptyForm = (objects: Objects, name: string): readonly unknown[] => {
  const slash = name.indexOf('/');
  const type = objects.types.get(name.slice(0, slash))!;
  return stamped(objects, type, [type.type, name.slice(slash + 1), type.form(type.empty())]);
};

/** What was read from the disk; false: it is not what was written there. `savedAt` learns what was stable then. */
export const restore = (objects: Objects, record: unknown, savedAt: Map<string, Round> = new Map()): boolean => {
  if (!Array.isArray(record) || record.length < 3 || record.length > 4) return false;
  const [typeName, key, form, stable] = record as unknown[];
  if (record.length === 4 && !isEventCount(stable)) return false;
  const type = typeof typeName === 'string' ? objects.types.get(typeName) : undefined;
  const state = type === undefined || !isKey(key) ? null : type.parse(form);
  if (type === undefined || state === null) return false;
  const object = addObject(objects, type, key as string);
  object.state = state;
  if (stable !== undefined) savedAt.set(object.name, stable as Round);
  if (type.pending !== undefined) objects.pending.add(object);
  object.bytes = unmeasured;
  object.hasState = true;
  heed(objects.clock, type.latest(state));
  return true;
};

/**
 * A record of this node's own log, in the order in which it was written; false: it is not what was written there. A number: so much was
 * stable from there on. What was applied before the state of its object was written is in that, so it is judged by what was stable then.
 */
export const replay = (objects: Objects, savedAt: ReadonlyMap<string, Round>, record: unknown, bytes: number): boolean => {
  if (isEventCount(record)) {
    enterRound(objects, objects.round, record);
    return true;
  }
  if (!Array.isArray(record)) return false;
  const { stable } = objects;
  objects.stable = Math.max(stable, savedAt.get(nameOf(String(record[0]), String(record[1]))) ?? 0);
  const isApplied = reapply(objects, record, bytes);
  objects.stable = stable;
  return isApplied;
};

const reapply = (objects: Objects, record: readonly unknown[], bytes: number): boolean => {
  const isState = record.length === 4 && record[3] === true;
  const heard = isState
    ? hearState(objects, Number.MAX_SAFE_INTEGER, record as unknown[], bytes)
    : hear(objects, Number.MAX_SAFE_INTEGER, record, bytes);
  return typeof heard === 'string' && heard !== 'gap';
};

/**
 * Enters a round that all registered replicas have reached, and forgets the tombstones that nobody needs any more. Answers the names of
 * objects of which something was forgotten; some may be gone altogether.
 */
export const enterRound = (objects: Objects, round: Round, stable: Round): string[] => {
  objects.round = Math.max(objects.round, round);
  if (stable <= objects.stable) return [];
  objects.stable = stable;
  const collected: string[] = [];
  for (const object of [...objects.pending]) {
    if (object.type.collect?.(object.state, stable) !== true) continue;
    noteChange(objects, object);
    collected.push(object.name);
    if (object.type.isEmpty?.(object.state) === true) forgetObject(objects, object);
  }
  return collected;
};

/** Whether anything waits to be forgotten that was made in a round of which `isWaiting` says so. */
export const awaitsRound = (objects: Objects, isWaiting: (last: Round) => boolean): boolean => {
  for (const object of objects.pending) {
    const last = object.type.pending!(object.state);
    if (last === 0) objects.pending.delete(object);
    else if (isWaiting(last)) return true;
  }
  return false;
};

/** Counts everything here as made in this round, and is in it from now on: it was all made here, and nobody has heard of it. */
export const beginIn = (objects: Objects, round: Round): void => {
  objects.round = round;
  for (const object of objects.all.values()) {
    if (object.type.retag === undefined) continue;
    object.state = object.type.retag(object.state, round);
    noteChange(objects, object);
  }
};

/** Forgets every object of which rounds decide what is old: it comes back from others, as they have it now. Answers their names. */
export const dropRounded = (objects: Objects): string[] => {
  const dropped = [...objects.all.values()].filter(({ type }) => type.collect !== undefined);
  for (const object of dropped) forgetObject(objects, object);
  return dropped.map(({ name }) => name);
};

/** Those of which nothing is left. */
export const forgetEmpty = (objects: Objects): void => {
  for (const object of [...objects.pending]) if (object.type.isEmpty?.(object.state) === true) forgetObject(objects, object);
};
