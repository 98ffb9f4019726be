// Row R6 by story, and against its naive twin.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkLimiter,
  createLimiter,
  drain,
  type Limiter,
  type LimiterOptions,
  limiterDefaults,
  limiterLimits,
  type Rate,
  remaining,
  take,
} from '../../../machines/limiter/index.ts';
import { NaiveBucket } from './naive.ts';

const hourMs = 3_600_000;
const start = (given: Partial<LimiterOptions> = {}, nowMs = 0): Limiter =>
  createLimiter({ options: { ...limiterDefaults, ...given }, nowMs });

/** How many of so many calls at this moment go on. */
const burst = (limiter: Limiter, nowMs: number, node: string, principal: string | null, calls: number): number => {
  let taken = 0;
  for (let n = 0; n < calls; n++) if (take(limiter, nowMs, node, principal) === null) taken++;
  checkLimiter(limiter);
  return taken;
};

test("what a node asks of itself is the principal's to answer for", () => {
  const limiter = start();
  for (let n = 0; n < 200; n++) assert.equal(take(limiter, 0, null, null), null);
  for (let n = 0; n < 50; n++) assert.equal(take(limiter, 0, null, 'ada'), null);
  assert.equal(take(limiter, 0, null, 'ada')?.by, 'principal');
  assert.equal(remaining(limiter, 0, 'node', ''), 50);
  checkLimiter(limiter);
});

test('fifty at once, then one each 36 s of a principal, one each 360 ms of a node', () => {
  const limiter = start();
  assert.equal(burst(limiter, 0, 'n1', 'ada', 60), 50);
  assert.deepEqual(take(limiter, 0, 'n2', 'ada'), { by: 'principal', why: 'rate', retryAfterMs: 36_000 });
  assert.deepEqual(take(limiter, 35_999.9, 'n2', 'ada'), { by: 'principal', why: 'rate', retryAfterMs: 1 });
  assert.equal(burst(limiter, 36_000, 'n2', 'ada', 5), 1);

  const node = start();
  assert.equal(burst(node, 0, 'n1', null, 60), 50);
  assert.deepEqual(take(node, 359, 'n1', 'ada'), { by: 'node', why: 'rate', retryAfterMs: 1 });
  assert.equal(burst(node, 360, 'n1', null, 5), 1);
  assert.equal(burst(node, 360, 'n2', 'ada', 5), 5, 'another node has its own');
});

test('in an hour of knocking every 10 ms: what comes back in an hour, and one burst', () => {
  for (const [node, principal, expected] of [
    ['n1', null, 10_050],
    ['n1', 'ada', 150],
  ] as const) {
    const limiter = start();
    let taken = 0;
    for (let nowMs = 0; nowMs <= hourMs; nowMs += 10) if (take(limiter, nowMs, node, principal) === null) taken++;
    assert.equal(taken, expected);
  }
});

test('no drift: at a rate that no millisecond divides, looked at a hundred thousand times, not one token more or less', () => {
  const rate: Rate = { tokens: 7_777_777, periodMs: 86_399_999, burst: 3 };
  const limiter = start({ node: rate, principal: null });
  let taken = 0;
  const steps = 100_000;
  for (let nowMs = 0; nowMs < steps; nowMs++) while (take(limiter, nowMs, 'n1', null) === null) taken++;
  assert.equal(taken, 3 + Math.floor(((steps - 1) * rate.tokens) / rate.periodMs));
});

test('who is over his own limit takes nothing from others', () => {
  const limiter = start();
  assert.equal(burst(limiter, 0, 'n1', 'ada', 50), 50);
  take(limiter, 360 * 50, 'n1', null);
  const left = remaining(limiter, 360 * 50, 'node', 'n1');
  assert.equal(burst(limiter, 360 * 50, 'n1', 'ada', 1_000), 0);
  assert.equal(remaining(limiter, 360 * 50, 'node', 'n1'), left);
  assert.deepEqual(limiter.counts, { taken: 51, refused: { node: 0, principal: 1_000 }, crowded: 0 });
});

test('a call may cost more; of two refusals the longer is told; what costs more than a burst is never let through', () => {
  const limiter = start();
  assert.equal(take(limiter, 0, 'n1', 'ada', 30), null);
  assert.deepEqual(take(limiter, 0, 'n1', 'ada', 30), { by: 'principal', why: 'rate', retryAfterMs: 10 * 36_000 });
  assert.deepEqual(take(limiter, 0, 'n1', 'bob', 30), { by: 'node', why: 'rate', retryAfterMs: 10 * 360 });
  assert.equal(take(limiter, 0, 'n2', 'ada', 20), null);
  assert.deepEqual(take(limiter, 0, 'n3', 'eve', 51), { by: 'node', why: 'cost', retryAfterMs: null });
  for (const cost of [0, -1, 1.5, Number.NaN, 1_000_001])
    assert.throws(() => take(limiter, 0, 'n1', null, cost), { code: 'INVALID_REQUEST', message: /cost/ });
});

test('without a limit there is none; a name that is too long is refused, not kept', () => {
  const free = start({ node: null, principal: null });
  assert.equal(burst(free, 0, 'n1', 'ada', 1_000), 1_000);
  assert.equal(remaining(free, 0, 'node', 'n1'), null);
  const limiter = start({ node: null });
  const name = 'x'.repeat(limiterLimits.nameCharsMax + 1);
  assert.deepEqual(take(limiter, 0, name, name), { by: 'principal', why: 'name', retryAfterMs: null });
  drain(limiter, 0, 'principal', name, 1);
  assert.equal(limiter.principal?.of.size, 0);
});

test('a clock that goes back gives nothing, and goes on from where it was', () => {
  const limiter = start();
  burst(limiter, 1e6, 'n1', 'ada', 50);
  for (const nowMs of [1e6 - 36_000, 0, -1e9, 1e6]) assert.equal(burst(limiter, nowMs, 'n1', 'ada', 3), 0);
  for (let n = 0; n < 1_000; n++) assert.equal(burst(limiter, 1e6 - 36_000 + (n % 2) * 36_000, 'n1', 'ada', 1), 0);
  assert.equal(burst(limiter, 1e6 + 36_000, 'n1', 'ada', 3), 1);
  const fault = { name: 'InvariantBroken', invariant: 'time-is-finite' };
  for (const nowMs of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
    assert.throws(() => take(limiter, nowMs, 'n1', null), fault);
    assert.throws(() => remaining(limiter, nowMs, 'node', 'n1'), fault);
  }
});

test('a year later it is full, and no fuller', () => {
  const limiter = start({ node: { tokens: 1e9, periodMs: 1, burst: 50 }, principal: null });
  assert.equal(burst(limiter, 0, 'n1', null, 60), 50);
  assert.equal(burst(limiter, 2 ** 52, 'n1', null, 60), 50);
});

test('spent elsewhere: missing here, as a debt of at most one burst', () => {
  const limiter = start({ node: null });
  drain(limiter, 0, 'principal', 'ada', 20);
  assert.equal(remaining(limiter, 0, 'principal', 'ada'), 30);
  assert.equal(burst(limiter, 0, 'n1', 'ada', 50), 30);
  drain(limiter, 0, 'principal', 'ada', 10);
  assert.equal(remaining(limiter, 0, 'principal', 'ada'), 0);
  assert.equal(take(limiter, 0, 'n1', 'ada')?.retryAfterMs, 11 * 36_000);
  drain(limiter, 0, 'principal', 'ada', Number.MAX_SAFE_INTEGER);
  checkLimiter(limiter);
  assert.equal(take(limiter, 0, 'n1', 'ada')?.retryAfterMs, 51 * 36_000);
  assert.throws(() => drain(limiter, 0, 'principal', 'ada', 0), { code: 'INVALID_REQUEST' });
});

test('when there are too many names: who is full again is dropped, the longest first; else newcomers share one bucket', () => {
  const limiter = start({ node: null, principalsMax: 3 });
  const kept = (): string[] => [...limiter.principal!.of.keys()].sort();
  for (const [calls, name] of [
    [3, 'a'],
    [1, 'b'],
    [2, 'c'],
  ] as const)
    burst(limiter, 0, 'n1', name, calls);
  assert.equal(burst(limiter, 0, 'n1', 'x', 30), 30);
  assert.equal(burst(limiter, 0, 'n1', 'y', 30), 20, 'out of the same bucket');
  assert.equal(limiter.counts.crowded, 50);
  assert.deepEqual(kept(), ['a', 'b', 'c']);
  assert.equal(burst(limiter, 35_999, 'n1', 'x', 1), 0);
  assert.equal(burst(limiter, 36_000, 'n1', 'x', 5), 1, 'b is full again: x has his place, and of tokens what the crowd has');
  assert.deepEqual(kept(), ['a', 'c', 'x']);
  burst(limiter, 72_000, 'n1', 'y', 1);
  assert.deepEqual(kept(), ['a', 'x', 'y']);
});

const rates: fc.Arbitrary<Rate> = fc.record({
  tokens: fc.integer({ min: 1, max: 50 }),
  periodMs: fc.integer({ min: 1, max: 1_000 }),
  burst: fc.integer({ min: 1, max: 12 }),
});
const uses = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.constant(0), fc.integer({ min: -40, max: 60 }), fc.double({ min: 0, max: 900, noNaN: true })),
    node: fc.nat(2),
    principal: fc.nat(9),
    cost: fc.integer({ min: 1, max: 4 }),
    drains: fc.nat(12).map((n) => n === 0),
  }),
  { maxLength: 200, size: 'max' },
);

test('with room for all: every answer, and every time to wait, is that of its naive twin', () => {
  fc.assert(
    fc.property(rates, rates, uses, (node, principal, run) => {
      const limiter = start({ node, principal });
      const naive = new Map<string, NaiveBucket>();
      const bucket = (name: string, rate: Rate): NaiveBucket => {
        const one = naive.get(name) ?? new NaiveBucket(rate, 0);
        one.pass(Math.floor(latestMs));
        return naive.set(name, one).get(name)!;
      };
      let [nowMs, latestMs] = [0, 0];
      for (const use of run) {
        nowMs += use.afterMs;
        latestMs = Math.max(latestMs, nowMs);
        const both = [bucket(`node ${use.node}`, node), bucket(`principal ${use.principal}`, principal)];
        if (use.drains) {
          drain(limiter, nowMs, 'principal', `${use.principal}`, use.cost);
          both[1]!.take(use.cost);
          continue;
        }
        const refusal = take(limiter, nowMs, `${use.node}`, `${use.principal}`, use.cost);
        const never = use.cost > Math.min(node.burst, principal.burst);
        const waitsMs = never ? null : Math.max(...both.map((one) => one.waitMs(use.cost)));
        assert.equal(refusal === null ? 0 : refusal.retryAfterMs, waitsMs);
        if (refusal === null) for (const one of both) one.take(use.cost);
        checkLimiter(limiter);
      }
    }),
    { numRuns: 120, seed: 64 },
  );
});

test('with too little room nobody gains a token, whoever is dropped and whoever comes back', () => {
  const reached = { crowded: 0, dropped: 0 };
  fc.assert(
    fc.property(rates, uses, fc.integer({ min: 1, max: 6 }), (principal, run, principalsMax) => {
      const limiter = start({ node: null, principal, principalsMax });
      const naive = new Map<number, NaiveBucket>();
      const ever = new Set<number>();
      let nowMs = 0;
      for (const use of run) {
        nowMs += Math.max(0, use.afterMs) / 8;
        const his = naive.get(use.principal) ?? new NaiveBucket(principal, 0);
        naive.set(use.principal, his);
        his.pass(Math.floor(nowMs));
        if (use.drains) {
          drain(limiter, nowMs, 'principal', `${use.principal}`, use.cost);
          his.take(use.cost);
        } else if (take(limiter, nowMs, 'n1', `${use.principal}`, use.cost) === null) {
          assert.ok(his.has(use.cost), 'a bucket of his own from the beginning would have had as much');
          his.take(use.cost);
        }
        checkLimiter(limiter);
        for (const name of limiter.principal!.of.keys()) ever.add(Number(name));
      }
      reached.crowded += limiter.counts.crowded;
      reached.dropped += ever.size - limiter.principal!.of.size;
    }),
    { numRuns: 200, seed: 65 },
  );
  assert.ok(reached.crowded > 1_000 && reached.dropped > 200, JSON.stringify(reached));
});

test('options that make no sense are refused by name', () => {
  const rate = limiterDefaults.node!;
  const wrong: [Partial<LimiterOptions>, RegExp][] = [
    [{ node: { ...rate, tokens: 0 } }, /node.tokens must be a whole number from 1/],
    [{ principal: { ...rate, periodMs: 0.5 } }, /principal.periodMs/],
    [{ principal: { ...rate, burst: Number.NaN } }, /principal.burst .* not NaN/],
    [{ node: { tokens: 1, periodMs: limiterLimits.periodMsMax, burst: 1e9 } }, /node.burst must be at most \d+ with a period/],
    [{ nodesMax: 0 }, /nodesMax/],
    [{ principalsMax: 1e9 }, /principalsMax/],
  ];
  for (const [options, message] of wrong) assert.throws(() => start(options), { code: 'INVALID_REQUEST', message });
});
