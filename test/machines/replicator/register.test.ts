import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type RegisterChange, register } from '../../../machines/replicator/register.ts';
import { resolve, type Strategy } from '../../../machines/replicator/strategies.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';

const set = (value: Plain): RegisterChange => ({ type: 'set', value });

crdtLaws(register, fc.oneof(fc.nat(5).map(set), fc.constant<RegisterChange>({ type: 'clear' })));

const valuesOf = ({ state }: Replica<Parameters<typeof register.read>[0], RegisterChange, unknown>): Plain[] =>
  register.read(state).map(([, , , value]) => value);

test('writes that knew nothing of each other are siblings, and counted; the next write ends them', () => {
  const [a, b] = [new Replica(register, 'a'), new Replica(register, 'b')];
  const first = a.change(set('one'));
  assert.equal(b.hear(first), 'changed');
  const [left, right] = [a.change(set('left')), b.change(set('right'))];
  assert.equal(a.hear(right), 'conflict');
  assert.equal(b.hear(left), 'conflict');
  assert.deepEqual(valuesOf(a), ['left', 'right']);
  assert.equal(b.hear(first), 'same', 'an old delta does no harm');
  const both = b.change(set('both'));
  assert.equal(a.hear(both), 'changed');
  assert.deepEqual(valuesOf(a), ['both']);
  assert.equal(a.hear(left), 'same', 'what was overwritten does not come back');
});

test('a clear takes away what it has seen, and nothing else', () => {
  const [a, b] = [new Replica(register, 'a'), new Replica(register, 'b')];
  b.hear(a.change(set('one')));
  const cleared = a.change({ type: 'clear' });
  const written = b.change(set('two'));
  a.hear(written);
  b.hear(cleared);
  assert.deepEqual([valuesOf(a), valuesOf(b)], [['two'], ['two']]);
  assert.equal(new Replica(register, 'c').change({ type: 'clear' }), null);
});

describe('strategies', () => {
  const siblings = [
    ['a', 1, 30, ['x', 'y']],
    ['b', 1, 20, ['y', 'z']],
    ['c', 1, 30, ['q']],
  ] as [string, number, number, Plain][];

  test('what a reader sees of siblings', () => {
    const cases: [Strategy, Plain][] = [
      ['last-writer', ['q']],
      ['highest-node', ['q']],
      ['union', ['q', 'x', 'y', 'z']],
      ['keep-all', [['x', 'y'], ['y', 'z'], ['q']]],
      [(values) => values.length, 3],
    ];
    for (const [strategy, seen] of cases) assert.deepEqual(resolve(siblings, strategy), seen, String(strategy));
    assert.equal(resolve([], 'keep-all'), undefined);
    assert.deepEqual(
      resolve(
        [
          ['a', 1, 1, { k: 1, l: 1 }],
          ['b', 1, 2, { k: 2 }],
        ],
        'union',
      ),
      { k: 2, l: 1 },
    );
    assert.equal(
      resolve(
        [
          ['a', 1, 1, { k: 1 }],
          ['b', 1, 2, 'text'],
        ],
        'union',
      ),
      'text',
      'what has no union: the last writer',
    );
  });

  test('the order in which siblings are given changes nothing', () => {
    const values = fc.oneof(fc.nat(3), fc.array(fc.nat(3)), fc.dictionary(fc.constantFrom('k', 'l'), fc.nat(3)));
    const drawn = fc.uniqueArray(
      fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constant(1), fc.nat(2), values as fc.Arbitrary<Plain>),
      {
        selector: ([replica]) => replica,
        minLength: 1,
      },
    );
    fc.assert(
      fc.property(drawn, fc.constantFrom<Strategy>('last-writer', 'highest-node', 'union'), (given, strategy) => {
        assert.deepEqual(resolve(given, strategy), resolve([...given].reverse(), strategy));
      }),
    );
  });
});
