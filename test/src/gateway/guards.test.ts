// Who is let in: Host against rebinding, Origin against pages of others, the token against everybody else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { createGuard, isLoopbackHost, nameOfHost } from '../../../src/gateway/guards.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

const codeFor = (
  options: Parameters<typeof createGuard>[0],
  headers: Record<string, string>,
  isPublic = false,
): string | null => createGuard(options)(headers, { public: isPublic })?.code ?? null;

test('a loopback server answers to loopback names only', () => {
  const options = { listenHost: '127.0.0.1', hosts: [], token: null };
  for (const host of ['127.0.0.1:7501', 'localhost', 'LOCALHOST:1', '[::1]:7501'])
    assert.equal(codeFor(options, { host }), null, host);
  for (const host of [
    'evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example:7501',
    '10.0.0.1',
    '',
    'a b',
    'x@localhost',
  ])
    assert.equal(codeFor(options, { host }), 'FORBIDDEN', host);
  assert.equal(codeFor(options, {}), 'FORBIDDEN');
});

test('a server on every address answers to any address and to configured names', () => {
  const options = { listenHost: '0.0.0.0', hosts: ['polity-0.polity'], token: null };
  for (const host of ['10.1.2.3:7501', '[fd00::1]:7501', 'polity-0.polity:7501', 'Polity-0.Polity'])
    assert.equal(codeFor(options, { host }), null, host);
  assert.equal(codeFor(options, { host: 'rebound.example' }), 'FORBIDDEN');
});

test('an origin must be the very host that is asked', () => {
  const options = { listenHost: '127.0.0.1', hosts: [], token: null };
  const host = 'localhost:7501';
  assert.equal(codeFor(options, { host, origin: 'http://localhost:7501' }), null);
  for (const origin of [
    'http://localhost:7502',
    'http://evil.example',
    'null',
    'file://',
    'http://localhost:7501.evil.example',
  ])
    assert.equal(codeFor(options, { host, origin }), 'FORBIDDEN', origin);
});

test('a token is asked of everything but health checks', () => {
  const options = { listenHost: '127.0.0.1', hosts: [], token: 'let-me-in' };
  const host = 'localhost';
  assert.equal(codeFor(options, { host }), 'UNAUTHORIZED');
  assert.equal(codeFor(options, { host }, true), null);
  assert.equal(codeFor(options, { host, authorization: 'Bearer let-me-in' }), null);
  assert.equal(codeFor(options, { host, authorization: 'bearer let-me-in' }), null);
  for (const authorization of ['Bearer wrong', 'Bearer', 'Basic let-me-in', 'let-me-in', 'Bearer let-me-in2'])
    assert.equal(codeFor(options, { host, authorization }), 'UNAUTHORIZED', authorization);
});

test('names of hosts', () => {
  assert.equal(nameOfHost('[::1]:80'), '[::1]');
  assert.equal(nameOfHost('a:b:c'), null);
  assert.equal(isLoopbackHost('127.9.9.9'), true);
  assert.equal(isLoopbackHost('[::1]'), true);
  assert.equal(isLoopbackHost('0.0.0.0'), false);
});

test('a request from another page or without the token never reaches the node, nor does its body', async () => {
  const node = new FakeNode();
  const gateway = await openTestGateway(node, { token: 'let-me-in' });
  try {
    const bare = await ask(gateway, 'PUT', '/v1/kv/a', { body: 'x' });
    assert.deepEqual([bare.status, bare.json.code, bare.headers['www-authenticate']], [401, 'UNAUTHORIZED', 'Bearer']);
    const authorization = 'Bearer let-me-in';
    const foreign = await ask(gateway, 'PUT', '/v1/kv/a', {
      body: 'x',
      headers: { authorization, origin: 'https://evil.example' },
    });
    assert.deepEqual([foreign.status, foreign.json.code], [403, 'FORBIDDEN']);
    const rebound = await ask(gateway, 'GET', '/v1/status', { headers: { authorization, host: 'evil.example' } });
    assert.equal(rebound.status, 403);
    assert.equal(node.asked.length, 0);
    assert.equal((await ask(gateway, 'PUT', '/v1/kv/a', { body: 'x', headers: { authorization } })).status, 200);
    assert.equal((await ask(gateway, 'GET', '/health/live')).status, 200);
    assert.equal((await ask(gateway, 'GET', '/metrics')).status, 401);
    assert.equal((await ask(gateway, 'GET', '/no/such/path')).status, 401);
  } finally {
    await gateway.close();
  }
});

test('event sockets pass the same guards', async () => {
  const gateway = await openTestGateway(new FakeNode(), { token: 'let-me-in' });
  const statusOf = (headers: Record<string, string>): Promise<number> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/events`, { headers });
      socket.on('unexpected-response', (_request, response) => {
        resolve(response.statusCode!);
        socket.terminate();
      });
      socket.on('open', () => {
        resolve(101);
        socket.terminate();
      });
      socket.on('error', () => {});
    });
  try {
    assert.equal(await statusOf({}), 401);
    assert.equal(await statusOf({ authorization: 'Bearer let-me-in', origin: 'https://evil.example' }), 403);
    assert.equal(await statusOf({ authorization: 'Bearer let-me-in' }), 101);
  } finally {
    await gateway.close();
  }
});
