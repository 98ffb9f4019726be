// How a small cluster behaves over virtual time: elections and failover, rest and waking, limits, halting, membership.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRaft, InvariantBroken, leaseUntilMs, standingOf, step, successorOf } from '../../../machines/raft/index.ts';
import { type Entry, raftDefaults } from '../../../machines/raft/types.ts';
import { Cluster, configurationOf } from './cluster.ts';

const abc = ['a', 'b', 'c'];

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const medianOf = (values: readonly number[]): number => sorted(values)[Math.floor(values.length / 2)]!;

/** Virtual time from the leader's death to the next one's first commit, as its peers' connections close. */
const failoverMs = (seed: number, quietAfterMs: number, size = 3): number => {
  const ids = ['a', 'b', 'c', 'd', 'e'].slice(0, size);
  const cluster = new Cluster(seed, ids, { closes: true, latencyMs: [1, 3], diskMs: [1, 3], raft: { quietAfterMs } });
  const { replica } = cluster.settle();
  cluster.run(600 + (seed % 50));
  assert.equal(cluster.state(replica).quiet, quietAfterMs > 0);
  cluster.crash(replica);
  const fromMs = cluster.nowMs;
  cluster.settle();
  return cluster.nowMs - fromMs;
};

test('the first election takes 700 ms at most, that of a cluster restarted at once a second', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const cluster = new Cluster(seed, seed % 2 === 0 ? abc : [...abc, 'd', 'e']);
    cluster.settle(700);
    const ids = [...cluster.replicas.keys()];
    for (const id of ids) cluster.crash(id);
    for (const id of ids) cluster.start(id);
    cluster.settle(1_000);
  }
});

test('failover of a group at work: 200 ms at the median, 600 ms at worst', () => {
  const times = Array.from({ length: 100 }, (_, seed) => failoverMs(seed + 1, 0, seed % 2 === 0 ? 3 : 5));
  assert.ok(medianOf(times) <= 200, `median ${medianOf(times)}`);
  assert.ok(Math.max(...times) <= 600, `worst ${Math.max(...times)}`);
});

test('failover of a quiet group: 80 ms at the median, 500 ms at worst', () => {
  const times = Array.from({ length: 100 }, (_, seed) => failoverMs(seed + 1, 200, seed % 2 === 0 ? 3 : 5));
  assert.ok(medianOf(times) <= 80, `median ${medianOf(times)}`);
  assert.ok(Math.max(...times) <= 500, `worst ${Math.max(...times)}`);
});

test('a leader cut off gives up within the longest election time-out and two heartbeats', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster(seed, abc);
    const { replica } = cluster.settle();
    cluster.run(100);
    const read = cluster.read(replica, 'read-index');
    cluster.partition([[replica], abc.filter((id) => id !== replica)]);
    cluster.run(raftDefaults.electionTimeoutMaxMs + 2 * raftDefaults.heartbeatMs + 10);
    assert.notEqual(cluster.state(replica).role, 'leader');
    assert.equal(leaseUntilMs(cluster.state(replica)), Number.NEGATIVE_INFINITY);
    if (cluster.results.get(read)?.type !== 'read-ready') cluster.result(read, 'read-rejected');
  }
});

test('a leader that was paused listens for one more interval before it gives up', () => {
  const cluster = new Cluster(3, abc);
  const leader = cluster.settle();
  cluster.run(100);
  // Nobody else moves on meanwhile: only this process is late.
  const lateMs = cluster.nowMs + 5_000;
  step(leader, lateMs, { type: 'wake' });
  assert.equal(leader.role, 'leader');
  step(leader, lateMs + 50, { type: 'wake' });
  assert.equal(leader.role, 'follower', 'and nobody has answered in it');
});

// ---------------------------------------------------------------- quiet groups

const quietCluster = (seed: number, ids: string[] = abc, closes = true): Cluster => {
  const cluster = new Cluster(seed, ids, { closes, raft: { quietAfterMs: 200 } });
  cluster.settle();
  cluster.runUntil(() => cluster.up().every((state) => state.quiet), 'rest', 1_000);
  return cluster;
};

test('a quiet group says nothing at all, and answers as soon as it is asked', () => {
  const cluster = quietCluster(1);
  const before = [...cluster.sent.values()].reduce((sum, count) => sum + count, 0);
  cluster.run(60_000);
  assert.equal(
    [...cluster.sent.values()].reduce((sum, count) => sum + count, 0),
    before,
  );
  const { replica } = cluster.leader()!;
  const read = cluster.read(replica, 'lease');
  assert.equal(cluster.results.get(read), undefined, 'a lease does not outlast the rest');
  cluster.run(20);
  cluster.result(read, 'read-ready');
  cluster.write('x', 50);
  cluster.runUntil(() => cluster.up().every((state) => state.quiet), 'rest again', 1_000);
});

test('a group stays awake while any of its members is away', () => {
  const cluster = new Cluster(1, abc, { closes: true, raft: { quietAfterMs: 200 } });
  const { replica } = cluster.settle();
  const away = abc.find((id) => id !== replica)!;
  cluster.crash(away);
  cluster.run(5_000);
  assert.ok(cluster.up().every((state) => !state.quiet));
  cluster.start(away);
  cluster.runUntil(() => cluster.up().every((state) => state.quiet), 'rest', 2_000);
});

test('the leader of a quiet group restarts and nobody notices: there is a leader again (no pre-vote deadlock)', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = quietCluster(seed, abc, false);
    const { replica } = cluster.leader()!;
    cluster.crash(replica);
    cluster.run(1_000);
    assert.equal(cluster.leader(), undefined, 'nobody has been told');
    cluster.start(replica);
    cluster.settle(1_500);
    cluster.write('x');
  }
});

test('one follower of a quiet group loses sight of a leader that lives: the leader keeps leading', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = quietCluster(seed);
    const { replica, term } = cluster.leader()!;
    const other = abc.find((id) => id !== replica)!;
    cluster.send(other, { type: 'peer-lost', replica });
    cluster.run(1_000);
    assert.equal(cluster.leader()?.term, term);
  }
});

test('the leader of a quiet group cannot write any more: the others take over although its process lives', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = quietCluster(seed);
    const { replica } = cluster.leader()!;
    cluster.send(replica, { type: 'persist-failed' });
    cluster.settle(1_000);
    assert.notEqual(cluster.leader()!.replica, replica);
    assert.ok(cluster.warnings.includes('PERSIST_FAILED'));
    cluster.write('x');
  }
});

test('a replica removed while it was away wakes nobody', () => {
  const cluster = new Cluster(1, [...abc, 'd'], { closes: true, raft: { quietAfterMs: 200 } });
  const { replica } = cluster.settle();
  const away = abc.find((id) => id !== replica)!;
  cluster.crash(away);
  const left = [...abc, 'd'].filter((id) => id !== away);
  const change = cluster.reconfigure(replica, left);
  cluster.runUntil(() => cluster.results.has(change), 'the removal');
  cluster.result(change, 'reconfigured');
  cluster.runUntil(() => cluster.up().every((state) => state.quiet), 'rest', 2_000);
  cluster.start(away);
  cluster.run(5_000);
  for (const id of left) assert.ok(cluster.state(id).quiet, `${id} rests`);
});

test('a replica that is removed learns so, and rests too', () => {
  const cluster = new Cluster(1, abc);
  const { replica } = cluster.settle();
  const leaving = abc.find((id) => id !== replica)!;
  const change = cluster.reconfigure(
    replica,
    abc.filter((id) => id !== leaving),
  );
  cluster.runUntil(() => cluster.results.has(change), 'the removal');
  cluster.run(50);
  assert.equal(standingOf(cluster.state(leaving)), 'outsider');
  const before = cluster.sent.get('pre-vote');
  cluster.run(2_000);
  assert.equal(cluster.sent.get('pre-vote'), before, 'it does not campaign for what it has no part in');
});

// ---------------------------------------------------------------- limits

test('proposals beyond the limits are refused by name, and those before them are not', () => {
  const cluster = new Cluster(1, abc, { raft: { entryBytesMax: 100, uncommittedBytesMax: 400 } });
  const { replica } = cluster.settle();
  const tooLarge = cluster.propose(replica, 'x'.repeat(101));
  assert.equal(cluster.result(tooLarge, 'proposal-rejected').reason, 'too-large');
  const refs = Array.from({ length: 5 }, () => cluster.propose(replica, 'x'.repeat(90)));
  assert.deepEqual(
    refs.map((ref) => cluster.placed.has(ref)),
    [true, true, true, false, false],
  );
  assert.equal(cluster.result(refs[4]!, 'proposal-rejected').reason, 'overloaded');
  cluster.run(100);
  assert.ok(cluster.placed.has(cluster.propose(replica, 'y')), 'there is room again after the commit');
  const follower = abc.find((id) => id !== replica)!;
  const there = cluster.result(cluster.propose(follower, 'z'), 'proposal-rejected');
  assert.deepEqual([there.reason, there.leader], ['not-leader', replica]);
});

test('reads beyond the limit are refused, the others answered', () => {
  const cluster = new Cluster(1, abc, { raft: { pendingReadsMax: 3 } });
  const { replica } = cluster.settle();
  const refs = Array.from({ length: 5 }, () => cluster.read(replica, 'read-index'));
  assert.equal(cluster.result(refs[4]!, 'read-rejected').reason, 'overloaded');
  cluster.run(50);
  for (const ref of refs.slice(0, 3)) cluster.result(ref, 'read-ready');
});

test('many proposals of one turn are one append to each follower and one write', () => {
  const cluster = new Cluster(1, abc);
  const leader = cluster.settle();
  cluster.run(60);
  const proposals = Array.from({ length: 500 }, (_, at) => ({ ref: 1_000 + at, data: new Uint8Array(20) }));
  const effects = step(leader, cluster.nowMs, { type: 'propose', wallMs: 0, proposals });
  const count = (type: string): number => effects.filter((effect) => effect.type === type).length;
  assert.deepEqual([count('proposed'), count('send'), count('persist')], [500, 2, 1]);
});

test('a window that was lost on the way opens again (no leak of what is in flight)', () => {
  const cluster = new Cluster(1, abc, { raft: { inflightMessagesMax: 2, appendBytesMax: 50 } });
  const { replica } = cluster.settle();
  for (let round = 0; round < 5; round++) {
    cluster.filter = (message) => message.type === 'append' && message.entries.length > 0;
    for (let at = 0; at < 10; at++) cluster.propose(replica, `lost ${round} ${at}`);
    cluster.run(120);
    cluster.filter = () => false;
    cluster.write(`found ${round}`, 500);
  }
});

// ---------------------------------------------------------------- snapshots, membership, disks

test('a follower behind the compaction point gets a snapshot however often it is lost, and follows from there', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const cluster = new Cluster(seed, abc, { compactEvery: 5, raft: { retainEntries: 0 } });
    const { replica } = cluster.settle();
    const behind = abc.find((id) => id !== replica)!;
    cluster.crash(behind);
    for (let at = 0; at < 30; at++) cluster.write(`x${at}`);
    cluster.options.lossRatio = 0.3;
    cluster.start(behind);
    cluster.run(2_000);
    cluster.options.lossRatio = 0;
    cluster.run(1_000);
    cluster.write('after');
    cluster.run(200);
    assert.ok(cluster.sent.get('snapshot')! >= 1);
    assert.equal(cluster.state(behind).applied, cluster.acknowledged);
  }
});

test('entries kept for followers are bounded in bytes too', () => {
  const cluster = new Cluster(1, ['a'], { compactEvery: 1_000, raft: { retainEntries: 1_000, entryBytesMax: 8 << 20 } });
  const leader = cluster.settle();
  for (let at = 0; at < 10; at++) cluster.write('x'.repeat(8 << 20));
  cluster.compact('a');
  const kept = leader.log.lastIndex - leader.log.base.index;
  assert.ok(kept >= 1 && kept <= 4, `${kept} entries of 8 MiB`);
});

test('a learner is neither counted nor elected, and votes when it was made a voter without knowing yet', () => {
  const cluster = new Cluster(2, abc);
  const { replica } = cluster.settle();
  cluster.addEmpty('d');
  cluster.addEmpty('e');
  const learn = cluster.reconfigure(replica, abc, ['d', 'e']);
  cluster.runUntil(() => cluster.results.has(learn), 'learning');
  cluster.run(200);
  assert.equal(standingOf(cluster.state('d')), 'learner');
  const others = abc.filter((id) => id !== replica);
  cluster.partition([others, [replica, 'd', 'e']]);
  const before = cluster.acknowledged;
  cluster.propose(replica, 'x');
  cluster.run(2_000);
  assert.ok(cluster.acknowledged <= before + 1, 'only the two voters on the other side commit, their no-op');
  assert.ok(others.includes(cluster.leader()!.replica));
});

test('a disk that lost acknowledged entries is named, not counted, and counts again after removal and return', () => {
  const cluster = new Cluster(1, abc, { raft: { retainEntries: 1_000 } });
  const { replica } = cluster.settle();
  for (let at = 0; at < 5; at++) cluster.write(`x${at}`);
  cluster.run(200);
  const loser = abc.find((id) => id !== replica)!;
  cluster.crash(loser);
  const { kept } = cluster.replicas.get(loser)!.disk;
  kept.entries.splice(-3);
  kept.applied = Math.min(kept.applied, kept.entries.at(-1)!.index);
  cluster.start(loser);
  cluster.run(200);
  assert.deepEqual(cluster.warnings, ['LOG_REGRESSED']);
  const change = cluster.reconfigure(
    replica,
    abc.filter((id) => id !== loser),
  );
  cluster.runUntil(() => cluster.results.has(change), 'removal');
  cluster.result(change, 'reconfigured');
  const back = cluster.reconfigure(
    replica,
    abc.filter((id) => id !== loser),
    [loser],
  );
  cluster.runUntil(() => cluster.results.has(back), 'return');
  cluster.run(300);
  assert.equal(cluster.state(loser).applied, cluster.acknowledged);
});

test('changes of membership are refused by name: last voter, strangers as voters, one at a time, before the own term is committed', () => {
  const cluster = new Cluster(1, abc);
  cluster.runUntil(() => cluster.leader() !== undefined, 'a leader');
  const leader = cluster.leader()!;
  const { replica } = leader;
  const reasonOf = (ref: number): string => cluster.result(ref, 'reconfigure-rejected').reason;
  assert.ok(leader.commit < leader.termStartIndex);
  assert.equal(
    reasonOf(cluster.reconfigure(replica, abc)),
    'pending',
    'a new leader commits its own entry first (the bug of 2015)',
  );
  cluster.settle();
  cluster.run(100);
  assert.equal(reasonOf(cluster.reconfigure(replica, [])), 'invalid');
  assert.equal(reasonOf(cluster.reconfigure(replica, [...abc, 'stranger'])), 'not-caught-up');
  cluster.reconfigure(replica, ['a', 'b']);
  assert.equal(reasonOf(cluster.reconfigure(replica, ['a'])), 'pending');
  const elsewhere = abc.find((id) => id !== replica)!;
  assert.equal(reasonOf(cluster.reconfigure(elsewhere, abc)), 'not-leader');
  const moved = configurationOf(abc).members;
  const members = { ...moved, b: { ...moved.b!, peer: 'another' } };
  cluster.run(500);
  const target = { voters: ['a', 'b'], learners: [], members: { a: moved.a!, b: members.b } };
  const [effect] = step(cluster.leader()!, cluster.nowMs, { type: 'reconfigure', ref: 1, wallMs: 0, target });
  assert.ok(effect?.type === 'reconfigure-rejected' && effect.reason === 'invalid', 'a replica does not change its peer');
});

test('no change leaves voters who cannot decide: a healthy one stays while another is down, the one that is down may go', () => {
  const cluster = new Cluster(1, abc);
  const { replica } = cluster.settle();
  const [down, healthy] = abc.filter((id) => id !== replica) as [string, string];
  cluster.partition([[down], [replica, healthy]]);
  cluster.run(1_000);
  assert.equal(cluster.leader()?.replica, replica);
  const refused = cluster.result(cluster.reconfigure(replica, [replica, down]), 'reconfigure-rejected');
  assert.equal(refused.reason, 'unheard');
  assert.match(refused.message, new RegExp(`of these ${configurationOf(abc).members[down]!.name} cannot`));
  assert.deepEqual(cluster.state(replica).configuration.voters, abc, 'nothing was appended');
  const change = cluster.reconfigure(replica, [replica, healthy]);
  cluster.run(1_000);
  cluster.result(change, 'reconfigured');
});

test('a new leader counts on nobody who has acknowledged nothing in its term', () => {
  const cluster = new Cluster(1, abc);
  const { replica: first } = cluster.settle();
  cluster.partition([[first], abc.filter((id) => id !== first)]);
  cluster.runUntil(() => {
    const leader = cluster.leader();
    return leader !== undefined && leader.replica !== first && leader.commit >= leader.termStartIndex;
  }, 'another leader that has committed');
  // It was elected a moment ago, and has heard of the first one as lately as a new leader can.
  const { replica: second } = cluster.leader()!;
  const refused = cluster.result(cluster.reconfigure(second, [first, second]), 'reconfigure-rejected');
  assert.equal(refused.reason, 'unheard');
});

test('a leader hands over to the voter that is furthest, and knows none when it is alone', () => {
  const cluster = new Cluster(1, abc);
  const { replica } = cluster.settle();
  const behind = abc.find((id) => id !== replica)!;
  cluster.partition([[behind], abc.filter((id) => id !== behind)]);
  cluster.write('x');
  const successor = successorOf(cluster.state(replica), cluster.nowMs);
  assert.ok(successor !== null && successor !== behind && successor !== replica);
  const transfer = cluster.transfer(replica, successor);
  cluster.run(100);
  cluster.result(transfer, 'transferred');
  assert.equal(cluster.leader()!.replica, successor);
  const single = new Cluster(1, ['a']);
  assert.equal(successorOf(single.settle(), single.nowMs), null);
});

test('a halted replica promises nothing and believes no write that ends after the one that failed', () => {
  const cluster = new Cluster(1, abc);
  const leader = cluster.settle();
  cluster.run(60);
  const [token] = step(leader, cluster.nowMs, {
    type: 'propose',
    wallMs: 0,
    proposals: [{ ref: 9_999, data: new Uint8Array(1) }],
  })
    .filter((effect) => effect.type === 'persist')
    .map((effect) => effect.token);
  step(leader, cluster.nowMs, { type: 'persist-failed' });
  const { durable } = leader;
  const message = {
    type: 'vote' as const,
    from: 'x',
    to: leader.replica,
    term: 99,
    lastIndex: 99,
    lastTerm: 99,
    transfer: true,
  };
  assert.deepEqual(step(leader, cluster.nowMs, { type: 'message', message }), []);
  assert.deepEqual(step(leader, cluster.nowMs, { type: 'persisted', token: token! }), []);
  assert.deepEqual([leader.halted, leader.durable, leader.deadlineMs], [true, durable, Number.POSITIVE_INFINITY]);
});

test('a disk that contradicts itself makes no replica', () => {
  const snapshot = { index: 0, term: 0, timeMs: 0, configuration: configurationOf(abc) };
  const entry: Entry = { index: 1, term: 3, kind: 'command', timeMs: 0, data: new Uint8Array() };
  const create = (restored: object): unknown => {
    const good = { hardState: { term: 3, vote: null }, snapshot, entries: [entry], applied: 1, restarted: true };
    return createRaft({ replica: 'a', options: raftDefaults, restored: { ...good, ...restored }, seed: 1, nowMs: 0 });
  };
  const broken = (invariant: string) => (error: unknown) => error instanceof InvariantBroken && error.invariant === invariant;
  create({});
  assert.throws(() => create({ applied: 2 }), broken('applied-in-log'), 'the log lost what was applied');
  assert.throws(
    () => create({ hardState: { term: 2, vote: null } }),
    broken('log-within-term'),
    'the term is older than the log',
  );
  assert.throws(() => create({ entries: [{ ...entry, index: 2 }] }), broken('log-dense'), 'entries are missing');
});
