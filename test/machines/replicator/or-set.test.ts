import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import type { Causal } from '../../../machines/replicator/dots.ts';
import { elementOf, keyOf } from '../../../machines/replicator/elements.ts';
import { replicatorLimits as max } from '../../../machines/replicator/limits.ts';
import { type OrSetChange, type OrSetStore, orSet, orSetDots, type SetView } from '../../../machines/replicator/or-set.ts';
import { isPlain, textOf } from '../../../machines/replicator/plain.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';

const add = (element: Plain): OrSetChange => ({ type: 'add', element });
const remove = (element: Plain): OrSetChange => ({ type: 'remove', element });
const shown = (view: SetView): Plain[] => view.sorted();
const set = (name: string) => new Replica<Causal<OrSetStore>, OrSetChange, SetView>(orSet, name);
const elements = (replica: ReturnType<typeof set>): Plain[] => shown(orSet.read(replica.state));

const element = fc.constantFrom<Plain>('x', 'y', 1, { k: 'x' });
crdtLaws(
  orSet,
  fc.oneof(
    { weight: 5, arbitrary: element.map(add) },
    { weight: 3, arbitrary: element.map(remove) },
    { weight: 1, arbitrary: fc.constant<OrSetChange>({ type: 'clear' }) },
  ),
  { shown },
);

test('an add wins over a remove that has not seen it; a remove takes away what it has seen', () => {
  const [a, b] = [set('a'), set('b')];
  b.hear(a.change(add('x')));
  const [removed, again] = [b.change(remove('x')), a.change(add('x'))];
  assert.equal(a.hear(removed), 'same', 'what it removes is no longer there');
  assert.equal(b.hear(again), 'conflict');
  assert.deepEqual([elements(a), elements(b)], [['x'], ['x']]);
  const other = b.change(add('x'));
  const late = a.change(remove('x'));
  assert.equal(b.hear(late), 'same', 'the add of b had replaced the dot of a');
  assert.equal(a.hear(other), 'conflict');
  assert.deepEqual([elements(a), elements(b)], [['x'], ['x']]);
});

test('a remove that meets an add of somebody else is counted as a conflict', () => {
  const [a, b, c] = [set('a'), set('b'), set('c')];
  const [byA, byB] = [a.change(add('x')), b.change(add('x'))];
  c.hear(byA);
  const removed = a.change(remove('x'));
  c.hear(byB);
  assert.equal(c.hear(removed), 'conflict');
  assert.deepEqual(elements(c), ['x']);
});

test('a delta whose predecessor, or what it takes away, is not here is a gap and changes nothing', () => {
  const [a, b, c] = [set('a'), set('b'), set('c')];
  const first = a.change(add('x'));
  const second = a.change(add('y'));
  assert.equal(b.hear(second), 'gap');
  c.hear(first);
  const removed = c.change(remove('x'));
  assert.equal(b.hear(removed), 'gap');
  const replaced = c.change(add('z'));
  assert.equal(b.hear(replaced), 'changed', 'it builds on nothing of a');
  assert.deepEqual(elements(b), ['z']);
  assert.equal(b.join(a), 'changed');
  assert.equal(b.hear(removed), 'changed');
  assert.deepEqual(elements(b), ['y', 'z']);
});

test('nothing grows with what was removed', () => {
  const a = set('a');
  for (let round = 0; round < 1_000; round++) {
    a.change(add(round % 7));
    a.change(round % 3 === 0 ? { type: 'clear' } : remove(round % 7));
  }
  a.change({ type: 'clear' });
  assert.equal(a.change({ type: 'clear' }), null);
  assert.equal(a.change(remove('x')), null);
  assert.deepEqual(orSet.form(a.state), [['a', 1_000], []]);
  assert.ok(orSetDots.isEmpty(a.state.store));
});

test('the same data is the same element, whatever the order of its keys; each comes back as it was', () => {
  const a = set('a');
  a.change(add({ k: 1, l: [new Uint8Array([1, 255]), 'x00', null] }));
  a.change(add({ l: [new Uint8Array([1, 255]), 'x00', null], k: 1 }));
  assert.equal(orSet.read(a.state).size, 1);
  assert.ok(orSet.read(a.state).has({ k: 1, l: [new Uint8Array([1, 255]), 'x00', null] }));
  assert.ok(!orSet.read(a.state).has({ k: 1, l: ['x01ff', 'x00', null] }));
  for (const value of ['', '\0', '\0"s"', 's', -0, true, null, new Uint8Array(), {}, [], ['\0']] as Plain[])
    assert.deepEqual(elementOf(keyOf(value)), Object.is(value, -0) ? -0 : value, textOf(value));
  const plain = fc.jsonValue({ maxDepth: 3 }).filter((value) => isPlain(value)) as fc.Arbitrary<Plain>;
  fc.assert(
    fc.property(plain, plain, (one, two) => {
      assert.equal(textOf(elementOf(keyOf(one))), textOf(one));
      assert.equal(keyOf(one) === keyOf(two), textOf(one) === textOf(two));
    }),
    { numRuns: 200 },
  );
});

test('a set has limits, in words', () => {
  assert.deepEqual(orSet.parseChange(add('x'.repeat(max.elementCharsMax + 1))), {
    unfit: `is longer than ${max.elementCharsMax} characters`,
  });
  for (const given of [null, 'add', { type: 'toggle', element: 1 }, { type: 'add' }, { type: 'add', element: Number.NaN }])
    assert.ok(isUnfit(orSet.parseChange(given)));
  assert.deepEqual(orSet.parseChange({ type: 'add', element: 1, more: 2 }), add(1));
  const a = set('a');
  Object.defineProperty(a.state.store, 'size', { value: max.elementsMax });
  assert.deepEqual(orSet.change(a.state, add('x'), a.author), { unfit: 'is full' });
  assert.equal(a.state.store.has('x'), false);
});
