// The disk as a port: an ordered map of bytes with atomic batches (decisions 2 and 12). One owner: `actors/writer.ts` merges
// everybody's writes, so a port has at most one `write` under way. Suite: test/ports/storage-suite.ts, for every implementation.

/** `value` null deletes. Keys are 1 to 1280 bytes (the longest key of a register behind its prefix), in bytewise order. */
export type StorageOperation = { key: Uint8Array; value: Uint8Array | null };

export type StorageFailure = {
  code: 'DISK_FULL' | 'IO_ERROR' | 'CORRUPT' | 'LOCKED' | 'CLOSED' | 'FORMAT_TOO_NEW';
  message: string;
};

/** `gte` ≤ keys < `lt`. Pages end at `limit` entries or about `limitBytes`, whichever comes first (at least one entry). */
export type StorageRange = { gte: Uint8Array; lt: Uint8Array; limit: number; limitBytes?: number; reverse?: boolean };

/** A frozen view of the map as it was when it was opened. */
export interface StorageView {
  read(range: StorageRange, done: (failure: StorageFailure | null, entries: [Uint8Array, Uint8Array][]) => void): void;
  close(): void;
}

export interface StoragePort extends Omit<StorageView, 'close'> {
  /**
   * One atomic batch, applied in order of operations (a later operation on the same key wins). `durable: true` answers only
   * after it and every earlier batch would survive a power cut. `done` is called in a later turn, in order of calls.
   */
  write(
    operations: readonly StorageOperation[],
    options: { durable: boolean },
    done: (failure: StorageFailure | null) => void,
  ): void;
  /** Synchronous; sees every batch whose `done` was called. Undefined if absent. Throws a StorageFault on a corrupt block. */
  get(key: Uint8Array): Uint8Array | undefined;
  view(): StorageView;
  /** Answers after pending writes; every later call fails with CLOSED. */
  stop(done: () => void): void;
}

export class StorageFault extends Error {
  readonly failure: StorageFailure;
  constructor(failure: StorageFailure) {
    super(`${failure.code}: ${failure.message}`);
    this.name = 'StorageFault';
    this.failure = failure;
  }
}
