// What was applied, on its way to this node's disk: one value of the log for all of a turn. What may be said only once it is there
// (decision 2) is said from here: the answers to whoever changed something, own deltas, and what waits for `written`.
import { type Failure, failure } from '../machines/errors.ts';
import type { ReplicaStore } from './replica-store.ts';
import type { Scope } from './supervise.ts';

export const replicaLogLimits = {
  /** Records that are not on the disk yet; more changes are refused. */
  unwrittenMax: 65_536,
  /** Records of one value of the log. */
  batchMax: 4_096,
} as const;

export type ReplicaLogArguments = {
  scope: Scope;
  store: ReplicaStore;
  /** Own records that are on the disk: others may hear of them. */
  tell: (packed: Uint8Array) => void;
  /** `written` grew. */
  onWritten: () => void;
};

export interface ReplicaLog {
  /** Packed, in the order in which they were applied. */
  append(packed: Uint8Array, isOwn: boolean, done: (why: Failure | null) => void): void;
  /** `done` once everything appended so far is on the disk: who asked for what is so already may rely on it too. */
  afterAll(done: (why: Failure | null) => void): void;
  /** More than it should be: the disk does not keep up. */
  readonly isFull: boolean;
  /** Records handed to it in this incarnation, and of them those that are on the disk; they get there in their order. */
  readonly appended: number;
  readonly written: number;
  /** What was not handed to the disk was not done; of the rest nobody knows. */
  stop(): void;
}

type Waiting = { needs: number; done: (why: Failure | null) => void };
type Entry = { packed: Uint8Array; isOwn: boolean; done: (why: Failure | null) => void };

export const createReplicaLog = ({ scope, store, tell, onWritten }: ReplicaLogArguments): ReplicaLog => {
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

  const flush = (): void => {
    flushes = false;
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

  return {
    append(packed, isOwn, done) {
      pending.push({ packed, isOwn, done });
      unwritten++;
      appended++;
      flushSoon();
    },
    afterAll(done) {
      // After a refusal `written` never catches up, and the writer refuses for good.
      if (written === appended || refused !== null) return done(refused);
      waiting.push({ needs: appended, done });
    },
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
      for (const { done } of pending.splice(0)) done(failure('STOPPING', 'the node stops, or its replicator begins anew'));
      const unknown = failure('OUTCOME_UNKNOWN', 'the node stopped, or its replicator, before the disk answered');
      for (const batch of underWay) for (const { done } of batch) done(unknown);
      for (const { done } of waiting.splice(0)) done(unknown);
    },
  };
};
