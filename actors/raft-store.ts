// What one group keeps on the disk and how Raft's effects become operations on it. One value per appended batch of entries,
// with dense numbers and chained checksums: a gap or a mismatch means no vote until repaired (decision 12).
import { sha256 } from '@noble/hashes/sha2.js';
import { parseMeta, formMeta } from '../machines/raft/index.ts';
import type { Entry, EntryKind, HardState, RaftEffect, RaftRestored, SnapshotMeta } from '../machines/raft/types.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import { type GroupKeys, groupKeys, join, prefixEnd, u64 } from './keyspace.ts';
import type { StorageFailure, StorageOperation } from './ports/index.ts';
import type { Writer } from './writer.ts';

const checksumBytes = 16;
const batchEntriesMax = 1_024;
const batchBytesMax = 1 << 20;
const kinds: readonly EntryKind[] = ['command', 'configuration', 'noop'];

type LogBatch = { first: number; last: number; checksum: Uint8Array };
type StateRecord = { generation: number; applied: number; timeMs: number };
type KeyspaceWrite = { key: Uint8Array; value: Uint8Array | null };
type Persist = Pick<Extract<RaftEffect, { type: 'persist' }>, 'hardState' | 'entries' | 'snapshot'>;

const checksum = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = sha256.create();
  for (const part of parts) hash.update(part);
  return hash.digest().slice(0, checksumBytes);
};

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);

/** A value with its own checksum in front; the key is part of what is summed, so that a misplaced value is noticed. */
const seal = (key: Uint8Array, body: Uint8Array): Uint8Array => join(checksum(key, body), body);

const unseal = (key: Uint8Array, value: Uint8Array): Uint8Array => {
  const body = value.subarray(checksumBytes);
  if (value.byteLength < checksumBytes || !sameBytes(value.subarray(0, checksumBytes), checksum(key, body)))
    throw new Corruption('its checksum does not match');
  return body;
};

/** What was found is not what was written. */
class Corruption extends Error {}

const formEntries = (entries: readonly Entry[]): Uint8Array =>
  pack(entries.map((entry) => [entry.term, kinds.indexOf(entry.kind), entry.timeMs, entry.data]));

const parseEntries = (first: number, bytes: Uint8Array): Entry[] =>
  (unpack(bytes) as [number, number, number, Uint8Array][]).map(([term, kind, timeMs, data], at) => ({
    ...{ index: first + at, term, kind: kinds[kind]!, timeMs, data },
  }));

const noChecksum = new Uint8Array(checksumBytes);

export interface RaftStore {
  persist(effect: Persist): StorageOperation[];
  dropLog(meta: SnapshotMeta): StorageOperation[];
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
  /** Deletes, page by page, every generation but the current one and the one being staged. */
  sweep(): void;
}

export type LoadedGroup = { ok: true; store: RaftStore; restored: RaftRestored } | { ok: false; halted: string; message: string };

/** What a fresh replica writes first: its genesis configuration, or null for one that waits for a leader's log. */
export const formGroup = (group: string, meta: SnapshotMeta | null): StorageOperation[] => {
  const keys = groupKeys(group);
  return [
    hardStateOperation(keys, { term: 0, vote: null }),
    ...(meta === null ? [] : [{ key: keys.base, value: seal(keys.base, pack(formMeta(meta))) }]),
    stateOperation(keys, { generation: 1, applied: 0, timeMs: 0 }),
  ];
};

const hardStateOperation = (keys: GroupKeys, hardState: HardState): StorageOperation => ({
  key: keys.hard,
  value: seal(keys.hard, pack([hardState.term, hardState.vote])),
});

const stateOperation = (keys: GroupKeys, state: StateRecord): StorageOperation => ({
  key: keys.state,
  value: seal(keys.state, pack([state.generation, state.applied, state.timeMs])),
});

const pageEntries = 64;

/** Reads and checks everything; anything that does not fit stops the replica instead of letting it vote. */
export const loadGroup = (writer: Writer, group: string, done: (loaded: LoadedGroup) => void): void => {
  const keys = groupKeys(group);
  const corrupt = (message: string): void => done({ ok: false, halted: 'LOG_CORRUPT', message: `group '${group}': ${message}` });
  const part = <Value>(name: string, key: Uint8Array, parse: (body: Uint8Array) => Value): Value => {
    const value = writer.get(key);
    if (value === undefined) throw new Corruption(`${name} is missing`);
    try {
      return parse(unseal(key, value));
    } catch (error) {
      throw new Corruption(`${name} cannot be read: ${(error as Error).message}`);
    }
  };

  let hardState: HardState;
  let state: StateRecord;
  let base: SnapshotMeta | null = null;
  try {
    hardState = part('the record of term and vote', keys.hard, (body) => {
      const [term, vote] = unpack(body) as [number, string | null];
      return { term, vote };
    });
    state = part('the record of the applied index', keys.state, (body) => {
      const [generation, applied, timeMs] = unpack(body) as [number, number, number];
      return { generation, applied, timeMs };
    });
    if (writer.get(keys.base) !== undefined) base = part('the base of the log', keys.base, (body) => parseMeta(unpack(body)));
  } catch (error) {
    return corrupt((error as Error).message);
  }

  const batches: LogBatch[] = [];
  const entries: Entry[] = [];
  const view = writer.view();
  const finish = (problem: string | null): void => {
    view.close();
    const lastIndex = entries.at(-1)?.index ?? base?.index ?? 0;
    const missing = lastIndex < state.applied ? `the log ends at ${lastIndex}, but ${state.applied} was applied` : null;
    const why = problem ?? missing;
    if (why !== null) return corrupt(why);
    const store = createRaftStore(writer, group, batches, state);
    store.sweep();
    const restored: RaftRestored = { hardState, snapshot: base, entries, applied: state.applied, restarted: hardState.term > 0 };
    done({ ok: true, store, restored });
  };
  const next = (from: Uint8Array): void =>
    view.read({ gte: from, lt: keys.logRange.lt, limit: pageEntries, limitBytes: 4 << 20 }, (why: StorageFailure | null, page) => {
      if (why !== null) return finish(`the log cannot be read: ${why.message}`);
      for (const [key, value] of page) {
        try {
          readBatch(key, value, base?.index ?? 0, batches, entries);
        } catch (error) {
          return finish((error as Error).message);
        }
      }
      const last = page.at(-1);
      if (last === undefined) finish(null);
      else next(join(last[0], new Uint8Array(1)));
    });
  next(keys.logRange.gte);
};

/** Checks one batch against its key and its predecessor and adds what lies after the base. */
const readBatch = (key: Uint8Array, value: Uint8Array, baseIndex: number, batches: LogBatch[], entries: Entry[]): void => {
  const number = new DataView(key.buffer, key.byteOffset + key.byteLength - 8, 8);
  const first = number.getUint32(0) * 0x1_0000_0000 + number.getUint32(4);
  const at = `the log batch at ${first}`;
  const before = batches.at(-1);
  if (value.byteLength < 2 * checksumBytes) throw new Corruption(`${at} is cut short`);
  const sum = value.slice(0, checksumBytes);
  const previous = value.subarray(checksumBytes, 2 * checksumBytes);
  const body = value.subarray(2 * checksumBytes);
  if (!sameBytes(sum, checksum(previous, u64(first), body))) throw new Corruption(`${at} does not match its checksum`);
  if (before !== undefined && !sameBytes(previous, before.checksum)) throw new Corruption(`${at} does not follow the batch before it`);
  const expected = before === undefined ? baseIndex + 1 : before.last + 1;
  if (before === undefined ? first > expected : first !== expected)
    throw new Corruption(`${at} should begin at ${expected}: entries are missing`);
  const read = parseEntries(first, body);
  batches.push({ first, last: first + read.length - 1, checksum: sum });
  for (const entry of read) if (entry.index > baseIndex) entries.push(entry);
};

const createRaftStore = (writer: Writer, group: string, loaded: LogBatch[], loadedState: StateRecord): RaftStore => {
  const keys = groupKeys(group);
  let batches = loaded;
  let state = loadedState;
  let prefix = keys.generation(state.generation);
  let lastGeneration = state.generation;
  let staged: number | null = null;

  const writeBatch = (operations: StorageOperation[], entries: readonly Entry[]): void => {
    const first = entries[0]!.index;
    const body = formEntries(entries);
    const previous = batches.at(-1)?.checksum ?? noChecksum;
    const sum = checksum(previous, u64(first), body);
    operations.push({ key: keys.log(first), value: join(sum, previous, body) });
    batches.push({ first, last: entries.at(-1)!.index, checksum: sum });
  };

  /** Splits what is appended at once into values of bounded size. */
  const writeEntries = (operations: StorageOperation[], entries: readonly Entry[]): void => {
    let from = 0;
    while (from < entries.length) {
      let to = from;
      for (let bytes = 0; to < entries.length && to - from < batchEntriesMax && (bytes < batchBytesMax || to === from); to++)
        bytes += entries[to]!.data.byteLength + 32;
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
    const value = writer.get(keys.log(straddling.first));
    if (value === undefined) throw new Error(`InvariantBroken: the log batch at ${straddling.first} of '${group}' is gone`);
    const kept = parseEntries(straddling.first, value.subarray(2 * checksumBytes)).filter((entry) => entry.index < from);
    writeBatch(operations, kept);
  };

  return {
    persist({ hardState, entries, snapshot }) {
      const operations: StorageOperation[] = [];
      if (hardState !== null) operations.push(hardStateOperation(keys, hardState));
      if (snapshot !== null) {
        if (staged === null) throw new Error(`InvariantBroken: a snapshot of '${group}' is installed that was never staged`);
        for (const batch of batches) operations.push({ key: keys.log(batch.first), value: null });
        batches = [];
        state = { generation: staged, applied: snapshot.index, timeMs: snapshot.timeMs };
        prefix = keys.generation(staged);
        staged = null;
        operations.push({ key: keys.base, value: seal(keys.base, pack(formMeta(snapshot))) }, stateOperation(keys, state));
      }
      const first = entries[0];
      if (first !== undefined) {
        cut(operations, first.index);
        writeEntries(operations, entries);
      }
      return operations;
    },
    dropLog(meta) {
      const operations: StorageOperation[] = [{ key: keys.base, value: seal(keys.base, pack(formMeta(meta))) }];
      const dropped = batches.filter((batch) => batch.last <= meta.index);
      for (const batch of dropped) operations.push({ key: keys.log(batch.first), value: null });
      batches = batches.slice(dropped.length);
      return operations;
    },
    stateOperations(writes, applied, timeMs) {
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
      staged = null;
      const into = keys.generation(generation);
      return { generation, operations: (records) => records.map(([key, value]) => ({ key: join(into, key), value })) };
    },
    useStaged(generation) {
      staged = generation;
    },
    sweep() {
      sweepGenerations(writer, keys, () => [state.generation, lastGeneration]);
    },
  };
};

const sweepPage = 512;

/** Deletes records of generations that nobody needs; what is current is asked anew for each page. */
const sweepGenerations = (writer: Writer, keys: GroupKeys, keep: () => number[]): void => {
  const { gte, lt } = keys.everyGeneration;
  const generationOf = (key: Uint8Array): number => new DataView(key.buffer, key.byteOffset + gte.byteLength, 4).getUint32(0);
  const next = (from: Uint8Array): void => {
    const view = writer.view();
    view.read({ gte: from, lt, limit: sweepPage, limitBytes: 1 << 20 }, (why, page) => {
      view.close();
      const last = page.at(-1);
      if (why !== null || last === undefined) return;
      const kept = keep();
      const needed = page.find(([key]) => kept.includes(generationOf(key)));
      const dead = page.filter(([key]) => !kept.includes(generationOf(key)));
      const then = (): void => next(needed === undefined ? join(last[0], new Uint8Array(1)) : prefixEnd(keys.generation(generationOf(needed[0]))));
      if (dead.length === 0) return then();
      writer.write(dead.map(([key]) => ({ key, value: null })), { durable: false }, (failed) => {
        if (failed === null) then();
      });
    });
  };
  next(gte);
};
