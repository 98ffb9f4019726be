// The records of a group's actors: those in memory, what of them is not in the keyspace yet, and what a leader has to look after. What is
// not used goes from memory; it is read again when the next step comes.

import { createExpiries, type Expiries, schedule, unschedule } from '../register/expiry.ts';
import { requireRegister } from '../register/fault.ts';
import type { KeyspaceReader, KeyspaceWrite } from '../register/types.ts';
import { allocate } from '../wire/octets.ts';
import { areAnswers } from './ledger-answers.ts';
import { dropBody } from './ledger-fold.ts';
import { typeOfName } from './ledger-items.ts';
import { answersKey, effectRecordKey, headKey, stateKey, stepKey } from './ledger-keys.ts';
import { decodeEffect, decodeHead, decodeStep, encodeEffect, encodeHead, encodeStep, type Head } from './ledger-records.ts';
import { type ActorName, type ActorRecord, effectKey, ledgerLimits } from './ledger-types.ts';
import { forgottenWindow, newestOf, readWindow, writeWindow } from './ledger-window.ts';

/** Shared by all groups of a node. */
export type Residents = { count: number; readonly max: number };

export const createResidents = (max: number = ledgerLimits.residentsMax): Residents => ({ count: 0, max });

/** What of a record the keyspace has. */
type Written = { answers: Uint8Array | null; outbox: Set<string>; firstStep: number; nextStep: number };

const nothingWritten = (firstStep: number): Written => ({
  ...{ answers: null, outbox: new Set(), firstStep, nextStep: firstStep },
});

type Resident = {
  readonly record: ActorRecord;
  readonly written: Written;
  /** Since it was last looked at whether it may go. */
  isUsed: boolean;
};

export type LedgerStore = {
  readonly residents: Residents;
  /** Those that came or were passed over longest ago first. */
  readonly loaded: Map<ActorName, Resident>;
  readonly dirty: Set<ActorName>;
  /** Never out of memory while somebody needs its body. */
  readonly pinned: Map<ActorName, number>;
  actors: number;
  /** By type and version, how many there are. */
  readonly versions: Map<string, Map<number, number>>;
  /** Those with effects to be run, or something under way. */
  readonly busy: Set<ActorName>;
  /** Those of which this replica has steps that it has not folded. */
  readonly behind: Set<ActorName>;
  /** Their next timers, by log time. */
  readonly due: Expiries<'timer'>;
  /** When the last is forgotten of what was removed: the same on every replica. */
  readonly gone: Expiries<'gone'>;
};

export const createStore = (residents: Residents = createResidents()): LedgerStore => ({
  ...{ residents, loaded: new Map(), dirty: new Set(), pinned: new Map(), actors: 0, versions: new Map() },
  ...{ busy: new Set(), behind: new Set(), due: createExpiries('timer'), gone: createExpiries('gone') },
});

// ---------------------------------------------------------------- reading

const found = (name: ActorName, bytes: Uint8Array | undefined, what: string): Uint8Array => {
  requireRegister(bytes !== undefined, 'KEYSPACE_SOUND', `${what} of actor '${name}' is not in the keyspace`);
  return bytes;
};

const readRest = (head: Head, read: KeyspaceReader): Resident => {
  const { record } = head;
  const { name } = record;
  const written = nothingWritten(0);
  if (record.standing !== 'empty') {
    record.state = read(stateKey(name))?.slice() ?? null;
    record.answers = read(answersKey(name))?.slice() ?? null;
    const isSound = record.answers === null || areAnswers(record.answers);
    requireRegister(isSound, 'KEYSPACE_SOUND', `what actor '${name}' answered is malformed`);
  }
  written.answers = record.answers;
  for (const id of head.outbox) {
    record.outbox.set(effectKey(id), decodeEffect(id, found(name, read(effectRecordKey(name, id)), 'an effect').slice()));
    written.outbox.add(effectKey(id));
  }
  for (let seq = record.seq - head.backlog + 1; seq <= record.seq; seq++)
    record.backlog.push(decodeStep(name, seq, found(name, read(stepKey(name, seq)), `step ${seq}`).slice()));
  [written.firstStep, written.nextStep] = [record.seq - head.backlog + 1, record.seq + 1];
  record.window = readWindow(name, head.windowSize, head.windowNext, read);
  return { record, written, isUsed: false };
};

const release = (store: LedgerStore, name: ActorName, { record }: Resident): void => {
  dropBody(record);
  store.loaded.delete(name);
  store.residents.count--;
};

/** Those that are needed are passed over, but not more of them than this. Ends: who was given a chance is not used since. */
const passedOverMax = 64;

const evict = (store: LedgerStore): void => {
  const { residents, loaded, pinned, dirty } = store;
  let passedOver = 0;
  for (const [name, resident] of loaded) {
    if (residents.count <= residents.max || passedOver > passedOverMax) return;
    if (pinned.has(name) || dirty.has(name)) passedOver++;
    else if (resident.isUsed) {
      // Another chance: it goes to the end of the line (Corbató 1968).
      resident.isUsed = false;
      loaded.delete(name);
      loaded.set(name, resident);
    } else release(store, name, resident);
  }
};

const keep = (store: LedgerStore, resident: Resident): ActorRecord => {
  evict(store);
  store.loaded.set(resident.record.name, resident);
  store.residents.count++;
  return resident.record;
};

export const recordOf = (store: LedgerStore, name: ActorName, read: KeyspaceReader): ActorRecord | null => {
  const resident = store.loaded.get(name);
  if (resident !== undefined) {
    resident.isUsed = true;
    return resident.record;
  }
  const bytes = read(headKey(name));
  return bytes === undefined ? null : keep(store, readRest(decodeHead(name, bytes), read));
};

export const addRecord = (store: LedgerStore, record: ActorRecord): ActorRecord => {
  store.actors++;
  return keep(store, { record, written: nothingWritten(1), isUsed: false });
};

// ---------------------------------------------------------------- what is to be looked after

/** So many more (or fewer) are of that version. */
export const countVersion = ({ versions }: LedgerStore, name: ActorName, version: number, by: 1 | -1): void => {
  const type = typeOfName(name);
  const of = versions.get(type) ?? new Map<number, number>();
  const count = (of.get(version) ?? 0) + by;
  if (count > 0) of.set(version, count);
  else of.delete(version);
  if (of.size > 0) versions.set(type, of);
  else versions.delete(type);
};

/** By type, the versions of what is here. */
export const versionsOf = ({ versions }: LedgerStore): Map<string, { oldest: number; newest: number }> =>
  new Map(
    [...versions].map(([type, of]) => [type, { oldest: Math.min(...of.keys()), newest: Math.max(...of.keys()) }] as const),
  );

/** After each change. */
export const noteRecord = (store: LedgerStore, record: ActorRecord): void => {
  const { name } = record;
  store.dirty.add(name);
  const isLive = record.presence === 'live';
  if (isLive && (record.outbox.size > 0 || record.invoked.size > 0)) store.busy.add(name);
  else store.busy.delete(name);
  if (isLive && record.backlog.length > 0) store.behind.add(name);
  else store.behind.delete(name);
  let earliest = Number.POSITIVE_INFINITY;
  if (isLive) for (const { dueMs } of record.timers.values()) earliest = Math.min(earliest, dueMs);
  if (earliest !== Number.POSITIVE_INFINITY) schedule(store.due, 'timer', name, earliest);
  else unschedule(store.due, 'timer', name);
  if (record.presence === 'gone') schedule(store.gone, 'gone', name, newestOf(record.window) + ledgerLimits.windowMs);
  else unschedule(store.gone, 'gone', name);
};

/** Its body is not given up until it is let go as often. */
export const pin = (store: LedgerStore, name: ActorName): void => {
  store.pinned.set(name, (store.pinned.get(name) ?? 0) + 1);
};

export const unpin = (store: LedgerStore, name: ActorName): void => {
  const count = (store.pinned.get(name) ?? 0) - 1;
  if (count > 0) store.pinned.set(name, count);
  else store.pinned.delete(name);
};

// ---------------------------------------------------------------- writing

const writeOutbox = ({ record, written }: Resident, writes: KeyspaceWrite[]): void => {
  const { name, outbox } = record;
  for (const id of written.outbox) {
    if (outbox.has(id)) continue;
    const [index, n] = id.split('.').map(Number) as [number, number];
    writes.push({ key: effectRecordKey(name, { index, n }), value: null });
    written.outbox.delete(id);
  }
  for (const [id, effect] of outbox) {
    if (written.outbox.has(id)) continue;
    writes.push({ key: effectRecordKey(name, effect), value: encodeEffect(effect) });
    written.outbox.add(id);
  }
};

const writeBacklog = ({ record, written }: Resident, writes: KeyspaceWrite[]): void => {
  const { name, backlog, seq } = record;
  const first = seq - backlog.length + 1;
  for (let gone = written.firstStep; gone < Math.min(first, written.nextStep); gone++)
    writes.push({ key: stepKey(name, gone), value: null });
  for (const step of backlog)
    if (step.seq >= written.nextStep || step.seq < written.firstStep)
      writes.push({ key: stepKey(name, step.seq), value: encodeStep(step) });
  written.firstStep = first;
  written.nextStep = seq + 1;
};

const copyOf = (bytes: Uint8Array | null): Uint8Array | null => {
  if (bytes === null) return null;
  const copy = allocate(bytes.byteLength);
  copy.set(bytes);
  return copy;
};

const writeRecord = (resident: Resident, writes: KeyspaceWrite[]): void => {
  const { record, written } = resident;
  writeWindow(record.name, record.window, writes);
  writeOutbox(resident, writes);
  writeBacklog(resident, writes);
  if (record.isStateNew) writes.push({ key: stateKey(record.name), value: copyOf(record.state) });
  record.isStateNew = false;
  if (record.answers !== written.answers) writes.push({ key: answersKey(record.name), value: record.answers });
  written.answers = record.answers;
  writes.push({ key: headKey(record.name), value: encodeHead(record) });
};

/** Nothing of it is known any more. */
export const forgetRecord = (store: LedgerStore, record: ActorRecord): void => {
  record.window = forgottenWindow(record.window);
  store.actors--;
  noteRecord(store, record);
  unschedule(store.gone, 'gone', record.name);
  record.seq = 0;
};

/** What is not in the keyspace yet, in no more than one write for each record. */
export const takeWrites = (store: LedgerStore): KeyspaceWrite[] => {
  if (store.dirty.size === 0) return [];
  const writes: KeyspaceWrite[] = [];
  for (const name of store.dirty) {
    const resident = store.loaded.get(name)!;
    const isForgotten = resident.record.presence === 'gone' && resident.record.seq === 0;
    writeRecord(resident, writes);
    if (!isForgotten) continue;
    writes.push({ key: headKey(name), value: null });
    release(store, name, resident);
  }
  store.dirty.clear();
  evict(store);
  return writes;
};

/** All bodies end; what is in the keyspace stays. */
export const closeStore = (store: LedgerStore): void => {
  for (const [name, resident] of store.loaded) release(store, name, resident);
  store.dirty.clear();
};

// ---------------------------------------------------------------- after a start

/** One head of the keyspace. */
export const restoreHead = (store: LedgerStore, name: ActorName, bytes: Uint8Array): void => {
  const { record, newestMs, backlog, outbox } = decodeHead(name, bytes);
  store.actors++;
  if (record.presence !== 'gone') countVersion(store, name, record.version, 1);
  const isLive = record.presence === 'live';
  if (isLive && (outbox.length > 0 || record.invoked.size > 0)) store.busy.add(name);
  if (isLive && backlog > 0) store.behind.add(name);
  let earliest = Number.POSITIVE_INFINITY;
  if (isLive) for (const { dueMs } of record.timers.values()) earliest = Math.min(earliest, dueMs);
  if (earliest !== Number.POSITIVE_INFINITY) schedule(store.due, 'timer', name, earliest);
  if (record.presence === 'gone') schedule(store.gone, 'gone', name, newestMs + ledgerLimits.windowMs);
};
