// A run as bytes, for whoever keeps it where it outlives a process: all that changes, in the order of the plan's steps. The plan itself is
// made anew from the graph. The same run has the same bytes everywhere, so that replicas of it can be compared.
import { InvariantBroken } from '../invariant.ts';
import { pack, unpack } from '../wire/envelope.ts';
import { callsOf, type Plan } from './plan.ts';
import type { GraphRun, Progress, Root, Tries } from './state.ts';

const triesFields = ({ attempt, attempts, node, startedMs, failure, retryAtMs }: Tries) =>
  [attempt, attempts, node, startedMs, failure, retryAtMs] as const;

const triesOf = ([attempt, attempts, node, startedMs, failure, retryAtMs]: ReturnType<typeof triesFields>): Tries => ({
  ...{ attempt, attempts, node, startedMs, failure, retryAtMs },
});

const progressFields = (progress: Progress) => {
  const { status, unmet, tries, settledMs, happened, result, because, compensation } = progress;
  return [status, unmet, triesFields(tries), settledMs, happened, result, because, compensation] as const;
};

const runFields = (run: GraphRun) => {
  const { undoing, idempotent } = run;
  return [
    [run.beganMs, run.deadlineMs, run.nowMs, run.wakeMs, run.undoDeadlineMs],
    [run.phase, run.runningMax, run.running, run.resultsBytes, run.resultsBytesMax],
    [run.undecided, run.ready, run.settled, run.toUndo],
    run.root,
    undoing === null ? null : ([undoing.progress.planned.at, undoing.isRunning, triesFields(undoing.tries)] as const),
    // By place among all calls of the plan.
    callsOf(run.plan).flatMap(({ call }, at) => (idempotent.has(call) ? [at] : [])),
    run.steps.map(progressFields),
  ] as const;
};

export const writeRun = (run: GraphRun): Uint8Array => pack(runFields(run)).slice();

/** What `writeRun` made, under the plan of the very graph that it ran. */
export const readRun = (plan: Plan, bytes: Uint8Array): GraphRun => {
  // Results may hold bytes, which would be views of what is not ours.
  const fields = unpack(Uint8Array.from(bytes)) as ReturnType<typeof runFields>;
  const [times, counts, places, root, undone, idempotent, told] = fields;
  if (told.length !== plan.steps.length) throw new InvariantBroken('record-fits-plan', `${told.length} steps`);
  const steps = plan.steps.map((planned, at): Progress => {
    const [status, unmet, tries, settledMs, happened, result, because, compensation] = told[at]!;
    return { planned, status, unmet, tries: triesOf(tries), settledMs, happened, result, because, compensation };
  });
  const calls = callsOf(plan);
  const [beganMs, deadlineMs, nowMs, wakeMs, undoDeadlineMs] = times as [number, number, number, number, number];
  const [phase, runningMax, running, resultsBytes, resultsBytesMax] = counts as [
    GraphRun['phase'],
    ...[number, number, number, number],
  ];
  const [undecided, ready, settled, toUndo] = places as [number[], number[], number[], number[]];
  const undoing = undone === null ? null : undoingOf(steps[undone[0]]!, undone[1], triesOf(undone[2]));
  return {
    ...{ plan, idempotent: new Set(idempotent.map((at) => calls[at]!.call)), steps, root: root as Root | null, undoing },
    ...{ beganMs, deadlineMs, nowMs, wakeMs, undoDeadlineMs, phase, runningMax, running, resultsBytes, resultsBytesMax },
    ...{ undecided, ready, settled, toUndo },
  };
};

const undoingOf = (progress: Progress, isRunning: boolean, tries: Tries): GraphRun['undoing'] => ({
  ...{ progress, call: progress.planned.compensate!, isRunning, tries },
});
