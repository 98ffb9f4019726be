// One seed, as the command line wants it run.
import { type RunResult, runSeed, runTwice } from '../../../sim/index.ts';
import type { SeedOptions } from './options.ts';

/** Twice: the first line in which the traces differ is a leak of real time or chance, and that is a failure of its own. */
export const runSeedOf = (seed: number, options: SeedOptions, isTwice: boolean): RunResult => {
  if (!isTwice) return runSeed(seed, options);
  const twice = runTwice(seed, options);
  if (twice.same) return twice.result;
  const reason = `the seed does not repeat itself: line ${twice.line} is\n${twice.first}\nand then\n${twice.second}`;
  return { ...twice.result, verdict: 'correctness', reason };
};
