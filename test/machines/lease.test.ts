// When a lease is renewed and how long it may be believed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errorTable, failure, PolityError } from '../../machines/errors.ts';
import { isLostBy, leaseProblem, renewAfterMs, renewTimeoutMs } from '../../machines/lease.ts';

test('a third of a lifetime passes between renewals, and none comes after it is over', () => {
  assert.equal(renewAfterMs(15_000, 15_000), 5_000);
  assert.equal(renewAfterMs(15_000, 200), 200);
  assert.equal(renewAfterMs(15_000, -5), 0);
  for (const ttlMs of [300, 1_000, 60_000])
    for (const leftMs of [1, 50, ttlMs]) {
      assert.ok(renewAfterMs(ttlMs, leftMs) <= leftMs);
      assert.ok(renewTimeoutMs(ttlMs, leftMs) <= Math.max(1, leftMs) && renewTimeoutMs(ttlMs, leftMs) <= 60_000);
    }
});

test('only an answer that is final ends it', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[])
    assert.equal(isLostBy(new PolityError(failure(code, ''))), errorTable[code].definite && !errorTable[code].retryable, code);
  assert.equal(leaseProblem(300), null);
  assert.match(leaseProblem(299)!, /at least 300 ms/);
});
