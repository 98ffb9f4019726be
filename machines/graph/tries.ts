// One call after the other for the same thing: when a failure is worth another try, and what stands for the references of an input.
import { errorTable, type Failure } from '../errors.ts';
import { graphLimits as max } from './limits.ts';
import type { PlannedCall } from './plan.ts';
import { fillInput, type LookUp, referenceText } from './references.ts';
import type { GraphRun, Tries } from './state.ts';
import type { CallOf, GraphEvent, ReadyCall } from './types.ts';
import { atPath, placeOf } from './values.ts';

export const isDoubtful = ({ code }: Failure, isInDoubt = false): boolean => isInDoubt || !errorTable[code].definite;

/** When to try again; null: not at all. Never where it could come to the same effect twice. */
export const retryAt = (run: GraphRun, call: PlannedCall, tries: Tries, why: Failure, untilMs: number): number | null => {
  const isDoubt = isDoubtful(why);
  const isSafe = run.idempotent.has(call) || !isDoubt;
  const mayPass = errorTable[why.code].retryable || (isDoubt && why.code !== 'CANCELLED');
  if (!isSafe || !mayPass || tries.attempt > call.retry.times) return null;
  const delayMs = Math.min(max.retryDelayMsMax, call.retry.delayMs * 2 ** (tries.attempt - 1));
  const askedMs = why.details?.retryAfterMs;
  const atMs = run.nowMs + Math.max(delayMs, typeof askedMs === 'number' ? askedMs : 0);
  return atMs < untilMs ? atMs : null;
};

/** Enters what a try came to. */
export const count = (tries: Tries, ended: Extract<GraphEvent, { type: 'ended' }>): void => {
  tries.attempts += ended.attempts;
  tries.node = ended.node ?? tries.node;
  tries.failure = ended.outcome.ok ? null : ended.outcome.failure;
};

// ---------------------------------------------------------------- inputs

const endings: Record<string, string> = { skipped: 'which was skipped', failed: 'which failed' };

/** What references stand for now. */
export const lookUpIn =
  (run: GraphRun): LookUp =>
  (referred) => {
    const progress = run.steps[run.plan.places.get(referred.step)!]!;
    const { status, result, tries } = progress;
    const text = referenceText(referred);
    if (referred.of === 'failure') {
      const why = status === 'failed' ? tries.failure : null;
      const found = why === null ? { found: false } : atPath({ details: {}, ...why }, referred.path);
      return { found: true, value: found.found ? found.value : (referred.or?.value ?? null) };
    }
    const found = status === 'done' ? atPath(result, referred.path) : { found: false };
    if (found.found) return { found: true, value: found.value };
    if (referred.or !== null) return { found: true, value: referred.or.value };
    const why = status === 'done' ? 'and there is no such part in its result' : (endings[status] ?? 'which has no result');
    return { found: false, why: `refers to ${text}, ${why}` };
  };

export const fill = (run: GraphRun, call: PlannedCall, untilMs: number): { call: ReadyCall } | { failure: Failure } => {
  const { input, walk } = fillInput(call.input, lookUpIn(run));
  if (walk.wrong !== null) {
    const { code, path, message } = walk.wrong;
    return { failure: { code, message: `${placeOf(path)} ${message}` } };
  }
  const { service, method, version, timeoutMs, strategy, key, node } = call;
  const leftMs = Math.max(1, Math.floor(untilMs - run.nowMs));
  return {
    call: {
      ...{ service, method, input, timeoutMs: Math.min(leftMs, timeoutMs ?? max.callTimeoutMsMax) },
      ...(version === null ? {} : { version }),
      ...(strategy === null ? {} : { strategy }),
      ...(key === null ? {} : { key }),
      ...(node === null ? {} : { node }),
    },
  };
};

/** A call that is under way, once more as it was made: what it refers to has settled. Null: it is not under way. */
export const callUnderWay = (
  run: GraphRun,
  { kind, step: name, attempt }: CallOf,
): { planned: PlannedCall; call: ReadyCall } | null => {
  const { undoing } = run;
  const progress = run.steps[run.plan.places.get(name) ?? -1];
  const isStep = kind === 'step' && progress?.status === 'running';
  const isUndoing = kind === 'compensation' && undoing?.isRunning === true && undoing.progress === progress;
  const tries = isStep ? progress.tries : isUndoing ? undoing.tries : null;
  if (progress === undefined || tries?.attempt !== attempt) return null;
  const planned = isStep ? progress.planned.call : undoing!.call;
  const filled = fill(run, planned, isStep ? run.deadlineMs : run.undoDeadlineMs);
  return 'call' in filled ? { planned, call: filled.call } : null;
};
