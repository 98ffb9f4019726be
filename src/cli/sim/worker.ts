// A thread that runs the seeds it is told, one after the other, and answers with what a person wants to know of each.
import { parentPort } from 'node:worker_threads';
import type { AnySeedOptions } from './options.ts';
import { runOutcomeOf } from './run.ts';

export type Order = { readonly seed: number; readonly options: AnySeedOptions; readonly isTwice: boolean };

parentPort?.on('message', ({ seed, options, isTwice }: Order) => {
  parentPort!.postMessage(runOutcomeOf(seed, options, isTwice));
});
