import assert from 'node:assert/strict';
import test from 'node:test';
import { type Need, passivationIn } from '../../../machines/entity/passivation.ts';

const idle: Need = {
  ...{ placement: 'sharded', passivateAfterMs: 1_000, state: 'running', activeMs: 500 },
  ...{ waiting: 0, asks: 0, subscribers: 0, working: 0, timers: 0, timersWake: false },
};

test('who was idle for its time goes, and nobody goes earlier', () => {
  assert.equal(passivationIn(idle, 700), 800);
  assert.equal(passivationIn(idle, 1_500), 0);
  assert.equal(passivationIn(idle, 9_000), 0);
});

test('whatever still needs it keeps it', () => {
  for (const need of ['waiting', 'asks', 'subscribers', 'working', 'timers'] as const)
    assert.equal(passivationIn({ ...idle, [need]: 1 }, 9_000), 1_000, need);
  assert.equal(passivationIn({ ...idle, timers: 1, timersWake: true }, 9_000), 0);
});

test('one of each node, one that never passivates and one that does not run stay', () => {
  assert.equal(passivationIn({ ...idle, placement: 'each' }, 9_000), null);
  assert.equal(passivationIn({ ...idle, passivateAfterMs: null }, 9_000), null);
  assert.equal(passivationIn({ ...idle, state: 'backoff' }, 9_000), null);
});
