// Who was thrown out, as a disk remembers it: what is told to it, what is taken back, for how long, and how many.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createMembership,
  type Evicted,
  type MembershipEffect,
  membershipDefaults,
  membershipLimits,
  membersView,
  restoreEvicted,
  rootDigest,
  step,
} from '../../../machines/membership/index.ts';
import { createNode, profileOf } from './stage.ts';

const { rememberEvictedMs } = membershipDefaults;

const told = (effects: readonly MembershipEffect[]): Evicted[][] =>
  effects.flatMap((effect) => (effect.type === 'remember' ? [effect.evicted] : []));

const restored = (evicted: readonly Evicted[], nowMs = 0, self = 'a') => {
  const state = createMembership({
    ...{ self, profile: profileOf(self), options: membershipDefaults, restored: 0, seed: 1, nowMs, checkAll: true },
  });
  restoreEvicted(state, evicted, nowMs);
  step(state, nowMs, { type: 'wake' });
  step(state, nowMs, { type: 'persisted', incarnation: state.persisting });
  return state;
};

test('an eviction is told to the disk once, with all that came before', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  assert.deepEqual(told(step(node, 100, { type: 'evict', peer: 'b' })), [[{ peer: 'b', name: 'b', incarnation: 1, agoMs: 0 }]]);
  assert.deepEqual(told(step(node, 200, { type: 'evict', peer: 'b' })), [], 'again is no news');
  const [list] = told(step(node, 300, { type: 'evict', peer: 'c' }));
  assert.deepEqual(
    list!.map(({ peer, agoMs }) => [peer, agoMs]),
    [
      ['c', 0],
      ['b', 200],
    ],
  );
  assert.deepEqual(told(step(node, 400, { type: 'met', peer: 'd' })), []);
});

test('what the disk remembers is believed at once, by its name, and is part of what exchanges compare', () => {
  const evicted = [{ peer: 'x', name: 'n9', incarnation: 7, agoMs: 5_000 }];
  const node = restored(evicted, 1_000_000);
  const view = membersView(node, 1_000_000).find(({ peer }) => peer === 'x')!;
  assert.deepEqual([view.name, view.status, view.incarnation, view.forMs], ['n9', 'evicted', 7, 5_000]);
  assert.notEqual(rootDigest(node), rootDigest(restored([], 1_000_000)));
  const answer = step(node, 1_000_001, { type: 'message', from: 'x', message: { type: 'probe', sequence: 1, facts: [] } });
  assert.deepEqual(
    answer.flatMap((effect) => (effect.type === 'send' ? [effect.message.type] : [])),
    ['gossip'],
    'it is told, and nothing else',
  );
});

test('the time for which it is remembered goes on over a restart, and then the disk is told', () => {
  const left = 60_000;
  const node = restored([{ peer: 'x', name: '', incarnation: 1, agoMs: rememberEvictedMs - left }]);
  assert.equal(node.table.members.get('x')?.digest, 0, 'it fades already');
  assert.deepEqual(told(step(node, left, { type: 'wake' })), [[]]);
  assert.equal(node.table.members.has('x'), false);
  const late = restored([{ peer: 'x', name: '', incarnation: 1, agoMs: rememberEvictedMs }]);
  assert.equal(late.table.members.size, 0);
});

test('a node never restores that it was thrown out itself: the others tell it', () => {
  assert.equal(restored([{ peer: 'a', name: 'a', incarnation: 1, agoMs: 0 }]).table.members.size, 0);
});

test('the disk remembers so many, the latest', () => {
  const { evictedKeptMax } = membershipLimits;
  const names = Array.from({ length: evictedKeptMax + 5 }, (_, at) => `m${at}`);
  const node = createNode('a', { known: ['a', ...names], checkAll: false });
  let last: Evicted[] = [];
  for (const [at, peer] of names.entries()) [last = last] = told(step(node, at + 1, { type: 'evict', peer }));
  assert.equal(last.length, evictedKeptMax);
  assert.deepEqual([last[0]!.peer, last.at(-1)!.peer], [names.at(-1), 'm5']);
  assert.equal(restored([...last, ...last]).table.members.size, evictedKeptMax);
});
