// Keys over HTTP: the contracts of the design, and keys and values as strange as they come.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { failure } from '../../../machines/errors.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

test('a put answers key, index and term, a get the value as text', async () => {
  const put = await ask(gateway, 'PUT', '/v1/kv/greeting', { body: 'hello' });
  assert.equal(put.status, 200);
  assert.deepEqual(put.json, { key: 'greeting', index: node.index, term: 3 });
  const got = await ask(gateway, 'GET', '/v1/kv/greeting');
  assert.equal(got.headers['content-type'], 'application/json; charset=utf-8');
  assert.deepEqual(
    [got.json.key, got.json.value, got.json.index, got.json.encoding],
    ['greeting', 'hello', node.index, undefined],
  );
});

test('a value that is not UTF-8 comes as base64, or raw with its index in a header', async () => {
  const body = new Uint8Array([0xff, 0x00, 0xfe]);
  await ask(gateway, 'PUT', '/v1/kv/bytes', { body });
  const got = await ask(gateway, 'GET', '/v1/kv/bytes');
  assert.deepEqual([got.json.value, got.json.encoding], ['/wD+', 'base64']);
  const raw = await ask(gateway, 'GET', '/v1/kv/bytes?raw');
  assert.deepEqual(new Uint8Array(raw.bytes), body);
  assert.equal(raw.headers['content-type'], 'application/octet-stream');
  assert.equal(raw.headers['polity-index'], String(node.index));
});

test('an empty body is an empty value', async () => {
  await ask(gateway, 'PUT', '/v1/kv/empty');
  assert.equal((await ask(gateway, 'GET', '/v1/kv/empty')).json.value, '');
});

test('delete answers index and term, a second delete is a problem', async () => {
  await ask(gateway, 'PUT', '/v1/kv/gone', { body: 'x' });
  assert.equal((await ask(gateway, 'DELETE', '/v1/kv/gone')).json.key, 'gone');
  const again = await ask(gateway, 'DELETE', '/v1/kv/gone');
  assert.equal(again.status, 404);
  assert.equal(again.headers['content-type'], 'application/problem+json');
  assert.equal(again.json.code, 'KEY_NOT_FOUND');
});

test('a problem has every member of RFC 9457 and says whether it may have happened', async () => {
  const { status, json } = await ask(gateway, 'GET', '/v1/kv/absent');
  assert.equal(status, 404);
  const { code, retryable, definite, status: inBody, type, instance } = json;
  const expected = {
    code: 'KEY_NOT_FOUND',
    retryable: false,
    definite: true,
    inBody: 404,
    type: 'urn:polity:error:KEY_NOT_FOUND',
  };
  assert.deepEqual({ code, retryable, definite, inBody, type }, expected);
  assert.equal(instance, '/v1/kv/absent');
});

test('any key comes back as it went', async () => {
  const keys = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((key) => !key.includes('\0'));
  await fc.assert(
    fc.asyncProperty(keys, async (key) => {
      const path = `/v1/kv/${encodeURIComponent(key)}`;
      const put = await ask(gateway, 'PUT', path, { body: key });
      assert.equal(put.json.key, key);
      assert.equal((await ask(gateway, 'GET', path)).json.value, key);
    }),
    { numRuns: 100, examples: [['a/b//c'], ['/'], ['..'], ['%2F'], ['%'], ['a+b c'], ['?x=1#y'], ['ключ'], ['kv;v=1']] },
  );
});

test('slashes may stand unencoded in a key', async () => {
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/a/b//c', { body: '1' })).json.key, 'a/b//c');
});

test('keys that are no keys are refused by name', async () => {
  for (const [path, code] of [
    ['/v1/kv/', 'INVALID_REQUEST'],
    ['/v1/kv/%ff', 'INVALID_REQUEST'],
    ['/v1/kv/%zz', 'INVALID_REQUEST'],
    ['/v1/kv/a%00b', 'INVALID_REQUEST'],
    [`/v1/kv/${'k'.repeat(1025)}`, 'TOO_LARGE'],
  ] as const) {
    const { json, headers } = await ask(gateway, 'PUT', path, { body: 'x' });
    assert.equal(json.code, code, path);
    assert.equal(headers['content-type'], 'application/problem+json');
  }
});

test('the longest key, every byte of it encoded, is taken', async () => {
  const key = 'é'.repeat(512);
  assert.equal((await ask(gateway, 'PUT', `/v1/kv/${encodeURIComponent(key)}`, { body: 'x' })).status, 200);
});

test('a value of 1 MiB is taken, one byte more is 413', async () => {
  const body = new Uint8Array(1 << 20).fill(0x61);
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/large', { body })).status, 200);
  const more = new Uint8Array((1 << 20) + 1);
  const declared = await ask(gateway, 'PUT', '/v1/kv/large', { body: more });
  assert.deepEqual([declared.status, declared.json.code], [413, 'TOO_LARGE']);
  const chunked = await ask(gateway, 'PUT', '/v1/kv/large', { body: more, headers: { 'transfer-encoding': 'chunked' } });
  assert.deepEqual([chunked.status, chunked.json.code], [413, 'TOO_LARGE']);
});

test('compare-and-set by value and by index', async () => {
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/cas?if-index=0', { body: 'one' })).status, 200);
  const exists = await ask(gateway, 'PUT', '/v1/kv/cas?if-index=0', { body: 'two' });
  assert.deepEqual([exists.status, exists.json.code], [412, 'CAS_MISMATCH']);
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/cas?if-value=one', { body: 'two' })).status, 200);
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/cas?if-value=one', { body: 'three' })).json.code, 'CAS_MISMATCH');
  const { index } = (await ask(gateway, 'GET', '/v1/kv/cas')).json;
  assert.equal((await ask(gateway, 'DELETE', `/v1/kv/cas?if-index=${index}`)).status, 200);
});

test('a condition may be any bytes, spaces and percent signs', async () => {
  const value = Buffer.from([0x20, 0x25, 0x2b, 0xff, 0x26]);
  await ask(gateway, 'PUT', '/v1/kv/odd', { body: value });
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/odd?if-value=+%25%2b%FF%26', { body: 'done' })).status, 200);
  assert.equal((await ask(gateway, 'PUT', '/v1/kv/odd?if-value=done', { body: 'again' })).status, 200);
  const long = 'x'.repeat(4097);
  assert.equal((await ask(gateway, 'PUT', `/v1/kv/odd?if-value=${long}`, { body: 'x' })).json.code, 'TOO_LARGE');
});

test('misspelt, repeated and contradicting parameters are refused, and nothing is written', async () => {
  const { index } = node;
  for (const query of [
    'if-indx=0',
    'if-index=0&if-index=1',
    'if-index=0&if-value=x',
    'if-index=-1',
    'if-index=1.5',
    'ttl-ms=0',
  ])
    assert.equal((await ask(gateway, 'PUT', `/v1/kv/k?${query}`, { body: 'x' })).json.code, 'INVALID_REQUEST', query);
  for (const query of ['fence=lock', 'fence=:1.2', 'fence=l:1', 'timeout-ms=0', 'timeout-ms=60001', 'lease='])
    assert.equal((await ask(gateway, 'PUT', `/v1/kv/k?${query}`, { body: 'x' })).json.code, 'INVALID_REQUEST', query);
  for (const query of ['consistency=eventual', 'raw=maybe', 'if-index=0'])
    assert.equal((await ask(gateway, 'GET', `/v1/kv/k?${query}`)).json.code, 'INVALID_REQUEST', query);
  assert.equal(node.index, index);
});

test('an idempotency key gives a retry one effect; with another body it is 422', async () => {
  const headers = { 'idempotency-key': 'order-1' };
  const first = await ask(gateway, 'PUT', '/v1/kv/order', { body: 'a', headers });
  const second = await ask(gateway, 'PUT', '/v1/kv/order', { body: 'a', headers });
  assert.deepEqual(second.json, first.json);
  const other = await ask(gateway, 'PUT', '/v1/kv/order', { body: 'b', headers });
  assert.deepEqual([other.status, other.json.code], [422, 'IDEMPOTENCY_CONFLICT']);
  const long = await ask(gateway, 'PUT', '/v1/kv/order', { body: 'a', headers: { 'idempotency-key': 'x'.repeat(129) } });
  assert.equal(long.json.code, 'INVALID_REQUEST');
});

test('time limit, consistency and group reach the node', async () => {
  await ask(gateway, 'PUT', '/v1/kv/t?timeout-ms=1234', { body: 'x' });
  const asked = node.asked.at(-1)!;
  assert.equal(asked.type === 'write' && asked.timeoutMs, 1234);
  await ask(gateway, 'GET', '/v1/kv/t?consistency=local');
  const read = node.asked.at(-1)!;
  assert.equal(read.type === 'read' && read.consistency, 'local');
  assert.equal((await ask(gateway, 'GET', '/v1/kv/t?group=other')).json.code, 'GROUP_NOT_FOUND');
});

test('a list is paged in byte order', async () => {
  for (const key of ['p/b', 'p/a', 'p/é', 'q']) await ask(gateway, 'PUT', `/v1/kv/${encodeURIComponent(key)}`, { body: key });
  const first = await ask(gateway, 'GET', '/v1/kv?prefix=p%2F&limit=2');
  const keysOf = (answer: typeof first) => (answer.json.items as { key: string }[]).map((item) => item.key);
  assert.deepEqual([keysOf(first), first.json.more], [['p/a', 'p/b'], true]);
  const rest = await ask(gateway, 'GET', '/v1/kv?prefix=p%2F&limit=2&after=p%2Fb');
  assert.deepEqual([keysOf(rest), rest.json.more], [['p/é'], false]);
  assert.equal((await ask(gateway, 'GET', '/v1/kv?limit=1001')).json.code, 'INVALID_REQUEST');
});

test('a TTL and a lease appear with the key', async () => {
  const lease = await ask(gateway, 'POST', '/v1/leases', { body: '{"ttlMs":60000,"lease":"l1"}' });
  assert.equal(lease.json.lease, 'l1');
  await ask(gateway, 'PUT', '/v1/kv/leased?lease=l1', { body: 'x' });
  assert.equal((await ask(gateway, 'GET', '/v1/kv/leased')).json.lease, 'l1');
  await ask(gateway, 'PUT', '/v1/kv/brief?ttl-ms=5000', { body: 'x' });
  assert.equal((await ask(gateway, 'GET', '/v1/kv/brief')).json.expiresAtMs, node.nowMs + 5_000);
});

test('failures of the node keep their code, status and details', async () => {
  for (const code of ['NO_QUORUM', 'OUTCOME_UNKNOWN', 'OVERLOADED', 'STORAGE_FAILED'] as const) {
    node.intercept = () => failure(code, 'because', { at: 'n1' });
    const answer = await ask(gateway, 'PUT', '/v1/kv/x', { body: 'x' });
    assert.deepEqual([answer.json.code, answer.json.status, answer.json.details], [code, answer.status, { at: 'n1' }]);
  }
  node.intercept = () => failure('OUTCOME_UNKNOWN', 'because');
  const unknown = await ask(gateway, 'PUT', '/v1/kv/x', { body: 'x' });
  assert.deepEqual([unknown.status, unknown.json.definite], [504, false]);
  node.intercept = () => null;
});

test('content types do not matter, not even malformed ones', async () => {
  for (const type of ['application/json', 'text/plain', 'image/png', 'application/x-www-form-urlencoded', 'nonsense'])
    assert.equal(
      (await ask(gateway, 'PUT', '/v1/kv/typed', { body: '{', headers: { 'content-type': type } })).status,
      200,
      type,
    );
});
