// `polity check` and `polity bench`: doors to parts that stand outside of src/. What a build does not have is said, not guessed at.
import { spawn } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CheckAnswer, createCheck, historyLimits, historyModels } from '../../sim/checkers/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { durationOf } from './reach.ts';

/** Of its own, and a contract (design; docs/reference/cli.md). */
export const checkExit = { linearizable: 0, violated: 1, undecided: 2, unreadable: 3 } as const satisfies Record<
  CheckAnswer['verdict'],
  number
>;

export type CheckOptions = { model: string; timeout: string; json?: boolean };

const lineFeed = 10;

type Lines = { line(text: string): void; unreadableLine(message: string): void };

/** Lines of a file of any size, one at a time; a line that is no text or does not end is said to be so. */
const readLines = async (input: AsyncIterable<Buffer>, lines: Lines): Promise<void> => {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest: Buffer[] = [];
  let restBytes = 0;
  const end = (): void => {
    try {
      lines.line(decoder.decode(rest.length === 1 ? rest[0] : Buffer.concat(rest)));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      lines.unreadableLine('not UTF-8');
    }
    rest = [];
    restBytes = 0;
  };
  for await (const chunk of input) {
    let from = 0;
    for (let to = chunk.indexOf(lineFeed); to !== -1; to = chunk.indexOf(lineFeed, from)) {
      rest.push(chunk.subarray(from, to));
      end();
      from = to + 1;
    }
    rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    // A character has at most four bytes.
    if (restBytes > 4 * historyLimits.lineCharsMax)
      return lines.unreadableLine(`the line is longer than ${historyLimits.lineCharsMax} characters`);
  }
  if (restBytes > 0) end();
};

const judge = async (file: string, model: keyof typeof historyModels, timeLimitMs: number): Promise<CheckAnswer> => {
  const check = createCheck({ model, timeLimitMs, nowMs: () => performance.now() });
  try {
    await readLines(file === '-' ? process.stdin : createReadStream(file), check);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return { verdict: 'unreadable', explanation: (error as Error).message };
  }
  return check.end();
};

export const check = async (file: string, options: CheckOptions): Promise<void> => {
  const { model } = options;
  if (!Object.hasOwn(historyModels, model))
    throw new UsageError(`--model must be ${Object.keys(historyModels).join(' or ')}, not '${model}'`);
  const timeLimitMs = durationOf(options.timeout, '--timeout');
  const answer = await judge(file, model as keyof typeof historyModels, timeLimitMs);
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
