// The replicated actors of one Raft group (decision 15): entries come in, records change, and what is to be done is known to whoever
// leads. What the log alone decides (who is there, which version, which delivery came before) every replica decides at once; what only
// the actor's code can say is a fold over its steps, and a replica that lacks the code keeps the steps until it has it. Both give the same
// record (Schneider 1990 for the log; the fold is event sourcing with a snapshot after each event).
import { type Failure, failure } from '../errors.ts';
import { earliest } from '../register/expiry.ts';
import type { KeyspaceReader, KeyspaceWrite } from '../register/types.ts';
import { dropBody } from './ledger-fold.ts';
import { decodeItems } from './ledger-items.ts';
import { decodeDump, encodeDump, newRecord } from './ledger-records.ts';
import { catchUp, compare, ignored, type Ledger, type LedgerEntry, markAt, take } from './ledger-steps.ts';
import { addRecord, countVersion, forgetRecord, noteRecord, recordOf, takeWrites } from './ledger-store.ts';
import {
  type ActorName,
  type ActorRecord,
  type ItemOutcome,
  type LedgerItem,
  ledgerLimits,
  type Step,
} from './ledger-types.ts';
import { allDelivered, bury, delivered, remember, setFailed } from './ledger-window.ts';

export { createLedger, type Ledger, type LedgerEntry, type LedgerHost, markAt, marksOf } from './ledger-steps.ts';

const refuse = (code: Failure['code'], message: string, details?: Failure['details']): ItemOutcome => ({
  ...{ type: 'refused', failure: failure(code, message, details) },
});

// ---------------------------------------------------------------- deliveries

const deliver = (
  ledger: Ledger,
  record: ActorRecord,
  item: Extract<LedgerItem, { kind: 'event' }>,
  n: number,
  entry: LedgerEntry,
): ItemOutcome => {
  const { name, version, window } = record;
  const { id } = item;
  const before = id === '' ? undefined : delivered(window, id);
  if (before !== undefined && entry.timeMs - before.timeMs < ledgerLimits.windowMs)
    return { type: 'again', seq: before.seq, failed: before.failed };
  if (item.version !== version) {
    const message = `actor '${name}' is of version ${version}, the event is for version ${item.version}`;
    return refuse('ACTOR_VERSION', message, { persisted: version, version: item.version });
  }
  if (id !== '') remember(window, id, record.seq + 1, entry.timeMs);
  return take(ledger, record, item, n, entry);
};

// ---------------------------------------------------------------- coming and going

const create = (
  ledger: Ledger,
  existing: ActorRecord | null,
  item: Extract<LedgerItem, { kind: 'create' }>,
  n: number,
  entry: LedgerEntry,
): ItemOutcome => {
  const { store } = ledger;
  if (existing !== null && existing.presence !== 'gone') return { type: 'ok', seq: existing.seq, snapshot: null };
  const isKnown = existing !== null && existing.seq > 0;
  if (!isKnown && store.actors >= ledgerLimits.actorsMax)
    return refuse('OVERLOADED', `the group has ${store.actors} actors already`);
  if (existing !== null && !isKnown) store.actors++;
  const record = existing ?? addRecord(store, newRecord(item.actor));
  record.presence = 'live';
  record.version = item.version;
  countVersion(store, record.name, record.version, 1);
  const outcome = take(ledger, record, item, n, entry);
  noteRecord(store, record);
  return outcome;
};

const clear = (record: ActorRecord): void => {
  dropBody(record);
  const { standing, reason, state, timers, invoked, outbox, answers, failures, handled, refused } = newRecord(record.name);
  Object.assign(record, { standing, reason, state, timers, invoked, outbox, answers, failures, handled, refused });
  record.isStateNew = true;
  Object.assign(record, { backlog: [], halt: null, sinceState: { steps: 0, bytes: 0 }, marks: [], expected: null, digest: 0 });
};

const remove = (ledger: Ledger, record: ActorRecord, item: Extract<LedgerItem, { kind: 'remove' }>): ItemOutcome => {
  ledger.host?.watch.removed?.(record);
  clear(record);
  bury(record.window, item);
  record.seq++;
  record.presence = 'gone';
  countVersion(ledger.store, record.name, record.version, -1);
  return { type: 'ok', seq: record.seq, snapshot: null };
};

const halt = (
  ledger: Ledger,
  record: ActorRecord,
  { index, event, digests }: Extract<LedgerItem, { kind: 'halt' }>,
): ItemOutcome => {
  record.presence = 'halted';
  record.halt = { index, event, digests };
  dropBody(record);
  ledger.host?.watch.halted?.(record);
  return { type: 'ok', seq: record.seq, snapshot: null };
};

// ---------------------------------------------------------------- states in the log

const replaceState = (
  ledger: Ledger,
  record: ActorRecord,
  item: Extract<LedgerItem, { kind: 'state' }>,
  backlog: Step[],
): boolean => {
  const decoded = decodeDump(record.name, item.dump);
  if (decoded === null) return false;
  dropBody(record);
  Object.assign(record, decoded.dumped, { backlog, expected: null, isStateNew: true });
  const { window } = record;
  for (const one of allDelivered(window))
    if (one.seq > 0 && one.seq <= item.seq) setFailed(window, one, decoded.failed.get(one.seq) ?? null);
  catchUp(ledger, record);
  ledger.host?.watch.replaced?.(record);
  return true;
};

/** Replicas that have folded so far have it already; those that could not go on from it. */
const checkpoint = (ledger: Ledger, record: ActorRecord, item: Extract<LedgerItem, { kind: 'state' }>): ItemOutcome => {
  if (record.presence !== 'live' || item.seq > record.seq || item.version !== record.version) return ignored;
  record.sinceState = { steps: record.seq - item.seq, bytes: 0 };
  const folded = record.seq - record.backlog.length;
  if (folded < item.seq) {
    replaceState(ledger, record, item, record.backlog.slice(item.seq - folded));
    return { type: 'ok', seq: record.seq, snapshot: null };
  }
  const own = markAt(record, item.seq);
  const theirs = decodeDump(record.name, item.dump)?.dumped.digest;
  if (own !== null && theirs !== undefined) compare(ledger, record, own, theirs);
  return { type: 'ok', seq: record.seq, snapshot: null };
};

const install = (ledger: Ledger, record: ActorRecord, item: Extract<LedgerItem, { kind: 'state' }>): ItemOutcome => {
  if (item.why === 'checkpoint') return checkpoint(ledger, record, item);
  if (record.presence === 'gone') return ignored;
  if (item.why === 'upgrade' && (record.presence !== 'live' || item.seq !== record.seq))
    return refuse('NOT_READY', `actor '${record.name}' went on while its state was being migrated`);
  if (decodeDump(record.name, item.dump) === null)
    return refuse('INVALID_REQUEST', `the state for actor '${record.name}' is malformed`);
  record.presence = 'live';
  record.halt = null;
  countVersion(ledger.store, record.name, record.version, -1);
  countVersion(ledger.store, record.name, item.version, 1);
  record.version = item.version;
  record.seq++;
  record.sinceState = { steps: 0, bytes: 0 };
  record.marks = [];
  replaceState(ledger, record, item, []);
  return { type: 'ok', seq: record.seq, snapshot: null };
};

const compareDigest = (ledger: Ledger, record: ActorRecord, { seq, digest }: { seq: number; digest: number }): void => {
  const folded = record.seq - record.backlog.length;
  if (folded < seq) {
    record.expected = { seq, digest };
    return;
  }
  const own = markAt(record, seq);
  if (own !== null) compare(ledger, record, own, digest);
};

// ---------------------------------------------------------------- one item, one command

const refusedHalted = ({ name, halt: why }: ActorRecord): ItemOutcome =>
  refuse('ACTOR_DIVERGED', `actor '${name}' was stopped, for replicas of it differ since '${why?.event}' at ${why?.index}`, {
    ...{ index: why?.index ?? 0, event: why?.event ?? '' },
  });

const absent = (item: LedgerItem): ItemOutcome =>
  item.kind === 'event' ? refuse('ACTOR_STOPPED', `there is no actor '${item.actor}'`) : ignored;

const applyItem = (ledger: Ledger, item: LedgerItem, n: number, entry: LedgerEntry, changed: Set<ActorRecord>): ItemOutcome => {
  const record = recordOf(ledger.store, item.actor, entry.read);
  if (item.kind === 'create') return create(ledger, record, item, n, entry);
  if (record === null || record.presence === 'gone') return absent(item);
  const outcome = applyTo(ledger, record, item, n, entry);
  if (item.kind === 'digest' || changed.has(record)) return outcome;
  changed.add(record);
  // From now on it is not given up; what is to be known of it is noted when all of the entry has happened.
  ledger.store.dirty.add(record.name);
  return outcome;
};

const applyTo = (
  ledger: Ledger,
  record: ActorRecord,
  item: Exclude<LedgerItem, { kind: 'create' }>,
  n: number,
  entry: LedgerEntry,
): ItemOutcome => {
  switch (item.kind) {
    case 'remove':
      return remove(ledger, record, item);
    case 'halt':
      return record.presence === 'halted' ? ignored : halt(ledger, record, item);
    case 'state':
      return install(ledger, record, item);
    case 'digest':
      compareDigest(ledger, record, item);
      return ignored;
    case 'event':
      return record.presence === 'halted' ? refusedHalted(record) : deliver(ledger, record, item, n, entry);
    default:
      return record.presence === 'halted' ? ignored : take(ledger, record, item, n, entry);
  }
};

const sweepGone = ({ store }: Ledger, { timeMs, read }: LedgerEntry): void => {
  for (let swept = 0; swept < ledgerLimits.sweptPerEntry; swept++) {
    const due = earliest(store.gone);
    if (due === undefined || due.atMs > timeMs) return;
    forgetRecord(store, recordOf(store, due.name, read)!);
  }
};

/** Null: the command is malformed, and nothing has happened. */
export const applyItems = (ledger: Ledger, body: Uint8Array, entry: LedgerEntry): ItemOutcome[] | null => {
  const items = decodeItems(body);
  if (items === null) return null;
  sweepGone(ledger, entry);
  const changed = new Set<ActorRecord>();
  const outcomes = items.map((item, n) => applyItem(ledger, item, n, entry, changed));
  for (const record of changed) noteRecord(ledger.store, record);
  return outcomes;
};

// ---------------------------------------------------------------- from outside of the log

/** Has its code and has folded all that was taken, if that is possible here. */
export const lookAt = (ledger: Ledger, name: ActorName, read: KeyspaceReader): ActorRecord | null => {
  const record = recordOf(ledger.store, name, read);
  if (record === null || record.presence === 'gone') return null;
  if (record.backlog.length === 0) return record;
  catchUp(ledger, record);
  noteRecord(ledger.store, record);
  return record;
};

/** Folds what this replica has the code for by now, so many steps of it. True: there is more. */
export const catchUpSome = (ledger: Ledger, read: KeyspaceReader, steps: number): boolean => {
  let left = steps;
  for (const name of ledger.store.behind) {
    const record = recordOf(ledger.store, name, read)!;
    const before = record.backlog.length;
    catchUp(ledger, record, left);
    if (record.backlog.length === before) continue;
    noteRecord(ledger.store, record);
    left -= before - record.backlog.length;
    if (left <= 0) return true;
  }
  return false;
};

/** All of it as of its last step, for a `state` item; null: this replica has not folded so far. */
export const dumpOf = (record: ActorRecord): { seq: number; dump: Uint8Array } | null =>
  record.backlog.length > 0 || record.standing === 'empty' ? null : { seq: record.seq, dump: encodeDump(record) };

/** What removes it; null: it is gone already. */
export const removalOf = (name: ActorName, record: ActorRecord | null): LedgerItem => {
  const failed: [string, Failure['code']][] = [];
  for (const one of record === null ? [] : allDelivered(record.window))
    if (one.seq > 0 && one.failed !== null) failed.push([one.id, one.failed]);
  return { kind: 'remove', actor: name, seq: record === null ? 0 : record.seq - record.backlog.length, failed };
};

export const takeLedgerWrites = ({ store }: Ledger): KeyspaceWrite[] => takeWrites(store);
