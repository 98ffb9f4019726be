// The window against all calls that were ever noted, looked through each time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BreakerOptions, breakerDefaults } from '../../../machines/breaker/index.ts';
import { createWindow, emptyWindow, failuresWithin, isFull, note, shareOf } from '../../../machines/breaker/window.ts';

const slow = { ms: 1, shareMin: 1, callsMin: 1 };
const variants: BreakerOptions['window'][] = [
  ...([{ by: 'time', ms: 600 } as const, { by: 'time', ms: 7 } as const] as const),
  ...([{ by: 'calls', calls: 9 } as const, { by: 'calls', calls: 150 } as const] as const),
];

const call = fc.record({
  afterMs: fc.constantFrom(0, 0, 0.5, 1, 3, 9, 10, 11, 100, 601, 5_000),
  isFailure: fc.boolean(),
  isSlow: fc.boolean(),
  empties: fc.nat(40).map((n) => n === 0),
});

for (const window of variants)
  test(`by ${JSON.stringify(window)}: what is within, exactly; and shares, to a slot`, () => {
    fc.assert(
      fc.property(fc.array(call, { maxLength: 400, size: 'max' }), fc.integer({ min: 1, max: 7 }), (calls, failuresMax) => {
        const real = createWindow({ ...breakerDefaults, window, failuresMax, slow });
        const size = window.by === 'time' ? window.ms : window.calls;
        const slotSize = size / Math.min(60, size);
        let all: { at: number; isFailure: boolean; isSlow: boolean }[] = [];
        let nowMs = 1e6;
        for (const { afterMs, isFailure, isSlow, empties } of calls) {
          nowMs += afterMs;
          if (empties) emptyWindow(real);
          if (empties) all = [];
          const at = window.by === 'time' ? nowMs : all.length + 1;
          all.push({ at, isFailure, isSlow });
          note(real, nowMs, isFailure, isSlow);
          const failures = all.filter((one) => one.isFailure && at - one.at < size).length;
          assert.equal(failuresWithin(real, nowMs), Math.min(failures, failuresMax));
          assert.equal(isFull(real, nowMs), failures >= failuresMax);
          const counted = all.filter((one) => Math.floor(at / slotSize) - Math.floor(one.at / slotSize) < size / slotSize);
          assert.equal(shareOf(real, 'failed', 1), counted.filter((one) => one.isFailure).length / counted.length);
          assert.equal(shareOf(real, 'slow', counted.length), counted.filter((one) => one.isSlow).length / counted.length);
          assert.equal(shareOf(real, 'slow', counted.length + 1), 0, 'too few');
          assert.ok(counted.every((one) => at - one.at < size + 1e-9) && real.marks.length === failuresMax);
        }
      }),
      { numRuns: 25, seed: 63 },
    );
  });
