// Logs are cut after every few entries, so that whoever was away for a moment needs a snapshot, over bad paths.
import { often, type Scenario } from './scenario.ts';

export const snapshotStorm: Scenario = {
  name: 'snapshot-storm',
  sentence: 'Logs are cut after every few entries, so that whoever was away for a moment needs a snapshot, over bad paths.',
  faults: ['kill', 'power-loss', 'partition', 'isolate-leader', 'lost-disk', 'roving-cut', 'reset', 'congestion', 'slow-disk'],
  knobs: (drawn) => ({
    ...often,
    snapshotEntries: Math.min(5, drawn.snapshotEntries),
    // Leaders and followers then keep the same entries in other batches.
    appendBytes: Math.min(300, drawn.appendBytes),
    inflightMessages: Math.min(3, drawn.inflightMessages),
    retainEntries: 0,
    paddingBytes: 2_000,
    thinkMs: Math.min(20, drawn.thinkMs),
  }),
};
