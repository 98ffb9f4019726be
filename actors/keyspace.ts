// The map of everything a node keeps on its disk, in one place. Keys are ASCII prefixes, names, and big-endian numbers, so that
// ranges are what they look like:
//   m/format m/identity m/epoch m/genesis m/offer m/peers m/places m/incarnation m/evicted m/hosted/<group>   the node itself
//   g/<group>/hard                                           Raft: term and vote
//   g/<group>/base                                           Raft: what the log's first entry follows (a snapshot's meta)
//   g/<group>/log/<u64>                                      Raft: one value per appended batch, by its first index
//   g/<group>/state                                          generation of the state machine's keyspace, applied index, log time
//   s/<group>/<u32 generation>/<key of the state machine>    the state machine's keyspace
//   r/id                                                     the replica id of this node's replicated objects
//   r/base                                                   where the replicator's log begins, and how many states there are
//   r/rounds                                                 what this replica knows of the rounds, and where it stands in them
//   r/log/<u64>                                              the replicator's log: one value per written batch of deltas
//   r/state/<type>/<key in UTF-8>                            states of replicated objects, as of the last checkpoint
//   a/<type>/<key in UTF-8>\0 s | d | l <u64>                actors with a log of their own: snapshot, how far its effects were done,
//                                                            and one value per written batch of events, by its first number
//   a/<type>/<key in UTF-8>\0 i                              what one that was stopped was delivered
//   b/<u64><type>/<key in UTF-8>\0                           until when that is kept
//   t/<type>/<key in UTF-8>\0                                when such an actor is to be woken
import { allocate, utf8 } from '../machines/wire/octets.ts';

/** Bytes of an ASCII string: every name in a key is one. */
export const text = (value: string): Uint8Array => Uint8Array.from(value, (character) => character.charCodeAt(0));

export const join = (...parts: readonly Uint8Array[]): Uint8Array => {
  const joined = allocate(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.byteLength;
  }
  return joined;
};

export const u64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(value / 0x1_0000_0000));
  view.setUint32(4, value >>> 0);
  return bytes;
};

const u32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
};

/** The smallest key after every key that starts with `prefix`; prefixes end in '/' or a number that is not all ones. */
export const prefixEnd = (prefix: Uint8Array): Uint8Array => {
  const end = prefix.slice();
  for (let at = end.length - 1; at >= 0; at--) {
    if (end[at]! < 0xff) {
      end[at]!++;
      return end.slice(0, at + 1);
    }
  }
  throw new Error('a prefix of ones has no end');
};

/** 1 to 63 of [a-z0-9-], so that no group's name holds the '/' that ends it in a key. */
const groupPattern = /^[a-z0-9-]{1,63}$/;

const groupName = (group: string): string => {
  if (!groupPattern.test(group))
    throw new Error(`InvariantBroken: group-id: '${group.slice(0, 80)}' is not 1 to 63 of [a-z0-9-]`);
  return group;
};

export const metaKeys = {
  format: text('m/format'),
  identity: text('m/identity'),
  epoch: text('m/epoch'),
  genesis: text('m/genesis'),
  offer: text('m/offer'),
  peers: text('m/peers'),
  places: text('m/places'),
  incarnation: text('m/incarnation'),
  evicted: text('m/evicted'),
  hosted: (group: string): Uint8Array => text(`m/hosted/${groupName(group)}`),
} as const;

const replicaLogPrefix = text('r/log/');
const replicaStatePrefix = text('r/state/');

export const replicaKeys = {
  id: text('r/id'),
  rounds: text('r/rounds'),
  base: text('r/base'),
  log: (batch: number): Uint8Array => join(replicaLogPrefix, u64(batch)),
  logRange: { gte: replicaLogPrefix, lt: prefixEnd(replicaLogPrefix) },
  /** `name` is a type, a slash and a key. */
  state: (name: string): Uint8Array => join(replicaStatePrefix, utf8(name)),
  stateRange: { gte: replicaStatePrefix, lt: prefixEnd(replicaStatePrefix) },
} as const;

const buriedPrefix = text('b/');
const deliveredPart = text('i');

export const buriedRange = { gte: buriedPrefix, lt: prefixEnd(buriedPrefix) } as const;

/** No key of an actor holds the control character that ends it here, and no type the slash. */
export const actorKeys = (type: string, key: string) => {
  const name = utf8(`${type}/${key}\0`);
  const own = join(text('a/'), name);
  const logPrefix = join(own, text('l'));
  return {
    snapshot: join(own, text('s')),
    done: join(own, text('d')),
    log: (first: number): Uint8Array => join(logPrefix, u64(first)),
    logRange: { gte: logPrefix, lt: prefixEnd(logPrefix) },
    wake: join(text('t/'), name),
    delivered: join(own, deliveredPart),
    buried: (untilMs: number): Uint8Array => join(buriedPrefix, u64(untilMs), name),
  };
};

/** Of what was delivered to the actor of such a key. */
export const deliveredKeyOf = (buried: Uint8Array): Uint8Array =>
  join(text('a/'), buried.subarray(buriedPrefix.byteLength + 8), deliveredPart);

export const untilOf = (buried: Uint8Array): number => firstIndexOf(buried.subarray(0, buriedPrefix.byteLength + 8));

export type ActorKeys = ReturnType<typeof actorKeys>;

export const wakeRange = (type: string): { gte: Uint8Array; lt: Uint8Array } => {
  const prefix = text(`t/${type}/`);
  return { gte: prefix, lt: prefixEnd(prefix) };
};

export const groupKeys = (id: string) => {
  const group = groupName(id);
  const logPrefix = text(`g/${group}/log/`);
  const statePrefix = text(`s/${group}/`);
  return {
    hard: text(`g/${group}/hard`),
    base: text(`g/${group}/base`),
    state: text(`g/${group}/state`),
    log: (firstIndex: number): Uint8Array => join(logPrefix, u64(firstIndex)),
    logRange: { gte: logPrefix, lt: prefixEnd(logPrefix) },
    generation: (generation: number): Uint8Array => join(statePrefix, u32(generation), text('/')),
    everyGeneration: { gte: statePrefix, lt: prefixEnd(statePrefix) },
  };
};

export type GroupKeys = ReturnType<typeof groupKeys>;

/** The number in the key of a log batch. */
export const firstIndexOf = (key: Uint8Array): number => {
  const view = new DataView(key.buffer, key.byteOffset + key.byteLength - 8, 8);
  return view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4);
};

/** The generation that a record of the group's state machine belongs to. */
export const generationOf = (keys: GroupKeys, key: Uint8Array): number =>
  new DataView(key.buffer, key.byteOffset + keys.everyGeneration.gte.byteLength, 4).getUint32(0);

/** A key as a string that maps one to one to its bytes, for use in a Map. Keys are short enough to be arguments of one call. */
export const keyText = (key: Uint8Array): string => String.fromCharCode.apply(null, key as unknown as number[]);

/** The smallest key greater than `key`. */
export const keyAfter = (key: Uint8Array): Uint8Array => {
  const after = new Uint8Array(key.byteLength + 1);
  after.set(key);
  return after;
};

export const compareKeys = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.byteLength, b.byteLength);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.byteLength - b.byteLength;
};
