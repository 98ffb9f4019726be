// The breakers of a node: no more than there may be, and who goes first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  admit,
  type Breakers,
  breakerDefaults,
  breakerOf,
  command,
  createBreakers,
  giveUp,
  refused,
  settle,
} from '../../../machines/breaker/index.ts';

const tableOf = (breakersMax: number): Breakers => createBreakers({ options: breakerDefaults, seed: 1, breakersMax });
const fail = (breakers: Breakers, name: string, nowMs: number, times: number): void => {
  const breaker = breakerOf(breakers, name, nowMs);
  for (let n = 0; n < times; n++) {
    const ticket = admit(breaker, nowMs, []);
    // Of one that is open already nothing is to be settled.
    if (ticket !== refused) settle(breaker, nowMs, ticket, 'failure', 1, []);
  }
};

test('the same name has the same breaker, another has another', () => {
  const breakers = tableOf(10);
  fail(breakers, 'a', 0, 5);
  assert.equal(breakerOf(breakers, 'a', 1).status, 'open');
  assert.equal(breakerOf(breakers, 'b', 1).status, 'closed');
});

test('when there are too many, who remembers nothing goes, then who failed a little, then who is open, and never who is forced', () => {
  const breakers = tableOf(4);
  command(breakerOf(breakers, 'forced', 0), 0, 'open', []);
  fail(breakers, 'open', 1, 5);
  fail(breakers, 'failed', 2, 1);
  breakerOf(breakers, 'fresh', 3);
  const goes = (name: string, nowMs: number): string[] => {
    const before = [...breakers.of.keys()];
    fail(breakers, name, nowMs, 5);
    return before.filter((one) => !breakers.of.has(one));
  };
  assert.deepEqual(goes('x', 4), ['fresh']);
  assert.deepEqual(goes('y', 5), ['failed']);
  assert.deepEqual(goes('z', 6), ['open'], 'of several that are open, the one that was used least recently');
  assert.deepEqual(goes('w', 7), ['x']);
  assert.deepEqual([...breakers.of.keys()].sort(), ['forced', 'w', 'y', 'z']);
});

test('of several that are alike, the one that was used least recently goes, not the oldest', () => {
  const breakers = tableOf(3);
  for (const [nowMs, name] of ['a', 'b', 'c', 'a'].entries()) fail(breakers, name, nowMs, 1);
  breakerOf(breakers, 'd', 4);
  assert.deepEqual([...breakers.of.keys()].sort(), ['a', 'c', 'd']);
});

test('whoever can be given up is found behind any number of forced ones', () => {
  const breakers = tableOf(200);
  for (let n = 0; n < 199; n++) command(breakerOf(breakers, `forced${n}`, 0), 0, 'open', []);
  fail(breakers, 'failed', 1, 1);
  breakerOf(breakers, 'new', 2);
  assert.deepEqual([breakers.of.size, breakers.of.has('failed'), breakers.of.has('new')], [200, false, true]);
});

test('if all are forced there is no room, and it says so', () => {
  const breakers = tableOf(2);
  for (const name of ['a', 'b']) command(breakerOf(breakers, name, 0), 0, 'close', []);
  assert.throws(() => breakerOf(breakers, 'c', 0), { code: 'OVERLOADED', message: /all 2 are forced/ });
  assert.equal(breakerOf(breakers, 'a', 0).status, 'forced-closed');
});

test('never more than there may be, and as long as there are others, who is forced or open stays', () => {
  const twice: [number, 5][] = [
    [5, 5],
    [5, 5],
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(300), fc.constantFrom(0, 0, 0, 1, 5)), { maxLength: 400 }), (uses) => {
      const breakers = tableOf(100);
      const precious = Array.from({ length: 30 }, (_, n) => `precious${n}`);
      for (const [n, name] of precious.entries())
        if (n % 2 === 0) fail(breakers, name, 0, 5);
        else command(breakerOf(breakers, name, 0), 0, 'open', []);
      for (const [at, [n, failures]] of uses.entries()) {
        if (failures > 0 && n < 20) fail(breakers, `some${n}`, at, failures);
        else breakerOf(breakers, `some${n}`, at);
        assert.ok(breakers.of.size <= 100);
      }
      for (const name of precious) assert.notEqual(breakers.of.get(name)?.status ?? 'gone', 'gone', name);
    }),
    { numRuns: 60, seed: 62, examples: [[twice]] },
  );
});

test('what a breaker admitted that was given up since is late to the one that took its place', () => {
  const breakers = tableOf(10);
  const first = breakerOf(breakers, 'a', 0);
  const early = admit(first, 0, []);
  fail(breakers, 'a', 0, 5);
  const probe = admit(first, first.untilMs, []);
  giveUp(breakers, 'a');
  giveUp(breakers, 'nobody');
  const second = breakerOf(breakers, 'a', first.nowMs);
  for (const ticket of [early, probe]) settle(second, first.nowMs, ticket, 'failure', 1, []);
  assert.deepEqual([second.counts.late, second.counts.failed], [2, 0]);
  assert.ok(admit(second, first.nowMs, []) > probe);
});

test('how many there may be is checked', () => {
  for (const breakersMax of [0, 1.5, 100_001, Number.NaN])
    assert.throws(() => tableOf(breakersMax), { code: 'INVALID_REQUEST', message: /breakersMax/ });
});
