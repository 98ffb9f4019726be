// Members come and go under load: a fourth node becomes a learner, a voter, the leader; the old leader leaves. And the leader is
// killed in the middle of such a change, at every moment. And several groups share one node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient, PolityError } from '../../src/client/index.ts';
import { cli, groupOf, sleep, until, withCluster } from './cluster.ts';
import type { NodeProcess } from './node-process.ts';
import { assertKept, underLoad } from './verdict.ts';
import { Workload } from './workload.ts';

const rounds = process.env.POLITY_E2E === 'long' ? 30 : 3;
const limits = { timeout: 300_000 + rounds * 30_000 };

const kv = async (node: NodeProcess) => groupOf(await until(`${node.name} answers`, () => node.status()))!;

const sorted = (names: readonly string[]): string => [...names].sort().join();

/** On a busy machine leadership moves and answers get lost: asks until it is so. */
const insist = (what: string, holds: () => Promise<boolean>, ask: () => Promise<unknown>): Promise<true> =>
  until(
    what,
    async () => {
      if (await holds()) return true;
      await ask().catch(() => null);
      return holds();
    },
    60_000,
  );

/** A node that campaigns does so several times a second: a second without a new term, in one of a few tries, clears it. */
const assertUndisturbed = async (node: NodeProcess): Promise<void> => {
  for (let tries = 0; tries < 10; tries++) {
    const { term } = await kv(node);
    await sleep(1_000);
    if ((await kv(node)).term === term) return;
  }
  assert.fail('a node that was removed makes elections');
};

test('a fourth node: learner, voter, leader; the old leader is removed', limits, (t) =>
  withCluster({ nodes: 3, spare: 1 }, async (cluster) => {
    const added = cluster.node('n4');
    await added.start();
    const done = await underLoad(cluster, {}, async (workload) => {
      const old = await cluster.settled(cluster.nodes.slice(0, 3));
      const via = cluster.nodes.find((node) => node !== old && node !== added)!;
      await cli(via, 'group', 'add', 'kv', added.name, '--learner');
      const asLearner = await until('a learner in its own eyes', async () => {
        const group = await kv(added);
        return group.role === 'learner' && group.learners.includes(added.name) ? group : null;
      });
      assert.equal(sorted(asLearner.voters), 'n1,n2,n3');
      await insist(
        'four voters',
        async () => sorted((await kv(old)).voters) === 'n1,n2,n3,n4',
        () => cli(via, 'group', 'promote', 'kv', added.name),
      );
      await insist(
        'the new node leads',
        async () => (await cluster.settled()) === added,
        () => cli(via, 'group', 'transfer', 'kv', added.name),
      );
      const left = cluster.others(old);
      await insist(
        'the old leader is out',
        async () => {
          const { voters, joint } = await kv(added);
          return sorted(voters) === sorted(left.map(({ name }) => name)) && !joint;
        },
        () => cli(via, 'group', 'remove', 'kv', old.name),
      );
      await cluster.settled(left);
      await workload.progress();
      // Whoever is out disturbs nobody, not even after it was started anew.
      await old.term();
      await old.start();
      await workload.progress();
      await assertUndisturbed(added);
      // It still serves: any node does.
      assert.equal((await old.ask('PUT', '/v1/kv/through-the-removed', 'x')).status, 200);
      await cli(via, 'group', 'add', 'kv', old.name);
      await cluster.settled();
    });
    t.diagnostic(done);
  }),
);

type Change = 'add' | 'remove';

/** What became of a change that was asked for while the leader died. */
const changed = async (type: Change, node: string, at: NodeProcess): Promise<string> => {
  const client = createClient({ urls: [at.url], timeoutMs: 15_000 });
  try {
    await client.groups.change('kv', type === 'add' ? { type, node, role: 'voter' } : { type, node });
    return 'ok';
  } catch (error) {
    if (!(error instanceof PolityError)) throw error;
    assert.ok(
      ['OUTCOME_UNKNOWN', 'NO_QUORUM', 'RECONFIGURATION_PENDING'].includes(error.code),
      `${type} ${node}: ${error.message}`,
    );
    return error.definite ? 'not' : 'unknown';
  } finally {
    client.close();
  }
};

test('kill -9 of the leader in the middle of a change of members', limits, (t) =>
  withCluster({ nodes: 3, spare: 1 }, async (cluster) => {
    await cluster.node('n4').start();
    const ends: string[] = [];
    const done = await underLoad(cluster, { clients: 2 }, async (workload) => {
      let isMember = false;
      for (let round = 0; round < rounds; round++) {
        const leader = await cluster.settled(cluster.nodes.slice(0, 3));
        const via = cluster.nodes.slice(0, 3).find((node) => node !== leader)!;
        const type: Change = isMember ? 'remove' : 'add';
        const asked = changed(type, 'n4', via);
        // From before the request arrives to after its end.
        await sleep(30 + ((round * 230) % 900));
        await leader.kill9();
        const end = await asked;
        await leader.start();
        await workload.progress();
        const serving = await cluster.settled(cluster.nodes.slice(0, 3));
        const group = await until('the joint phase ends by itself', async () => {
          const now = await kv(serving);
          return now.joint ? null : now;
        });
        const [votes, learns] = [group.voters.includes('n4'), group.learners.includes('n4')];
        ends.push(`${type} ${end}: n4 ${votes ? 'votes' : learns ? 'learns' : 'is out'}`);
        if (end === 'ok') assert.equal(votes, type === 'add', ends.at(-1));
        if (end === 'not') assert.equal(votes, isMember, ends.at(-1));
        isMember = votes || learns;
      }
      const serving = await cluster.settled(cluster.nodes.slice(0, 3));
      if (!(await kv(serving)).voters.includes('n4')) await cli(serving, 'group', 'add', 'kv', 'n4');
      await cluster.settled();
    });
    t.diagnostic(`${ends.join('; ')}; ${done}`);
  }),
);

test('several groups on each node: each goes on without a node, and none mixes with another', limits, (t) =>
  withCluster({ nodes: 3, flags: ['--groups', 'kv,orders'] }, async (cluster) => {
    const urls = cluster.nodes.map((node) => node.url);
    const workloads = ['kv', 'orders'].map((group, seed) => new Workload({ urls, group, seed, clients: 2 }));
    try {
      const [first, second] = [await cluster.settled(), await cluster.settled(undefined, 'orders')];
      if (first === second) await cli(first, 'group', 'transfer', 'orders', cluster.others(first)[0]!.name);
      for (const workload of workloads) workload.start();
      for (const workload of workloads) await workload.progress();
      await first.kill9();
      for (const workload of workloads) await workload.progress();
      await first.start();
      for (const workload of workloads) await workload.progress();
      for (const workload of workloads) t.diagnostic(`${workload.group}: ${await assertKept(cluster, workload)}`);
      const unknown = await first.ask('GET', '/v1/kv/x?group=nothing');
      assert.deepEqual([unknown.status, unknown.fields.code], [404, 'GROUP_NOT_FOUND']);
    } finally {
      await Promise.all(workloads.map((workload) => workload.stop()));
    }
  }),
);
