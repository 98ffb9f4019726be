// What the log carries: one write, perhaps under a session. Layout: version of the entry, length of the session id and the id; with a session
// the digest of the write part; then the write part: op, flags and fields in the order of the table below, a put's value last.
// The digest is taken once, by whoever encodes, so that replicas never hash a megabyte to apply it.
import { sha256 } from '@noble/hashes/sha2.js';
import { inkQueueWrite, isQueueWrite, readQueueWrite } from '../queue/index.ts';
import type { QueueWrite } from '../queue/types.ts';
import { limits } from '../wire/limits.ts';
import {
  type Cursor,
  createInk,
  cursorOf,
  dry,
  type Ink,
  inkByte,
  inkBytes,
  inkCount,
  inkRaw,
  inkText,
  isSpent,
  readByte,
  readBytes,
  readCount,
  readRaw,
  readRest,
  readText,
} from '../wire/octets.ts';
import { inkToken, readId, readKey, readToken } from './command-fields.ts';
import { entryVersions } from './entry-version.ts';
import { inkTopicWrite, isTopicWrite, readTopicWrite, topicOpNumbers } from './topic/command.ts';
import type { Condition, Fence, RegisterCommand, RegisterWrite } from './types.ts';

/** No version: whoever reads it takes it for malformed. */
const unreadable = 0;
export const digestBytes = 16;

const opNumbers = {
  put: 1,
  delete: 2,
  'lease-grant': 3,
  'lease-renew': 4,
  'lease-revoke': 5,
  'lock-acquire': 6,
  'lock-release': 7,
  expire: 8,
  actors: 48,
  entries: 49,
  ...topicOpNumbers,
} as const satisfies Record<Exclude<RegisterWrite['op'], QueueWrite['op']>, number>;

/** The log takes no larger entry. */
const actorItemsBytesMax = 2 << 20;

const flag = { valueCondition: 1, indexCondition: 2, fence: 4, ttl: 8, lease: 16 } as const;

const ink = createInk();
const sessionInk = createInk();

/** The lowest whose readers know it; what the leader enables is of the version that it enables. */
const versionOf = (write: RegisterWrite): number => {
  if (write.op === 'entries') return write.version;
  return write.op === 'actors' ? entryVersions.actors : entryVersions.oldest;
};

/** Total: a write that `parseWrite` would refuse is encoded all the same, and refused as INVALID_REQUEST when it is applied. */
export const encodeCommand = ({ write, session }: RegisterCommand): Uint8Array => {
  if (session === undefined) {
    inkByte(ink, versionOf(write));
    inkByte(ink, 0);
    inkWrite(ink, write);
    return dry(ink, tailOf(write));
  }
  inkWrite(ink, write);
  const part = dry(ink, tailOf(write));
  inkByte(sessionInk, isSessionId(session.id) ? versionOf(write) : unreadable);
  inkText(sessionInk, session.id);
  inkRaw(sessionInk, sha256(part).subarray(0, digestBytes));
  return dry(sessionInk, part);
};

/** A value or a body can be large, so it stands last and is copied once. */
const tailOf = (write: RegisterWrite): Uint8Array | undefined => {
  if (write.op === 'put') return write.value;
  if (write.op === 'actors') return write.items;
  return write.op === 'queue-send' || write.op === 'topic-publish' ? write.body : undefined;
};

const inkGuards = (into: Ink, condition: Condition | undefined, fence: Fence | undefined): void => {
  if (condition?.kind === 'value') inkBytes(into, condition.value);
  if (condition?.kind === 'index') inkCount(into, condition.index);
  if (fence !== undefined) {
    inkText(into, fence.lock);
    inkToken(into, fence.token);
  }
};

const guardFlags = (condition: Condition | undefined, fence: Fence | undefined): number =>
  (condition === undefined ? 0 : condition.kind === 'value' ? flag.valueCondition : flag.indexCondition) |
  (fence === undefined ? 0 : flag.fence);

const inkWrite = (into: Ink, write: RegisterWrite): void => {
  if (isQueueWrite(write)) return inkQueueWrite(into, write);
  if (isTopicWrite(write)) return inkTopicWrite(into, write);
  inkByte(into, opNumbers[write.op]);
  switch (write.op) {
    case 'put': {
      const more = (write.ttlMs === undefined ? 0 : flag.ttl) | (write.lease === undefined ? 0 : flag.lease);
      inkByte(into, guardFlags(write.condition, write.fence) | more);
      inkText(into, write.key);
      inkGuards(into, write.condition, write.fence);
      if (write.ttlMs !== undefined) inkCount(into, write.ttlMs);
      if (write.lease !== undefined) inkText(into, write.lease);
      return;
    }
    case 'delete':
      inkByte(into, guardFlags(write.condition, write.fence));
      inkText(into, write.key);
      return inkGuards(into, write.condition, write.fence);
    case 'lease-grant':
      inkText(into, write.lease);
      return inkCount(into, write.ttlMs);
    case 'lease-renew':
    case 'lease-revoke':
      return inkText(into, write.lease);
    case 'lock-acquire':
      inkText(into, write.lock);
      inkText(into, write.lease);
      return inkText(into, write.owner);
    case 'lock-release':
      inkText(into, write.lock);
      return inkToken(into, write.token);
    case 'entries':
      return inkCount(into, write.version);
    case 'expire':
    case 'actors':
      return;
  }
};

// ---------------------------------------------------------------- decoding

export type DecodedCommand = RegisterCommand & {
  /** First 16 bytes of the SHA-256 of the write part; null without a session. */
  digest: Uint8Array | null;
};

/** Null for whatever `encodeCommand` does not make of a valid write. Byte arrays inside are views of `data`. */
export const decodeCommand = (data: Uint8Array): DecodedCommand | null => {
  const cursor = cursorOf(data);
  const version = readByte(cursor);
  const id = readText(cursor, limits.idempotencyKeyCharsMax);
  if (cursor.failed) return null;
  if (id === '') {
    const write = readWrite(cursor);
    return write === null || !isSpent(cursor) || versionOf(write) !== version ? null : { write, digest: null };
  }
  const digest = readRaw(cursor, digestBytes);
  const write = readWrite(cursor);
  const isOurs = write !== null && isSpent(cursor) && isSessionId(id) && versionOf(write) === version;
  return !isOurs ? null : { write, session: { id }, digest };
};

/** 1 to 128 printable ASCII characters: what an HTTP header can carry as it is. */
export const isSessionId = (id: string): boolean => {
  if (id.length === 0 || id.length > limits.idempotencyKeyCharsMax) return false;
  for (let at = 0; at < id.length; at++) {
    const unit = id.charCodeAt(at);
    if (unit < 0x20 || unit > 0x7e) return false;
  }
  return true;
};

const readTtl = (cursor: Cursor): number => {
  const ttlMs = readCount(cursor);
  if (ttlMs < limits.ttlMsMin || ttlMs > limits.ttlMsMax) cursor.failed = true;
  return ttlMs;
};

const readCondition = (cursor: Cursor, flags: number): Condition | undefined => {
  if ((flags & flag.valueCondition) !== 0) return { kind: 'value', value: readBytes(cursor, limits.conditionValueBytesMax) };
  return (flags & flag.indexCondition) !== 0 ? { kind: 'index', index: readCount(cursor) } : undefined;
};

const readFlags = (cursor: Cursor, known: number): number => {
  const flags = readByte(cursor);
  const both = flag.valueCondition | flag.indexCondition;
  if ((flags & ~known) !== 0 || (flags & both) === both) cursor.failed = true;
  return flags;
};

const guards = flag.valueCondition | flag.indexCondition | flag.fence;

const readPut = (cursor: Cursor): RegisterWrite => {
  const flags = readFlags(cursor, guards | flag.ttl | flag.lease);
  const key = readKey(cursor);
  if (flags === 0) return { op: 'put', key, value: readRest(cursor, limits.valueBytesMax) };
  const condition = readCondition(cursor, flags);
  const fence = (flags & flag.fence) !== 0 ? { lock: readId(cursor), token: readToken(cursor) } : undefined;
  const ttlMs = (flags & flag.ttl) !== 0 ? readTtl(cursor) : undefined;
  const lease = (flags & flag.lease) !== 0 ? readId(cursor) : undefined;
  return {
    op: 'put',
    key,
    value: readRest(cursor, limits.valueBytesMax),
    ...(condition === undefined ? {} : { condition }),
    ...(fence === undefined ? {} : { fence }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(lease === undefined ? {} : { lease }),
  };
};

const readDelete = (cursor: Cursor): RegisterWrite => {
  const flags = readFlags(cursor, guards);
  const key = readKey(cursor);
  const condition = readCondition(cursor, flags);
  const fence = (flags & flag.fence) !== 0 ? { lock: readId(cursor), token: readToken(cursor) } : undefined;
  return {
    op: 'delete',
    key,
    ...(condition === undefined ? {} : { condition }),
    ...(fence === undefined ? {} : { fence }),
  };
};

const readWrite = (cursor: Cursor): RegisterWrite | null => {
  const number = readByte(cursor);
  switch (number) {
    case opNumbers.put:
      return readPut(cursor);
    case opNumbers.delete:
      return readDelete(cursor);
    case opNumbers['lease-grant']:
      return { op: 'lease-grant', lease: readId(cursor), ttlMs: readTtl(cursor) };
    case opNumbers['lease-renew']:
      return { op: 'lease-renew', lease: readId(cursor) };
    case opNumbers['lease-revoke']:
      return { op: 'lease-revoke', lease: readId(cursor) };
    case opNumbers['lock-acquire']:
      return { op: 'lock-acquire', lock: readId(cursor), lease: readId(cursor), owner: readId(cursor) };
    case opNumbers['lock-release']:
      return { op: 'lock-release', lock: readId(cursor), token: readToken(cursor) };
    case opNumbers.expire:
      return { op: 'expire' };
    case opNumbers.actors:
      return { op: 'actors', items: readRest(cursor, actorItemsBytesMax) };
    case opNumbers.entries:
      return { op: 'entries', version: readCount(cursor) };
    default:
      return readQueueWrite(cursor, number) ?? readTopicWrite(cursor, number);
  }
};
