// Leases and locks over HTTP, and a write that is fenced by a lock's token.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(gateway, 'POST', path, { body: JSON.stringify(body), headers });

test('a lease is granted, seen, renewed and revoked', async () => {
  const granted = await post('/v1/leases', { ttlMs: 10_000 });
  assert.equal(granted.json.expiresAtMs, node.nowMs + 10_000);
  const lease = String(granted.json.lease);
  node.nowMs += 4_000;
  assert.equal((await ask(gateway, 'PUT', `/v1/leases/${lease}`)).json.expiresAtMs, node.nowMs + 10_000);
  const seen = await ask(gateway, 'GET', `/v1/leases/${lease}`);
  assert.deepEqual([seen.json.lease, seen.json.ttlMs], [lease, 10_000]);
  assert.equal((await ask(gateway, 'DELETE', `/v1/leases/${lease}`)).status, 200);
  assert.equal((await ask(gateway, 'GET', `/v1/leases/${lease}`)).json.code, 'LEASE_NOT_FOUND');
  assert.equal((await ask(gateway, 'PUT', `/v1/leases/${lease}`)).json.code, 'LEASE_NOT_FOUND');
});

test('a grant that is repeated under its idempotency key is the same lease', async () => {
  const headers = { 'idempotency-key': 'grant-1' };
  const first = await post('/v1/leases', { ttlMs: 10_000 }, headers);
  assert.deepEqual((await post('/v1/leases', { ttlMs: 10_000 }, headers)).json, first.json);
});

test('a lock has one holder; its token fences writes and releases it', async () => {
  for (const lease of ['la', 'lb']) await post('/v1/leases', { lease, ttlMs: 10_000 });
  const held = await post('/v1/locks/job%2F1', { lease: 'la', owner: 'a' });
  assert.equal(held.json.lock, 'job/1');
  const token = String(held.json.token);
  assert.match(token, /^3\.\d+$/);
  const other = await post('/v1/locks/job%2F1', { lease: 'lb', owner: 'b' });
  assert.deepEqual([other.status, other.json.code, other.json.retryable], [409, 'LOCK_HELD', true]);
  const seen = await ask(gateway, 'GET', '/v1/locks/job%2F1');
  assert.deepEqual([seen.json.owner, seen.json.lease, seen.json.token], ['a', 'la', token]);
  const fence = encodeURIComponent(`job/1:${token}`);
  assert.equal((await ask(gateway, 'PUT', `/v1/kv/result?fence=${fence}`, { body: 'x' })).status, 200);
  assert.equal((await ask(gateway, 'DELETE', `/v1/locks/job%2F1?token=${token}`)).status, 200);
  const late = await ask(gateway, 'PUT', `/v1/kv/result?fence=${fence}`, { body: 'y' });
  assert.deepEqual([late.status, late.json.code], [412, 'FENCED']);
  assert.equal((await ask(gateway, 'GET', '/v1/locks/job%2F1')).json.code, 'NOT_FOUND');
});

test('bodies that are wrong are refused by field', async () => {
  for (const [path, body] of [
    ['/v1/leases', '{"ttlMs":"10s"}'],
    ['/v1/leases', '{}'],
    ['/v1/leases', '{"ttl":1}'],
    ['/v1/leases', '[1]'],
    ['/v1/leases', '{'],
    ['/v1/leases', Buffer.from([0x7b, 0xff, 0x7d])],
    ['/v1/locks/l', '{"lease":"x"}'],
    ['/v1/locks/l', '{"lease":7,"owner":"o"}'],
  ] as const)
    assert.equal((await ask(gateway, 'POST', path, { body })).json.code, 'INVALID_REQUEST', `${path} ${String(body)}`);
  assert.equal((await ask(gateway, 'DELETE', '/v1/locks/l')).json.code, 'INVALID_REQUEST');
  assert.equal((await ask(gateway, 'DELETE', '/v1/locks/l?token=1')).json.code, 'INVALID_REQUEST');
});
