// A graph that cannot run to its end is refused before it begins, with everything that is wrong and where.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Entry, Found, Lookup } from '../../../machines/catalog/index.ts';
import { checkGraph, checkOffered, graphLimits, literal, type Plan } from '../../../machines/graph/index.ts';

const call = { service: 'stock', method: 'reserve' };

const refusal = (graph: unknown): string => {
  const checked = checkGraph(graph);
  assert.ok(!checked.ok, 'it was accepted');
  assert.equal(checked.failure.code, 'INVALID_REQUEST');
  return checked.failure.message.replace('the graph cannot run: ', '');
};
const planOf = (graph: unknown): Plan => {
  const checked = checkGraph(graph);
  assert.ok(checked.ok, checked.ok ? '' : checked.failure.message);
  return checked.plan;
};
const steps = (given: Record<string, unknown>) => ({
  steps: Object.fromEntries(Object.entries(given).map(([name, step]) => [name, { ...call, ...(step as object) }])),
});
const from = (step: string, ...path: (string | number)[]) => ({ $from: step, ...(path.length === 0 ? {} : { path }) });

test('everything that is wrong is told at once, with its place', () => {
  const told = refusal({
    steps: {
      a: { service: 'stock', inpt: 1, timeoutMs: 0, version: 'latest or so', strategy: 'best' },
      b: { ...call, after: ['zebra', 'b'], retry: { times: 11 }, strategy: 'sticky' },
      fail: call,
    },
    concurrency: 65,
    extra: true,
  });
  for (const part of [
    "it has the unknown field 'extra'",
    'concurrency is a whole number from 1 to 64',
    "steps.a has the unknown field 'inpt'",
    'steps.a has no method',
    'steps.a.timeoutMs is a whole number from 1 to 60000',
    'steps.a.version is no range of versions: latest or so',
    'steps.a.strategy is one of',
    "steps.b has the strategy 'sticky' and no key",
    'steps.b.retry.times is a whole number from 0 to 10',
    'steps.fail is a word of onError',
  ])
    assert.ok(told.includes(part), `${part}\n${told}`);
});

test('names: unknown ones, itself, twice', () => {
  const told = refusal(
    steps({
      a: { after: ['zebra', 'a'], input: [from('nobody')], when: { step: 'ghost', ended: 'done' }, onError: 'nurse' },
      b: { compensate: { ...call, input: from('gone') } },
    }),
  );
  for (const part of [
    "steps.a.after refers to 'zebra', and there is no such step",
    'steps.a.after refers to the step itself',
    "steps.a.input refers to 'nobody', and there is no such step",
    "steps.a.when refers to 'ghost', and there is no such step",
    "steps.a.onError refers to 'nurse', and there is no such step",
    "steps.b.compensate refers to 'gone', and there is no such step",
  ])
    assert.ok(told.includes(part), `${part}\n${told}`);
  assert.match(refusal(steps({ a: {}, b: { after: ['a', 'a'] } })), /steps\.b\.after\[1\] names 'a' a second time/);
});

test('circles are told by the names of those in them', () => {
  assert.equal(
    refusal(steps({ z: {}, a: { after: ['b'] }, b: { input: from('c') }, c: { when: { value: from('a') } } })),
    'steps.a waits for itself: a > b > c > a',
  );
  assert.equal(refusal(steps({ a: { onError: 'b', input: from('b') }, b: {} })), 'steps.a waits for itself: a > b > a');
});

test('a reference to what may not be there says what stands for it', () => {
  const tolerated = { a: { onError: 'continue' } };
  assert.match(refusal(steps({ ...tolerated, b: { input: from('a', 'x') } })), /refers to a\.x, but 'a' may fail without/);
  planOf(steps({ ...tolerated, b: { input: { $from: 'a', or: null } } }));
  planOf(steps({ ...tolerated, b: { after: ['a'] } }));
  // An error step knows what came before the failure, and nothing else.
  const failing = { a: {}, other: {}, b: { input: from('a'), onError: 'mend' } };
  planOf(steps({ ...failing, mend: { input: [from('a'), { $failure: 'b' }] } }));
  assert.match(refusal(steps({ ...failing, mend: { input: from('b') } })), /'b' has failed then/);
  assert.match(
    refusal(steps({ ...failing, mend: { input: from('other', 0) } })),
    /refers to other\[0\], but 'other' may not have/,
  );
  planOf(steps({ ...failing, mend: { input: { $from: 'other', or: 0 } } }));
  // Of several failures it is only certain what came before all of them.
  assert.match(
    refusal(steps({ ...failing, c: { onError: 'mend' }, mend: { input: from('a') } })),
    /refers to a, but 'a' may not have run then/,
  );
  // A compensation knows its own step, and those that it needed.
  planOf(steps({ a: {}, b: { input: from('a'), compensate: { ...call, input: [from('a'), from('b', 'id')] } } }));
  assert.match(
    refusal(steps({ a: {}, b: { compensate: { ...call, input: from('a') } } })),
    /steps\.b\.compensate\.input refers to a, but 'a' may not have run then/,
  );
});

test('error steps run only after a failure, so nothing else looks at them, and nothing compensates them', () => {
  const graph = { a: { onError: 'mend' }, mend: {} };
  assert.match(
    refusal(steps({ ...graph, b: { input: { $from: 'mend', or: 1 } } })),
    /steps\.b looks at 'mend', which runs only/,
  );
  assert.match(refusal(steps({ ...graph, mend: { compensate: call } })), /steps\.mend runs only when the run has failed/);
  const { steps: planned } = planOf(steps({ ...graph, told: { after: ['mend'] } }));
  assert.deepEqual(
    planned.map(({ isErrorStep }) => isErrorStep),
    [false, true, true],
  );
});

test('conditions', () => {
  for (const [when, why] of [
    [1, 'steps.b.when is { step, ended }'],
    [{ value: 1, is: 1, not: 2 }, 'asks for is and not'],
    [{ value: 1, above: 'x' }, 'steps.b.when.above is a number'],
    [{ is: 1 }, 'steps.b.when has no value'],
    [[{ value: true }, { step: 'a', ended: 'well' }], 'steps.b.when[1].ended is one of done, failed, skipped'],
    [{ value: 1, is: from('a') }, 'steps.b.when.is is plain data'],
    [Array(17).fill({ value: true }), 'has 17 conditions, at most 16'],
  ] as const)
    assert.ok(refusal(steps({ a: {}, b: { when } })).includes(why), why);
});

test('only plain data goes in, and not more than a graph may weigh', () => {
  const deep = (depth: number): unknown => (depth === 0 ? 1 : [deep(depth - 1)]);
  for (const [input, why] of [
    [new Date(0), 'steps.a.input is no plain data, but an object of a class'],
    [{ f: () => 1 }, 'steps.a.input.f is no plain data, but a function'],
    [1n, 'a bigint'],
    ['\ud800', 'half a character'],
    [JSON.parse('{"__proto__": 1}'), "has a field '__proto__'"],
    [deep(33), 'has more than 32 lists and records inside each other'],
    ['x'.repeat(graphLimits.graphBytesMax), 'is too large'],
    [{ $from: 'b', pth: [] }, "is a reference and has the field 'pth'; a record that is none has $$from"],
    [{ $from: 'b', path: [1.5] }, 'its path is a list'],
    [{ $from: 1 }, '$from names a step'],
    [Array(4_097).fill(from('b')), 'more than 4096 references in all'],
  ] as const)
    assert.ok(refusal(steps({ a: { input }, b: {} })).includes(why), `${why}: ${refusal(steps({ a: { input }, b: {} }))}`);
  planOf(steps({ a: { input: deep(32) } }));
  const half = 'x'.repeat(graphLimits.graphBytesMax / 2);
  assert.ok(refusal(steps({ a: { input: half }, b: { input: half } })).includes('is too large'), 'all inputs together');
  // What looks like a reference and is none.
  planOf(steps({ a: { input: literal({ $from: 'nobody', list: [{ $$failure: 1 }] }) } }));
});

test('no graph, no steps, too many, too many mistakes', () => {
  for (const graph of [null, 1, [], new Map(), undefined]) assert.equal(refusal(graph), 'it is an object with steps');
  assert.match(refusal({}), /steps are a record/);
  assert.match(refusal({ steps: {} }), /steps are 0; a graph has 1 to 256/);
  const many = (count: number, step: unknown) => ({
    steps: Object.fromEntries(Array.from({ length: count }, (_, at) => [`s${at}`, step])),
  });
  assert.match(refusal(many(257, call)), /steps are 257/);
  assert.match(refusal(many(256, 0)), /; and 224 more$/);
  assert.match(refusal({ steps: { '1st': call } }), /steps\.1st is no name of a step/);
  assert.match(refusal({ steps: JSON.parse('{"__proto__": {}}') }), /is no name of a step/);
  assert.equal(planOf({ steps: { constructor: call, toString: { ...call, after: ['constructor'] } } }).steps.length, 2);
});

test('what was given can be changed afterwards', () => {
  const list = [1];
  const { steps: planned } = planOf(steps({ a: { input: { list } } }));
  list.push(2);
  assert.deepEqual(planned[0]!.call.input, { list: [1] });
});

// ---------------------------------------------------------------- the catalog

const offering =
  (offers: Record<string, Record<string, boolean>>) =>
  ({ name, range = '*' }: Lookup): Found => {
    const methods = offers[`${name}@${range}`];
    if (methods === undefined) return { ok: true, entries: [] };
    const described = Object.entries(methods).map(([method, idempotent]) => [
      method,
      { input: null, output: null, idempotent },
    ]);
    return { ok: true, entries: [{ offer: { methods: Object.fromEntries(described) } } as unknown as Entry] };
  };

test('every call, and every compensation, is offered now', () => {
  const plan = planOf(steps({ a: {}, b: { version: '^2.0.0' }, c: { compensate: { service: 'bank', method: 'refund' } } }));
  const offered = (offers: Record<string, Record<string, boolean>>) => checkOffered(plan, offering(offers));
  const stock = { 'stock@*': { reserve: true }, 'stock@^2.0.0': { reserve: false } };
  const found = offered({ ...stock, 'bank@*': { refund: true } });
  assert.ok(found.ok);
  const names = (chosen: boolean) =>
    plan.steps.flatMap(({ name, call: one, compensate }) => [
      ...(found.idempotent.has(one) === chosen ? [name] : []),
      ...(compensate !== null && found.idempotent.has(compensate) === chosen ? [`${name}'s`] : []),
    ]);
  assert.deepEqual(names(true), ['a', 'c', "c's"]);
  const nobody = offered({ 'stock@*': { reserve: true } });
  assert.ok(!nobody.ok);
  assert.equal(nobody.failure.code, 'SERVICE_NOT_FOUND');
  assert.equal(
    nobody.failure.message,
    'the graph cannot run: steps.b: nobody offers stock@^2.0.0; steps.c.compensate: nobody offers bank',
  );
  const lacking = offered({ ...stock, 'bank@*': { pay: true } });
  assert.ok(!lacking.ok && lacking.failure.code === 'METHOD_NOT_FOUND');
  assert.match(lacking.failure.message, /steps\.c\.compensate: bank has no method 'refund'$/);
});
