// Whatever strikes waits for its moment: a promise just given, a campaign just begun, a change of members in one log only.
import type { Scenario } from './scenario.ts';

export const badMoments: Scenario = {
  name: 'bad-moments',
  sentence:
    'Whatever strikes waits for its moment: a promise just given, a campaign just begun, a change of members in one log only.',
  faults: [
    'power-loss-when-synced',
    'mute-candidate',
    'late-grant',
    'forgetful-voter',
    'change-when-cut',
    'kill-when-changed',
    'cut-when-removed',
    'restart-twice',
    'late-cut',
    'roving-cut',
  ],
  knobs: () => ({ everyMs: [30, 900], lastsMs: [20, 1_000] }),
};
