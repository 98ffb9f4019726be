// Faults that overlap end one by one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Strains } from '../../../sim/nemesis/strains.ts';

test('the strongest strain counts, and what it acts on is free when the last is gone', () => {
  const strains = new Strains();
  let now = 0;
  const set = (strongest: number): void => {
    now = strongest;
  };
  const [weak, strong] = [strains.press('a', 3, set), strains.press('a', 7, set)];
  strains.press('b', 100, () => {});
  assert.equal(now, 7);
  strong();
  assert.equal(now, 3);
  strong();
  assert.equal(now, 3, 'undone once');
  weak();
  assert.equal(now, 0);
});
