// The words of `polity sim` as options of the simulator, and back: a failure ends with the command that repeats it.
import { availableParallelism } from 'node:os';
import { type Fault, faults, type RunOptions, scenarios, type Work, works } from '../../../sim/index.ts';
import { UsageError } from '../exit.ts';
import { countOf, durationOf } from '../reach.ts';
import { isMesh, type MeshSeedOptions, meshCommandOf, meshName, meshOptionsOf } from './mesh.ts';
import { between, given, numbersOf, type SimOptions, timeOf, wordsOf } from './words.ts';

/** What a worker can be told: data only. */
export type SeedOptions = Pick<
  RunOptions,
  'scenario' | 'faults' | 'works' | 'nodes' | 'clients' | 'operations' | 'without' | 'timeMs' | 'planted'
>;

/** A cluster's or a mesh's. */
export type AnySeedOptions = SeedOptions | MeshSeedOptions;

export type Plan = {
  readonly from: number;
  readonly to: number;
  readonly options: AnySeedOptions;
  readonly workers: number;
  readonly isTwice: boolean;
  /** How long a failure may be made smaller; null: not at all. */
  readonly shrinkMs: number | null;
  readonly soakMs: number | null;
};

export const seedMax = 2 ** 32 - 1;
const nodesMax = 9;
const clientsMax = 1_000;
const workersMax = 64;
const shrinkMsDefault = 60_000;
const inActors = 'chance-in-actors';
const plants = ['lying-disk', 'forgotten-vote', inActors] as const satisfies readonly NonNullable<RunOptions['planted']>[];

const scenarioOf = (name: string | undefined): string | undefined => {
  if (name !== undefined && !scenarios.some((scenario) => scenario.name === name))
    throw new UsageError(`there is no scenario '${name}'; --list names them`);
  return name;
};

const seedOf = (text: string, what: string): number => {
  const seed = countOf(text, what);
  if (seed > seedMax) throw new UsageError(`${what} is at most ${seedMax}`);
  return seed;
};

const seedsOf = ({ seed, seeds, soak }: SimOptions): [number, number] => {
  if (seed !== undefined && seeds !== undefined) throw new UsageError('give --seed or --seeds, not both');
  if (seeds !== undefined && soak !== undefined)
    throw new UsageError('--soak runs seeds until its time is over; --seed says with which it begins');
  if (seeds === undefined) {
    const only = seed === undefined ? Math.floor(Math.random() * 1_000_000_000) : seedOf(seed, '--seed');
    return [only, soak === undefined ? only : seedMax];
  }
  const words = seeds.split('..');
  if (words.length !== 2) throw new UsageError(`--seeds must be A..B, not '${seeds}'`);
  const range: [number, number] = [seedOf(words[0]!, '--seeds'), seedOf(words[1]!, '--seeds')];
  if (range[0] > range[1]) throw new UsageError(`--seeds must be A..B with A ≤ B, not '${seeds}'`);
  return range;
};

const faultsOf = (text: string | undefined): readonly Fault[] | undefined =>
  text === undefined ? undefined : text === 'none' ? [] : text.split(',').map(faultOf);

const faultOf = (name: string): Fault => {
  const found = faults.find((fault) => fault === name);
  if (found === undefined) throw new UsageError(`there is no fault '${name}'; --list names them`);
  return found;
};

const worksOf = (text: string | undefined): readonly [Work, ...Work[]] | undefined => {
  if (text === undefined) return undefined;
  const [first, ...more] = text.split(',').map(workOf);
  return [first!, ...more];
};

const workOf = (name: string): Work => {
  const found = works.find((work) => work === name);
  if (found === undefined) throw new UsageError(`there is no work '${name}'; --list names them`);
  return found;
};

const plantOf = ({ plant: name, scenario }: SimOptions): RunOptions['planted'] | undefined => {
  const found = plants.find((plant) => plant === name);
  if (name !== undefined && found === undefined) throw new UsageError(`--plant must be ${plants.join(' or ')}, not '${name}'`);
  if (found === inActors && scenario !== 'actors')
    throw new UsageError(`--plant ${inActors} goes with --scenario actors: nowhere else are there any`);
  return found;
};

const seedOptionsOf = (options: SimOptions): SeedOptions =>
  given({
    scenario: scenarioOf(options.scenario),
    faults: faultsOf(options.faults),
    works: worksOf(options.works),
    nodes: between(options.nodes, '--nodes', 1, nodesMax),
    clients: between(options.clients, '--clients', 0, clientsMax),
    operations: between(options.operations, '--operations', 0, Number.MAX_SAFE_INTEGER),
    without: numbersOf(options.without),
    timeMs: timeOf(options.time, '--time'),
    planted: plantOf(options),
  });

export const planOf = (options: SimOptions): Plan => {
  const [from, to] = seedsOf(options);
  if (options.failures !== undefined && options.soak === undefined) throw new UsageError('--failures goes with --soak');
  const workers = between(options.workers, '--workers', 1, workersMax);
  const shrink = options.shrink === true ? shrinkMsDefault : options.shrink;
  return {
    ...{ from, to, options: options.scenario === meshName ? meshOptionsOf(options) : seedOptionsOf(options) },
    workers: workers ?? Math.min(availableParallelism(), to - from + 1, workersMax),
    isTwice: options.twice === true,
    shrinkMs: shrink === undefined ? null : typeof shrink === 'number' ? shrink : durationOf(shrink, '--shrink'),
    soakMs: options.soak === undefined ? null : durationOf(options.soak, '--soak'),
  };
};

/** The command that gives the same run again. */
export const commandOf = (seed: number, options: AnySeedOptions): string => {
  if (isMesh(options)) return meshCommandOf(seed, options);
  const { scenario, faults: only, works: kinds, nodes, timeMs, clients, operations, without, planted } = options;
  const word = (name: string, value: string | number | undefined): string[] =>
    value === undefined ? [] : [`--${name} ${value}`];
  const before = [
    'polity sim',
    ...word('scenario', scenario),
    ...word('faults', only === undefined ? undefined : only.length === 0 ? 'none' : only.join(',')),
    ...word('works', kinds?.join(',')),
    `--seed ${seed}`,
  ];
  const after = [...word('clients', clients), ...word('operations', operations), ...word('plant', planted)];
  return [wordsOf(before.join(' '), { nodes, timeMs, without }), ...after].join(' ');
};
