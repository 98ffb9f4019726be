// One value on the disk: sealed records, and batches of log entries that hang together by their checksums (decision 12).
//   a record   checksum(key, body), body
//   a batch    checksum(key, previous, body), previous = the checksum of the batch before, body = the entries, packed
// The key is part of every sum, so that a value that lies under another key is noticed too.
import { sha256 } from '@noble/hashes/sha2.js';
import type { Entry, EntryKind } from '../machines/raft/types.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import { allocate } from '../machines/wire/octets.ts';
import { join } from './keyspace.ts';

/** SHA-256 cut to 128 bits: this guards against rot and mistakes, not against somebody who can write to the disk. */
export const checksumBytes = 16;

/** What the first batch of a log follows. */
export const noChecksum: Uint8Array = new Uint8Array(checksumBytes);

const kinds: readonly EntryKind[] = ['command', 'configuration', 'noop'];

/** What was found is not what was written. */
export class Corruption extends Error {}

/** One hash serves all records: a new one, with its buffers, would cost as much as hashing a small record. */
const untouched = sha256.create();
const hash = sha256.create();
const digest = new Uint8Array(hash.outputLen);
const sumOfDigest = digest.subarray(0, checksumBytes);

const checksum = (...parts: readonly Uint8Array[]): Uint8Array => {
  untouched._cloneInto(hash);
  for (const part of parts) hash.update(part);
  hash.digestInto(digest);
  const sum = allocate(checksumBytes);
  sum.set(sumOfDigest);
  return sum;
};

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);

export const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
export const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** Bytes under their checksum. */
export const sealBytes = (key: Uint8Array, body: Uint8Array): Uint8Array => join(checksum(key, body), body);

/** A view. */
export const openBytes = (key: Uint8Array, value: Uint8Array): Uint8Array => {
  if (value.byteLength < checksumBytes) throw new Corruption('it is cut short');
  const body = value.subarray(checksumBytes);
  if (!sameBytes(value.subarray(0, checksumBytes), checksum(key, body))) throw new Corruption('its checksum does not match');
  return body;
};

/** Plain data under its checksum. */
export const sealRecord = (key: Uint8Array, record: unknown): Uint8Array => sealBytes(key, pack(record));

export const openRecord = (key: Uint8Array, value: Uint8Array): unknown => unpack(openBytes(key, value));

const formEntry = ({ term, kind, timeMs, data }: Entry): unknown => [term, kinds.indexOf(kind), timeMs, data];

const parseEntries = (first: number, value: unknown): Entry[] => {
  if (!Array.isArray(value) || value.length === 0) throw new Corruption('it holds no entries');
  let lastTerm = 0;
  return (value as unknown[]).map((item, at) => {
    const [term, kindNumber, timeMs, data] = Array.isArray(item) ? (item as unknown[]) : [];
    const kind = kinds[kindNumber as number];
    if (!isCount(term) || term < lastTerm || kind === undefined || !isTime(timeMs) || !(data instanceof Uint8Array))
      throw new Corruption(`its entry ${first + at} is malformed`);
    lastTerm = term;
    return { index: first + at, term, kind, timeMs, data };
  });
};

/** `key` ends in the index of the first entry; `previous` is the checksum of the batch before. */
export const sealBatch = (
  key: Uint8Array,
  previous: Uint8Array,
  entries: readonly Entry[],
): { value: Uint8Array; checksum: Uint8Array } => {
  const body = pack(entries.map(formEntry));
  const sum = checksum(key, previous, body);
  return { value: join(sum, previous, body), checksum: sum };
};

export const openBatch = (
  key: Uint8Array,
  first: number,
  value: Uint8Array,
): { previous: Uint8Array; checksum: Uint8Array; entries: Entry[] } => {
  if (value.byteLength < 2 * checksumBytes) throw new Corruption('it is cut short');
  // Copies: the chain is kept in memory and must not keep the whole value alive.
  const sum = value.slice(0, checksumBytes);
  const previous = value.slice(checksumBytes, 2 * checksumBytes);
  const body = value.subarray(2 * checksumBytes);
  if (!sameBytes(sum, checksum(key, previous, body))) throw new Corruption('its checksum does not match');
  return { previous, checksum: sum, entries: parseEntries(first, unpack(body)) };
};
