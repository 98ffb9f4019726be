// What the end of a call says of the other side. What the caller did wrong, or what was refused before the call left, says nothing
// (row B2); an answer that decides something says that it works.
import type { ErrorCode } from '../errors.ts';
import type { Outcome } from './state.ts';

/** It did not answer, or what it answered is its own fault. */
const failures: ReadonlySet<ErrorCode> = new Set([
  ...(['UNREACHABLE', 'OUTCOME_UNKNOWN', 'INTERNAL', 'STORAGE_FAILED'] as const),
  ...(['NOT_READY', 'STOPPING', 'IDENTITY_LOST', 'SERVICE_FAILED'] as const),
]);

/** It looked, and this is how it is. */
const answers: ReadonlySet<ErrorCode> = new Set([
  ...(['KEY_NOT_FOUND', 'CAS_MISMATCH', 'FENCED', 'LOCK_HELD', 'LEASE_NOT_FOUND', 'COMPACTED', 'SERVICE_REFUSED'] as const),
]);

/** Who waits for less than this has learned nothing when it is over: a caller in a hurry must not close the door for all others. */
export const patienceMs = 100;

/**
 * `null`: it succeeded. Everything that is neither a failure nor an answer says nothing: the caller's errors (INVALID_REQUEST,
 * FORBIDDEN …), the refusal of a peer that is alive and busy (OVERLOADED), or what concerns a whole group of peers (NO_QUORUM).
 */
export const outcomeOf = (code: ErrorCode | null, tookMs: number): Outcome => {
  if (code === null || answers.has(code)) return 'success';
  if (code === 'OUTCOME_UNKNOWN' && tookMs < patienceMs) return 'none';
  return failures.has(code) ? 'failure' : 'none';
};
