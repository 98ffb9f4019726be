// Processes are killed and machines lose their power, one by one and all at once.
import { often, type Scenario } from './scenario.ts';

export const crashes: Scenario = {
  name: 'crashes',
  sentence: 'Processes are killed and machines lose their power, one by one and all at once.',
  faults: [
    'kill',
    'kill-all',
    'kill-leader',
    'crash-loop',
    'power-loss',
    'power-loss-all',
    'power-loss-when-synced',
    'forgetful-voter',
  ],
  knobs: () => ({ ...often }),
};
