// Watching a prefix over server-sent events: in order, resumable, never with a gap.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { NodeApi, WatchMessage } from '../../../actors/api.ts';
import { failure } from '../../../machines/errors.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';
import { Stream } from './stream.ts';

let node: FakeNode;
let gateway: Gateway;
beforeEach(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node, { limits: { heartbeatMs: 30, streamBytesMax: 64 << 10 } });
});
afterEach(() => gateway.close());

const put = (key: string, value = 'v'): void => void node.apply({ op: 'put', key, value: Buffer.from(value) });

test('from now: first how far the log is, then what happens to the prefix', async () => {
  put('a/before');
  const stream = await Stream.open(gateway, '/v1/watch?prefix=a%2F');
  assert.equal(stream.response.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.deepEqual(await stream.next(), { event: 'progress', id: '1', data: { index: 1 } });
  put('b');
  put('a/x', 'one');
  node.apply({ op: 'delete', key: 'a/x' });
  const events: unknown[] = [];
  while (events.length < 2) {
    const sent = (await stream.next())!;
    if (sent.event !== 'progress') events.push([sent.event, sent.id, sent.data.key, sent.data.value, sent.data.index]);
  }
  assert.deepEqual(events, [
    ['put', '3', 'a/x', 'one', 3],
    ['delete', '4', 'a/x', undefined, 4],
  ]);
  stream.close();
});

test('from an index: the history first; Last-Event-ID goes on after the event it names', async () => {
  for (const key of ['a1', 'a2', 'a3']) put(key);
  const stream = await Stream.open(gateway, '/v1/watch?prefix=a&from=2');
  assert.deepEqual([(await stream.next())?.data.key, (await stream.next())?.data.key], ['a2', 'a3']);
  stream.close();
  const resumed = await Stream.open(gateway, '/v1/watch?prefix=a&from=1', { 'last-event-id': '2' });
  assert.equal((await resumed.next())?.data.key, 'a3');
  resumed.close();
});

test('events that share an index: only the last carries the id', async () => {
  for (const key of ['t1', 't2']) node.apply({ op: 'put', key, value: Buffer.from('x'), ttlMs: 10 });
  const stream = await Stream.open(gateway, '/v1/watch?prefix=t&from=3');
  node.nowMs += 1_000;
  put('other');
  const first = (await stream.next())!;
  const second = (await stream.next())!;
  assert.deepEqual([first.event, second.event, first.id, second.id], ['expire', 'expire', null, '3']);
  stream.close();
});

test('a silent stream says how far it is', async () => {
  const stream = await Stream.open(gateway, '/v1/watch?prefix=zzz');
  assert.equal((await stream.next())?.event, 'progress');
  assert.equal((await stream.next())?.event, 'progress');
  stream.close();
});

test('history that is gone is 410 before the stream begins, with the smallest index that is not', async () => {
  for (const key of ['a', 'b', 'c']) put(key);
  node.compact();
  const answer = await ask(gateway, 'GET', '/v1/watch?from=1');
  assert.deepEqual([answer.status, answer.json.code, answer.json.details], [410, 'COMPACTED', { index: 3 }]);
});

/** A node whose watch is played by the test. */
const playedNode = (): { api: NodeApi; on: Promise<(message: WatchMessage) => void>; stopped: () => boolean } => {
  let stopped = false;
  let resolve: (on: (message: WatchMessage) => void) => void = () => {};
  const on = new Promise<(message: WatchMessage) => void>((done) => {
    resolve = done;
  });
  const api = new FakeNode();
  api.watch = (_watch, listener) => {
    resolve(listener);
    return () => {
      stopped = true;
    };
  };
  return { api, on, stopped: () => stopped };
};

test('what fails inside the stream is its last event', async () => {
  const { api, on, stopped } = playedNode();
  const played = await openTestGateway(api);
  const opening = Stream.open(played, '/v1/watch?from=5');
  const tell = await on;
  tell({ type: 'progress', index: 9 });
  const stream = await opening;
  tell({ type: 'failed', failure: failure('COMPACTED', 'gone', { index: 20 }) });
  assert.equal((await stream.next())?.event, 'progress');
  const last = (await stream.next())!;
  assert.deepEqual([last.event, last.data.code, last.data.status], ['failed', 'COMPACTED', 410]);
  assert.equal(await stream.next(), null);
  assert.equal(stopped(), true);
  await played.close();
});

test('a node that lags repeats nothing, and its progress does not move the reader back', async () => {
  const { api, on } = playedNode();
  const played = await openTestGateway(api);
  const opening = Stream.open(played, '/v1/watch?from=11');
  const tell = await on;
  const event = (index: number) => ({ type: 'put' as const, key: `k${index}`, value: Buffer.from('v'), index, term: 1 });
  tell({ type: 'progress', index: 5 });
  tell({ type: 'events', events: [event(9), event(10)], index: 10 });
  tell({ type: 'events', events: [event(11)], index: 11 });
  const stream = await opening;
  assert.deepEqual([(await stream.next())?.data.key], ['k11']);
  stream.close();
  await played.close();
});

test('a reader that does not read is ended and its watch stopped', async () => {
  const { api, on, stopped } = playedNode();
  const played = await openTestGateway(api, { limits: { streamBytesMax: 64 << 10, streamGraceMs: 50 } });
  const opening = Stream.open(played, '/v1/watch');
  const tell = await on;
  tell({ type: 'progress', index: 1 });
  const stream = await opening;
  stream.response.pause();
  const value = Buffer.alloc(512 << 10, 0x61);
  for (let index = 2; index < 100 && !stopped(); index++) {
    tell({ type: 'events', events: [{ type: 'put', key: 'k', value, index, term: 1 }], index });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(stopped(), true);
  stream.close();
  await played.close();
});

test('a reader that goes away stops its watch', async () => {
  const stream = await Stream.open(gateway, '/v1/watch');
  await stream.next();
  assert.equal(node.watchers, 1);
  stream.close();
  while (node.watchers > 0) await new Promise((resolve) => setImmediate(resolve));
});

test('a node that does not begin to watch is NOT_READY, not a hanging request', async () => {
  const { api, stopped } = playedNode();
  const played = await openTestGateway(api, { limits: { streamGraceMs: 20 } });
  assert.equal((await ask(played, 'GET', '/v1/watch')).json.code, 'NOT_READY');
  assert.equal(stopped(), true);
  await played.close();
});

test('too many watchers are told so', async () => {
  const few = await openTestGateway(node, { limits: { watchersMax: 1 } });
  const stream = await Stream.open(few, '/v1/watch');
  await stream.next();
  assert.equal((await ask(few, 'GET', '/v1/watch')).json.code, 'OVERLOADED');
  stream.close();
  await few.close();
});

test('a watch that waits behind another on its connection ends with it', async () => {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect(Number(port), hostname);
  const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  socket.write(ask('/v1/watch').repeat(5) + ask('/v1/replica/watch/counter/n').repeat(5));
  const until = async (holds: () => boolean): Promise<void> => {
    for (let tries = 0; !holds() && tries < 200; tries++) await setTimeout(10);
  };
  await until(() => node.watchers === 5 && node.replicated.followed === 1);
  assert.deepEqual([node.watchers, node.replicated.followed], [5, 1]);
  socket.destroy();
  await until(() => node.watchers === 0 && node.replicated.followed === 0);
  assert.deepEqual([node.watchers, node.replicated.followed], [0, 0]);
});

test('parameters that make no sense are refused', async () => {
  for (const query of ['form=1', 'from=x', 'from=-1', 'prefix=%ff'])
    assert.equal((await ask(gateway, 'GET', `/v1/watch?${query}`)).json.code, 'INVALID_REQUEST', query);
  assert.equal((await ask(gateway, 'GET', '/v1/watch', { headers: { 'last-event-id': 'x' } })).json.code, 'INVALID_REQUEST');
});
