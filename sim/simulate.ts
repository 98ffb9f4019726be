// The simulator for whoever builds on Polity: his own programs against a whole simulated cluster, with seeded faults, his own
// invariants beside ours, and a failure that says which seed repeats it. Data in, data out; nothing is printed here.
import { failure, PolityError } from '../machines/errors.ts';
import type { Application, RunOptions, SeedResult } from './application/application.ts';
import { reportFailure } from './application/report.ts';
import { runApplication } from './application/run.ts';
import { shrinkFailure } from './application/shrink.ts';
import { faults } from './nemesis/index.ts';
import type { Listen } from './record.ts';
import { scenarios } from './scenarios/index.ts';

export type SimulateOptions = Omit<RunOptions, 'linesMax' | 'listen'> & {
  /** One seed, or the first and the last of many; default [1, 20]. */
  seeds?: number | readonly [number, number];
  /** Ends after so many seeds that failed; default 1. */
  failuresMax?: number;
  /**
   * Which seeds are run a second time, to prove that they repeat themselves: all of them, or the first one and those that failed
   * (default), or none.
   */
  twice?: 'all' | 'some' | 'none';
  /** A failure is made smaller: fewer programs, nodes and faults, less time; up to 80 more runs of its seed. Default false. */
  shrink?: boolean;
  /** Each failure comes with a file to look at (`report` of its result: HTML that loads nothing); one more run of its seed. */
  report?: boolean;
  /** Told after each seed; awaited, so that it may give the rest of the program its turn. */
  onSeed?: (result: SeedResult) => void | Promise<void>;
};

export type SimulateResult = {
  /** The gravest of all seeds. */
  verdict: SimulateVerdict;
  seeds: readonly SeedSummary[];
  /** All there is to know of the seeds that failed. */
  failed: readonly SeedResult[];
};

/** `unrepeatable`: the seed was another run when it was run again, so that something reached it which is not of its world. */
export type SimulateVerdict = SeedResult['verdict'];

export type SeedSummary = Pick<SeedResult, 'seed' | 'verdict' | 'hash' | 'steps' | 'virtualMs' | 'calls'>;

const seedMax = 2 ** 32 - 1;
const seedsMax = 1_000_000;
const nodesMax = 9;
const clientsMax = 200;
const timeMsMax = 24 * 3_600_000;
const linesMax = 500_000;

const invalid = (message: string): PolityError => new PolityError(failure('INVALID_REQUEST', message));

const checkWhole = (what: string, value: number | undefined, least: number, most: number): void => {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  throw invalid(`${what} must be a whole number from ${least} to ${most}, not ${value}`);
};

const seedsOf = (seeds: SimulateOptions['seeds'] = [1, 20]): readonly [number, number] => {
  const [from, to] = typeof seeds === 'number' ? [seeds, seeds] : seeds;
  checkWhole('a seed', from, 0, seedMax);
  checkWhole('a seed', to, 0, seedMax);
  if (from > to) throw invalid(`seeds must be [first, last] with first ≤ last, not [${from}, ${to}]`);
  if (to - from >= seedsMax) throw invalid(`seeds must be at most ${seedsMax} at once`);
  return [from, to];
};

const checkFaults = ({ scenario, faults: named }: SimulateOptions): void => {
  if (scenario !== undefined && named !== undefined) throw invalid('give scenario or faults, not both');
  const unknown = named?.find((fault) => !faults.includes(fault));
  if (unknown !== undefined) throw invalid(`there is no fault '${unknown}'; there are ${faults.join(', ')}`);
  const names = scenarios.map(({ name }) => name);
  if (scenario !== undefined && !names.includes(scenario))
    throw invalid(`there is no scenario '${scenario}'; there are ${names.join(', ')}`);
};

const checkGroups = (groups: readonly string[] | undefined): void => {
  // The nemesis and the operator look after this one, and clients use it unless they say another.
  if (groups !== undefined && !groups.includes('kv')) throw invalid("settings.groups must have 'kv' among them");
};

const runOptionsOf = (options: SimulateOptions): RunOptions => {
  checkWhole('nodes', options.nodes, 1, nodesMax);
  checkWhole('clients', options.clients, 1, clientsMax);
  checkWhole('timeMs', options.timeMs, 1, timeMsMax);
  checkWhole('failuresMax', options.failuresMax, 1, seedsMax);
  checkFaults(options);
  checkGroups(options.settings?.groups);
  const { seeds, failuresMax, twice, shrink, report, onSeed, ...run } = options;
  return run;
};

const gravity: readonly SimulateVerdict[] = ['held', 'unrepeatable', 'crash', 'liveness', 'correctness'];

type Run = (lines: number) => Promise<SeedResult>;

/** Where two runs of the seed part; both are run again, since the lines were not kept. */
const parting = async (run: Run): Promise<string> => {
  const first = await run(linesMax);
  const second = await run(linesMax);
  if (first.hash === second.hash) return 'two more runs were the same, so that what differs is rare';
  const longest = Math.max(first.lines.length, second.lines.length);
  let line = 0;
  while (line < longest && first.lines[line] === second.lines[line]) line++;
  const at = ({ lines }: SeedResult): string => lines[line] ?? '(it ends here)';
  return `line ${line + 1} is\n  ${at(first)}\nand then\n  ${at(second)}`;
};

const provedToRepeat = async (result: SeedResult, run: Run): Promise<SeedResult> => {
  const again = await run(0);
  // Below its first line a reason may say who called, which is no part of the world.
  const sayings = [result, again].map(({ verdict, reason }) => `${verdict} ${reason.split('\n')[0]}`);
  if (again.hash === result.hash && sayings[0] === sayings[1]) return result;
  const was = result.reason === '' ? '' : `\nThe first time it failed: ${result.reason}`;
  const reason = [
    `seed ${result.seed} does not repeat itself: ${await parting(run)}`,
    'The application used something that is not of its world: the real time, real chance, or state that outlives a seed. ' +
      `It must take now(), random() and sleep() from its context, and keep its state inside the function that makes it.${was}`,
  ].join('\n');
  return { ...result, verdict: 'unrepeatable', reason };
};

/**
 * Runs the seeds one after the other; `make` makes the application anew for each. Rejects with a PolityError INVALID_REQUEST if the
 * options make no sense.
 */
export const simulate = async (options: SimulateOptions, make: () => Application): Promise<SimulateResult> => {
  const [from, to] = seedsOf(options.seeds);
  const runOptions = runOptionsOf(options);
  const { twice = 'some', failuresMax = 1 } = options;
  const seeds: SeedSummary[] = [];
  const failed: SeedResult[] = [];
  for (let seed = from; seed <= to && failed.length < failuresMax; seed++) {
    const run: Run = (lines) => runApplication(seed, make, { ...runOptions, linesMax: lines });
    let result = await run(0);
    const isProved = twice === 'all' || (twice === 'some' && (seed === from || result.verdict !== 'held'));
    if (isProved) result = await provedToRepeat(result, run);
    if (options.shrink === true && result.verdict !== 'held' && result.verdict !== 'unrepeatable') {
      const shrunk = await shrinkFailure(result, (smaller) => runApplication(seed, make, { ...runOptions, ...smaller }));
      result = { ...shrunk.result, smaller: shrunk.smaller };
    }
    if (options.report === true && result.verdict !== 'held') {
      const { smaller } = result;
      const listened = (listen: Listen) => runApplication(seed, make, { ...runOptions, ...smaller, listen });
      result = { ...result, report: await reportFailure(result, repeatOf(result), listened) };
    }
    const { verdict, hash, steps, virtualMs, calls } = result;
    seeds.push({ seed, verdict, hash, steps, virtualMs, calls });
    if (verdict !== 'held') failed.push(result);
    await options.onSeed?.(result);
  }
  const worst = Math.max(...seeds.map(({ verdict }) => gravity.indexOf(verdict)));
  return { verdict: gravity[worst]!, seeds, failed };
};

const smallerWords = ({ smaller }: SeedResult): string[] =>
  Object.entries(smaller).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);

const repeatOf = (result: SeedResult): string =>
  `simulate({ …, seeds: ${[result.seed, ...smallerWords(result)].join(', ')} }, …)`;

/** What a failed seed says, as text for a person. */
export const describeFailure = (result: SeedResult): string =>
  [
    `seed ${result.seed}: ${result.verdict} after ${(result.virtualMs / 1000).toFixed(1)} virtual seconds`,
    result.reason,
    ...(result.story.length === 0 ? [] : ['What happened last:', ...result.story.map((line) => `  ${line}`)]),
    `Repeat it with: ${repeatOf(result)}`,
  ].join('\n');

export class SimulationFailed extends Error {
  readonly result: SimulateResult;

  constructor(result: SimulateResult) {
    super(result.failed.map(describeFailure).join('\n\n'));
    this.name = 'SimulationFailed';
    this.result = result;
  }
}

/** For tests: throws a SimulationFailed that tells the failure, unless every seed held. */
export const assertHolds = (result: SimulateResult): void => {
  if (result.verdict !== 'held') throw new SimulationFailed(result);
};
