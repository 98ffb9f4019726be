// Bugs that real Raft implementations had, one test each, by direct steps of one replica. Others of the kind are shown by the
// transcripts (Figure 8, ABA, conflicts, snapshots, reads, leases, departing leaders) and hunted by the storms of safety.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRaft, encodeConfiguration, type RaftState, step } from '../../../machines/raft/index.ts';
import {
  type Entry,
  type RaftEffect,
  type RaftEvent,
  type RaftMessage,
  type RaftOptions,
  raftDefaults,
} from '../../../machines/raft/types.ts';
import { configurationOf } from './cluster.ts';

/** The message of this type; some members of the union have two types. */
type MessageOf<Type, One = RaftMessage> = One extends { type: infer Types } ? (Type extends Types ? One : never) : never;
type Fields<Type> = Omit<MessageOf<Type>, 'type' | 'to'>;
type EffectOf<Type extends RaftEffect['type']> = Extract<RaftEffect, { type: Type }>;

/** Entries of these terms, from index 1. */
const entriesOf = (...terms: number[]): Entry[] =>
  terms.map((term, at) => ({ index: at + 1, term, kind: 'command', timeMs: 0, data: new Uint8Array(1) }));

/** Replica a of three, driven by hand; every write it asks for is kept until `written` says it has ended. */
class Subject {
  readonly state: RaftState;
  nowMs = 1_000;
  effects: RaftEffect[] = [];
  writes: EffectOf<'persist'>[] = [];

  constructor(entries: Entry[] = [], term = entries.at(-1)?.term ?? 0, options: Partial<RaftOptions> = {}, restarted = false) {
    const snapshot = { index: 0, term: 0, timeMs: 0, configuration: configurationOf(['a', 'b', 'c']) };
    const restored = { hardState: { term, vote: null }, snapshot, entries, applied: 0, restarted };
    const given = { ...raftDefaults, electionTimeoutMaxMs: 151, ...options };
    this.state = createRaft({ replica: 'a', options: given, restored, seed: 1, nowMs: this.nowMs, checkAll: true });
  }

  step(event: RaftEvent): RaftEffect[] {
    this.effects = step(this.state, this.nowMs, event);
    this.writes.push(...this.of('persist'));
    return this.effects;
  }

  of<Type extends RaftEffect['type']>(type: Type): EffectOf<Type>[] {
    return this.effects.filter((effect): effect is EffectOf<Type> => effect.type === type);
  }

  hear<Type extends RaftMessage['type']>(type: Type, fields: Fields<Type>): RaftEffect[] {
    return this.step({ type: 'message', message: { ...fields, type, to: 'a' } as unknown as RaftMessage });
  }

  /** What it has said in the last step, at once or with a write. */
  said<Type extends RaftMessage['type']>(type: Type): MessageOf<Type>[] {
    const now = this.of('send').map(({ message }) => message);
    const later = this.of('persist').flatMap(({ messages }) => messages);
    return [...now, ...later].filter((message) => message.type === type) as MessageOf<Type>[];
  }

  written(): void {
    const write = this.writes.shift();
    assert.ok(write !== undefined, 'nothing is being written');
    this.step({ type: 'persisted', token: write.token });
  }

  lead(): void {
    this.nowMs = this.state.deadlineMs;
    this.step({ type: 'wake' });
    this.hear('pre-vote-reply', { from: 'b', term: this.state.term + 1, granted: true });
    this.written();
    this.hear('vote-reply', { from: 'b', term: this.state.term, granted: true });
    assert.equal(this.state.role, 'leader');
    while (this.writes.length > 0) this.written();
  }

  acknowledge(from: string, index: number, round = this.state.round): RaftEffect[] {
    return this.hear('append-reply', { from, term: this.state.term, index, conflict: null, round });
  }

  propose(...texts: string[]): void {
    const proposals = texts.map((text, ref) => ({ ref, data: Buffer.from(text) }));
    this.step({ type: 'propose', wallMs: 0, proposals });
  }
}

test('a stale vote is not counted: neither of an older term nor a pre-vote of another campaign', () => {
  const subject = new Subject(entriesOf(1), 4);
  subject.nowMs = subject.state.deadlineMs;
  subject.step({ type: 'wake' });
  subject.hear('pre-vote-reply', { from: 'b', term: 4, granted: true });
  assert.equal(subject.state.role, 'pre-candidate', 'granted for term 4, asked for term 5');
  subject.hear('pre-vote-reply', { from: 'b', term: 5, granted: true });
  subject.written();
  subject.hear('vote-reply', { from: 'b', term: 4, granted: true });
  subject.hear('pre-vote-reply', { from: 'b', term: 5, granted: true });
  subject.hear('vote-reply', { from: 'stranger', term: 5, granted: true });
  assert.equal(subject.state.role, 'candidate');
  subject.hear('vote-reply', { from: 'c', term: 5, granted: false });
  subject.hear('vote-reply', { from: 'b', term: 5, granted: true });
  assert.equal(subject.state.role, 'leader');
});

test('nobody leads before its own vote is on its disk, however many others have voted', () => {
  const subject = new Subject();
  subject.nowMs = subject.state.deadlineMs;
  subject.step({ type: 'wake' });
  subject.hear('pre-vote-reply', { from: 'b', term: 1, granted: true });
  subject.hear('vote-reply', { from: 'b', term: 1, granted: true });
  subject.hear('vote-reply', { from: 'c', term: 1, granted: true });
  assert.equal(subject.state.role, 'candidate');
  subject.written();
  assert.equal(subject.state.role, 'leader');
});

test('a vote leaves with the write that keeps it, and is not given twice in a term', () => {
  const subject = new Subject();
  const asks = { term: 3, lastIndex: 0, lastTerm: 0, transfer: false };
  subject.hear('vote', { from: 'b', ...asks });
  assert.deepEqual(subject.of('send'), []);
  assert.deepEqual(subject.writes[0]?.hardState, { term: 3, vote: 'b' });
  assert.equal(subject.writes[0]?.messages.length, 1);
  subject.hear('vote', { from: 'c', ...asks });
  assert.deepEqual(
    subject.said('vote-reply').map((reply) => reply.granted),
    [false],
  );
  subject.hear('vote', { from: 'b', ...asks });
  assert.deepEqual(
    subject.said('vote-reply').map((reply) => reply.granted),
    [true],
    'the same candidate may ask again',
  );
  assert.deepEqual(subject.of('send'), [], 'and still waits for the write');
});

test("the follower's commit index does not pass what it is known to share with the leader", () => {
  const subject = new Subject(entriesOf(1, 1, 1, 1));
  subject.hear('append', { from: 'b', term: 2, prevIndex: 1, prevTerm: 1, entries: [], commit: 4, round: 0 });
  assert.equal(subject.state.commit, 1, 'entries 2 to 4 may be of another leader');
});

test('a stale acknowledgement does not move match back', () => {
  const subject = new Subject();
  subject.lead();
  subject.propose('x', 'y');
  subject.acknowledge('b', 3);
  subject.acknowledge('b', 1);
  assert.equal(subject.state.progress.get('b')?.match, 3);
});

test('an acknowledgement of more than was sent is not believed', () => {
  const subject = new Subject();
  subject.lead();
  subject.acknowledge('b', 1_000, 1_000);
  assert.deepEqual([subject.state.progress.get('b')?.match, subject.state.commit], [1, 1]);
  assert.ok(subject.state.progress.get('b')!.ackedRound <= subject.state.round, 'nor is an answer to a round that never was');
});

test('a stale refusal does not send back what is acknowledged', () => {
  const subject = new Subject();
  subject.lead();
  subject.propose('x', 'y');
  subject.acknowledge('b', 3);
  const refusal = { from: 'b', term: 1, index: 1, conflict: { index: 0, term: 0 }, round: 1 };
  subject.hear('append-reply', refusal);
  assert.deepEqual(subject.said('append'), []);
  assert.equal(subject.state.progress.get('b')?.mode, 'replicate');
});

test('a replica that lost what it acknowledged is not counted: not for commits, not for reads, not for check-quorum', () => {
  const subject = new Subject();
  subject.lead();
  subject.propose('x');
  subject.written();
  subject.acknowledge('b', 2);
  assert.equal(subject.state.commit, 2);
  subject.nowMs += 50;
  subject.step({ type: 'wake' });
  subject.hear('heartbeat-reply', { from: 'b', term: 1, round: subject.state.round, quiet: false, index: 1 });
  assert.equal(subject.of('warn')[0]?.code, 'LOG_REGRESSED');
  subject.step({ type: 'read', ref: 1, mode: 'read-index' });
  subject.propose('y');
  subject.written();
  subject.hear('heartbeat-reply', { from: 'b', term: 1, round: subject.state.round, quiet: false, index: 3 });
  subject.acknowledge('b', 3);
  assert.equal(subject.state.commit, 2);
  assert.equal(subject.state.reads.length, 1, 'the read waits for somebody who counts');
  subject.acknowledge('c', 3);
  assert.equal(subject.state.commit, 3);
  assert.equal(subject.of('read-ready').length, 1);
});

test('what a replica acknowledged and then lost does not commit anything later', () => {
  const subject = new Subject();
  subject.lead();
  subject.acknowledge('b', 1);
  subject.propose('x');
  subject.acknowledge('b', 2);
  subject.nowMs += 50;
  subject.step({ type: 'wake' });
  subject.hear('heartbeat-reply', { from: 'b', term: 1, round: subject.state.round, quiet: false, index: 1 });
  // Only now the leader's own write ends: with b's word that would have been a majority.
  subject.written();
  assert.deepEqual([subject.state.durable, subject.state.commit], [2, 1]);
});

test('an acknowledgement under way before a heartbeat was answered is no loss', () => {
  const subject = new Subject();
  subject.lead();
  subject.propose('x');
  const { round } = subject.state;
  subject.acknowledge('b', 2);
  subject.hear('heartbeat-reply', { from: 'b', term: 1, round, quiet: false, index: 1 });
  assert.deepEqual(subject.of('warn'), []);
});

test('a read counts on no round begun before it', () => {
  const subject = new Subject();
  subject.lead();
  subject.acknowledge('b', 1);
  const { round } = subject.state;
  subject.step({ type: 'read', ref: 1, mode: 'read-index' });
  subject.hear('heartbeat-reply', { from: 'b', term: 1, round, quiet: false, index: 1 });
  assert.deepEqual(subject.of('read-ready'), []);
  subject.hear('heartbeat-reply', { from: 'b', term: 1, round: round + 1, quiet: false, index: 1 });
  assert.equal(subject.of('read-ready').length, 1);
});

test('writes under way when a snapshot comes keep what they acknowledge', () => {
  const subject = new Subject(entriesOf(1), 1);
  subject.hear('append', {
    from: 'b',
    term: 1,
    prevIndex: 1,
    prevTerm: 1,
    entries: entriesOf(1, 1, 1).slice(1),
    commit: 0,
    round: 1,
  });
  const meta = { index: 9, term: 1, timeMs: 0, configuration: configurationOf(['a', 'b', 'c']) };
  subject.step({ type: 'snapshot-received', from: 'b', meta });
  assert.equal(subject.state.durable, 1);
  subject.written();
  assert.equal(subject.state.durable, 3, 'the acknowledgement of 3 has just left: a heartbeat that says less would accuse us');
  subject.written();
  assert.deepEqual([subject.state.durable, subject.state.applied], [9, 9]);
});

test('a snapshot is not installed over what is committed, nor one of a term that is still to come', () => {
  const subject = new Subject(entriesOf(1, 1, 1), 1);
  subject.hear('heartbeat', { from: 'b', term: 1, commit: 3, round: 1, quiet: false, lastIndex: 3 });
  const meta = { index: 2, term: 1, timeMs: 0, configuration: configurationOf(['a', 'b', 'c']) };
  subject.step({ type: 'snapshot-received', from: 'b', meta });
  assert.deepEqual(subject.of('persist'), []);
  assert.deepEqual(
    subject.said('append-reply').map((reply) => reply.index),
    [3],
  );
  subject.step({ type: 'snapshot-received', from: 'b', meta: { ...meta, index: 9, term: 2 } });
  subject.step({ type: 'snapshot-received', from: 'c', meta: { ...meta, index: 9 } });
  assert.equal(subject.state.log.lastIndex, 3);
});

test('a snapshot of an entry that the log has only moves the commit index; the rest of the log stays', () => {
  const subject = new Subject(entriesOf(1, 1, 1), 1);
  subject.hear('heartbeat', { from: 'b', term: 1, commit: 0, round: 1, quiet: false, lastIndex: 3 });
  const meta = { index: 2, term: 1, timeMs: 0, configuration: configurationOf(['a', 'b', 'c']) };
  subject.step({ type: 'snapshot-received', from: 'b', meta });
  assert.deepEqual([subject.state.commit, subject.state.log.firstIndex, subject.state.log.lastIndex], [2, 1, 3]);
});

test('a leader that sends another entry where one is committed is refused and named', () => {
  const subject = new Subject(entriesOf(1, 1), 1);
  subject.hear('heartbeat', { from: 'b', term: 1, commit: 2, round: 1, quiet: false, lastIndex: 2 });
  subject.hear('append', {
    from: 'c',
    term: 3,
    prevIndex: 1,
    prevTerm: 1,
    entries: entriesOf(1, 3).slice(1),
    commit: 0,
    round: 0,
  });
  assert.equal(subject.of('warn')[0]?.code, 'COMMITTED_CONFLICT');
  assert.deepEqual([subject.said('append-reply'), subject.state.log.lastTerm], [[], 1]);
});

test('two leaders of one term are named, and neither is followed by the other', () => {
  const subject = new Subject();
  subject.lead();
  subject.hear('heartbeat', { from: 'b', term: 1, commit: 0, round: 1, quiet: false, lastIndex: 0 });
  assert.equal(subject.of('warn')[0]?.code, 'TWO_LEADERS');
  assert.equal(subject.state.role, 'leader');
});

test('an answer of a later term does not make a follower quiet, and a quiet agreement of long ago does not make a leader so', () => {
  const subject = new Subject([], 0, { quietAfterMs: 100 });
  subject.lead();
  for (const from of ['b', 'c']) subject.acknowledge(from, 1);
  subject.step({ type: 'applied', index: 1 });
  subject.nowMs += 100;
  subject.step({ type: 'wake' });
  const { round } = subject.state;
  const quietly = (from: string, of: number): void =>
    void subject.hear('heartbeat-reply', { from, term: 1, round: of, quiet: true, index: 1 });
  quietly('b', round);
  // Something happens before c answers: the old proposal to rest is off.
  subject.step({ type: 'peer-found', replica: 'c' });
  subject.acknowledge('c', 1);
  subject.nowMs += 100;
  subject.step({ type: 'wake' });
  quietly('b', round + 1);
  quietly('c', round);
  assert.equal(subject.state.quiet, false);
  quietly('c', round + 1);
  assert.equal(subject.state.quiet, true);
  subject.hear('heartbeat-reply', { from: 'b', term: 2, round: 0, quiet: false, index: 1 });
  assert.deepEqual([subject.state.role, subject.state.quiet], ['follower', false]);
});

test('a group does not rest on members that were not heard lately', () => {
  const subject = new Subject([], 0, { quietAfterMs: 100 });
  subject.lead();
  for (const from of ['b', 'c']) subject.acknowledge(from, 1);
  subject.step({ type: 'applied', index: 1 });
  for (let beat = 0; beat < 4; beat++) {
    subject.nowMs += 50;
    subject.step({ type: 'wake' });
    subject.acknowledge('b', 1);
  }
  assert.deepEqual(
    subject.said('heartbeat').map((message) => message.quiet),
    [],
  );
  subject.nowMs += 50;
  subject.step({ type: 'wake' });
  assert.deepEqual(
    subject.said('heartbeat').map((message) => message.quiet),
    [false, false],
  );
});

test('a configuration survives compaction, under its own label', () => {
  const changed = configurationOf(['a'], ['b']);
  const change: Entry = { ...entriesOf(1)[0]!, kind: 'configuration', data: encodeConfiguration(changed) };
  const subject = new Subject([change, ...entriesOf(1, 1, 1).slice(1)], 1, { retainEntries: 0 });
  subject.hear('append', { from: 'b', term: 1, prevIndex: 3, prevTerm: 1, entries: [], commit: 3, round: 1 });
  subject.step({ type: 'applied', index: 3 });
  const mislabelled = { index: 3, term: 77, timeMs: 77, configuration: configurationOf(['nobody']) };
  subject.step({ type: 'compact', meta: mislabelled });
  assert.deepEqual(subject.of('drop-log')[0]?.meta, { index: 3, term: 1, timeMs: 0, configuration: changed });
  assert.deepEqual(subject.state.configuration, changed);
});

test('nothing is compacted that is not applied and on the disk', () => {
  const subject = new Subject(entriesOf(1, 1, 1), 1, { retainEntries: 0 });
  subject.hear('append', { from: 'b', term: 1, prevIndex: 3, prevTerm: 1, entries: [], commit: 2, round: 1 });
  subject.step({ type: 'applied', index: 1 });
  subject.step({ type: 'compact', meta: { index: 3, term: 1, timeMs: 0, configuration: configurationOf(['a']) } });
  assert.equal(subject.state.log.base.index, 1);
});

test('committed entries are applied only once they are on our own disk', () => {
  const subject = new Subject([], 1);
  subject.hear('append', { from: 'b', term: 1, prevIndex: 0, prevTerm: 0, entries: entriesOf(1, 1), commit: 2, round: 1 });
  assert.equal(subject.state.commit, 2);
  assert.deepEqual(subject.of('apply'), []);
  subject.written();
  assert.deepEqual(
    subject.of('apply')[0]?.entries.map((entry) => entry.index),
    [1, 2],
  );
});

test('a restarted voter grants nothing for one largest election time-out, not even to itself (leases)', () => {
  const subject = new Subject(entriesOf(1), 1, {}, true);
  const asks = { from: 'b', term: 5, lastIndex: 9, lastTerm: 4, transfer: false };
  subject.nowMs += 150;
  subject.hear('vote', asks);
  assert.deepEqual(
    subject.said('vote-reply').map((reply) => reply.granted),
    [false],
  );
  subject.step({ type: 'wake' });
  assert.equal(subject.state.role, 'follower');
  subject.nowMs += 1;
  subject.hear('vote', asks);
  assert.deepEqual(
    subject.said('vote-reply').map((reply) => reply.granted),
    [true],
  );
});
