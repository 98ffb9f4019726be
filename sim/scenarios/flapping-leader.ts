// Whoever leads is cut off, killed, frozen or asked to hand over, again and again.
import type { Scenario } from './scenario.ts';

export const flappingLeader: Scenario = {
  name: 'flapping-leader',
  sentence: 'Whoever leads is cut off, killed, frozen or asked to hand over, again and again.',
  faults: [
    'isolate-leader',
    'transfer',
    'pause-leader',
    'kill-leader',
    'roving-cut',
    'roving-crash',
    'mute-candidate',
    'late-grant',
  ],
  knobs: () => ({ everyMs: [50, 1_200], lastsMs: [20, 1_000] }),
};
