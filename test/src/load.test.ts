// The load that others are told: evened out, between 0 and 1, and no longer told than wanted.
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { followLoad, loadEveryMs } from '../../src/load.ts';

test('a busy second counts for a part, many of them for all', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    const loop = { active: 500, idle: 100, utilization: 0 };
    const told: number[] = [];
    const end = followLoad(
      (load) => void told.push(load),
      () => ({ ...loop }),
    );
    const pass = (busy: number, seconds: number): void => {
      for (let at = 0; at < seconds; at++) {
        loop.active += busy * 1_000;
        loop.idle += (1 - busy) * 1_000;
        mock.timers.tick(loadEveryMs);
      }
    };
    pass(1, 1);
    assert.ok(told[0]! > 0.2 && told[0]! < 0.4, `${told[0]}`);
    pass(1, 10);
    assert.ok(told.at(-1)! > 0.95 && told.at(-1)! <= 1);
    pass(0, 15);
    assert.ok(told.at(-1)! < 0.05 && told.at(-1)! >= 0);
    const { length } = told;
    // A clock that stood still measures nothing.
    mock.timers.tick(loadEveryMs);
    end();
    pass(1, 3);
    assert.equal(told.length, length);
  } finally {
    mock.timers.reset();
  }
});
