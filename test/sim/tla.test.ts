// Lines for etcd-io/raft's TLA+ trace validation. Whether TLC accepts them needs Java and its tools, and was tried by hand
// (docs/internals/simulator.md); here: what every line promises.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunOptions, runSeed, TlaTrace } from '../../sim/index.ts';

type Line = {
  ts: number;
  tag: string;
  event: {
    name: string;
    nid: string;
    state: { term: number; vote: string; commit: number };
    role: string;
    log: number;
    conf: [string[], string[]];
    msg?: { type: string; term: number; from: string; to: string; index: number; entries: number };
  };
};

const traced = (seed: number, options: RunOptions): { lines: Line[]; ended: string | null } => {
  const lines: Line[] = [];
  const trace = new TlaTrace({ write: (line) => lines.push(line as Line) });
  const { hash } = runSeed(seed, { ...options, listen: trace.listen, steps: true });
  assert.equal(hash, runSeed(seed, options).hash, 'steps that are told change nothing');
  return { lines, ended: trace.ended };
};

const key = ({ type, term, from, to, index, entries }: NonNullable<Line['event']['msg']>): string =>
  [type, term, from, to, index, entries].join();

test('what is received was sent, and left by a Ready in between', () => {
  const { lines, ended } = traced(3, { scenario: 'calm', nodes: 3, clients: 2, operations: 10, timeMs: 2_000 });
  assert.equal(ended, null);
  assert.deepEqual(
    lines.slice(0, 3).map(({ event }) => event.name),
    ['InitState', 'InitState', 'InitState'],
  );
  const pending = new Map<string, string[]>();
  const left = new Map<string, number>();
  const seen = new Set<string>();
  lines.forEach(({ ts, tag, event }, at) => {
    const { name, nid, msg, state, log, conf } = event;
    seen.add(name);
    assert.equal(tag, 'trace');
    assert.equal(ts, 1_000_000_001 + at);
    assert.ok(state.term >= 1 && state.commit >= 1 && state.commit <= log);
    assert.deepEqual(conf, [['n1', 'n2', 'n3'], []]);
    if (name.startsWith('Send')) pending.set(nid, [...(pending.get(nid) ?? []), key(msg!)]);
    if (name === 'Ready') {
      for (const one of pending.get(nid) ?? []) left.set(one, (left.get(one) ?? 0) + 1);
      pending.delete(nid);
    }
    if (!name.startsWith('Receive')) return;
    assert.equal(nid, msg!.to);
    const waiting = left.get(key(msg!)) ?? 0;
    assert.ok(waiting > 0, `line ${at + 1} receives what was not sent: ${key(msg!)}`);
    left.set(key(msg!), waiting - 1);
  });
  for (const name of ['BecomeCandidate', 'BecomeLeader', 'Replicate', 'Commit', 'Ready', 'ReceiveAppendEntriesResponse'])
    assert.ok(seen.has(name), name);
});

test('where the specification has no words the trace ends and says why', () => {
  const restarted = traced(2, { faults: ['kill'], nodes: 3, clients: 1, timeMs: 10_000 });
  assert.match(restarted.ended ?? '', /begins a second life/);
  assert.ok(restarted.lines.length > 20);
  const changed = traced(4, { faults: ['membership'], nodes: 3, clients: 1, timeMs: 15_000 });
  assert.match(changed.ended ?? '', /changes its members|no member from the beginning/);
});
