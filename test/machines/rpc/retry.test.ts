// What is tried again and how often; and what is remembered for as long as anybody may ask.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { failure } from '../../../machines/errors.ts';
import {
  budgetDefaults,
  conclude,
  createBudget,
  createMemory,
  endOf,
  forget,
  forgetNumbered,
  noteCall,
  pauseMs,
  recall,
  remember,
  rpcLimits,
  takeRetry,
  verdictOf,
} from '../../../machines/rpc/index.ts';

test('where an attempt that failed goes next', () => {
  for (const [how, code, idempotent, verdict] of [
    ['unsent', 'UNREACHABLE', false, 'elsewhere'],
    ['unsent', 'OVERLOADED', false, 'elsewhere'],
    ['lost', 'OUTCOME_UNKNOWN', true, 'elsewhere-costs'],
    ['lost', 'OUTCOME_UNKNOWN', false, 'same'],
    ['answered', 'STOPPING', false, 'elsewhere'],
    ['answered', 'SERVICE_NOT_FOUND', false, 'elsewhere'],
    ['answered', 'OVERLOADED', false, 'elsewhere-costs'],
    ['answered', 'RATE_LIMITED', true, 'end'],
    ['answered', 'SERVICE_FAILED', true, 'end'],
    ['answered', 'OUTCOME_UNKNOWN', true, 'end'],
    ['answered', 'DEADLINE_EXCEEDED', true, 'end'],
  ] as const)
    assert.equal(verdictOf(how, code, idempotent), verdict, `${how} ${code} ${idempotent}`);
});

test('what may have happened never ends as what surely did not', () => {
  const refused = failure('OVERLOADED', 'no room', { node: 'n2' });
  assert.equal(endOf(refused, false), refused);
  const end = endOf(refused, true);
  assert.deepEqual([end.code, end.details], ['OUTCOME_UNKNOWN', { node: 'n2', last: 'OVERLOADED' }]);
  assert.equal(endOf(failure('SERVICE_FAILED', 'x'), true).code, 'SERVICE_FAILED');
});

test('pauses double up to a second, half of it chance, and are never shorter than what was asked for', () => {
  assert.deepEqual([pauseMs(0, 0, 0), pauseMs(1, 0, 0), pauseMs(20, 0, 0), pauseMs(20, 0.5, 0)], [20, 40, 500, 750]);
  assert.equal(pauseMs(0, 0, 3_000), 3_000);
});

test('retries are a share of the calls of the last ten seconds, and a few a second', () => {
  const { share, perSecond, windowMs } = budgetDefaults;
  const event = fc.record({ afterMs: fc.nat(2_500), calls: fc.nat(30), retries: fc.nat(30) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const budget = createBudget(budgetDefaults, 0);
      const calls: number[] = [];
      const taken: number[] = [];
      let nowMs = 0;
      const within = (times: number[], ms: number): number => times.filter((at) => at > nowMs - ms).length;
      for (const { afterMs, ...event } of events) {
        nowMs += afterMs;
        for (let call = 0; call < event.calls; call++) {
          noteCall(budget, nowMs);
          calls.push(nowMs);
        }
        const floor = (perSecond * windowMs) / 1_000;
        for (let retry = 0; retry < event.retries; retry++) {
          if (!takeRetry(budget, nowMs)) continue;
          taken.push(nowMs);
          // Slots are forgotten whole: a slot more of the calls may count.
          assert.ok(within(taken, windowMs) <= share * within(calls, windowMs * 1.1 + 1) + floor);
        }
        // And nobody who is within his share is refused.
        if (event.retries > 0 && within(taken, windowMs * 1.1 + 1) + 1 <= share * within(calls, windowMs) + floor)
          assert.ok(taken.at(-1) === nowMs, 'a retry within the budget is given');
      }
    }),
    { numRuns: 200 },
  );
});

const call = (id: string | number, caller = 'a') => ({ caller, id, what: 's.m', input: 1 });
const result = (bytes: number) => ({ value: new Uint8Array(bytes) });

test('a result is remembered until it is heard, or for its time; what runs is never forgotten', () => {
  const memory = createMemory();
  const running = remember(memory, 0, call(1))!;
  const done = remember(memory, 0, call('x'))!;
  conclude(memory, 10, done, result(100));
  assert.equal(recall(memory, 'a', 'x'), done);
  assert.equal(recall(memory, 'b', 'x'), undefined, 'ids are of their callers');
  remember(memory, rpcLimits.rememberMs + 9, call(2));
  assert.equal(recall(memory, 'a', 'x'), done);
  remember(memory, rpcLimits.rememberMs + 1_010, call(3));
  assert.equal(recall(memory, 'a', 'x'), undefined);
  assert.equal(recall(memory, 'a', 1), running);
  conclude(memory, rpcLimits.rememberMs + 1_020, running, result(10));
  forgetNumbered(memory, 'a');
  assert.equal(recall(memory, 'a', 1), undefined);
  assert.ok(recall(memory, 'a', 2) !== undefined, 'it runs');
});

test('full, it refuses rather than forgets; the bytes add up', () => {
  const memory = createMemory();
  const all = Array.from({ length: rpcLimits.rememberedPerCallerMax }, (_, id) => remember(memory, 0, call(id + 1))!);
  assert.equal(remember(memory, 0, call('one more')), null);
  assert.ok(remember(memory, 0, call('one more', 'b')) !== null, 'another caller has his own share');
  for (const one of all) conclude(memory, 1, one, result(0));
  for (const one of all) forget(memory, one);
  forget(memory, all[0]!);
  assert.equal(memory.count, 1);
  const large = remember(memory, 0, call('large'))!;
  conclude(memory, 2, large, result(rpcLimits.rememberedBytesMax));
  assert.equal(remember(memory, 3, call('next')), null);
  forget(memory, large);
  assert.ok(remember(memory, 3, call('next')) !== null);
});
