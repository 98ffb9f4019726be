// Polity's types beside Yjs and Automerge: the same edits by as many replicas in one run, in memory. Nothing but the libraries is
// compared: no disk, no network. Libraries take turns; ratios are taken within a round before their median is.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeDirectory, outputOf, removeDirectory } from './children.ts';
import { median, type Row, round } from './figures.ts';
import type { WorkloadName } from './replica-edits.ts';
import type { Edited, LibraryName, Loaded } from './replica-peer.ts';

const program = fileURLToPath(new URL('replica-peer.ts', import.meta.url));
const limitMs = 240_000;

/** As many edits as the slowest library does in twenty seconds. */
const workloads: readonly { name: WorkloadName; edits: number }[] = [
  { name: 'text', edits: 48_000 },
  { name: 'map', edits: 3_000 },
  { name: 'map by 100', edits: 12_000 },
  { name: 'counters', edits: 9_000 },
  { name: 'set', edits: 9_000 },
];

/** `rounds`: Automerge takes as long for one as the others for ten. */
const libraries: readonly { name: LibraryName; package: string | null; rounds: number }[] = [
  { name: 'polity', package: null, rounds: 3 },
  { name: 'yjs', package: 'yjs', rounds: 3 },
  { name: 'automerge', package: '@automerge/automerge', rounds: 1 },
];

type Sample = Edited & Loaded;
type Samples = Record<WorkloadName, Record<LibraryName, Sample[]>>;

/** The version that is installed, by the nearest package.json that names it. */
const versionOf = (name: string): string => {
  for (let at = dirname(createRequire(import.meta.url).resolve(name)); ; at = dirname(at))
    try {
      const found = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as { name?: string; version?: string };
      if (found.name === name) return found.version ?? 'unknown';
    } catch {
      if (dirname(at) === at) return 'unknown';
    }
};

const runOnce = async (library: LibraryName, workload: WorkloadName, edits: number, seed: number): Promise<Sample> => {
  const directory = makeDirectory();
  const words = [library, workload, `${edits}`, `${seed}`, join(directory, 'state')];
  try {
    const edited = JSON.parse(await outputOf(['--expose-gc', program, 'edit', ...words], limitMs)) as Edited;
    const loaded = JSON.parse(await outputOf(['--expose-gc', program, 'load', ...words], limitMs)) as Loaded;
    return { ...edited, ...loaded };
  } finally {
    removeDirectory(directory);
  }
};

const assertSame = (workload: WorkloadName, round: readonly Sample[]): void => {
  if (new Set(round.map(({ digest }) => digest)).size > 1)
    throw new Error(`${workload}: the libraries did not come to the same result`);
};

const rowOf = (samples: Samples, workload: WorkloadName, library: (typeof libraries)[number]): Row => {
  const mine = samples[workload][library.name];
  const polity = samples[workload].polity;
  const of = (name: Exclude<keyof Sample, 'digest'>, digits = 1): number => round(median(mine.map((one) => one[name])), digits);
  const times = (name: Exclude<keyof Sample, 'digest'>): number | string =>
    library.name === 'polity' ? '' : round(median(mine.map((one, at) => one[name] / polity[at]![name])), 1);
  return {
    ...{ edits: `${mine[0]!.edits} ${workload}`, library: library.name, runs: mine.length },
    ...{ 'edit µs': of('editUs'), '× Polity': times('editUs'), 'hear µs': of('hearUs'), '×': times('hearUs') },
    ...{ 'update B/edit': Math.round(of('updateBytes', 3)), 'state B': of('stateBytes', 6), '× ': times('stateBytes') },
    ...{ 'encode ms': of('encodeMs'), 'load ms': of('loadMs'), 'memory KB': Math.round(of('memoryBytes', 6) / 1_000) },
    ...{ 'sync B': of('syncBytes', 6), 'sync ms': of('syncMs') },
  };
};

export const measureReplicaPeers = async (quick: boolean): Promise<{ rows: Row[]; samples: unknown }> => {
  const samples = Object.fromEntries(
    workloads.map(({ name }) => [name, { polity: [], yjs: [], automerge: [] }]),
  ) as unknown as Samples;
  for (const { name, edits } of workloads)
    for (let at = 0; at < (quick ? 1 : 3); at++) {
      const round: Sample[] = [];
      for (const library of libraries.filter(({ rounds }) => at < rounds)) {
        const sample = await runOnce(library.name, name, quick ? edits / 10 : edits, at + 1);
        samples[name][library.name].push(sample);
        round.push(sample);
      }
      assertSame(name, round);
    }
  const versions = libraries.map(({ name, package: of }) => `${name} ${of === null ? '' : versionOf(of)}`.trim());
  console.log(`replica-peers: ${versions.join(', ')}`);
  return { rows: workloads.flatMap(({ name }) => libraries.map((library) => rowOf(samples, name, library))), samples };
};
