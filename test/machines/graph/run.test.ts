// Runs of graphs as stories: what starts when, what a failure comes to, what is undone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphLimits, literal } from '../../../machines/graph/index.ts';
import { Driven } from './drive.ts';

const call = { service: 's', method: 'm' };
const undo = { service: 's', method: 'undo' };
const graph = (given: Record<string, Record<string, unknown>>, options = {}) => ({
  steps: Object.fromEntries(Object.entries(given).map(([name, step]) => [name, { ...call, ...step }])),
  ...options,
});
const from = (step: string, ...path: (string | number)[]) => ({ $from: step, path });

test('independent steps run side by side, the others when what they need is there', () => {
  const driven = new Driven(
    graph({
      a: { input: 1 },
      b: {},
      c: { input: { sum: [from('a', 'n'), from('b')], text: 'x' } },
      d: { after: ['c'] },
    }),
  );
  assert.deepEqual(driven.now, ['a', 'b']);
  driven.nowMs += 5;
  driven.done('a', { n: 7 });
  assert.deepEqual(driven.now, ['b']);
  driven.nowMs += 10;
  driven.done('b', [true]);
  assert.deepEqual(driven.now, ['c']);
  assert.deepEqual(driven.inputOf('c'), { sum: [7, [true]], text: 'x' });
  driven.done('c');
  driven.nowMs += 1;
  driven.done('d', 'end');
  const { failure, failedStep, steps, notUndone, tookMs } = driven.outcome!;
  assert.deepEqual({ failure, failedStep, notUndone, tookMs }, { failure: null, failedStep: null, notUndone: [], tookMs: 16 });
  assert.deepEqual(driven.told, ['a done', 'b done', 'c done', 'd done']);
  assert.deepEqual(steps.b, {
    ...{ step: 'b', status: 'done', happened: 'yes', result: [true], failure: null, because: null },
    ...{ startedMs: 0, tookMs: 15, node: 'n1', attempts: 1, compensation: null },
  });
  assert.equal(steps.d!.startedMs, 15);
});

test('what goes in is a copy, and what comes out of a step is never taken for a reference', () => {
  const driven = new Driven(
    graph({ a: {}, b: { input: [from('a'), literal({ $from: 'a', $$failure: 0 })] }, c: { input: from('a') } }),
  );
  const result = { $from: 'b', list: [1] };
  driven.done('a', result);
  const input = driven.inputOf('b') as [typeof result, unknown];
  assert.deepEqual(input, [result, { $from: 'a', $$failure: 0 }]);
  input[0].list.push(2);
  assert.deepEqual(driven.inputOf('c'), { $from: 'b', list: [1] });
  assert.deepEqual(result.list, [1]);
  result.list.push(3);
  driven.done('b');
  driven.done('c');
  assert.deepEqual(driven.outcome!.steps.a!.result, { $from: 'b', list: [1] }, 'nor does what came out change');
});

test('a result that is a reference by its looks, or an escaped one, goes on as it is', () => {
  const driven = new Driven(
    graph({ a: {}, b: { input: [from('a', 'one'), { $from: 'a', path: ['none'], or: { $failure: 'a' } }] } }),
  );
  driven.done('a', { one: { $from: 'a', path: ['two'] }, two: 2 });
  assert.deepEqual(driven.inputOf('b'), [{ $from: 'a', path: ['two'] }, { $failure: 'a' }]);
  const escaped = new Driven(graph({ a: {}, b: { input: from('a') } }));
  escaped.done('a', { $$from: 1 });
  assert.deepEqual(escaped.inputOf('b'), { $$from: 1 });
});

test('at most so many at the same time, in the order of the graph', () => {
  const driven = new Driven(graph({ a: {}, b: {}, c: {}, d: {} }, { concurrency: 2 }));
  assert.deepEqual(driven.now, ['a', 'b']);
  driven.done('b');
  assert.deepEqual(driven.now, ['a', 'c']);
  driven.done('a');
  assert.deepEqual(driven.now, ['c', 'd']);
});

test('a failure is told by the name of what failed first; what runs may end, and what happened is undone, the last one first', () => {
  const driven = new Driven(
    graph({
      a: { compensate: { ...undo, input: { id: from('a', 'id') } } },
      b: { compensate: { ...undo, input: [from('b'), from('a', 'id')] }, input: from('a') },
      c: { input: from('a') },
      d: { input: from('c') },
      e: { after: ['d'] },
      f: { input: from('b') },
      g: { compensate: undo, after: ['a'] },
    }),
  );
  driven.done('a', { id: 1 });
  driven.done('b', 'B');
  assert.deepEqual(driven.now, ['c', 'g', 'f']);
  driven.fails('c');
  assert.deepEqual(driven.told.slice(2), ['c failed SERVICE_REFUSED', 'd skipped failed c c', 'e skipped failed c d']);
  driven.done('g');
  driven.done('f');
  assert.deepEqual(driven.now, ['~g'], 'one after the other');
  driven.done('~g');
  assert.deepEqual(driven.inputOf('~b'), ['B', 1]);
  driven.done('~b');
  assert.deepEqual(driven.inputOf('~a'), { id: 1 });
  assert.equal(driven.outcome, null);
  driven.done('~a');
  const { failure, failedStep, notUndone, steps } = driven.outcome!;
  assert.equal(failedStep, 'c');
  assert.deepEqual(notUndone, []);
  assert.deepEqual(failure, {
    ...{ code: 'GRAPH_FAILED', message: "step 'c' failed: c said so" },
    details: { step: 'c', cause: 'SERVICE_REFUSED' },
  });
  assert.equal(steps.a!.compensation!.status, 'done');
  assert.equal(steps.f!.compensation, null);
  assert.deepEqual(steps.e!.because, { why: 'failed', step: 'c', through: 'd' });
});

test('of a failure before anything happened it is told that nothing did', () => {
  const driven = new Driven(graph({ a: { compensate: undo }, b: { after: ['a'] } }));
  driven.fails('a', 'BREAKER_OPEN');
  assert.equal(driven.outcome!.failure!.code, 'BREAKER_OPEN');
  assert.deepEqual(driven.outcome!.failure!.details, { step: 'a' });
});

test('what may have happened is undone like what did; if that takes a result that nobody has, it is told', () => {
  const driven = new Driven(
    graph({
      a: { compensate: { ...undo, input: from('a', 'id') } },
      b: { after: ['a'], compensate: { ...undo, input: from('b', 'id') } },
      c: { after: ['a'], compensate: { ...undo, input: { $from: 'c', path: ['id'], or: 'unknown' } } },
    }),
  );
  driven.done('a', { id: 1 });
  driven.fails('c', 'SERVICE_FAILED');
  driven.fails('b', 'OUTCOME_UNKNOWN');
  assert.deepEqual(driven.now, ['~c']);
  assert.equal(driven.inputOf('~c'), 'unknown');
  driven.done('~c');
  driven.done('~a');
  const { steps, notUndone, failure } = driven.outcome!;
  assert.equal(failure!.code, 'SERVICE_FAILED');
  assert.deepEqual(notUndone, ['b']);
  assert.equal(
    steps.b!.compensation!.failure!.message,
    "nobody knows whether it happened, and its compensation's input refers to b.id, which failed",
  );
  assert.equal(steps.b!.compensation!.attempts, 0);
});

test('a failure that is tolerated, and one that calls for an error step', () => {
  const driven = new Driven(
    graph({
      a: { onError: 'continue' },
      b: { input: { $from: 'a', or: 'nothing' } },
      c: { after: ['b'], onError: 'mend' },
      other: { after: ['b'] },
      mend: { input: [{ $failure: 'c', path: ['code'] }, { $failure: 'a', path: ['code'] }, { $failure: 'b' }] },
      tell: { after: ['mend'] },
      unhurt: { onError: 'never' },
      never: {},
    }),
  );
  driven.fails('a', 'OVERLOADED');
  assert.equal(driven.inputOf('b'), 'nothing');
  driven.done('b');
  driven.fails('c');
  assert.deepEqual(driven.inputOf('mend'), ['SERVICE_REFUSED', 'OVERLOADED', null]);
  driven.done('mend');
  driven.done('tell');
  driven.done('unhurt');
  driven.done('other');
  assert.deepEqual(driven.told, [
    ...['a failed OVERLOADED', 'b done', 'c failed SERVICE_REFUSED', 'mend done', 'tell done'],
    ...['unhurt done', 'never skipped no-error', 'other done'],
  ]);
  assert.equal(driven.outcome!.failedStep, 'c');
});

test('an error step that fails: what comes behind it is skipped, the first failure stays the reason, what happened is undone', () => {
  const driven = new Driven(
    graph({
      a: { compensate: undo },
      b: { after: ['a'], onError: 'mend' },
      mend: { onError: 'again' },
      tell: { after: ['mend'] },
      again: {},
    }),
  );
  driven.done('a');
  driven.fails('b');
  driven.fails('mend', 'SERVICE_FAILED');
  assert.deepEqual(driven.now, ['again']);
  driven.done('again');
  driven.done('~a');
  assert.deepEqual(driven.told.slice(2), ['mend failed SERVICE_FAILED', 'tell skipped needs mend', 'again done', '~a done']);
  assert.equal(driven.outcome!.failedStep, 'b');
});

test('conditions: what is left out takes with it what needs its result, and nobody else', () => {
  const driven = new Driven(
    graph({
      order: {},
      coupon: { when: { value: from('order', 'coupon'), not: null } },
      spend: { input: from('coupon') },
      charge: { after: ['spend'], input: { $from: 'coupon', or: 'none' } },
      large: {
        when: [
          { value: from('order', 'sum'), above: 10 },
          { step: 'coupon', ended: 'skipped' },
        ],
      },
      small: { when: { value: from('order', 'sum'), below: 10 } },
      odd: { when: { value: { of: from('order', 'sum') }, is: { of: 11 } } },
      wrong: { when: { value: from('order', 'none') }, onError: 'continue' },
      text: { when: { value: from('order'), above: 1 }, onError: 'continue' },
    }),
  );
  driven.done('order', { coupon: null, sum: 11 });
  assert.deepEqual(driven.now, ['odd', 'large', 'charge']);
  assert.equal(driven.inputOf('charge'), 'none');
  for (const name of driven.now) driven.done(name);
  assert.deepEqual(driven.told.slice(1, 6), [
    ...['coupon skipped condition', 'small skipped condition'],
    ...['wrong failed INVALID_REQUEST', 'text failed INVALID_REQUEST', 'spend skipped needs coupon'],
  ]);
  assert.equal(driven.outcome!.failure, null);
  const { wrong, text } = driven.outcome!.steps;
  assert.equal(wrong!.failure!.message, 'when[0].value refers to order.none, and there is no such part in its result');
  assert.equal(text!.failure!.message, 'when[0].value is no number, and is compared with 1');
});

test('a reference into nothing fails the step that makes it, before it is called', () => {
  const driven = new Driven(graph({ a: {}, b: { input: [from('a', 'list', 2)] }, c: { input: from('a', '__proto__') } }));
  driven.done('a', { list: [0, 1] });
  assert.equal(
    driven.outcome!.steps.b!.failure!.message,
    'input[0] refers to a.list[2], and there is no such part in its result',
  );
  assert.equal(driven.outcome!.steps.b!.happened, 'no');
});

test('tries again what surely did nothing, or is idempotent, at growing distances', () => {
  const retry = { times: 2, delayMs: 100 };
  const driven = new Driven(graph({ a: { retry }, b: { retry }, c: { retry } }));
  driven.fails('b', 'SERVICE_REFUSED');
  assert.deepEqual(driven.told.slice(0, 1), ['b failed SERVICE_REFUSED'], 'that would not pass');
  const one = new Driven(graph({ a: { retry } }));
  one.fails('a', 'OVERLOADED');
  one.passes(99);
  assert.deepEqual(one.now, []);
  one.passes(1);
  assert.equal(one.calling.get('a')!.attempt, 2);
  one.end('a', { code: 'RATE_LIMITED', retryAfterMs: 500 });
  one.passes(499);
  assert.deepEqual(one.now, []);
  one.passes(1);
  one.done('a');
  assert.equal(one.outcome!.steps.a!.attempts, 3);
  assert.equal(one.outcome!.steps.a!.tookMs, 600);

  const doubtful = new Driven(graph({ a: { retry } }));
  doubtful.fails('a', 'OUTCOME_UNKNOWN');
  assert.equal(doubtful.outcome!.failure!.code, 'OUTCOME_UNKNOWN');
  const harmless = new Driven(graph({ a: { retry } }), { idempotent: true });
  for (let n = 0; n < 3; n++) {
    harmless.fails('a', 'OUTCOME_UNKNOWN');
    harmless.passes(1_000);
  }
  assert.equal(harmless.outcome!.steps.a!.attempts, 3);
});

test('a try that would come too late is not waited for', () => {
  const driven = new Driven(graph({ a: { retry: { times: 5, delayMs: 600 } } }, { timeoutMs: 1_000 }));
  driven.fails('a', 'OVERLOADED');
  driven.passes(600);
  driven.fails('a', 'OVERLOADED');
  assert.equal(driven.outcome!.failure!.code, 'OVERLOADED');
});

test('what failed first stays the reason, whatever comes after it', () => {
  const driven = new Driven(graph({ a: {}, b: {}, c: {} }, { timeoutMs: 100 }));
  driven.fails('b');
  driven.fails('a', 'SERVICE_FAILED');
  driven.passes(100);
  assert.equal(driven.outcome!.failedStep, 'b');
  assert.deepEqual(driven.outcome!.failure!.details, { step: 'b', cause: 'SERVICE_REFUSED' });
});

test('who waits for another try has no place; a failure elsewhere ends the waiting', () => {
  const driven = new Driven(graph({ a: { retry: { times: 1 } }, b: {} }, { concurrency: 1 }));
  driven.fails('a', 'OVERLOADED');
  assert.deepEqual(driven.now, ['b']);
  driven.fails('b');
  assert.deepEqual(driven.told, ['b failed SERVICE_REFUSED', 'a failed OVERLOADED']);
});

test('a time for all: what runs is given up, error steps do not begin, and compensations have a time of their own', () => {
  const driven = new Driven(
    graph(
      {
        a: { compensate: undo },
        b: { after: ['a'], compensate: undo, onError: 'mend', timeoutMs: 700 },
        mend: {},
        c: { after: ['b'] },
      },
      { timeoutMs: 1_000, compensateMs: 400 },
    ),
  );
  assert.equal(driven.calling.get('a')!.call.timeoutMs, 1_000);
  driven.passes(600);
  driven.done('a');
  assert.equal(driven.calling.get('b')!.call.timeoutMs, 400);
  driven.passes(400);
  assert.deepEqual(driven.told.slice(1), ['cancel b', 'b failed OUTCOME_UNKNOWN', 'mend skipped failed', 'c skipped failed']);
  assert.deepEqual(driven.now, ['~b']);
  assert.equal(driven.calling.get('~b')!.call.timeoutMs, 400);
  driven.passes(300);
  driven.done('~b');
  assert.equal(driven.calling.get('~a')!.call.timeoutMs, 100);
  driven.passes(100);
  const { failure, failedStep, notUndone, steps, tookMs } = driven.outcome!;
  assert.equal(failure!.code, 'GRAPH_FAILED');
  assert.equal(failure!.details!.cause, 'DEADLINE_EXCEEDED');
  assert.equal(failure!.message, 'the 1000 ms of the run are over');
  assert.deepEqual([failedStep, notUndone, tookMs], [null, ['a'], 1_400]);
  assert.equal(steps.a!.compensation!.failure!.code, 'OUTCOME_UNKNOWN');
  assert.equal(steps.mend!.status, 'skipped');
});

test('cancelled: what runs is given up and undone; compensations are not cancelled', () => {
  const driven = new Driven(graph({ a: { compensate: undo }, b: { after: ['a'] } }));
  driven.send({ type: 'cancel' });
  assert.deepEqual(driven.told, ['cancel a', 'a failed CANCELLED', 'b skipped failed']);
  driven.send({ type: 'cancel' });
  assert.deepEqual(driven.now, ['~a']);
  driven.done('~a');
  assert.equal(driven.outcome!.failure!.code, 'CANCELLED');
});

test('a compensation is tried again, then the next one has its turn', () => {
  const driven = new Driven(graph({ a: { compensate: undo }, b: { compensate: undo }, c: { after: ['a', 'b'] } }), {
    idempotent: true,
  });
  driven.done('a');
  driven.done('b');
  driven.fails('c');
  for (let n = 0; n < 4; n++) {
    driven.fails('~b', 'SERVICE_FAILED');
    driven.passes(5_000);
  }
  driven.fails('~a', 'UNREACHABLE');
  driven.passes(200);
  driven.done('~a');
  const { notUndone, steps } = driven.outcome!;
  assert.deepEqual(notUndone, ['b']);
  assert.equal(steps.b!.compensation!.attempts, 4);
  assert.equal(steps.a!.compensation!.attempts, 2);
});

test('the node stops: everything ends at once, and what is not undone is told', () => {
  const driven = new Driven(graph({ a: { compensate: undo }, b: { after: ['a'] }, c: { after: ['b'] } }));
  driven.done('a');
  driven.send({ type: 'stop' });
  assert.deepEqual(driven.outcome!.notUndone, ['a']);
  assert.equal(driven.outcome!.failure!.details!.cause, 'STOPPING');
  assert.deepEqual(driven.now, []);
  const undoing = new Driven(graph({ a: { compensate: undo }, b: { after: ['a'], compensate: undo } }));
  undoing.done('a');
  undoing.fails('b', 'OUTCOME_UNKNOWN');
  undoing.send({ type: 'stop' });
  assert.deepEqual(undoing.outcome!.notUndone, ['a', 'b']);
  assert.equal(undoing.outcome!.steps.b!.compensation!.failure!.code, 'OUTCOME_UNKNOWN');
});

test('answers that come late, twice or for nobody change nothing', () => {
  const driven = new Driven(graph({ a: { retry: { times: 1 } }, b: { after: ['a'] } }));
  const late = {
    type: 'ended',
    kind: 'step',
    step: 'a',
    attempt: 1,
    outcome: { ok: true, value: 1 },
    node: 'n',
    attempts: 1,
  } as const;
  driven.fails('a', 'OVERLOADED');
  driven.send(late);
  driven.passes(1_000);
  driven.send(late);
  driven.send({ ...late, step: 'nobody' });
  driven.send({ ...late, step: 'b' });
  driven.send({ ...late, kind: 'compensation' });
  assert.deepEqual(driven.now, ['a']);
  driven.done('a', 2);
  driven.done('b');
  driven.send(late);
  assert.equal(driven.outcome!.steps.a!.result, 2);
});

test('results that are too large, or no plain data, fail their step, which has happened', () => {
  const driven = new Driven(graph({ a: { compensate: undo } }));
  driven.done('a', 'x'.repeat(graphLimits.resultsBytesMax));
  assert.deepEqual(driven.told, ['a failed TOO_LARGE']);
  driven.done('~a');
  assert.equal(driven.outcome!.failure!.code, 'GRAPH_FAILED');
  const odd = new Driven(graph({ a: {} }));
  odd.done('a', { when: new Date(0) });
  assert.equal(odd.outcome!.steps.a!.happened, 'yes');
  const many = 'x'.repeat(graphLimits.inputBytesMax / 2);
  const large = new Driven(graph({ a: {}, b: { input: [from('a'), from('a'), from('a')] } }));
  large.done('a', many);
  assert.equal(large.outcome!.steps.b!.failure!.code, 'TOO_LARGE');
  const doubtful = new Driven(graph({ a: { compensate: undo, retry: { times: 3 } } }));
  doubtful.end('a', { code: 'TOO_LARGE', isInDoubt: true });
  assert.deepEqual(doubtful.now, ['~a']);
});

test('who has less time than the graph is heard', () => {
  const driven = new Driven(graph({ a: {} }), { deadlineMs: 1_250 });
  assert.equal(driven.calling.get('a')!.call.timeoutMs, 250);
  driven.passes(250);
  assert.equal(driven.outcome!.failure!.message, 'the 250 ms of the run are over');
});
