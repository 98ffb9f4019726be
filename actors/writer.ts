// One writer per node (decision 2): whatever all groups and actors want written while a batch is under way is merged into the
// next, so that one sync serves everybody. What need not be durable waits for the next that must be, a little while, or until
// there is much of it. Reads go through what is not written yet, so that a write is seen at once.
import { keyText } from './keyspace.ts';
import { overlayView } from './overlay.ts';
import {
  type ClockPort,
  type SinkPort,
  type StorageFailure,
  StorageFault,
  type StorageOperation,
  type StoragePort,
  type StorageView,
  type Timer,
} from './ports/index.ts';

type Done = (failure: StorageFailure | null) => void;

/** By `keyText` of the key: the last operation on a key is the only one that counts in an atomic batch. */
type Operations = Map<string, StorageOperation>;
type Batch = { operations: Operations; durable: boolean; urgent: boolean; done: Done[]; bytes: number };

export const writerLimits = {
  /** A batch larger than this is written before more is merged into it; one write is never split. */
  batchBytesMax: 8 << 20,
  batchOperationsMax: 65_536,
  /** How long what need not be durable waits for company. */
  patienceMs: 25,
  /** A single write as large as this has no use for company. */
  lonelyBytes: 64 << 10,
  /** More than this is not kept waiting. */
  patientBytesMax: 256 << 10,
  /** What is kept readable of the writes that a failed disk refused. */
  refusedBytesMax: 64 << 20,
} as const;

export interface Writer {
  /** Atomic, in order of calls. `done` once it is in the map, and on the disk for good if `durable`. */
  write(operations: readonly StorageOperation[], options: { durable: boolean }, done: Done): void;
  /** As of all earlier calls of `write`. Throws a StorageFault when the disk cannot tell. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** A frozen view of everything written up to now, on the disk or not. */
  view(): StorageView;
  /** Called once, when the disk first refuses; from then on every write fails. */
  onFailure(listener: (failure: StorageFailure) => void): void;
  readonly pendingBytes: number;
  /** Answers when everything handed in before has been written or refused; every later write fails with CLOSED. */
  stop(done: () => void): void;
}

const newBatch = (): Batch => ({ operations: new Map(), durable: false, urgent: false, done: [], bytes: 0 });

const bytesOf = ({ key, value }: StorageOperation): number => key.byteLength + (value?.byteLength ?? 0);

export const createWriter = (ports: { storage: StoragePort; clock: ClockPort; sink: SinkPort }): Writer => {
  const { storage, clock, sink } = ports;
  /** Waiting, oldest first; the last one takes what comes. */
  let waiting: Batch[] = [];
  let underWay: Batch | null = null;
  let scheduled = false;
  let patience: Timer | null = null;
  let failed: StorageFailure | null = null;
  let stopped = false;
  let listener: ((failure: StorageFailure) => void) | null = null;
  let pendingBytes = 0;
  const idle: (() => void)[] = [];
  /**
   * What the disk refused. It stays visible, for an actor that has not heard of the failure yet must not see its keyspace jump
   * back in time and answer from it.
   */
  const refused = { operations: new Map() as Operations, bytes: 0 };

  const answer = (done: Done, why: StorageFailure | null): void => {
    try {
      done(why);
    } catch (error) {
      // The others of the batch have a right to their answers, and the writer to go on.
      sink.log('error', 'WRITE_CALLBACK_THREW', String(error), { stack: error instanceof Error ? error.stack : undefined });
    }
  };

  const flush = (): void => {
    scheduled = false;
    if (underWay !== null) return;
    patience?.cancel();
    patience = null;
    const batch = waiting.shift();
    if (batch === undefined) {
      for (const done of idle.splice(0)) done();
      return;
    }
    underWay = batch;
    sink.count('storage_batches_total', { durable: String(batch.durable) });
    storage.write([...batch.operations.values()], { durable: batch.durable }, (why) => finish(batch, why));
  };

  const finish = (batch: Batch, why: StorageFailure | null): void => {
    underWay = null;
    if (why !== null) return fail([batch, ...waiting], why);
    pendingBytes -= batch.bytes;
    for (const done of batch.done) answer(done, null);
    proceed();
  };

  /** LevelDB may be wedged after a failed write: whatever comes later must not look better than what was lost. */
  const fail = (batches: Batch[], why: StorageFailure): void => {
    const tell = failed === null ? listener : null;
    failed = why;
    waiting = [];
    pendingBytes = 0;
    for (const batch of batches) keepVisible(batch.operations.values());
    tell?.(why);
    for (const batch of batches) for (const done of batch.done) answer(done, why);
    proceed();
  };

  const keepVisible = (operations: Iterable<StorageOperation>): void => {
    for (const operation of operations) {
      refused.bytes += bytesOf(operation);
      if (refused.bytes <= writerLimits.refusedBytesMax) refused.operations.set(keyText(operation.key), operation);
    }
  };

  const soon = (): void => {
    if (scheduled || underWay !== null) return;
    scheduled = true;
    clock.soon(flush);
  };

  /** Sees to it that what waits is written in time. */
  const proceed = (): void => {
    if (underWay !== null) return;
    const first = waiting[0];
    if (waiting.length > 1 || first?.urgent === true || idle.length > 0) return soon();
    if (first !== undefined) patience ??= clock.after(writerLimits.patienceMs, flushPatient);
  };

  const flushPatient = (): void => {
    patience = null;
    soon();
  };

  const target = (): Batch => {
    const last = waiting.at(-1);
    const { batchBytesMax, batchOperationsMax } = writerLimits;
    if (last !== undefined && last.bytes < batchBytesMax && last.operations.size < batchOperationsMax) return last;
    const batch = newBatch();
    waiting.push(batch);
    return batch;
  };

  const refuse = (operations: readonly StorageOperation[], why: StorageFailure, done: Done): void => {
    if (failed !== null) keepVisible(operations);
    clock.soon(() => answer(done, why));
  };

  const unwritten = (name: string): StorageOperation | undefined => {
    for (let at = waiting.length - 1; at >= 0; at--) {
      const found = waiting[at]!.operations.get(name);
      if (found !== undefined) return found;
    }
    return underWay?.operations.get(name) ?? refused.operations.get(name);
  };

  /** Beyond the limit of what is kept of refused writes, an answer may be older than one already given. */
  const requireTrue = (): void => {
    if (failed !== null && refused.bytes > writerLimits.refusedBytesMax) throw new StorageFault(failed);
  };

  return {
    write(operations, { durable }, done) {
      if (failed !== null) return refuse(operations, failed, done);
      if (stopped) return refuse(operations, { code: 'CLOSED', message: 'the writer is stopped' }, done);
      const batch = target();
      let bytes = 0;
      for (const operation of operations) {
        bytes += bytesOf(operation);
        batch.operations.set(keyText(operation.key), operation);
      }
      batch.bytes += bytes;
      pendingBytes += bytes;
      batch.durable ||= durable;
      batch.urgent ||= durable || bytes >= writerLimits.lonelyBytes || batch.bytes >= writerLimits.patientBytesMax;
      batch.done.push(done);
      proceed();
    },

    get(key) {
      requireTrue();
      const found = unwritten(keyText(key));
      return found === undefined ? storage.get(key) : (found.value ?? undefined);
    },

    view() {
      requireTrue();
      const operations: Operations = new Map(refused.operations);
      for (const batch of underWay === null ? waiting : [underWay, ...waiting])
        for (const [name, operation] of batch.operations) operations.set(name, operation);
      return overlayView(storage.view(), [...operations.values()]);
    },

    onFailure(given) {
      listener = given;
    },

    get pendingBytes() {
      return pendingBytes;
    },

    stop(done) {
      stopped = true;
      idle.push(done);
      proceed();
    },
  };
};
