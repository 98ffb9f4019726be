// One node left of three: it answers every request in time, and what it says is true. A request that surely did not happen is 503
// NO_QUORUM; one that may have happened is 504 OUTCOME_UNKNOWN, and it is looked at after the quorum is back.
import assert from 'node:assert/strict';
import { type Cluster, groupOf, until } from './cluster.ts';
import type { NodeProcess, Told } from './node-process.ts';

const waitMs = 700;
/** Less than what a node waits that is told nothing, so that the time given is seen to count. */
const answerMsMax = waitMs + 4_000;
const query = `?timeout-ms=${waitMs}`;

const assertProblem = ({ status, fields }: Told, code: 'NO_QUORUM' | 'OUTCOME_UNKNOWN'): void => {
  const expected = code === 'NO_QUORUM' ? [503, code, true, true] : [504, code, false, false];
  assert.deepEqual([status, fields.code, fields.retryable, fields.definite], expected, JSON.stringify(fields));
};

const timed = async (told: Promise<Told>): Promise<Told> => {
  const startMs = performance.now();
  const answer = await told;
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < answerMsMax, `the answer came after ${Math.round(tookMs)} ms`);
  return answer;
};

const leaderless = (node: NodeProcess): Promise<unknown> =>
  until('it knows that it has no quorum', async () => {
    const status = await node.status();
    return status?.state === 'degraded' && status.reason === 'NO_QUORUM' && groupOf(status)?.leader === null;
  });

export const followerAlone = async (cluster: Cluster): Promise<void> => {
  const leader = await cluster.settled();
  const alone = await cluster.follower();
  assert.equal((await alone.ask('PUT', '/v1/kv/before', 'b')).status, 200);
  await cluster.converged();
  const dead = cluster.others(alone);
  await Promise.all(dead.map((node) => node.kill9()));
  await leaderless(alone);
  assertProblem(await timed(alone.ask('PUT', `/v1/kv/during${query}`, 'd')), 'NO_QUORUM');
  assertProblem(await timed(alone.ask('GET', `/v1/kv/before${query}`)), 'NO_QUORUM');
  assertProblem(await timed(alone.ask('GET', `/v1/kv/before${query}&consistency=lease`)), 'NO_QUORUM');
  assertProblem(await timed(alone.ask('POST', `/v1/leases${query}`, '{"ttlMs":5000}')), 'NO_QUORUM');
  assertProblem(await timed(alone.ask('DELETE', `/v1/groups/kv/members/${leader.name}${query}`)), 'NO_QUORUM');
  const ready = await alone.ask('GET', '/health/ready');
  assert.deepEqual([ready.status, ready.fields.code], [503, 'NO_QUORUM']);
  assert.equal((await alone.ask('GET', '/health/live')).status, 200);
  assert.equal((await alone.ask('GET', '/v1/kv/before?consistency=local')).fields.value, 'b');
  await Promise.all(dead.map((node) => node.start()));
  await cluster.settled();
  // Said to be definite, so it stays away now that there is a quorum.
  assert.equal((await alone.ask('GET', '/v1/kv/during')).fields.code, 'KEY_NOT_FOUND');
};

/** Both followers die a moment before the write, so that the leader still takes it into its log. */
const writeInto = async (cluster: Cluster): Promise<{ leader: NodeProcess; told: Told }> => {
  const leader = await cluster.settled();
  for (const node of cluster.others(leader)) node.pause();
  const told = await timed(leader.ask('PUT', `/v1/kv/perhaps${query}`, 'p'));
  return { leader, told };
};

export const leaderAlone = async (cluster: Cluster): Promise<void> => {
  const { leader, told } = await writeInto(cluster);
  assertProblem(told, 'OUTCOME_UNKNOWN');
  assertProblem(await timed(leader.ask('GET', `/v1/kv/perhaps${query}`)), 'NO_QUORUM');
  // Followers that thaw have the write in their queues, or their new leader's log has none: either is what 504 says.
  for (const node of cluster.others(leader)) node.resume();
  await cluster.settled();
  const reads = await Promise.all(cluster.nodes.map((node) => node.ask('GET', '/v1/kv/perhaps')));
  const seen = reads.map(({ status, fields }) => (status === 200 ? fields.value : fields.code));
  assert.ok(
    seen.every((one) => one === 'p') || seen.every((one) => one === 'KEY_NOT_FOUND'),
    `nodes disagree: ${seen.join(', ')}`,
  );
};
