// What one group keeps on the disk and how Raft's effects become operations on it. One value per appended batch of entries,
// with dense numbers and chained checksums: a gap or a mismatch means no vote until repaired (decision 12).
import { formMeta, InvariantBroken } from '../machines/raft/index.ts';
import type { Entry, HardState, RaftEffect, RaftRestored, SnapshotMeta } from '../machines/raft/types.ts';
import type { KeyspaceWrite } from '../machines/register/types.ts';
import { sweepGenerations } from './generations.ts';
import { type GroupKeys, groupKeys, join, prefixEnd } from './keyspace.ts';
import { noChecksum, openBatch, sealBatch, sealRecord } from './log-batch.ts';
import type { StorageOperation } from './ports/index.ts';
import { type Loaded, type LogBatch, readGroup, readState, type StateRecord, type Unread } from './raft-restore.ts';
import type { Writer } from './writer.ts';

const batchEntriesMax = 1_024;
const batchBytesMax = 1 << 20;
/** What an entry takes beside its data: term, kind, time, lengths. */
const entryOverheadBytes = 32;

type Persist = Pick<Extract<RaftEffect, { type: 'persist' }>, 'hardState' | 'entries' | 'snapshot'>;

export interface RaftStore {
  /** The caller hands the operations to the writer in the same turn, as one durable write. So it is for all of these. */
  persist(effect: Persist): StorageOperation[];
  dropLog(meta: SnapshotMeta): StorageOperation[];
  /** The whole log becomes `entries` after `base`; for the explicit recovery only. */
  replaceLog(hardState: HardState, base: SnapshotMeta, entries: readonly Entry[]): StorageOperation[];
  /** The state machine's writes together with how far it has come. */
  stateOperations(writes: readonly KeyspaceWrite[], applied: number, timeMs: number): StorageOperation[];
  stateKey(key: Uint8Array): Uint8Array;
  stateRange(): { gte: Uint8Array; lt: Uint8Array };
  relativeKey(key: Uint8Array): Uint8Array;
  /** Log time of the last entry applied. */
  readonly appliedTimeMs: number;
  /** A new generation for a snapshot under way; what an earlier, unfinished one left behind is deleted. */
  beginStaging(): { operations: (records: readonly [Uint8Array, Uint8Array][]) => StorageOperation[]; generation: number };
  /** The staged generation that the next persist effect with a snapshot installs. */
  useStaged(generation: number): void;
  /** It was not installed after all: deleted like what was never whole. */
  forgetStaged(generation: number): void;
  /** Gives up what is being staged and deletes, page by page, every generation but the current and a wholly staged one. */
  sweep(): void;
  /** This store is used no more: it deletes nothing further, since its successor may number what it stages as this one did. */
  close(): void;
}

export type LoadedGroup = { ok: true; store: RaftStore; restored: RaftRestored } | ({ ok: false } & Unread);

/** What a fresh replica writes first: its genesis configuration, or null for one that waits for a leader's log. */
export const formGroup = (group: string, meta: SnapshotMeta | null): StorageOperation[] => {
  const keys = groupKeys(group);
  return [
    hardStateOperation(keys, { term: 0, vote: null }),
    ...(meta === null ? [] : [baseOperation(keys, meta)]),
    stateOperation(keys, { generation: 1, applied: 0, timeMs: 0 }),
  ];
};

const hardStateOperation = (keys: GroupKeys, { term, vote }: HardState): StorageOperation => ({
  key: keys.hard,
  value: sealRecord(keys.hard, [term, vote]),
});

const baseOperation = (keys: GroupKeys, meta: SnapshotMeta): StorageOperation => ({
  key: keys.base,
  value: sealRecord(keys.base, formMeta(meta)),
});

const stateOperation = (keys: GroupKeys, { generation, applied, timeMs }: StateRecord): StorageOperation => ({
  key: keys.state,
  value: sealRecord(keys.state, [generation, applied, timeMs]),
});

/** Reads and checks everything; anything that does not fit stops the replica instead of letting it vote. */
export const loadGroup = (writer: Writer, group: string, done: (loaded: LoadedGroup) => void): void => {
  const keys = groupKeys(group);
  readGroup(writer, keys, (read) => {
    if (!read.ok) return done({ ...read, message: `group '${group}': ${read.message}` });
    const store = createRaftStore(writer, group, keys, read.loaded);
    store.sweep();
    done({ ok: true, store, restored: read.loaded.restored });
  });
};

const createRaftStore = (writer: Writer, group: string, keys: GroupKeys, loaded: Loaded): RaftStore => {
  let { batches, state } = loaded;
  let baseIndex = loaded.restored.snapshot?.index ?? 0;
  let prefix = keys.generation(state.generation);
  let lastGeneration = Math.max(loaded.highestGeneration, state.generation);
  let staging: number | null = null;
  let staged: number | null = null;
  let sweeping = false;
  let sweepAgain = false;
  let closed = false;

  const check = (holds: boolean, invariant: string, what: () => string): void => {
    if (!holds) throw new InvariantBroken(invariant, `group '${group}': ${what()}`);
  };

  const lastIndex = (): number => batches.at(-1)?.last ?? baseIndex;

  // -------- the log

  const writeBatch = (operations: StorageOperation[], entries: readonly Entry[]): void => {
    const first = entries[0]!.index;
    const key = keys.log(first);
    const { value, checksum } = sealBatch(key, batches.at(-1)?.checksum ?? noChecksum, entries);
    operations.push({ key, value });
    batches.push({ first, last: entries.at(-1)!.index, checksum });
  };

  /** Splits what is appended at once into values of bounded size. */
  const writeEntries = (operations: StorageOperation[], entries: readonly Entry[]): void => {
    for (let from = 0; from < entries.length; ) {
      let to = from;
      for (let bytes = 0; to < entries.length && to - from < batchEntriesMax; to++) {
        const { index, data } = entries[to]!;
        check(index === entries[0]!.index + to, 'store-dense', () => `entry ${index} is out of place`);
        bytes += data.byteLength + entryOverheadBytes;
        if (bytes > batchBytesMax && to > from) break;
      }
      writeBatch(operations, entries.slice(from, to));
      from = to;
    }
  };

  /** Removes everything from `from` on: whole batches, and the end of the one that `from` lies in. */
  const cut = (operations: StorageOperation[], from: number): void => {
    let straddling: LogBatch | null = null;
    while (batches.length > 0 && batches.at(-1)!.last >= from) {
      const batch = batches.pop()!;
      if (batch.first >= from) operations.push({ key: keys.log(batch.first), value: null });
      else straddling = batch;
    }
    if (straddling === null) return;
    const key = keys.log(straddling.first);
    // All that is left of it has been dropped already: a batch that ends before the base is a contradiction at the next start.
    if (from <= baseIndex + 1) return void operations.push({ key, value: null });
    const value = writer.get(key);
    check(value !== undefined, 'store-batch-there', () => `the log batch at ${straddling.first} is gone`);
    // Checked again before it is sealed anew: rot since the start must not be blessed with a good checksum.
    const { entries } = openBatch(key, straddling.first, value!);
    writeBatch(
      operations,
      entries.filter((entry) => entry.index < from),
    );
  };

  const clearLog = (operations: StorageOperation[]): void => {
    for (const batch of batches) operations.push({ key: keys.log(batch.first), value: null });
    batches = [];
  };

  const append = (operations: StorageOperation[], entries: readonly Entry[]): void => {
    const first = entries[0]?.index;
    if (first === undefined) return;
    const fits = first > baseIndex && first <= lastIndex() + 1;
    check(fits, 'store-append', () => `entry ${first} does not follow ${baseIndex}..${lastIndex()}`);
    cut(operations, first);
    writeEntries(operations, entries);
  };

  const install = (operations: StorageOperation[], snapshot: SnapshotMeta): void => {
    check(staged !== null, 'store-staged', () => `the snapshot at ${snapshot.index} is installed, but was never staged`);
    check(snapshot.index >= state.applied, 'store-install', () => `${snapshot.index} is installed over ${state.applied}`);
    clearLog(operations);
    baseIndex = snapshot.index;
    state = { generation: staged!, applied: snapshot.index, timeMs: snapshot.timeMs };
    prefix = keys.generation(state.generation);
    staged = null;
    operations.push(baseOperation(keys, snapshot), stateOperation(keys, state));
    // Answered in a later turn, when the caller has handed these operations in: what replaces is written before what is replaced goes.
    writer.write([], { durable: false }, startSweep);
  };

  // -------- generations of the keyspace

  /** Of the disk rather than of this store: one from before a restart of its actor may still be sweeping. */
  const currentGeneration = (): number | null => {
    if (closed) return null;
    try {
      return readState(writer, keys).generation;
    } catch {
      // Unreadable: the replica hears of it elsewhere. Nothing is deleted on a guess.
      return null;
    }
  };

  function startSweep(): void {
    if (closed) return;
    if (sweeping) {
      sweepAgain = true;
      return;
    }
    sweeping = true;
    const below = Math.min(staging ?? lastGeneration + 1, staged ?? lastGeneration + 1);
    sweepGenerations({
      ...{ writer, keys, below, current: currentGeneration },
      done() {
        sweeping = false;
        if (!sweepAgain) return;
        sweepAgain = false;
        startSweep();
      },
    });
  }

  return {
    persist({ hardState, entries, snapshot }) {
      const operations: StorageOperation[] = [];
      if (hardState !== null) operations.push(hardStateOperation(keys, hardState));
      if (snapshot !== null) install(operations, snapshot);
      append(operations, entries);
      return operations;
    },
    dropLog(meta) {
      const { index } = meta;
      const fits = index >= baseIndex && index <= lastIndex() && index <= state.applied;
      check(fits, 'store-drop', () => `${index} is outside of ${baseIndex}..${lastIndex()} or not applied (${state.applied})`);
      const dropped = batches.filter((batch) => batch.last <= index);
      batches = batches.slice(dropped.length);
      baseIndex = index;
      return [baseOperation(keys, meta), ...dropped.map((batch) => ({ key: keys.log(batch.first), value: null }))];
    },
    replaceLog(hardState, base, entries) {
      check(
        base.index === state.applied,
        'store-replace',
        () => `the base ${base.index} is not what is applied (${state.applied})`,
      );
      const operations = [hardStateOperation(keys, hardState), baseOperation(keys, base)];
      clearLog(operations);
      baseIndex = base.index;
      append(operations, entries);
      return operations;
    },
    stateOperations(writes, applied, timeMs) {
      check(applied >= state.applied, 'store-applied', () => `${applied} after ${state.applied}`);
      state = { ...state, applied, timeMs };
      const operations: StorageOperation[] = writes.map(({ key, value }) => ({ key: join(prefix, key), value }));
      operations.push(stateOperation(keys, state));
      return operations;
    },
    stateKey: (key) => join(prefix, key),
    stateRange: () => ({ gte: prefix, lt: prefixEnd(prefix) }),
    relativeKey: (key) => key.subarray(prefix.byteLength),
    get appliedTimeMs() {
      return state.timeMs;
    },
    beginStaging() {
      const generation = ++lastGeneration;
      staging = generation;
      staged = null;
      startSweep();
      const into = keys.generation(generation);
      return { generation, operations: (records) => records.map(([key, value]) => ({ key: join(into, key), value })) };
    },
    useStaged(generation) {
      check(generation === staging, 'store-staged', () => `generation ${generation} is used, but ${staging} is being staged`);
      staging = null;
      staged = generation;
    },
    forgetStaged(generation) {
      if (staged !== generation) return;
      staged = null;
      startSweep();
    },
    sweep() {
      staging = null;
      startSweep();
    },
    close() {
      closed = true;
    },
  };
};
