// How many seeds it takes to find one bug: plants it, runs seeds in a child process, and says what the first that failed said. A bug
// that only laws show is hunted by their tests instead.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { lawsOf, type Mutant, scenarioOf } from './mutant.ts';
import { plant } from './plant.ts';
import type { SeedLine } from './seeds.ts';

export type HuntOptions = {
  first: number;
  last: number;
  /** Virtual milliseconds under fire a seed. */
  timeMs: number;
  /** For the source as it is; a mutant names its own. */
  scenario?: string | null;
  laws?: string | null;
};

/** `seed` null: not by seeds but by laws. */
export type Kill = { seed: number | null; as: 'crash' | 'liveness' | 'correctness' | 'law'; what: string };

export type Hunt = {
  /** Null: the source as it is. */
  mutant: string | null;
  /** Null: it survived. */
  kill: Kill | null;
  /** Seeds that were run. */
  seeds: number;
  virtualMs: number;
  wallMs: number;
};

/**
 * A seed that takes longer has fallen into a loop without end: no judge inside of the process can say so. Counted in seconds that
 * were lived through, so that a machine that sleeps for a while ends nothing.
 */
const seedSecondsMax = 120;
const whatCharsMax = 160;

const runner = fileURLToPath(new URL('seeds.ts', import.meta.url));

/** The first line of a reason, without the folder of the copy. */
const gist = (reason: string, folder: string): string => {
  const line = reason.split('\n')[0]!.replaceAll(folder, '').replace(/\s+/g, ' ').trim();
  return line.length > whatCharsMax ? `${line.slice(0, whatCharsMax)}…` : line;
};

/** Runs the copy's seeds; `signal` ends it early. Rejects when the process itself fails. */
const runSeeds = (folder: string, options: HuntOptions, signal: AbortSignal): Promise<{ lines: SeedLine[]; hung: boolean }> =>
  new Promise((resolve, reject) => {
    const words = [options.first, options.last, options.timeMs].map(String);
    if (options.scenario) words.push(options.scenario);
    const child = spawn(process.execPath, [runner, folder, ...words], { stdio: ['ignore', 'pipe', 'pipe'], signal });
    const lines: SeedLine[] = [];
    let hung = false;
    let errors = '';
    let seconds = 0;
    const patience = setInterval(() => {
      if (++seconds < seedSecondsMax) return;
      hung = true;
      child.kill('SIGKILL');
    }, 1_000);
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(JSON.parse(line) as SeedLine);
      seconds = 0;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      errors = `${errors}${bytes}`.slice(-4_000);
    });
    child.on('error', (error) => {
      clearInterval(patience);
      reject(error);
    });
    child.on('close', (code) => {
      clearInterval(patience);
      if (code === 0 || hung) resolve({ lines, hung });
      else reject(new Error(`the process that ran the seeds ended with ${code}: ${errors}`));
    });
  });

/** A file of tests could not be run: nothing is known of what is planted. */
export class LawsUnread extends Error {}

/** Names the first test that fails, or null. Rejects when none did and the file failed all the same: that says nothing of any mutant. */
const runLaws = (folder: string, file: string, signal: AbortSignal): Promise<string | null> =>
  new Promise((resolve, reject) => {
    const words = ['--test', '--test-reporter=tap', file];
    const child = spawn(process.execPath, words, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      env: environment(),
    });
    let failed: string | null = null;
    let said = '';
    createInterface({ input: child.stdout }).on('line', (line) => {
      said = `${said}\n${line}`.slice(-4_000);
      const name = /^\s*not ok \d+ - (.*)$/.exec(line)?.[1] ?? null;
      // A file that cannot be loaded counts as a test of its own name.
      if (name !== null && !file.endsWith(name) && !name.endsWith(file)) failed ??= name;
    });
    child.stderr.on('data', (bytes: Buffer) => {
      said = `${said}${bytes}`.slice(-4_000);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0 && failed === null)
        reject(new LawsUnread(`${file} ended with ${code}, and no test of it failed: ${said}`));
      else resolve(failed);
    });
  });

/** A runner of tests inside a runner of tests says nothing unless it is told that it is the first. */
const environment = (): NodeJS.ProcessEnv => {
  const { NODE_TEST_CONTEXT: _inside, ...others } = process.env;
  return others;
};

const huntByLaws = async (mutant: Mutant | null, file: string, signal: AbortSignal): Promise<Hunt> => {
  const beganMs = performance.now();
  const planted = plant(mutant, true);
  try {
    const what = await runLaws(planted.folder, file, signal);
    const kill: Kill | null = what === null ? null : { seed: null, as: 'law', what: gist(what, planted.folder) };
    return { mutant: mutant?.name ?? null, kill, seeds: 0, virtualMs: 0, wallMs: Math.round(performance.now() - beganMs) };
  } finally {
    planted.remove();
  }
};

export const hunt = async (mutant: Mutant | null, options: HuntOptions, signal: AbortSignal): Promise<Hunt> => {
  const laws = lawsOf(mutant) ?? options.laws ?? null;
  if (laws !== null) return huntByLaws(mutant, laws, signal);
  const beganMs = performance.now();
  const planted = plant(mutant);
  const scenario = scenarioOf(mutant) ?? options.scenario ?? null;
  try {
    const { lines, hung } = await runSeeds(planted.folder, { ...options, scenario }, signal);
    const last = lines.at(-1);
    const kill: Kill | null = hung
      ? { seed: options.first + lines.length, as: 'liveness', what: `the seed does not end within ${seedSecondsMax} s` }
      : last === undefined || last.verdict === 'held'
        ? null
        : { seed: last.seed, as: last.verdict, what: gist(last.reason, planted.folder) };
    return {
      ...{ mutant: mutant?.name ?? null, kill, seeds: lines.length + (hung ? 1 : 0) },
      virtualMs: lines.reduce((sum, line) => sum + line.virtualMs, 0),
      wallMs: Math.round(performance.now() - beganMs),
    };
  } finally {
    planted.remove();
  }
};
