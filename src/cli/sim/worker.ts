// A thread that runs the seeds it is told, one after the other, and answers with what a person wants to know of each.
import { parentPort } from 'node:worker_threads';
import type { RunResult } from '../../../sim/index.ts';
import type { SeedOptions } from './options.ts';
import { runSeedOf } from './run.ts';

export type Order = { readonly seed: number; readonly options: SeedOptions; readonly isTwice: boolean };

/** Histories and lines stay where they are: the same seed gives them again. */
export type Facts = Omit<RunResult, 'history' | 'lines'>;

/** `facts` is null if the thread ended over it. */
export type Outcome = Pick<RunResult, 'seed' | 'verdict' | 'reason'> & { readonly facts: Facts | null };

export const outcomeOf = ({ history: _history, lines: _lines, ...facts }: RunResult): Outcome => {
  const { seed, verdict, reason } = facts;
  return { seed, verdict, reason, facts };
};

parentPort?.on('message', ({ seed, options, isTwice }: Order) => {
  parentPort!.postMessage(outcomeOf(runSeedOf(seed, options, isTwice)));
});
