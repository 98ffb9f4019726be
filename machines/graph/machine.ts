// A run of a graph: which step starts when, what its end comes to for the others, and when all of it is over. An event and the time in,
// effects out. Steps that do not wait for each other run side by side. A failure is told to all that hang on it by the name of the
// step that failed first; nothing new starts then but error steps, what runs may end, and what happened is compensated.
import { type Failure, failure } from '../errors.ts';
import { InvariantBroken } from '../invariant.ts';
import { beginCompensations, endUndoing, onCompensated, undo } from './compensate.ts';
import { checkStep } from './invariants.ts';
import type { PlannedCondition } from './plan.ts';
import { fillInput } from './references.ts';
import { outcomeOf, reportOf } from './report.ts';
import { type GraphRun, isSettled, type Progress, type Root, type Turn } from './state.ts';
import { count, fill, isDoubtful, lookUpIn, retryAt } from './tries.ts';
import type { Because, GraphEffect, GraphEvent } from './types.ts';
import { isSame, keep, placeOf } from './values.ts';

/** Takes in one event. Changes `run`; the effects are to be done in their order. */
export const step = (run: GraphRun, givenMs: number, event: GraphEvent): GraphEffect[] => {
  if (!Number.isFinite(givenMs)) throw new InvariantBroken('time-is-finite', `${givenMs}`);
  // A clock that goes back stands still until it has caught up.
  run.nowMs = Math.max(run.nowMs, givenMs);
  if (run.phase === 'over') return [];
  const turn: Turn = { effects: [] };
  take(run, turn, event);
  if (isUnderWay(run) && run.nowMs >= run.deadlineMs) giveUp(run, turn, lateOf(run));
  proceed(run, turn);
  run.wakeMs = wakeOf(run);
  checkStep(run);
  return turn.effects;
};

const isUnderWay = ({ phase }: GraphRun): boolean => phase === 'running' || phase === 'failing';

const take = (run: GraphRun, turn: Turn, event: GraphEvent): void => {
  switch (event.type) {
    case 'wake':
      return;
    case 'begin':
      if (run.phase !== 'new') throw new InvariantBroken('begins-once', run.phase);
      run.phase = 'running';
      for (const progress of run.steps) if (progress.unmet === 0) run.undecided.push(progress.planned.at);
      return;
    case 'ended':
      return event.kind === 'step' ? onEnded(run, turn, event) : onCompensated(run, turn, event);
    case 'cancel':
      if (isUnderWay(run)) giveUp(run, turn, failure('CANCELLED', 'the run was cancelled'));
      return;
    case 'stop': {
      const why = failure('STOPPING', 'the node stopped');
      if (isUnderWay(run)) giveUp(run, turn, why);
      if (run.phase === 'failing') beginCompensations(run);
      endUndoing(run, turn, why);
    }
  }
};

/** Decides and starts whatever can be; goes on to compensations, and to the end. */
const proceed = (run: GraphRun, turn: Turn): void => {
  if (isUnderWay(run)) {
    for (const progress of run.steps)
      if (progress.status === 'waiting' && progress.tries.retryAtMs <= run.nowMs) makeReady(run, progress);
    while (run.undecided.length > 0 || (run.ready.length > 0 && run.running < run.runningMax)) {
      const next = run.undecided.shift();
      if (next !== undefined) decide(run, turn, run.steps[next]!);
      else start(run, turn, run.steps[run.ready.shift()!]!);
    }
    if (!run.steps.every(isSettled)) return;
    beginCompensations(run);
    if (run.root === null) run.toUndo = [];
  }
  if (run.phase !== 'compensating' || !undo(run, turn)) return;
  run.phase = 'over';
  turn.effects.push({ type: 'over', outcome: outcomeOf(run) });
};

const wakeOf = (run: GraphRun): number => {
  const { phase, deadlineMs, undoDeadlineMs, undoing, steps } = run;
  if (phase === 'over') return Number.POSITIVE_INFINITY;
  if (phase === 'compensating') return Math.min(undoDeadlineMs, undoing?.tries.retryAtMs ?? Number.POSITIVE_INFINITY);
  let wakeMs = deadlineMs;
  for (const { status, tries } of steps) if (status === 'waiting') wakeMs = Math.min(wakeMs, tries.retryAtMs);
  return wakeMs;
};

// ---------------------------------------------------------------- whether a step starts

const decide = (run: GraphRun, turn: Turn, progress: Progress): void => {
  // Skipped meanwhile, with all others.
  if (progress.status !== 'pending') return;
  const why = whySkipped(run, progress) ?? whyUnwanted(run, progress);
  if (why === null) return makeReady(run, progress);
  if ('code' in why) return fail(run, turn, progress, why);
  skip(run, turn, progress, why);
};

const makeReady = (run: GraphRun, progress: Progress): void => {
  progress.status = 'ready';
  run.ready.push(progress.planned.at);
};

const isTolerated = ({ planned }: Progress): boolean => planned.onError === 'continue';

/** Because of other steps, all of which have settled. */
const whySkipped = (run: GraphRun, { planned }: Progress): Because | null => {
  const { needs, follows, handles, isErrorStep } = planned;
  if (handles.length > 0 && !handles.some((at) => run.steps[at]!.status === 'failed')) return { why: 'no-error' };
  const missing = (other: Progress): Because =>
    other.because?.why === 'no-error' ? other.because : { why: 'needs', step: other.planned.name };
  for (const at of needs) if (run.steps[at]!.status !== 'done') return missing(run.steps[at]!);
  if (!isErrorStep) return null;
  for (const at of follows) {
    const other = run.steps[at]!;
    const isLeftOut = other.status === 'skipped' && other.because?.why === 'condition';
    const isFine = other.status === 'done' || isLeftOut || (other.status === 'failed' && isTolerated(other));
    if (other.planned.isErrorStep && !isFine) return missing(other);
  }
  return null;
};

/** Because of its own conditions; or why they cannot be judged. */
const whyUnwanted = (run: GraphRun, { planned }: Progress): Because | Failure | null => {
  for (const [at, condition] of planned.when.entries()) {
    const holds = judge(run, condition);
    if (typeof holds === 'object') return { ...holds, message: `when[${at}].${holds.message}` };
    if (!holds) return { why: 'condition' };
  }
  return null;
};

const judge = (run: GraphRun, condition: PlannedCondition): boolean | Failure => {
  if ('step' in condition) return run.steps[run.plan.places.get(condition.step)!]!.status === condition.ended;
  const { input, walk } = fillInput(condition.value, lookUpIn(run), 'value');
  if (walk.wrong !== null) return failure(walk.wrong.code, `${placeOf(walk.wrong.path)} ${walk.wrong.message}`);
  const { test, than } = condition;
  if (test === 'is' || test === 'not') return isSame(input, than) === (test === 'is');
  if (typeof input !== 'number') return failure('INVALID_REQUEST', `value is no number, and is compared with ${than}`);
  return test === 'above' ? input > (than as number) : input < (than as number);
};

const start = (run: GraphRun, turn: Turn, progress: Progress): void => {
  if (progress.status !== 'ready') return;
  const { planned, tries } = progress;
  const filled = fill(run, planned.call, run.deadlineMs);
  if ('failure' in filled) return fail(run, turn, progress, filled.failure);
  progress.status = 'running';
  run.running++;
  tries.attempt++;
  tries.startedMs ??= run.nowMs;
  tries.retryAtMs = Number.POSITIVE_INFINITY;
  turn.effects.push({ type: 'call', kind: 'step', step: planned.name, attempt: tries.attempt, call: filled.call });
};

// ---------------------------------------------------------------- what the end of a step comes to

const onEnded = (run: GraphRun, turn: Turn, ended: Extract<GraphEvent, { type: 'ended' }>): void => {
  const at = run.plan.places.get(ended.step);
  const progress = at === undefined ? null : run.steps[at]!;
  // What was given up may still answer.
  if (progress === null || progress.status !== 'running' || progress.tries.attempt !== ended.attempt) return;
  run.running--;
  count(progress.tries, ended);
  if (ended.outcome.ok) return succeed(run, turn, progress, ended.outcome.value);
  const why = ended.outcome.failure;
  if (isDoubtful(why, ended.isInDoubt)) progress.happened = 'unknown';
  const mayTry = run.phase === 'running' || progress.planned.isErrorStep;
  const again = mayTry ? retryAt(run, progress.planned.call, progress.tries, why, run.deadlineMs) : null;
  if (again === null || ended.isInDoubt === true) return fail(run, turn, progress, why);
  progress.status = 'waiting';
  progress.tries.retryAtMs = again;
};

const succeed = (run: GraphRun, turn: Turn, progress: Progress, value: unknown): void => {
  progress.happened = 'yes';
  const kept = keep(value, run.resultsBytesMax - run.resultsBytes);
  if (kept === null) {
    const message = `it ended well, but its result is no plain data, or all results are more than ${run.resultsBytesMax} bytes`;
    return fail(run, turn, progress, failure('TOO_LARGE', message));
  }
  run.resultsBytes += kept.bytes;
  progress.result = kept.value;
  settle(run, turn, progress, 'done');
};

const fail = (run: GraphRun, turn: Turn, progress: Progress, why: Failure): void => {
  progress.tries.failure = why;
  settle(run, turn, progress, 'failed');
  if (run.phase !== 'running' || isTolerated(progress)) return;
  run.phase = 'failing';
  run.root = { step: progress.planned.name, failure: why };
  abandon(run, turn, run.root, ({ planned }) => planned.isErrorStep);
};

const skip = (run: GraphRun, turn: Turn, progress: Progress, because: Because): void => {
  progress.because = because;
  settle(run, turn, progress, 'skipped');
};

const settle = (run: GraphRun, turn: Turn, progress: Progress, status: 'done' | 'failed' | 'skipped'): void => {
  if (isSettled(progress)) throw new InvariantBroken('settles-once', progress.planned.name);
  progress.status = status;
  progress.settledMs = run.nowMs;
  run.settled.push(progress.planned.at);
  turn.effects.push({ type: 'settled', report: reportOf(run, progress) });
  for (const at of progress.planned.dependents) if (--run.steps[at]!.unmet === 0) run.undecided.push(at);
};

/** Whatever has not begun is skipped, by the name of what failed first, and nothing is tried again; but for those who are spared. */
const abandon = (run: GraphRun, turn: Turn, root: Root, isSpared: (progress: Progress) => boolean): void => {
  for (const at of run.plan.order) {
    const progress = run.steps[at]!;
    if (isSettled(progress) || progress.status === 'running' || isSpared(progress)) continue;
    if (progress.tries.attempt > 0) settle(run, turn, progress, 'failed');
    else skip(run, turn, progress, { why: 'failed', step: root.step, through: throughOf(run, progress) });
  }
};

/** Which of its own needs did not end well because of the failure; null: it has nothing to do with it. */
const throughOf = (run: GraphRun, { planned }: Progress): string | null => {
  const fell = [...planned.needs, ...planned.follows].find((at) => {
    const other = run.steps[at]!;
    const isFallen = other.because?.why === 'failed' && other.because.through !== null;
    return isFallen || other.planned.name === run.root?.step;
  });
  return fell === undefined ? null : run.steps[fell]!.planned.name;
};

const lateOf = ({ deadlineMs, beganMs }: GraphRun): Failure =>
  failure('DEADLINE_EXCEEDED', `the ${Math.round(deadlineMs - beganMs)} ms of the run are over`);

/** No step goes on, and none begins, error steps neither: what is left is to compensate. */
const giveUp = (run: GraphRun, turn: Turn, why: Failure): void => {
  run.phase = 'failing';
  run.root ??= { step: null, failure: why };
  for (const progress of run.steps) {
    if (progress.status !== 'running') continue;
    const { planned, tries } = progress;
    turn.effects.push({ type: 'cancel-call', kind: 'step', step: planned.name, attempt: tries.attempt });
    run.running--;
    tries.attempts++;
    progress.happened = 'unknown';
    const code = why.code === 'CANCELLED' ? why.code : 'OUTCOME_UNKNOWN';
    tries.failure = failure(code, `it had not ended when ${why.message}`);
    settle(run, turn, progress, 'failed');
  }
  abandon(run, turn, run.root, () => false);
};
