// The door of the scenarios, in the order in which they are listed.
import { actorVersions } from './actor-versions.ts';
import { actors } from './actors.ts';
import { allAtOnce } from './all-at-once.ts';
import { badMoments } from './bad-moments.ts';
import { calls } from './calls.ts';
import { calm } from './calm.ts';
import { clockTrouble } from './clock-trouble.ts';
import { crashes } from './crashes.ts';
import { discovery } from './discovery.ts';
import { diskTrouble } from './disk-trouble.ts';
import { flappingLeader } from './flapping-leader.ts';
import { lateAnswers } from './late-answers.ts';
import { membership } from './membership.ts';
import { partitions } from './partitions.ts';
import { queues } from './queues.ts';
import { reconfigurationUnderFire } from './reconfiguration-under-fire.ts';
import { replica } from './replica.ts';
import { rollingRestart } from './rolling-restart.ts';
import type { Scenario } from './scenario.ts';
import { slowNode } from './slow-node.ts';
import { snapshotStorm } from './snapshot-storm.ts';
import { topics } from './topics.ts';

export type { Scenario } from './scenario.ts';

export const scenarios: readonly Scenario[] = [
  calm,
  partitions,
  flappingLeader,
  rollingRestart,
  crashes,
  diskTrouble,
  membership,
  reconfigurationUnderFire,
  clockTrouble,
  slowNode,
  lateAnswers,
  snapshotStorm,
  badMoments,
  discovery,
  replica,
  queues,
  calls,
  topics,
  actors,
  actorVersions,
  allAtOnce,
];
