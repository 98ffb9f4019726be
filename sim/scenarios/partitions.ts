// Paths between nodes stall, both ways, one way or in a ring, lose what they carry, and connections break.
import { often, type Scenario } from './scenario.ts';

export const partitions: Scenario = {
  name: 'partitions',
  sentence: 'Paths between nodes stall, both ways, one way or in a ring, lose what they carry, and connections break.',
  faults: [
    'partition',
    'one-way',
    'isolate-leader',
    'bridge',
    'ring',
    'reset',
    'flapping-connection',
    'slow-network',
    'loss',
    'congestion',
  ],
  knobs: () => ({ ...often }),
};
