// The log of one actor on the node's disk, over its one writer (group commit): whatever waits goes in one value; a snapshot takes the place
// of what is behind it in one batch, so that a crash finds the one or the other.
import {
  type Buried,
  Corruption,
  type LogBatch,
  type LogEntry,
  openBuried,
  openCount,
  openEntries,
  openSnapshot,
  type SnapshotRecord,
  sameBytes,
  sealBuried,
  sealCount,
  sealEntries,
  sealSnapshot,
} from './actor-records.ts';
import { type ActorKeys, actorKeys, firstIndexOf, keyAfter } from './keyspace.ts';
import { noChecksum } from './log-batch.ts';
import { type StorageFailure, StorageFault, type StorageOperation, type StorageView } from './ports/index.ts';
import type { Writer } from './writer.ts';

const pageEntries = 64;
const pageBytes = 4 << 20;

type Done = (failure: StorageFailure | null) => void;

/** `done`: the last entry whose effects were surely done. Null: there is nothing of this actor. */
export type LoadedLog = { snapshot: SnapshotRecord; entries: LogEntry[]; done: number } | null;
/** `buried`: where there is nothing of it, what the one before it was delivered. */
export type Load = { ok: true; log: LoadedLog; buried: Buried['ids'] } | { ok: false; message: string };

export type Cut = Omit<SnapshotRecord, 'first' | 'follows'>;

export class ActorLog {
  readonly #writer: Writer;
  readonly #keys: ActorKeys;
  #batches: LogBatch[] = [];
  #sum: Uint8Array = noChecksum;
  /** Of the next entry; the first is that the actor was made. */
  next = 2;
  /** What lies behind the last snapshot. */
  bytes = 0;
  snapshotBytes = 0;
  /** The record by which it is woken says that it has to be looked at. */
  #isMarked = false;
  #doneWritten = 0;
  #isLoaded = false;
  #buried: Buried | null = null;
  /** There is a record of what was done beyond the snapshot and the log. */
  #isNoted = true;

  constructor(writer: Writer, type: string, key: string) {
    this.#writer = writer;
    this.#keys = actorKeys(type, key);
  }

  /** Of those that are not in the snapshot. */
  get entries(): number {
    const first = this.#batches[0]?.first;
    return first === undefined ? 0 : this.next - first;
  }

  /** Nothing was written since it was put to rest. */
  get isAtRest(): boolean {
    return !this.#isMarked && this.#batches.length === 0;
  }

  // ---------------------------------------------------------------- writing

  /** The first one's number. */
  append(entries: readonly LogEntry[], done: number, durable: Done): number {
    const first = this.next;
    const key = this.#keys.log(first);
    const { value, sum } = sealEntries(key, this.#sum, done, entries);
    this.next = first + entries.length;
    this.#sum = sum;
    this.#batches.push({ first, last: this.next - 1, sum, bytes: value.byteLength });
    this.bytes += value.byteLength;
    this.#doneWritten = done;
    this.#writer.write([{ key, value }, ...this.#mark()], { durable: true }, durable);
    return first;
  }

  /** Until it is put to rest, whoever starts the node has to look after it. */
  #mark(): StorageOperation[] {
    if (this.#isMarked) return [];
    this.#isMarked = true;
    return [{ key: this.#keys.wake, value: sealCount(this.#keys.wake, 0) }];
  }

  /**
   * `last`: the last entry that had something done. Not durable by itself: what is lost with it is that effects were done, and they are done
   * again.
   */
  noteDone(done: number, last: number): void {
    if (last <= this.#doneWritten) return;
    this.#doneWritten = done;
    this.#isNoted = true;
    this.#writer.write([{ key: this.#keys.done, value: sealCount(this.#keys.done, done) }], { durable: false }, () => {});
  }

  /** `rest`: it leaves the memory, and is woken at that time, or never (null); undefined: it stays. */
  cut(record: Cut, rest: number | null | undefined, how: { durable: boolean }, done: Done): void {
    const gone = this.#batches.filter(({ last }) => last <= record.at);
    const kept = this.#batches.slice(gone.length);
    const follows = gone.at(-1)?.sum ?? this.#follows;
    const first = kept[0]?.first ?? this.next;
    const value = sealSnapshot(this.#keys, { ...record, first, follows });
    const operations: StorageOperation[] = gone.map((batch) => ({ key: this.#keys.log(batch.first), value: null }));
    operations.push({ key: this.#keys.snapshot, value });
    // Of an earlier one of the same name it must not be believed.
    if (this.#isNoted || !this.#isLoaded) operations.push({ key: this.#keys.done, value: null });
    this.#isNoted = false;
    if (this.#buried !== null) {
      const { delivered, buried } = this.#keys;
      operations.push({ key: delivered, value: null }, { key: buried(this.#buried.untilMs), value: null });
      this.#buried = null;
    }
    this.#doneWritten = record.done;
    if (rest === undefined) operations.push(...this.#mark());
    else {
      const { wake } = this.#keys;
      operations.push({ key: wake, value: rest === null ? null : sealCount(wake, rest) });
      this.#isMarked = false;
    }
    this.#batches = kept;
    this.#follows = follows;
    this.bytes = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    this.snapshotBytes = value.byteLength;
    this.#isLoaded = true;
    this.#writer.write(operations, how, done);
  }

  /** What the first value of the log follows. */
  #follows: Uint8Array = noChecksum;

  /** All of it, in one batch, but for what it was delivered. */
  remove(buried: Buried | null, done: Done): void {
    const keys = [
      this.#keys.snapshot,
      this.#keys.done,
      this.#keys.wake,
      ...this.#batches.map(({ first }) => this.#keys.log(first)),
    ];
    this.#batches = [];
    const operations: StorageOperation[] = keys.map((key) => ({ key, value: null }));
    if (buried !== null) {
      const { delivered } = this.#keys;
      operations.push({ key: delivered, value: sealBuried(delivered, buried) });
      operations.push({ key: this.#keys.buried(buried.untilMs), value: new Uint8Array(0) });
    }
    this.#writer.write(operations, { durable: true }, done);
  }

  // ---------------------------------------------------------------- reading

  load(done: (load: Load) => void): void {
    let snapshot: SnapshotRecord | null;
    let view: StorageView;
    try {
      const value = this.#writer.get(this.#keys.snapshot);
      snapshot = value === undefined ? null : openSnapshot(this.#keys, value);
      if (snapshot === null) this.#buried = this.#readBuried();
      view = this.#writer.view();
    } catch (error) {
      return done({ ok: false, message: `its snapshot cannot be read: ${whyOf(error)}` });
    }
    const read: LogEntry[] = [];
    const batches: LogBatch[] = [];
    let doneAt = snapshot?.done ?? 0;
    const end = (load: Load): void => {
      view.close();
      done(load);
    };
    const add = (key: Uint8Array, value: Uint8Array): void => {
      const first = firstIndexOf(key);
      const before = batches.at(-1);
      const opened = openEntries(key, value);
      if (snapshot === null) throw new Corruption('there is no snapshot before it');
      const [expected, follows] = before === undefined ? [snapshot.first, snapshot.follows] : [before.last + 1, before.sum];
      if (first !== expected) throw new Corruption(`it begins at ${first}, where ${expected} is expected`);
      if (!sameBytes(opened.previous, follows)) throw new Corruption('it does not follow what is before it');
      const last = first + opened.entries.length - 1;
      batches.push({ first, last, sum: opened.sum, bytes: value.byteLength });
      doneAt = Math.max(doneAt, opened.done);
      // One that was cut in its middle is kept whole.
      for (const [at, entry] of opened.entries.entries()) if (first + at > snapshot.at) read.push(entry);
    };
    const page = (gte: Uint8Array): void =>
      view.read({ gte, lt: this.#keys.logRange.lt, limit: pageEntries, limitBytes: pageBytes }, (why, values) => {
        if (why !== null) return end({ ok: false, message: `its log cannot be read: ${why.code}: ${why.message}` });
        for (const [key, value] of values)
          try {
            add(key, value);
          } catch (error) {
            return end({ ok: false, message: `its log at ${firstIndexOf(key)} cannot be read: ${whyOf(error)}` });
          }
        const last = values.at(-1);
        if (last !== undefined) return page(keyAfter(last[0]));
        if (snapshot === null) return end(this.#nothing());
        this.#take(snapshot, batches);
        end({ ok: true, buried: [], log: { snapshot, entries: read, done: Math.max(doneAt, this.#readDone()) } });
      });
    page(this.#keys.logRange.gte);
  }

  #readBuried(): Buried | null {
    const { delivered } = this.#keys;
    const value = this.#writer.get(delivered);
    return value === undefined ? null : openBuried(delivered, value);
  }

  /** With its first write an actor is marked to be looked after: the mark of one that is not there says that there was one. */
  #nothing(): Load {
    try {
      if (this.#writer.get(this.#keys.wake) === undefined) return { ok: true, log: null, buried: this.#buried?.ids ?? [] };
      return { ok: false, message: 'its snapshot is missing' };
    } catch (error) {
      return { ok: false, message: `whether there is anything of it cannot be read: ${whyOf(error)}` };
    }
  }

  #readDone(): number {
    try {
      const value = this.#writer.get(this.#keys.done);
      return (value === undefined ? null : openCount(this.#keys.done, value)) ?? 0;
    } catch {
      return 0;
    }
  }

  /** Once; whatever was written since then is known. */
  #take(snapshot: SnapshotRecord, batches: LogBatch[]): void {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    this.#batches = batches;
    this.#follows = snapshot.follows;
    this.#sum = batches.at(-1)?.sum ?? snapshot.follows;
    this.next = (batches.at(-1)?.last ?? Math.max(snapshot.at, snapshot.first - 1)) + 1;
    this.bytes = batches.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

const whyOf = (error: unknown): string =>
  error instanceof Corruption || error instanceof StorageFault ? error.message : String(error);
