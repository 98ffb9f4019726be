// The map of the group's keyspace: everything the register must remember, one record each. Kinds are ordered so that a restore in
// key order meets a lease before what is attached to it, and sessions in the order of the log:
//   E           the version of entries that the group uses (entry-version.ts)
//   l<lease>    format, ttlMs, expiresAtMs
//   m<lock>     format, owner, lease, token (term, index)                      'm' as in mutex
//   s<u64>      by index of the entry: format, session id, timeMs, digest, outcome
//   v<key>      format and flags, index, term, createIndex, version, [expiresAtMs], [lease], value
//   a           replicated actors (machines/entity/ledger-records.ts)
//   r t u w     topics (topic/records.ts)
// Keys, leases and locks stand as their UTF-8, whose byte order is the order of code points, so `list` by prefix is one range.

import {
  allocate,
  createInk,
  cursorOf,
  dry,
  inkByte,
  inkCount,
  inkRaw,
  inkText,
  isSpent,
  readByte,
  readCount,
  readRaw,
  readRest,
  readText,
  readUtf8,
  utf8Length,
  writeUtf8,
} from '../wire/octets.ts';
import { digestBytes } from './command.ts';
import { requireRegister } from './fault.ts';
import type { FencingToken, KeyValue } from './types.ts';

export const recordKind = { lease: 0x6c, lock: 0x6d, session: 0x73, value: 0x76 } as const;

const recordFormat = 0x10;
const valueFlag = { ttl: 1, lease: 2 } as const;
const textBytesMax = 64 << 10;
const ink = createInk();

const named = (kind: number, name: string): Uint8Array => {
  const key = allocate(1 + utf8Length(name));
  key[0] = kind;
  writeUtf8(name, key, 1);
  return key;
};

export const valueKey = (key: string): Uint8Array => named(recordKind.value, key);
export const leaseKey = (lease: string): Uint8Array => named(recordKind.lease, lease);
export const lockKey = (lock: string): Uint8Array => named(recordKind.lock, lock);

export const sessionKey = (index: number): Uint8Array => {
  const key = new Uint8Array(9);
  const view = new DataView(key.buffer);
  key[0] = recordKind.session;
  view.setUint32(1, Math.floor(index / 0x1_0000_0000));
  view.setUint32(5, index >>> 0);
  return key;
};

/** The name in the key of a lease, lock or value. */
export const nameOf = (key: Uint8Array): string => {
  const name = readUtf8(key, 1, key.byteLength);
  requireRegister(name !== null, 'KEYSPACE_SOUND', 'a record has a key that is not UTF-8');
  return name;
};

export const indexOf = (key: Uint8Array): number => {
  requireRegister(key.byteLength === 9, 'KEYSPACE_SOUND', 'a session record has a key that is not an index');
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(1) * 0x1_0000_0000 + view.getUint32(5);
};

/** Where the values with keys that start with `prefix` lie. 0xff is in no UTF-8, so it ends them all. */
export const valueRange = (prefix: string, after: string | null): { gte: Uint8Array; lt: Uint8Array } => {
  const gte = valueKey(prefix);
  const lt = new Uint8Array(gte.byteLength + 1);
  lt.set(gte);
  lt[gte.byteLength] = 0xff;
  if (after === null) return { gte, lt };
  const last = valueKey(after);
  const next = new Uint8Array(last.byteLength + 1);
  next.set(last);
  if (isBefore(next, gte)) return { gte, lt };
  return { gte: isBefore(next, lt) ? next : lt, lt };
};

const isBefore = (a: Uint8Array, b: Uint8Array): boolean => {
  const length = Math.min(a.byteLength, b.byteLength);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! < b[at]!;
  return a.byteLength < b.byteLength;
};

// ---------------------------------------------------------------- values

export type ValueRecord = Omit<KeyValue, 'key'>;

export const encodeValue = (record: ValueRecord): Uint8Array => {
  const { expiresAtMs, lease } = record;
  inkByte(ink, recordFormat | (expiresAtMs === null ? 0 : valueFlag.ttl) | (lease === null ? 0 : valueFlag.lease));
  inkCount(ink, record.index);
  inkCount(ink, record.term);
  inkCount(ink, record.createIndex);
  inkCount(ink, record.version);
  if (expiresAtMs !== null) inkCount(ink, expiresAtMs);
  if (lease !== null) inkText(ink, lease);
  return dry(ink, record.value);
};

export const decodeValue = (bytes: Uint8Array): ValueRecord => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const record = {
    index: readCount(cursor),
    term: readCount(cursor),
    createIndex: readCount(cursor),
    version: readCount(cursor),
    expiresAtMs: (format & valueFlag.ttl) !== 0 ? readCount(cursor) : null,
    lease: (format & valueFlag.lease) !== 0 ? readText(cursor, textBytesMax) : null,
    value: readRest(cursor, Number.MAX_SAFE_INTEGER),
  };
  requireRegister(isSpent(cursor) && (format & ~3) === recordFormat, 'KEYSPACE_SOUND', 'a value record is malformed');
  return record;
};

// ---------------------------------------------------------------- leases, locks, sessions

export type LeaseRecord = { ttlMs: number; expiresAtMs: number };

export const encodeLease = ({ ttlMs, expiresAtMs }: LeaseRecord): Uint8Array => {
  inkByte(ink, recordFormat);
  inkCount(ink, ttlMs);
  inkCount(ink, expiresAtMs);
  return dry(ink);
};

export const decodeLease = (bytes: Uint8Array): LeaseRecord => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const record = { ttlMs: readCount(cursor), expiresAtMs: readCount(cursor) };
  requireRegister(isSpent(cursor) && format === recordFormat, 'KEYSPACE_SOUND', 'a lease record is malformed');
  return record;
};

export type LockRecord = { owner: string; lease: string; token: FencingToken };

export const encodeLock = ({ owner, lease, token }: LockRecord): Uint8Array => {
  inkByte(ink, recordFormat);
  inkText(ink, owner);
  inkText(ink, lease);
  inkCount(ink, token.term);
  inkCount(ink, token.index);
  return dry(ink);
};

export const decodeLock = (bytes: Uint8Array): LockRecord => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const owner = readText(cursor, textBytesMax);
  const lease = readText(cursor, textBytesMax);
  const token = { term: readCount(cursor), index: readCount(cursor) };
  requireRegister(isSpent(cursor) && format === recordFormat, 'KEYSPACE_SOUND', 'a lock record is malformed');
  return { owner, lease, token };
};

/** `outcome` is in the form of sessions.ts. */
export type SessionRecord = { id: string; timeMs: number; digest: Uint8Array; outcome: Uint8Array };

export const encodeSession = ({ id, timeMs, digest, outcome }: SessionRecord): Uint8Array => {
  inkByte(ink, recordFormat);
  inkText(ink, id);
  inkCount(ink, timeMs);
  inkRaw(ink, digest);
  return dry(ink, outcome);
};

export const decodeSession = (bytes: Uint8Array): SessionRecord => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const record = {
    id: readText(cursor, textBytesMax),
    timeMs: readCount(cursor),
    digest: readRaw(cursor, digestBytes),
    outcome: readRest(cursor, Number.MAX_SAFE_INTEGER),
  };
  requireRegister(isSpent(cursor) && format === recordFormat, 'KEYSPACE_SOUND', 'a session record is malformed');
  return record;
};
