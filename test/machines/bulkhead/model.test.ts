// Whatever comes to a bulkhead, in any order: it does what its naive twin does, and every call hears exactly one thing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Bulkhead,
  type BulkheadEffect,
  type BulkheadEvent,
  type BulkheadOptions,
  checkBulkhead,
  createBulkhead,
  importances,
  step,
} from '../../../machines/bulkhead/index.ts';
import { aheadOf, createQueue, dequeue, enqueue } from '../../../machines/bulkhead/queue.ts';
import { NaiveBulkhead } from './naive.ts';

type Real = { state: Bulkhead; nowMs: number; id: number; heard: Map<number, string> };
type Step = fc.Command<NaiveBulkhead, Real>;

const stepOf = (name: string, run: (model: NaiveBulkhead, real: Real) => void): Step => ({
  check: () => true,
  run,
  toString: () => name,
});

/** Does it, and checks what it and the time that has passed come to. `expected`: what the event itself comes to. */
const does = (model: NaiveBulkhead, real: Real, event: BulkheadEvent, expected: () => string[]): void => {
  const effects = step(real.state, real.nowMs, event);
  const words = effects.map((effect: BulkheadEffect) =>
    effect.type === 'start' ? `start ${effect.id}` : `${effect.why} ${effect.id}`,
  );
  // Whoever is late is told so when it is next looked, at the latest when it would be his turn: never started.
  const isLate = (word: string): boolean => /^(deadline-passed|waited-too-long) /.test(word);
  const late = words.filter(isLate).map((word) => Number(word.split(' ')[1]));
  const waited = late.filter((id) => id !== ('id' in event ? event.id : null));
  for (const id of waited) {
    const call = model.waiting.find((one) => one.id === id)!;
    assert.ok(call.endMs <= real.nowMs, `${id} was not late`);
    model.leave(id);
  }
  const own = 'id' in event && late.includes(event.id) ? [`deadline-passed ${event.id}`] : [];
  assert.deepEqual([...own, ...words.filter((word) => !isLate(word))], expected());
  for (const word of words) {
    const [what, id] = word.split(' ') as [string, string];
    assert.ok(!real.heard.has(Number(id)), `${id} hears ${what} after ${real.heard.get(Number(id))}`);
    real.heard.set(Number(id), what);
  }
  checkBulkhead(real.state);
  // What is known of how long calls take is another story.
  real.state.pace.calls = 0;
  assert.deepEqual(
    [...real.state.queue.of.keys()],
    model.waiting.map(({ id }) => id),
  );
  assert.deepEqual([...real.state.running.keys()], model.running);
};

const arrives = (importance: number, principal: number, leftMs: number | null): Step =>
  stepOf(`${importances[importance]} of ${principal} arrives with ${leftMs} ms`, (model, real) => {
    const id = ++real.id;
    const deadlineMs = leftMs === null ? Number.POSITIVE_INFINITY : real.nowMs + leftMs;
    const endMs = Math.min(deadlineMs, real.nowMs + model.options.queueMsMax);
    const call = { id, importance: importances[importance]!, principal: `${principal}`, deadlineMs, endMs };
    does(model, real, { ...call, type: 'arrived', deadlineMs: leftMs === null ? null : deadlineMs }, () => {
      if (deadlineMs <= real.nowMs) return [`deadline-passed ${id}`];
      if (!model.mayStart(call.importance)) {
        const refused = model.wait(call);
        return refused === null ? [] : [`${refused.why} ${refused.id}`];
      }
      model.running.push(id);
      return [`start ${id}`];
    });
  });

const ends = (which: number): Step =>
  stepOf(`${which} ends`, (model, real) => {
    if (model.running.length === 0) return;
    const id = model.running[which % model.running.length]!;
    does(model, real, { type: 'ended', id }, () => {
      model.running = model.running.filter((one) => one !== id);
      return model.startWaiting(real.nowMs).map((started) => `start ${started}`);
    });
  });

const isAbandoned = (which: number): Step =>
  stepOf(`${which} is abandoned`, (model, real) => {
    const id = real.id - (which % 12);
    does(model, real, { type: 'abandoned', id }, () => {
      if (model.waiting.some((one) => one.id === id)) real.heard.set(id, 'abandoned');
      model.leave(id);
      return [];
    });
  });

const passes = (ms: number): Step =>
  stepOf(`${ms} ms pass`, (model, real) => {
    real.nowMs += ms;
    does(model, real, { type: 'wake' }, () => []);
  });

/** Whoever wakes it in time finds nobody who is late by more than one look. */
const isWoken = (): Step =>
  stepOf('is woken when it wants to be', (model, real) => {
    const { deadlineMs } = real.state;
    if (!Number.isFinite(deadlineMs)) return assert.equal(model.waiting.length, 0);
    assert.ok(model.waiting.every(({ endMs }) => deadlineMs <= endMs + 10));
    real.nowMs = Math.max(real.nowMs, deadlineMs);
    does(model, real, { type: 'wake' }, () => []);
    assert.deepEqual(model.expire(real.nowMs), [], 'all that are late have been told');
  });

const options: BulkheadOptions = {
  ...{ runningMax: { critical: 4, normal: 3, background: 2 }, queueMax: 6, queueMsMax: 300 },
};
const arriving = fc
  .tuple(fc.nat(2), fc.constantFrom(0, 0, 0, 1, 2, 3), fc.constantFrom(null, null, 1_000, 100, 5, 0, -3))
  .map((args) => arrives(...args));
const steps: fc.Arbitrary<Step>[] = [
  ...[arriving, arriving, arriving, fc.nat(9).map(ends), fc.nat(30).map(isAbandoned)],
  ...[fc.constantFrom(0, 1, 4, 5, 6, 60, 300).map(passes), fc.constant(null).map(isWoken)],
];

test('as its naive twin, whatever happens', () => {
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 150, size: 'max' }), (run) => {
      fc.modelRun(() => {
        const state = createBulkhead({ options, nowMs: 0 });
        return { model: new NaiveBulkhead(options), real: { nowMs: 0, id: 0, heard: new Map(), state } };
      }, run);
    }),
    { numRuns: 200, seed: 66 },
  );
});

test('so many are really ahead of one that comes, or one more of each principal', () => {
  const call = fc.record({ importance: fc.constantFrom(...importances), principal: fc.constantFrom('a', 'b', 'c') });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), fc.nat(10), call, (calls, served, last) => {
      const queue = createQueue();
      const put = (id: number, one: typeof last): void => enqueue(queue, { ...one, id, deadlineMs: 1, endMs: 1 });
      for (const [id, one] of calls.entries()) put(id, one);
      const next = () => importances.reduce<number | null>((id, one) => id ?? dequeue(queue, one)?.id ?? null, null);
      for (let n = 0; n < served; n++) next();
      const foretold = aheadOf(queue, last.importance, last.principal);
      put(99, last);
      let ahead = 0;
      while (next() !== 99) ahead++;
      assert.ok(ahead >= foretold && ahead <= foretold + 2, `${ahead}, foretold ${foretold}`);
    }),
    { numRuns: 300, seed: 67 },
  );
});
