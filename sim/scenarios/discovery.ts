// Nodes know no address of each other and meet through sources that lie, hang, forget and are cut off; some lose their disks.
import { often, type Scenario } from './scenario.ts';

export const discovery: Scenario = {
  name: 'discovery',
  sentence:
    'Nodes know no address of each other and meet through sources that lie, hang, forget and are cut off; some lose their disks.',
  faults: ['ill-source', 'cut-source', 'forgetful-source', 'kill', 'kill-all', 'power-loss', 'lost-disk', 'pause', 'partition'],
  byNameOnly: true,
  knobs: () => ({ ...often, lastsMs: [20, 6_000], isFound: true }),
};
