// A mailbox is a queue with a limit and nothing else, however it keeps its items.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Mailbox } from '../../actors/actor-mailbox.ts';

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('push' as const), n: fc.nat({ max: 40 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('shift' as const), n: fc.nat({ max: 40 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), n: fc.constant(0) }) },
);

test('it gives back what it took, in order, and takes no more than it may', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 200 }), (steps, max) => {
      const mailbox = new Mailbox<number>();
      let model: number[] = [];
      let next = 0;
      for (const { do: what, n } of steps) {
        if (what === 'push')
          for (let times = 0; times < n; times++) {
            assert.equal(mailbox.push(next, max), model.length < max);
            if (model.length < max) model.push(next);
            next++;
          }
        else if (what === 'shift') for (let times = 0; times < n; times++) assert.equal(mailbox.shift(), model.shift());
        else {
          assert.deepEqual(mailbox.drain(), model);
          model = [];
        }
        assert.equal(mailbox.size, model.length);
        assert.deepEqual(mailbox.items(), model);
      }
    }),
    { numRuns: 100 },
  );
});

test('a ring that one has let go of is empty for the next one', () => {
  const [one, other] = [new Mailbox<number>(), new Mailbox<number>()];
  const burst = (mailbox: Mailbox<number>, items: number): number[] => {
    const sent = Array.from({ length: items }, (_, n) => n);
    for (const n of sent) mailbox.push(n, items);
    return sent;
  };
  for (const items of [100, 1_000, 70, 5_000, 300]) {
    assert.deepEqual(burst(one, items), one.items());
    assert.deepEqual(burst(other, items), other.drain());
    assert.deepEqual(burst(other, 2 * items), other.items());
    assert.deepEqual([one.drain().length, other.drain().length], [items, 2 * items]);
    assert.equal(one.shift(), undefined);
  }
});
