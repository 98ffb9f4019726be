// Whatever is given as a graph, from a program or from outside: it is a plan, or it is refused with words. Never an exception.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkGraph, createRun, step } from '../../../machines/graph/index.ts';

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withTypedArray: true,
});
const names = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', '1', 'fail', '');
const reference = fc.record(
  {
    $from: fc.oneof(names, anything),
    $failure: names,
    path: fc.oneof(fc.array(fc.oneof(names, fc.nat(3))), anything),
    or: anything,
  },
  { requiredKeys: [] },
);
const input = fc.oneof(
  anything,
  reference,
  fc.array(reference, { maxLength: 3 }),
  fc.dictionary(names, reference, { maxKeys: 3 }),
);
const condition = fc.oneof(
  anything,
  fc.record({ step: names, ended: fc.oneof(fc.constant('done'), anything) }),
  fc.record({ value: input, is: anything, above: anything }, { requiredKeys: ['value'] }),
);
/** Rubbish now and then: a graph in which everything is wrong says little about each thing. */
const seldom = (rubbish: fc.Arbitrary<unknown>, sane: unknown = undefined): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 30, arbitrary: fc.constant(sane) }, { weight: 1, arbitrary: rubbish });
const call = {
  ...{ service: seldom(anything, 's'), method: seldom(anything, 'm'), input: fc.oneof(seldom(input), seldom(input), input) },
  ...{ version: seldom(anything), timeoutMs: seldom(anything), strategy: seldom(anything), key: seldom(anything) },
  ...{ node: seldom(anything), retry: seldom(fc.oneof(anything, fc.record({ times: fc.integer(), delayMs: anything }))) },
};
const aStep = seldom(anything).chain((rubbish) =>
  rubbish !== undefined
    ? fc.constant(rubbish)
    : fc.record({
        ...call,
        after: seldom(fc.oneof(fc.array(names, { maxLength: 2 }), anything)),
        when: seldom(fc.oneof(condition, fc.array(condition, { maxLength: 2 }))),
        onError: seldom(fc.oneof(names, fc.constant('continue'), anything)),
        compensate: seldom(fc.oneof(fc.record(call), anything)),
      }),
);
const sane = fc.constantFrom('a', 'b', 'c');
const graph = fc.oneof(
  { weight: 1, arbitrary: anything },
  {
    weight: 9,
    arbitrary: fc.record({
      steps: fc.dictionary(fc.oneof({ weight: 9, arbitrary: sane }, { weight: 1, arbitrary: names }), aStep, { maxKeys: 3 }),
      ...{ timeoutMs: seldom(anything), concurrency: seldom(anything) },
    }),
  },
);

test('it is a plan that runs, or INVALID_REQUEST with words', () => {
  let plans = 0;
  fc.assert(
    fc.property(graph, (given) => {
      const checked = checkGraph(given);
      if (!checked.ok) {
        assert.equal(checked.failure.code, 'INVALID_REQUEST');
        assert.ok(checked.failure.message.length < 20_000);
        return;
      }
      plans++;
      const run = createRun({ plan: checked.plan, idempotent: new Set(), nowMs: 0 });
      for (const effect of step(run, 0, { type: 'begin' }))
        if (effect.type === 'call')
          step(run, 1, { ...effect, type: 'ended', outcome: { ok: true, value: {} }, node: null, attempts: 1 });
    }),
    { numRuns: 800, seed: 613 },
  );
  assert.ok(plans > 50, `${plans}`);
});
