// A seed is a bug report only if it says the same on every day: runs one twice, with another in between, and shows where they part.
import { type RunOptions, type RunResult, runSeed } from './swarm.ts';

export type Twice =
  | { same: true; result: RunResult }
  | { same: false; result: RunResult; line: number; first: string; second: string };

const linesMax = 2_000_000;

export const runTwice = (seed: number, options: RunOptions = {}): Twice => {
  const first = runSeed(seed, { ...options, linesMax });
  runSeed(seed ^ 0x5eed, { timeMs: 500 });
  const second = runSeed(seed, { ...options, linesMax });
  if (first.hash === second.hash) return { same: true, result: first };
  const longest = Math.max(first.lines.length, second.lines.length);
  let line = 0;
  while (line < longest && first.lines[line] === second.lines[line]) line++;
  const at = ({ lines }: RunResult): string => lines[line] ?? '(it ends here)';
  return { same: false, result: first, line: line + 1, first: at(first), second: at(second) };
};
