// Calls of services over HTTP, against a gateway over a node that serves them itself.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { createClient } from '../../../src/client/index.ts';
import type { PolityError } from '../../../src/errors.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { hostedFrom } from '../../../src/service/hosted.ts';
import { defineService, type ServiceContext, ServiceError, unchecked } from '../../../src/service/index.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

const shop = defineService({
  ...{ name: 'shop/v', version: '1.2.0' },
  methods: {
    buy: { input: z.object({ what: z.string() }), output: z.object({ bought: z.string() }) },
    who: {},
    echo: {},
    refuse: {},
    hang: {},
    strange: {},
    count: { input: unchecked<number>(), stream: true },
    silence: { stream: true },
  },
});

let node: FakeNode;
let gateway: Gateway;
let hanging: ServiceContext | null = null;
const told: string[] = [];
const until = async (holds: () => boolean): Promise<void> => {
  for (let turn = 0; !holds(); turn++) {
    if (turn > 2_000) throw new Error('it never came');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
  const hosted = hostedFrom(
    shop,
    {
      buy: ({ what }) => ({ bought: what }),
      who: (_input, { principal, requestId, trace, caller }) => ({ principal, requestId, trace, caller }),
      echo: (input) => input,
      refuse() {
        throw new ServiceError('SOLD_OUT', 'none left', { left: 0 });
      },
      hang(_input, context) {
        hanging = context;
        return new Promise(() => {});
      },
      strange: () => new Date(),
      async *silence(_input, { signal }) {
        told.push('silent');
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        told.push('left in silence');
      },
      async *count(to) {
        try {
          for (let n = 1; n <= to; n++) yield { n };
          if (to === 3) throw new ServiceError('THREE', 'it is three');
        } finally {
          told.push(`closed ${to}`);
        }
      },
    },
    { node: 'n1', calls: node.calls, sink: { log: () => {}, count: () => {} } },
  );
  assert.equal(node.host.add(hosted), null);
});
after(() => gateway.close());

const post = (method: string, body?: unknown, headers: Record<string, string> = {}, query = '') =>
  ask(gateway, 'POST', `/v1/services/shop%2Fv/${method}${query}`, {
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

test('JSON in, JSON out; nothing is null, and bytes have a form', async () => {
  assert.deepEqual((await post('buy', { what: 'bread' })).json, { bought: 'bread' });
  assert.deepEqual((await post('echo')).bytes.toString(), 'null');
  assert.deepEqual((await post('echo', { $base64: 'AAE=' })).json, { $base64: 'AAE=' });
  assert.deepEqual((await post('echo', { $$base64: 'x' })).json, { $$base64: 'x' });
  assert.deepEqual((await post('echo', [1, 'a', { b: [null] }])).json, [1, 'a', { b: [null] }]);
});

test('for whom, under which id and in which trace', async () => {
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const headers = { 'polity-principal': 'ada', 'idempotency-key': 'once', traceparent: trace };
  assert.deepEqual((await post('who', null, headers)).json, { principal: 'ada', requestId: 'once', trace, caller: 'n1' });
});

test('what goes wrong is a problem with its status', async () => {
  const problem = async (answer: ReturnType<typeof post>): Promise<unknown[]> => {
    const { status, json } = await answer;
    return [status, json.code, json.definite];
  };
  assert.deepEqual(await problem(post('buy', { what: 1 })), [400, 'INVALID_REQUEST', true]);
  assert.deepEqual(await problem(post('sell')), [404, 'METHOD_NOT_FOUND', true]);
  assert.deepEqual(await problem(post('echo', 1, {}, '?version=%5E2')), [404, 'SERVICE_NOT_FOUND', true]);
  assert.deepEqual(await problem(post('echo', 1, {}, '?verzion=1')), [400, 'INVALID_REQUEST', true]);
  assert.deepEqual(await problem(post('echo', 1, {}, '?timeout-ms=70000')), [400, 'INVALID_REQUEST', true]);
  assert.deepEqual(await problem(post('echo', 1, { 'idempotency-key': 'ö' })), [400, 'INVALID_REQUEST', true]);
  assert.deepEqual(await problem(post('strange')), [500, 'SERVICE_FAILED', false]);
  assert.deepEqual(await problem(post('count', 2)), [400, 'INVALID_REQUEST', true]);
  assert.deepEqual(await problem(ask(gateway, 'POST', '/v1/services/shop%2Fv/echo', { body: '{' })), [
    400,
    'INVALID_REQUEST',
    true,
  ]);
  assert.deepEqual(await problem(ask(gateway, 'PUT', '/v1/services/shop%2Fv/echo')), [405, 'METHOD_NOT_ALLOWED', true]);
  const refused = await post('refuse');
  assert.deepEqual(
    [refused.status, refused.json.details],
    [422, { left: 0, reason: 'SOLD_OUT', service: 'shop/v', method: 'refuse', node: 'n1', chain: 'n1 shop/v.refuse' }],
  );
});

test('a principal over his limit is told when to come back', async () => {
  const headers = { 'polity-principal': 'eve' };
  for (let n = 0; n < 50; n++) assert.equal((await post('echo', n, headers)).status, 200);
  const { status, headers: answered, json } = await post('echo', 0, headers);
  assert.deepEqual([status, answered['retry-after'], json.code], [429, '36', 'RATE_LIMITED']);
  const long = await post('echo', 0, { 'polity-principal': 'e'.repeat(257) });
  assert.match(String(long.json.detail), /Polity-Principal has 1 to 256 characters/);
});

const { hostname, port } = { hostname: '127.0.0.1', port: () => Number(new URL(gateway.url).port) };

test('a client that goes away gives the call up', async () => {
  const request = http.request({ hostname, port: port(), method: 'POST', path: '/v1/services/shop%2Fv/hang', agent: false });
  request.on('error', () => {});
  request.end();
  await until(() => hanging !== null);
  const { signal } = hanging!;
  request.destroy();
  await until(() => signal.aborted);
  assert.equal((signal.reason as PolityError).code, 'CANCELLED');
});

test('a stream is JSON lines, at the pace of its reader', async () => {
  const lines = async (to: number): Promise<unknown[]> => {
    const { bytes, headers } = await post('count', to, {}, '?stream=true');
    assert.equal(headers['content-type'], 'application/x-ndjson');
    return bytes
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };
  assert.deepEqual(await lines(2), [{ item: { n: 1 } }, { item: { n: 2 } }, { end: true }]);
  assert.deepEqual(await lines(0), [{ end: true }]);
  assert.equal((await lines(500)).length, 501);
  const last = (await lines(3)).at(-1) as { failed: { code: string; details: { reason: string } } };
  assert.deepEqual([last.failed.code, last.failed.details.reason], ['SERVICE_REFUSED', 'THREE']);
  const one = await post('buy', { what: 'salt' }, {}, '?stream');
  assert.equal(one.bytes.toString(), '{"item":{"bought":"salt"}}\n{"end":true}\n');
  assert.equal((await post('refuse', null, {}, '?stream')).status, 422);
});

test('a reader who leaves ends the stream', async () => {
  const request = http.request({
    hostname,
    port: port(),
    method: 'POST',
    path: '/v1/services/shop%2Fv/count?stream',
    agent: false,
  });
  request.on('error', () => {});
  request.on('response', (response) => response.once('data', () => request.destroy()));
  request.end('1000000');
  await until(() => told.includes('closed 1000000'));
});

test('a reader who leaves before anything came ends the stream, too', async () => {
  const path = '/v1/services/shop%2Fv/silence?stream';
  const request = http.request({ hostname, port: port(), method: 'POST', path, agent: false });
  request.on('error', () => {});
  request.end();
  await until(() => told.includes('silent'));
  request.destroy();
  await until(() => told.includes('left in silence'));
});

test('the client: results, refusals, streams', async () => {
  using client = createClient({ urls: [gateway.url] });
  assert.deepEqual(await client.call('shop/v', 'buy', { what: 'tea' }), { bought: 'tea' });
  assert.deepEqual(await client.call('shop/v', 'echo', new Uint8Array([7])), new Uint8Array([7]));
  const { principal, requestId } = (await client.call('shop/v', 'who', null, { principal: 'bob', requestId: 'r1' })) as Record<
    string,
    string
  >;
  assert.deepEqual([principal, requestId], ['bob', 'r1']);
  await assert.rejects(client.call('shop/v', 'refuse'), (error: PolityError) => {
    assert.deepEqual([error.code, error.definite, error.details.reason], ['SERVICE_REFUSED', true, 'SOLD_OUT']);
    return true;
  });
  const taken: unknown[] = [];
  for await (const item of client.stream('shop/v', 'count', 4)) taken.push(item);
  assert.deepEqual(taken, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
  for await (const item of client.stream('shop/v', 'count', 999_999)) {
    assert.deepEqual(item, { n: 1 });
    break;
  }
  await until(() => told.includes('closed 999999'));
  await assert.rejects(
    async () => {
      for await (const _ of client.stream('shop/v', 'count', 3));
    },
    { code: 'SERVICE_REFUSED' },
  );
  await assert.rejects(client.call('shop/v', 'echo', new Date()), { code: 'INVALID_REQUEST' });
  await assert.rejects(client.call('nobody', 'echo', null, { timeoutMs: 300 }), { code: 'SERVICE_NOT_FOUND' });
});

test('what became of calls is among the metrics', async () => {
  const text = (await ask(gateway, 'GET', '/metrics')).bytes.toString();
  const shown = (line: string): number => Number(new RegExp(`^polity_service_${line} ([0-9.]+)$`, 'm').exec(text)?.[1]);
  const ok = shown('calls_total\\{service="shop/v",outcome="ok"\\}');
  assert.ok(
    ok > 50,
    text
      .split('\n')
      .filter((line) => line.includes('_service_'))
      .join('\n'),
  );
  assert.ok(shown('calls_total\\{service="shop/v",outcome="SERVICE_REFUSED"\\}') >= 2);
  assert.equal(shown('refused_total\\{service="shop/v",why="principal"\\}'), 1);
  assert.equal(shown('running\\{service="shop/v",version="1.2.0"\\}'), 1);
  assert.ok(shown('seconds_bucket\\{service="shop/v",le="\\+Inf"\\}') >= ok);
  assert.ok(shown('seconds_count\\{service="shop/v"\\}') >= ok);
});

test('a gateway that closes gives streams up, and does not say that nothing happened', async () => {
  const other = await openTestGateway(node);
  const before = told.length;
  const answer = ask(other, 'POST', '/v1/services/shop%2Fv/silence?stream');
  await until(() => told.slice(before).includes('silent'));
  await other.close();
  const { status, json } = await answer;
  assert.deepEqual([status, json.code, json.definite], [504, 'OUTCOME_UNKNOWN', false]);
  await until(() => told.slice(before).includes('left in silence'));
});
