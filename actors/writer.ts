// One writer per node (decision 2): whatever all groups and actors want written while a batch is under way is merged into the
// next, so that one sync serves everybody. Reads go through what is not written yet, so that a write is seen at once.
import { compareKeys, keyText } from './keyspace.ts';
import type { ClockPort, SinkPort, StorageFailure, StorageOperation, StoragePort, StorageView } from './ports/index.ts';

type Done = (failure: StorageFailure | null) => void;
type Batch = { operations: StorageOperation[]; durable: boolean; done: Done[]; bytes: number };

/** A batch larger than this is written before more is merged into it. */
const batchBytesMax = 8 << 20;

export interface Writer {
  /** Atomic, in order of calls. `done` once it is in the map, and on the disk for good if `durable`. */
  write(operations: readonly StorageOperation[], options: { durable: boolean }, done: Done): void;
  get(key: Uint8Array): Uint8Array | undefined;
  /** A frozen view of everything written up to now, on the disk or not. */
  view(): StorageView;
  /** Called once, when the disk first refuses; from then on every write fails. */
  onFailure(listener: (failure: StorageFailure) => void): void;
  readonly pendingBytes: number;
  /** Answers when everything handed in before has been written or refused. */
  stop(done: () => void): void;
}

const newBatch = (): Batch => ({ operations: [], durable: false, done: [], bytes: 0 });

export const createWriter = (ports: { storage: StoragePort; clock: ClockPort; sink: SinkPort }): Writer => {
  const { storage, clock, sink } = ports;
  /** Waiting, oldest first; the last one takes what comes. */
  let waiting: Batch[] = [];
  let underWay: Batch | null = null;
  let scheduled = false;
  let failed: StorageFailure | null = null;
  let listener: ((failure: StorageFailure) => void) | null = null;
  let pendingBytes = 0;
  const idle: (() => void)[] = [];
  /** Latest value of every key that is waiting or under way, with the number of operations that still concern it. */
  const overlay = new Map<string, { value: Uint8Array | null; key: Uint8Array; uses: number }>();

  const flush = (): void => {
    scheduled = false;
    if (underWay !== null) return;
    const batch = waiting.shift();
    if (batch === undefined) {
      for (const done of idle.splice(0)) done();
      return;
    }
    underWay = batch;
    if (batch.operations.length === 0) return finish(batch, failed);
    sink.count('storage_batches_total', { durable: String(batch.durable) });
    storage.write(batch.operations, { durable: batch.durable }, (why) => finish(batch, why));
  };

  const finish = (batch: Batch, why: StorageFailure | null): void => {
    for (const { key } of batch.operations) {
      const name = keyText(key);
      const entry = overlay.get(name);
      if (entry !== undefined && --entry.uses === 0) overlay.delete(name);
    }
    pendingBytes -= batch.bytes;
    underWay = null;
    if (why !== null && failed === null) {
      // LevelDB may be wedged after a failed write: whatever comes later must not look better than what was lost.
      failed = why;
      listener?.(why);
    }
    for (const done of batch.done) done(why);
    if (failed !== null) refuseWaiting(failed);
    flush();
  };

  const refuseWaiting = (why: StorageFailure): void => {
    const refused = waiting;
    waiting = [];
    for (const batch of refused) {
      pendingBytes -= batch.bytes;
      for (const done of batch.done) done(why);
    }
    overlay.clear();
  };

  const schedule = (): void => {
    if (scheduled || underWay !== null) return;
    scheduled = true;
    clock.soon(flush);
  };

  const target = (): Batch => {
    const last = waiting.at(-1);
    if (last !== undefined && last.bytes < batchBytesMax) return last;
    const batch = newBatch();
    waiting.push(batch);
    return batch;
  };

  return {
    write(operations, { durable }, done) {
      if (failed !== null) {
        const why = failed;
        return clock.soon(() => done(why));
      }
      const batch = target();
      for (const operation of operations) {
        const name = keyText(operation.key);
        const entry = overlay.get(name);
        if (entry === undefined) overlay.set(name, { key: operation.key, value: operation.value, uses: 1 });
        else {
          entry.value = operation.value;
          entry.uses++;
        }
        const size = operation.key.byteLength + (operation.value?.byteLength ?? 0);
        batch.bytes += size;
        pendingBytes += size;
        batch.operations.push(operation);
      }
      batch.durable ||= durable;
      batch.done.push(done);
      schedule();
    },

    get(key) {
      const entry = overlay.get(keyText(key));
      return entry === undefined ? storage.get(key) : (entry.value ?? undefined);
    },

    view() {
      const unwritten = [...overlay.values()].map(({ key, value }) => ({ key, value })).sort((a, b) => compareKeys(a.key, b.key));
      return overlayView(storage.view(), unwritten);
    },

    onFailure(given) {
      listener = given;
    },

    get pendingBytes() {
      return pendingBytes;
    },

    stop(done) {
      idle.push(done);
      schedule();
    },
  };
};

/** A view of the disk with operations laid over it. Pages end where the disk's page ends, so that none is skipped. */
const overlayView = (view: StorageView, unwritten: readonly { key: Uint8Array; value: Uint8Array | null }[]): StorageView => {
  if (unwritten.length === 0) return view;
  return {
    read(range, done) {
      if (range.reverse === true) throw new Error('a view with unwritten operations reads forwards only');
      view.read(range, (why, entries) => {
        if (why !== null) return done(why, []);
        const full = entries.length >= range.limit || (range.limitBytes !== undefined && bytesOf(entries) >= range.limitBytes);
        const last = entries.at(-1);
        // Beyond a full page the disk may hold more: what is laid over there belongs to the next page.
        const end = full && last !== undefined ? last[0] : null;
        const merged = mergePage(entries, unwritten, (key) => inRange(key, range) && (end === null || compareKeys(key, end) <= 0));
        if (merged.length === 0 && end !== null) return this.read({ ...range, gte: after(end) }, done);
        done(null, merged);
      });
    },
    close: () => view.close(),
  };
};

const bytesOf = (entries: readonly [Uint8Array, Uint8Array][]): number =>
  entries.reduce((sum, [key, value]) => sum + key.byteLength + value.byteLength, 0);

const inRange = (key: Uint8Array, range: { gte: Uint8Array; lt: Uint8Array }): boolean =>
  compareKeys(key, range.gte) >= 0 && compareKeys(key, range.lt) < 0;

const after = (key: Uint8Array): Uint8Array => {
  const next = new Uint8Array(key.byteLength + 1);
  next.set(key);
  return next;
};

const mergePage = (
  entries: readonly [Uint8Array, Uint8Array][],
  unwritten: readonly { key: Uint8Array; value: Uint8Array | null }[],
  belongs: (key: Uint8Array) => boolean,
): [Uint8Array, Uint8Array][] => {
  const laid = unwritten.filter(({ key }) => belongs(key));
  const merged: [Uint8Array, Uint8Array][] = [];
  let at = 0;
  for (const { key, value } of laid) {
    while (at < entries.length && compareKeys(entries[at]![0], key) < 0) merged.push(entries[at++]!);
    if (at < entries.length && compareKeys(entries[at]![0], key) === 0) at++;
    if (value !== null) merged.push([key, value]);
  }
  while (at < entries.length) merged.push(entries[at++]!);
  return merged;
};
