// Named mixtures of faults. Without a name the seed draws its own mixture.
import { type Fault, faults } from './nemesis/index.ts';

export type Scenario = { name: string; sentence: string; faults: readonly Fault[] };

export const scenarios: readonly Scenario[] = [
  { name: 'calm', sentence: 'Nothing goes wrong.', faults: [] },
  {
    name: 'partitions',
    sentence: 'Paths between nodes stall, both ways or one way, and connections break.',
    faults: ['partition', 'one-way', 'isolate-leader', 'reset', 'slow-network'],
  },
  {
    name: 'flapping-leader',
    sentence: 'Whoever leads is cut off, asked to hand over, or frozen.',
    faults: ['isolate-leader', 'transfer', 'pause'],
  },
  { name: 'rolling-restart', sentence: 'Nodes are stopped in order and started again.', faults: ['restart'] },
  {
    name: 'crashes',
    sentence: 'Processes are killed and machines lose their power, one by one and all at once.',
    faults: ['kill', 'kill-all', 'power-loss', 'power-loss-all'],
  },
  {
    name: 'disk-trouble',
    sentence: 'Disks are slow, full or broken, and lose what was not synced.',
    faults: ['slow-disk', 'full-disk', 'broken-disk', 'power-loss'],
  },
  {
    name: 'membership',
    sentence: 'Members leave, come back and lose their disks while nodes crash and the network falls apart.',
    faults: ['membership', 'lost-disk', 'transfer', 'kill', 'power-loss', 'partition', 'isolate-leader'],
  },
  { name: 'clock-trouble', sentence: 'Wall clocks jump while nodes pause.', faults: ['clock-jump', 'pause', 'transfer'] },
  {
    name: 'slow-node',
    sentence: 'A node is slow: its processor, its disk, its network.',
    faults: ['slow-process', 'slow-disk', 'slow-network', 'pause'],
  },
  { name: 'all-at-once', sentence: 'Every fault there is.', faults },
];
