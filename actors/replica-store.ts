// Replicated objects on the disk: a log of deltas, one value a batch, and states that are written now and then, after which the log
// before them goes. What is in the log is in the states or will be; joining is idempotent, so that reading some of it twice does no
// harm, and a crash between any two writes loses nothing that was answered.
import {
  createObjects,
  emptyForm,
  forgetEmpty,
  formLedger,
  isReplicaId,
  type Ledger,
  nextRecord,
  type Objects,
  type ObjectTypes,
  parseLedger,
  type ReplicatedObject,
  replay,
  restore,
  savedForm,
} from '../machines/replicator/index.ts';
import { cursorOf } from '../machines/wire/octets.ts';
import { firstIndexOf, replicaKeys } from './keyspace.ts';
import { openBytes, openRecord, sealBytes, sealRecord } from './log-batch.ts';
import { type StorageFailure, StorageFault, type StorageOperation, type StorageRange } from './ports/index.ts';
import type { Writer } from './writer.ts';

export const replicaStoreLimits = {
  /** Of one write of a checkpoint. */
  pageObjects: 512,
  pageBytes: 512 << 10,
  readBytes: 1 << 20,
  /** Values of the log that go at once. */
  cutAtOnce: 4_096,
} as const;

export type Opened = {
  objects: Objects;
  store: ReplicaStore;
  /** What lay on the disk and was not what had been written there; others have it. */
  damaged: string[];
  rounds: StoredRounds;
};

/** What a replica knows of the rounds (machines/replicator/rounds-replica.ts), and what must be known of it after a crash. */
export type StoredRounds = {
  ledger: Ledger | null;
  wasListed: boolean;
  /** Others may have heard something of what is here, under an earlier id. */
  isHeard: boolean;
  /** What was here when it was listed counts as of the round in which it began, or is gone. */
  isReady: boolean;
};

export const noRounds: StoredRounds = { ledger: null, wasListed: false, isHeard: false, isReady: false };

export interface ReplicaStore {
  /** One value: packed `LogRecord`s, one behind the other as they were applied; `done` once it is on the disk for good. */
  append(records: Uint8Array, done: (why: StorageFailure | null) => void): void;
  /** Writes what the log is long enough for; a page at a time, so that nobody waits long. `done` when there is nothing more to do. */
  checkpoint(done: () => void): void;
  /** Under this replica id from now on; `done` once it is on the disk for good. */
  saveRounds(replica: string, rounds: StoredRounds, done: (why: StorageFailure | null) => void): void;
  /** States are being written, with changes in them that may not be in the log yet. */
  readonly isWriting: boolean;
  readonly isLong: boolean;
  readonly logBytes: number;
  /** A checkpoint goes on no further: whoever opens the store again counts on what was handed to the writer until then. */
  stop(): void;
}

/** Written with whatever changes it: a batch or a state that is gone altogether has no checksum that could tell. */
type Base = { first: number; states: number };

const baseOperation = ({ first, states }: Base): StorageOperation => ({
  key: replicaKeys.base,
  value: sealRecord(replicaKeys.base, [first, states]),
});

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

type Ports = {
  writer: Writer;
  later: (run: () => void) => void;
  newReplicaId: () => string;
  /** A log is long that has so many bytes. */
  logBytesMax: number;
};

const createStore = (
  objects: Objects,
  { writer, later, logBytesMax }: Ports,
  log: Base & { next: number; bytes: number },
): ReplicaStore => {
  let isWriting = false;
  let isStopped = false;

  /** Of what nothing is left an empty state is written first: while the log is not cut, it says what is old news. */
  const emptied = (): StorageOperation[] => {
    const operations: StorageOperation[] = [];
    for (const [name, isEmptied] of objects.gone) {
      if (operations.length >= replicaStoreLimits.pageObjects) break;
      if (isEmptied) continue;
      const key = replicaKeys.state(name);
      operations.push({ key, value: sealRecord(key, emptyForm(objects, name)) });
      objects.gone.set(name, true);
    }
    return operations;
  };

  /** The log says nothing of them any more. */
  const bury = (done: () => void): void => {
    const operations: StorageOperation[] = [];
    for (const [name, isEmptied] of objects.gone) {
      if (operations.length >= replicaStoreLimits.cutAtOnce) break;
      if (!isEmptied) continue;
      operations.push({ key: replicaKeys.state(name), value: null });
      objects.gone.delete(name);
      log.states--;
    }
    if (operations.length === 0) return done();
    operations.push(baseOperation(log));
    writer.write(operations, { durable: false }, (why) => (why === null && !isStopped ? bury(done) : done()));
  };

  /** Some at once, from the oldest on: a log of many small values is cut in many writes, and none of them leaves a hole. */
  const cut = (from: number, to: number, done: () => void): void => {
    const operations: StorageOperation[] = [];
    const end = Math.min(to, from + replicaStoreLimits.cutAtOnce);
    for (let batch = from; batch < end; batch++) operations.push({ key: replicaKeys.log(batch), value: null });
    log.first = end;
    operations.push(baseOperation(log));
    writer.write(operations, { durable: true }, (why) =>
      why !== null || isStopped || end === to ? done() : cut(end, to, done),
    );
  };

  /** Forms are made as late as the page is written: what changed meanwhile is in them, and in the log behind the cut. */
  const page = (objectsLeft: ReplicatedObject[], done: (why: StorageFailure | null) => void): void => {
    const operations = emptied();
    let bytes = 0;
    while (
      objectsLeft.length > 0 &&
      operations.length < replicaStoreLimits.pageObjects &&
      bytes < replicaStoreLimits.pageBytes
    ) {
      const object = objectsLeft.pop()!;
      // Nothing is left of it, or it began anew.
      if (objects.all.get(object.name) !== object) continue;
      const key = replicaKeys.state(object.name);
      const value = sealRecord(key, savedForm(objects, object));
      object.unsaved = false;
      if (!object.hasState) log.states++;
      object.hasState = true;
      bytes += key.byteLength + value.byteLength;
      operations.push({ key, value });
    }
    operations.push(baseOperation(log));
    writer.write(operations, { durable: false }, done);
  };

  return {
    append(records, done) {
      const key = replicaKeys.log(log.next++);
      const value = sealBytes(key, records);
      log.bytes += key.byteLength + value.byteLength;
      writer.write([{ key, value }], { durable: true }, done);
    },
    saveRounds(replica, rounds, done) {
      writer.write([idOperation(replica), roundsOperation(replica, rounds)], { durable: true }, done);
    },
    get isLong() {
      return log.bytes >= logBytesMax;
    },
    get logBytes() {
      return log.bytes;
    },
    get isWriting() {
      return isWriting;
    },
    checkpoint(done) {
      if (isWriting) return done();
      isWriting = true;
      const [from, to, bytes] = [log.first, log.next, log.bytes];
      const left = objects.unsaved;
      objects.unsaved = [];
      const next = (why: StorageFailure | null): void => {
        // A disk that refuses: the log stays, and the writer has told of it.
        if (why !== null || isStopped) return finish();
        const isLeft = left.length > 0 || [...objects.gone.values()].includes(false);
        if (isLeft) return later(() => (isStopped ? finish() : page(left, next)));
        log.bytes -= bytes;
        cut(from, to, () => (isStopped ? finish() : bury(finish)));
      };
      const finish = (): void => {
        isWriting = false;
        done();
      };
      next(null);
    },
    stop() {
      isStopped = true;
    },
  };
};

/** A disk that cannot tell throws. */
const attempt = <Value>(run: () => Value): Value | StorageFailure => {
  try {
    return run();
  } catch (error) {
    if (error instanceof StorageFault) return error.failure;
    throw error;
  }
};

const readAll = (
  writer: Writer,
  range: Pick<StorageRange, 'gte' | 'lt'>,
  each: (key: Uint8Array, value: Uint8Array) => void,
  done: (why: StorageFailure | null) => void,
): void => {
  const view = attempt(() => writer.view());
  if ('code' in view) return done(view);
  const end = (why: StorageFailure | null): void => {
    view.close();
    done(why);
  };
  const page = (gte: Uint8Array): void =>
    view.read({ ...range, gte, limit: 4_096, limitBytes: replicaStoreLimits.readBytes }, (why, entries) => {
      if (why !== null) return end(why);
      for (const [key, value] of entries) each(key, value);
      const last = entries.at(-1);
      if (last === undefined) return end(null);
      const after = new Uint8Array(last[0].byteLength + 1);
      after.set(last[0]);
      page(after);
    });
  page(range.gte);
};

/** Undefined: its checksum does not match, or it is no msgpack, which is the same to whoever reads. */
const opened = <Value>(
  open: (key: Uint8Array, value: Uint8Array) => Value,
  key: Uint8Array,
  value: Uint8Array,
): Value | undefined => {
  try {
    return open(key, value);
  } catch {
    return undefined;
  }
};

/** False: not all of it is what was written there. */
const replayAll = (objects: Objects, savedAt: ReadonlyMap<string, number>, records: Uint8Array): boolean => {
  const from = cursorOf(records);
  let isWhole = true;
  for (let at = 0; at < records.byteLength && !from.failed; at = from.at) {
    const record = nextRecord(from);
    if (record === null || !replay(objects, savedAt, record, from.at - at)) isWhole = false;
  }
  return isWhole;
};

const readReplicaId = (writer: Writer): string | null => {
  const stored = writer.get(replicaKeys.id);
  if (stored === undefined) return null;
  const id = opened(openRecord, replicaKeys.id, stored);
  return isReplicaId(id) ? id : null;
};

const idOperation = (replica: string): StorageOperation => ({
  key: replicaKeys.id,
  value: sealRecord(replicaKeys.id, replica),
});

const roundsOperation = (replica: string, { ledger, wasListed, isHeard, isReady }: StoredRounds): StorageOperation => ({
  key: replicaKeys.rounds,
  value: sealRecord(replicaKeys.rounds, [replica, ledger === null ? null : formLedger(ledger), wasListed, isHeard, isReady]),
});

/**
 * Of this replica id. A new one begins with what is known of the rounds; others may have heard of what the former had. Null: it is not
 * what was written.
 */
const readRounds = (stored: Uint8Array | undefined, known: string | null, replica: string): StoredRounds | null => {
  // It is written together with the id.
  if (stored === undefined) return known === null ? noRounds : null;
  const fields = opened(openRecord, replicaKeys.rounds, stored);
  if (!Array.isArray(fields) || fields.length !== 5) return null;
  const [id, form, wasListed, isHeard, isReady] = fields as unknown[];
  const ledger = form === null ? null : parseLedger(form);
  if (form !== null && ledger === null) return null;
  if (id === replica) return { ledger, wasListed: wasListed === true, isHeard: isHeard === true, isReady: isReady === true };
  return { ledger, wasListed: false, isHeard: isHeard === true || wasListed === true || id !== known, isReady: false };
};

/** Null: there is none, or it is not what was written. */
const readBase = (writer: Writer): Base | null => {
  const stored = writer.get(replicaKeys.base);
  const fields = stored === undefined ? null : opened(openRecord, replicaKeys.base, stored);
  if (!Array.isArray(fields) || !isCount(fields[0]) || !isCount(fields[1])) return null;
  return { first: fields[0], states: fields[1] };
};

/**
 * Reads everything. A replica id is never used again once anything of its own may be lost: then the same objects go on under a new
 * one, and what is damaged comes back from others; all that is left is written anew, so that the damage is noticed once. Throws
 * nothing; a disk that cannot be read is told.
 */
export const openReplicaStore = (types: ObjectTypes, ports: Ports, done: (outcome: Opened | StorageFailure) => void): void => {
  const { writer } = ports;
  const known = attempt(() => readReplicaId(writer));
  const base = attempt(() => readBase(writer));
  const stored = attempt(() => writer.get(replicaKeys.rounds));
  if (known !== null && typeof known === 'object') return done(known);
  if (base !== null && 'code' in base) return done(base);
  if (stored !== undefined && 'code' in stored) return done(stored);
  const read = createObjects(known ?? ports.newReplicaId(), types);
  const damaged: string[] = [];
  if (base === null && known !== null) damaged.push('where the log begins');
  const log = { first: base?.first ?? 0, next: base?.first ?? 0, bytes: 0, states: 0 };
  let expected = base?.first ?? null;
  const rotten: StorageOperation[] = [];
  /** What was stable when the state of an object was written. */
  const savedAt = new Map<string, number>();

  const onState = (key: Uint8Array, value: Uint8Array): void => {
    if (restore(read, opened(openRecord, key, value), savedAt)) return void log.states++;
    damaged.push(`a state of ${value.byteLength} bytes`);
    rotten.push({ key, value: null });
  };
  const onBatch = (key: Uint8Array, value: Uint8Array): void => {
    const batch = firstIndexOf(key);
    if (expected === null) log.first = batch;
    else if (batch !== expected) damaged.push(`what lay before batch ${batch} of the log`);
    expected = batch + 1;
    log.next = batch + 1;
    log.bytes += key.byteLength + value.byteLength;
    const records = opened(openBytes, key, value);
    if (records === undefined || !replayAll(read, savedAt, records)) damaged.push(`batch ${batch} of the log`);
  };

  const finish = (why: StorageFailure | null): void => {
    if (why !== null) return done(why);
    const missing = (base?.states ?? 0) - log.states - rotten.length;
    if (missing !== 0 && base !== null) damaged.push(`of ${base.states} states ${missing}`);
    forgetEmpty(read);
    read.stable = 0;
    const found = readRounds(stored, known, read.replica);
    if (found === null) damaged.push('what it knew of the rounds');
    const isHurt = damaged.length > 0;
    const objects: Objects = { ...read, replica: isHurt && known !== null ? ports.newReplicaId() : read.replica };
    const rounds = readRounds(stored, known, objects.replica) ?? { ...noRounds, isHeard: true };
    if (isHurt) {
      objects.unsaved = [...objects.all.values()];
      for (const object of objects.unsaved) object.unsaved = true;
    }
    // Also where it is known: what was read may still be on its way to the disk, and must be there before others are told of it.
    const operations = [idOperation(objects.replica), roundsOperation(objects.replica, rounds), baseOperation(log), ...rotten];
    writer.write(operations, { durable: true }, (refused) => {
      if (refused !== null) return done(refused);
      const store = createStore(objects, ports, log);
      done({ objects, store, damaged, rounds });
      if (isHurt) store.checkpoint(() => {});
    });
  };

  readAll(writer, replicaKeys.stateRange, onState, (why) =>
    why === null ? readAll(writer, replicaKeys.logRange, onBatch, finish) : finish(why),
  );
};
