// Fair turns: whoever stands in line has a turn before anybody has two, whatever the others do; and the event loop has its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTurns, type TakesTurns, turnLimits } from '../../actors/actor-turns.ts';
import { createHandClock, quietSink } from './hand-clock.ts';

/** A clock on which work takes time: what `spend` says. */
const createWorkClock = () => {
  const clock = createHandClock();
  let spentMs = 0;
  let loopTurns = 0;
  return {
    ...clock,
    nowMs: () => clock.nowMs() + spentMs,
    after(delayMs: number, wake: () => void) {
      return clock.after(delayMs, () => {
        loopTurns++;
        wake();
      });
    },
    spend: (ms: number) => void (spentMs += ms),
    spentMs: () => spentMs,
    loopTurns: () => loopTurns,
  };
};

const host = (limits: { turnEvents?: number; turnMs?: number } = {}) => {
  const clock = createWorkClock();
  const sink = quietSink();
  const turns = createTurns({ clock, sink, ...limits });
  const log: string[] = [];
  const worker = (name: string, events: number, costMs: number): TakesTurns & { left: number; atMs: number | null } => ({
    left: events,
    atMs: null,
    run(turn) {
      log.push(name);
      while (this.left > 0) {
        this.left--;
        clock.spend(costMs);
        if (turn.isOver()) break;
      }
      this.atMs ??= clock.spentMs();
      return this.left > 0;
    },
  });
  return { clock, sink, turns, log, worker };
};

test('a turn ends after so many events, and the next in line has his', () => {
  const { clock, turns, log, worker } = host({ turnEvents: 10 });
  turns.ready(worker('busy', 25, 0));
  turns.ready(worker('calm', 1, 0));
  assert.deepEqual(log, []);
  clock.pass(0);
  assert.deepEqual(log, ['busy', 'calm', 'busy', 'busy']);
  assert.equal(turns.waiting, 0);
});

test('a turn ends after so much time', () => {
  const { clock, turns, log, worker } = host({ turnMs: 5 });
  turns.ready(worker('slow', 4, 3));
  turns.ready(worker('calm', 1, 0));
  clock.pass(0);
  assert.deepEqual(log, ['slow', 'calm', 'slow']);
});

test('the clock is read after a few quick events, and after each one that takes its time', () => {
  const { clock, worker } = host();
  let reads = 0;
  const counted = createTurns({
    clock: { ...clock, nowMs: () => clock.nowMs() + 0 * ++reads },
    sink: quietSink(),
    turnEvents: 1_000,
  });
  counted.ready(worker('quick', 400, 0));
  clock.pass(0);
  assert.ok(reads <= 400 / turnLimits.quickEvents + 2, `${reads} reads`);
  reads = 0;
  counted.ready(worker('slow', 5, 0.9));
  clock.pass(0);
  assert.ok(reads >= 5, `${reads} reads`);
});

test('nobody has two turns while somebody who was there before has had none', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ events: fc.integer({ min: 1, max: 60 }), costMs: fc.constantFrom(0, 0.01, 1, 7) }), {
        minLength: 1,
        maxLength: 12,
      }),
      (loads) => {
        const { clock, turns, log, worker } = host({ turnEvents: 8, turnMs: 5 });
        const workers = loads.map(({ events, costMs }, n) => worker(String(n), events, costMs));
        for (const one of workers) turns.ready(one);
        clock.pass(0);
        assert.ok(workers.every(({ left }) => left === 0));
        log.forEach((name, at) => {
          const again = log.indexOf(name, at + 1);
          if (again < 0) return;
          const between = new Set(log.slice(at + 1, again));
          for (const other of new Set(log.slice(again))) assert.ok(other === name || between.has(other), `${other} waited`);
        });
      },
    ),
    { numRuns: 100 },
  );
});

test('a long round yields to the event loop, and no longer round is possible', () => {
  const { clock, turns, worker } = host({ turnEvents: 4 });
  for (let n = 0; n < 100; n++) turns.ready(worker(String(n), 4, 0.5));
  clock.pass(0);
  // 200 ms of work, in rounds of 4 ms and one turn of 2 ms at most.
  assert.ok(clock.loopTurns() >= 200 / (turnLimits.roundMs + 2), `${clock.loopTurns()} turns of the loop`);
});

test('whoever is asked again as soon as he answers does not starve the event loop', () => {
  const { clock, turns } = host();
  let events = 0;
  const one: TakesTurns = {
    run(turn) {
      events++;
      clock.spend(0.1);
      turn.isOver();
      if (events < 400) clock.soon(() => turns.ready(one));
      return false;
    },
  };
  turns.ready(one);
  clock.pass(0);
  assert.equal(events, 400);
  assert.ok(clock.loopTurns() >= 9, `${clock.loopTurns()} turns of the loop in 40 ms of work`);
});

test('where no time passes, events are counted', () => {
  const { clock, turns } = host();
  let events = 0;
  const one: TakesTurns = {
    run(turn) {
      do events++;
      while (!turn.isOver());
      return events < 4 * turnLimits.roundEvents;
    },
  };
  turns.ready(one);
  clock.pass(0);
  assert.ok(clock.loopTurns() >= 4);
});

test('one that throws, which none may, is told of and hurts nobody', () => {
  const { clock, turns, log, sink, worker } = host();
  turns.ready({
    run() {
      throw new Error('boom');
    },
  });
  turns.ready(worker('next', 1, 0));
  clock.pass(0);
  assert.deepEqual([log, sink.lines], [['next'], ['error INTERNAL']]);
});

test('after its end nobody has a turn', () => {
  const { clock, turns, log, worker } = host();
  turns.ready(worker('before', 1, 0));
  turns.stop();
  turns.ready(worker('after', 1, 0));
  clock.pass(1);
  assert.deepEqual(log, []);
});
