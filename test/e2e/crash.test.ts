// Processes that die, all at once or one by one, and one that freezes, while clients write: nothing acknowledged is lost, nothing
// unacknowledged is reported as done, and what clients saw is linearizable.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NodeStatus } from '../../src/index.ts';
import { type Cluster, groupOf, seesPeer, sleep, until, withCluster } from './cluster.ts';
import type { NodeProcess } from './node-process.ts';
import { restartOneByOne, rounds as restarts } from './restart.ts';
import { underLoad } from './verdict.ts';
import type { Workload } from './workload.ts';

/** POLITY_E2E=long repeats every fault. */
const rounds = process.env.POLITY_E2E === 'long' ? 10 : 1;
/** Far above what it should take (bench/failover.ts measures that): only a cluster that does not come back fails. */
const backMsMax = 30_000;
const limits = { timeout: (300_000 + restarts * 30_000) * rounds };

type Fault = { what: string; hurt: (cluster: Cluster, workload: Workload) => Promise<void> };

const faults: readonly Fault[] = [
  {
    what: 'kill -9 of the leader',
    async hurt(cluster, workload) {
      const leader = await cluster.settled();
      await leader.kill9();
      await workload.progress(30, backMsMax);
      assert.notEqual((await cluster.settled()).name, leader.name);
      await leader.start();
      await cluster.settled();
    },
  },
  {
    what: 'kill -9 of a follower',
    async hurt(cluster, workload) {
      const follower = await cluster.follower();
      await follower.kill9();
      await workload.progress(30, backMsMax);
      await follower.start();
      await cluster.settled();
    },
  },
  {
    what: 'kill -9 of all at once',
    async hurt(cluster, workload) {
      await Promise.all(cluster.nodes.map((node) => node.kill9()));
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await workload.progress(30, backMsMax);
      await cluster.settled();
    },
  },
  {
    what: 'SIGSTOP of the leader for 5 s, then SIGCONT',
    async hurt(cluster, workload) {
      const leader = await cluster.settled();
      const term = groupOf((await leader.status())!)!.term;
      leader.pause();
      const frozenMs = performance.now();
      const others = cluster.others(leader);
      const elsewhere = async (): Promise<(NodeStatus | null)[]> => await Promise.all(others.map((node) => node.status()));
      await until('another leader while the old one is frozen', async () =>
        (await elsewhere()).some((status) => status !== null && groupOf(status)?.role === 'leader'),
      );
      await workload.progress(10, backMsMax);
      // TCP says nothing of a process that is frozen: beats do, and they have to be answered.
      await until('the others gave up their connections to the frozen node', async () =>
        (await elsewhere()).every((status) => status !== null && !seesPeer(status, leader.name)),
      );
      await sleep(Math.max(0, 5_000 - (performance.now() - frozenMs)));
      leader.resume();
      await cluster.settled();
      await cluster.connected();
      assert.ok(groupOf((await leader.status())!)!.term > term);
    },
  },
];

test('processes that die or freeze under load', limits, (t) =>
  withCluster({ nodes: 3 }, async (cluster) => {
    for (const [seed, { what, hurt }] of faults.entries())
      await t.test(what, async (t) => {
        const done = await underLoad(cluster, { seed }, async (workload) => {
          for (let round = 0; round < rounds; round++) {
            workload.resetGap();
            await hurt(cluster, workload);
            t.diagnostic(`longest time without an acknowledged write: ${Math.round(workload.longestGapMs)} ms`);
          }
        });
        t.diagnostic(done);
      });
    await t.test('kill -9 of the leader while nothing happens and the group is quiet', (t) => assertWakesUp(t, cluster));
    await t.test(`${restarts} restarts, one node after the other, under load`, (t) => restartOneByOne(cluster, t));
  }),
);

const assertWakesUp = async (t: TestContext, cluster: Cluster): Promise<void> => {
  const leader = await cluster.settled();
  assert.equal((await leader.ask('PUT', '/v1/kv/before', 'b')).status, 200);
  await until('the group is quiet on all nodes', async () => {
    const statuses = await Promise.all(cluster.nodes.map((node) => node.status()));
    return statuses.every((status) => status !== null && groupOf(status)?.quiet === true);
  });
  await leader.kill9();
  const startMs = performance.now();
  const [one] = cluster.others(leader) as [NodeProcess];
  const written = await one.ask('PUT', `/v1/kv/after?timeout-ms=${backMsMax}`, 'a');
  t.diagnostic(`a write was acknowledged ${Math.round(performance.now() - startMs)} ms after the kill`);
  assert.equal(written.status, 200, JSON.stringify(written.fields));
  assert.equal((await one.ask('GET', '/v1/kv/before')).fields.value, 'b');
  assert.notEqual((await cluster.settled()).name, leader.name);
  await leader.start();
  await cluster.settled();
  assert.equal((await leader.ask('GET', '/v1/kv/after')).fields.value, 'a');
};
