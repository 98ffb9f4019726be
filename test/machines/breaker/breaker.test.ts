// The rows B1 to B3 by story: what opens a breaker, for how long, who may try, and what never counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transition } from 'xstate';
import {
  admit,
  type Breaker,
  type BreakerEffect,
  type BreakerOptions,
  breakerChart,
  breakerDefaults,
  command,
  createBreaker,
  type Outcome,
  outcomeOf,
  patienceMs,
  refusalAt,
  refused,
  settle,
  statusAt,
  type Ticket,
  viewOf,
  wake,
} from '../../../machines/breaker/index.ts';
import { type ErrorCode, errorTable } from '../../../machines/errors.ts';
import { InvariantBroken } from '../../../machines/invariant.ts';
import { randomFrom } from '../../../machines/random.ts';

/** A breaker, a clock, and what was told. */
const start = (given: Partial<BreakerOptions> = {}, seed = 1) => {
  const breaker: Breaker = createBreaker({ options: { ...breakerDefaults, ...given }, random: randomFrom(seed), nowMs: 0 });
  const told: BreakerEffect[] = [];
  const one = {
    ...{ breaker, told, nowMs: 0 },
    pass: (ms: number): void => void (one.nowMs += ms),
    status: () => statusAt(breaker, one.nowMs),
    admit: (): Ticket => admit(breaker, one.nowMs, told),
    settle: (ticket: Ticket, outcome: Outcome, tookMs = 1): void => settle(breaker, one.nowMs, ticket, outcome, tookMs, told),
    call: (outcome: Outcome, tookMs = 1): void => one.settle(one.admit(), outcome, tookMs),
    fail: (times = breakerDefaults.failuresMax): void => {
      for (let n = 0; n < times; n++) one.call('failure');
    },
    waitUntilHalfOpen: (): void => void (one.nowMs = breaker.untilMs),
  };
  return one;
};

test('five failures inside of a minute open it, whatever succeeded in between; a failure as old as the window no longer counts', () => {
  for (const [lastMs, expected] of [
    [59_999, 'open'],
    [60_000, 'closed'],
  ] as const) {
    const one = start();
    one.fail(4);
    for (let n = 0; n < 1_000; n++) one.call('success');
    assert.equal(one.status(), 'closed');
    one.pass(lastMs);
    one.fail(1);
    assert.equal(one.status(), expected);
  }
});

test('it is open for 60 s, doubled up to 600 s each time a probe fails, spread by chance and never longer', () => {
  const spans: number[][] = Array.from({ length: 6 }, () => []);
  for (let seed = 0; seed < 40; seed++) {
    const one = start({}, seed);
    one.fail();
    for (const span of spans) {
      assert.equal(one.status(), 'open');
      span.push(one.breaker.openForMs);
      one.pass(one.breaker.openForMs - 1);
      assert.equal(one.admit(), refused, 'not a moment earlier');
      one.pass(1);
      one.fail(1);
    }
  }
  for (const [n, leastMs] of [60_000, 120_000, 240_000, 480_000, 545_454, 545_454].entries()) {
    const span = spans[n]!;
    assert.ok(Math.min(...span) >= leastMs && Math.max(...span) <= Math.min(600_000, leastMs * 1.1), `${n}`);
    assert.ok(Math.max(...span) - Math.min(...span) > leastMs * 0.05, 'spread, at the maximum too');
    assert.ok(new Set(span).size > 35, 'each of them differs');
  }
});

test('who is refused is told when to come back, and then is let in', () => {
  const one = start();
  one.fail();
  one.pass(12_345.25);
  const refusal = refusalAt(one.breaker, one.nowMs);
  assert.deepEqual(refusal, { why: 'open', retryAfterMs: Math.ceil(one.breaker.openForMs - 12_345.25) });
  one.pass(refusal!.retryAfterMs!);
  assert.equal(refusalAt(one.breaker, one.nowMs), null);
  assert.notEqual(one.admit(), refused);
  assert.deepEqual(refusalAt(one.breaker, one.nowMs), { why: 'probing', retryAfterMs: 1_000 });
  one.pass(breakerDefaults.probeMs - 10);
  assert.deepEqual(refusalAt(one.breaker, one.nowMs), { why: 'probing', retryAfterMs: 10 });
});

test('half-open lets exactly so many through, and closes when all of them succeeded', () => {
  const one = start({ probes: 3 });
  one.fail();
  one.waitUntilHalfOpen();
  const first = [one.admit(), one.admit(), one.admit()];
  assert.equal(new Set(first).size, 3);
  assert.ok(!first.includes(refused));
  assert.equal(one.admit(), refused);
  one.settle(first[0]!, 'success');
  assert.equal(one.admit(), refused, 'a place that was of use is not given again');
  one.settle(first[1]!, 'success');
  assert.equal(one.status(), 'half-open');
  one.settle(first[2]!, 'success');
  assert.equal(one.status(), 'closed');
});

test('one probe that fails opens it again, and what the others say then is late', () => {
  const one = start({ probes: 3 });
  one.fail();
  one.waitUntilHalfOpen();
  const [first, second, third] = [one.admit(), one.admit(), one.admit()];
  one.settle(second, 'failure');
  assert.deepEqual([one.status(), one.breaker.openings], ['open', 2]);
  one.waitUntilHalfOpen();
  const again = [one.admit(), one.admit(), one.admit()];
  one.settle(first, 'success');
  one.settle(third, 'failure');
  assert.deepEqual([one.status(), one.breaker.counts.late, one.admit()], ['half-open', 2, refused]);
  for (const ticket of again) one.settle(ticket, 'success');
  assert.equal(one.status(), 'closed');
});

test('a probe without an outcome gives its place back: at once if that is known, else after a time', () => {
  const one = start();
  one.fail();
  one.waitUntilHalfOpen();
  for (let n = 0; n < 10; n++) {
    one.call('none');
    assert.equal(one.status(), 'half-open');
  }
  const lost = one.admit();
  one.pass(breakerDefaults.probeMs - 1);
  assert.equal(one.admit(), refused);
  one.pass(1);
  const next = one.admit();
  assert.notEqual(next, refused);
  one.settle(lost, 'failure');
  assert.equal(one.status(), 'half-open', 'it was given up');
  one.settle(next, 'success');
  assert.equal(one.status(), 'closed');
});

test('what was admitted before a change says nothing of the time after it', () => {
  const one = start();
  const early = Array.from({ length: 50 }, () => one.admit());
  one.fail();
  for (const ticket of early.splice(0, 20)) one.settle(ticket, 'success');
  assert.equal(one.status(), 'open');
  one.waitUntilHalfOpen();
  for (const ticket of early.splice(0, 10)) one.settle(ticket, 'success');
  for (const ticket of early.splice(0, 10)) one.settle(ticket, 'failure');
  assert.deepEqual([one.status(), one.breaker.openings], ['half-open', 1]);
  one.call('success');
  for (const ticket of early) one.settle(ticket, 'failure');
  assert.deepEqual([one.status(), viewOf(one.breaker, one.nowMs).failures], ['closed', 0]);
  assert.equal(one.breaker.counts.late, 50);
});

test('a reset is a change too: what was under way no longer counts', () => {
  const one = start();
  const early = Array.from({ length: 5 }, () => one.admit());
  one.fail(4);
  command(one.breaker, one.nowMs, 'reset', one.told);
  for (const ticket of early) one.settle(ticket, 'failure');
  one.fail(4);
  assert.equal(one.status(), 'closed');
});

test('the doubling is forgotten after it was closed for as long as it had been open, and for a window', () => {
  for (const [share, expected] of [
    [0.99, 3],
    [1, 1],
  ] as const) {
    const one = start();
    one.fail();
    one.waitUntilHalfOpen();
    one.fail(1);
    one.waitUntilHalfOpen();
    one.call('success');
    one.pass(one.breaker.openForMs * share);
    one.fail();
    assert.deepEqual([one.status(), one.breaker.openings], ['open', expected]);
  }
  const short = start({ openMs: 1_000 });
  short.fail();
  short.waitUntilHalfOpen();
  short.call('success');
  short.pass(59_999);
  short.fail();
  assert.equal(short.breaker.openings, 2, 'not before a window has passed');
});

test('by hand: held open or closed until it is reset, whatever calls and time do', () => {
  const one = start();
  command(one.breaker, one.nowMs, 'open', one.told);
  assert.equal(one.admit(), refused);
  assert.deepEqual(refusalAt(one.breaker, 1e9), { why: 'forced-open', retryAfterMs: null });
  one.pass(10_000_000);
  assert.deepEqual([one.admit(), viewOf(one.breaker, one.nowMs).metric], [refused, 1]);
  command(one.breaker, one.nowMs, 'close', one.told);
  one.fail(100);
  assert.deepEqual([one.status(), viewOf(one.breaker, one.nowMs).metric], ['forced-closed', 0]);
  command(one.breaker, one.nowMs, 'close', one.told);
  command(one.breaker, one.nowMs, 'reset', one.told);
  assert.deepEqual([one.status(), one.breaker.openings], ['closed', 0]);
  assert.deepEqual(
    one.told.map(({ from, to, why }) => `${from} ${why} ${to}`),
    ['closed FORCED_OPEN forced-open', 'forced-open FORCED_CLOSED forced-closed', 'forced-closed RESET closed'],
  );
});

test('a reset forgets the doubling', () => {
  const one = start();
  one.fail();
  one.waitUntilHalfOpen();
  one.fail(1);
  command(one.breaker, one.nowMs, 'reset', one.told);
  one.fail();
  assert.equal(one.breaker.openings, 1);
});

test('failures one after the other, or among the last calls, or with a share of all', () => {
  const row = start({ consecutive: true });
  for (let n = 0; n < 10; n++) {
    row.fail(4);
    row.call('success');
    row.call('none');
  }
  assert.equal(row.status(), 'closed');
  row.fail(2);
  row.call('none');
  row.fail(3);
  assert.equal(row.status(), 'open', 'who says nothing interrupts nothing');

  const last = start({ window: { by: 'calls', calls: 10 } });
  last.fail(4);
  for (let n = 0; n < 6; n++) last.call('success');
  last.fail(1);
  assert.equal(last.status(), 'closed', 'the first is the eleventh last');
  last.pass(1e9);
  last.fail(1);
  assert.equal(last.status(), 'closed');
  last.fail(3);
  assert.equal(last.status(), 'open');

  const share = start({ failureShareMin: 0.1 });
  for (let n = 0; n < 45; n++) share.call('success');
  share.fail(4);
  assert.equal(share.status(), 'closed');
  share.fail(1);
  assert.equal(share.status(), 'open', 'five of fifty');
});

test('slow calls open it if they are an option, successes too; a slow probe does not close it', () => {
  const slow = { ms: 500, shareMin: 0.5, callsMin: 10 };
  const one = start({ slow });
  for (let n = 0; n < 5; n++) one.call('success', 500);
  for (let n = 0; n < 4; n++) one.call('success', 499);
  assert.equal(one.status(), 'closed', 'not yet ten calls');
  one.call('success', 1);
  assert.deepEqual([one.status(), one.told[0]?.why], ['open', 'SLOW_TOO_OFTEN']);
  one.waitUntilHalfOpen();
  one.call('success', 500);
  assert.deepEqual([one.status(), one.breaker.openings], ['open', 2]);
  const without = start();
  for (let n = 0; n < 100; n++) without.call('success', 1e6);
  assert.equal(without.status(), 'closed');
});

test('whoever only looks sees it half-open when its time has come, and whoever wakes it is told', () => {
  const one = start();
  one.fail();
  const dueMs = one.breaker.untilMs;
  assert.deepEqual([statusAt(one.breaker, dueMs - 1), statusAt(one.breaker, dueMs)], ['open', 'half-open']);
  assert.deepEqual([viewOf(one.breaker, dueMs + 5).metric, viewOf(one.breaker, dueMs + 5).forMs], [2, 5]);
  one.told.length = 0;
  wake(one.breaker, dueMs, one.told);
  wake(one.breaker, dueMs + 1, one.told);
  assert.deepEqual(one.told, [{ type: 'changed', from: 'open', to: 'half-open', why: 'WAITED', openForMs: null }]);
});

test('a clock that goes back stands still; one that tells no time is a fault, and so is a ticket that nobody gave', () => {
  const one = start();
  one.pass(100_000);
  one.fail(4);
  one.pass(-90_000);
  one.fail(1);
  assert.deepEqual([one.breaker.status, one.breaker.nowMs], ['open', 100_000]);
  for (const nowMs of [Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => admit(one.breaker, nowMs, []), { name: 'InvariantBroken', invariant: 'time-is-finite' });
  for (const ticket of [refused, -1, 1_000, Number.NaN])
    assert.throws(
      () => one.settle(ticket, 'success'),
      (error) => error instanceof InvariantBroken,
    );
});

test('options that make no sense are refused by name', () => {
  const wrong: [Partial<BreakerOptions>, RegExp][] = [
    [{ failuresMax: 0 }, /failuresMax .* not 0/],
    [{ failuresMax: 2.5 }, /failuresMax/],
    [{ failuresMax: 11, window: { by: 'calls', calls: 10 } }, /failuresMax must be at most window.calls \(10\)/],
    [{ window: { by: 'time', ms: Number.POSITIVE_INFINITY } }, /window.ms/],
    [{ window: { by: 'calls', calls: -1 } }, /window.calls/],
    [{ failureShareMin: 1.1 }, /failureShareMin must be from 0 to 1/],
    [{ slow: { ms: 0, shareMin: 0.5, callsMin: 1 } }, /slow.ms/],
    [{ slow: { ms: 1, shareMin: 0, callsMin: 1 } }, /slow.shareMin/],
    [{ slow: { ms: 1, shareMin: 1, callsMin: 11 }, window: { by: 'calls', calls: 10 } }, /slow.callsMin .* to 10/],
    [{ probes: 101 }, /probes .* from 1 to 100, not 101/],
    [{ probeMs: Number.NaN }, /probeMs .* not NaN/],
    [{ openMs: 600_001 }, /openMs .* to 600000/],
    [{ openMsMax: 1e12 }, /openMsMax/],
    [{ jitter: -0.1 }, /jitter/],
  ];
  for (const [options, message] of wrong) assert.throws(() => start(options), { code: 'INVALID_REQUEST', message });
});

test('what an end says of the other side: every code of the table', () => {
  const saying = (outcome: Outcome): ErrorCode[] =>
    (Object.keys(errorTable) as ErrorCode[]).filter((code) => outcomeOf(code, 30_000) === outcome);
  assert.deepEqual(saying('failure').sort(), [
    ...[
      'IDENTITY_LOST',
      'INTERNAL',
      'NOT_READY',
      'OUTCOME_UNKNOWN',
      'SERVICE_FAILED',
      'STOPPING',
      'STORAGE_FAILED',
      'UNREACHABLE',
    ],
  ]);
  for (const code of ['INVALID_REQUEST', 'UNAUTHORIZED', 'FORBIDDEN', 'TOO_LARGE', 'OVERLOADED', 'NO_QUORUM'] as const)
    assert.ok(saying('none').includes(code), code);
  assert.equal(outcomeOf(null, 1), 'success');
  assert.equal(outcomeOf('KEY_NOT_FOUND', 1), 'success');
  assert.equal(outcomeOf('OUTCOME_UNKNOWN', patienceMs - 1), 'none', 'who waits for a moment learns nothing');
  assert.equal(outcomeOf('OUTCOME_UNKNOWN', patienceMs), 'failure');
});

test('the chart has these arrows and no others', () => {
  const moves = ['FAILED_TOO_OFTEN', 'SLOW_TOO_OFTEN', 'WAITED', 'PROBES_SUCCEEDED', 'PROBE_FAILED', 'PROBES_SLOW'] as const;
  const arrows = ['closed', 'open', 'half-open', 'forced-open', 'forced-closed'].flatMap((value) =>
    [...moves, 'FORCED_OPEN', 'FORCED_CLOSED', 'RESET'].flatMap((type) => {
      const before = breakerChart.resolveState({ value });
      const event = { type } as { type: (typeof moves)[number] };
      return before.can(event) ? `${value} ${type} ${transition(breakerChart, before, event)[0].value}` : [];
    }),
  );
  const byHand = arrows.filter((arrow) => /FORCED|RESET/.test(arrow));
  assert.equal(byHand.length, 15, 'by hand from everywhere');
  assert.deepEqual(
    arrows.filter((arrow) => !byHand.includes(arrow)),
    [
      ...['closed FAILED_TOO_OFTEN open', 'closed SLOW_TOO_OFTEN open', 'open WAITED half-open'],
      ...['half-open PROBES_SUCCEEDED closed', 'half-open PROBE_FAILED open', 'half-open PROBES_SLOW open'],
    ],
  );
});
