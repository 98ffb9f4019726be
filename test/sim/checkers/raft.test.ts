// The judge of Raft: silent over healthy clusters under faults, and each promise, broken on purpose, is named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Observation } from '../../../actors/observe.ts';
import { encodeConfiguration } from '../../../machines/raft/index.ts';
import type { Configuration, Entry } from '../../../machines/raft/types.ts';
import { nextBetween } from '../../../machines/random.ts';
import { createRaftJudge, type RaftJudge, type RaftPromise } from '../../../sim/checkers/index.ts';
import { Cluster, configurationOf } from '../../machines/raft/cluster.ts';

const abc = ['a', 'b', 'c'];

// ---------------------------------------------------------------- healthy clusters

const storm = (seed: number, observe: (observation: Observation) => void): Cluster => {
  const ids = seed % 2 === 0 ? abc : [...abc, 'd', 'e'];
  const cluster = new Cluster(seed, ids, {
    ...{ lossRatio: 0.05, latencyMs: [1, 20], diskMs: [0, 15], closes: seed % 3 === 0, compactEvery: 5, observe },
    raft: { inflightMessagesMax: 3, appendBytesMax: 200, retainEntries: 3 },
  });
  for (let round = 0; round < 60; round++) {
    const chosen = ids[nextBetween(cluster.random, 0, ids.length)]!;
    const rest = ids.filter((id) => id !== chosen);
    const fault = nextBetween(cluster.random, 0, 8);
    if (fault === 0) cluster.crash(chosen);
    if (fault === 1) for (const id of ids) cluster.crash(id);
    if (fault === 2 || fault === 3) for (const id of ids) cluster.start(id);
    if (fault === 4) cluster.partition([[chosen], rest]);
    if (fault === 5) cluster.heal();
    const leader = cluster.leader();
    if (fault === 6 && leader !== undefined) cluster.transfer(leader.replica, chosen);
    if (fault === 7 && leader !== undefined) {
      const { voters } = leader.configuration;
      const target =
        voters.includes(chosen) && voters.length > 2 ? voters.filter((id) => id !== chosen) : [...new Set([...voters, chosen])];
      cluster.reconfigure(leader.replica, target);
    }
    for (const state of cluster.up())
      if (state.role === 'leader') for (let count = 0; count < 4; count++) cluster.propose(state.replica, `${round}-${count}`);
    for (const state of cluster.up()) cluster.read(state.replica, round % 2 === 0 ? 'read-index' : 'lease');
    cluster.run(nextBetween(cluster.random, 5, 150));
  }
  return cluster;
};

test('says nothing of clusters that keep their word through crashes, cuts, losses, snapshots and reconfigurations', () => {
  const seen = {
    logged: 0,
    applied: 0,
    installed: 0,
    restored: 0,
    role: 0,
    'hard-state': 0,
    compacted: 0,
    'read-asked': 0,
    'read-ended': 0,
  };
  for (let seed = 1; seed <= 40; seed++) {
    const judge = createRaftJudge();
    storm(seed, (observation) => {
      seen[observation.type]++;
      assert.deepEqual(judge.observe(observation), [], `seed ${seed}`);
    });
  }
  for (const [type, count] of Object.entries(seen)) assert.ok(count > 40, `${type} ${count}`);
});

// ---------------------------------------------------------------- planted violations

const group = 'g';
const configuration: Configuration = configurationOf(abc);
const entry = (index: number, term: number, text = 'x'): Entry => ({
  ...{ index, term, kind: 'command', timeMs: 0, data: new TextEncoder().encode(text) },
});

/** Says what replicas show, shortly. */
const tell = (judge: RaftJudge) => ({
  starts: (replica: string, hardState = { term: 0, vote: null as string | null }, entries: Entry[] = [], applied = 0) =>
    judge.observe({ type: 'restored', group, replica, hardState, snapshot: null, entries, applied }),
  votes: (replica: string, term: number, vote: string | null) =>
    judge.observe({ type: 'hard-state', group, replica, hardState: { term, vote } }),
  leads: (replica: string, term: number, commit = 2) =>
    judge.observe({ type: 'role', group, replica, role: 'leader', term, leader: replica, commit, configuration }),
  follows: (replica: string, term: number, leader: string | null, commit = 2) =>
    judge.observe({ type: 'role', group, replica, role: 'follower', term, leader, commit, configuration }),
  logs: (replica: string, ...entries: Entry[]) => judge.observe({ type: 'logged', group, replica, entries }),
  applies: (replica: string, ...entries: Entry[]) => judge.observe({ type: 'applied', group, replica, entries }),
  installs: (replica: string, index: number, term: number, labelled = configuration) =>
    judge.observe({ type: 'installed', group, replica, index, term, configuration: labelled }),
});

type Told = ReturnType<typeof tell>;

/** Three replicas; a leads term 1 and entries 1 and 2 are applied by all. */
const calm = (): { judge: RaftJudge; told: Told } => {
  const judge = createRaftJudge();
  const told = tell(judge);
  for (const id of abc) told.starts(id);
  for (const id of abc) {
    told.votes(id, 1, 'a');
    told.follows(id, 1, null);
  }
  told.leads('a', 1);
  for (const id of ['b', 'c']) told.follows(id, 1, 'a');
  for (const id of abc) told.logs(id, entry(1, 1), entry(2, 1));
  for (const id of abc) told.applies(id, entry(1, 1), entry(2, 1));
  assert.deepEqual(judge.violations, []);
  return { judge, told };
};

const elect = (told: Told, id: string, term: number, ...voters: string[]): void => {
  for (const voter of voters) told.votes(voter, term, id);
  for (const voter of voters) told.follows(voter, term, null);
  told.leads(id, term);
};

const changeTo = (index: number, term: number, voters: string[]): Entry => ({
  ...{ index, term, kind: 'configuration', timeMs: 0, data: encodeConfiguration(configurationOf(voters)) },
});

test('a change right behind what was committed and forgotten is a change behind an entry of its own term', () => {
  const { judge, told } = calm();
  const logged = [changeTo(3, 1, abc), ...Array.from({ length: 1_200 }, (_, at) => entry(4 + at, 1))];
  for (const id of abc) told.logs(id, ...logged);
  for (const id of abc) told.applies(id, ...logged);
  told.logs('a', changeTo(1_204, 1, ['a', 'b']));
  assert.deepEqual(judge.violations, []);
});

/** The group's genesis did not name this one of the three. */
const beginsWithout = (judge: RaftJudge, replica: string): void => {
  const genesis = configurationOf([...abc, 'd'].filter((id) => id !== replica));
  const observed = { type: 'restored', group, replica: 'e', hardState: { term: 0, vote: null } } as const;
  judge.observe({ ...observed, snapshot: { index: 0, term: 0, timeMs: 0, configuration: genesis }, entries: [], applied: 0 });
};

const planted: [string, RaftPromise, (told: Told, judge: RaftJudge) => void][] = [
  ['a second leader in a term', 'election-safety', (told) => told.leads('b', 1)],
  ['followers of two leaders in a term', 'election-safety', (told) => told.follows('c', 1, 'b')],
  ['a second vote', 'one-vote-a-term', (told) => told.votes('b', 1, 'c')],
  ['a vote taken back', 'one-vote-a-term', (told) => told.votes('b', 1, null)],
  [
    'a second vote in another life',
    'durable-kept',
    (told) => {
      told.starts('b', { term: 1, vote: 'c' }, [entry(1, 1), entry(2, 1)], 2);
    },
  ],
  ['a term that falls on disk', 'term-monotone', (told) => told.votes('b', 0, null)],
  [
    'a term that falls in memory',
    'term-monotone',
    (told) => {
      told.follows('b', 3, null);
      told.follows('b', 2, null);
    },
  ],
  [
    'a leader that overwrites its entry',
    'leader-append-only',
    (told) => {
      told.logs('a', entry(3, 1, 'x'), entry(4, 1, 'y'));
      told.logs('a', entry(4, 1, 'z'));
    },
  ],
  [
    'a leader that drops its entry',
    'leader-append-only',
    (told) => {
      told.logs('a', entry(3, 1), entry(4, 1));
      told.logs('a', entry(3, 1));
    },
  ],
  [
    'one index and term, two entries',
    'log-matching',
    (told) => {
      told.logs('a', entry(3, 1, 'x'));
      told.logs('b', entry(3, 1, 'y'));
    },
  ],
  [
    'one index and term after different entries',
    'log-matching',
    (told) => {
      elect(told, 'b', 2, 'b', 'c');
      told.logs('b', entry(3, 2, 'x'), entry(4, 2));
      told.logs('a', entry(3, 1, 'x'));
      told.logs('a', entry(4, 2));
    },
  ],
  ['a gap in a log', 'log-matching', (told) => told.logs('b', entry(4, 1))],
  [
    'terms that fall within a log',
    'log-matching',
    (told) => {
      told.logs('c', entry(3, 2));
      told.logs('c', entry(4, 1));
    },
  ],
  [
    'a later leader without a committed entry',
    'leader-completeness',
    (told) => {
      told.logs('a', entry(3, 1));
      told.logs('b', entry(3, 1));
      told.applies('a', entry(3, 1));
      elect(told, 'c', 2, 'b', 'c');
      told.logs('c', entry(3, 2));
    },
  ],
  [
    'a later leader with another entry before its first',
    'leader-completeness',
    (told) => {
      told.logs('c', entry(3, 1, 'stale'));
      for (const id of ['a', 'b']) told.votes(id, 2, 'a');
      told.leads('a', 2);
      told.logs('a', entry(3, 2));
      told.logs('b', entry(3, 2));
      told.applies('a', entry(3, 2));
      elect(told, 'c', 3, 'b', 'c');
      told.logs('c', entry(4, 3));
    },
  ],
  [
    'two entries applied at an index',
    'state-machine-safety',
    (told) => {
      told.logs('a', entry(3, 1));
      told.logs('b', entry(3, 1));
      told.applies('a', entry(3, 1));
      told.logs('c', entry(3, 1, 'y'));
      told.applies('c', entry(3, 1, 'y'));
    },
  ],
  ['a snapshot of what nobody applied', 'state-machine-safety', (told) => told.installs('c', 7, 1)],
  [
    'a snapshot under another term',
    'state-machine-safety',
    (told, judge) => {
      judge.restarted('c');
      told.installs('c', 2, 2);
    },
  ],
  ['a commit that falls', 'commit-monotone', (told) => told.follows('b', 1, 'a', 1)],
  ['an entry applied twice', 'applied-in-order', (told) => told.applies('b', entry(2, 1))],
  [
    'an entry passed over',
    'applied-in-order',
    (told) => {
      for (const id of abc) told.logs(id, entry(3, 1), entry(4, 1));
      told.applies('b', entry(4, 1));
    },
  ],
  ['a snapshot behind what is applied', 'applied-in-order', (told) => told.installs('b', 2, 1)],
  [
    'applied before it is on the own disk',
    'durable-before-said',
    (told) => {
      told.logs('a', entry(3, 1));
      told.logs('b', entry(3, 1));
      told.applies('c', entry(3, 1));
    },
  ],
  [
    'applied before it is on a quorum of disks',
    'durable-before-said',
    (told) => {
      told.logs('a', entry(3, 1));
      told.applies('a', entry(3, 1));
    },
  ],
  [
    'a leader by votes that are not on disks',
    'durable-before-said',
    (told) => {
      told.votes('b', 2, 'b');
      told.follows('b', 2, null);
      told.leads('b', 2);
    },
  ],
  [
    'a leader whose own term is not on its disk',
    'durable-before-said',
    (told) => {
      told.votes('a', 2, 'b');
      told.votes('c', 2, 'b');
      told.leads('b', 2);
    },
  ],
  [
    'a log that is shorter after a restart',
    'durable-kept',
    (told) => {
      told.starts('b', { term: 1, vote: 'a' }, [entry(1, 1)], 1);
    },
  ],
  [
    'a term forgotten over a restart',
    'durable-kept',
    (told) => {
      told.starts('b', { term: 0, vote: null }, [entry(1, 1), entry(2, 1)], 2);
    },
  ],
  ['a committed entry replaced', 'durable-kept', (told) => told.logs('c', entry(2, 1, 'y'))],
  [
    'a read confirmed by who does not know what was committed before it',
    'fresh-reads',
    (_, judge) => {
      judge.observe({ type: 'read-asked', group, replica: 'c', ref: 1 });
      judge.observe({ type: 'read-ended', group, replica: 'c', ref: 1, index: 1 });
    },
  ],
  [
    'a leader that never was a voter',
    'voters-lead',
    (told) => {
      told.logs('c', changeTo(3, 1, ['a', 'b']), changeTo(4, 1, ['a', 'b']));
      elect(told, 'c', 2, 'a', 'b', 'c');
    },
  ],
  [
    'a change of members on top of one that is not committed',
    'one-change-at-a-time',
    (told) => told.logs('a', changeTo(3, 1, ['a', 'b']), changeTo(4, 1, ['a'])),
  ],
  [
    'a change of members before an entry of its own term is committed',
    'one-change-at-a-time',
    (told) => {
      for (const id of abc) told.logs(id, changeTo(3, 1, abc));
      elect(told, 'b', 2, 'b', 'c');
      told.logs('b', entry(4, 2));
      told.logs('b', changeTo(5, 2, ['a', 'b']));
    },
  ],
  [
    'a snapshot under a configuration that is yet to come',
    'configuration-kept',
    (told, judge) => {
      beginsWithout(judge, 'c');
      for (const id of ['a', 'b']) told.logs(id, entry(3, 1), changeTo(4, 1, abc));
      told.applies('a', entry(3, 1), changeTo(4, 1, abc));
      told.installs('c', 3, 1);
    },
  ],
  [
    'a log that is dropped under a configuration of the past',
    'configuration-kept',
    (_, judge) => {
      beginsWithout(judge, 'b');
      judge.observe({ type: 'compacted', group, replica: 'c', meta: { index: 2, term: 1, timeMs: 0, configuration } });
    },
  ],
  [
    'a log that is dropped under another term',
    'state-machine-safety',
    (_, judge) => {
      judge.observe({ type: 'compacted', group, replica: 'c', meta: { index: 2, term: 2, timeMs: 0, configuration } });
    },
  ],
  [
    'a log that begins under a configuration of the past',
    'configuration-kept',
    (_, judge) => {
      beginsWithout(judge, 'b');
      const snapshot = { index: 2, term: 1, timeMs: 0, configuration };
      const observed = { type: 'restored', group, replica: 'c', hardState: { term: 1, vote: 'a' } } as const;
      judge.observe({ ...observed, snapshot, entries: [], applied: 2 });
    },
  ],
];

for (const [what, promise, break_] of planted)
  test(`${what} breaks ${promise}`, () => {
    const { judge, told } = calm();
    break_(told, judge);
    const found = judge.violations.map((one) => one.promise);
    assert.ok(found.includes(promise), JSON.stringify(judge.violations));
    for (const one of judge.violations) assert.ok(one.group === group && one.message.length > 0);
  });

// ---------------------------------------------------------------- what may happen

const allowed: [string, (told: Told, judge: RaftJudge) => void][] = [
  [
    'a leader that its latest change leaves out',
    (told) => {
      for (const id of abc) told.logs(id, changeTo(3, 1, abc));
      told.logs('c', changeTo(4, 1, ['a', 'b']));
      elect(told, 'c', 2, 'a', 'b', 'c');
    },
  ],
  [
    'one change of members after the other',
    (told) => {
      for (const id of abc) told.logs(id, changeTo(3, 1, ['a', 'b']));
      for (const id of ['a', 'b']) told.logs(id, changeTo(4, 1, ['a']));
    },
  ],
  [
    'a tail that was not committed is replaced',
    (told) => {
      told.logs('c', entry(3, 1, 'stale'), entry(4, 1));
      elect(told, 'b', 2, 'a', 'b');
      told.logs('b', entry(3, 2));
      told.logs('c', entry(3, 2));
      told.applies('b', entry(3, 2));
      told.applies('c', entry(3, 2));
    },
  ],
  [
    'a write that nobody heard of is found at a restart',
    (told) => {
      told.logs('c', entry(3, 1, 'stale'), entry(4, 1));
      elect(told, 'b', 2, 'a', 'b');
      told.logs('b', entry(3, 2));
      told.starts('c', { term: 2, vote: null }, [entry(1, 1), entry(2, 1), entry(3, 2)], 2);
      told.applies('c', entry(3, 2));
    },
  ],
  [
    'entries are applied again in a new life',
    (told) => {
      told.starts('b', { term: 1, vote: 'a' }, [entry(1, 1), entry(2, 1)], 0);
      told.applies('b', entry(1, 1), entry(2, 1));
    },
  ],
  [
    'a damaged disk forgets, and the replica is as new',
    (told, judge) => {
      judge.damaged('c');
      told.starts('c', { term: 0, vote: null }, [], 0);
      told.votes('c', 1, 'a');
      told.logs('c', entry(1, 1), entry(2, 1));
      told.applies('c', entry(1, 1), entry(2, 1));
    },
  ],
  [
    'a snapshot replaces a log that lagged, and compaction begins a log later',
    (told, judge) => {
      for (const id of ['a', 'b']) told.logs(id, entry(3, 1), entry(4, 1));
      for (const id of ['a', 'b']) told.applies(id, entry(3, 1), entry(4, 1));
      told.installs('c', 4, 1);
      told.logs('c', entry(5, 1));
      const snapshot = { index: 4, term: 1, timeMs: 0, configuration };
      const observed = { type: 'restored', group, replica: 'c', hardState: { term: 1, vote: 'a' } } as const;
      judge.observe({ ...observed, snapshot, entries: [entry(5, 1)], applied: 4 });
      told.logs('a', entry(5, 1));
      told.applies('c', entry(5, 1));
    },
  ],
  [
    'a read is confirmed at what was committed when it was asked, or refused',
    (told, judge) => {
      for (const ref of [1, 2, 3]) judge.observe({ type: 'read-asked', group, replica: 'c', ref });
      for (const id of abc) told.logs(id, entry(3, 1));
      told.applies('a', entry(3, 1));
      judge.observe({ type: 'read-ended', group, replica: 'c', ref: 1, index: 2 });
      judge.observe({ type: 'read-ended', group, replica: 'c', ref: 2, index: null });
      judge.restarted('c');
      judge.observe({ type: 'read-ended', group, replica: 'c', ref: 3, index: 0 });
    },
  ],
  [
    'groups have nothing to do with each other',
    (_, judge) => {
      const role = { type: 'role', role: 'leader', term: 1, commit: 0, configuration } as const;
      judge.observe({ type: 'hard-state', group: 'h', replica: 'b', hardState: { term: 1, vote: 'b' } });
      judge.observe({ type: 'hard-state', group: 'h', replica: 'c', hardState: { term: 1, vote: 'b' } });
      judge.observe({ ...role, group: 'h', replica: 'b', leader: 'b' });
    },
  ],
];

for (const [what, happen] of allowed)
  test(`${what}: nothing is broken`, () => {
    const { judge, told } = calm();
    happen(told, judge);
    assert.deepEqual(judge.violations, []);
  });

test('what is forgotten of a long log, because all of it is committed, is held against no change of members', () => {
  const { judge, told } = calm();
  const many = [changeTo(3, 1, abc), ...Array.from({ length: 1_000 }, (_, n) => entry(n + 4, 1))];
  for (const id of abc) told.logs(id, ...many);
  for (const id of abc) told.applies(id, ...many);
  const last = many.at(-1)!.index;
  for (const id of ['b', 'c']) told.votes(id, 2, 'b');
  for (const id of ['b', 'c']) told.follows(id, 2, null, last);
  told.leads('b', 2, last);
  const own = Array.from({ length: 100 }, (_, n) => entry(last + 1 + n, 2));
  for (const id of ['b', 'c']) told.logs(id, ...own);
  told.applies('b', ...own);
  told.logs('b', changeTo(last + 101, 2, ['a', 'b']));
  assert.deepEqual(judge.violations, []);
});

test('remembers a limited number of violations', () => {
  const { judge, told } = calm();
  for (let round = 0; round < 500; round++) told.votes('b', 1, round % 2 === 0 ? 'c' : 'b');
  assert.equal(judge.violations.length, 100);
});
