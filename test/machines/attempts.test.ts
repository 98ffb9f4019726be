// Trying again is the same rule for every kind of client: a table, and what may never be said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { afterAttempt, attemptMsOf, backoffMs, endOfCall, nodeMsOf } from '../../machines/attempts.ts';
import { type ErrorCode, errorTable, failure } from '../../machines/errors.ts';

const codes = Object.keys(errorTable) as ErrorCode[];
const read = { effect: false, repeatable: true };
const plainWrite = { effect: true, repeatable: false };
const keyedWrite = { effect: true, repeatable: true };

test('what may have happened is tried again only if twice is the same as once', () => {
  for (const code of codes)
    for (const sent of [true, false])
      for (const wasInDoubt of [true, false]) {
        const { isInDoubt, mayTryAgain } = afterAttempt(plainWrite, { code, sent }, wasInDoubt);
        if (isInDoubt) assert.equal(mayTryAgain, false, code);
        if (wasInDoubt) assert.equal(isInDoubt, true, 'a doubt stays');
        assert.equal(afterAttempt(read, { code, sent }, false).isInDoubt, false, 'a read leaves no doubt');
      }
  assert.deepEqual(afterAttempt(keyedWrite, { code: 'OUTCOME_UNKNOWN', sent: true }, false), {
    isInDoubt: true,
    mayTryAgain: true,
  });
  assert.deepEqual(afterAttempt(plainWrite, { code: 'UNREACHABLE', sent: false }, false), {
    isInDoubt: false,
    mayTryAgain: true,
  });
  assert.deepEqual(afterAttempt(plainWrite, { code: 'UNREACHABLE', sent: true }, false), {
    isInDoubt: true,
    mayTryAgain: false,
  });
});

test('a call in doubt never claims that nothing happened, unless the log said so', () => {
  for (const code of codes) {
    assert.equal(endOfCall(failure(code, 'x'), false).code, code);
    const { code: said } = endOfCall(failure(code, 'x'), true);
    if (said !== code) assert.equal(said, 'OUTCOME_UNKNOWN');
  }
  assert.equal(endOfCall(failure('NO_QUORUM', 'x'), true).code, 'OUTCOME_UNKNOWN');
  assert.equal(endOfCall(failure('CAS_MISMATCH', 'x'), true).code, 'CAS_MISMATCH');
});

test('times: an attempt leaves room for others, a node answers before its caller gives up', () => {
  assert.equal(attemptMsOf(9_000, 1), 9_000);
  assert.equal(attemptMsOf(9_000, 3), 3_000);
  assert.equal(attemptMsOf(600, 3), 1_000);
  for (const attemptMs of [1, 10, 1_000, 60_000]) assert.ok(nodeMsOf(attemptMs) <= attemptMs && nodeMsOf(attemptMs) >= 1);
  for (let round = 0; round < 12; round++) assert.ok(backoffMs(round, 0) >= 20 && backoffMs(round, 0.999) <= 1_000);
});
