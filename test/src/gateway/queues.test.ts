// Queues over HTTP and from a client, against a gateway over a fake node that never waits.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { failure } from '../../../machines/errors.ts';
import { type Client, createClient, PolityError } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { until } from '../transport/world.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { type Answer, ask } from './request.ts';

let node: FakeNode;
let gateway: Gateway;
let client: Client;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
  client = createClient({ urls: [gateway.url] });
});
after(async () => {
  client.close();
  await gateway.close();
});
beforeEach(() => {
  node.intercept = () => null;
});

const post = (path: string, body?: unknown): Promise<Answer> =>
  ask(gateway, 'POST', `/v1/queues/${path}`, body === undefined ? {} : { body: JSON.stringify(body) });

type Message = { message: number; receipt: string; body: string; encoding?: string; deliveries: number; visibleMs: number };
const messagesOf = ({ json }: Answer): Message[] => json.messages as Message[];

test('a message goes in, is received, extended and acknowledged', async () => {
  const sent = await ask(gateway, 'POST', '/v1/queues/a%2Fb/messages?dedup=1', { body: 'hello' });
  assert.deepEqual([sent.json.queue, sent.json.message, sent.json.duplicate], ['a/b', node.index, false]);
  const again = await ask(gateway, 'POST', '/v1/queues/a%2Fb/messages?dedup=1', { body: 'hello' });
  assert.deepEqual([again.json.message, again.json.duplicate], [sent.json.message, true]);
  await ask(gateway, 'POST', '/v1/queues/a%2Fb/messages', { body: Uint8Array.of(0xff) });
  const received = messagesOf(await post('a%2Fb/receive?max=5&visibility-ms=1000'));
  assert.deepEqual(
    received.map(({ body, encoding, deliveries, visibleMs }) => ({ body, encoding, deliveries, visibleMs })),
    [
      { body: 'hello', encoding: undefined, deliveries: 1, visibleMs: node.nowMs + 1_000 },
      { body: '/w==', encoding: 'base64', deliveries: 1, visibleMs: node.nowMs + 1_000 },
    ],
  );
  const { receipt } = received[0]!;
  assert.equal((await post('a%2Fb/extend', { receipt, visibilityMs: 5_000 })).json.visibleMs, node.nowMs + 5_000);
  assert.equal((await post('a%2Fb/ack', { receipt })).status, 200);
  const late = await post('a%2Fb/ack', { receipt });
  assert.deepEqual([late.status, late.json.code, late.json.definite], [412, 'RECEIPT_EXPIRED', true]);
  const { json } = await ask(gateway, 'GET', '/v1/queues/a%2Fb');
  assert.deepEqual([json.ready, json.out, json.dead, json.bytes], [0, 1, 0, 1]);
  const listed = (await ask(gateway, 'GET', '/v1/queues?limit=1')).json.queues as { queue: string }[];
  assert.deepEqual(
    listed.map(({ queue }) => queue),
    ['a/b'],
  );
});

test('dead letters are seen, redriven and purged; a queue that is empty is deleted', async () => {
  assert.equal((await ask(gateway, 'PUT', '/v1/queues/d', { body: '{"maxDeliveries":1}' })).status, 200);
  await ask(gateway, 'POST', '/v1/queues/d/messages', { body: 'x' });
  const [{ receipt, message }] = messagesOf(await post('d/receive')) as [Message];
  assert.equal((await post('d/nack', { receipt, reason: 'broken' })).json.dead, true);
  const letters = (await ask(gateway, 'GET', '/v1/queues/d/dead')).json.letters as Record<string, unknown>[];
  assert.deepEqual([letters[0]!.message, letters[0]!.body, letters[0]!.reason], [message, 'x', 'broken']);
  assert.equal((await ask(gateway, 'DELETE', '/v1/queues/d')).json.code, 'QUEUE_NOT_EMPTY');
  assert.deepEqual([(await post('d/redrive', { messages: [message] })).json.count], [1]);
  assert.deepEqual([(await post('d/purge', { which: 'all' })).json.count], [1]);
  assert.equal((await ask(gateway, 'DELETE', '/v1/queues/d')).json.left, 0);
  assert.equal((await ask(gateway, 'GET', '/v1/queues/d')).json.code, 'QUEUE_NOT_FOUND');
});

test('what is wrong is refused by name', async () => {
  const cases: [string, string, string | undefined, RegExp][] = [
    ['POST', 'q/receive?max=101', undefined, /max must be a whole number from 1 to 100/],
    ['POST', 'q/receive?wait-ms=50001', undefined, /wait-ms/],
    ['POST', 'q/receive', '{"visibilityMs":1}', /parameters .*visibility-ms.* and no body/],
    ['POST', 'q/messages?delay=1', 'x', /there is no parameter 'delay'/],
    ['POST', 'q/ack', '{"receipt":"1.2"}', /receipt must be/],
    ['POST', 'q/ack', '{"receipt":12}', /receipt must be/],
    ['POST', 'q/nack', '{"receipt":"1.1.1","delayMs":"1s"}', /delayMs must be a whole number/],
    ['POST', 'q/extend', '{"receipt":"1.1.1"}', /visibilityMs must be/],
    ['POST', 'q/purge', '{}', /which must be 'dead' or 'all'/],
    ['POST', 'q/purge', '{"which":"all","messages":[1]}', /among the dead only/],
    ['PUT', 'q', '{"maxDeliveries":0}', /maxDeliveries must be a whole number from 1/],
    ['PUT', 'q', '{"visibility":1}', /there is no field 'visibility'/],
    ['POST', `${'q'.repeat(257)}/messages`, 'x', /queue is longer than 256 bytes/],
  ];
  for (const [method, path, body, reason] of cases) {
    const answer = await ask(gateway, method, `/v1/queues/${path}`, body === undefined ? {} : { body });
    assert.ok(answer.status === 400 || answer.status === 413, `${path} → ${answer.status}`);
    assert.match(String(answer.json.detail), reason);
  }
});

test('what is given to a client that went away goes back and does not count', async () => {
  await ask(gateway, 'POST', '/v1/queues/gone/messages', { body: 'x' });
  let held: (() => void) | undefined;
  const write = node.write.bind(node);
  node.write = (asked, options, done) => {
    if (asked.op !== 'queue-receive') return write(asked, options, done);
    held = () => write(asked, options, done);
  };
  const { hostname, port } = new URL(gateway.url);
  const request = http.request({ hostname, port, method: 'POST', path: '/v1/queues/gone/receive', agent: false });
  request.on('error', () => {});
  request.end();
  await until(() => held !== undefined, 'it waits');
  request.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  held!();
  node.write = write;
  await until(() => node.asked.some((one) => one.type === 'write' && one.write.op === 'queue-nack'), 'it goes back');
  assert.equal(messagesOf(await post('gone/receive'))[0]?.deliveries, 1);
});

test('who waits for messages is sent elsewhere when the gateway closes', async () => {
  const other = new FakeNode();
  const closing = await openTestGateway(other);
  let late: (() => void) | undefined;
  const write = other.write.bind(other);
  other.apply({ op: 'queue-send', queue: 'q', body: Buffer.from('x') });
  other.write = (asked, options, done) => {
    if (asked.op !== 'queue-receive') return write(asked, options, done);
    late = () => write(asked, options, done);
  };
  const asking = ask(closing, 'POST', '/v1/queues/q/receive?wait-ms=20000');
  await until(() => late !== undefined, 'it waits');
  const closed = closing.close();
  const { status, json } = await asking;
  assert.deepEqual([status, json.code, json.retryable], [503, 'STOPPING', true]);
  late!();
  await until(() => other.asked.some((one) => one.type === 'write' && one.write.op === 'queue-nack'), 'it goes back');
  await closed;
});

test('a client sends, receives and tries again under one key', async () => {
  const jobs = client.queue<{ n: number }>('jobs');
  let lost = 1;
  // The answer to the first attempt gets lost: it was done all the same.
  node.intercept = (asked) => {
    if (asked.type !== 'write' || lost-- <= 0) return null;
    node.apply(asked.write, asked.idempotencyKey);
    return failure('OUTCOME_UNKNOWN', 'lost');
  };
  assert.equal((await jobs.send({ n: 1 })).duplicate, false);
  assert.equal((await jobs.stats()).ready, 1);
  lost = 1;
  const [delivery] = await jobs.receive({ max: 3, visibilityMs: 9_000 });
  assert.deepEqual([delivery?.value, delivery?.deliveries], [{ n: 1 }, 1]);
  lost = 1;
  await delivery!.ack();
  assert.equal((await jobs.stats()).out, 0);
  await assert.rejects(delivery!.ack(), (error) => error instanceof PolityError && error.code === 'RECEIPT_EXPIRED');
  await assert.rejects(async () => jobs.held('nonsense'), /a receipt is/);
  assert.deepEqual((await client.queue.list({ limit: 100 })).queues.map(({ queue }) => queue).includes('jobs'), true);
});

test('a consumer of a client', async () => {
  const jobs = client.queue<number>('consumed');
  for (const n of [1, 2, 3]) await jobs.send(n);
  const seen: number[] = [];
  const consumer = jobs.consume((n) => void seen.push(n), { concurrency: 2 });
  await until(() => seen.length === 3, 'all are done');
  await consumer.stop();
  assert.deepEqual(seen.toSorted(), [1, 2, 3]);
  const { ready, out } = await jobs.stats();
  assert.deepEqual([ready, out], [0, 0]);
  node.intercept = () => failure('UNAUTHORIZED', 'no');
  await assert.rejects(jobs.consume(() => {}).done, /no/);
});
