import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { replicatorLimits as max } from '../../../machines/replicator/limits.ts';
import { type InsideType, type OrMapChange, type OrMapView, orMap } from '../../../machines/replicator/or-map.ts';
import type { OrSetChange } from '../../../machines/replicator/or-set.ts';
import { resolve } from '../../../machines/replicator/strategies.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';

const map = (name: string) => new Replica(orMap, name);
const add = (key: string, by: number): OrMapChange => ({ type: 'update', of: 'pn-counter', key, change: { type: 'add', by } });
const set = (key: string, value: Plain): OrMapChange => ({
  type: 'update',
  of: 'register',
  key,
  change: { type: 'set', value },
});
const element = (key: string, change: OrSetChange): OrMapChange => ({ type: 'update', of: 'or-set', key, change });
const inside = (key: string, change: OrMapChange): OrMapChange => ({ type: 'update', of: 'or-map', key, change });
const remove = (of: InsideType, key: string): OrMapChange => ({ type: 'remove', of, key });
const count = ({ state }: ReturnType<typeof map>, key: string) => orMap.read(state).get('pn-counter', key);

/** All that can be seen, as plain data. */
const shown = (view: OrMapView): unknown =>
  view.sorted().map(([of, key, read]) => {
    if (of === 'or-map') return [of, key, shown(read as OrMapView)];
    return [of, key, of === 'or-set' ? (read as { sorted(): Plain[] }).sorted() : read];
  });

const key = fc.constantFrom('k', 'l');
const leaf: fc.Arbitrary<OrMapChange> = fc.oneof(
  fc.tuple(key, fc.integer({ min: -2, max: 3 })).map(([at, by]) => add(at, by)),
  fc.tuple(key, fc.nat(3)).map(([at, value]) => set(at, value)),
  key.map((at): OrMapChange => ({ type: 'update', of: 'register', key: at, change: { type: 'clear' } })),
  fc
    .tuple(key, fc.constantFrom('add' as const, 'remove' as const), fc.nat(2))
    .map(([at, type, one]) => element(at, { type, element: one })),
  key.map((at) => element(at, { type: 'clear' })),
  fc
    .tuple(
      key,
      fc.constantFrom('flag' as const, 'disable-wins-flag' as const),
      fc.constantFrom('enable' as const, 'disable' as const),
    )
    .map(([at, of, type]): OrMapChange => ({ type: 'update', of, key: at, change: { type } })),
  fc
    .tuple(fc.constantFrom<InsideType>('pn-counter', 'register', 'or-set', 'flag', 'or-map'), key)
    .map(([of, at]) => remove(of, at)),
  fc.constant<OrMapChange>({ type: 'clear' }),
);
crdtLaws(
  orMap,
  fc.oneof(
    leaf,
    leaf,
    fc.tuple(key, leaf).map(([at, change]) => inside(at, change)),
  ),
  { shown, runs: 400 },
);

crdtLaws(
  orMap,
  fc.integer({ min: -5, max: 5 }).map((by) => add('k', by)),
  {
    shown,
    judge: (_state, view, changes) =>
      assert.equal(
        view.get('pn-counter', 'k') ?? 0,
        changes.reduce((sum, { change }) => sum + (change as { change: { by: number } }).change.by, 0),
      ),
  },
);

test('removing a key takes away what was seen; what changed inside at the same time stays', () => {
  const [a, b] = [map('a'), map('b')];
  for (const change of [element('s', { type: 'add', element: 'x' }), set('r', 'old'), inside('m', set('r', 1))])
    b.hear(a.change(change));
  const removed = [remove('or-set', 's'), remove('register', 'r'), remove('or-map', 'm')].map((change) => b.change(change));
  const changed = [element('s', { type: 'add', element: 'y' }), set('r', 'new'), inside('m', set('q', 2))].map((change) =>
    a.change(change),
  );
  assert.deepEqual(
    removed.map((delta) => a.hear(delta)),
    ['conflict', 'same', 'conflict'],
  );
  assert.deepEqual(
    changed.map((delta) => b.hear(delta)),
    ['changed', 'conflict', 'changed'],
  );
  assert.equal(a.form, b.form);
  const view = orMap.read(a.state);
  assert.deepEqual(view.get('or-set', 's')!.sorted(), ['y']);
  assert.equal(resolve(view.get('register', 'r')!, 'last-writer'), 'new');
  const within = view.get('or-map', 'm')!;
  assert.deepEqual([within.has('register', 'r'), within.has('register', 'q'), within.size], [false, true, 1]);
});

test('counters: all steps count; a removal resets what it has seen', () => {
  const [a, b] = [map('a'), map('b')];
  b.hear(a.change(add('c', 5)));
  const [up, down] = [a.change(add('c', 2)), b.change(add('c', -3))];
  assert.equal(a.hear(down), 'changed');
  assert.equal(b.hear(up), 'changed');
  assert.deepEqual([count(a, 'c'), count(b, 'c')], [4, 4]);
  a.hear(b.change(remove('pn-counter', 'c')));
  assert.deepEqual([count(a, 'c'), count(b, 'c'), orMap.read(a.state).size], [undefined, undefined, 0]);
  b.hear(a.change(add('c', 1)));
  assert.deepEqual([count(a, 'c'), count(b, 'c')], [1, 1]);
  assert.equal(b.hear(up), 'same', 'an old step does not come back');
  const high = map('h');
  high.change(add('c', Number.MAX_SAFE_INTEGER));
  assert.ok(isUnfit(orMap.change(high.state, add('c', 1), high.author)));
  assert.equal(high.change(add('c', 0)), null);
});

test('one key, two types: two objects, wherever they were made', () => {
  const [a, b] = [map('a'), map('b')];
  const [byA, byB] = [a.change(add('k', 1)), b.change(set('k', 'x'))];
  a.hear(byB);
  b.hear(byA);
  assert.equal(a.form, b.form);
  assert.deepEqual(
    orMap
      .read(a.state)
      .sorted()
      .map(([of, at]) => [of, at]),
    [
      ['pn-counter', 'k'],
      ['register', 'k'],
    ],
  );
});

test('the last writer’s register, step-up counters and both flags live inside too', () => {
  const [a, b] = [map('a'), map('b')];
  const lww = (value: Plain): OrMapChange => ({ type: 'update', of: 'lww-register', key: 'k', change: { type: 'set', value } });
  const [byA, byB] = [a.change(lww('a')), b.change(lww('b'))];
  assert.equal(a.hear(byB), 'conflict');
  assert.equal(b.hear(byA), 'conflict');
  a.hear(b.change({ type: 'update', of: 'g-counter', key: 'k', change: { type: 'add', by: 2 } }));
  a.hear(b.change({ type: 'update', of: 'disable-wins-flag', key: 'k', change: { type: 'enable' } }));
  a.hear(b.change({ type: 'update', of: 'flag', key: 'k', change: { type: 'disable' } }));
  assert.deepEqual(shown(orMap.read(a.state)), [
    ['disable-wins-flag', 'k', true],
    ['flag', 'k', false],
    ['g-counter', 'k', 2],
    ['lww-register', 'k', 'b'],
  ]);
});

test('a lost change inside is a gap to the next; nothing grows with what was removed', () => {
  const [a, b] = [map('a'), map('b')];
  a.change(add('k', 1));
  assert.equal(b.hear(a.change(set('l', 1))), 'gap');
  b.join(a);
  for (let at = 0; at < 300; at++) {
    a.change(add('k', 1));
    a.change(inside('m', element('s', { type: 'add', element: at })));
    if (at % 3 === 0) a.change(remove('pn-counter', 'k'));
    if (at % 5 === 0) a.change(inside('m', remove('or-set', 's')));
  }
  const all = a.change({ type: 'clear' });
  assert.deepEqual(orMap.form(a.state), [['a', 602], []]);
  assert.equal(b.hear(all), 'gap');
  assert.equal(a.change({ type: 'clear' }), null);
  assert.equal(a.change(remove('or-map', 'm')), null);
  b.join(a);
  assert.equal(b.form, a.form);
});

test('a map has limits, in words', () => {
  let deep: OrMapChange = add('k', 1);
  for (let depth = 1; depth < max.mapsDepthMax; depth++) deep = inside('m', deep);
  assert.deepEqual(orMap.parseChange(deep), deep);
  const [a, b] = [map('a'), map('b')];
  assert.equal(b.hear(a.change(deep)), 'changed');
  assert.equal(b.join(a), 'same');
  assert.deepEqual(orMap.parseChange(inside('m', deep)), { unfit: `is more than ${max.mapsDepthMax} maps deep` });
  const rubbish = [
    7,
    { type: 'put' },
    { type: 'update', of: 'text', key: 'k' },
    { type: 'update', of: 'constructor', key: 'k' },
    { type: 'update', of: 'register', key: 7 },
    { type: 'update', of: 'register', key: 'k', change: { type: 'add', by: 1 } },
    { type: 'update', of: 'g-counter', key: 'k', change: { type: 'add', by: -1 } },
    { type: 'remove', key: 'k' },
  ];
  for (const given of rubbish) assert.ok(isUnfit(orMap.parseChange(given)), JSON.stringify(given));
  assert.deepEqual(orMap.parseChange(remove('flag', 'k')), remove('flag', 'k'));
  Object.defineProperty(a.state.store.get('or-map'), 'size', { value: max.elementsMax });
  assert.deepEqual(orMap.change(a.state, set('new', 1), a.author), { unfit: 'is full' });
});
