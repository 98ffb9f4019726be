// Watching a replicated object: what it is, at once and after it changed, and an end that says why.
import assert from 'node:assert/strict';
import http from 'node:http';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';
import { Stream } from './stream.ts';

let node: FakeNode;
let gateway: Gateway;
beforeEach(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node, {
    limits: { heartbeatMs: 30, replicaLookMs: 5, replicaWatchersMax: 4, replicaItemsMax: 10 },
  });
});
afterEach(() => gateway.close());

const change = (type: string, key: string, given: unknown): void => node.replica.change(type, key, given, () => {});
const set = (value: unknown): void => change('register', 'r', { type: 'set', value });
const open = (path: string): Promise<Stream> => Stream.open(gateway, `/v1/replica/watch/${path}`);
const nextValue = async (stream: Stream): Promise<unknown> => (await stream.next())?.data.value;

const until = async (holds: () => boolean): Promise<void> => {
  for (let tries = 0; !holds() && tries < 400; tries++) await setTimeout(5);
  assert.ok(holds());
};

test('at once, after changes, and after it was cleared', async () => {
  const stream = await open('register/r?conflicts=keep-all');
  assert.equal(stream.response.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.deepEqual(await stream.next(), { event: 'nothing', id: null, data: { type: 'register', key: 'r' } });
  set('a');
  const first = await stream.next();
  assert.deepEqual([first?.event, first?.data], ['value', { type: 'register', key: 'r', value: ['a'], conflicts: 'keep-all' }]);
  node.replicated.hears('replica-a', 'register', 'r', { type: 'set', value: 'b' });
  assert.deepEqual(await nextValue(stream), ['b', 'a']);
  change('register', 'r', { type: 'clear' });
  assert.equal((await stream.next())?.event, 'nothing');
  stream.close();
  await until(() => node.replicated.followed === 0);
});

test('values in between may be left out, the last never is, and it is told once', async () => {
  const streams = await Promise.all([open('counter/n'), open('counter/n')]);
  assert.equal(node.replicated.followed, 1);
  for (const stream of streams) assert.equal((await stream.next())?.event, 'nothing');
  for (let n = 0; n < 1_000; n++) change('pn-counter', 'n', { type: 'add', by: 1 });
  for (const stream of streams) {
    let told = 0;
    for (let value: unknown = 0; value !== 1_000; told++) value = await nextValue(stream);
    assert.ok(told < 10, `${told} events`);
    stream.close();
  }
});

test('inside of a tree, only what is asked for is told', async () => {
  const stream = await open('counter/users?at=anna/visits');
  await stream.next();
  const visit = (user: string, by: number): void =>
    change('or-map', 'users', {
      ...{ type: 'update', of: 'or-map', key: user },
      change: { type: 'update', of: 'pn-counter', key: 'visits', change: { type: 'add', by } },
    });
  visit('berta', 1);
  await setTimeout(50);
  visit('anna', 7);
  assert.equal(await nextValue(stream), 7);
  stream.close();
});

test('silence is broken by a comment', async () => {
  const stream = await open('counter/n');
  let text = '';
  stream.response.on('data', (chunk: string) => (text += chunk));
  await until(() => text.includes(': alive\n\n'));
  stream.close();
});

test('too many, and too slow, are told so', async () => {
  const streams = await Promise.all([1, 2, 3, 4].map((n) => open(`counter/${n}`)));
  const refused = await ask(gateway, 'GET', '/v1/replica/watch/counter/5');
  assert.deepEqual([refused.status, refused.json.code, refused.json.retryable], [429, 'OVERLOADED', true]);
  for (const stream of streams) stream.close();
  await until(() => node.replicated.followed === 0);
  const slow = await openTestGateway(node, { limits: { replicaLookMs: 1, streamBytesMax: 1 << 20, streamGraceMs: 5_000 } });
  const { hostname, port } = new URL(slow.url);
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get({ hostname, port, path: '/v1/replica/watch/register/r', agent: false }, resolve).on('error', reject);
  });
  response.pause();
  const metric = async (): Promise<string> => (await ask(slow, 'GET', '/metrics')).bytes.toString();
  const ended = 'polity_http_streams_ended_total{kind="replica",code="OVERLOADED"} 1';
  let rounds = 0;
  for (; !(await metric()).includes(ended) && rounds < 500; rounds++) {
    set(`${rounds}${'x'.repeat(900_000)}`);
    await setTimeout(2);
  }
  assert.ok(rounds < 500, 'it was ended');
  let tail = '';
  for await (const chunk of response) tail = (tail + String(chunk)).slice(-2_000);
  assert.match(tail, /event: failed\ndata: \{.*"code":"OVERLOADED".*"retryable":true/);
  await slow.close();
});

test('what all watchers together leave unread has a limit', async () => {
  const many = await openTestGateway(node, {
    limits: { replicaLookMs: 1, streamBytesMax: 64 << 20, replicaCharsMax: 1 << 20, replicaAnswersBytesMax: 4 << 20 },
  });
  const { hostname, port } = new URL(many.url);
  const path = '/v1/replica/watch/register/r';
  for (let reader = 0; reader < 8; reader++)
    await new Promise<void>((resolve, reject) => {
      const opened = (response: http.IncomingMessage): void => {
        response.on('error', () => {}).pause();
        resolve();
      };
      http.get({ hostname, port, path, agent: false }, opened).on('error', reject);
    });
  const ended = /polity_http_streams_ended_total\{kind="replica",code="OVERLOADED"\} [1-8]/;
  const isEnded = async (): Promise<boolean> => ended.test((await ask(many, 'GET', '/metrics')).bytes.toString());
  let rounds = 0;
  for (; rounds < 40 && !(await isEnded()); rounds++) {
    set(`${rounds}${'x'.repeat(900_000)}`);
    await setTimeout(5);
  }
  assert.ok(rounds < 40, 'nobody was ended');
  await many.close();
});

test('what becomes too large ends those who watch it', async () => {
  change('list', 'l', { type: 'insert', at: 0, content: [0] });
  const stream = await open('list/l');
  assert.deepEqual(await nextValue(stream), [0]);
  change('list', 'l', { type: 'insert', at: 0, content: Array.from({ length: 10 }, (_, n) => n) });
  const last = await stream.next();
  assert.deepEqual([last?.event, last?.data.code], ['failed', 'TOO_LARGE']);
  assert.equal(await stream.next(), null);
  assert.equal((await ask(gateway, 'GET', '/v1/replica/watch/list/l')).json.code, 'TOO_LARGE');
  await until(() => node.replicated.followed === 0);
});

test('a node that stops says so', async () => {
  const stream = await open('counter/n');
  await stream.next();
  const closing = gateway.close();
  const last = await stream.next();
  assert.deepEqual([last?.event, last?.data.code, last?.data.retryable], ['failed', 'STOPPING', true]);
  await closing;
  assert.equal(node.replicated.followed, 0);
});
