// What an actor with a log of its own has on the disk: a snapshot, and behind it what it was told since, in values that are numbered densely
// and chained by their checksums (decision 12), so that what is missing or damaged is noticed and named.
import type { EventObject } from 'xstate';
import type { BodyAnswer, BodyEffect, BodyPath, PersistedBody } from './actor-body-api.ts';
import type { ActorKeys } from './keyspace.ts';
import { Corruption, checksumBytes, isCount, isTime, openRecord, sameBytes, sealRecord } from './log-batch.ts';

/** One thing that an actor is told. `atMs` on the wall clock, never less than that of the one before. */
export type LogEntry =
  /** `isAsked`: whoever gave the id wants an answer. */
  | { kind: 'event'; atMs: number; event: EventObject; id: string | null; isAsked: boolean }
  | { kind: 'fire'; atMs: number; timer: string }
  /** `invocation`: whose answer it is; another may have its path by now. Null for what was sent. */
  | { kind: 'answer'; atMs: number; path: BodyPath; invocation: string | null; answer: BodyAnswer }
  /** The actor failed over this one: it is passed over when the log is read. */
  | { kind: 'skip'; atMs: number; number: number }
  /** It was read from the disk: timers that do not stand at an instant count from here. */
  | { kind: 'woken'; atMs: number };

export type LogBatch = { first: number; last: number; sum: Uint8Array; bytes: number };

export type SnapshotRecord = {
  /** Of this life of the actor; null where an earlier build made it, which gave none. */
  incarnation: string | null;
  version: number;
  standing: 'active' | 'done';
  /** The last entry that is in it, and its time. */
  at: number;
  atMs: number;
  body: PersistedBody;
  /** By timer: when it is due, on the wall clock. */
  dues: [string, number][];
  /** Ids of deliveries that were handled, and when. */
  ids: [string, number][];
  /** Those that one of this name handled that was stopped since. */
  before: [string, number][];
  /** By id: what was answered last, as far as it is small. */
  answers: [string, unknown][];
  /** By path: which invocation it is. */
  invocations: [string, string][];
  /** The last entry whose effects were done; what the actor wanted when it was made counts as entry 1. */
  done: number;
  /** Of that first entry, as far as they are plain data. */
  owed: BodyEffect[];
  /** Of the first value of the log that is kept, and the checksum that it follows. */
  first: number;
  follows: Uint8Array;
};

const format = 2;
/** Without an incarnation, and what was handled before it. */
const formatBefore = 1;
const isText = (value: unknown): value is string => typeof value === 'string';
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isRow = <Value>(is: (value: unknown) => value is Value) => {
  return (row: unknown): row is [string, Value] => Array.isArray(row) && row.length === 2 && isText(row[0]) && is(row[1]);
};
const isAny = (value: unknown): value is unknown => value !== undefined;
const isRows = <Value>(rows: unknown, is: (value: unknown) => value is Value): rows is [string, Value][] =>
  Array.isArray(rows) && rows.every(isRow(is));

export const sealSnapshot = ({ snapshot: key }: ActorKeys, record: SnapshotRecord): Uint8Array => {
  const { version, standing, at, atMs, body, dues, ids, answers, invocations, done, owed, first, follows } = record;
  return sealRecord(key, [
    format,
    version,
    standing,
    at,
    atMs,
    body,
    dues,
    ids,
    answers,
    invocations,
    done,
    owed,
    first,
    follows,
    record.incarnation,
    record.before,
  ]);
};

const isBody = (value: unknown): value is PersistedBody => {
  const { snapshot, timers, booked } = (typeof value === 'object' && value !== null ? value : {}) as Partial<PersistedBody>;
  return typeof snapshot === 'object' && snapshot !== null && Array.isArray(timers) && isCount(booked);
};

const isEffect = (value: unknown): value is BodyEffect => isRecord(value) && isText(value.kind);

/** Throws a Corruption. */
export const openSnapshot = ({ snapshot: key }: ActorKeys, value: Uint8Array): SnapshotRecord => {
  const fields = openRecord(key, value);
  const [kind, version, standing, at, atMs, body, dues, ids, answers, invocations, done, owed, first, follows, ...more] = (
    Array.isArray(fields) ? fields : []
  ) as unknown[];
  if (kind !== format && kind !== formatBefore)
    throw new Corruption(`its format is ${String(kind)}, this program knows ${formatBefore} and ${format}`);
  const [incarnation, before] = kind === formatBefore ? [null, []] : more;
  if ((incarnation !== null && !isText(incarnation)) || !isRows(before, isTime))
    throw new Corruption('it does not say which life of its actor it is of');
  const isWhole =
    isCount(version) && (standing === 'active' || standing === 'done') && isCount(at) && isTime(atMs) && isBody(body);
  if (!isWhole || !isRows(dues, isTime) || !isRows(ids, isTime) || !isRows(answers, isAny) || !isRows(invocations, isText))
    throw new Corruption('it is malformed');
  if (!isCount(done) || !Array.isArray(owed) || !owed.every(isEffect)) throw new Corruption('it does not say what was done');
  if (!isCount(first) || !(follows instanceof Uint8Array) || follows.byteLength !== checksumBytes)
    throw new Corruption('it does not say what follows it');
  return {
    ...{ incarnation, version, standing, at, atMs, body, dues, ids, answers, invocations, done, owed, first },
    before,
    follows: follows.slice(),
  };
};

/** What one that is stopped was delivered. */
export type Buried = { untilMs: number; ids: [string, number][] };

export const sealBuried = (key: Uint8Array, { untilMs, ids }: Buried): Uint8Array => sealRecord(key, [untilMs, ids]);

/** Throws a Corruption. */
export const openBuried = (key: Uint8Array, value: Uint8Array): Buried => {
  const fields = openRecord(key, value);
  const [untilMs, ids] = (Array.isArray(fields) ? fields : []) as unknown[];
  if (!isCount(untilMs) || !isRows(ids, isTime)) throw new Corruption('what was delivered before is malformed');
  return { untilMs, ids };
};

const form = (entry: LogEntry): unknown[] => {
  switch (entry.kind) {
    case 'event':
      return [0, entry.atMs, entry.event, entry.id, entry.isAsked];
    case 'fire':
      return [1, entry.atMs, entry.timer];
    case 'answer':
      return [2, entry.atMs, entry.path, entry.invocation, entry.answer];
    case 'skip':
      return [3, entry.atMs, entry.number];
    case 'woken':
      return [4, entry.atMs];
  }
};

const isTold = (value: unknown): value is EventObject => isRecord(value) && isText(value.type);

const parse = (fields: unknown): LogEntry | null => {
  const [kind, atMs, one, two, three] = (Array.isArray(fields) ? fields : []) as unknown[];
  if (!isTime(atMs)) return null;
  if (kind === 0 && isTold(one) && (two === null || isText(two)) && typeof three === 'boolean')
    return { kind: 'event', atMs, event: one, id: two, isAsked: three };
  if (kind === 1) return isText(one) ? { kind: 'fire', atMs, timer: one } : null;
  if (kind === 2 && isText(one) && (two === null || isText(two)) && isTold(three))
    return { kind: 'answer', atMs, path: one, invocation: two, answer: three as BodyAnswer };
  if (kind === 3) return isCount(one) ? { kind: 'skip', atMs, number: one } : null;
  return kind === 4 ? { kind: 'woken', atMs } : null;
};

/** `done`: the last entry whose effects have all been done. `key` ends in the number of the first entry. */
export const sealEntries = (
  key: Uint8Array,
  previous: Uint8Array,
  done: number,
  entries: readonly LogEntry[],
): { value: Uint8Array; sum: Uint8Array } => {
  const value = sealRecord(key, [previous, done, entries.map(form)]);
  return { value, sum: value.slice(0, checksumBytes) };
};

/** Throws a Corruption. */
export const openEntries = (
  key: Uint8Array,
  value: Uint8Array,
): { previous: Uint8Array; done: number; sum: Uint8Array; entries: LogEntry[] } => {
  const fields = openRecord(key, value);
  const [previous, done, rows] = (Array.isArray(fields) ? fields : []) as unknown[];
  if (!(previous instanceof Uint8Array) || !isCount(done) || !Array.isArray(rows) || rows.length === 0)
    throw new Corruption('it is malformed');
  const entries = (rows as unknown[]).map(parse);
  const wrong = entries.indexOf(null);
  if (wrong >= 0) throw new Corruption(`its entry ${wrong} is malformed`);
  return { previous: previous.slice(), done, sum: value.slice(0, checksumBytes), entries: entries as LogEntry[] };
};

export const sealCount = (key: Uint8Array, count: number): Uint8Array => sealRecord(key, [count]);

/** Null: it says nothing that can be believed. */
export const openCount = (key: Uint8Array, value: Uint8Array): number | null => {
  try {
    const fields = openRecord(key, value);
    const count: unknown = Array.isArray(fields) ? fields[0] : null;
    return isTime(count) ? count : null;
  } catch {
    return null;
  }
};

export { Corruption, sameBytes };
