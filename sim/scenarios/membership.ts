// Members leave, come back and are asked to lead, and disks are lost.
import { often, type Scenario } from './scenario.ts';

export const membership: Scenario = {
  name: 'membership',
  sentence: 'Members leave, come back and are asked to lead, and disks are lost.',
  faults: ['membership', 'lost-disk', 'transfer', 'cut-when-removed', 'kill-when-changed', 'kill-leader'],
  knobs: () => ({ ...often }),
};
