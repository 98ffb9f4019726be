// How often an actor may fail: at most so many times within the window, wherever the window lies, with a wait in between that
// grows and is spread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createActor } from 'xstate';
import { childMachine, type RestartPolicy, restartDefaults } from '../../../machines/supervisor/index.ts';
import { createHandClock } from '../../actors/hand-clock.ts';

const policy: RestartPolicy = { failuresMax: 3, windowMs: 10_000, backoffMinMs: 100, backoffMaxMs: 1_000 };

const start = (given: RestartPolicy = policy) => {
  const clock = createHandClock();
  const xstate = {
    setTimeout: (run: () => void, delayMs: number) => clock.after(delayMs, run),
    clearTimeout: (timer: { cancel(): void } | undefined) => timer?.cancel(),
  };
  const actor = createActor(childMachine, { input: given, clock: xstate as never }).start();
  return {
    ...{ clock, actor },
    value: () => actor.getSnapshot().value,
    context: () => actor.getSnapshot().context,
    fail: (chance = 0) => actor.send({ type: 'failed', reason: `at ${clock.nowMs()}`, nowMs: clock.nowMs(), chance }),
    stop: () => actor.send({ type: 'stop' }),
  };
};

test('the wait doubles from the least to the most, between half and all of the step', () => {
  for (const [chance, share] of [
    [0, 0.5],
    [0.5, 0.75],
  ] as const) {
    const child = start({ ...policy, failuresMax: 10 });
    for (const step of [100, 200, 400, 800, 1_000, 1_000]) {
      child.fail(chance);
      assert.equal(child.value(), 'backoff');
      child.clock.pass(step * share - 1);
      assert.equal(child.value(), 'backoff');
      child.clock.pass(1);
      assert.equal(child.value(), 'running');
    }
    assert.equal(child.context().restarts, 6);
  }
});

test('after a quiet window the wait is short again', () => {
  const child = start();
  child.fail();
  child.clock.pass(50);
  child.fail();
  child.clock.pass(100 + policy.windowMs);
  child.fail();
  child.clock.pass(50);
  assert.equal(child.value(), 'running');
});

test('intensity: failuresMax within the window are survived, one more is not, and the last reason is shown', () => {
  const child = start();
  for (let n = 0; n < policy.failuresMax; n++) {
    child.fail();
    child.clock.pass(1_000);
    assert.equal(child.value(), 'running');
  }
  child.fail();
  assert.equal(child.value(), 'failed');
  assert.deepEqual([child.context().restarts, child.context().reason], [3, 'at 3000']);
  child.clock.pass(100_000);
  child.fail();
  assert.equal(child.value(), 'failed', 'for good');
});

test('intensity: a failure as old as the window no longer counts', () => {
  for (const [gapMs, expected] of [
    [policy.windowMs - 3_001, 'failed'],
    [policy.windowMs - 3_000, 'backoff'],
  ] as const) {
    const child = start();
    for (let n = 0; n < policy.failuresMax; n++) {
      child.fail();
      child.clock.pass(1_000);
    }
    child.clock.pass(gapMs);
    child.fail();
    assert.equal(child.value(), expected, `${gapMs}`);
  }
});

test('intensity: given up exactly at the failure that has failuresMax others within the window before it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1_000, max: 8_000 }), { minLength: 1, maxLength: 40 }), (gaps) => {
      const child = start();
      const failures: number[] = [];
      for (const gap of gaps) {
        child.clock.pass(gap);
        const nowMs = child.clock.nowMs();
        failures.push(nowMs);
        child.fail();
        const within = failures.filter((at) => nowMs - at < policy.windowMs).length;
        assert.equal(child.value(), within > policy.failuresMax ? 'failed' : 'backoff');
        assert.ok(child.context().failedAtMs.length <= policy.failuresMax + 1, 'what is remembered is bounded');
        if (within > policy.failuresMax) return;
        child.clock.pass(policy.backoffMaxMs);
      }
    }),
    { numRuns: 300, seed: 41 },
  );
});

test('a stop ends it wherever it is, and no restart comes after', () => {
  const running = start();
  running.stop();
  const waiting = start();
  waiting.fail();
  waiting.stop();
  const failed = start({ ...policy, failuresMax: 0 });
  failed.fail();
  assert.equal(failed.value(), 'failed');
  failed.stop();
  for (const child of [running, waiting, failed]) {
    child.clock.pass(10_000);
    assert.deepEqual([child.value(), child.context().restarts], ['stopped', 0]);
  }
});

test('a failure that is told while it waits counts once', () => {
  const child = start();
  child.fail();
  child.fail();
  child.clock.pass(50);
  assert.deepEqual([child.value(), child.context().failedAtMs.length], ['running', 1]);
});

test('the defaults: five in a minute', () => {
  assert.deepEqual([restartDefaults.failuresMax, restartDefaults.windowMs], [5, 60_000]);
});
