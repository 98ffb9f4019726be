// Reads back what a group left on the disk and judges whether it may be trusted. Whatever is missing, damaged or contradicts
// something else is named with its index, and the replica then neither votes nor acknowledges (decision 12).
import { parseMeta } from '../machines/raft/index.ts';
import type { Entry, HardState, RaftRestored, SnapshotMeta } from '../machines/raft/types.ts';
import { highestGeneration } from './generations.ts';
import { firstIndexOf, type GroupKeys, keyAfter } from './keyspace.ts';
import { Corruption, isCount, isTime, openBatch, openRecord, sameBytes } from './log-batch.ts';
import { type StorageFailure, StorageFault } from './ports/index.ts';
import type { Writer } from './writer.ts';

const pageEntries = 64;
const pageBytes = 4 << 20;
const idCharsMax = 128;

/** Where a value of the log begins and ends, and what the next one must name as its predecessor. */
export type LogBatch = { first: number; last: number; checksum: Uint8Array };
/** Which generation of the keyspace is the current one, and what it holds: everything up to `applied`. */
export type StateRecord = { generation: number; applied: number; timeMs: number };

export type Loaded = { restored: RaftRestored; batches: LogBatch[]; state: StateRecord; highestGeneration: number };

/** Why a replica does not run: damaged for good, or not to be read today. */
export type Unread = { halted: 'LOG_CORRUPT' | 'LOG_UNREADABLE'; message: string };

const unreadOf = (what: string, { code, message }: StorageFailure): Unread => ({
  halted: code === 'CORRUPT' ? 'LOG_CORRUPT' : 'LOG_UNREADABLE',
  message: `${what} cannot be read: ${code}: ${message}`,
});

const readRecord = <Value>(writer: Writer, name: string, key: Uint8Array, parse: (record: unknown) => Value | null): Value => {
  const value = writer.get(key);
  if (value === undefined) throw new Corruption(`${name} is missing`);
  let parsed: Value | null;
  try {
    parsed = parse(openRecord(key, value));
  } catch (error) {
    throw new Corruption(`${name} cannot be read: ${(error as Error).message}`);
  }
  if (parsed === null) throw new Corruption(`${name} is malformed`);
  return parsed;
};

const readHardState = (writer: Writer, keys: GroupKeys): HardState =>
  readRecord(writer, 'the record of term and vote', keys.hard, (record) => {
    const [term, vote] = Array.isArray(record) ? (record as unknown[]) : [];
    const isVote = vote === null || (typeof vote === 'string' && vote.length > 0 && vote.length <= idCharsMax);
    return isCount(term) && isVote ? { term, vote } : null;
  });

export const readState = (writer: Writer, keys: GroupKeys): StateRecord =>
  readRecord(writer, 'the record of the applied index', keys.state, (record) => {
    const [generation, applied, timeMs] = Array.isArray(record) ? (record as unknown[]) : [];
    return isCount(generation) && isCount(applied) && isTime(timeMs) ? { generation, applied, timeMs } : null;
  });

const readBase = (writer: Writer, keys: GroupKeys): SnapshotMeta | null =>
  writer.get(keys.base) === undefined ? null : readRecord(writer, 'the base of the log', keys.base, parseMeta);

/** Checks one batch against its key and its predecessor and adds what lies after the base. */
const addBatch = (key: Uint8Array, value: Uint8Array, baseIndex: number, batches: LogBatch[], entries: Entry[]): void => {
  const first = firstIndexOf(key);
  const fail = (why: string): never => {
    throw new Corruption(`the log batch at ${first}: ${why}`);
  };
  const before = batches.at(-1);
  const expected = before === undefined ? baseIndex + 1 : before.last + 1;
  if (before === undefined ? first > expected : first !== expected) fail(`it should begin at ${expected}, entries are missing`);
  try {
    const { previous, checksum, entries: read } = openBatch(key, first, value);
    const last = first + read.length - 1;
    if (before !== undefined && !sameBytes(previous, before.checksum))
      throw new Corruption('it does not follow the batch before it');
    if (last <= baseIndex) throw new Corruption(`it ends at ${last}, but everything up to ${baseIndex} was dropped`);
    batches.push({ first, last, checksum });
    for (const entry of read) if (entry.index > baseIndex) entries.push(entry);
  } catch (error) {
    fail((error as Error).message);
  }
};

/** What must hold between the parts; the first that does not, in words, or null. */
const contradiction = (
  hardState: HardState,
  state: StateRecord,
  base: SnapshotMeta | null,
  entries: readonly Entry[],
): string | null => {
  const baseIndex = base?.index ?? 0;
  const last = entries.at(-1) ?? { index: baseIndex, term: base?.term ?? 0 };
  let term = base?.term ?? 0;
  for (const entry of entries) {
    if (entry.term < term) return `entry ${entry.index} has term ${entry.term}, the one before it ${term}`;
    term = entry.term;
  }
  if (state.applied < baseIndex) return `the log begins after ${baseIndex}, but only ${state.applied} was applied`;
  if (state.applied > last.index) return `the log ends at ${last.index}, but ${state.applied} was applied`;
  if (last.term > hardState.term)
    return `the log ends in term ${last.term}, but the replica remembers only term ${hardState.term}`;
  return null;
};

export const readGroup = (
  writer: Writer,
  keys: GroupKeys,
  done: (read: { ok: true; loaded: Loaded } | ({ ok: false } & Unread)) => void,
): void => {
  const corrupt = (message: string): void => done({ ok: false, halted: 'LOG_CORRUPT', message });
  const unread = (what: string, why: StorageFailure): void => done({ ok: false, ...unreadOf(what, why) });
  let hardState: HardState;
  let state: StateRecord;
  let base: SnapshotMeta | null;
  try {
    hardState = readHardState(writer, keys);
    state = readState(writer, keys);
    base = readBase(writer, keys);
  } catch (error) {
    if (error instanceof StorageFault) return unread('the records of the group', error.failure);
    return corrupt((error as Error).message);
  }

  const batches: LogBatch[] = [];
  const entries: Entry[] = [];
  const finish = (): void => {
    const why = contradiction(hardState, state, base, entries);
    if (why !== null) return corrupt(why);
    highestGeneration(writer, keys, (highest, failed) => {
      if (failed !== null) return unread('the keyspace', failed);
      const restored = { hardState, snapshot: base, entries, applied: state.applied, restarted: hardState.term > 0 };
      done({ ok: true, loaded: { restored, batches, state, highestGeneration: highest } });
    });
  };

  const view = writer.view();
  const next = (gte: Uint8Array): void =>
    view.read({ gte, lt: keys.logRange.lt, limit: pageEntries, limitBytes: pageBytes }, (why, page) => {
      if (why !== null) {
        view.close();
        return unread('the log', why);
      }
      let problem: string | null = null;
      try {
        for (const [key, value] of page) addBatch(key, value, base?.index ?? 0, batches, entries);
      } catch (error) {
        problem = (error as Error).message;
      }
      const last = page.at(-1)?.[0];
      if (problem === null && last !== undefined) return next(keyAfter(last));
      view.close();
      if (problem === null) finish();
      else corrupt(problem);
    });
  next(keys.logRange.gte);
};
