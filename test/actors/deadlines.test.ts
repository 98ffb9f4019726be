// Deadlines share one timer: none rings early, none later than a slot, none twice, and none that was taken back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDeadlines, slotMs } from '../../actors/deadlines.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandScope } from './hand-scope.ts';

const create = () => {
  const clock = createHandClock();
  let timers = 0;
  const scope = createHandScope({
    ...clock,
    after(delayMs, wake) {
      timers++;
      return clock.after(delayMs, wake);
    },
  });
  const rung: { item: number; atMs: number }[] = [];
  const deadlines = createDeadlines<number>(scope, clock.nowMs, (item) => rung.push({ item, atMs: clock.nowMs() }));
  return { clock, deadlines, rung, timers: () => timers, end: scope.end };
};

test('each rings once, never early, at most a slot late', () => {
  const item = fc.record({
    addedMs: fc.nat(500),
    lastsMs: fc.double({ min: 0, max: 700, noNaN: true }),
    deleted: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 60 }), (items) => {
      const { clock, deadlines, rung } = create();
      const due = new Map<number, number>();
      for (let nowMs = 0; nowMs <= 500; nowMs++) {
        for (const [at, one] of items.entries()) {
          if (one.addedMs !== nowMs) continue;
          deadlines.add(at, nowMs + one.lastsMs);
          due.set(at, nowMs + one.lastsMs);
        }
        clock.pass(1);
      }
      for (const [at, one] of items.entries())
        if (one.deleted && !rung.some((ring) => ring.item === at)) {
          deadlines.delete(at, due.get(at)!);
          due.delete(at);
        }
      clock.pass(2_000);
      assert.deepEqual(
        rung.map(({ item: at }) => at).sort((a, b) => a - b),
        [...due.keys()].sort((a, b) => a - b),
      );
      for (const { item: at, atMs } of rung) {
        assert.ok(atMs >= due.get(at)!, 'never-early');
        assert.ok(atMs - Math.max(due.get(at)!, items[at]!.addedMs) <= slotMs + 1e-6, 'a-slot-at-most');
      }
    }),
    { numRuns: 200, seed: 51 },
  );
});

test('a thousand deadlines of one moment cost one timer, none costs none, and the end of the actor ends them', () => {
  const { clock, deadlines, rung, timers, end } = create();
  clock.pass(1_000);
  assert.equal(timers(), 0);
  for (let item = 0; item < 1_000; item++) deadlines.add(item, 1_010);
  assert.equal(timers(), 1);
  clock.pass(100);
  assert.equal(rung.length, 1_000);
  const before = timers();
  clock.pass(10_000);
  assert.equal(timers(), before);
  deadlines.add(1, 20_000);
  end();
  clock.pass(60_000);
  assert.equal(rung.length, 1_000);
});

test('what is taken back in time wakes nobody again and again', () => {
  const { clock, deadlines, rung, timers } = create();
  for (let call = 0; call < 100; call++) {
    deadlines.add(call, clock.nowMs() + 1_000);
    clock.pass(10);
    deadlines.delete(call, clock.nowMs() - 10 + 1_000);
  }
  clock.pass(5_000);
  assert.deepEqual(rung, []);
  assert.ok(timers() <= 3, `${timers()} timers for 100 calls that were answered`);
  deadlines.add(1, clock.nowMs() + 2_000);
  deadlines.add(2, clock.nowMs() + 100);
  clock.pass(200);
  assert.deepEqual(
    rung.map(({ item }) => item),
    [2],
    'a sooner one does not wait for a later one',
  );
});

test('taking back what was never set, or set for another time, does no harm', () => {
  const { clock, deadlines, rung } = create();
  deadlines.add(1, 10);
  deadlines.delete(1, 500);
  deadlines.delete(2, 10);
  clock.pass(100);
  assert.deepEqual(
    rung.map(({ item }) => item),
    [1],
  );
});

test('an item that is added while others ring is not lost', () => {
  const clock = createHandClock();
  const rung: string[] = [];
  const deadlines = createDeadlines<string>(createHandScope(clock), clock.nowMs, (item) => {
    rung.push(item);
    if (item === 'a') deadlines.add('b', clock.nowMs());
  });
  deadlines.add('a', 0);
  clock.pass(200);
  assert.deepEqual(rung, ['a', 'b']);
});

test('once they have ended nothing rings, and no timer is left', () => {
  const clock = createHandClock();
  let timers = 0;
  const after: typeof clock.after = (delayMs, wake) => {
    timers++;
    const timer = clock.after(delayMs, wake);
    return {
      cancel() {
        timers--;
        timer.cancel();
      },
    };
  };
  const rung: number[] = [];
  const deadlines = createDeadlines<number>({ after }, clock.nowMs, (item) => rung.push(item));
  deadlines.add(1, 600_000);
  deadlines.add(2, 100);
  assert.equal(timers, 1);
  deadlines.end();
  deadlines.add(3, 100);
  clock.pass(700_000);
  assert.deepEqual([timers, rung], [0, []]);
});
