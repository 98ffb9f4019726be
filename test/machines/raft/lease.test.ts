// What those rely on who live at a leader: tokens that only one replica holds at a time, and a lease that stays as long as they need it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leaderToken, type RaftState, tokenUntilMs } from '../../../machines/raft/index.ts';
import { Cluster } from './cluster.ts';

const abc = ['a', 'b', 'c'];

/** By its own clock. */
const holds = (cluster: Cluster, state: RaftState): boolean =>
  leaderToken(state) !== null && cluster.nowMs * cluster.replicas.get(state.replica)!.rate < tokenUntilMs(state);

test('never do two replicas hold tokens, and tokens only rise, whatever the network and their clocks do', () => {
  let seen = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const ids = seed % 3 === 0 ? [...abc, 'd', 'e'] : abc;
    const cluster = new Cluster(seed, ids, {
      lossRatio: 0.02,
      driftRatio: 0.04,
      closes: seed % 2 === 0,
      raft: { quietAfterMs: 100 },
    });
    for (const id of ids) if (seed % 4 !== 0) cluster.send(id, { type: 'attend', awake: true });
    let highest = { term: 0, index: 0 };
    for (let ms = 0; ms < 4_000; ms++) {
      cluster.run(1);
      const holders = cluster.up().filter((state) => holds(cluster, state));
      assert.ok(holders.length <= 1, `seed ${seed} at ${ms}: ${holders.map(({ replica }) => replica)}`);
      for (const state of holders) {
        const token = leaderToken(state)!;
        const rises = token.term > highest.term || (token.term === highest.term && token.index === highest.index);
        assert.ok(rises, `seed ${seed}: ${JSON.stringify(token)} after ${JSON.stringify(highest)}`);
        assert.ok(
          state.applied >= token.index && state.commit >= token.index,
          `seed ${seed}: before its first entry is applied`,
        );
        highest = token;
        seen++;
      }
      if (!cluster.chance(0.006)) continue;
      const one = ids[cluster.between([0, ids.length - 1])]!;
      const leader = cluster.leader();
      const what = cluster.between([0, 3]);
      if (what === 0) cluster.partition([[one], ids.filter((id) => id !== one)]);
      else if (what === 1) cluster.heal();
      else if (what === 2 && leader !== undefined) cluster.transfer(leader.replica, one);
      else if (cluster.up().length > ids.length - 1) cluster.crash(one);
      else for (const id of ids) cluster.start(id);
    }
  }
  assert.ok(seen > 10_000, `a token was held in ${seen} ms only`);
});

test('a leader that somebody lives by is never quiet, and holds its token all the time', () => {
  const cluster = new Cluster(2, abc, { raft: { quietAfterMs: 100 } });
  const leader = cluster.settle();
  cluster.send(leader.replica, { type: 'attend', awake: true });
  for (let ms = 0; ms < 2_000; ms += 5) {
    cluster.run(5);
    if (ms > 50) assert.ok(holds(cluster, leader), `after ${ms} ms`);
  }
  cluster.send(leader.replica, { type: 'attend', awake: false });
  cluster.runUntil(() => leader.quiet, 'rest', 1_000);
  cluster.run(200);
  assert.equal(holds(cluster, leader), false, 'a quiet leader knows nothing of its followers');
  const token = leaderToken(leader);
  cluster.send(leader.replica, { type: 'attend', awake: true });
  cluster.run(15);
  assert.ok(holds(cluster, leader), 'one round trip later');
  assert.deepEqual(leaderToken(leader), token, 'under the same token, for nobody led meanwhile');
});

test('who was told to take over and has not costs the lease, and the leader is elected anew where somebody needs it', () => {
  for (const attends of ['before', 'later']) {
    const cluster = new Cluster(3, abc);
    const { replica, term } = cluster.settle();
    cluster.run(100);
    const to = abc.find((id) => id !== replica)!;
    cluster.filter = (message) => message.type === 'time-out-now';
    if (attends === 'before') cluster.send(replica, { type: 'attend', awake: true });
    const transfer = cluster.transfer(replica, to);
    cluster.run(500);
    cluster.result(transfer, 'transfer-rejected');
    if (attends === 'later') {
      assert.equal(holds(cluster, cluster.state(replica)), false);
      cluster.send(replica, { type: 'attend', awake: true });
      cluster.run(60);
    }
    const state = cluster.state(replica);
    assert.ok(holds(cluster, state), attends);
    assert.equal(state.term, term + 1);
  }
});

test('a single replica holds its token as long as it leads, quiet or not', () => {
  const cluster = new Cluster(4, ['a'], { raft: { quietAfterMs: 100 } });
  const leader = cluster.settle();
  cluster.runUntil(() => leader.quiet, 'rest', 1_000);
  cluster.run(5_000);
  assert.ok(holds(cluster, leader));
});
