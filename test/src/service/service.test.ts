// Services as developers write them: defined by any schema library, served, called by names and by a typed client, at one node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { defineService, ServiceError, unchecked } from '../../../src/service/index.ts';
import { alone, failureIn } from './alone.ts';

const libraries = {
  zod: { input: z.object({ a: z.number(), b: z.number().default(1) }), output: z.number().int() },
  valibot: { input: v.object({ a: v.number(), b: v.optional(v.number(), 1) }), output: v.pipe(v.number(), v.integer()) },
  arktype: { input: type({ a: 'number', b: 'number = 1' }), output: type('number.integer') },
};

for (const [library, { input, output }] of Object.entries(libraries))
  test(`${library}: input and result are checked where the method is executed`, async () => {
    const node = alone();
    const math = defineService({ name: 'math', version: '1.0.0', methods: { add: { input, output } } });
    const client = node.serve(math, { add: ({ a, b }) => a + b });
    assert.equal(await client.add({ a: 2, b: 3 }), 5);
    assert.equal(await client.add({ a: 2 }), 3, "the schema's default");
    assert.equal(await node.call('math', 'add', { a: 1, b: 1 }), 2);

    const refused = await failureIn(node.call('math', 'add', { a: 'one' }));
    assert.equal(refused.code, 'INVALID_REQUEST');
    assert.match(refused.message, /^math\.add: input\.a: /);
    assert.equal(typeof refused.details?.['input.a'], 'string');

    const broken = await failureIn(client.add({ a: 0.5, b: 0 }));
    assert.equal(broken.code, 'SERVICE_FAILED');
    assert.match(broken.message, /gave what it does not promise/);
    assert.deepEqual(
      node.lines.map(({ code }) => code),
      ['SERVICE_THREW'],
    );
  });

test('what the catalog tells of a method is JSON Schema, where the library gives it', () => {
  const { methods } = defineService({
    ...{ name: 'math', version: '1.0.0' },
    methods: { zod: libraries.zod, valibot: libraries.valibot, arktype: libraries.arktype },
  }).offer;
  assert.deepEqual(methods.zod?.input, {
    ...{ type: 'object', required: ['a'] },
    properties: { a: { type: 'number' }, b: { type: 'number', default: 1 } },
  });
  assert.equal(Reflect.get(Object(methods.arktype?.input), 'type'), 'object');
  assert.equal(methods.valibot?.input, null);
});

test('a service error says that nothing happened; whatever else is thrown is logged at home and told without its stack', async () => {
  const node = alone();
  const shop = defineService({ name: 'shop', version: '1.0.0', methods: { buy: {}, crash: {}, late: {} } });
  const client = node.serve(shop, {
    buy() {
      throw new ServiceError('SOLD_OUT', 'none is left', { left: 0 });
    },
    crash() {
      throw new TypeError('no such thing\n    at secret/place.ts:1');
    },
    late: () => Promise.reject('a word'),
  });
  const refused = await failureIn(client.buy());
  assert.deepEqual(
    { code: refused.code, message: refused.message, reason: refused.details?.reason, left: refused.details?.left },
    { code: 'SERVICE_REFUSED', message: 'none is left', reason: 'SOLD_OUT', left: 0 },
  );
  assert.equal(node.lines.length, 0);

  const crashed = await failureIn(client.crash());
  assert.equal(crashed.code, 'SERVICE_FAILED');
  assert.equal(crashed.message, 'shop.crash failed at n1: no such thing');
  assert.ok(!JSON.stringify(crashed).includes('secret'));
  assert.equal((await failureIn(client.late())).message, 'shop.late failed at n1: a word');
  assert.deepEqual(
    node.lines.map(({ code, facts }) => [code, facts.service, facts.method]),
    [
      ['SERVICE_THREW', 'shop', 'crash'],
      ['SERVICE_THREW', 'shop', 'late'],
    ],
  );
});

test('a call within a call goes on with its principal, its deadline and its chain', async () => {
  const node = alone();
  const inner = defineService({ name: 'inner', version: '1.0.0', methods: { tell: {}, fail: {} } });
  const outer = defineService({ name: 'outer', version: '1.0.0', methods: { ask: {}, fail: {} } });
  node.serve(inner, {
    tell: (_input, { chain, principal, remainingMs }) => ({ chain, principal, isBounded: remainingMs <= 500 }),
    fail() {
      throw new ServiceError('NO', 'not now');
    },
  });
  node.serve(outer, {
    // Taken out of the context, as people do.
    ask: (_input, { client }) => client(inner).tell(),
    fail: (_input, { call }) => call('inner', 'fail'),
  });
  assert.deepEqual(await node.call('outer', 'ask', null, { principal: 'ada', timeoutMs: 500 }), {
    ...{ chain: ['n1 outer.ask', 'n1 inner.tell'], principal: 'ada', isBounded: true },
  });
  const failed = await failureIn(node.call('outer', 'fail'));
  assert.equal(failed.code, 'SERVICE_FAILED');
  assert.deepEqual([failed.details?.cause, failed.details?.chain], ['SERVICE_REFUSED', 'n1 outer.fail > n1 inner.fail']);
});

test('versions: a client asks for what fits its definition, a name alone for the newest release', async () => {
  const node = alone();
  const at = (version: string) => defineService({ name: 'v', version, methods: { which: { output: unchecked<string>() } } });
  for (const version of ['1.0.0', '1.2.0', '2.0.0', '3.0.0-rc.1']) node.serve(at(version), { which: () => version });
  const client = alone().serve(at('1.0.0'), { which: () => 'elsewhere' });
  assert.equal(await client.which(), 'elsewhere');
  assert.equal(await node.call('v', 'which'), '2.0.0');
  assert.equal(await node.call('v', 'which', null, { version: '^1.0.0' }), '1.2.0');
  assert.equal(await node.call('v', 'which', null, { version: '^3.0.0-rc.0' }), '3.0.0-rc.1');
  assert.equal((await failureIn(node.call('v', 'which', null, { version: '^4' }))).code, 'SERVICE_NOT_FOUND');
  assert.equal((await failureIn(node.call('v', 'which', null, { version: 'latest' }))).code, 'INVALID_REQUEST');
  assert.equal((await failureIn(node.call('v', 'what'))).code, 'METHOD_NOT_FOUND');
  node.host.remove({ kind: 'service', name: 'v', version: '2.0.0' });
  assert.equal(await node.call('v', 'which'), '1.2.0');
});

test('what is no definition is refused by what is wrong with it', () => {
  const defined = (given: Record<string, unknown>) => () =>
    defineService({ name: 's', version: '1.0.0', methods: { m: {} }, ...given } as never);
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ name: '' }, /its name has/],
    [{ version: 'one' }, /Semantic Versioning/],
    [{ methods: {} }, /has no method/],
    [{ methods: Object.fromEntries([['then', {}]]) }, /then/],
    [{ methods: { m: { input: {} } } }, /its input is no schema/],
    [{ methods: { m: { idempotent: 'yes' } } }, /idempotent is true or false/],
    [{ methods: { m: { indempotent: true } } }, /no option 'indempotent'/],
    [{ methods: { m: { importance: 'high' } } }, /critical, normal, background/],
    [{ methods: { m: { cost: 0 } } }, /cost is a whole number/],
    [{ concurrency: 0 }, /concurrency/],
    [{ queue: -1 }, /queue/],
    [{ tags: ['a', 'a'] }, /tags/],
  ];
  for (const [given, message] of wrong)
    assert.throws(defined(given), { code: 'INVALID_REQUEST', message }, JSON.stringify(given));
});

test('what is no definition, no handlers and no options is refused by name', async () => {
  const node = alone();
  const math = defineService({ name: 'math', version: '1.0.0', methods: { add: {} } });
  const isInvalid = { code: 'INVALID_REQUEST' };
  for (const wrong of [undefined, null, 5, {}] as never[]) {
    assert.throws(() => defineService(wrong), isInvalid);
    assert.throws(() => node.serve(wrong, {}), isInvalid);
    assert.throws(() => node.serve(math, wrong), isInvalid);
  }
  node.serve(math, { add: () => 1 });
  for (const wrong of [null, 5, 'x', { signal: 5 }, { signal: {} }] as never[])
    assert.equal((await failureIn(node.call('math', 'add', null, wrong))).code, 'INVALID_REQUEST');
});

test('handlers and methods are the same ones', () => {
  const one = defineService({ name: 's', version: '1.0.0', methods: { m: {} } });
  assert.throws(() => alone().serve(one, {} as never), { message: /s\.m has no handler/ });
  assert.throws(() => alone().serve(one, { m: () => 1, n: () => 2 } as never), { message: /no method n/ });
  const node = alone();
  node.serve(one, { m: () => 1 });
  assert.throws(() => node.serve(one, { m: () => 1 }), { message: /offers s@1\.0\.0 already/ });
});
