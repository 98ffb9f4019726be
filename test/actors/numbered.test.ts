// Calls by their numbers, and in bags: as a map and a set have them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bag, type Placed } from '../../actors/bag.ts';
import { Numbered } from '../../actors/numbered.ts';

const base = 5 * 2 ** 32;
const step = fc.record({ what: fc.constantFrom('set', 'delete', 'get'), number: fc.nat(12).map((small) => base + small) });

test('what has a number is found by it, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const real = new Numbered<string>();
      const model = new Map<number, string>();
      for (const [at, { what, number }] of steps.entries()) {
        if (what === 'set' && !model.has(number)) {
          real.set(number, `item ${at}`);
          model.set(number, `item ${at}`);
        } else if (what === 'delete') {
          real.delete(number);
          model.delete(number);
        }
        assert.equal(real.get(number), model.get(number));
        assert.equal(real.has(number), model.has(number));
        assert.equal(real.size, model.size);
        assert.deepEqual(real.entries(), [...model]);
        assert.deepEqual(real.values(), [...model.values()]);
      }
    }),
    { numRuns: 300 },
  );
});

test('what is in a bag is in it once, until it is taken out', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (touched) => {
      const items: Placed[] = Array.from({ length: 10 }, () => ({ place: -1 }));
      const bag = new Bag<Placed>();
      const model = new Set<Placed>();
      for (const which of touched) {
        const item = items[which]!;
        if (model.delete(item)) bag.delete(item);
        else {
          bag.add(item);
          model.add(item);
        }
        assert.equal(bag.size, model.size);
        assert.deepEqual(new Set(bag.all()), model);
      }
      for (const item of items) bag.delete(item);
      assert.equal(bag.size, 0);
    }),
    { numRuns: 200 },
  );
});
