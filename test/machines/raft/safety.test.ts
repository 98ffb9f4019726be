// Random faults on small clusters: nothing committed is lost or changed, one leader a term, reads see what was acknowledged, and
// after the faults end the cluster serves again. POLITY_RAFT_SEEDS=from..to runs others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextBetween } from '../../../machines/random.ts';
import { Cluster } from './cluster.ts';

const roundsOfFaults = 50;

/** One or two replicas change what they are: an outsider learns, a learner votes, a voter learns or leaves. */
const someTarget = (cluster: Cluster, ids: readonly string[]): { voters: string[]; learners: string[] } => {
  const { voters, learners } = cluster.leader()!.configuration;
  const target = { voters: [...voters], learners: [...learners] };
  for (let count = nextBetween(cluster.random, 1, 3); count > 0; count--) {
    const chosen = ids[nextBetween(cluster.random, 0, ids.length)]!;
    const wasVoter = target.voters.includes(chosen);
    const promoted = target.learners.includes(chosen);
    target.voters = target.voters.filter((id) => id !== chosen);
    target.learners = target.learners.filter((id) => id !== chosen);
    if (promoted) target.voters.push(chosen);
    else if (!wasVoter || cluster.chance(0.5)) target.learners.push(chosen);
  }
  return target;
};

const fault = (cluster: Cluster, ids: readonly string[]): void => {
  const chosen = ids[nextBetween(cluster.random, 0, ids.length)]!;
  const others = ids.filter((id) => id !== chosen);
  const leader = cluster.leader()?.replica;
  switch (nextBetween(cluster.random, 0, 20)) {
    case 0:
      return cluster.crash(chosen);
    case 1:
      for (const id of ids) cluster.crash(id);
      return;
    case 2:
    case 3:
      for (const id of ids) cluster.start(id);
      return;
    case 4:
      return cluster.partition([[chosen], others]);
    case 5:
      return cluster.partition([ids.slice(0, 2), ids.slice(2)]);
    case 6:
      return cluster.heal();
    case 7:
      if (leader !== undefined) cluster.transfer(leader, chosen);
      return;
    case 8:
    case 9: {
      if (leader === undefined) return;
      const { voters, learners } = someTarget(cluster, ids);
      cluster.reconfigure(leader, voters, learners);
      return;
    }
    case 10:
      if (leader !== undefined) cluster.crash(leader);
      return;
    case 11:
      if (leader !== undefined) cluster.partition([[leader], ids.filter((id) => id !== leader)]);
      return;
  }
};

const load = (cluster: Cluster, ids: readonly string[], name: string): void => {
  const leaders = cluster.up().filter((state) => state.role === 'leader');
  for (const { replica } of leaders) {
    for (let count = 0; count < 4; count++) cluster.propose(replica, `${name}-${count}`);
    cluster.read(replica, 'lease');
    cluster.read(replica, 'read-index');
  }
  const anybody = ids[nextBetween(cluster.random, 0, ids.length)]!;
  if (cluster.replicas.get(anybody)!.state !== null) cluster.read(anybody, 'read-index');
};

const stormy = (seed: number): void => {
  const size = [3, 5, 4, 2][seed % 4]!;
  const ids = Array.from({ length: size }, (_, at) => `r${at + 1}`);
  const cluster = new Cluster(seed, ids, {
    ...{ lossRatio: [0.02, 0.1, 0][seed % 3]!, latencyMs: [1, 20], diskMs: [0, 15] },
    ...{ driftRatio: 0.04, closes: seed % 5 < 3, compactEvery: 5 },
    raft: { quietAfterMs: seed % 2 === 0 ? 200 : 0, inflightMessagesMax: 3, appendBytesMax: 200, retainEntries: 3 },
  });
  const all = [...ids, 'new'];
  cluster.addEmpty('new');
  for (let round = 0; round < roundsOfFaults; round++) {
    fault(cluster, all);
    for (let turn = 0; turn < 3; turn++) {
      if (round % 3 > 0) load(cluster, all, `v${round}-${turn}`);
      cluster.run(nextBetween(cluster.random, 5, 120));
    }
    if (round % 10 === 0) cluster.judge.logsMatch(cluster.up());
  }
  recover(cluster, all);
};

/** Safety under fire, then liveness after healing. */
const recover = (cluster: Cluster, ids: readonly string[]): void => {
  cluster.heal();
  for (const id of ids) cluster.start(id);
  cluster.options.lossRatio = 0;
  cluster.settle();
  cluster.runUntil(() => cluster.leader()?.configuration.outgoing === null, 'the end of the joint phase');
  cluster.run(1_500);
  cluster.write('last');
  cluster.run(1_000);
  const { voters, learners } = cluster.leader()!.configuration;
  for (const id of [...voters, ...learners]) assert.equal(cluster.state(id).applied, cluster.acknowledged, `${id} converges`);
  const unanswered = cluster.up().reduce((sum, state) => sum + state.reads.length + state.readsWaiting.length, 0);
  assert.equal(unanswered, 0, 'every read is answered');
  assert.deepEqual(cluster.warnings, [], 'nobody is accused of what did not happen');
};

const [from, to] = (process.env.POLITY_RAFT_SEEDS ?? '1..120').split('..').map(Number) as [number, number];

test(`safety under faults and service after them, seeds ${from} to ${to}`, () => {
  for (let seed = from; seed <= to; seed++) {
    try {
      stormy(seed);
    } catch (error) {
      throw new Error(`POLITY_RAFT_SEEDS=${seed}..${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
});
