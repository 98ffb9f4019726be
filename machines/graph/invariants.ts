// What is always true of a run, by name. The cheap ones are checked after every step in production too; `checkRun` looks at everything
// (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { type GraphRun, isSettled } from './state.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

export const checkStep = (run: GraphRun): void => {
  const { phase, running, runningMax, steps, settled, undoing, toUndo, wakeMs, nowMs, resultsBytes, resultsBytesMax, root } =
    run;
  if (running < 0 || running > runningMax) broken('running-bounded', `${running} run, at most ${runningMax}`);
  if (resultsBytes > resultsBytesMax) broken('results-bounded', `${resultsBytes} bytes`);
  if (settled.length > steps.length) broken('settles-once', `${settled.length} of ${steps.length}`);
  // Whoever wakes at that time does not wake for ever.
  if (phase !== 'new' && !(wakeMs > nowMs)) broken('wake-ahead', `${wakeMs} at ${nowMs}`);
  const isBusy = phase === 'new' || phase === 'running' || phase === 'failing';
  if (!isBusy && (running > 0 || settled.length < steps.length)) broken('nothing-runs-after-steps', `${running} run`);
  if (phase === 'failing' && root === null) broken('fails-for-a-reason', 'nothing failed');
  if (root === null && (undoing !== null || toUndo.length > 0)) broken('undoes-for-a-reason', 'nothing failed');
  if (phase === 'over' && (undoing !== null || toUndo.length > 0)) broken('nothing-after-the-end', `${toUndo.length} to undo`);
};

export const checkRun = (run: GraphRun): void => {
  const { steps, settled, running, phase } = run;
  const places = new Set(settled);
  if (places.size !== settled.length) broken('settles-once', settled.join());
  if (steps.filter(({ status }) => status === 'running').length !== running) broken('running-counted', `${running}`);
  for (const progress of steps) {
    const { planned, status, unmet, because, happened, result } = progress;
    const { name, needs, follows, looksAt, handles, at } = planned;
    if (isSettled(progress) !== places.has(at)) broken('settled-in-order', name);
    const before = new Set([...needs, ...follows, ...looksAt, ...handles]);
    const open = [...before].filter((other) => !isSettled(steps[other]!)).length;
    if (open !== unmet) broken('unmet-counted', `${name}: ${open}, counted ${unmet}`);
    const isBegun = progress.tries.attempt > 0;
    if (isBegun && open > 0) broken('starts-after-all-it-waits-for', name);
    if (isBegun && needs.some((other) => steps[other]!.status !== 'done')) broken('starts-with-its-needs', name);
    if (isBegun && planned.isErrorStep && run.root === null) broken('error-steps-after-errors', name);
    if ((status === 'skipped') !== (because !== null)) broken('skipped-for-a-reason', name);
    if (status === 'skipped' && isBegun) broken('skipped-before-it-began', name);
    if (status === 'done' && happened !== 'yes') broken('done-happened', name);
    if (status !== 'done' && result !== null) broken('result-of-done', name);
    if (!isBegun && happened !== 'no') broken('happens-when-called', name);
    if (phase === 'over') checkUndone(run, at);
  }
};

/** At the end: compensated is exactly what happened, or may have, in a run that failed. */
const checkUndone = ({ steps, root }: GraphRun, at: number): void => {
  const { planned, happened, compensation } = steps[at]!;
  const isOwed = root !== null && happened !== 'no' && planned.compensate !== null;
  if (isOwed !== (compensation !== null)) broken('compensates-what-happened', planned.name);
};
