// Every strategy keeps what its page promises: exactly where it can be exact, by tallies over fixed seeds where it is chance.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { balancerView, begin, type Candidate, choose, end } from '../../../machines/balancer/index.ts';
import { balancer, call, candidate, chosen, crowd, runWorld, tally } from './stage.ts';

const near = (actual: number | undefined, expected: number, by: number, what: string): void =>
  assert.ok(Math.abs((actual ?? 0) - expected) <= by, `${what}: ${actual}, expected ${expected} ± ${by}`);

test('random: everybody alike', () => {
  const counts = tally(balancer(), { candidates: crowd(5), strategy: 'random' }, 10_000);
  for (const [node, count] of counts) near(count, 2_000, 200, node);
});

test('round-robin: each in turn, whoever comes and goes; callers do not begin with the same node', () => {
  const state = balancer();
  const candidates = crowd(5);
  for (const count of tally(state, { candidates, strategy: 'round-robin' }, 50).values()) assert.equal(count, 10);
  const without = candidates.slice(1);
  for (const count of tally(state, { candidates: without, strategy: 'round-robin' }, 40).values()) assert.equal(count, 10);
  // Who is new waits until everybody else had a turn, and then has one like them; who is back is next, once.
  const grown = [...candidates, candidate('new')];
  const first = Array.from({ length: 12 }, () => chosen(state, 0, { candidates: grown, strategy: 'round-robin' }));
  assert.deepEqual([first[0], first[5]], ['n0', 'new']);
  assert.deepEqual(first.slice(6), first.slice(0, 6));
  const firsts = new Map<string, number>();
  for (let seed = 0; seed < 200; seed++) {
    const node = chosen(balancer(seed), 0, { candidates, strategy: 'round-robin' });
    firsts.set(node, (firsts.get(node) ?? 0) + 1);
  }
  for (const { node } of candidates) near(firsts.get(node), 40, 28, `${node} first`);
});

test('weighted round-robin: never more than two calls off its share, for any weights, at any time', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(weights, fc.integer(), (given, seed) => {
      const state = balancer(seed);
      const candidates = crowd(given.length, (at) => ({ weight: given[at]! }));
      const total = given.reduce((sum, weight) => sum + weight, 0);
      const counts = new Map<string, number>();
      for (let calls = 1; calls <= 120; calls++) {
        const node = chosen(state, 0, { candidates, strategy: 'weighted-round-robin' });
        counts.set(node, (counts.get(node) ?? 0) + 1);
        for (const [at, { node: one }] of candidates.entries()) {
          const share = (calls * given[at]!) / total;
          assert.ok(Math.abs((counts.get(one) ?? 0) - share) <= 2, `${one}: ${counts.get(one)} of ${share} after ${calls}`);
        }
      }
    }),
    { numRuns: 60 },
  );
  // Not in bursts: of weights 5, 1, 1 never more than four in a row, and no two of the light ones.
  const candidates = [candidate('a', { weight: 5 }), candidate('b'), candidate('c')];
  const state = balancer();
  const order = Array.from({ length: 70 }, () => chosen(state, 0, { candidates, strategy: 'weighted-round-robin' })).join('');
  assert.ok(!order.includes('aaaaa') && !/bb|cc/.test(order), order);
});

test('who has no weight gets nothing while anybody else can, and everything when nobody can', () => {
  const candidates = [candidate('drained', { weight: 0 }), candidate('open', { breaker: 'open' }), candidate('works')];
  for (const strategy of ['random', 'weighted-round-robin', 'sticky', 'least-loaded'] as const) {
    assert.equal(tally(balancer(), { candidates, strategy, key: 'k' }, 20).get('works'), 20);
    const rest = { candidates: candidates.slice(0, 2), strategy, key: 'k' };
    assert.equal(tally(balancer(), rest, 20).get('drained'), 20);
  }
});

test('least-loaded: calls under way for its weight, and its load where both are known', () => {
  const state = balancer();
  const candidates = [candidate('a'), candidate('b')];
  const ask = { candidates, strategy: 'least-loaded' } as const;
  chosen(state, 0, ask);
  const begun = begin(state, 0, 'a');
  assert.equal(tally(state, ask, 50).get('b'), 50);
  const strong = { candidates: [candidate('a', { weight: 4 }), candidate('b')], strategy: 'least-loaded' } as const;
  assert.equal(tally(state, strong, 50).get('a'), 50);
  end(state, 1, begun, 'ok');
  const loads = (a: number | null, b: number | null): Map<string, number> =>
    tally(state, { candidates: [candidate('a', { load: a }), candidate('b', { load: b })], strategy: 'least-loaded' }, 400);
  assert.equal(loads(0.9, 0.2).get('b'), 400);
  // Unknown is neither idle nor busy.
  near(loads(0.9, null).get('a'), 200, 60, 'a against an unknown one');
  near(loads(0, null).get('a'), 200, 60, 'a against an unknown one');
});

test('latency: rises at once, falls with time; an error that came quickly makes nobody look quick', () => {
  const state = balancer();
  const candidates = crowd(2);
  const ask = { candidates, strategy: 'latency' } as const;
  const measured = (nowMs: number, at = 0): number => balancerView(state, nowMs)[at]!.latencyMs!;
  chosen(state, 0, ask);
  for (let at = 0; at < 50; at++) for (const { node } of candidates) call(state, 10 * at, node, 10);
  call(state, 1_000, 'n0', 500);
  assert.equal(measured(1_500), 500);
  assert.equal(tally(state, ask, 50, 1_500).get('n1'), 50);
  // 10 ms again: that is believed only slowly, in calls as in silence.
  call(state, 1_500, 'n0', 10);
  assert.ok(measured(1_510) > 490);
  assert.ok(measured(11_510) > 150 && measured(11_510) < 250);
  assert.ok(measured(61_510) < 20, 'what is old is worth nothing');
  const before = measured(61_510, 1);
  for (let at = 0; at < 20; at++) call(state, 61_510, 'n1', 1, 'failed');
  assert.ok(measured(61_511, 1) >= 2 * before && measured(61_511, 1) <= 1_000, `${measured(61_511, 1)} of ${before}`);
  for (let at = 0; at < 20; at++) call(state, 200_000, 'n1', 1, 'refused');
  assert.ok(measured(200_001, 1) > 100, 'too busy is not quick either');
  const cancelled = measured(300_000);
  call(state, 300_000, 'n0', 1, 'ignored');
  assert.ok(Math.abs(measured(300_001) - cancelled) < 0.1);
  call(state, 300_001, 'n0', 700, 'ignored');
  assert.equal(measured(300_701), 700, 'it took at least so long');
});

test('latency: an unmeasured node is neither favoured nor starved; one that hangs gets no more', () => {
  let early = 0;
  for (let seed = 0; seed < 40; seed++) {
    const state = balancer(seed);
    const known = crowd(4);
    chosen(state, 0, { candidates: known, strategy: 'latency' });
    for (let at = 0; at < 40; at++)
      for (const { node } of known) call(state, at, node, 8 + ((at * 7 + node.charCodeAt(1)) % 5));
    const ask = { candidates: [...known, candidate('new')], strategy: 'latency' } as const;
    const calls: ReturnType<typeof begin>[] = [];
    // Nothing ends: by calls under way alone everybody gets the same.
    for (let at = 0; at < 25; at++) calls.push(begin(state, 50, chosen(state, 50, ask)));
    early += calls.filter(({ memory }) => memory.node === 'new').length;
  }
  // 40 × 25 / 5 = 200.
  near(early, 200, 60, 'calls to the new one before it was measured');
  const state = balancer();
  const ask = { candidates: crowd(3), strategy: 'latency' } as const;
  let hanging = 0;
  for (let at = 0; at < 300; at++) {
    const node = chosen(state, at, ask);
    if (node === 'n2') hanging += begin(state, at, node) ? 1 : 0;
    else call(state, at, node, 1);
  }
  assert.ok(hanging >= 1 && hanging <= 3, `${hanging} calls to one that never answers`);
});

test('sticky: the same at every caller; when a node goes only its keys move, when one comes it takes only its own', () => {
  const keys = Array.from({ length: 2_000 }, (_, at) => `user-${at}`);
  const placed = (candidates: readonly Candidate[], seed = 1): Map<string, string> => {
    const state = balancer(seed);
    return new Map(keys.map((key) => [key, chosen(state, 0, { candidates, strategy: 'sticky', key })]));
  };
  const ten = crowd(10);
  const before = placed(ten);
  assert.deepEqual(placed([...ten].reverse(), 7), before);
  const counts = new Map<string, number>();
  for (const node of before.values()) counts.set(node, (counts.get(node) ?? 0) + 1);
  for (const { node } of ten) near(counts.get(node), 200, 60, node);
  const without = placed(ten.filter(({ node }) => node !== 'n3'));
  const moved = new Map<string, number>();
  for (const [key, node] of before) {
    if (node !== 'n3') assert.equal(without.get(key), node);
    else moved.set(without.get(key)!, (moved.get(without.get(key)!) ?? 0) + 1);
  }
  assert.equal(moved.size, 9);
  const grown = placed([...ten, candidate('n10')]);
  for (const [key, node] of grown) if (node !== 'n10') assert.equal(before.get(key), node);
  // Failover is the same as if the node were gone.
  const state = balancer();
  for (const key of keys.slice(0, 200))
    assert.equal(chosen(state, 0, { candidates: ten, strategy: 'sticky', key, excluded: new Set(['n3']) }), without.get(key));
});

test('sticky: by weight, and where keys lie is the same for ever', () => {
  const candidates = [candidate('a', { weight: 3 }), candidate('b', { weight: 1 })];
  const state = balancer();
  let heavy = 0;
  for (let at = 0; at < 4_000; at++) if (chosen(state, 0, { candidates, strategy: 'sticky', key: `k${at}` }) === 'a') heavy++;
  near(heavy, 3_000, 120, 'keys of three quarters');
  const lie = ['user-1', 'user-2', 'user-3', '', 'ключ', 'zzz'].map((key) =>
    chosen(state, 0, { candidates: crowd(5), strategy: 'sticky', key }),
  );
  assert.deepEqual(lie, ['n1', 'n2', 'n1', 'KEY_MISSING', 'n2', 'n2']);
});

test('cost: the cheapest while it has room, who names no price last', () => {
  const candidates = [candidate('dear', { cost: 5 }), candidate('cheap', { cost: 1, load: 0.5 }), candidate('unsaid')];
  assert.equal(tally(balancer(), { candidates, strategy: 'cost' }, 100).get('cheap'), 100);
  const busy = [candidates[0]!, candidate('cheap', { cost: 1, load: 1 }), candidates[2]!];
  assert.equal(tally(balancer(), { candidates: busy, strategy: 'cost' }, 100).get('dear'), 100);
  const half = [candidates[0]!, candidate('cheap', { cost: 1, load: 0.85 }), candidates[2]!];
  near(tally(balancer(), { candidates: half, strategy: 'cost' }, 1_000).get('cheap'), 700, 60, 'half its room, 1.4 times');
});

test('geographic: zone, then region, then anywhere; what the near ones lack goes on, by degrees', () => {
  const zones = ['a', 'a', 'a', 'a', 'b', 'b', 'c'];
  const at = (more: (at: number) => Partial<Candidate> = () => ({})): Candidate[] =>
    crowd(7, (one) => ({ zone: zones[one]!, region: one === 6 ? 'far' : 'r', ...more(one) }));
  const shares = (candidates: Candidate[]): [zone: number, region: number, far: number] => {
    const counts = tally(balancer(3), { candidates, strategy: 'geographic' }, 2_000);
    const of = (nodes: number[]): number => nodes.reduce((sum, one) => sum + (counts.get(`n${one}`) ?? 0), 0) / 2_000;
    return [of([0, 1, 2, 3]), of([4, 5]), of([6])];
  };
  assert.deepEqual(shares(at()), [1, 0, 0]);
  const oneGone = at((one) => (one === 0 ? { breaker: 'open' } : {}));
  assert.deepEqual(shares(oneGone), [1, 0, 0], 'three of four carry it');
  const halfGone = shares(at((one) => (one < 2 ? { breaker: 'open' } : {})));
  near(halfGone[0], 0.7, 0.04, 'half of the zone');
  near(halfGone[1], 0.3, 0.04, 'goes on to the region');
  const busy = shares(at((one) => ({ load: one < 4 ? 0.94 : 0.3 })));
  near(busy[0], 0.28, 0.04, 'a fifth of its room, 1.4 times');
  assert.equal(busy[2], 0);
  const allBusy = shares(at(() => ({ load: 1 })));
  assert.deepEqual(allBusy, [1, 0, 0], 'nobody has room: then near');
  assert.deepEqual(shares(at((one) => (one < 4 ? { breaker: 'open' } : {}))), [0, 1, 0]);
  assert.deepEqual(shares(at((one) => (one < 6 ? { breaker: 'open' } : {}))), [0, 0, 1]);
  // A zone of the same name elsewhere is far away.
  const namesake = [candidate('far', { zone: 'a', region: 'far' }), candidate('near', { zone: 'b', region: 'r' })];
  assert.equal(chosen(balancer(), 0, { candidates: namesake, strategy: 'geographic' }), 'near');
});

test('one of five is ten times slower: who measures leaves it nearly alone, who does not pays', () => {
  const nodes = crowd(5).map((one, at) => ({ candidate: one, serviceMs: at === 4 ? 100 : 10, workers: 4 }));
  const run = (strategy: Parameters<typeof runWorld>[0]['strategy']) =>
    runWorld({ seed: 1, strategy, nodes, callsPerSecond: 150, calls: 6_000 });
  const slow = (strategy: Parameters<typeof runWorld>[0]['strategy']): number => run(strategy).shares.get('n4') ?? 0;
  const byLatency = run('latency');
  const byTurn = run('round-robin');
  near(byLatency.shares.get('n4'), 0.005, 0.006, 'latency');
  near(slow('least-loaded'), 0.075, 0.025, 'least-loaded');
  near(byTurn.shares.get('n4'), 0.2, 0.001, 'round-robin');
  for (const strategy of ['random', 'sticky'] as const) near(slow(strategy), 0.2, 0.03, strategy);
  assert.ok(byLatency.p99Ms * 4 < byTurn.p99Ms, `p99 ${byLatency.p99Ms} and ${byTurn.p99Ms} ms`);
});

test('a node that was slow and is well again has its share back', () => {
  const state = balancer();
  const candidates = crowd(4);
  const ask = { candidates, strategy: 'latency' } as const;
  let late = 0;
  for (let at = 0; at < 8_000; at++) {
    const nowMs = at * 10;
    const choice = choose(state, nowMs, ask);
    assert.ok(choice.ok);
    if (nowMs >= 70_000 && choice.node === 'n0') late++;
    call(state, nowMs, choice.node, choice.node === 'n0' && nowMs < 10_000 ? 100 : 8 + (at % 5));
  }
  near(late, 250, 125, 'of the last thousand');
});
