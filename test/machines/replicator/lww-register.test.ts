import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { type LwwRegisterChange, lwwRegister } from '../../../machines/replicator/lww-register.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';

const set = (value: Plain): LwwRegisterChange => ({ type: 'set', value });
const clear: LwwRegisterChange = { type: 'clear' };
const register = (name: string) => new Replica(lwwRegister, name);

crdtLaws(lwwRegister, fc.oneof(fc.nat(5).map(set), fc.constant(clear)));

test('the last write stays; of equal stamps the higher replica’s', () => {
  const [a, b] = [register('a'), register('b')];
  const [byA, byB] = [a.change(set('of a')), b.change(set('of b'))];
  assert.equal(a.state.stamp, b.state.stamp);
  assert.equal(a.hear(byB), 'conflict', 'counted where the lost value was');
  assert.equal(b.hear(byA), 'same', 'and nowhere else');
  assert.deepEqual([lwwRegister.read(a.state), lwwRegister.read(b.state)], ['of b', 'of b']);
  a.wallMs += 10;
  assert.equal(b.hear(a.change(clear)), 'changed', 'it was made with knowledge of the other');
  assert.equal(lwwRegister.read(b.state), undefined);
  assert.equal(b.change(clear), null);
  assert.equal(b.hear(byA), 'same', 'nothing comes back');
});

test('a delta says truly whether its author knew of what it overwrites', () => {
  const [a, b, c] = [register('a'), register('b'), register('c')];
  const first = a.change(set(1));
  b.hear(first);
  b.wallMs += 5;
  const second = b.change(set(2));
  assert.equal(c.hear(second), 'changed', 'a predecessor that never came is no conflict');
  assert.equal(a.hear(second), 'changed');
  assert.equal(c.hear(first), 'same');
});

test('whatever its clock says, a write is later than what it overwrites', () => {
  const a = register('a');
  a.change(set(1));
  const author = { ...a.author, stamp: () => 1 };
  lwwRegister.change(a.state, set(2), author);
  assert.equal(lwwRegister.read(a.state), 2);
  const b = register('b');
  b.join(a);
  assert.equal(b.hear([0, '', 5, 'z', 'old']), 'same');
  a.state.stamp = Number.MAX_SAFE_INTEGER;
  assert.ok(isUnfit(lwwRegister.change(a.state, set(3), author)));
  assert.equal(lwwRegister.read(a.state), 2);
});

test('two values under one mark: all keep the same', () => {
  const deltas = [3, 'x', undefined, [1]].map((value) => (value === undefined ? [0, '', 7, 'a'] : [0, '', 7, 'a', value]));
  const [left, right] = [register('l'), register('r')];
  for (const delta of deltas) left.hear(delta);
  for (const delta of deltas.toReversed()) right.hear(delta);
  assert.equal(left.form, right.form);
});
