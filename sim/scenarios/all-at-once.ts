// Every fault there is, several at a time.
import { drawnFaults } from '../nemesis/index.ts';
import type { Scenario } from './scenario.ts';

export const allAtOnce: Scenario = {
  name: 'all-at-once',
  sentence: 'Every fault there is, several at a time.',
  faults: drawnFaults,
  knobs: () => ({ everyMs: [20, 600], lastsMs: [20, 3_000] }),
};
