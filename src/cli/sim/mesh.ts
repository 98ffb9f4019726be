// `polity sim --scenario mesh`: many nodes of membership and nothing else. The same words as for clusters where they mean the same;
// what a mesh does not have is refused, with the reason.
import { faultsOfMesh, type MeshEvent, type MeshResult, runMeshSeed, runMeshTwice, type Spread } from '../../../sim/index.ts';
import { UsageError } from '../exit.ts';
import type { Output } from './files.ts';
import { between, given, numbersOf, type SimOptions, timeOf, wordsOf } from './words.ts';

export const meshName = 'mesh';
export const meshSentence =
  'membership alone, of up to 1000 nodes that crash, pause, move, leave, lose each other and are thrown out';
const nodesMin = 2;
const nodesMax = 1_000;

/** What a worker can be told: data only. */
export type MeshSeedOptions = {
  scenario: typeof meshName;
  nodes?: number;
  timeMs?: number;
  without?: number[];
  planted?: 'hasty';
};

export type MeshFacts = Omit<MeshResult, 'lines'> & { scenario: typeof meshName };

export const isMesh = (options: { scenario?: string }): options is MeshSeedOptions => options.scenario === meshName;

const foreign: readonly [keyof SimOptions, string][] = [
  ['faults', 'draws from all of its faults; --without leaves out those of one run'],
  ['works', 'has no clients'],
  ['clients', 'has no clients'],
  ['operations', 'has no clients'],
  ['history', 'has no clients whose history there could be'],
  ['tla', 'has no Raft'],
  ['report', 'is not drawn; --trace writes every event'],
  ['shrink', 'is not made smaller by itself; fewer --nodes, less --time and --without do it by hand'],
];

export const meshOptionsOf = (options: SimOptions): MeshSeedOptions => {
  for (const [name, why] of foreign) if (options[name] !== undefined) throw new UsageError(`--${name}: a mesh ${why}`);
  const { nodes, time, without, plant } = options;
  if (plant !== undefined && plant !== 'hasty') throw new UsageError(`--plant must be hasty for a mesh, not '${plant}'`);
  return {
    scenario: meshName,
    ...given({
      nodes: between(nodes, '--nodes', nodesMin, nodesMax),
      timeMs: timeOf(time, '--time'),
      without: numbersOf(without),
      planted: plant,
    }),
  };
};

export const meshCommandOf = (seed: number, { nodes, timeMs, without, planted }: MeshSeedOptions): string =>
  wordsOf(`polity sim --scenario ${meshName} --seed ${seed}`, { nodes, timeMs, without }) +
  (planted === undefined ? '' : ` --plant ${planted}`);

const optionsOf = ({ scenario: _scenario, ...options }: MeshSeedOptions) => options;

/** Twice: a difference is a leak of real time or chance, and a failure of its own. */
export const runMeshOf = (
  seed: number,
  options: MeshSeedOptions,
  isTwice: boolean,
): MeshResult & { scenario: typeof meshName } => {
  if (!isTwice) return { scenario: meshName, ...runMeshSeed(seed, optionsOf(options)) };
  const twice = runMeshTwice(seed, optionsOf(options));
  if (twice.same) return { scenario: meshName, ...twice.result };
  const reason = `the seed does not repeat itself: line ${twice.line} is\n${twice.first}\nand then\n${twice.second}`;
  return { scenario: meshName, ...twice.result, verdict: 'correctness', reason };
};

/** Runs it once more, to write down every event. */
export const traceMesh = (seed: number, options: MeshSeedOptions, trace: Output): void => {
  runMeshSeed(seed, { ...optionsOf(options), listen: (event: MeshEvent) => trace.line(event) });
};

// ---------------------------------------------------------------- what is printed

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const spread = ({ median, worst }: NonNullable<Spread>): string => `${seconds(median)} (worst ${seconds(worst)})`;

const crashText = ({ crashes, noticedMs, knownMs }: MeshFacts): string => {
  if (crashes === 0) return 'none';
  if (noticedMs === null) return `${crashes}; over before anybody noticed`;
  const known = knownMs === null ? 'over before all knew' : `known to all after ${spread(knownMs)}`;
  return `${crashes}; noticed after ${spread(noticedMs)}, ${known}`;
};

export const meshLineOf = ({ seed, verdict, knobs, virtualMs, steps, faults, hash }: MeshFacts): string =>
  `seed ${seed}: ${verdict}; mesh of ${knobs.nodes}, ${(virtualMs / 1_000).toFixed(0)} s, ${steps} events, ${faults.length} faults; trace ${hash}`;

/** Everything that is to be said of one run. */
export const meshLines = (facts: MeshFacts): string[] => {
  const { done, suspicions, excused, agreedMs, verdict } = facts;
  const faults = faultsOfMesh.filter((fault) => (done[fault] ?? 0) > 0).map((fault) => `${done[fault]} ${fault}`);
  const wronged = verdict === 'correctness' ? 'somebody, see above' : 'nobody';
  const rows: [string, string][] = [
    ['faults', faults.length === 0 ? 'none' : faults.join(', ')],
    ['crashes', crashText(facts)],
    ['wronged', `${wronged}; ${suspicions} suspicions; ${excused} times held for failed while cut off or stopped for long`],
    ['agreed', agreedMs === null ? 'not at all' : `${seconds(agreedMs)} after everything worked again`],
    ['cost', `${facts.bytesPerNodeSecond} bytes and ${facts.messagesPerNodeSecond} messages a second for each node`],
  ];
  return rows.map(([name, text]) => `  ${name.padEnd(8)} ${text}`);
};
