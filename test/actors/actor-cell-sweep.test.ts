// One timer looks at all: nobody is forgotten, nobody is late by more than an eighth of his time, and a hundred thousand make no pause.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Idler, Sweep, sweepLimits } from '../../actors/actor-cell-sweep.ts';
import { createHandClock } from './hand-clock.ts';

const host = () => {
  const clock = createHandClock();
  const all = new Set<Idler>();
  const delays: number[] = [];
  const { after } = clock;
  clock.after = (ms, wake) => {
    delays.push(ms);
    return after(ms, wake);
  };
  const sweep = new Sweep(clock, () => all);
  const add = (idleMsMax: number | null): number[] => {
    const looks: number[] = [];
    const idler = { idleMsMax, look: (nowMs: number) => void looks.push(nowMs) };
    all.add(idler);
    sweep.watch(idler);
    return looks;
  };
  return { clock, all, sweep, add, delays };
};

test('who wants to be looked at soonest decides how often', () => {
  const { clock, add } = host();
  const slow = add(80_000);
  const never = add(null);
  clock.pass(5_000);
  const fast = add(8_000);
  clock.pass(3_500);
  assert.deepEqual([slow, fast, never], [[6_000, 7_000, 8_000], [6_000, 7_000, 8_000], []]);
});

test('where nobody leaves there is no timer, nor after the last one has left', () => {
  const { clock, all, add, delays } = host();
  add(null);
  assert.deepEqual(delays, []);
  add(4_000);
  all.clear();
  clock.pass(60_000);
  assert.deepEqual(delays, [500]);
  const again = add(4_000);
  clock.pass(500);
  assert.equal(again.length, 1);
});

test('many are looked at in parts, with a turn of the event loop in between', () => {
  const { clock, add, delays } = host();
  const looks = Array.from({ length: 2 * sweepLimits.atOnce + 1 }, () => add(8_000));
  clock.pass(1_000);
  assert.ok(looks.every((one) => one.length === 1));
  assert.deepEqual(delays, [1_000, 0, 0, 1_000]);
});

test('after its end nobody is looked at', () => {
  const { clock, sweep, add } = host();
  const looks = add(8_000);
  sweep.stop();
  clock.pass(60_000);
  assert.deepEqual(looks, []);
});
