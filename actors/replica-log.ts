// What was applied, on its way to this node's disk: all of a turn in one value of the log, and one value at a time under way, so that
// what comes meanwhile shares the next sync. What may be said only once it is there (decision 2) is said from here: the answers to whoever
// changed something, own deltas, and what waits for `written`. A policy (`SyncPolicy`) lets records wait for company and answers them at
// once; what others are told waits for the disk whatever it is, since the numbers of changes that a crash takes are given again.
import { type Failure, failure } from '../machines/errors.ts';
import {
  addHeard,
  addOwn,
  addState,
  bytesOfBatch,
  createRecordBatch,
  type DeltaRecord,
  emptyBatch,
  isBatchFull,
  type Piece,
  piecesOf,
  type RecordBatch,
  type ReplicatedObject,
} from '../machines/replicator/index.ts';
import type { Outcome, SyncPolicy } from './api.ts';
import type { ClockPort, SinkPort, Timer } from './ports/index.ts';
import type { ReplicaStore } from './replica-store.ts';
import type { Scope } from './supervise.ts';

export const replicaLogLimits = {
  /** Changes that are not on the disk yet, and bytes of them; more are refused. */
  unwrittenMax: 65_536,
  unwrittenBytesMax: 32 << 20,
  /** The longest that others wait to hear of what is in no hurry; 'never' waits so long. */
  patienceMsMax: 1_000,
} as const;

type Done = (outcome: Outcome<null>) => void;

export type ReplicaLogArguments = {
  scope: Scope;
  clock: ClockPort;
  sink: SinkPort;
  store: ReplicaStore;
  /** Own records that are on the disk: others may hear of them. */
  tell: (piece: Piece) => void;
  /** `written` grew. */
  onWritten: () => void;
};

export interface ReplicaLog {
  /**
   * A change made here, in the order in which all is applied; answers how many bytes it takes. `done` once it is on the disk, or at
   * once if `sync` is not 'write'.
   */
  append(object: ReplicatedObject, record: DeltaRecord, sync: SyncPolicy, done: Done): number;
  /** Records of others, packed one behind the other. */
  appendHeard(packed: Uint8Array, records: number): void;
  /** A whole state of another, packed, that was joined. */
  appendState(type: string, key: string, form: Uint8Array): void;
  /** `done` once everything appended so far is as safe as `sync` says: who asked for what is so already may rely on it too. */
  afterAll(sync: SyncPolicy, done: Done): void;
  /** Somebody waits for `written` to reach `appended`. */
  hurry(): void;
  /** Why nothing gets to the disk any more; null: it does. */
  readonly refusal: Failure | null;
  /** More than it should be: the disk does not keep up. */
  readonly isFull: boolean;
  /** Changes handed to it in this incarnation, and of them those that are on the disk; they get there in their order. */
  readonly appended: number;
  readonly written: number;
  /**
   * What was not handed to the disk was not done, unless it was answered already or may be in a state that is being written: then it is
   * handed over now. Of the rest nobody knows.
   */
  stop(): void;
}

/** Why it is no policy, or null. */
export const syncProblem = (sync: unknown): string | null => {
  if (sync === 'write' || sync === 'never') return null;
  const everyMs = typeof sync === 'object' && sync !== null ? (sync as { everyMs?: unknown }).everyMs : undefined;
  const max = replicaLogLimits.patienceMsMax;
  return Number.isInteger(everyMs) && (everyMs as number) >= 1 && (everyMs as number) <= max
    ? null
    : `sync is neither 'write' nor 'never' nor { everyMs } of 1 to ${max} milliseconds`;
};

/** How long it may wait for company. */
const patienceOf = (sync: SyncPolicy): number =>
  sync === 'write' ? 0 : sync === 'never' ? replicaLogLimits.patienceMsMax : sync.everyMs;

type Open = {
  readonly batch: RecordBatch;
  /** The answers of whoever waits for it. */
  readonly dones: Done[];
  /** It waits for no company. */
  isUrgent: boolean;
  /** Something in it was answered already. */
  isOwed: boolean;
};
/** Handed to the writer and not answered. */
type UnderWay = { changes: number; bytes: number; pieces: Piece[]; dones: Done[] };
type Waiting = { needs: number; done: Done };

const done: Outcome<null> = { ok: true, value: null };
const refusal = (code: 'STORAGE_FAILED' | 'STOPPING' | 'OUTCOME_UNKNOWN', why: string): Outcome<null> => ({
  ok: false,
  failure: failure(code, why),
});

/** Whoever throws at his answer is told of in the log: the others have a right to theirs, and the actor to go on. */
export const answerAll = (sink: SinkPort, dones: readonly Done[], outcome: Outcome<null>): void => {
  for (let at = 0; at < dones.length; )
    try {
      while (at < dones.length) dones[at++]!(outcome);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      sink.log('error', 'ANSWER_THREW', why, { stack: error instanceof Error ? error.stack : undefined });
    }
};

export const createReplicaLog = ({ scope, clock, sink, store, tell, onWritten }: ReplicaLogArguments): ReplicaLog => {
  /** Oldest first; the last one takes what comes. */
  const open: Open[] = [];
  let spare: RecordBatch | null = null;
  let underWay: UnderWay | null = null;
  /** Oldest first. */
  const waiting: Waiting[] = [];
  let unwritten = 0;
  let unwrittenBytes = 0;
  let appended = 0;
  let written = 0;
  /** What is said of everything that the disk has answered. */
  let outcome: Outcome<null> = done;
  let flushes = false;
  /** For what is in no hurry. */
  let alarm: { timer: Timer; atMs: number } | null = null;

  /** A disk that refused one batch writes none after it: nobody waits on. */
  const answerWaiting = (): void => {
    const later = outcome.ok ? waiting.findIndex(({ needs }) => needs > written) : -1;
    const dones = waiting.splice(0, later === -1 ? waiting.length : later).map((one) => one.done);
    answerAll(sink, dones, outcome);
  };

  const flush = (): void => {
    flushes = false;
    if (underWay !== null) return;
    const next = open.shift();
    if (next === undefined) return;
    if (open.length === 0) {
      alarm?.timer.cancel();
      alarm = null;
    }
    const { batch, dones } = next;
    const bytes = bytesOfBatch(batch);
    const flushed: UnderWay = { changes: batch.changes, bytes: bytes.byteLength, pieces: piecesOf(batch), dones };
    underWay = flushed;
    // What a disk refuses is kept readable, up to a limit: one that refused once is given nothing more.
    if (!outcome.ok) return onFlushed(flushed, outcome.failure.message);
    store.append(
      bytes,
      scope.guard((why) => onFlushed(flushed, why === null ? null : why.message)),
    );
    spare = emptyBatch(batch);
  };

  const onFlushed = ({ changes, bytes, pieces, dones }: UnderWay, why: string | null): void => {
    underWay = null;
    unwritten -= changes;
    unwrittenBytes -= bytes;
    if (why !== null) outcome = refusal('STORAGE_FAILED', why);
    else written += changes;
    // The disk works while the answers are given.
    if (open[0]?.isUrgent === true) flush();
    if (why === null) {
      for (const piece of pieces) tell(piece);
      onWritten();
    }
    answerAll(sink, dones, outcome);
    answerWaiting();
    if (store.isLong) store.checkpoint(() => {});
  };

  const room = (): Open => {
    const last = open.at(-1);
    if (last !== undefined && !isBatchFull(last.batch)) return last;
    const next = { batch: spare ?? createRecordBatch(), dones: [], isUrgent: false, isOwed: false };
    spare = null;
    open.push(next);
    return next;
  };

  const hurry = (): void => {
    const last = open.at(-1);
    if (last === undefined) return;
    last.isUrgent = true;
    if (flushes || underWay !== null) return;
    flushes = true;
    scope.soon(flush);
  };

  const hurryWithin = (patienceMs: number): void => {
    const atMs = clock.nowMs() + patienceMs;
    if (alarm !== null && alarm.atMs <= atMs) return;
    alarm?.timer.cancel();
    const ring = (): void => {
      alarm = null;
      hurry();
    };
    alarm = { timer: scope.after(patienceMs, ring), atMs };
  };

  /** A full batch waits neither for company nor for the end of the turn. */
  const added = (last: Open, changes: number, bytes: number, patienceMs: number): void => {
    unwritten += changes;
    unwrittenBytes += bytes;
    appended += changes;
    if (isBatchFull(last.batch)) {
      last.isUrgent = true;
      flush();
    } else if (last.isUrgent) return;
    else if (patienceMs === 0) hurry();
    else hurryWithin(patienceMs);
  };

  return {
    append(object, record, sync, answer) {
      const last = room();
      const before = last.batch.ink.at;
      const bytes = addOwn(last.batch, object, record);
      if (sync === 'write') last.dones.push(answer);
      else last.isOwed = true;
      added(last, 1, last.batch.ink.at - before, patienceOf(sync));
      // After a refusal nothing is done any more, however little is asked for.
      if (sync !== 'write') answerAll(sink, [answer], outcome);
      return bytes;
    },
    appendHeard(packed, records) {
      const last = room();
      addHeard(last.batch, packed, records);
      added(last, records, packed.byteLength, 0);
    },
    appendState(type, key, form) {
      const last = room();
      const before = last.batch.ink.at;
      addState(last.batch, type, key, form);
      added(last, 1, last.batch.ink.at - before, 0);
    },
    afterAll(sync, answer) {
      // After a refusal `written` never catches up, and the writer refuses for good.
      if (written === appended || !outcome.ok || sync !== 'write') return answerAll(sink, [answer], outcome);
      waiting.push({ needs: appended, done: answer });
      hurry();
    },
    hurry,
    get refusal() {
      return outcome.ok ? null : outcome.failure;
    },
    get isFull() {
      const { unwrittenMax, unwrittenBytesMax } = replicaLogLimits;
      return unwritten + waiting.length >= unwrittenMax || unwrittenBytes >= unwrittenBytesMax;
    },
    get appended() {
      return appended;
    },
    get written() {
      return written;
    },
    stop() {
      const undone = refusal('STOPPING', 'the node stops, or its replicator begins anew');
      const unknown = refusal('OUTCOME_UNKNOWN', 'the node stopped, or its replicator, before the disk answered');
      // All before what is owed too: they build on each other; and all where states are being written, which may hold them already.
      // The writer stops last.
      const owed = store.isWriting ? open.length : open.findLastIndex(({ isOwed }) => isOwed) + 1;
      for (const { batch } of open.slice(0, owed)) store.append(bytesOfBatch(batch), () => {});
      store.stop();
      answerAll(sink, underWay?.dones ?? [], unknown);
      for (const [at, { dones }] of open.splice(0).entries()) answerAll(sink, dones, at < owed ? unknown : undone);
      for (const one of waiting.splice(0)) answerAll(sink, [one.done], unknown);
    },
  };
};
