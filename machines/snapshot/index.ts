// A snapshot on its way from a leader to a follower: records in numbered chunks, a bounded number of bytes unacknowledged, a
// SHA-256 over all of them at the end. Loss of anything ends the transfer; Raft then begins another (Raft §7, with chunks as
// records instead of byte offsets, so that both sides stream from and to their keyspace).
import { sha256 } from '@noble/hashes/sha2.js';
import { pack } from '../wire/envelope.ts';
import { limits } from '../wire/limits.ts';

export type SnapshotRecord = [Uint8Array, Uint8Array];

/** No progress for this long ends a transfer on either side. */
export const transferTimeoutMs = 10_000;
/** A record's key is a user's key, or a name, behind a letter for its kind. */
export const recordKeyBytesMax = limits.keyBytesMax + 64;

/** Sum over the chunks in order. The key and value lengths are part of the packed form. */
export type TransferDigest = { add(records: readonly SnapshotRecord[]): void; end(): Uint8Array };

/**
 * `binding` is what the records stand for (group, transfer, snapshot's label): with it in the sum, records that arrive whole under
 * another label do not pass. Both sides give the same plain data.
 */
export const createDigest = (binding: unknown = null): TransferDigest => {
  const hash = sha256.create().update(pack(binding));
  return {
    add: (records) => void hash.update(pack(records)),
    end: () => hash.digest(),
  };
};

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

export type SenderState = {
  /** Chunks handed to the lane; the number of the next one. */
  sent: number;
  /** The receiver has written every chunk before this one; never more than `sent`. */
  acknowledged: number;
  /** Bytes of each chunk on its way, oldest first: those from `acknowledged` to `sent`. */
  inflight: number[];
  inflightBytes: number;
  /** A page is being read; at most one at a time. */
  reading: boolean;
  /** Everything was read: no chunk follows. */
  ended: boolean;
  /** When the receiver last got on. */
  movedMs: number;
};

export const createSender = (nowMs: number): SenderState => ({
  ...{ sent: 0, acknowledged: 0, inflight: [], inflightBytes: 0, reading: false, ended: false, movedMs: nowMs },
});

export const recordsBytes = (records: readonly SnapshotRecord[]): number =>
  records.reduce((sum, [key, value]) => sum + key.byteLength + value.byteLength, 0);

/** How many records of a page make the next chunk: one that is large for itself travels alone. */
export const chunkOf = (page: readonly SnapshotRecord[]): number =>
  page.length > 1 && recordsBytes(page) > limits.snapshotChunkBytesMax ? page.length - 1 : page.length;

/** Should the next page be read? Also while the window is full, so that the disk need not be waited for. */
export const wantsPage = (state: SenderState): boolean => !state.reading && !state.ended;

/** Of records larger than the window two travel at a time: one crosses the lane while the other is written. */
const largeInflightMax = 2;

/** May a chunk of this size leave now? */
export const fitsWindow = (state: SenderState, bytes: number): boolean =>
  state.inflight.length < largeInflightMax || state.inflightBytes + bytes <= limits.snapshotInflightBytesMax;

/** A chunk leaves; its number. */
export const onSent = (state: SenderState, bytes: number): number => {
  state.inflight.push(bytes);
  state.inflightBytes += bytes;
  return state.sent++;
};

/** The receiver has everything before chunk `next`. What it cannot have is ignored. */
export const onAcknowledged = (state: SenderState, next: number, nowMs: number): void => {
  if (!isCount(next) || next <= state.acknowledged || next > state.sent) return;
  for (const bytes of state.inflight.splice(0, next - state.acknowledged)) state.inflightBytes -= bytes;
  state.acknowledged = next;
  state.movedMs = nowMs;
};

export type ReceiverState = {
  /** Number of the chunk that comes next; every one before has come. */
  expected: number;
  /** The last key that came: the next chunk begins after it. */
  lastKey: Uint8Array | null;
  movedMs: number;
};

export const createReceiver = (nowMs: number): ReceiverState => ({ expected: 0, lastKey: null, movedMs: nowMs });

/**
 * Only the next chunk is taken. After a gap, or keys that do not ascend, the transfer cannot be whole any more; a repetition is
 * harmless and no progress.
 */
export const onChunk = (
  state: ReceiverState,
  number: number,
  records: readonly SnapshotRecord[],
  nowMs: number,
): 'take' | 'repeated' | 'gap' | 'unordered' => {
  if (!isCount(number) || number > state.expected) return 'gap';
  if (number < state.expected) return 'repeated';
  const [first, last] = [records[0], records.at(-1)];
  if (first === undefined || last === undefined) return 'unordered';
  if (state.lastKey !== null && !isBefore(state.lastKey, first[0])) return 'unordered';
  state.lastKey = last[0].slice();
  state.expected++;
  state.movedMs = nowMs;
  return 'take';
};

const isBefore = (a: Uint8Array, b: Uint8Array): boolean => {
  const length = Math.min(a.byteLength, b.byteLength);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! < b[at]!;
  return a.byteLength < b.byteLength;
};

const isRecord = (value: unknown): value is SnapshotRecord => {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [key, held] = value as unknown[];
  if (!(key instanceof Uint8Array) || !(held instanceof Uint8Array)) return false;
  return key.byteLength > 0 && key.byteLength <= recordKeyBytesMax;
};

/** What a page of a keyspace looks like: at least one record, none too large, keys ascending. */
export const isRecords = (value: unknown, recordsMax: number): value is SnapshotRecord[] => {
  if (!Array.isArray(value) || value.length === 0 || value.length > recordsMax || !value.every(isRecord)) return false;
  let bytes = 0;
  for (let at = 0; at < value.length; at++) {
    const [key, held] = value[at] as SnapshotRecord;
    if (at > 0 && !isBefore((value[at - 1] as SnapshotRecord)[0], key)) return false;
    // A page ends with the record that reaches the limit, so only the ones before must lie under it.
    if (bytes >= limits.snapshotChunkBytesMax) return false;
    bytes += key.byteLength + held.byteLength;
  }
  return true;
};
