// Undoing what happened before a run failed: the compensations of a saga (Garcia-Molina and Salem, 1987, §4), one after the other, the
// last one that ended first. A step of which nobody knows whether it happened is compensated like one that did, because to leave an
// effect standing is worse than to undo nothing: so a compensation must be idempotent, and bear that nothing had happened.
import { type Failure, failure } from '../errors.ts';
import { compensationReport } from './report.ts';
import { createTries, type GraphRun, type Progress, type Turn } from './state.ts';
import { count, fill, retryAt } from './tries.ts';
import type { GraphEvent } from './types.ts';

export const beginCompensations = (run: GraphRun): void => {
  run.phase = 'compensating';
  run.undoDeadlineMs = run.nowMs + run.plan.compensateMs;
  run.toUndo = run.settled.toReversed().filter((at) => {
    const { planned, happened } = run.steps[at]!;
    return happened !== 'no' && planned.compensate !== null;
  });
};

/** Goes on as far as it can; true: all are over. */
export const undo = (run: GraphRun, turn: Turn): boolean => {
  if (run.nowMs >= run.undoDeadlineMs) endUndoing(run, turn, lateOf(run));
  while (run.undoing === null && run.toUndo.length > 0) {
    const progress = run.steps[run.toUndo.shift()!]!;
    run.undoing = { progress, call: progress.planned.compensate!, isRunning: false, tries: createTries() };
    call(run, turn);
  }
  const { undoing } = run;
  if (undoing !== null && !undoing.isRunning && undoing.tries.retryAtMs <= run.nowMs) call(run, turn);
  return run.undoing === null && run.toUndo.length === 0;
};

const call = (run: GraphRun, turn: Turn): void => {
  const undoing = run.undoing!;
  const { progress, tries } = undoing;
  const filled = fill(run, undoing.call, run.undoDeadlineMs);
  if ('failure' in filled) return settle(run, turn, progress, unfilled(progress, filled.failure));
  undoing.isRunning = true;
  tries.attempt++;
  tries.startedMs ??= run.nowMs;
  tries.retryAtMs = Number.POSITIVE_INFINITY;
  const { name } = progress.planned;
  turn.effects.push({ type: 'call', kind: 'compensation', step: name, attempt: tries.attempt, call: filled.call });
};

const unfilled = ({ happened }: Progress, why: Failure): Failure =>
  happened === 'unknown' ? { ...why, message: `nobody knows whether it happened, and its compensation's ${why.message}` } : why;

export const onCompensated = (run: GraphRun, turn: Turn, ended: Extract<GraphEvent, { type: 'ended' }>): void => {
  const { undoing } = run;
  if (undoing === null || !undoing.isRunning) return;
  const { progress, tries } = undoing;
  if (progress.planned.name !== ended.step || tries.attempt !== ended.attempt) return;
  count(tries, ended);
  undoing.isRunning = false;
  if (ended.outcome.ok) return settle(run, turn, progress, null);
  const again = retryAt(run, undoing.call, tries, ended.outcome.failure, run.undoDeadlineMs);
  if (again === null) settle(run, turn, progress, ended.outcome.failure);
  else tries.retryAtMs = again;
};

const settle = (run: GraphRun, turn: Turn, progress: Progress, why: Failure | null): void => {
  const tries = run.undoing?.tries ?? createTries();
  run.undoing = null;
  progress.compensation = compensationReport(run, tries, why);
  turn.effects.push({ type: 'compensated', step: progress.planned.name, report: progress.compensation });
};

const lateOf = ({ plan }: GraphRun): Failure =>
  failure('DEADLINE_EXCEEDED', `the ${plan.compensateMs} ms for all compensations are over`);

/** No compensation goes on, whatever the reason. */
export const endUndoing = (run: GraphRun, turn: Turn, why: Failure): void => {
  const { undoing } = run;
  if (undoing !== null) {
    const { progress, tries, isRunning } = undoing;
    if (isRunning) {
      const { name } = progress.planned;
      tries.attempts++;
      turn.effects.push({ type: 'cancel-call', kind: 'compensation', step: name, attempt: tries.attempt });
    }
    const isCalled = tries.attempt > 0;
    settle(run, turn, progress, isCalled ? failure('OUTCOME_UNKNOWN', `it had not ended when ${why.message}`) : why);
  }
  for (const at of run.toUndo.splice(0)) settle(run, turn, run.steps[at]!, why);
};
