// A snapshot on its way from a leader to a follower: records in numbered chunks, a small window of them unacknowledged, a
// SHA-256 over all of them at the end. Loss of anything ends the transfer; Raft then begins another.
import { sha256 } from '@noble/hashes/sha2.js';
import { pack } from '../wire/envelope.ts';

export type SnapshotRecord = [Uint8Array, Uint8Array];

export const windowChunks = 4;
/** No progress for this long ends a transfer on either side. */
export const transferTimeoutMs = 10_000;

/** Sum over the chunks in order. The key and value lengths are part of the packed form. */
export type TransferDigest = { add(records: readonly SnapshotRecord[]): void; end(): Uint8Array };

export const createDigest = (): TransferDigest => {
  const hash = sha256.create();
  return {
    add: (records) => void hash.update(pack(records)),
    end: () => hash.digest(),
  };
};

export type SenderState = { sent: number; acknowledged: number; reading: boolean; ended: boolean; movedMs: number };

export const createSender = (nowMs: number): SenderState => ({ sent: 0, acknowledged: 0, reading: false, ended: false, movedMs: nowMs });

/** Should the next page be read and sent? */
export const wantsPage = (state: SenderState): boolean =>
  !state.reading && !state.ended && state.sent - state.acknowledged < windowChunks;

/** The receiver has everything before chunk `next`. */
export const onAcknowledged = (state: SenderState, next: number, nowMs: number): void => {
  if (next <= state.acknowledged || next > state.sent) return;
  state.acknowledged = next;
  state.movedMs = nowMs;
};

export type ReceiverState = { expected: number; movedMs: number };

export const createReceiver = (nowMs: number): ReceiverState => ({ expected: 0, movedMs: nowMs });

/** True: this is the next chunk. Anything else is refused; the transfer cannot be whole any more unless it is a repetition. */
export const onChunk = (state: ReceiverState, number: number, nowMs: number): 'take' | 'repeated' | 'gap' => {
  if (number < state.expected) return 'repeated';
  if (number > state.expected) return 'gap';
  state.expected++;
  state.movedMs = nowMs;
  return 'take';
};

export const isRecords = (value: unknown, recordsMax: number): value is SnapshotRecord[] =>
  Array.isArray(value) &&
  value.length <= recordsMax &&
  value.every((one) => Array.isArray(one) && one.length === 2 && one[0] instanceof Uint8Array && one[1] instanceof Uint8Array);
