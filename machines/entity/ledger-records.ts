// A replicated actor in the group's keyspace: a few records under its name, so that a step rewrites what it
// changed and no more (ledger-keys.ts).
// A dump is all of it in one piece, for a log entry.
import { type ErrorCode, errorTable } from '../errors.ts';
import { requireRegister } from '../register/fault.ts';
import {
  type Cursor,
  createInk,
  cursorOf,
  dry,
  inkByte,
  inkBytes,
  inkCount,
  inkText,
  isSpent,
  readByte,
  readBytes,
  readCount,
  readText,
} from '../wire/octets.ts';
import { areAnswers } from './ledger-answers.ts';
import { inkItem, readItem } from './ledger-items.ts';
import {
  type ActorName,
  type ActorRecord,
  type EffectId,
  effectKey,
  type Halt,
  type Invoked,
  ledgerLimits,
  type OutboxEffect,
  type Presence,
  type Standing,
  type Step,
  type StepItem,
  type Timer,
} from './ledger-types.ts';
import { allDelivered, newestOf, newWindow } from './ledger-window.ts';

const format = 2;

const presences: readonly Presence[] = ['live', 'halted', 'gone'];
const standings: readonly Standing[] = ['empty', 'active', 'done', 'failed'];
const textBytesMax = 64 << 10;
const anyBytesMax = 2 << 20;
const ink = createInk();

export const newRecord = (name: ActorName): ActorRecord => ({
  ...{ name, presence: 'live', halt: null, version: 0, seq: 0, sinceState: { steps: 0, bytes: 0 } },
  ...{ window: newWindow(), backlog: [] },
  ...{ standing: 'empty', reason: null, state: null, timers: new Map(), invoked: new Map(), outbox: new Map() },
  ...{ answers: null, failures: [], handled: 0, refused: 0, digest: 0 },
  ...{ body: null, isStateNew: false, marks: [], expected: null },
});

// ---------------------------------------------------------------- pieces

const inkHalt = ({ index, event, digests }: Halt): void => {
  inkCount(ink, index);
  inkText(ink, event);
  inkCount(ink, digests[0]);
  inkCount(ink, digests[1]);
};

const readHalt = (cursor: Cursor): Halt => {
  const [index, event] = [readCount(cursor), readText(cursor, textBytesMax)];
  return { index, event, digests: [readCount(cursor), readCount(cursor)] };
};

/** What the fold knows, but for the state and the bodies of effects. */
const inkFolded = (record: ActorRecord): void => {
  inkByte(ink, standings.indexOf(record.standing));
  inkText(ink, record.reason ?? '');
  inkCount(ink, record.handled);
  inkCount(ink, record.refused);
  inkCount(ink, record.digest);
  inkCount(ink, record.failures.length);
  for (const timeMs of record.failures) inkCount(ink, timeMs);
  inkCount(ink, record.timers.size);
  for (const [id, timer] of record.timers) {
    inkText(ink, id);
    inkText(ink, String(timer.delayMs));
    inkText(ink, String(timer.dueMs));
    inkCount(ink, timer.set);
  }
  inkCount(ink, record.invoked.size);
  for (const [path, { index, n, src, input, asked }] of record.invoked) {
    inkText(ink, path);
    inkCount(ink, index);
    inkCount(ink, n);
    inkText(ink, src);
    inkBytes(ink, input);
    inkByte(ink, asked ? 1 : 0);
  }
};

const readMany = (cursor: Cursor, max: number, read: () => void): void => {
  const count = readCount(cursor);
  if (count > max) cursor.failed = true;
  for (let done = 0; done < count && !cursor.failed; done++) read();
};

const readNumber = (cursor: Cursor): number => {
  const value = Number(readText(cursor, 32));
  if (!Number.isFinite(value)) cursor.failed = true;
  return value;
};

const readTimer = (cursor: Cursor): Timer => ({
  ...{ delayMs: readNumber(cursor), dueMs: readNumber(cursor), set: readCount(cursor) },
});

const readInvoked = (cursor: Cursor): Invoked => ({
  ...{ index: readCount(cursor), n: readCount(cursor), src: readText(cursor, textBytesMax) },
  ...{ input: readBytes(cursor, anyBytesMax).slice(), asked: readByte(cursor) === 1 },
});

const readFolded = (cursor: Cursor, record: ActorRecord): void => {
  const standing = standings[readByte(cursor)];
  const reason = readText(cursor, textBytesMax);
  if (standing === undefined) cursor.failed = true;
  record.standing = standing ?? 'empty';
  record.reason = reason === '' ? null : reason;
  record.handled = readCount(cursor);
  record.refused = readCount(cursor);
  record.digest = readCount(cursor);
  record.failures = [];
  readMany(cursor, ledgerLimits.windowMax, () => void record.failures.push(readCount(cursor)));
  record.timers = new Map();
  readMany(cursor, ledgerLimits.timersMax, () => void record.timers.set(readText(cursor, textBytesMax), readTimer(cursor)));
  record.invoked = new Map();
  readMany(cursor, ledgerLimits.invokedMax, () => void record.invoked.set(readText(cursor, textBytesMax), readInvoked(cursor)));
};

// ---------------------------------------------------------------- the records

export const encodeHead = (record: ActorRecord): Uint8Array => {
  inkByte(ink, format);
  inkByte(ink, presences.indexOf(record.presence));
  inkByte(ink, record.halt === null ? 0 : 1);
  if (record.halt !== null) inkHalt(record.halt);
  inkCount(ink, record.version);
  inkCount(ink, record.seq);
  inkCount(ink, record.sinceState.steps);
  inkCount(ink, record.sinceState.bytes);
  const { window } = record;
  inkCount(ink, window.next);
  inkCount(ink, window.next - window.first);
  inkCount(ink, record.presence === 'gone' ? newestOf(window) : 0);
  inkCount(ink, record.backlog.length);
  inkFolded(record);
  inkCount(ink, record.outbox.size);
  for (const { index, n } of record.outbox.values()) {
    inkCount(ink, index);
    inkCount(ink, n);
  }
  return dry(ink);
};

/** A head, and what else has to be read. */
export type Head = {
  record: ActorRecord;
  windowNext: number;
  windowSize: number;
  newestMs: number;
  backlog: number;
  outbox: EffectId[];
};

export const decodeHead = (name: ActorName, bytes: Uint8Array): Head => {
  const cursor = cursorOf(bytes);
  const record = newRecord(name);
  const isOurs = readByte(cursor) === format;
  const presence = presences[readByte(cursor)];
  record.halt = readByte(cursor) === 1 ? readHalt(cursor) : null;
  record.version = readCount(cursor);
  record.seq = readCount(cursor);
  record.sinceState = { steps: readCount(cursor), bytes: readCount(cursor) };
  const [windowNext, windowSize] = [readCount(cursor), readCount(cursor)];
  const [newestMs, backlog] = [readCount(cursor), readCount(cursor)];
  readFolded(cursor, record);
  const outbox: EffectId[] = [];
  readMany(cursor, ledgerLimits.outboxMax, () => void outbox.push({ index: readCount(cursor), n: readCount(cursor) }));
  const isSound = isOurs && presence !== undefined && windowSize <= windowNext && isSpent(cursor);
  requireRegister(isSound, 'KEYSPACE_SOUND', `the head of actor '${name}' is malformed`);
  record.presence = presence;
  return { record, windowNext, windowSize, newestMs, backlog, outbox };
};

export const encodeEffect = ({ timeMs, form }: OutboxEffect): Uint8Array => {
  inkCount(ink, timeMs);
  return dry(ink, form);
};

export const decodeEffect = (id: EffectId, bytes: Uint8Array): OutboxEffect => {
  const cursor = cursorOf(bytes);
  const timeMs = readCount(cursor);
  requireRegister(!cursor.failed, 'KEYSPACE_SOUND', `effect ${effectKey(id)} of an actor is malformed`);
  return { ...id, timeMs, form: bytes.subarray(cursor.at), live: null };
};

export const encodeStep = ({ index, n, timeMs, item }: Step): Uint8Array => {
  inkCount(ink, index);
  inkCount(ink, n);
  inkCount(ink, timeMs);
  inkItem(ink, item);
  return dry(ink);
};

const stepKinds: ReadonlySet<string> = new Set(['create', 'event', 'done', 'timer', 'answer', 'interrupt']);

export const decodeStep = (name: ActorName, seq: number, bytes: Uint8Array): Step => {
  const cursor = cursorOf(bytes);
  const [index, n, timeMs] = [readCount(cursor), readCount(cursor), readCount(cursor)];
  const item = readItem(cursor, name);
  const isSound = isSpent(cursor) && stepKinds.has(item.kind);
  requireRegister(isSound, 'KEYSPACE_SOUND', `step ${seq} of actor '${name}' is malformed`);
  return { seq, index, n, timeMs, item: item as StepItem };
};

// ---------------------------------------------------------------- dumps

/** What the fold made of an actor, in one piece. Delivery ids every replica knows by the log, but not which were refused by the fold. */
export const encodeDump = (record: ActorRecord): Uint8Array => {
  inkByte(ink, format);
  inkFolded(record);
  inkByte(ink, record.state === null ? 0 : 1);
  if (record.state !== null) inkBytes(ink, record.state);
  inkCount(ink, record.outbox.size);
  for (const { index, n, timeMs, form } of record.outbox.values()) {
    inkCount(ink, index);
    inkCount(ink, n);
    inkCount(ink, timeMs);
    inkBytes(ink, form);
  }
  const refused = allDelivered(record.window).filter(({ seq, failed }) => seq > 0 && failed !== null);
  inkCount(ink, refused.length);
  for (const { seq, failed } of refused) {
    inkCount(ink, seq);
    inkText(ink, failed!);
  }
  inkBytes(ink, record.answers ?? noAnswers);
  return dry(ink);
};

const noAnswers = new Uint8Array(0);

const readAnswers = (cursor: Cursor): Uint8Array | null => {
  const bytes = readBytes(cursor, anyBytesMax);
  if (bytes.byteLength === 0) return null;
  if (!areAnswers(bytes)) cursor.failed = true;
  return bytes.slice();
};

/** What a dump replaces. */
export type Dumped = Pick<
  ActorRecord,
  'standing' | 'reason' | 'state' | 'timers' | 'invoked' | 'outbox' | 'answers' | 'failures' | 'handled' | 'refused' | 'digest'
>;

/** `failed`: by the step of a delivery, what it was refused with. */
export const decodeDump = (name: ActorName, bytes: Uint8Array): { dumped: Dumped; failed: Map<number, ErrorCode> } | null => {
  const cursor = cursorOf(bytes);
  const record = newRecord(name);
  if (readByte(cursor) !== format) return null;
  readFolded(cursor, record);
  if (readByte(cursor) === 1) record.state = readBytes(cursor, anyBytesMax).slice();
  readMany(cursor, ledgerLimits.outboxMax, () => {
    const id = { index: readCount(cursor), n: readCount(cursor) };
    const timeMs = readCount(cursor);
    record.outbox.set(effectKey(id), { ...id, timeMs, form: readBytes(cursor, anyBytesMax).slice(), live: null });
  });
  const refusedWith = new Map<number, ErrorCode>();
  readMany(cursor, ledgerLimits.windowMax, () => {
    const [seq, code] = [readCount(cursor), readText(cursor, textBytesMax)];
    if (Object.hasOwn(errorTable, code)) refusedWith.set(seq, code as ErrorCode);
  });
  record.answers = readAnswers(cursor);
  if (!isSpent(cursor)) return null;
  const { standing, reason, state, timers, invoked, outbox, answers, failures, handled, refused, digest } = record;
  return {
    dumped: { standing, reason, state, timers, invoked, outbox, answers, failures, handled, refused, digest },
    failed: refusedWith,
  };
};
