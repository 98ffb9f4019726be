// Topics over HTTP, by hand and by the client: what is published, streamed, committed; mistakes; two nodes of which one goes away.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { createClient, PolityError } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';
import { type Sent, Stream } from './stream.ts';

let node: FakeNode;
let gateway: Gateway;
beforeEach(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node, { limits: { heartbeatMs: 1_000 } });
});
afterEach(() => gateway.close());

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};
const following = async (stream: Stream): Promise<Sent> => {
  const sent = await stream.next();
  assert.ok(sent !== null, 'the stream has ended');
  return sent;
};

const publish = (value: unknown, path = '/v1/topics/a%2Fb/messages', headers: Record<string, string> = {}) =>
  ask(gateway, 'POST', path, { body: JSON.stringify(value), headers });

test('published values are streamed in order, described, listed, and once under one key', async () => {
  const key = { 'idempotency-key': 'k' };
  assert.deepEqual((await publish({ n: 1 }, undefined, key)).json, { topic: 'a/b', sequence: 1, acknowledged: null });
  assert.equal((await publish({ n: 1 }, undefined, key)).json.sequence, 1);
  assert.equal((await publish({ n: 2 }, undefined, key)).json.code, 'IDEMPOTENCY_CONFLICT');
  await publish({ $base64: 'AAEC' });
  const stream = await Stream.open(gateway, '/v1/topics/a%2Fb/messages?from=oldest');
  const first = await following(stream);
  assert.deepEqual(first, { event: 'message', id: '1', data: { sequence: 1, timeMs: node.nowMs, value: { n: 1 } } });
  assert.deepEqual((await following(stream)).data, { sequence: 2, timeMs: node.nowMs, value: { $base64: 'AAEC' } });
  stream.close();
  const { json } = await ask(gateway, 'GET', '/v1/topics/a%2Fb');
  assert.deepEqual([json.topic, json.first, json.next, json.subscriptions], ['a/b', 1, 3, []]);
  assert.equal(((await ask(gateway, 'GET', '/v1/topics')).json.topics as unknown[]).length, 1);
  assert.equal((await ask(gateway, 'PUT', '/v1/topics/a%2Fb', { body: '{"messagesMax":1}' })).status, 200);
  assert.equal((await ask(gateway, 'GET', '/v1/topics/a%2Fb')).json.first, 2);
  assert.equal((await ask(gateway, 'DELETE', '/v1/topics/a%2Fb')).status, 200);
  assert.equal((await ask(gateway, 'GET', '/v1/topics/a%2Fb')).json.code, 'NOT_FOUND');
});

test('a named reader commits under the token that the stream gave; an operator passes over what nobody can handle', async () => {
  const base = '/v1/topics/t/subscriptions/s';
  assert.equal((await ask(gateway, 'PUT', base, { body: '{"from":"oldest"}' })).json.next, 1);
  for (const n of [1, 2, 3]) await publish(n, '/v1/topics/t/messages');
  const stream = await Stream.open(gateway, '/v1/topics/t/messages?subscription=s');
  const active = await following(stream);
  assert.equal(active.event, 'active');
  const { token } = active.data as { token: string };
  assert.equal((await following(stream)).id, '1');
  const commit = (fields: object) => ask(gateway, 'POST', `${base}/commit`, { body: JSON.stringify(fields) });
  assert.equal((await commit({ next: 2 })).json.code, 'FENCED');
  assert.equal((await commit({ token, next: 2 })).status, 200);
  const second = await Stream.open(gateway, '/v1/topics/t/messages?subscription=s');
  assert.deepEqual(await following(second), { event: 'standby', id: null, data: { node: 'n1' } });
  stream.close();
  assert.equal((await following(second)).event, 'active');
  assert.equal((await following(second)).id, '2');
  second.close();
  await until(() => node.asked.filter((one) => one.type === 'write' && one.write.op === 'topic-release').length === 2);
  assert.equal((await commit({ next: 4 })).status, 200);
  const [one] = (await ask(gateway, 'GET', '/v1/topics/t')).json.subscriptions as Record<string, unknown>[];
  assert.deepEqual(one, { name: 's', next: 4, lost: 2, holder: null, token: null });
  assert.equal((await ask(gateway, 'DELETE', base)).status, 200);
});

test('mistakes are told', async () => {
  const wrong: [string, string, string | undefined, number][] = [
    ['POST', '/v1/topics/t/messages', 'no json', 400],
    ['POST', '/v1/topics/t/messages?delivery=sometimes', '1', 400],
    ['POST', '/v1/topics/t/messages?delivery=quorum', '1', 503],
    ['GET', '/v1/topics/t/messages?from=0', undefined, 400],
    ['PUT', '/v1/topics/t', '{"messagesMax":0}', 400],
    ['PUT', '/v1/topics/t', '{"messages":1}', 400],
    ['PUT', '/v1/topics/t/subscriptions/s', '{"from":9}', 400],
    ['POST', '/v1/topics/t/subscriptions/s/commit', '{"next":1}', 404],
    ['POST', '/v1/topics/t/subscriptions/s/commit', '{"token":"x","next":1}', 400],
    ['POST', '/v1/topics/t/subscriptions/s/commit', '{"token":5,"next":1}', 400],
    ['POST', '/v1/topics/t/subscriptions/s/commit', '{"token":{},"next":1}', 400],
    ['POST', '/v1/topics/t/messages?acknowledgements=1', '1', 400],
    ['POST', '/v1/topics/t/messages?acknowledgements=1&delivery=fire-and-forget', '1', 400],
    ['DELETE', '/v1/topics/t/subscriptions/s', undefined, 404],
  ];
  for (const [method, path, body, status] of wrong)
    assert.equal((await ask(gateway, method, path, body === undefined ? {} : { body })).status, status, `${method} ${path}`);
  const stream = await Stream.open(gateway, '/v1/topics/t/messages?subscription=s&from=7');
  const failed = await following(stream);
  assert.deepEqual([failed.event, (failed.data as { code: string }).code], ['failed', 'INVALID_REQUEST']);
});

test('by the client: handlers, ids, quorums, another node when one goes', async () => {
  const other = await openTestGateway(node);
  const client = createClient({ urls: [gateway.url, other.url] });
  try {
    const topic = client.topic('orders');
    const seen: unknown[] = [];
    assert.equal((await topic.publish({ n: 1 }, { id: 'x' })).sequence, 1);
    assert.equal((await topic.publish({ n: 1 }, { id: 'x' })).sequence, 1);
    const worker = topic.subscribe(({ value, sequence }) => seen.push([sequence, value]), {
      subscription: 'w',
      from: 'oldest',
    });
    await until(() => seen.length === 1);
    // What is not committed would come again.
    while ((await topic.describe())?.subscriptions[0]?.next !== 2) await new Promise((resolve) => setTimeout(resolve, 2));
    await gateway.close();
    await topic.publish(new Uint8Array([1, 2]));
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [
      [1, { n: 1 }],
      [2, new Uint8Array([1, 2])],
    ]);
    assert.deepEqual(await client.topic('orders', { delivery: 'quorum' }).publish(3), { sequence: 3, acknowledged: 1 });
    await worker.stop();
    const whole = await topic.describe();
    assert.deepEqual([whole?.view.next, whole?.subscriptions[0]?.next], [4, 4]);
    const live = client.topic('live', { delivery: 'fire-and-forget' });
    const heard: unknown[] = [];
    const listening = live.subscribe(({ value }) => heard.push(value));
    while (heard.length === 0) await live.publish('now');
    await listening.stop();
    assert.equal(heard[0], 'now');
    await assert.rejects(topic.unsubscribe('nobody'), (error) => error instanceof PolityError && error.code === 'NOT_FOUND');
    await topic.delete();
    assert.equal(await topic.describe(), null);
  } finally {
    client.close();
    await other.close();
  }
});
