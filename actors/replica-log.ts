// What was applied, on its way to this node's disk: one value of the log for all of a turn. What may be said only once it is there
// (decision 2) is said from here: the answers to whoever changed something, own deltas, and what waits for `written`. A policy
// (`SyncPolicy`) lets records wait for company and answers them at once; what others are told waits for the disk whatever it is, since
// the numbers of changes that a crash takes are given again.
import { type Failure, failure } from '../machines/errors.ts';
import type { SyncPolicy } from './api.ts';
import type { ClockPort, Timer } from './ports/index.ts';
import type { ReplicaStore } from './replica-store.ts';
import type { Scope } from './supervise.ts';

export const replicaLogLimits = {
  /** Records that are not on the disk yet; more changes are refused. */
  unwrittenMax: 65_536,
  /** Records of one value of the log. */
  batchMax: 4_096,
  /** Records that are in no hurry; more of them are. */
  patientMax: 4_096,
  /** The longest that others wait to hear of what is in no hurry; 'never' waits so long. */
  patienceMsMax: 1_000,
} as const;

type Done = (why: Failure | null) => void;

export type ReplicaLogArguments = {
  scope: Scope;
  clock: ClockPort;
  store: ReplicaStore;
  /** Own records that are on the disk: others may hear of them. */
  tell: (packed: Uint8Array) => void;
  /** `written` grew. */
  onWritten: () => void;
};

export interface ReplicaLog {
  /** Packed, in the order in which they were applied; `done` once it is on the disk, or at once if `sync` is not 'write'. */
  append(packed: Uint8Array, isOwn: boolean, sync: SyncPolicy, done: Done): void;
  /** `done` once everything appended so far is as safe as `sync` says: who asked for what is so already may rely on it too. */
  afterAll(sync: SyncPolicy, done: Done): void;
  /** Somebody waits for `written` to reach `appended`. */
  hurry(): void;
  /** More than it should be: the disk does not keep up. */
  readonly isFull: boolean;
  /** Records handed to it in this incarnation, and of them those that are on the disk; they get there in their order. */
  readonly appended: number;
  readonly written: number;
  /** What was not handed to the disk was not done, unless it was answered already: then it is handed over now. Of the rest nobody knows. */
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

type Waiting = { needs: number; done: Done };
type Entry = { packed: Uint8Array; isOwn: boolean; isAnswered: boolean; done: Done };
const answered: Done = () => {};

export const createReplicaLog = ({ scope, clock, store, tell, onWritten }: ReplicaLogArguments): ReplicaLog => {
  const pending: Entry[] = [];
  /** Handed to the writer and not answered. */
  const underWay = new Set<readonly Entry[]>();
  /** Oldest first. */
  const waiting: Waiting[] = [];
  let unwritten = 0;
  let appended = 0;
  let written = 0;
  let refused: Failure | null = null;
  let flushes = false;
  /** For what is in no hurry. */
  let alarm: { timer: Timer; atMs: number } | null = null;

  /** A disk that refused one batch writes none after it: nobody waits on. */
  const answerWaiting = (): void => {
    const later = refused === null ? waiting.findIndex(({ needs }) => needs > written) : -1;
    for (const { done } of waiting.splice(0, later === -1 ? waiting.length : later)) done(refused);
  };

  const flushSoon = (): void => {
    if (flushes) return;
    flushes = true;
    scope.soon(flush);
  };

  const flushWithin = (patienceMs: number): void => {
    if (patienceMs === 0 || pending.length >= replicaLogLimits.patientMax) return flushSoon();
    const atMs = clock.nowMs() + patienceMs;
    if (flushes || (alarm !== null && alarm.atMs <= atMs)) return;
    alarm?.timer.cancel();
    alarm = { timer: scope.after(patienceMs, flush), atMs };
  };

  const flush = (): void => {
    flushes = false;
    alarm?.timer.cancel();
    alarm = null;
    const batch = pending.splice(0, replicaLogLimits.batchMax);
    if (batch.length === 0) return;
    underWay.add(batch);
    store.append(
      batch.map(({ packed }) => packed),
      scope.guard((why) => {
        underWay.delete(batch);
        unwritten -= batch.length;
        if (why === null) {
          written += batch.length;
          for (const { packed, isOwn } of batch) if (isOwn) tell(packed);
          onWritten();
        }
        if (why !== null) refused = failure('STORAGE_FAILED', why.message);
        for (const { done } of batch) done(refused);
        answerWaiting();
        if (store.isLong) store.checkpoint(() => {});
      }),
    );
    if (pending.length > 0) flushSoon();
  };

  const hurry = (): void => {
    if (pending.length > 0) flushSoon();
  };

  return {
    append(packed, isOwn, sync, done) {
      const isAnswered = sync !== 'write';
      pending.push({ packed, isOwn, isAnswered, done: isAnswered ? answered : done });
      unwritten++;
      appended++;
      flushWithin(patienceOf(sync));
      // After a refusal nothing is done any more, however little is asked for.
      if (isAnswered) done(refused);
    },
    afterAll(sync, done) {
      // After a refusal `written` never catches up, and the writer refuses for good.
      if (written === appended || refused !== null || sync !== 'write') return done(refused);
      waiting.push({ needs: appended, done });
      hurry();
    },
    hurry,
    get isFull() {
      return unwritten + waiting.length >= replicaLogLimits.unwrittenMax;
    },
    get appended() {
      return appended;
    },
    get written() {
      return written;
    },
    stop() {
      const left = pending.splice(0);
      const owed = left.findLastIndex(({ isAnswered }) => isAnswered) + 1;
      // All before it too: they build on each other. The writer stops last.
      for (let at = 0; at < owed; at += replicaLogLimits.batchMax) {
        const batch = left.slice(at, Math.min(owed, at + replicaLogLimits.batchMax));
        underWay.add(batch);
        store.append(
          batch.map(({ packed }) => packed),
          () => {},
        );
      }
      for (const { done } of left.slice(owed)) done(failure('STOPPING', 'the node stops, or its replicator begins anew'));
      const unknown = failure('OUTCOME_UNKNOWN', 'the node stopped, or its replicator, before the disk answered');
      for (const batch of underWay) for (const { done } of batch) done(unknown);
      for (const { done } of waiting.splice(0)) done(unknown);
    },
  };
};
