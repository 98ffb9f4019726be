// A disk that outlives the processes on it. A crash of the machine keeps a prefix of the batches that were not synced, each whole
// (decision 12); a crash of the process alone keeps all that the kernel had. It can be slow, full, broken, rotten, or gone.
import { compareKeys, keyText } from '../actors/keyspace.ts';
import {
  type StorageFailure,
  StorageFault,
  type StorageOperation,
  type StoragePort,
  type StorageRange,
  type StorageView,
} from '../actors/ports/index.ts';
import { allocate } from '../machines/wire/octets.ts';
import type { Process } from './process.ts';
import type { Chance, World } from './world.ts';

type Record = readonly [Uint8Array, Uint8Array];
type Contents = Map<string, Record>;

/** An operation with the name of its key, which is asked for often. */
type Operation = { readonly name: string; readonly key: Uint8Array; readonly value: Uint8Array | null };

/** A batch whose loss would bring back what was there before. */
type Written = { undo: readonly Operation[] };

/** What brings back the contents of before the operations. */
const undoOf = (contents: Contents, operations: readonly Operation[]): Operation[] =>
  operations.map(({ name, key }) => ({ name, key, value: contents.get(name)?.[1] ?? null })).reverse();

const copyOf = (bytes: Uint8Array): Uint8Array => {
  const copy = allocate(bytes.byteLength);
  copy.set(bytes);
  return copy;
};

const copied = ({ key, value }: StorageOperation): Operation => ({
  name: keyText(key),
  key: copyOf(key),
  value: value === null ? null : copyOf(value),
});

/** Records from `gte` on and before `lt`, in the order of keys. */
const sortedOf = (records: Iterable<Record>, { gte, lt }: Pick<StorageRange, 'gte' | 'lt'>): Record[] =>
  [...records].filter(([key]) => compareKeys(key, gte) >= 0 && compareKeys(key, lt) < 0).sort(([a], [b]) => compareKeys(a, b));

/** A page of sorted records, of which those behind its range's end may be missing. */
const pageOf = (sorted: readonly Record[], range: StorageRange): [Uint8Array, Uint8Array][] => {
  const { gte, limit, limitBytes = Number.POSITIVE_INFINITY, reverse = false } = range;
  let first = 0;
  for (let end = sorted.length; first < end; ) {
    const middle = (first + end) >>> 1;
    if (compareKeys(sorted[middle]![0], gte) < 0) first = middle + 1;
    else end = middle;
  }
  const page: [Uint8Array, Uint8Array][] = [];
  let bytes = 0;
  for (let at = 0; first + at < sorted.length && page.length < limit && bytes < limitBytes; at++) {
    const [key, value] = sorted[reverse ? sorted.length - 1 - at : first + at]!;
    page.push([copyOf(key), copyOf(value)]);
    bytes += key.byteLength + value.byteLength;
  }
  return page;
};

/** Answers pages of records that do not change any more; whoever reads on has them sorted already. */
const frozenPages = (records: readonly Record[]): ((range: StorageRange) => [Uint8Array, Uint8Array][]) => {
  let known: { gte: Uint8Array; lt: Uint8Array; sorted: Record[] } | null = null;
  return (range) => {
    const { gte, lt } = range;
    if (known === null || compareKeys(known.lt, lt) !== 0 || compareKeys(known.gte, gte) > 0)
      known = { gte: copyOf(gte), lt: copyOf(lt), sorted: sortedOf(records, range) };
    return pageOf(known.sorted, range);
  };
};

/** So many of the last batches can be taken back. */
const batchesRemembered = 16;

export type DiskOptions = {
  /** What a synced write takes, milliseconds: at least, at most. */
  syncMs: readonly [number, number];
  /** Keeps what is needed to forget the last batches. */
  remembers?: boolean;
  /** For the tests that must catch it: says that it synced, and did not. */
  lies?: boolean;
  /** For the tests that must catch it: these keys keep the first value that they were given. */
  keepsFirst?: (key: Uint8Array) => boolean;
};

export class Disk {
  /** Made with the disk and lost with it: whose peer id this is. */
  readonly identity: string;
  readonly options: DiskOptions;
  /** Times the ordinary latency. */
  slowness = 1;
  /** When what lay on it was last damaged. */
  hurtAtMs = Number.NEGATIVE_INFINITY;
  /** When it forgot the end of what was written. */
  forgotAtMs = Number.NEGATIVE_INFINITY;
  /** What every write gets, until it is mended. */
  failing: StorageFailure | null = null;
  /** What every read gets, until it is mended. */
  unreadable: StorageFailure | null = null;
  readonly #world: World;
  readonly #chance: Chance;
  /** Written and not synced, oldest first. */
  #unsynced: Written[] = [];
  /** Handed over and not answered yet, oldest first; what a failure was answered for stays, for who knows. */
  #doubtful: (readonly Operation[])[] = [];
  /** What a process sees: everything that was written, synced or not. */
  readonly #contents: Contents = new Map();
  /** All that was handed over until now is written or refused then. */
  busyUntilMs = 0;
  #isOpen = false;
  /** Told of every key that holds something else than before, for whatever reason. */
  onChanged: ((key: Uint8Array, value: Uint8Array | null) => void) | null = null;
  /** What lay where the last synced batches were written, oldest first. */
  readonly #before: (readonly Operation[])[] = [];

  constructor(world: World, identity: string, options: DiskOptions) {
    this.identity = identity;
    this.options = options;
    this.#world = world;
    this.#chance = world.chance(`disk ${identity}`);
  }

  /** The power goes: of what was not synced a prefix stays. */
  losePower(): void {
    const stays = this.#chance.between(0, this.#unsynced.length + this.#doubtful.length + 1);
    for (const operations of this.#doubtful.slice(0, Math.max(0, stays - this.#unsynced.length)))
      this.#written(operations, false);
    for (const { undo } of this.#unsynced.splice(stays).toReversed()) this.#apply(undo);
    this.#synced();
    this.#doubtful = [];
    this.#isOpen = false;
  }

  /** The process is gone, the kernel writes what it had; of what was on its way a prefix had arrived. */
  release(): void {
    const landed = this.#doubtful.slice(0, this.#chance.between(0, this.#doubtful.length + 1));
    for (const operations of landed) this.#written(operations, false);
    this.#doubtful = [];
    this.#isOpen = false;
  }

  /** Keys at rest, in order. */
  keys(fits: (key: Uint8Array) => boolean): Uint8Array[] {
    const found = [...this.#contents.values()].map(([key]) => key).filter(fits);
    return found.sort(compareKeys);
  }

  /** What lies under a key at rest becomes something else, or nothing, and nobody is told. */
  damage(key: Uint8Array, change: (value: Uint8Array) => Uint8Array | null): void {
    const record = this.#contents.get(keyText(key));
    if (record === undefined) return;
    const value = change(record[1].slice());
    this.hurtAtMs = this.#world.nowMs;
    this.#replace([{ name: keyText(key), key, value }]);
  }

  /** The value itself; the disk is nobody's while its process is down. */
  valueAt(key: Uint8Array): Uint8Array | undefined {
    return this.#contents.get(keyText(key))?.[1];
  }

  /**
   * Takes back up to `batches` of the last synced ones, newest first, as if they had never been; stops before one that touches what
   * must stay. Answers how many. Only what was written while `remembers` was set can be taken back.
   */
  forgetLast(batches: number, mustStay: (key: Uint8Array) => boolean): number {
    let forgotten = 0;
    while (forgotten < batches) {
      const last = this.#before.at(-1);
      if (last === undefined || last.some(({ key }) => mustStay(key))) break;
      this.#before.pop();
      this.hurtAtMs = this.forgotAtMs = this.#world.nowMs;
      this.#replace(last);
      forgotten++;
    }
    return forgotten;
  }

  #isKept({ name, key }: Operation): boolean {
    return this.options.keepsFirst?.(key) === true && this.#contents.has(name);
  }

  get bytes(): number {
    let bytes = 0;
    for (const [key, value] of this.#contents.values()) bytes += key.byteLength + value.byteLength;
    return bytes;
  }

  #apply(operations: readonly Operation[]): void {
    for (const { name, key, value } of operations) {
      if (value === null) this.#contents.delete(name);
      else this.#contents.set(name, [key, value]);
      this.onChanged?.(key, value);
    }
  }

  /** At rest, under what was written since too: a loss of power brings nothing back that is not there any more. */
  #replace(operations: readonly Operation[]): void {
    this.#apply(operations);
    const values = new Map(operations.map(({ name, value }) => [name, value]));
    for (const written of this.#unsynced)
      written.undo = written.undo.map((one) => (values.has(one.name) ? { ...one, value: values.get(one.name)! } : one));
  }

  #written(operations: readonly Operation[], durable: boolean): void {
    const isSynced = durable && this.options.lies !== true;
    const mayBeUndone = !isSynced || this.options.remembers === true;
    this.#unsynced.push({ undo: mayBeUndone ? undoOf(this.#contents, operations) : [] });
    this.#apply(operations);
    if (isSynced) this.#synced();
  }

  /** Everything written up to now is on the disk for good. */
  #synced(): void {
    if (this.options.remembers === true) {
      for (const { undo } of this.#unsynced) this.#before.push(undo);
      this.#before.splice(0, this.#before.length - batchesRemembered);
    }
    this.#unsynced = [];
  }

  /** One process at a time. Throws LOCKED for a second one. */
  open(process: Process): StoragePort {
    if (this.#isOpen) throw new StorageFault({ code: 'LOCKED', message: 'another process has it open' });
    this.#isOpen = true;
    const { world } = process;
    const closedFailure: StorageFailure = { code: 'CLOSED', message: 'the disk is closed' };
    let failed: StorageFailure | null = null;
    let closed = false;
    /** Writes end in order, each after the one before. */
    let freeAtMs = world.nowMs;

    const latencyMs = (): number => this.#chance.tail(this.options.syncMs[0], this.options.syncMs[1]) * this.slowness;

    const write: StoragePort['write'] = (operations, { durable }, done) => {
      const taken = operations.map(copied);
      const batch = this.options.keepsFirst === undefined ? taken : taken.filter((operation) => !this.#isKept(operation));
      this.#doubtful.push(batch);
      freeAtMs = Math.max(freeAtMs, world.nowMs) + latencyMs() * (durable ? 1 : 0.1);
      this.busyUntilMs = freeAtMs;
      const refused = closed ? closedFailure : null;
      world.after(freeAtMs - world.nowMs, () => {
        // What became of it was drawn when the process died.
        if (!process.isAlive) return;
        failed ??= this.failing;
        const why = refused ?? failed;
        if (why === null || why === closedFailure) this.#doubtful.splice(this.#doubtful.indexOf(batch), 1);
        if (why === null) this.#written(batch, durable);
        process.arrive(durable ? 'synced' : 'written', () => done(why));
      });
    };

    const viewOf = (pages: (range: StorageRange) => [Uint8Array, Uint8Array][]): StorageView => {
      let isOpen = true;
      return {
        read: (range, done) => {
          const why = closed || !isOpen ? closedFailure : this.unreadable;
          const page = why === null ? pages(range) : [];
          world.after(latencyMs() * 0.1, () => process.arrive('read', () => done(why, page)));
        },
        close() {
          isOpen = false;
        },
      };
    };

    return {
      write,
      read: viewOf((range) => pageOf(sortedOf(this.#contents.values(), range), range)).read,
      get: (key) => {
        const why = closed ? closedFailure : this.unreadable;
        if (why !== null) throw new StorageFault(why);
        const found = this.#contents.get(keyText(key));
        return found === undefined ? undefined : copyOf(found[1]);
      },
      view: () => viewOf(frozenPages([...this.#contents.values()])),
      stop: (done) => {
        closed = true;
        // After the last answer, which comes at that very instant.
        world.after(Math.max(0, freeAtMs - world.nowMs) + 0.001, () => {
          if (process.isAlive) this.#isOpen = false;
          process.enter('closed', done);
        });
      },
    };
  }
}
