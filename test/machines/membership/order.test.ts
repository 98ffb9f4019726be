// What is known depends on what was heard, not on the order in which it came nor on how often: `join` is a semilattice, and so is a
// node that hears facts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Fact, memberStatuses, membershipLimits, rootDigest, step } from '../../../machines/membership/index.ts';
import { isPoison, join, type Known, outranks } from '../../../machines/membership/order.ts';
import { createNode, profileOf } from './stage.ts';

const standing = fc.record({ incarnation: fc.nat(3), status: fc.constantFrom(...memberStatuses) });
/** A member says one thing in one incarnation. */
const profiles = [0, 1, 2, 3].map((capacity) => profileOf('x', { capacity }));
const known: fc.Arbitrary<Known> = fc
  .record({ standing, profileAt: fc.nat(3) })
  .map(({ standing, profileAt }) => ({ ...standing, profileAt, profile: profiles[profileAt]! }));

test('join is commutative, associative and idempotent', () => {
  fc.assert(
    fc.property(known, known, known, (a, b, c) => {
      assert.deepEqual(join(a, b), join(b, a));
      assert.deepEqual(join(join(a, b), c), join(a, join(b, c)));
      assert.deepEqual(join(a, a), { ...a });
    }),
    { numRuns: 5_000 },
  );
});

test('outranks is a strict order, and total but for equals', () => {
  fc.assert(
    fc.property(standing, standing, standing, (a, b, c) => {
      assert.ok(!outranks(a, a));
      assert.ok(!(outranks(a, b) && outranks(b, a)));
      if (outranks(a, b) && outranks(b, c)) assert.ok(outranks(a, c));
      const same = a.incarnation === b.incarnation && a.status === b.status;
      assert.equal(outranks(a, b) || outranks(b, a), !same);
    }),
    { numRuns: 5_000 },
  );
});

test('nothing outranks an eviction but another', () => {
  const evicted = { incarnation: 0, status: 'evicted' as const };
  assert.ok(outranks(evicted, { incarnation: 9, status: 'alive' }));
  assert.ok(!outranks({ incarnation: membershipLimits.incarnationMax, status: 'alive' }, evicted));
});

test('what no honest life explains is poison', () => {
  assert.ok(!isPoison(5 + membershipLimits.incarnationJumpMax, 5));
  assert.ok(isPoison(6 + membershipLimits.incarnationJumpMax, 5));
});

/** Hearsay of two members, as others tell it: fresh, and of suspicions nothing, whose end is what counts. */
const fact: fc.Arbitrary<Fact> = fc
  .record({
    peer: fc.constantFrom('x', 'y'),
    incarnation: fc.integer({ min: 1, max: 3 }),
    capacity: fc.nat(3),
    status: fc.nat(3),
  })
  .map(({ peer, incarnation, status, capacity }) => ({
    ...{ peer, incarnation, status: (['alive', 'failed', 'left', 'evicted'] as const)[status]!, by: null, agoMs: 0 },
    told: {
      profileAt: Math.max(1, Math.min(capacity, incarnation)),
      profile: profileOf(peer, { capacity: Math.min(capacity, incarnation) }),
    },
  }));

test('nodes that heard the same, in whatever order and however often, have the same digest', () => {
  const heard = (facts: readonly Fact[]): number => {
    const node = createNode('a', { known: ['a', 'b'] });
    for (const one of facts) step(node, 0, { type: 'message', from: 'b', message: { type: 'gossip', facts: [one] } });
    return rootDigest(node);
  };
  fc.assert(
    fc.property(
      fc
        .array(fact, { maxLength: 6 })
        .chain((facts) =>
          fc.tuple(
            fc.shuffledSubarray(facts, { minLength: facts.length }),
            fc.shuffledSubarray([...facts, ...facts], { minLength: 2 * facts.length }),
          ),
        ),
      ([once, twice]) => assert.equal(heard(once), heard(twice)),
    ),
    { numRuns: 1_000 },
  );
});
