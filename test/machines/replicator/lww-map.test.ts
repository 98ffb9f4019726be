import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { replicatorLimits as max } from '../../../machines/replicator/limits.ts';
import { type LwwMapChange, type LwwMapView, lwwMap } from '../../../machines/replicator/lww-map.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';
import { roundLaws } from './round-laws.ts';

const put = (key: string, value: Plain): LwwMapChange => ({ type: 'put', key, value });
const remove = (key: string): LwwMapChange => ({ type: 'remove', key });
const map = (name: string) => new Replica(lwwMap, name);
const shown = (view: LwwMapView) => view.sorted();

const key = fc.constantFrom('k', 'l');
const change = fc.oneof(
  fc.tuple(key, fc.nat(3)).map(([at, value]) => put(at, value)),
  key.map(remove),
);
crdtLaws(lwwMap, change, {
  shown,
  judge: ({ entries, size }) => assert.equal(size, [...entries.values()].filter(({ value }) => value !== undefined).length),
});
roundLaws(lwwMap, fc.constantFrom(put('k', 1), remove('k')), { shown });

test('key by key the last one stays; what was lost unseen is counted where it was', () => {
  const [a, b] = [map('a'), map('b')];
  const [byA, byB] = [a.change(put('k', 1)), b.change(put('k', 2))];
  assert.equal(a.hear(byB), 'conflict');
  assert.equal(b.hear(byA), 'same');
  assert.equal(a.hear(b.change(put('l', 3))), 'changed');
  a.wallMs += 5;
  assert.equal(b.hear(a.change(remove('k'))), 'changed');
  const view = lwwMap.read(b.state);
  assert.deepEqual(shown(view), [['l', 3]]);
  assert.deepEqual([view.size, view.has('k'), view.get('k'), view.get('l'), [...view]], [1, false, undefined, 3, [['l', 3]]]);
  assert.equal(b.change(remove('k')), null);
  assert.equal(b.change(remove('m')), null);
  assert.equal(b.hear(byB), 'same');
});

test('two removes that knew nothing of each other are no conflict', () => {
  const [a, b] = [map('a'), map('b')];
  b.hear(a.change(put('k', 1)));
  a.change(remove('k'));
  assert.equal(a.hear(b.change(remove('k'))), 'changed');
});

test('a tombstone goes when its round is past; what is older than that round stays away', () => {
  const a = map('a');
  const old = a.change(put('k', 1));
  const before = map('b');
  before.join(a);
  a.change(remove('k'));
  a.round = 3;
  a.change(put('l', 1));
  a.change(remove('l'));
  assert.equal(lwwMap.collect!(a.state, 1), false, 'of the stable round itself: others may not know of it yet');
  assert.equal(lwwMap.collect!(a.state, 2), true);
  assert.deepEqual([...a.state.entries.keys()], ['l']);
  assert.equal(a.hear(old, 2), 'same');
  assert.equal(a.join(before, 2), 'same');
  assert.equal(a.hear(['m', 0, '', 5, 'z', 2, 'of the stable round'], 2), 'same');
  assert.equal(a.hear(['m', 0, '', 5, 'z', 3, 'of the next'], 2), 'changed');
  assert.equal(a.hear(old, 0), 'changed', 'without the stable round it would come back');
});

test('a clock that has gone back does not lose a write', () => {
  const a = map('a');
  a.change(put('k', 1));
  lwwMap.change(a.state, put('k', 2), { ...a.author, stamp: () => 1 });
  assert.deepEqual(shown(lwwMap.read(a.state)), [['k', 2]]);
});

test('a map has limits, in words', () => {
  for (const given of [
    null,
    7,
    { type: 'set', key: 'k' },
    { type: 'put', key: 7 },
    { type: 'put', key: 'k' },
    { type: 'remove' },
  ])
    assert.ok(isUnfit(lwwMap.parseChange(given)), JSON.stringify(given));
  assert.ok(isUnfit(lwwMap.parseChange(put('k'.repeat(max.keyCharsMax + 1), 1))));
  assert.ok(isUnfit(lwwMap.parseChange(put('\ud800', 1))));
  assert.deepEqual(lwwMap.parseChange(put('k', [1])), put('k', [1]));
  const a = map('a');
  a.change(put('k', 1));
  Object.defineProperty(a.state.entries, 'size', { value: max.elementsMax });
  assert.deepEqual(lwwMap.change(a.state, put('l', 1), a.author), { unfit: 'is full' });
  assert.notEqual(a.change(put('k', 2)), null, 'what is there may be changed');
});
