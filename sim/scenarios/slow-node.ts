// A node is slow: its processor, its disk, its network.
import { often, type Scenario } from './scenario.ts';

export const slowNode: Scenario = {
  name: 'slow-node',
  sentence: 'A node is slow: its processor, its disk, its network.',
  faults: ['slow-process', 'slow-disk', 'slow-network', 'congestion', 'loss', 'pause'],
  knobs: () => ({ ...often }),
};
