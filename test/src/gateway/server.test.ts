// The server itself: paths and methods, overload, slow and malformed senders, a node that never answers, the end.
import assert from 'node:assert/strict';
import http from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Gateway, openGateway } from '../../../src/gateway/index.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway, type TestGatewayOptions } from './open.ts';
import { ask } from './request.ts';
import { Stream } from './stream.ts';

const withGateway = async (
  node: FakeNode,
  options: TestGatewayOptions,
  run: (gateway: Gateway) => Promise<void>,
): Promise<void> => {
  const gateway = await openTestGateway(node, options);
  try {
    await run(gateway);
  } finally {
    await gateway.close();
  }
};

/** Sends bytes as they are, answers what came until the other side closed. */
const sendRaw = (gateway: Gateway, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(gateway.url);
    let text = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });

test('unknown paths, wrong methods and a plain request for the WebSocket are problems', () =>
  withGateway(new FakeNode(), {}, async (gateway) => {
    assert.equal((await ask(gateway, 'GET', '/v2/kv/a')).json.code, 'NOT_FOUND');
    const wrong = await ask(gateway, 'POST', '/v1/kv/a');
    assert.deepEqual([wrong.status, wrong.json.code, wrong.headers.allow], [405, 'METHOD_NOT_ALLOWED', 'PUT, DELETE, GET']);
    assert.equal((await ask(gateway, 'PATCH', '/v1/status')).status, 405);
    assert.equal((await ask(gateway, 'GET', '/v1/events')).json.code, 'INVALID_REQUEST');
    assert.equal((await ask(gateway, 'GET', '/v1/status?verbose')).json.code, 'INVALID_REQUEST');
  }));

test('an offer of another protocol is not taken up', () =>
  withGateway(new FakeNode(), {}, async (gateway) => {
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' };
    assert.equal((await ask(gateway, 'GET', '/v1/status', { headers })).status, 200);
  }));

test('more requests or bytes than the limit are refused and the rest go on', () => {
  const node = new FakeNode();
  node.intercept = () => 'silent';
  return withGateway(node, { limits: { requestsMax: 3 } }, async (gateway) => {
    const agent = new http.Agent({ keepAlive: true });
    const waiting = [1, 2, 3].map((n) => ask(gateway, 'PUT', `/v1/kv/k${n}`, { body: 'x', agent }).catch(() => 'closed'));
    while (node.asked.length < 3) await new Promise((resolve) => setImmediate(resolve));
    const refused = await ask(gateway, 'GET', '/v1/kv/k');
    assert.deepEqual([refused.status, refused.json.code, refused.headers['retry-after']], [429, 'OVERLOADED', '1']);
    assert.equal((await ask(gateway, 'GET', '/health/live')).status, 200);
    agent.destroy();
    await Promise.all(waiting);
    node.intercept = () => null;
    // Who went away makes room.
    while ((await ask(gateway, 'PUT', '/v1/kv/k', { body: 'x' })).status !== 200)
      await new Promise((resolve) => setImmediate(resolve));
  });
});

test('bytes under way are bounded before a body is read', () => {
  const node = new FakeNode();
  node.intercept = () => 'silent';
  const limits = { bodyBytesMax: 1_000, requestBytesMax: 1_500 };
  return withGateway(node, { limits }, async (gateway) => {
    const agent = new http.Agent({ keepAlive: true });
    const waiting = ask(gateway, 'PUT', '/v1/kv/k', { body: 'x'.repeat(900), agent }).catch(() => 'closed');
    while (node.asked.length < 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await ask(gateway, 'PUT', '/v1/kv/k', { body: 'x'.repeat(900) })).json.code, 'OVERLOADED');
    agent.destroy();
    await waiting;
  });
});

test('a node that never answers: an effect is unknown, a read is not done', () => {
  const node = new FakeNode();
  node.intercept = () => 'silent';
  return withGateway(node, { limits: { overdueMs: 0 } }, async (gateway) => {
    const [written, read] = await Promise.all([
      ask(gateway, 'PUT', '/v1/kv/k?timeout-ms=1', { body: 'x' }),
      ask(gateway, 'GET', '/v1/kv/k?timeout-ms=1'),
    ]);
    assert.deepEqual([written.status, written.json.code, written.json.definite], [504, 'OUTCOME_UNKNOWN', false]);
    assert.deepEqual([read.status, read.json.code, read.json.definite], [503, 'NO_QUORUM', true]);
  });
});

test('a fault of a handler is INTERNAL with the reason in the log, not in the answer', async () => {
  const node = new FakeNode();
  node.read = () => {
    throw new Error('a bug with inner details');
  };
  const logged: unknown[] = [];
  await withGateway(node, { onLog: (code, facts) => logged.push([code, facts]) }, async (gateway) => {
    const answer = await ask(gateway, 'GET', '/v1/kv/k');
    assert.deepEqual([answer.status, answer.json.code, answer.json.definite], [500, 'INTERNAL', false]);
    assert.ok(!answer.bytes.toString().includes('inner details'));
  });
  assert.match(JSON.stringify(logged), /GATEWAY_FAULT/);
});

test('what is not HTTP, or too much of it, is answered with a problem and closed', () =>
  withGateway(new FakeNode(), {}, async (gateway) => {
    assert.match(await sendRaw(gateway, 'HELLO\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*INVALID_REQUEST/);
    const large = `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`;
    assert.match(await sendRaw(gateway, large), /^HTTP\/1\.1 413 [\s\S]*TOO_LARGE/);
    assert.match(await sendRaw(gateway, 'GET /v1/status HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/);
  }));

test('a sender that drips its headers or its body is cut off', () =>
  withGateway(new FakeNode(), { limits: { headersMs: 50, requestMs: 100, checkEveryMs: 20 } }, async (gateway) => {
    assert.match(await sendRaw(gateway, 'GET /v1/status HTTP/1.1\r\nhost: localhost\r\n'), /too long to arrive/);
    const half = 'PUT /v1/kv/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nabc';
    assert.match(await sendRaw(gateway, half), /too long to arrive/);
  }));

test('closing: those under way are answered, streams are told, new requests find nobody', async () => {
  const node = new FakeNode();
  let answer: (() => void) | null = null;
  const { write } = node;
  node.write = (wanted, options, done) => {
    answer = () => write.call(node, wanted, options, done);
  };
  const gateway = await openTestGateway(node);
  const stream = await Stream.open(gateway, '/v1/watch');
  await stream.next();
  const agent = new http.Agent({ keepAlive: true });
  const waiting = ask(gateway, 'PUT', '/v1/kv/last', { body: 'x', agent });
  while (answer === null) await new Promise((resolve) => setImmediate(resolve));
  const closing = gateway.close();
  assert.equal(gateway.close(), closing);
  const last = (await stream.next())!;
  assert.deepEqual([last.event, last.data.code], ['failed', 'STOPPING']);
  (answer as () => void)();
  assert.equal((await waiting).status, 200);
  await closing;
  await assert.rejects(ask(gateway, 'GET', '/health/live'));
  agent.destroy();
});

test('closing does not wait for ever', async () => {
  const node = new FakeNode();
  node.intercept = () => 'silent';
  const gateway = await openTestGateway(node, { limits: { closeMs: 20 } });
  const waiting = ask(gateway, 'PUT', '/v1/kv/k', { body: 'x' }).catch((error: NodeJS.ErrnoException) => error.code);
  while (node.asked.length < 1) await new Promise((resolve) => setImmediate(resolve));
  await gateway.close();
  assert.equal(await waiting, 'ECONNRESET');
});

test('a port that is taken is named', async () => {
  await withGateway(new FakeNode(), {}, async (gateway) => {
    const { port } = new URL(gateway.url);
    const metrics = createMetrics({ name: 'n2', version: '0' });
    const options = { host: '127.0.0.1', port: Number(port), token: null, metrics, sink: { log: () => {}, count: () => {} } };
    await assert.rejects(openGateway(options), new RegExp(`127\\.0\\.0\\.1:${port}: another process listens there`));
  });
});
