// How often a node compares, from when to when.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createPacing,
  pacingLimits as max,
  type Pacing,
  paceBegun,
  paceEnded,
  paceNext,
  paceOpened,
  paceSoon,
  pacingDueMs,
} from '../../../machines/replicator/pacing.ts';
import type { Outcome } from '../../../machines/replicator/repair-state.ts';

/** One comparison at the time when it is due, which takes so long; answers when it is over. */
const compare = (pacing: Pacing, tookMs: number, outcome: Outcome): number => {
  const nowMs = pacingDueMs(pacing);
  paceNext(pacing, nowMs, 0);
  paceBegun(pacing, nowMs, 'p');
  paceEnded(pacing, nowMs + tookMs, 'p', outcome);
  return nowMs + tookMs;
};

test('while nothing is found, twice as seldom each time, up to a limit; at once more often when something is', () => {
  const pacing = createPacing(0);
  assert.equal(pacingDueMs(pacing), max.everyMsMin);
  const times = Array.from({ length: 8 }, () => compare(pacing, 0, 'same'));
  const waited = times.slice(1).map((atMs, at) => atMs - times[at]!);
  assert.deepEqual(waited, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  const nowMs = compare(pacing, 0, 'repaired');
  compare(pacing, 0, 'repaired');
  assert.ok(pacingDueMs(pacing) - nowMs <= 31_000 + max.everyMsMin);
});

test('what is missed is looked for soon, whatever was found before', () => {
  const pacing = createPacing(0);
  let nowMs = 0;
  for (let n = 0; n < 8; n++) nowMs = compare(pacing, 0, 'same');
  paceSoon(pacing, nowMs);
  assert.equal(pacingDueMs(pacing), nowMs + max.everyMsMin);
});

test('where there is always a difference, comparing takes a small share of the time, and what is lost does not wait for ever', () => {
  const pacing = createPacing(0);
  let [nowMs, busyMs] = [0, 0];
  for (let n = 0; n < 20; n++) {
    paceSoon(pacing, nowMs);
    nowMs = compare(pacing, 200, 'repaired');
    busyMs += 200;
    assert.ok(pacingDueMs(pacing) - nowMs <= max.restMsMax);
  }
  assert.ok(busyMs / nowMs < 1 / (max.restTimes - 1));
  const before = nowMs;
  nowMs = compare(pacing, 60_000, 'repaired');
  assert.ok(nowMs - before <= 60_000 + max.restTimes * 200);
  assert.equal(pacingDueMs(pacing) - nowMs, max.restMsMax);
});

test('what was cut goes on soon; an exchange that others began, or that only fetched, asks for no rest', () => {
  const pacing = createPacing(0);
  const nowMs = compare(pacing, 5_000, 'cut');
  paceSoon(pacing, nowMs);
  assert.ok(pacingDueMs(pacing) - nowMs <= max.everyMsMin);
  paceEnded(pacing, nowMs + 9_000, 'q', 'repaired');
  assert.ok(pacingDueMs(pacing) - nowMs <= max.everyMsMin);
});

test('whoever was busy or silent is asked again soon, and not when the next comparison would have been', () => {
  for (const outcome of ['busy', 'silent'] as const) {
    const pacing = createPacing(0);
    let nowMs = 0;
    for (let n = 0; n < 8; n++) nowMs = compare(pacing, 0, 'same');
    assert.ok(pacingDueMs(pacing) > nowMs + max.everyMsMin);
    paceEnded(pacing, nowMs, 'q', outcome);
    assert.equal(pacingDueMs(pacing), nowMs + max.everyMsMin);
    nowMs = compare(pacing, 10_000, outcome);
    assert.equal(pacingDueMs(pacing), nowMs + max.everyMsMin);
  }
});

test('who connects is compared with at once, however seldom it had become', () => {
  const pacing = createPacing(0);
  let nowMs = 0;
  for (let n = 0; n < 8; n++) nowMs = compare(pacing, 0, 'same');
  paceOpened(pacing, nowMs, max.openedMsMax);
  assert.equal(pacingDueMs(pacing), nowMs + max.openedMsMax);
  paceOpened(pacing, nowMs, max.openedMsMax + 1);
  assert.equal(pacingDueMs(pacing), nowMs + max.openedMsMax);
});
