// Nothing goes wrong.
import type { Scenario } from './scenario.ts';

export const calm: Scenario = {
  name: 'calm',
  sentence: 'Nothing goes wrong.',
  faults: [],
  knobs: () => ({ minorityStaysBroken: false, drift: 0 }),
};
