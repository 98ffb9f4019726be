// Who may be chosen at all: half-open breakers, ejection with its limits, failover; bad input; and laws over whatever may happen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  balancerDefaults,
  balancerLimits,
  balancerView,
  begin,
  type Candidate,
  choose,
  createBalancer,
  end,
  strategyNames,
} from '../../../machines/balancer/index.ts';
import { InvariantBroken } from '../../../machines/invariant.ts';
import { balancer, call, candidate, chosen, crowd, tally } from './stage.ts';

const ejectedOf = (state: ReturnType<typeof balancer>, nowMs: number): string[] =>
  balancerView(state, nowMs)
    .filter(({ ejectedForMs }) => ejectedForMs !== null)
    .map(({ node }) => node);

test('a half-open node gets probes: its share of chances while it has one to spare, nothing otherwise, all if it is the only one', () => {
  const others = crowd(4);
  const half = (probes: number): Candidate => candidate('half', { breaker: 'half-open', probes });
  for (const strategy of strategyNames) {
    if (strategy === 'sticky') continue;
    const some = tally(balancer(), { candidates: [...others, half(1)], strategy }, 1_000).get('half') ?? 0;
    assert.ok(some > 140 && some < 260, `${strategy}: ${some} of 1000`);
    assert.equal(tally(balancer(), { candidates: [...others, half(0)], strategy }, 200).get('half'), undefined);
    assert.deepEqual(choose(balancer(), 0, { candidates: [half(1)], strategy }), { ok: true, node: 'half', probe: true });
    assert.equal(chosen(balancer(), 0, { candidates: [half(0)], strategy }), 'ALL_OPEN');
  }
  // By key, only what belongs to it.
  const whole = { candidates: [...others, candidate('half')], strategy: 'sticky' } as const;
  const halfOpen = { candidates: [...others, half(1)], strategy: 'sticky' } as const;
  for (let at = 0; at < 200; at++) {
    const choice = choose(balancer(), 0, { ...halfOpen, key: `k${at}` });
    assert.ok(choice.ok);
    assert.equal(choice.node, chosen(balancer(), 0, { ...whole, key: `k${at}` }));
    assert.equal(choice.probe, choice.node === 'half');
  }
});

test('failover: everybody who is left once, then it says that all were tried', () => {
  for (const strategy of strategyNames) {
    const state = balancer();
    const candidates = [...crowd(5), candidate('open', { breaker: 'open' })];
    const excluded = new Set<string>();
    for (let at = 0; at < 5; at++) excluded.add(chosen(state, 0, { candidates, strategy, key: 'k', excluded }));
    assert.equal(excluded.size, 5, strategy);
    assert.equal(chosen(state, 0, { candidates, strategy, key: 'k', excluded }), 'ALL_OPEN');
    assert.equal(chosen(state, 0, { candidates, strategy, key: 'k', excluded: excluded.add('open') }), 'ALL_EXCLUDED');
    assert.equal(chosen(state, 0, { candidates: [], strategy, key: 'k' }), 'NO_CANDIDATES');
  }
});

test('who cannot be reached costs one call; each further ejection lasts twice as long, and is forgiven in time', () => {
  const state = balancer();
  const ask = { candidates: crowd(5), strategy: 'round-robin' } as const;
  chosen(state, 0, ask);
  let nowMs = 0;
  for (let level = 1; level <= 9; level++) {
    const [effect, ...others] = call(state, nowMs, 'n0', 0, 'unreachable');
    assert.ok(effect?.type === 'ejected' && others.length === 0);
    const lengthMs = Math.min(balancerDefaults.ejectMsMax, balancerDefaults.ejectMsMin * 2 ** (level - 1));
    const forMs = effect.untilMs - nowMs;
    assert.ok(forMs >= 0.75 * lengthMs && forMs < 1.25 * lengthMs, `level ${level}: ${forMs} of ${lengthMs}`);
    assert.equal(tally(state, ask, 40, nowMs).get('n0'), undefined);
    // Calls that were under way fail too: that is no news.
    assert.deepEqual(call(state, nowMs, 'n0', 1, 'unreachable'), []);
    nowMs = effect.untilMs;
    assert.equal(tally(state, ask, 40, nowMs).get('n0'), 8);
  }
  const levels = (): number => balancerView(state, nowMs)[0]!.ejections;
  assert.equal(levels(), 9);
  nowMs += balancerDefaults.ejectMsMax;
  call(state, nowMs, 'n0', 1);
  assert.equal(levels(), 8);
  nowMs += 2 * balancerDefaults.ejectMsMax;
  chosen(state, nowMs, ask);
  call(state, nowMs, 'n0', 1);
  assert.ok(levels() <= 7, `${levels()}`);
  nowMs += 4 * balancerDefaults.ejectMsMax;
  chosen(state, nowMs, ask);
  call(state, nowMs, 'n0', 1);
  assert.equal(levels(), 0);
});

const fail = (state: ReturnType<typeof balancer>, shares: readonly number[], calls: number, nowMs: number): void => {
  for (let at = 0; at < calls; at++)
    for (const [node, share] of shares.entries())
      call(state, nowMs, `n${node}`, 1, Math.floor((at + 1) * share) > Math.floor(at * share) ? 'failed' : 'ok');
};

test('who fails much more than the others is ejected; when all fail alike nobody is, and few calls prove nothing', () => {
  const run = (shares: readonly number[], calls = 60): string[] => {
    const state = balancer();
    chosen(state, 0, { candidates: crowd(shares.length), strategy: 'random' });
    fail(state, shares, calls, balancerDefaults.judgeMs - 2);
    call(state, balancerDefaults.judgeMs, 'n0', 1);
    return ejectedOf(state, balancerDefaults.judgeMs + 2);
  };
  assert.deepEqual(run([0.4, 0, 0]), ['n0']);
  assert.deepEqual(run([0.4, 0]), ['n0'], 'of two, the better one is the measure');
  assert.deepEqual(run([0.02, 0.01, 0, 0.2]), [], 'not enough to matter');
  assert.deepEqual(run([0.5, 0.45, 0.55, 0.4]), [], 'it is the service');
  assert.deepEqual(run([0.4]), [], 'nobody to compare with');
  assert.deepEqual(run([0.5, 0, 0], 15), []);
  assert.deepEqual(run([0.9, 0.9, 0, 0, 0]), ['n0', 'n1']);
});

test('no more than half are out, never all, open breakers counted in', () => {
  for (let count = 1; count <= 9; count++)
    for (let open = 0; open <= count; open++) {
      const state = balancer();
      const candidates = crowd(count, (at) => (at < open ? { breaker: 'open' } : {}));
      const ask = { candidates, strategy: 'round-robin' } as const;
      chosen(state, 0, ask);
      for (const { node, breaker } of candidates) if (breaker === 'closed') call(state, 0, node, 0, 'unreachable');
      if (open === count) continue;
      const used = [...tally(state, ask, 100).keys()];
      const mayBeOut = Math.max(0, Math.min(count - 1, Math.max(1, Math.floor(count / 2))) - open);
      assert.equal(used.length, count - open - mayBeOut, `${open} of ${count} open: ${used}`);
    }
});

test('who was ejected first is taken back first when too many are', () => {
  const state = balancer();
  const ask = { candidates: crowd(4), strategy: 'random' } as const;
  chosen(state, 0, ask);
  for (const [at, node] of ['n2', 'n0', 'n1', 'n3'].entries()) call(state, at * 1_100, node, 0, 'unreachable');
  const outMs = new Map(balancerView(state, 3_300).map(({ node, ejectedForMs }) => [node, ejectedForMs]));
  const used = [...tally(state, ask, 60, 3_300).keys()].sort();
  const free = [...outMs].sort(([, a], [, b]) => (a ?? 0) - (b ?? 0)).slice(0, 2);
  assert.deepEqual(used, free.map(([node]) => node).sort());
});

test('bad input is refused by name', () => {
  const refused = (given: Partial<Candidate>): string => {
    const choice = choose(balancer(), 0, { candidates: [candidate('a'), candidate('b', given)], strategy: 'random' });
    return choice.ok ? 'chosen' : `${choice.code}: ${choice.message}`;
  };
  for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.match(refused({ weight }), /^CANDIDATE_INVALID: the weight of b/);
  for (const load of [-0.1, 1.1, Number.NaN]) assert.match(refused({ load }), /^CANDIDATE_INVALID: the load of b/);
  assert.match(refused({ cost: -1 }), /^CANDIDATE_INVALID: the cost of b/);
  assert.match(refused({ node: '' }), /^CANDIDATE_INVALID: a node has a name/);
  assert.match(refused({ node: 'a' }), /^CANDIDATE_INVALID: a is named twice/);
  assert.match(refused({ zone: 'z'.repeat(1_000) }), /^CANDIDATE_INVALID: the zone/);
  assert.match(refused({ probes: 0.5 }), /^CANDIDATE_INVALID: b admits/);
  assert.match(refused({ breaker: 'ajar' as never }), /^CANDIDATE_INVALID: the breaker/);
  const many = crowd(balancerLimits.candidatesMax + 1);
  assert.equal(chosen(balancer(), 0, { candidates: many, strategy: 'random' }), 'TOO_MANY_CANDIDATES');
  for (const strategy of ['best', 'constructor', '__proto__'] as never[])
    assert.equal(chosen(balancer(), 0, { candidates: many, strategy }), 'STRATEGY_UNKNOWN');
  const state = balancer();
  assert.throws(() => begin(state, 0, 'stranger'), { invariant: 'begun-was-chosen' });
  chosen(state, 0, { candidates: crowd(1), strategy: 'random' });
  const once = begin(state, 0, 'n0');
  end(state, 1, once, 'ok');
  assert.throws(() => end(state, 2, once, 'ok'), { invariant: 'ended-once' });
  for (const options of [{ roomyLoad: 1 }, { ejectedShareMax: 2 }, { failedFactor: 1 }, { judgeMs: 0 }, { ejectMsMin: 1e9 }])
    assert.throws(
      () =>
        createBalancer({ here: { zone: null, region: null }, options: { ...balancerDefaults, ...options }, seed: 1, nowMs: 0 }),
      InvariantBroken,
    );
});

test('what is remembered has a limit, and calls under way are never forgotten', () => {
  const state = balancer();
  const batch = (from: number): Candidate[] => Array.from({ length: 1_024 }, (_, at) => candidate(`m${from + at}`));
  for (let round = 0; round < 4; round++) {
    const candidates = batch(round * 1_024);
    chosen(state, round, { candidates, strategy: 'random' });
    if (round < 1) for (const { node } of candidates) begin(state, round, node);
  }
  const extra = Array.from({ length: 20 }, (_, at) => candidate(`x${at}`));
  chosen(state, 4, { candidates: extra, strategy: 'random' });
  assert.equal(state.memories.size, balancerLimits.nodesMax);
  assert.ok(extra.every(({ node }) => state.memories.has(node)) && state.memories.has('m0'));
  // Nothing is remembered of who has been gone for long.
  const call2 = begin(state, 4, 'x0');
  end(state, balancerDefaults.rememberMs + 10, call2, 'ok');
  assert.equal(state.memories.size, 1_024);
  const full = balancer();
  for (let round = 0; round < 4; round++) {
    const candidates = batch(round * 1_024);
    chosen(full, round, { candidates, strategy: 'random' });
    for (const { node } of candidates) begin(full, round, node);
  }
  assert.equal(chosen(full, 5, { candidates: [candidate('late')], strategy: 'random' }), 'TOO_MANY_NODES');
});

test('the same seed and the same questions give the same choices', () => {
  const run = (seed: number): string =>
    strategyNames
      .flatMap((strategy) => {
        const state = balancer(seed);
        return Array.from({ length: 50 }, (_, at) => {
          const node = chosen(state, at, { candidates: crowd(6), strategy, key: `k${at}` });
          call(state, at, node, (at * 13) % 40, at % 7 === 0 ? 'failed' : 'ok');
          return node;
        });
      })
      .join(' ');
  assert.equal(run(5), run(5));
  assert.notEqual(run(5), run(6));
});

test('whatever happens, a choice is one of those that may be chosen, and there is one if there can be', () => {
  const someone = fc.record({
    breaker: fc.constantFrom('closed' as const, 'closed' as const, 'open' as const, 'half-open' as const),
    probes: fc.integer({ min: 0, max: 2 }),
    weight: fc.constantFrom(0, 0.5, 1, 10),
    cost: fc.constantFrom(null, 0, 1, 2),
    load: fc.constantFrom(null, 0, 0.5, 0.9, 1),
    zone: fc.constantFrom(null, 'a', 'b'),
    region: fc.constantFrom(null, 'r', 'q'),
  });
  const turn = fc.record({
    others: fc.array(fc.option(someone), { minLength: 1, maxLength: 7 }),
    excluded: fc.subarray(['n0', 'n1', 'n2', 'n3']),
    strategy: fc.constantFrom(...strategyNames),
    passedMs: fc.constantFrom(0, 0, 1, 100, 6_000, -50, 700_000),
    tookMs: fc.constantFrom(0, 1, 50, 5_000),
    outcome: fc.constantFrom(
      'ok' as const,
      'ok' as const,
      'failed' as const,
      'refused' as const,
      'unreachable' as const,
      'ignored' as const,
      null,
    ),
  });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), fc.integer(), (turns, seed) => {
      const state = balancer(seed);
      const open: ReturnType<typeof begin>[] = [];
      let nowMs = 0;
      for (const { others, excluded, strategy, passedMs, tookMs, outcome } of turns) {
        nowMs += passedMs;
        const candidates = others.flatMap((more, at) => (more === null ? [] : [candidate(`n${at}`, more)]));
        const choice = choose(state, nowMs, { candidates, strategy, key: 'k', excluded: new Set(excluded) });
        const may = candidates.filter(
          ({ node, breaker, probes }) =>
            !excluded.includes(node) && (breaker === 'closed' || (breaker === 'half-open' && probes > 0)),
        );
        assert.equal(choice.ok, may.length > 0);
        if (!choice.ok) continue;
        const one = may.find(({ node }) => node === choice.node);
        assert.ok(one !== undefined);
        assert.equal(choice.probe, one.breaker === 'half-open');
        const begun = begin(state, nowMs, choice.node);
        if (outcome === null) open.push(begun);
        else end(state, nowMs + tookMs, begun, outcome);
      }
      const underWay = balancerView(state, nowMs).reduce((sum, { inflight }) => sum + inflight, 0);
      assert.equal(underWay, open.length);
    }),
    { numRuns: 300 },
  );
});

test('a list that is given again is answered as one that is new', () => {
  const turn = fc.record({
    list: fc.integer({ min: 0, max: 2 }),
    excluded: fc.option(fc.subarray(['n0', 'n1', 'n2'])),
    strategy: fc.constantFrom(...strategyNames),
    passedMs: fc.constantFrom(0, 10, 3_000, 700_000),
    outcome: fc.constantFrom('ok' as const, 'failed' as const, 'unreachable' as const),
  });
  const lists = [
    crowd(4),
    crowd(6),
    crowd(5, (at) => ({ breaker: at === 1 ? 'open' : 'closed', weight: at % 3, load: at / 5 })),
  ];
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), fc.integer(), (turns, seed) => {
      const [kept, fresh] = [balancer(seed), balancer(seed)];
      let nowMs = 0;
      for (const { list, excluded, strategy, passedMs, outcome } of turns) {
        nowMs += passedMs;
        const more = { strategy, key: `k${nowMs}`, ...(excluded === null ? {} : { excluded: new Set(excluded) }) };
        const node = chosen(kept, nowMs, { candidates: lists[list]!, ...more });
        assert.equal(chosen(fresh, nowMs, { candidates: [...lists[list]!], ...more }), node);
        assert.deepEqual(call(kept, nowMs, node, 5, outcome), call(fresh, nowMs, node, 5, outcome));
      }
    }),
    { numRuns: 200 },
  );
});
