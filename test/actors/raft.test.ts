// One replica between its disk and peers that the test plays: every proposal has one end, and a true one; nobody speaks for a
// replica that lives elsewhere; and what waits when the replica stops is answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMember, type Member, type ProposalEnd } from '../../actors/raft.ts';
import { createRouter } from '../../actors/router.ts';
import { formRaftMessage, parseRaftMessage } from '../../machines/raft/index.ts';
import { type Entry, type RaftMessage, type RaftOptions, raftDefaults } from '../../machines/raft/types.ts';
import { envelopeOf } from './hand-cluster.ts';
import { createHandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';
import { bytes, entry, formed, group } from './raft-store/world.ts';

type Ends = Map<string, ProposalEnd<string>>;

const createWorld = (options: Partial<RaftOptions> = {}) => {
  const at = formed();
  const { clock, storage, writer, store } = at;
  const network = createHandNetwork();
  const counts = new Map<string, number>();
  const lines: { code: string; facts: Record<string, unknown> }[] = [];
  const sink = {
    log: (_level: string, code: string, _message: string, facts: Record<string, unknown> = {}) =>
      void lines.push({ code, facts }),
    count(name: string, labels: Record<string, string> = {}, by = 1) {
      const of = [name, labels.code ?? labels.outcome ?? ''].join(' ');
      counts.set(of, (counts.get(of) ?? 0) + by);
    },
  };
  const nameOf = (peer: string): string => `node ${peer}`;
  const router = createRouter({ network: network.port('p-a'), clock, sink, nameOf });
  for (const peer of ['p-b', 'p-c', 'p-x']) network.connect('p-a', peer);
  const scope = createHandScope(clock);
  const applied: Entry[] = [];
  const unreadable: number[] = [];
  const ends: Ends = new Map();
  const member: Member<string> = createMember<string>({
    ...{ scope, clock, sink, router, writer, store, group, replica: 'a', restored: at.restored },
    options: { ...raftDefaults, ...options },
    random: { uint32: () => 7, bytes: (length) => new Uint8Array(length) },
    compactAfter: { entries: 1_000, bytes: 1 << 20 },
    replicated: {
      reads: ({ data }) => Buffer.from(data).toString() !== 'unreadable',
      unreadable: (entry) => void unreadable.push(entry.index),
      apply(given) {
        applied.push(given);
        return Buffer.from(given.data).toString();
      },
      applied: () => {},
      installed: (_meta, done) => done(),
    },
    takeOperations: (index, timeMs) => store.stateOperations([], index, timeMs),
    snapshots: {
      send: () => {},
      expect: () => {},
      receive: () => {},
      drained: () => {},
      peerClosed: () => {},
      stop: () => {},
    },
    onChanged: () => {},
    onWarn: () => {},
  });

  /** What the replica says, as the peers would read it. */
  const said = (): RaftMessage[] => {
    clock.settle();
    return network.letters.splice(0).flatMap((letter) => {
      const parsed = parseRaftMessage(envelopeOf(letter).body);
      assert.ok(parsed.ok);
      return parsed.message;
    });
  };
  const tell = (message: RaftMessage, peer = `p-${message.from}`): void => {
    member.receive(peer, formRaftMessage(message));
    clock.settle();
  };
  const base = (from: string) => ({ from, to: 'a', term: member.state.term });
  const elect = (): void => {
    for (let ms = 0; member.state.role !== 'leader'; ms++) {
      assert.ok(ms < 2_000, 'it becomes the leader');
      clock.pass(1);
      for (const message of said()) {
        if (message.to !== 'b') continue;
        if (message.type === 'pre-vote') tell({ ...base('b'), type: 'pre-vote-reply', term: message.term, granted: true });
        if (message.type === 'vote') tell({ ...base('b'), type: 'vote-reply', granted: true });
      }
    }
  };
  /** b has everything that the leader's log holds. */
  const acknowledge = (): void => {
    tell({ ...base('b'), type: 'append-reply', index: member.state.log.lastIndex, conflict: null, round: 0 });
    clock.pass(1);
  };
  const propose = (name: string): void =>
    member.propose(bytes(name), (end) => {
      assert.ok(!ends.has(name), 'answered-once');
      ends.set(name, end);
    });
  const endOf = (name: string): string => {
    const end = ends.get(name);
    if (end === undefined) return 'waits';
    return end.type === 'rejected' ? end.reason : end.type;
  };
  return {
    ...{ clock, storage, member, network, counts, lines, applied, unreadable, ends, scope },
    ...{ said, tell, base, elect, acknowledge, propose, endOf },
  };
};

/** Another leader's log from index 1 on. */
const overwrite = (world: ReturnType<typeof createWorld>, entries: Entry[], commit = 0): void => {
  const term = world.member.state.term + 1;
  const own = entries.map((one) => ({ ...one, term }));
  world.tell({ from: 'b', to: 'a', term, type: 'append', prevIndex: 0, prevTerm: 0, entries: own, commit, round: 1 });
};

test('a proposal is answered when a majority has it on its disk and it is applied here, in order', () => {
  const world = createWorld();
  world.propose('early');
  world.clock.settle();
  assert.equal(world.endOf('early'), 'not-leader');
  world.elect();
  for (const name of ['x', 'y']) world.propose(name);
  world.clock.pass(20);
  assert.deepEqual([world.endOf('x'), world.endOf('y')], ['waits', 'waits'], 'its own disk is no majority');
  world.acknowledge();
  const [x, y] = [world.ends.get('x'), world.ends.get('y')];
  assert.ok(x?.type === 'applied' && y?.type === 'applied');
  assert.deepEqual([x.outcome, y.outcome, y.index - x.index], ['x', 'y', 1]);
  assert.equal(world.counts.get('raft_proposals_total applied'), 2);
  assert.equal(world.counts.get('raft_proposals_total not-leader'), 1);
});

test('a proposal whose place another entry takes surely did not happen', () => {
  const world = createWorld();
  world.elect();
  world.propose('x');
  world.clock.settle();
  const index = world.member.state.log.lastIndex;
  overwrite(
    world,
    [...Array(index).keys()].map((n) => entry(n + 1, 0, `b${n + 1}`)),
  );
  assert.equal(world.endOf('x'), 'waits', 'not before it is decided');
  overwrite(
    world,
    [...Array(index).keys()].map((n) => entry(n + 1, 0, `c${n + 1}`)),
    index,
  );
  world.clock.pass(5);
  assert.equal(world.endOf('x'), 'overwritten');
  assert.equal(world.counts.get('raft_proposals_total overwritten'), 1);
});

test('two proposals of one place, of two terms of the same leader, are both answered', () => {
  const world = createWorld();
  world.elect();
  for (const name of ['x1', 'x2']) world.propose(name);
  world.clock.settle();
  const place = world.member.state.log.lastIndex;
  overwrite(world, [entry(1, 0, 'b1')]);
  world.elect();
  world.propose('y');
  world.clock.pass(1);
  assert.equal(world.member.state.log.lastIndex, place, 'y stands where x2 stood');
  assert.deepEqual(['x1', 'x2', 'y'].map(world.endOf), ['waits', 'waits', 'waits']);
  world.acknowledge();
  assert.deepEqual(['x1', 'x2', 'y'].map(world.endOf), ['overwritten', 'overwritten', 'applied']);
});

test('a deposed leader does not know of its proposals until they are decided, and says so when it stops', () => {
  const world = createWorld();
  world.elect();
  world.propose('placed');
  world.clock.settle();
  world.propose('unplaced');
  world.member.read('read-index', () => {});
  world.member.stop();
  assert.deepEqual(['placed', 'unplaced'].map(world.endOf), ['unknown', 'not-leader']);
  assert.deepEqual(
    [world.counts.get('raft_proposals_total unknown'), world.counts.get('raft_proposals_total not-leader')],
    [1, 1],
  );
});

test('an entry that it does not read: what stands before is applied, nothing after, and nothing more is promised', () => {
  const world = createWorld();
  world.elect();
  for (const name of ['x', 'unreadable', 'y']) world.propose(name);
  world.member.read('read-index', () => {});
  world.clock.pass(20);
  world.acknowledge();
  assert.deepEqual(['x', 'unreadable', 'y'].map(world.endOf), ['applied', 'unknown', 'unknown']);
  assert.deepEqual([world.applied.map(({ data }) => Buffer.from(data).toString()), world.unreadable.length], [['x'], 1]);
  world.propose('z');
  world.said();
  world.clock.pass(500);
  assert.deepEqual([world.endOf('z'), world.said(), world.member.state.halted], ['not-leader', [], true]);
  overwrite(world, [entry(1, 0, 'b1')], 1);
  world.clock.pass(5);
  assert.deepEqual([world.said(), world.applied.length, world.unreadable.length], [[], 1, 1]);
});

test('a disk that refuses: nothing more is promised, and no proposal is said to have happened', () => {
  const world = createWorld();
  world.elect();
  world.acknowledge();
  world.storage.failWith({ code: 'DISK_FULL', message: 'no space' });
  world.propose('x');
  world.clock.pass(5);
  const { length } = world.said().filter(({ type }) => type === 'append-reply' || type === 'vote-reply');
  // Others may go on with it, and this replica will not hear of that.
  assert.deepEqual([world.endOf('x'), length, world.member.state.halted], ['unknown', 0, true]);
  world.propose('y');
  world.clock.pass(1);
  assert.equal(world.endOf('y'), 'not-leader');
  world.member.stop();
});

test('reads, changes and transfers that wait when the replica stops are answered', () => {
  const world = createWorld();
  world.elect();
  world.acknowledge();
  const answers: string[] = [];
  world.member.read('read-index', (end) => answers.push(`read ${end.type}`));
  const { configuration } = world.member.state;
  const target = { voters: ['a', 'b'], learners: [], members: { a: configuration.members.a!, b: configuration.members.b! } };
  world.member.reconfigure(target, (end) => answers.push(`change ${end.ok ? 'ok' : end.reason}`));
  world.member.reconfigure(target, (end) => answers.push(`second ${end.ok ? 'ok' : end.reason}`));
  world.member.transfer('c', (end) => answers.push(`transfer ${end.ok ? 'ok' : end.reason}`));
  assert.deepEqual(answers, ['second pending']);
  world.member.stop();
  assert.deepEqual(answers.slice(1).toSorted(), ['change lost', 'read rejected', 'transfer not-leader']);
});

test('nobody speaks for a replica that lives on another peer', () => {
  const world = createWorld();
  world.elect();
  const { term } = world.member.state;
  const heartbeat = (from: string): RaftMessage => ({
    ...{ from, to: 'a', term: term + 5, type: 'heartbeat' },
    ...{ commit: 0, round: 1, quiet: false, lastIndex: 0 },
  });
  world.tell(heartbeat('b'), 'p-c');
  world.tell(heartbeat('c'), 'p-x');
  assert.equal(world.member.state.term, term);
  assert.equal(world.counts.get('messages_refused_total SPOKE_FOR_ANOTHER'), 2);
  const told = world.lines.filter(({ code }) => code === 'SPOKE_FOR_ANOTHER');
  assert.deepEqual(
    told.map(({ facts }) => facts.name),
    ['node p-c', 'node p-x'],
  );
});

test('a replica nobody knows is bound to the peer that spoke for it first, and a peer has one such replica', () => {
  const world = createWorld();
  const { term } = world.member.state;
  const vote = (from: string): RaftMessage => ({
    ...{ from, to: 'a', term, type: 'pre-vote', lastIndex: 0, lastTerm: 0, transfer: false },
  });
  world.tell(vote('new'), 'p-x');
  world.tell(vote('new'), 'p-b');
  assert.equal(world.counts.get('messages_refused_total SPOKE_FOR_ANOTHER'), 1);
  // However many it claims, only the last is its own, and nobody else runs out of room.
  for (let n = 0; n < 5_000; n++) world.tell(vote(`minted ${n}`), 'p-x');
  world.tell(vote('new'), 'p-b');
  assert.equal(world.counts.get('messages_refused_total SPOKE_FOR_ANOTHER'), 1);
  world.tell(vote('minted 4999'), 'p-b');
  assert.equal(world.counts.get('messages_refused_total SPOKE_FOR_ANOTHER'), 2);
  for (const name of ['constructor', '__proto__', 'toString']) world.tell(vote(name), 'p-c');
  assert.equal(world.counts.get('messages_refused_total SPOKE_FOR_ANOTHER'), 2);
});

test('what is no message of Raft is counted and told, what is meant for another replica only counted', () => {
  const world = createWorld();
  for (const body of [null, [], [0], 'x', [0, 'b', 'b', 1, 0, 0, false], [99, 'b', 'a', 1]]) world.member.receive('p-b', body);
  assert.equal(world.counts.get('messages_refused_total RAFT_MALFORMED'), 6);
  assert.deepEqual(
    world.lines.map(({ code, facts }) => [code, facts.name, facts.group]),
    [['RAFT_MALFORMED', 'node p-b', group]],
  );
  world.tell({ ...world.base('b'), to: 'other', type: 'time-out-now' });
  assert.equal(world.counts.get('raft_misaddressed_total '), 1);
});
