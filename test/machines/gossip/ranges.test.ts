// Sets of numbers as ranges, against their dumb twin: a set.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  hasNumber,
  inBoth,
  inPieces,
  isRanges,
  lastFrom,
  withNumbers,
  withoutNumbers,
} from '../../../machines/gossip/ranges.ts';
import type { Ranges } from '../../../machines/gossip/types.ts';

const most = 30;
const numbers = fc.uniqueArray(fc.integer({ min: 1, max: most }));
const all = Array.from({ length: most + 2 }, (_, at) => at + 1);

const rangesOf = (set: Iterable<number>): Ranges => {
  let ranges: Ranges = [];
  for (const number of set) ranges = withNumbers(ranges, number, number);
  return ranges;
};
const setOf = (ranges: Ranges): number[] => all.filter((number) => hasNumber(ranges, number));
const sorted = (set: readonly number[]): number[] => [...set].sort((a, b) => a - b);

test('ranges hold what was put in, in whatever order, in one form', () => {
  fc.assert(
    fc.property(numbers, (set) => {
      const ranges = rangesOf(set);
      assert.ok(isRanges(ranges), ranges.join());
      assert.deepEqual(setOf(ranges), sorted(set));
      assert.deepEqual(rangesOf(sorted(set)), ranges);
    }),
  );
});

test('a piece is put in as its numbers would be', () => {
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: most }), fc.nat(10), (set, from, length) => {
      const piece = Array.from({ length: length + 1 }, (_, at) => from + at);
      assert.deepEqual(withNumbers(rangesOf(set), from, from + length), rangesOf([...set, ...piece]));
    }),
  );
});

test('what two sets share and do not share', () => {
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      const others = new Set(b);
      const [left, right] = [rangesOf(a), rangesOf(b)];
      assert.deepEqual(inBoth(left, right), rangesOf(a.filter((number) => others.has(number))));
      assert.deepEqual(withoutNumbers(left, right), rangesOf(a.filter((number) => !others.has(number))));
    }),
    { numRuns: 500 },
  );
});

test('how far it goes without a hole', () => {
  fc.assert(
    fc.property(numbers, fc.integer({ min: 1, max: most }), (set, from) => {
      const has = new Set(set);
      let last = from - 1;
      while (has.has(last + 1)) last++;
      assert.equal(lastFrom(rangesOf(set), from), last);
    }),
  );
});

test('fewer pieces: the lowest holes are filled', () => {
  assert.deepEqual(inPieces([1, 2, 4, 5, 9, 9], 3), [1, 2, 4, 5, 9, 9]);
  assert.deepEqual(inPieces([1, 2, 4, 5, 9, 9], 2), [1, 5, 9, 9]);
  assert.deepEqual(inPieces([3, 3, 5, 5, 7, 7], 1), [3, 7]);
});

test('what is no list of ranges', () => {
  for (const given of [[1], [2, 1], [0, 1], [1, 2, 3, 4], [1, 2, 2, 4], [5, 6, 1, 2], [Number.NaN, 2]])
    assert.equal(isRanges(given), false, given.join());
  assert.ok(isRanges([]));
});
