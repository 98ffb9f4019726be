// A follower that was away for longer than the log is kept gets a snapshot, over the bulk lane and over gossipsub alike; and what it
// missed is what it then holds. Gossipsub alone also elects, replicates and survives a kill -9.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { raftDefaults } from '../../machines/raft/types.ts';
import { createClient } from '../../src/client/index.ts';
import { type Cluster, groupOf, withCluster } from './cluster.ts';
import type { NodeProcess } from './node-process.ts';
import { contentOf, underLoad } from './verdict.ts';

const limits = { timeout: 300_000 };
/** More than a leader keeps of its log for followers that are away. */
const writes = raftDefaults.retainEntries + 600;
const writers = 128;
/** What makes the snapshot more than one chunk. */
const large = { keys: 3, bytes: 1 << 20 };

const groupAt = async (node: NodeProcess) => groupOf((await node.status())!)!;

const outgrowTheLog = async (leader: NodeProcess): Promise<void> => {
  const client = createClient({ urls: [leader.url], timeoutMs: 30_000 });
  let left: number = writes;
  const write = async (_: unknown, writer: number): Promise<void> => {
    if (writer < large.keys) await client.put(`large-${writer}`, randomBytes(large.bytes));
    while (left-- > 0) await client.put(`small-${writer}`, String(left));
  };
  await Promise.all(Array.from({ length: writers }, write)).finally(() => client.close());
};

const leaveAndComeBack = async (cluster: Cluster, t: TestContext): Promise<void> => {
  const leader = await cluster.settled();
  const away = await cluster.follower();
  await away.kill9();
  const { lastIndex } = await groupAt(leader);
  const outgrowMs = performance.now();
  await outgrowTheLog(leader);
  t.diagnostic(`outgrew the log in ${Math.round(performance.now() - outgrowMs)} ms`);
  const { firstIndex } = await groupAt(leader);
  assert.ok(firstIndex > lastIndex + 1, `${leader.name} still has its log from ${firstIndex}, it took no snapshot`);
  const startMs = performance.now();
  await away.start();
  await cluster.converged();
  t.diagnostic(`caught up ${Math.round(performance.now() - startMs)} ms after its start`);
  const back = await groupAt(away);
  assert.ok(back.firstIndex > lastIndex + 1, `${away.name} holds its log from ${back.firstIndex}: it was sent no snapshot`);
  const [theirs, its] = await Promise.all([leader, away].map((node) => contentOf(node.url, 'kv', 'local')));
  const plain = (content: Awaited<ReturnType<typeof contentOf>> | undefined): string[] =>
    [...content!.values()].map(({ key, value, index }) => `${key} @${index}: ${Buffer.from(value).toString('base64', 0, 60)}`);
  assert.deepEqual(plain(its), plain(theirs));
  // A snapshot is no end of the road: it follows on, and can lead.
  await leader.kill9();
  const next = await cluster.settled();
  assert.equal((await next.ask('PUT', '/v1/kv/after', 'x')).status, 200);
  await leader.start();
  await cluster.settled();
  await cluster.converged();
};

const flags = ['--snapshot-entries', '500', '--snapshot-bytes', String(4 << 20)];

test('a snapshot over the bulk lane', limits, (t) =>
  withCluster({ nodes: 3, flags }, (cluster) => leaveAndComeBack(cluster, t)),
);

test('gossipsub alone: election, writes, kill -9 of the leader, a snapshot', limits, (t) =>
  withCluster({ nodes: 3, flags: [...flags, '--messaging', 'gossipsub'] }, async (cluster) => {
    const done = await underLoad(cluster, { clients: 2 }, async (workload) => {
      const leader = await cluster.settled();
      workload.resetGap();
      await leader.kill9();
      await workload.progress();
      t.diagnostic(`longest time without an acknowledged write: ${Math.round(workload.longestGapMs)} ms`);
      await leader.start();
      await cluster.settled();
    });
    t.diagnostic(done);
    await leaveAndComeBack(cluster, t);
  }),
);
