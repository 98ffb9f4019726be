// The plain functions say what the chart does, failure by failure.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createActor } from 'xstate';
import { childMachine, type FailureRecord, judgeFailure, neverFailed } from '../../../machines/supervisor/index.ts';
import { createHandClock } from '../../actors/hand-clock.ts';

const policies = fc.record({
  failuresMax: fc.integer({ min: 0, max: 6 }),
  windowMs: fc.integer({ min: 1, max: 20_000 }),
  backoffMinMs: fc.integer({ min: 1, max: 200 }),
  backoffMaxMs: fc.integer({ min: 200, max: 5_000 }),
});
const failures = fc.array(
  fc.record({ quietMs: fc.nat({ max: 10_000 }), chance: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  {
    maxLength: 20,
  },
);

test('an actor under the rules begins anew when one under the chart does, and is given up when it is', () => {
  fc.assert(
    fc.property(policies, failures, (policy, history) => {
      const clock = createHandClock();
      const xstate = {
        setTimeout: (run: () => void, delayMs: number) => clock.after(delayMs, run),
        clearTimeout: (timer: { cancel(): void } | undefined) => timer?.cancel(),
      };
      const chart = createActor(childMachine, { input: policy, clock: xstate as never }).start();
      let record: FailureRecord = neverFailed;
      for (const { quietMs, chance } of history) {
        clock.pass(quietMs);
        const nowMs = clock.nowMs();
        const judged = judgeFailure(policy, record, nowMs, chance);
        chart.send({ type: 'failed', reason: 'boom', nowMs, chance });
        record = judged.record;
        assert.ok(record.failedAtMs.length <= policy.failuresMax + 1);
        if (judged.delayMs === null) return assert.equal(chart.getSnapshot().value, 'failed');
        assert.equal(chart.getSnapshot().context.delayMs, judged.delayMs);
        assert.deepEqual(chart.getSnapshot().context.failedAtMs, record.failedAtMs);
        clock.pass(judged.delayMs);
        assert.equal(chart.getSnapshot().value, 'running');
      }
    }),
    { numRuns: 200 },
  );
});
