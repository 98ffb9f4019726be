// `polity sim`: runs seeds on all cores, makes what failed smaller, and shows it. The simulator returns data; what is printed, written
// and started is decided here.
import { setImmediate } from 'node:timers/promises';
import {
  examine,
  faults,
  faultsOfMesh,
  htmlReport,
  type RunEvent,
  type RunResult,
  runSeed,
  scenarios,
  shrink,
  TlaTrace,
  textReport,
  traceLine,
  type Verdict,
  works,
} from '../../../sim/index.ts';
import { version } from '../../version.ts';
import { print } from '../output.ts';
import { type Files, openFiles } from './files.ts';
import { untilInterrupted } from './interrupt.ts';
import { isMesh, type MeshSeedOptions, meshLines, meshName, meshSentence, traceMesh } from './mesh.ts';
import { commandOf, type Plan, planOf, type SeedOptions } from './options.ts';
import { Pool } from './pool.ts';
import { isMeshFacts, type Outcome, outcomeOf, runOutcomeOf, runSeedOf } from './run.ts';
import { soak } from './soak.ts';
import { failureLines, gravest, lineOf, Progress, shrinkProgress, sizeText } from './view.ts';
import type { SimOptions } from './words.ts';

/** How `polity sim` ends (design, contracts). The gravest of all seeds counts. */
export const simExit: Record<Verdict, number> = { held: 0, crash: 127, liveness: 128, correctness: 129 };

const columnsDefault = 100;

/** A run to be looked at; `known` where its history is here. */
type Subject = {
  readonly seed: number;
  readonly options: SeedOptions;
  readonly verdict: Verdict;
  readonly known: RunResult | null;
  readonly shrunkFrom: { repeat: string; was: string; is: string } | null;
};

const list = (json: boolean): void => {
  for (const { name, sentence } of [...scenarios, { name: meshName, sentence: meshSentence }])
    print(json ? JSON.stringify({ name, sentence }) : `${name.padEnd(28)} ${sentence}`);
  if (json) return;
  print(`\nfaults: ${faults.join(', ')}\nfaults of a mesh: ${faultsOfMesh.join(', ')}\nworks: ${works.join(', ')}`);
};

/** Leaves out what the failure does not need, for as long as told or until Ctrl-C. */
const makeSmaller = async (subject: Subject, limitMs: number, json: boolean): Promise<Subject> => {
  const failing = subject.known ?? runSeed(subject.seed, subject.options);
  const steps = shrink(failing, subject.options);
  const progress = shrinkProgress(json);
  const endMs = performance.now() + limitMs;
  let smaller: Subject | null = null;
  let isStopped = false;
  const work = async (): Promise<void> => {
    while (!isStopped && performance.now() < endMs) {
      const step = steps.next();
      if (step.done === true) return;
      const { runs, tried, isSame, before, smallest, options, result } = step.value;
      progress.step(runs, tried, smallest);
      if (isSame) {
        const repeat = commandOf(subject.seed, subject.options);
        const shrunkFrom = { repeat, was: sizeText(before), is: sizeText(smallest) };
        smaller = { ...subject, options: options as SeedOptions, known: result, shrunkFrom };
      }
      await setImmediate();
    }
  };
  await untilInterrupted(async () => {
    isStopped = true;
  }, work);
  progress.clear();
  return smaller ?? { ...subject, known: failing };
};

const writeRun = (subject: Subject, plan: Plan, files: Files, json: boolean): void => {
  const { seed, options, verdict, known, shrunkFrom } = subject;
  const { report, trace, tla, history } = files;
  const isShown = verdict !== 'held' && !json && !plan.isTwice;
  if (!isShown && Object.values(files).every((file) => file === null)) return;
  const repeat = commandOf(seed, options);
  const steps = tla === null ? null : new TlaTrace({ write: (line) => tla.line(line) });
  const listen = (event: RunEvent): void => {
    steps?.listen(event);
    if (event.type !== 'stepped') trace?.line(traceLine(event));
  };
  const data = examine(seed, options, { repeat, shrunkFrom, version, known, listen, steps: steps !== null });
  if (isShown) for (const line of textReport(data, { columns: process.stdout.columns ?? columnsDefault })) print(line);
  report?.write(htmlReport(data));
  for (const event of data.result.history) history?.line(event);
  if (steps !== null && steps.ended !== null && !json) print(`the TLA+ trace ends where ${steps.ended}`);
};

const show = async (first: Subject, plan: Plan, files: Files, json: boolean): Promise<void> => {
  let subject = first;
  const hasFailed = first.verdict !== 'held' && !plan.isTwice;
  if (hasFailed && plan.shrinkMs !== null) {
    subject = await makeSmaller(first, plan.shrinkMs, json);
    const { shrunkFrom, known } = subject;
    if (shrunkFrom !== null && known !== null) {
      const repeat = commandOf(subject.seed, subject.options);
      if (json) print(JSON.stringify({ ...outcomeOf(known).facts, repeat, shrunkFrom: shrunkFrom.repeat }));
      else {
        print(`made smaller: ${shrunkFrom.was}`);
        print(`           → ${shrunkFrom.is}`);
        for (const line of failureLines(outcomeOf(known))) print(line);
        print(`repeat it with: ${repeat}`);
      }
    } else if (!json) print('it could not be made smaller');
  }
  writeRun(subject, plan, files, json);
  if (hasFailed && plan.shrinkMs === null && !json) print('\n--shrink makes it smaller, --report FILE.html draws it');
};

const printOutcome = (outcome: Outcome, repeat: string, json: boolean): void => {
  const { facts, verdict } = outcome;
  if (json) return print(JSON.stringify({ ...facts, repeat }));
  print(lineOf(outcome));
  if (verdict !== 'held') for (const line of [...failureLines(outcome), `repeat it with: ${repeat}`]) print(line);
  else if (facts !== null && isMeshFacts(facts)) for (const line of meshLines(facts)) print(line);
};

const runOneMesh = (seed: number, options: MeshSeedOptions, plan: Plan, files: Files, json: boolean): Verdict => {
  const outcome = runOutcomeOf(seed, options, plan.isTwice);
  printOutcome(outcome, commandOf(seed, options), json);
  if (files.trace !== null) traceMesh(seed, options, files.trace);
  return outcome.verdict;
};

const runOne = async (plan: Plan, files: Files, json: boolean): Promise<Verdict> => {
  const { from: seed, options, isTwice } = plan;
  if (isMesh(options)) return runOneMesh(seed, options, plan, files, json);
  const known = runSeedOf(seed, options, isTwice);
  printOutcome(outcomeOf(known), commandOf(seed, options), json);
  await show({ seed, options, verdict: known.verdict, known, shrunkFrom: null }, plan, files, json);
  return known.verdict;
};

const runMany = async (plan: Plan, files: Files, json: boolean): Promise<Verdict> => {
  const progress = new Progress(plan, json);
  const { options, isTwice, workers } = plan;
  let seed = plan.from;
  let worst: Verdict = 'held';
  const pool = new Pool({
    ...{ options, isTwice, workers },
    next: () => (seed <= plan.to ? seed++ : null),
    onResult(outcome) {
      worst = gravest(worst, outcome.verdict);
      progress.add(outcome);
    },
  });
  const isInterrupted = await untilInterrupted(
    () => pool.stop(),
    () => pool.run(),
  );
  progress.summary(isInterrupted);
  // The first that failed; where all held, the last.
  const failure = progress.failures[0];
  const chosen = failure?.seed ?? progress.seed;
  if (isInterrupted || chosen === null) return worst;
  if (isMesh(options)) {
    if (files.trace !== null) traceMesh(chosen, options, files.trace);
    return worst;
  }
  await show({ seed: chosen, options, verdict: failure?.verdict ?? 'held', known: null, shrunkFrom: null }, plan, files, json);
  return worst;
};

export const sim = async (options: SimOptions): Promise<void> => {
  const json = options.json === true;
  if (options.list === true) return list(json);
  const plan = planOf(options);
  const files = openFiles(options);
  try {
    const worst =
      plan.soakMs !== null
        ? await soak(plan, plan.soakMs, options.failures ?? null, json)
        : plan.from === plan.to
          ? await runOne(plan, files, json)
          : await runMany(plan, files, json);
    process.exitCode = simExit[worst];
  } finally {
    for (const file of Object.values(files)) file?.close();
  }
};
