// The short way of calls that wait for nothing: the same as the long one, step by step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Bulkhead,
  type BulkheadEffect,
  type BulkheadEvent,
  bulkheadDefaults,
  checkBulkhead,
  createBulkhead,
  endAtOnce,
  type Importance,
  importances,
  startAtOnce,
  step,
  viewOf,
} from '../../../machines/bulkhead/index.ts';

type Act = { waitMs: number; importance: Importance; leftMs: number; end: number | null };

const act: fc.Arbitrary<Act> = fc.record({
  waitMs: fc.integer({ min: -2, max: 30 }),
  importance: fc.constantFrom(...importances),
  leftMs: fc.integer({ min: -1, max: 60 }),
  end: fc.option(fc.nat(8)),
});

const options = { ...bulkheadDefaults, runningMax: { critical: 3, normal: 3, background: 2 }, queueMax: 2 };

/** As the host does it. */
const short = (state: Bulkhead, nowMs: number, event: BulkheadEvent): BulkheadEffect[] => {
  if (event.type === 'arrived' && startAtOnce(state, nowMs, event.id, event.importance, event.deadlineMs!))
    return [{ type: 'start', id: event.id }];
  if (event.type === 'ended' && endAtOnce(state, nowMs, event.id)) return [];
  return step(state, nowMs, event);
};

test('a call that waits for nothing goes the short way as it would go the long one', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const [one, other] = [createBulkhead({ options, nowMs: 0 }), createBulkhead({ options, nowMs: 0 })];
      let nowMs = 0;
      for (const [id, { waitMs, importance, leftMs, end }] of acts.entries()) {
        nowMs += waitMs;
        const running = [...one.running.keys()];
        const event: BulkheadEvent =
          end !== null && running.length > 0
            ? { type: 'ended', id: running[end % running.length]! }
            : { type: 'arrived', id, importance, principal: '', deadlineMs: nowMs + leftMs };
        assert.deepEqual(short(one, nowMs, event), step(other, nowMs, event));
        assert.deepEqual(viewOf(one, nowMs), viewOf(other, nowMs));
        checkBulkhead(one);
      }
    }),
    { numRuns: 300 },
  );
});

test('what is no time, and who is here already, goes the long way, which says so', () => {
  const state = createBulkhead({ options, nowMs: 5 });
  assert.equal(startAtOnce(state, Number.NaN, 1, 'normal', 10), false);
  assert.equal(startAtOnce(state, 4, 1, 'normal', 10), false);
  assert.equal(startAtOnce(state, 6, 1, 'normal', Number.NaN), false);
  assert.equal(startAtOnce(state, 6, 1, 'normal', 10), true);
  assert.equal(startAtOnce(state, 6, 1, 'normal', 10), false);
  assert.equal(endAtOnce(state, 7, 2), false);
  assert.equal(endAtOnce(state, Number.NaN, 1), false);
  step(state, 8, { type: 'stop' });
  assert.equal(startAtOnce(state, 8, 2, 'normal', 10), false);
  assert.equal(endAtOnce(state, 9, 1), true);
});
