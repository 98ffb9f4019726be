// What is told of a run: a step when it has settled, and all of it in the end.
import { errorTable, type Failure, failure } from '../errors.ts';
import type { GraphRun, Progress, Tries } from './state.ts';
import type { CompensationReport, GraphOutcome, StepReport } from './types.ts';

const timesOf = ({ beganMs, nowMs }: GraphRun, { startedMs, node, attempts }: Tries, endedMs = nowMs) => ({
  startedMs: startedMs === null ? null : startedMs - beganMs,
  tookMs: startedMs === null ? 0 : endedMs - startedMs,
  ...{ node, attempts },
});

export const compensationReport = (run: GraphRun, tries: Tries, why: Failure | null): CompensationReport => ({
  ...{ status: why === null ? 'done' : 'failed', failure: why, ...timesOf(run, tries) },
});

export const reportOf = (run: GraphRun, progress: Progress): StepReport => {
  const { planned, status, happened, result, because, compensation, tries, settledMs } = progress;
  return {
    step: planned.name,
    status: status as StepReport['status'],
    ...{ happened, result, failure: status === 'failed' ? tries.failure : null, because },
    ...timesOf(run, tries, settledMs ?? run.nowMs),
    compensation,
  };
};

/**
 * Why the run failed, in one word. Whoever reads of it that it surely did not happen must be able to rely on that for all steps: what
 * surely did not happen at the step that failed, may have happened at another.
 */
const failureOfRun = ({ root, steps }: GraphRun): Failure | null => {
  if (root === null) return null;
  const { step, failure: why } = root;
  const message = step === null ? why.message : `step '${step}' failed: ${why.message}`;
  const details = { ...why.details, ...(step === null ? {} : { step }) };
  const hasHappened = steps.some(({ happened }) => happened !== 'no');
  if (!hasHappened || !errorTable[why.code].definite) return failure(why.code, message, details);
  return failure('GRAPH_FAILED', message, { ...details, cause: why.code });
};

/** All that was told so far, in its order: steps as they settled, and once more those that were compensated since. */
export const reportsOf = (run: GraphRun): StepReport[] => {
  const settled = run.settled.map((at) => reportOf(run, run.steps[at]!));
  const undone = settled.filter(({ compensation }) => compensation !== null).toReversed();
  return [...settled.map((report) => ({ ...report, compensation: null })), ...undone];
};

export const outcomeOf = (run: GraphRun): GraphOutcome => ({
  failure: failureOfRun(run),
  failedStep: run.root?.step ?? null,
  steps: Object.fromEntries(run.steps.map((progress) => [progress.planned.name, reportOf(run, progress)])),
  notUndone: run.steps.filter(({ compensation }) => compensation?.status === 'failed').map(({ planned }) => planned.name),
  tookMs: run.nowMs - run.beganMs,
});
