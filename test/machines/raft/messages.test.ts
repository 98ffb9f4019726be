// What goes over the wire comes back as it was; anything else becomes a named refusal, and nothing that parses makes a replica
// throw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createRaft,
  encodeConfiguration,
  formRaftMessage,
  parseConfiguration,
  parseRaftMessage,
  type RaftState,
  step,
} from '../../../machines/raft/index.ts';
import { type Entry, type RaftMessage, raftDefaults } from '../../../machines/raft/types.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { configurationOf } from './cluster.ts';

const count = fc.nat(12);
const configuration = fc.constantFrom(
  configurationOf(['a', 'b', 'c']),
  configurationOf(['a', 'b'], ['c', 'd']),
  configurationOf(['d']),
);

const entriesFrom = (prevIndex: number, prevTerm: number, term: number): fc.Arbitrary<Entry[]> =>
  fc
    .array(fc.record({ rise: fc.nat(2), kind: fc.nat(4), data: fc.uint8Array({ maxLength: 8 }), configuration }), {
      maxLength: 4,
    })
    .map((items) => {
      let last = Math.max(1, prevTerm);
      return items
        .map((item, at): Entry => {
          const common = { index: prevIndex + at + 1, term: (last += item.rise), timeMs: at };
          if (item.kind === 0) return { ...common, kind: 'noop', data: new Uint8Array(0) };
          if (item.kind === 1) return { ...common, kind: 'configuration', data: encodeConfiguration(item.configuration) };
          return { ...common, kind: 'command', data: item.data };
        })
        .filter((entry) => entry.term <= term);
    });

const bases = fc.record({ from: fc.constantFrom('b', 'c', 'd'), to: fc.constant('a'), term: count });

const messages: fc.Arbitrary<RaftMessage> = bases.chain((base) => {
  const below = fc.nat(base.term);
  return fc
    .oneof(
      fc.record({
        type: fc.constantFrom('pre-vote' as const, 'vote' as const),
        lastIndex: count,
        lastTerm: below,
        transfer: fc.boolean(),
      }),
      fc.record({ type: fc.constantFrom('pre-vote-reply' as const, 'vote-reply' as const), granted: fc.boolean() }),
      fc.record({ prevIndex: count, prevTerm: below }).chain(({ prevIndex, prevTerm }) =>
        fc.record({
          ...{ type: fc.constant('append' as const), prevIndex: fc.constant(prevIndex), prevTerm: fc.constant(prevTerm) },
          ...{ entries: entriesFrom(prevIndex, prevTerm, base.term), commit: count, round: count },
        }),
      ),
      fc.record({
        ...{ type: fc.constant('append-reply' as const), index: count, round: count },
        conflict: fc.option(fc.record({ index: count, term: count })),
      }),
      fc.record({
        type: fc.constant('heartbeat' as const),
        commit: count,
        round: count,
        quiet: fc.boolean(),
        lastIndex: count,
      }),
      fc.record({ type: fc.constant('heartbeat-reply' as const), round: count, quiet: fc.boolean(), index: count }),
      fc.record({
        type: fc.constant('snapshot' as const),
        meta: fc.record({ index: count, term: below, timeMs: count, configuration }),
      }),
      fc.record({ type: fc.constant('time-out-now' as const) }),
    )
    .map((fields) => ({ ...fields, ...base }) as RaftMessage);
});

/** Byte arrays as lists: a view of a frame is as good as an array of its own. */
const plain = (message: RaftMessage): unknown =>
  structuredClone(
    message.type === 'append'
      ? { ...message, entries: message.entries.map((entry) => ({ ...entry, data: [...entry.data] })) }
      : message,
  );

const overTheWire = (message: RaftMessage): unknown => unpack(pack(formRaftMessage(message)));

test('every message comes back from the wire as it was', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const parsed = parseRaftMessage(overTheWire(message));
      assert.ok(parsed.ok, `${JSON.stringify(message)}: ${parsed.ok || parsed.message}`);
      assert.deepEqual(plain(parsed.message), plain(message));
    }),
  );
});

const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, maxDepth: 4 });
const odd = fc.oneof(
  anything,
  fc.constantFrom<unknown>(
    'length',
    'constructor',
    '__proto__',
    -1,
    0.5,
    Number.NaN,
    2 ** 53,
    2 ** 60,
    '',
    null,
    undefined,
    [],
    {},
  ),
);

/** Replaces one value somewhere inside by another. */
const spoil = (value: unknown, path: readonly number[], by: unknown): unknown => {
  if (!Array.isArray(value) || value.length === 0 || path.length === 0) return by;
  const at = path[0]! % value.length;
  return value.map((item, place) => (place === at ? spoil(item, path.slice(1), by) : item));
};

test('anything at all becomes a message or a named refusal, never an exception', () => {
  const check = (value: unknown): void => {
    const parsed = parseRaftMessage(value);
    if (parsed.ok) assert.equal(typeof parsed.message.type, 'string');
    else assert.equal(parsed.refused, 'RAFT_MALFORMED');
  };
  fc.assert(fc.property(anything, check));
  fc.assert(
    fc.property(messages, fc.array(fc.nat(10), { minLength: 1, maxLength: 4 }), odd, (message, path, by) =>
      check(spoil(formRaftMessage(message), path, by)),
    ),
    { numRuns: 1_000 },
  );
});

/** A replica in the middle of its life, in some role. */
const lived = (role: 'follower' | 'candidate' | 'leader'): RaftState => {
  const snapshot = { index: 3, term: 1, timeMs: 0, configuration: configurationOf(['a', 'b', 'c']) };
  const entries = [4, 5, 6].map((index): Entry => ({ index, term: 2, kind: 'command', timeMs: 0, data: new Uint8Array(1) }));
  const restored = { hardState: { term: 2, vote: null }, snapshot, entries, applied: 4, restarted: false };
  const state = createRaft({ replica: 'a', options: raftDefaults, restored, seed: 1, nowMs: 0, checkAll: true });
  if (role === 'follower') return state;
  step(state, 400, { type: 'wake' });
  step(state, 400, { type: 'message', message: { type: 'pre-vote-reply', from: 'b', to: 'a', term: 3, granted: true } });
  step(state, 400, { type: 'persisted', token: 1 });
  if (role === 'leader')
    step(state, 400, { type: 'message', message: { type: 'vote-reply', from: 'b', to: 'a', term: 3, granted: true } });
  assert.equal(state.role, role);
  return state;
};

test('no sequence of well-formed messages makes a replica throw', () => {
  const roles = fc.constantFrom('follower' as const, 'candidate' as const, 'leader' as const);
  fc.assert(
    fc.property(roles, fc.array(messages, { maxLength: 25 }), fc.boolean(), (role, given, writes) => {
      const state = lived(role);
      for (const message of given)
        for (const effect of step(state, 500, { type: 'message', message })) {
          if (effect.type === 'persist' && writes) step(state, 500, { type: 'persisted', token: effect.token });
          if (effect.type === 'expect-snapshot')
            step(state, 500, { type: 'snapshot-received', from: effect.from, meta: effect.meta });
          if (effect.type === 'send-snapshot') step(state, 500, { type: 'snapshot-sent', to: effect.to, index: 4, ok: writes });
        }
    }),
    { numRuns: 500 },
  );
});

test('entries that fall in term, in time or pass their sender are refused', () => {
  const base = { type: 'append' as const, from: 'b', to: 'a', term: 3, prevIndex: 1, prevTerm: 2, commit: 0, round: 0 };
  const entry = (index: number, term: number, timeMs: number): Entry => ({
    index,
    term,
    kind: 'command',
    timeMs,
    data: new Uint8Array(),
  });
  const refuses = (...entries: Entry[]): void =>
    assert.equal(parseRaftMessage(formRaftMessage({ ...base, entries })).ok, false, JSON.stringify(entries));
  refuses(entry(2, 1, 0));
  refuses(entry(2, 3, 0), entry(3, 2, 0));
  refuses(entry(2, 4, 0));
  refuses(entry(2, 2, 5), entry(3, 2, 4));
  refuses({ ...entry(2, 2, 0), kind: 'configuration' });
  refuses({ ...entry(2, 2, 0), kind: 'noop', data: new Uint8Array(1) });
});

test('a configuration names everybody once and knows a member for each', () => {
  const good = configurationOf(['a', 'b'], ['c']);
  const refuses = (change: object): void =>
    assert.equal(parseConfiguration({ ...good, ...change }), null, JSON.stringify(change));
  assert.deepEqual(parseConfiguration(good), good);
  refuses({ voters: ['a', 'a', 'b'] });
  refuses({ voters: ['a'] });
  refuses({ voters: ['a', 'b', 'x'] });
  refuses({ learners: ['c', 'a'] });
  refuses({ learnersNext: ['c'] });
  refuses({ outgoing: [] });
  refuses({ members: { ...good.members, a: { ...good.members.a, replica: 'b' } } });
});
