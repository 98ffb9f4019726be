// `polity check`, `polity bench`: doors to parts that stand outside of src/. What a build does not have is said, not
// guessed at.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CommandError, UsageError } from './exit.ts';
import { durationOf } from './reach.ts';

/** What the checker of sim/checkers answers (design, contracts: exit 0, 1, 2, 3). */
export type CheckVerdict = { verdict: 'linearizable' | 'violated' | 'undecided' | 'unreadable'; explanation: string };

export type CheckHistory = (
  text: string,
  options: { model: 'register' | 'kv'; timeLimitMs: number; nowMs: () => number },
) => CheckVerdict;

export const checkExit = { linearizable: 0, violated: 1, undecided: 2, unreadable: 3 } as const satisfies Record<
  CheckVerdict['verdict'],
  number
>;

/** A module of another part of the house, or null where this build does not have it. */
const optional = async (path: string): Promise<Record<string, unknown> | null> => {
  // Sources are .ts, the build is .js; both lie at the same place relative to each other.
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const url = new URL(`../../${path}${extension}`, import.meta.url);
  return existsSync(url) ? ((await import(url.href)) as Record<string, unknown>) : null;
};

export type CheckOptions = { model: string; timeout: string; json?: boolean };

export const check = async (file: string, options: CheckOptions): Promise<void> => {
  const { model } = options;
  if (model !== 'register' && model !== 'kv') throw new UsageError(`--model must be register or kv, not '${model}'`);
  const timeLimitMs = durationOf(options.timeout, '--timeout');
  const checkers = await optional('sim/checkers/index');
  const checkHistory = checkers?.checkHistory as CheckHistory | undefined;
  if (typeof checkHistory !== 'function') throw new UsageError('this build has no checker (sim/checkers)');
  let answer: CheckVerdict;
  try {
    answer = checkHistory(readFileSync(file, 'utf8'), { model, timeLimitMs, nowMs: () => performance.now() });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    answer = { verdict: 'unreadable', explanation: (error as Error).message };
  }
  process.stdout.write(options.json === true ? `${JSON.stringify(answer)}\n` : `${answer.verdict}\n${answer.explanation}\n`);
  process.exitCode = checkExit[answer.verdict];
};

export const bench = (words: readonly string[]): Promise<void> => {
  const main = [new URL('../../bench/main.ts', import.meta.url), new URL('../../../bench/main.ts', import.meta.url)].find(
    (url) => existsSync(url),
  );
  if (main === undefined) throw new UsageError('benchmarks are part of a checkout, not of the package');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(main), ...words], { stdio: 'inherit' });
    child.once('error', (error) => reject(new CommandError(error.message)));
    child.once('exit', (code) => {
      process.exitCode = code ?? 1;
      resolve();
    });
  });
};
