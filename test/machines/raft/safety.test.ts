// Random faults on small clusters: nothing committed is lost or changed, one leader a term, reads see what was acknowledged, and
// after the faults end the cluster serves again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextBetween } from '../../../machines/random.ts';
import { Cluster } from './cluster.ts';

const stormy = (seed: number, size: number): void => {
  const ids = Array.from({ length: size }, (_, at) => `r${at + 1}`);
  const cluster = new Cluster(seed, ids, { lossRatio: seed % 3 === 0 ? 0.1 : 0.02, latencyMs: [1, 20], diskMs: [0, 15] });
  const pick = <One>(from: readonly One[]): One => from[nextBetween(cluster.random, 0, from.length)]!;
  let written = 0;
  for (let round = 0; round < 60; round++) {
    const chosen = pick(ids);
    const dice = nextBetween(cluster.random, 0, 20);
    if (dice === 0) cluster.crash(chosen);
    else if (dice <= 2) for (const id of ids) if (cluster.replicas.get(id)!.state === null) cluster.start(id);
    if (dice === 3) cluster.partition([[chosen], ids.filter((id) => id !== chosen)]);
    else if (dice === 4) cluster.partition([ids.slice(0, 2), ids.slice(2)]);
    else if (dice === 5) cluster.heal();
    else if (dice === 6 && cluster.leader() !== undefined) cluster.transfer(cluster.leader()!.replica, chosen);
    else if (dice === 7) {
      const leader = cluster.leader();
      const others = ids.filter((id) => id !== chosen);
      if (leader !== undefined) cluster.reconfigure(leader.replica, pick([ids, others]), []);
    }
    for (let count = 0; count < 3; count++) {
      const leader = cluster.leader();
      if (leader === undefined) continue;
      cluster.propose(leader.replica, `v${++written}`);
      cluster.read(pick([leader.replica, chosen]), pick(['read-index', 'lease']));
    }
    cluster.run(nextBetween(cluster.random, 10, 200));
  }
  cluster.heal();
  for (const id of ids) if (cluster.replicas.get(id)!.state === null) cluster.start(id);
  (cluster.options as { lossRatio: number }).lossRatio = 0;
  cluster.runUntil(() => {
    const leader = cluster.leader();
    return leader !== undefined && leader.commit >= leader.termStartIndex;
  }, `seed ${seed}: a leader that commits`);
  cluster.run(1_500);
  const before = cluster.acknowledged;
  const leader = cluster.leader()!;
  const ref = cluster.propose(leader.replica, 'last');
  cluster.runUntil(() => cluster.acknowledged > before && cluster.placed.has(ref), `seed ${seed}: service after healing`);
  cluster.run(1_000);
  const voters = cluster.leader()!.configuration.voters;
  for (const id of voters) assert.equal(cluster.replicas.get(id)!.state!.applied, cluster.acknowledged, `seed ${seed}: ${id} converges`);
};

const seeds = Number(process.env.POLITY_RAFT_SEEDS ?? 150);
test(`safety under faults, ${seeds} seeds of 3 and 5 replicas`, () => {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      stormy(seed, seed % 2 === 0 ? 3 : 5);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
});

test('a three-node cluster elects within 700 ms and commits', () => {
  const cluster = new Cluster(1, ['a', 'b', 'c']);
  cluster.runUntil(() => cluster.leader() !== undefined, 'a leader', 700);
  const ref = cluster.propose(cluster.leader()!.replica, 'x');
  cluster.runUntil(() => cluster.acknowledged >= cluster.placed.get(ref)!.index, 'a commit', 200);
});

test('a single voter leads at once', () => {
  const cluster = new Cluster(1, ['a']);
  cluster.runUntil(() => cluster.leader() !== undefined, 'a leader', 20);
});
