// Disks are slow, full, broken, unreadable or rotten, and forget what was written and what was not.
import { often, type Scenario } from './scenario.ts';

export const diskTrouble: Scenario = {
  name: 'disk-trouble',
  sentence: 'Disks are slow, full, broken, unreadable or rotten, and forget what was written and what was not.',
  faults: [
    'slow-disk',
    'full-disk',
    'broken-disk',
    'unreadable-disk',
    'bit-rot',
    'misdirected-value',
    'lost-value',
    'dropped-tail',
    'power-loss',
  ],
  knobs: () => ({ ...often }),
};
