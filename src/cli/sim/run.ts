// One seed, as the command line wants it run.
import { type RunResult, runSeed, runTwice } from '../../../sim/index.ts';
import { isMesh, type MeshFacts, runMeshOf } from './mesh.ts';
import type { AnySeedOptions, SeedOptions } from './options.ts';

/** Twice: the first line in which the traces differ is a leak of real time or chance, and that is a failure of its own. */
export const runSeedOf = (seed: number, options: SeedOptions, isTwice: boolean): RunResult => {
  if (!isTwice) return runSeed(seed, options);
  const twice = runTwice(seed, options);
  if (twice.same) return twice.result;
  const reason = `the seed does not repeat itself: line ${twice.line} is\n${twice.first}\nand then\n${twice.second}`;
  return { ...twice.result, verdict: 'correctness', reason };
};

/** Histories and lines stay where they are: the same seed gives them again. */
export type ClusterFacts = Omit<RunResult, 'history' | 'lines'>;
export type Facts = ClusterFacts | MeshFacts;

export const isMeshFacts = (facts: Facts): facts is MeshFacts => 'scenario' in facts;

/** `facts` is null if the thread ended over it. */
export type Outcome = Pick<RunResult, 'seed' | 'verdict' | 'reason'> & { readonly facts: Facts | null };

export const outcomeOf = ({ history: _history, lines: _lines, ...facts }: RunResult): Outcome => {
  const { seed, verdict, reason } = facts;
  return { seed, verdict, reason, facts };
};

/** What is left of it to be told from thread to thread. */
export const runOutcomeOf = (seed: number, options: AnySeedOptions, isTwice: boolean): Outcome => {
  if (!isMesh(options)) return outcomeOf(runSeedOf(seed, options, isTwice));
  const { lines: _lines, ...facts } = runMeshOf(seed, options, isTwice);
  return { seed, verdict: facts.verdict, reason: facts.reason, facts };
};
