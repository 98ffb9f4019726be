// How many seeds it takes to find one bug: plants it, runs seeds in a child process, and says what the first that failed said.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutant.ts';
import { plant } from './plant.ts';
import type { SeedLine } from './seeds.ts';

export type HuntOptions = {
  first: number;
  last: number;
  /** Virtual milliseconds under fire a seed. */
  timeMs: number;
};

export type Kill = { seed: number; as: 'crash' | 'liveness' | 'correctness'; what: string };

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
    const numbers = [options.first, options.last, options.timeMs].map(String);
    const child = spawn(process.execPath, [runner, folder, ...numbers], { stdio: ['ignore', 'pipe', 'pipe'], signal });
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

export const hunt = async (mutant: Mutant | null, options: HuntOptions, signal: AbortSignal): Promise<Hunt> => {
  const beganMs = performance.now();
  const planted = plant(mutant);
  try {
    const { lines, hung } = await runSeeds(planted.folder, options, signal);
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
