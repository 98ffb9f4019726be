// What an attempt that failed means for its call: whether it may be tried again, where, and whether it may have happened all the same.
import { type ErrorCode, errorTable, type Failure, failure } from '../errors.ts';

/** How an attempt ended without a result. */
export type AttemptEnd =
  /** It never left this node: nothing happened, and nobody was troubled. */
  | 'unsent'
  /** Whoever was asked says so. */
  | 'answered'
  /** The connection went while it was there: perhaps it happened. */
  | 'lost';

export type Verdict =
  | 'end'
  /** At another node, at once; when all were asked, after a pause. `costs`: it is a retry; else nobody's load is raised by it. */
  | 'elsewhere'
  | 'elsewhere-costs'
  /** At the same node once it is there again, which alone can know. */
  | 'same';

/** Said by a node that does not execute it, though another may. */
const moved: ReadonlySet<ErrorCode> = new Set(['STOPPING', 'NOT_READY', 'SERVICE_NOT_FOUND']);

export const verdictOf = (end: AttemptEnd, code: ErrorCode, idempotent: boolean): Verdict => {
  if (end === 'unsent') return 'elsewhere';
  if (end === 'lost') return idempotent ? 'elsewhere-costs' : 'same';
  if (moved.has(code)) return 'elsewhere';
  return code === 'OVERLOADED' ? 'elsewhere-costs' : 'end';
};

/** Surely nothing was done, and it may be later: who asks again under the same id asks for the first time. */
export const mayBeAskedAgain = (code: ErrorCode): boolean => errorTable[code].definite && errorTable[code].retryable;

const backoffMsMin = 40;
const backoffMsMax = 1_000;

/** Half of it is chance (`fraction` in [0, 1)); never less than what was asked for. */
export const pauseMs = (round: number, fraction: number, retryAfterMs: number): number =>
  Math.max(retryAfterMs, Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(round, 10)) * (0.5 + fraction / 2));

/** When to come back, as a refusal says it; 0: it says nothing. */
export const retryAfterOf = ({ details }: Failure): number => {
  const after = details?.retryAfterMs;
  return typeof after === 'number' && after > 0 ? after : 0;
};

/** What the call says in the end. `isInDoubt`: an earlier attempt may have had its effect, so nothing is certain any more. */
export const endOf = (last: Failure, isInDoubt: boolean): Failure => {
  if (!isInDoubt || !errorTable[last.code].definite) return last;
  return failure('OUTCOME_UNKNOWN', `it may have happened: ${last.message}`, { ...last.details, last: last.code });
};
