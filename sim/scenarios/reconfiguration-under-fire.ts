// Members leave, come back and lose their disks while nodes crash and the network falls apart.
import { often, type Scenario } from './scenario.ts';

export const reconfigurationUnderFire: Scenario = {
  name: 'reconfiguration-under-fire',
  sentence: 'Members leave, come back and lose their disks while nodes crash and the network falls apart.',
  faults: [
    'membership',
    'lost-disk',
    'transfer',
    'kill',
    'power-loss',
    'partition',
    'isolate-leader',
    'one-way',
    'roving-cut',
    'change-when-cut',
    'kill-when-changed',
    'cut-when-removed',
  ],
  knobs: (drawn) => ({ ...often, nodes: Math.max(3, drawn.nodes) }),
};
