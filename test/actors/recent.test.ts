// What is remembered of the keyspace is always the last that was set, and bounded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRecentRecords } from '../../actors/recent.ts';
import { nextBetween, randomFrom } from '../../machines/random.ts';

const record = (byte: number): Uint8Array => new Uint8Array([byte]);

test('what is known is what was set last, whatever is forgotten', () => {
  const recent = createRecentRecords(10_000);
  const truth = new Map<string, number | null>();
  const random = randomFrom(7);
  let known = 0;
  for (let round = 0; round < 20_000; round++) {
    const name = `k${nextBetween(random, 0, 200)}`;
    const chance = nextBetween(random, 0, 10);
    if (chance < 4) {
      const byte = chance === 0 ? null : nextBetween(random, 0, 256);
      truth.set(name, byte);
      recent.set(name, byte === null ? null : record(byte));
    } else if (chance < 9) {
      const found = recent.get(name);
      if (found === undefined) continue;
      known++;
      assert.deepEqual(found, truth.get(name) === null ? null : record(truth.get(name) as number));
    } else recent.age();
  }
  assert.ok(known > 1_000);
});

test('until it may age, everything set is kept', () => {
  const recent = createRecentRecords(1_000);
  for (let at = 0; at < 100; at++) recent.set(`k${at}`, record(at));
  for (let at = 0; at < 100; at++) assert.deepEqual(recent.get(`k${at}`), record(at));
});

test('it keeps no more than its bytes, and what is used', () => {
  const recent = createRecentRecords(100_000);
  recent.set('used', record(1));
  for (let at = 0; at < 10_000; at++) {
    recent.set(`k${at}`, record(2));
    recent.age();
    assert.deepEqual(recent.get('used'), record(1));
  }
  let kept = 0;
  for (let at = 0; at < 10_000; at++) if (recent.get(`k${at}`) !== undefined) kept++;
  assert.ok(kept > 100 && kept <= 500, `${kept} are kept`);
});

test('what is promoted keeps nothing else alive', () => {
  const recent = createRecentRecords(400);
  const large = new Uint8Array(100_000);
  recent.set('k', large.subarray(0, 1));
  recent.age();
  recent.set('other', null);
  recent.age();
  recent.get('k');
  assert.notEqual(recent.get('k')?.buffer, large.buffer);
});

test('a new keyspace is not mistaken for the old one', () => {
  const recent = createRecentRecords(400);
  recent.set('k', record(1));
  recent.age();
  recent.set('other', record(2));
  recent.clear();
  assert.equal(recent.get('k'), undefined);
  assert.equal(recent.get('other'), undefined);
});
