import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { aheadMsMax, createHybridClock, heed, isBelievable, stampMs, tick } from '../../../machines/versions/hybrid-clock.ts';
import { countOf, covers, parseVector, raise, raiseAll, type Vector } from '../../../machines/versions/vector.ts';

const counts = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.integer({ min: 1, max: 9 }), {
  noNullPrototype: true,
});
const vectorOf = (given: Record<string, number>): Vector => {
  const vector: Vector = [];
  for (const [replica, count] of Object.entries(given)) raise(vector, replica, count);
  return vector;
};

test('a vector is a map whose values only grow (its dumb twin)', () => {
  fc.assert(
    fc.property(counts, counts, (one, two) => {
      const joined = { ...one };
      for (const [replica, count] of Object.entries(two)) joined[replica] = Math.max(joined[replica] ?? 0, count);
      const vector = vectorOf(one);
      assert.equal(raiseAll(vector, vectorOf(two)), JSON.stringify(vectorOf(joined)) !== JSON.stringify(vectorOf(one)));
      assert.deepEqual(vector, vectorOf(joined));
      assert.ok(covers(vector, vectorOf(one)) && covers(vector, vectorOf(two)));
      assert.equal(
        covers(vectorOf(one), vectorOf(two)),
        Object.entries(two).every(([replica, count]) => (one[replica] ?? 0) >= count),
      );
      for (const replica of ['a', 'b', 'c', 'd', 'e', 'f']) assert.equal(countOf(vector, replica), joined[replica] ?? 0);
      assert.deepEqual(parseVector([...vector]), vector);
    }),
  );
});

test('what is no vector is none', () => {
  for (const bad of [null, 'a', ['a'], ['a', 0], ['a', 1.5], ['b', 1, 'a', 1], ['a', 1, 'a', 2], ['a b', 1], ['', 1], [1, 'a']])
    assert.equal(parseVector(bad), null, JSON.stringify(bad));
});

test('stamps grow with every event and every cause, and stay near to the time of day', () => {
  const clock = createHybridClock();
  const first = tick(clock, 1_000);
  assert.equal(stampMs(first), 1_000);
  assert.ok(tick(clock, 1_000) > first);
  assert.ok(tick(clock, 500) > first, 'the wall clock went back');
  heed(clock, first + 10_000_000);
  const after = tick(clock, 1_001);
  assert.ok(after > first + 10_000_000);
  heed(clock, 3);
  assert.ok(tick(clock, 1_001) > after);
  assert.ok(Number.isSafeInteger(tick(createHybridClock(), Date.UTC(2100, 0))));
});

test('a stamp from the far future is not believed', () => {
  const clock = createHybridClock();
  const stamp = tick(clock, 1_000_000);
  assert.ok(isBelievable(stamp, 1_000_000 - aheadMsMax));
  assert.ok(!isBelievable(stamp, 1_000_000 - aheadMsMax - 1));
});
