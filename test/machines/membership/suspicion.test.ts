// How long a suspicion lasts, as a table (Lifeguard §IV.B): long while one node alone makes it, short when others confirm it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { membershipDefaults } from '../../../machines/membership/index.ts';
import { suspicionMs } from '../../../machines/membership/suspicion.ts';

const table: readonly [members: number, accusers: number, ms: number][] = [
  // Two have nobody to ask, so there is nothing to wait for but the suspect.
  [2, 0, 2_500],
  [3, 0, 7_500],
  [3, 1, 2_500],
  [4, 0, 7_500],
  [4, 1, 4_345],
  [4, 2, 2_500],
  [5, 0, 7_500],
  [5, 1, 5_000],
  [5, 2, 3_538],
  [5, 3, 2_500],
  [100, 0, 7_500],
  [100, 3, 2_500],
  // More than are needed shorten nothing.
  [100, 7, 2_500],
  [1_000, 0, 11_250],
  [1_000, 3, 3_750],
  [10_000, 3, 5_000],
];

for (const [members, accusers, ms] of table)
  test(`among ${members}, confirmed by ${accusers}: ${ms} ms`, () =>
    assert.equal(Math.round(suspicionMs(membershipDefaults, { members, accusers })), ms));
