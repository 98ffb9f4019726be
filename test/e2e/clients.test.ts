// What clients are told and keep while nodes die, stop and come back: watches, backups, answers without a quorum, locks. One cluster
// for all of it, which each leaves as it found it: to form one takes longer than most of them.
import { type TestContext, test } from 'node:test';
import { backupHasWhatWasAcknowledged } from './backup.ts';
import { type Cluster, withCluster } from './cluster.ts';
import { lockOutlivesLeader } from './lock.ts';
import { followerAlone, leaderAlone } from './quorum.ts';
import { watchesMove } from './watch.ts';

/** The first needs the whole log. */
const parts: readonly [what: string, holds: (cluster: Cluster, t: TestContext) => Promise<void>][] = [
  ['watches over a kill -9 of the leader and a restart of a follower', watchesMove],
  ['a backup by a follower, right after a write at the leader', backupHasWhatWasAcknowledged],
  ['a follower alone: 503 NO_QUORUM for what is only served by a quorum, and its own old state on request', followerAlone],
  ['a leader that lost its followers: 504 OUTCOME_UNKNOWN, and no old value is read', leaderAlone],
  ['a lock is held over a kill -9 of the leader; an old holder is fenced off', lockOutlivesLeader],
];

test('clients of a cluster of three', { timeout: 600_000 }, (t) =>
  withCluster({ nodes: 3 }, async (cluster) => {
    for (const [what, holds] of parts)
      await t.test(what, { timeout: 300_000 }, async (t) => {
        try {
          await cluster.settled();
          await holds(cluster, t);
        } catch (error) {
          if (!cluster.isTold) console.error(cluster.tails());
          throw error;
        }
      });
  }),
);
