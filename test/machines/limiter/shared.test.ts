// What nodes that share limits tell each other: everything once, whatever of it is lost on the way; and never more than so many names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createLimiter,
  createTeller,
  drain,
  formTelling,
  gather,
  isIdle,
  type Limiter,
  limiterDefaults,
  newsOf,
  parseTelling,
  remaining,
  restMs,
  sharedLimits,
  type Teller,
  type Telling,
  take,
} from '../../../machines/limiter/index.ts';
import { unfitValue } from '../../../machines/replicator/plain.ts';
import { rpcLimits } from '../../../machines/rpc/limits.ts';

const { windowMs, namesMax, waitingMax, nameCharsMax } = sharedLimits;
const sharing = (): Limiter =>
  createLimiter({
    options: { ...limiterDefaults, principal: { tokens: 1, periodMs: 3_600_000, burst: 100_000 } },
    ...{ nowMs: 0, isShared: true },
  });

/** A copy, by way of the wire. */
const toldBy = (teller: Teller): Telling => {
  const telling = parseTelling(structuredClone(formTelling(teller)));
  assert.ok(telling !== null);
  return telling;
};
const newsBetween = (known: Telling | null, told: Telling): Record<string, number> => {
  const news: Record<string, number> = {};
  newsOf(known, told, (kind, name, tokens) => {
    news[`${kind} ${name}`] = (news[`${kind} ${name}`] ?? 0) + tokens;
  });
  return news;
};
const spend = (limiter: Limiter, name: string, cost: number): void => assert.equal(take(limiter, 0, null, name, cost), null);

test('what was let through is told by name, of nodes and principals; what was refused, or heard from others, is not', () => {
  const limiter = createLimiter({ options: limiterDefaults, nowMs: 0, isShared: true });
  const teller = createTeller(1, 0);
  assert.equal(gather(teller, limiter.spent!, 0), false);
  assert.equal(take(limiter, 0, 'n1', 'ada', 40), null);
  assert.equal(take(limiter, 0, null, 'ada', 10), null);
  assert.equal(take(limiter, 0, 'n2', 'ada')?.by, 'principal');
  drain(limiter, 0, 'principal', 'bob', 5);
  assert.equal(gather(teller, limiter.spent!, 0), true);
  assert.deepEqual(formTelling(teller), [1, 0, ['n1', 40], [], ['ada', 50], []]);
  assert.equal(gather(teller, limiter.spent!, 1), false, 'nothing is new');
  assert.equal(createLimiter({ options: limiterDefaults, nowMs: 0 }).spent, null);
});

test('a limit that is off is nothing to be told', () => {
  const limiter = createLimiter({ options: { ...limiterDefaults, node: null }, nowMs: 0, isShared: true });
  const teller = createTeller(1, 0);
  assert.equal(take(limiter, 0, 'n1', null), null);
  assert.equal(gather(teller, limiter.spent!, 0), false);
});

test('who hears it has it missing; a second time changes nothing', () => {
  const [here, there] = [sharing(), sharing()];
  const teller = createTeller(1, 0);
  spend(here, 'ada', 30);
  gather(teller, here.spent!, 0);
  const first = toldBy(teller);
  spend(here, 'ada', 20);
  gather(teller, here.spent!, 500);
  const second = toldBy(teller);
  for (const [known, told] of [
    [null, first],
    [first, second],
    [second, second],
  ] as const)
    newsOf(known, told, (kind, name, tokens) => drain(there, 0, kind, name, tokens));
  assert.equal(remaining(there, 0, 'principal', 'ada'), 100_000 - 50);
});

test('old windows are forgotten; another start of the node, or a long time without a word, brings two windows at most', () => {
  const limiter = sharing();
  const teller = createTeller(1, 0);
  spend(limiter, 'ada', 1);
  gather(teller, limiter.spent!, 0);
  const first = toldBy(teller);
  spend(limiter, 'ada', 2);
  gather(teller, limiter.spent!, windowMs);
  const second = toldBy(teller);
  assert.deepEqual(newsBetween(first, second), { 'principal ada': 2 });
  assert.deepEqual(newsBetween(second, first), {}, 'what was said before is no news');
  spend(limiter, 'ada', 4);
  gather(teller, limiter.spent!, 2 * windowMs);
  assert.deepEqual(newsBetween(first, toldBy(teller)), { 'principal ada': 6 });
  assert.deepEqual(newsBetween(null, toldBy(teller)), { 'principal ada': 6 });
  gather(teller, limiter.spent!, 4 * windowMs);
  assert.ok(isIdle(teller));
  const anew = createTeller(2, 0);
  spend(limiter, 'ada', 8);
  gather(anew, limiter.spent!, 0);
  assert.deepEqual(newsBetween(second, toldBy(anew)), { 'principal ada': 8 });
});

test('a teller that begins anew in the same start of the node goes on with its windows', () => {
  const limiter = sharing();
  const teller = createTeller(1, 25_000);
  assert.deepEqual([teller.window, teller.sinceMs], [2, 20_000]);
  spend(limiter, 'ada', 3);
  gather(teller, limiter.spent!, 29_000);
  const first = toldBy(teller);
  const anew = createTeller(1, 31_000);
  spend(limiter, 'ada', 2);
  gather(anew, limiter.spent!, 31_500);
  assert.deepEqual(newsBetween(first, toldBy(anew)), { 'principal ada': 2 });
});

test('of too many names those who spent most are told, and what is not told is counted', () => {
  const limiter = sharing();
  const teller = createTeller(1, 0);
  spend(limiter, 'ada', 5);
  gather(teller, limiter.spent!, 0);
  for (let n = 0; n < 2 * namesMax; n++) spend(limiter, `crowd-${n}`, 1);
  spend(limiter, 'bob', 7);
  gather(teller, limiter.spent!, 500);
  const { now } = toldBy(teller).principal;
  assert.equal(now.size, namesMax);
  assert.deepEqual([now.get('ada'), now.get('bob')], [5, 7]);
  assert.equal(limiter.spent!.untold, 2 * namesMax + 2 - namesMax);
  assert.equal(restMs(teller), 500 + 2 * namesMax);
});

test('a name that others took the place of is counted from nothing when it comes again', () => {
  const limiter = sharing();
  const teller = createTeller(1, 0);
  spend(limiter, 'ada', 1);
  gather(teller, limiter.spent!, 0);
  const first = toldBy(teller);
  for (let n = 0; n < namesMax; n++) spend(limiter, `more-${n}`, 2);
  gather(teller, limiter.spent!, 500);
  const second = toldBy(teller);
  assert.equal(second.principal.now.has('ada'), false);
  spend(limiter, 'ada', 9);
  gather(teller, limiter.spent!, 1_000);
  assert.equal(newsBetween(second, toldBy(teller))['principal ada'], 9);
  assert.equal(newsBetween(first, toldBy(teller))['principal ada'], 8, 'who missed a telling hears a little less');
  const most = parseTelling([1, 0, [], [], ['ada', 10], []]);
  assert.equal(newsBetween(most, toldBy(teller))['principal ada'], 9, 'less than before: all of it is new');
});

test('names without end between two tellings, names that cannot be told', () => {
  const limiter = createLimiter({ options: { ...limiterDefaults, principalsMax: 2 * waitingMax }, nowMs: 0, isShared: true });
  for (let n = 0; n < waitingMax + 10; n++) spend(limiter, `n${n}`, 1);
  assert.equal(limiter.spent!.principal!.size, waitingMax);
  assert.equal(limiter.spent!.untold, 10);
  const unfit = sharing();
  const teller = createTeller(1, 0);
  spend(unfit, '\ud800', 1);
  spend(unfit, 'x'.repeat(nameCharsMax + 1), 1);
  gather(teller, unfit.spent!, 0);
  assert.deepEqual(formTelling(teller), [1, 0, [], [], [], []]);
  assert.equal(unfit.spent!.untold, 2);
});

test('the longest telling is what a replicated map takes, and is taken for one', () => {
  assert.ok(nameCharsMax >= rpcLimits.principalCharsMax);
  const limiter = createLimiter({ options: limiterDefaults, nowMs: 0, isShared: true });
  const teller = createTeller(Number.MAX_SAFE_INTEGER, 0);
  for (const nowMs of [0, windowMs]) {
    for (let n = 0; n < namesMax; n++) {
      const name = `${n}`.padEnd(nameCharsMax, '\u20ac');
      assert.equal(take(limiter, nowMs, name, name), null);
    }
    gather(teller, limiter.spent!, nowMs);
  }
  assert.equal(unfitValue(formTelling(teller)), null);
  assert.equal(toldBy(teller).principal.before.size, namesMax);
});

test('what is no telling is taken for none', () => {
  const good = [1, 0, ['n1', 1], [], [], []];
  assert.ok(parseTelling(good) !== null);
  const many = Array.from({ length: namesMax + 1 }, (_, n) => [`n${n}`, 1]).flat();
  for (const bad of [
    ...[null, 5, 'told', {}, [], good.slice(0, 5), [...good, []], [-1, ...good.slice(1)], [1, 0.5, ...good.slice(2)]],
    ...[
      ['n1'],
      ['n1', 0],
      ['n1', -1],
      ['n1', 1.5],
      ['n1', 2 ** 50],
      [1, 'n1'],
      ['x'.repeat(nameCharsMax + 1), 1],
      many,
      'n1',
      null,
    ].map((tokens) => [1, 0, tokens, [], [], []]),
  ])
    assert.equal(parseTelling(bad), null, JSON.stringify(bad)?.slice(0, 80));
});

test('whatever is lost on the way: all of it is heard once, if one telling of each window is, and never more', () => {
  const step = fc.record({
    name: fc.constantFrom('ada', 'bob', 'eve'),
    cost: fc.integer({ min: 1, max: 9 }),
    passMs: fc.constantFrom(0, 100, 2_000, 4_000),
    isLost: fc.boolean(),
  });
  const law = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const limiter = sharing();
    const teller = createTeller(3, 0);
    const spent = new Map<string, number>();
    const heard = new Map<string, number>();
    let known = null as Telling | null;
    let nowMs = 0;
    const hear = (): void => {
      const told = toldBy(teller);
      newsOf(known, told, (_kind, name, tokens) => heard.set(name, (heard.get(name) ?? 0) + tokens));
      known = told;
    };
    for (const { name, cost, passMs, isLost } of steps) {
      nowMs += passMs;
      spend(limiter, name, cost);
      spent.set(name, (spent.get(name) ?? 0) + cost);
      const window = teller.window;
      const last = known?.window ?? 0;
      if (gather(teller, limiter.spent!, nowMs) && (!isLost || teller.window > last + 1 || window !== teller.window)) hear();
      for (const [one, tokens] of heard) assert.ok(tokens <= spent.get(one)!);
    }
    hear();
    assert.deepEqual([...heard].sort(), [...spent].sort());
  });
  fc.assert(law, { numRuns: 200 });
});
