// Nodes are stopped in order and started again, one after the other, at times as another version.
import { often, type Scenario } from './scenario.ts';

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  sentence: 'Nodes are stopped in order and started again, one after the other, at times as another version.',
  faults: ['restart', 'rolling-restart', 'rolling-upgrade'],
  knobs: () => ({ ...often }),
};
