// The load that others are told: evened out, between 0 and 1, by how busy the loop is or by how long work waits, and no longer told
// than wanted.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createLoopMeter, followLoad, type LoopMeter, loadEveryMs } from '../../src/load.ts';

type Second = { busy: number; blockMs?: number };

/** A loop whose seconds a test makes: how much of one it is at work, in stretches of so many milliseconds. */
const follow = () => {
  const sums = { active: 500, idle: 100 };
  const told: number[] = [];
  const closer: boolean[] = [];
  let late = { count: 0, mean: 0, stddev: 0 };
  const meter: LoopMeter = {
    sums: () => ({ ...sums }),
    closer: (isOn) => void closer.push(isOn),
    late: () => late,
  };
  const end = followLoad((load) => void told.push(load), meter);
  const pass = ({ busy, blockMs = 0 }: Second, seconds: number): number => {
    for (let at = 0; at < seconds; at++) {
      sums.active += busy * 1_000;
      sums.idle += (1 - busy) * 1_000;
      const blocks = blockMs === 0 ? 0 : (busy * 1_000) / blockMs;
      late = { count: blocks, mean: blockMs, stddev: 0 };
      mock.timers.tick(loadEveryMs);
    }
    return told.at(-1)!;
  };
  return { pass, told, closer, end };
};

const withTimers = (run: () => void): void => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    run();
  } finally {
    mock.timers.reset();
  }
};

test('a busy second counts for a part, many of them for all', () =>
  withTimers(() => {
    const { pass, told, end } = follow();
    const first = pass({ busy: 1 }, 1);
    assert.ok(first > 0.2 && first < 0.4, `${first}`);
    assert.ok(pass({ busy: 1 }, 10) > 0.95 && told.at(-1)! <= 1);
    assert.ok(pass({ busy: 0 }, 15) < 0.05 && told.at(-1)! >= 0);
    const { length } = told;
    // A clock that stood still measures nothing.
    mock.timers.tick(loadEveryMs);
    end();
    pass({ busy: 1 }, 3);
    assert.equal(told.length, length);
  }));

test('long stretches of work are load, short ones are no more than they take', () =>
  withTimers(() => {
    const near = (load: number, wanted: number): void => assert.ok(Math.abs(load - wanted) < 0.02, `${load}, not ${wanted}`);
    const { pass } = follow();
    near(pass({ busy: 0.4, blockMs: 5 }, 20), 0.4);
    // Whoever comes at any moment waits for 0.4 × 200 / 2 = 40 ms.
    near(pass({ busy: 0.4, blockMs: 200 }, 20), 0.8);
    near(pass({ busy: 0.4, blockMs: 400 }, 20), 1);
  }));

test('an idle loop is not looked at closely', () =>
  withTimers(() => {
    const { pass, closer, end } = follow();
    pass({ busy: 0.05, blockMs: 50 }, 5);
    assert.deepEqual(closer, []);
    pass({ busy: 0.2 }, 5);
    pass({ busy: 0.07 }, 5);
    assert.deepEqual(closer, [true]);
    pass({ busy: 0.01 }, 5);
    assert.deepEqual(closer, [true, false]);
    pass({ busy: 0.2 }, 5);
    end();
    assert.deepEqual(closer, [true, false, true, false]);
  }));

test('the meter of the process tells of no time before it is closer, and of nothing that cannot be', () => {
  const meter = createLoopMeter();
  assert.deepEqual(meter.late(), { count: 0, mean: 0, stddev: 0 });
  meter.closer(true);
  const { active, idle } = meter.sums();
  assert.ok(active >= 0 && idle >= 0);
  meter.closer(false);
});
