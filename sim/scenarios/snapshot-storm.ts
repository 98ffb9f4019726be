// Logs are cut after every few entries, so that whoever was away for a moment needs a snapshot, over bad paths.
import { often, type Scenario } from './scenario.ts';

export const snapshotStorm: Scenario = {
  name: 'snapshot-storm',
  sentence: 'Logs are cut after every few entries, so that whoever was away for a moment needs a snapshot, over bad paths.',
  faults: ['kill', 'power-loss', 'partition', 'isolate-leader', 'lost-disk', 'roving-cut', 'reset', 'congestion'],
  knobs: (drawn) => ({
    ...often,
    snapshotEntries: 5,
    retainEntries: 0,
    paddingBytes: 2_000,
    thinkMs: Math.min(20, drawn.thinkMs),
  }),
};
