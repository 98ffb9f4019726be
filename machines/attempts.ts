// When a call on a cluster may be tried again, on another node or later: only where that is safe. Nothing can have happened, or doing
// it twice is doing it once (reads, and writes under an idempotency key). After an attempt whose end nobody knows, only an answer
// that the log itself gave can still say what happened.
import { type ErrorCode, type Failure, failure } from './errors.ts';

/** Another node, or the same one later, may do better; nothing happened. */
const elsewhere: ReadonlySet<ErrorCode> = new Set([
  ...(['OVERLOADED', 'NO_QUORUM', 'NOT_READY', 'STOPPING', 'UNREACHABLE', 'IDENTITY_LOST'] as const),
  ...(['BREAKER_OPEN', 'RATE_LIMITED', 'SERVICE_NOT_FOUND', 'ACTOR_NOT_FOUND', 'MAILBOX_FULL'] as const),
]);
/** Perhaps it happened: only what is repeatable may be tried again. */
const unknown: ReadonlySet<ErrorCode> = new Set(['OUTCOME_UNKNOWN', 'STORAGE_FAILED']);
/** Given by the register in log order: true of the request whatever became of earlier attempts under the same idempotency key. */
const decided: ReadonlySet<ErrorCode> = new Set([
  ...(['KEY_NOT_FOUND', 'CAS_MISMATCH', 'FENCED', 'LOCK_HELD', 'LEASE_NOT_FOUND', 'IDEMPOTENCY_CONFLICT'] as const),
  ...(['QUEUE_NOT_FOUND', 'QUEUE_NOT_EMPTY', 'RECEIPT_EXPIRED'] as const),
]);

const attemptMsMin = 1_000;
const attemptsPerCall = 3;
const nodeMarginMsMax = 250;
const backoffMsMin = 40;
const backoffMsMax = 1_000;

export type Attempted = {
  /** It changes something. */
  effect: boolean;
  /** Twice is the same as once. */
  repeatable: boolean;
};

/** What one attempt may take of a call's time: with other nodes to turn to, not all of it. */
export const attemptMsOf = (timeoutMs: number, nodes: number): number =>
  nodes === 1 ? timeoutMs : Math.max(attemptMsMin, timeoutMs / attemptsPerCall);

/** What the node is told to take at most, so that it answers before its caller stops to listen. */
export const nodeMsOf = (attemptMs: number): number =>
  Math.max(1, Math.floor(attemptMs - Math.min(nodeMarginMsMax, attemptMs / 10)));

/** `sent`: the request may have reached the node. `isInDoubt`: an earlier attempt may have had its effect. */
export const afterAttempt = (
  { effect, repeatable }: Attempted,
  { code, sent }: { code: ErrorCode; sent: boolean },
  isInDoubt: boolean,
): { isInDoubt: boolean; mayTryAgain: boolean } => {
  const isUnknown = effect && (unknown.has(code) || (code === 'UNREACHABLE' && sent));
  const doubt = isInDoubt || isUnknown;
  return { isInDoubt: doubt, mayTryAgain: (elsewhere.has(code) || unknown.has(code)) && (repeatable || !doubt) };
};

/** What the call says in the end, whose last attempt failed so. */
export const endOfCall = (last: Failure, isInDoubt: boolean): Failure => {
  if (!isInDoubt || decided.has(last.code) || last.code === 'OUTCOME_UNKNOWN') return last;
  return failure('OUTCOME_UNKNOWN', `it may have happened: ${last.message}`, last.details);
};

/** Half of it is chance (`fraction` in [0, 1)), so that clients that failed together do not come back together. */
export const backoffMs = (round: number, fraction: number): number =>
  Math.min(backoffMsMax, backoffMsMin * 2 ** round) * (0.5 + fraction / 2);
