// Wall clocks jump, all clocks run slower or faster than they did, and nodes pause.
import { often, type Scenario } from './scenario.ts';

export const clockTrouble: Scenario = {
  name: 'clock-trouble',
  sentence: 'Wall clocks jump, all clocks run slower or faster than they did, and nodes pause.',
  faults: ['clock-jump', 'clock-drift', 'pause', 'pause-leader', 'transfer'],
  knobs: () => ({ ...often, drift: 0.04 }),
};
