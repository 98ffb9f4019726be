// `polity sim`: runs seeds, prints one line each, and what repeats the first that failed. The simulator returns data; what is
// written, and where, is decided here.
import { writeFileSync } from 'node:fs';
import { type RunOptions, type RunResult, runSeed, runTwice, type Scenario, scenarios, type Verdict } from '../../sim/index.ts';
import { UsageError } from './exit.ts';
import { countOf, durationOf } from './reach.ts';

export type SimOptions = {
  scenario?: string;
  nodes?: string;
  seed?: string;
  seeds?: string;
  time?: string;
  twice?: boolean;
  trace?: string;
  history?: string;
  list?: boolean;
  json?: boolean;
};

/** How `polity sim` ends (design, contracts). The gravest of all seeds counts. */
export const simExit: Record<Verdict, number> = { held: 0, crash: 127, liveness: 128, correctness: 129 };

const nodesMax = 9;
const seedMax = 2 ** 32 - 1;
const linesMax = 2_000_000;

const scenarioOf = (name: string | undefined): Scenario | null => {
  if (name === undefined) return null;
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) throw new UsageError(`there is no scenario '${name}'; --list names them`);
  return found;
};

const seedOf = (text: string, what: string): number => {
  const seed = countOf(text, what);
  if (seed > seedMax) throw new UsageError(`${what} is at most ${seedMax}`);
  return seed;
};

const seedsOf = ({ seed, seeds }: SimOptions): [number, number] => {
  if (seed !== undefined && seeds !== undefined) throw new UsageError('give --seed or --seeds, not both');
  if (seeds === undefined) {
    const only = seed === undefined ? Math.floor(Math.random() * 1_000_000) : seedOf(seed, '--seed');
    return [only, only];
  }
  const [from, to] = seeds.split('..');
  if (from === undefined || to === undefined) throw new UsageError(`--seeds must be A..B, not '${seeds}'`);
  const range: [number, number] = [seedOf(from, '--seeds'), seedOf(to, '--seeds')];
  if (range[0] > range[1]) throw new UsageError(`--seeds must be A..B with A ≤ B, not '${seeds}'`);
  return range;
};

const runOptionsOf = (options: SimOptions): RunOptions => {
  const scenario = scenarioOf(options.scenario);
  const nodes = options.nodes === undefined ? undefined : countOf(options.nodes, '--nodes');
  if (nodes !== undefined && (nodes < 1 || nodes > nodesMax)) throw new UsageError(`--nodes must be 1 to ${nodesMax}`);
  return {
    ...(scenario === null ? {} : { scenario: scenario.name }),
    ...(nodes === undefined ? {} : { nodes }),
    ...(options.time === undefined ? {} : { timeMs: durationOf(options.time, '--time') }),
    ...(options.trace === undefined ? {} : { linesMax }),
  };
};

/** The command that gives the same run again. */
const repeats = (seed: number, { scenario, nodes, time }: SimOptions): string =>
  [
    'polity sim',
    ...(scenario === undefined ? [] : [`--scenario ${scenario}`]),
    `--seed ${seed}`,
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(time === undefined ? [] : [`--time ${time}`]),
  ].join(' ');

const lineOf = (result: RunResult): string => {
  const { seed, verdict, hash, knobs, virtualMs, steps, acknowledged, operations, done } = result;
  const suffered = Object.values(done).reduce((sum, count) => sum + count, 0);
  const what = `${knobs.nodes} nodes, ${(virtualMs / 1000).toFixed(0)} s, ${steps} events, ${operations} calls, ${acknowledged} writes, ${suffered} faults`;
  return `seed ${seed}: ${verdict}; ${what}; trace ${hash}`;
};

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const report = (result: RunResult, options: SimOptions): void => {
  const { history, lines, ...facts } = result;
  const repeat = repeats(result.seed, options);
  if (options.json === true) print(JSON.stringify({ ...facts, repeat }));
  else {
    print(lineOf(result));
    if (result.verdict !== 'held') {
      print(`  drawn: ${JSON.stringify(result.knobs)}`);
      print(result.reason.replace(/^/gm, '  '));
      print(`repeat it with: ${repeat}`);
    }
  }
  if (options.trace !== undefined) writeFileSync(options.trace, `${lines.join('\n')}\n`);
  if (options.history !== undefined)
    writeFileSync(options.history, history.map((event) => `${JSON.stringify(event)}\n`).join(''));
};

/** The same seed, twice: the first line in which the traces differ is a leak of real time or chance. */
const runSeedTwice = (seed: number, options: RunOptions): RunResult => {
  const twice = runTwice(seed, options);
  if (twice.same) return twice.result;
  const reason = `the seed does not repeat itself: line ${twice.line} is\n${twice.first}\nand then\n${twice.second}`;
  return { ...twice.result, verdict: 'correctness', reason };
};

export const sim = (options: SimOptions): void => {
  if (options.list === true) {
    for (const { name, sentence } of scenarios)
      print(options.json ? JSON.stringify({ name, sentence }) : `${name.padEnd(16)} ${sentence}`);
    return;
  }
  const [from, to] = seedsOf(options);
  const runOptions = runOptionsOf(options);
  let worst: Verdict = 'held';
  let failed = 0;
  for (let seed = from; seed <= to; seed++) {
    const result = options.twice === true ? runSeedTwice(seed, runOptions) : runSeed(seed, runOptions);
    report(result, options);
    if (result.verdict !== 'held') failed++;
    if (simExit[result.verdict] > simExit[worst]) worst = result.verdict;
  }
  if (to > from && options.json !== true) print(`${to - from + 1} seeds, ${failed} failed`);
  process.exitCode = simExit[worst];
};
