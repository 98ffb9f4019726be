import assert from 'node:assert/strict';
import test from 'node:test';
import { type BalanceOptions, createBalance, type LedGroup, nextHandover } from '../../../machines/entity/balance.ts';
import { formHosted, lacks, parseHosted } from '../../../machines/entity/hosted.ts';

const options: BalanceOptions = {
  ...{ isOn: true, everyMs: 10, graceMs: 100, settleMs: 50, pauseMs: 20, restMs: 500 },
};
const led = (group: string, preferred: string | null, more: Partial<LedGroup> = {}): LedGroup => ({
  ...{ group, preferred, leadsSinceMs: 0, isReady: true, isUrgent: false, ...more },
});

/** What is handed over when, over so long a time. */
const run = (look: (nowMs: number) => readonly LedGroup[], forMs: number, given = options): string[] => {
  const state = createBalance(0);
  const handed: string[] = [];
  for (let nowMs = 0; nowMs <= forMs; nowMs += given.everyMs) {
    const next = nextHandover(state, given, nowMs, look(nowMs));
    if (next !== null) handed.push(`${nowMs} ${next.group}→${next.to}`);
  }
  return handed;
};

test('not at first, then one after the other, and each once', () => {
  const groups = [led('a', 'n2'), led('b', 'n3'), led('c', null)];
  assert.deepEqual(
    run(() => groups, 300),
    ['100 a→n2', '120 b→n3'],
  );
});

test('who was preferred for a moment only gets nothing', () => {
  assert.deepEqual(
    run((nowMs) => [led('a', nowMs % 60 < 30 ? 'n2' : 'n3')], 1_000),
    [],
  );
});

test('a group that its node leads since a moment, or that is not ready, waits; one that was handed over rests', () => {
  assert.deepEqual(
    run((nowMs) => [led('a', 'n2', { leadsSinceMs: 200, isReady: nowMs > 400 })], 800),
    ['410 a→n2'],
  );
  assert.deepEqual(
    run(() => [led('a', 'n2')], 700),
    ['100 a→n2', '600 a→n2'],
  );
});

test('who cannot serve all of a group hands it to who can without waiting', () => {
  assert.deepEqual(
    run(() => [led('a', 'n2', { isUrgent: true, leadsSinceMs: 450 }), led('b', 'n2')], 520),
    ['100 b→n2', '500 a→n2'],
  );
});

test('switched off it only looks on', () => {
  assert.deepEqual(
    run(() => [led('a', 'n2')], 700, { ...options, isOn: false }),
    [],
  );
});

test('what a node hosts is told and read, and anything else is refused', () => {
  const hosted = new Map([
    ['cart', { oldest: 1, newest: 2 }],
    ['room', { oldest: 3, newest: 3 }],
  ]);
  assert.deepEqual(parseHosted(formHosted(hosted)), hosted);
  assert.deepEqual(parseHosted([]), new Map());
  const cart = ['cart', 1, 1];
  for (const body of [
    null,
    'x',
    [['cart', 1]],
    [['cart', 0, 1]],
    [['Cart', 1, 1]],
    [['cart', 1, 1.5]],
    [['cart', 2, 1]],
    [cart, cart],
  ])
    assert.equal(parseHosted(body), null, JSON.stringify(body));
  assert.equal(parseHosted(Array.from({ length: 1_025 }, (_, at) => [`t${at}`, 1, 1])), null);
});

test('a node lacks what it does not host, and what it cannot read', () => {
  const hosted = new Map([['cart', { oldest: 2, newest: 3 }]]);
  const holding = (oldest: number, newest: number) => new Map([['cart', { oldest, newest }]]);
  assert.equal(lacks(hosted, ['cart'], new Map()), 0);
  assert.equal(lacks(hosted, ['cart', 'room'], holding(2, 3)), 1);
  assert.deepEqual(
    [holding(2, 2), holding(3, 3), holding(1, 2), holding(3, 4)].map((of) => lacks(hosted, ['cart'], of)),
    [0, 0, 1, 1],
  );
});
