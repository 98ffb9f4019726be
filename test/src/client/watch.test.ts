// A watch across nodes that come and go: every event once, in order, or COMPACTED.
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { readEvents } from '../../../src/client/events.ts';
import { createClient, PolityError, type WatchEvent } from '../../../src/client/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';

const take = async (events: AsyncIterator<WatchEvent>, count: number): Promise<[string, number][]> => {
  const taken: [string, number][] = [];
  while (taken.length < count) {
    const { value } = (await events.next()) as { value: WatchEvent };
    if (value.type !== 'progress') taken.push([value.key, value.index]);
  }
  return taken;
};

const put = (node: FakeNode, key: string): void => void node.apply({ op: 'put', key, value: Buffer.from(key) });

test('a watch goes on after the node ended it, without a gap or a repetition', async () => {
  const node = new FakeNode();
  const gateway = await openTestGateway(node);
  const client = createClient({ urls: [gateway.url] });
  put(node, 'a');
  const events = client.watch('', { from: 1 })[Symbol.asyncIterator]();
  put(node, 'b');
  assert.deepEqual(await take(events, 2), [
    ['a', 1],
    ['b', 2],
  ]);
  node.endWatches();
  put(node, 'c');
  put(node, 'd');
  assert.deepEqual(await take(events, 2), [
    ['c', 3],
    ['d', 4],
  ]);
  await events.return?.();
  client.close();
  await gateway.close();
});

test('another node takes over, even one that lags', async () => {
  const [first, second] = [new FakeNode(), new FakeNode()];
  const gateways = [await openTestGateway(first), await openTestGateway(second)];
  const client = createClient({ urls: gateways.map((gateway) => gateway.url) });
  for (const key of ['a', 'b', 'c']) put(first, key);
  put(second, 'a');
  const events = client.watch('', { from: 1 })[Symbol.asyncIterator]();
  assert.equal((await take(events, 3)).length, 3);
  const more = take(events, 1);
  await gateways[0]!.close();
  while (second.watchers === 0) await new Promise((resolve) => setImmediate(resolve));
  for (const key of ['b', 'c', 'd']) put(second, key);
  assert.deepEqual(await more, [['d', 4]]);
  await events.return?.();
  client.close();
  await gateways[1]!.close();
});

test('history that is gone ends it with COMPACTED', async () => {
  const node = new FakeNode();
  const gateway = await openTestGateway(node);
  const client = createClient({ urls: [gateway.url] });
  for (const key of ['a', 'b']) put(node, key);
  node.compact();
  await assert.rejects(
    () => client.watch('', { from: 1 })[Symbol.asyncIterator]().next() as Promise<unknown>,
    (error) => error instanceof PolityError && error.code === 'COMPACTED' && error.details.index === 2,
  );
  client.close();
  await gateway.close();
});

test('an aborted watch rejects with its reason and stops watching', async () => {
  const node = new FakeNode();
  const gateway = await openTestGateway(node);
  const client = createClient({ urls: [gateway.url] });
  const controller = new AbortController();
  const events = client.watch('', { signal: controller.signal, progress: true })[Symbol.asyncIterator]();
  await events.next();
  const waiting = events.next();
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(() => waiting, reason);
  while (node.watchers > 0) await new Promise((resolve) => setImmediate(resolve));
  client.close();
  await gateway.close();
});

test('a connection that breaks between events of one index: each is given once', async () => {
  const event = (key: string, id: boolean): string =>
    `event: expire\n${id ? 'id: 5\n' : ''}data: {"type":"expire","key":"${key}","index":5,"term":1}\n\n`;
  const asked: string[] = [];
  const answers = [
    (response: ServerResponse) => response.write(event('x', false) + event('y', false), () => response.destroy()),
    (response: ServerResponse) => response.write(event('x', false) + event('y', false) + event('z', true)),
  ];
  const server = createServer((request, response) => {
    asked.push(new URL(request.url!, 'http://x').searchParams.get('from')!);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    answers.shift()!(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = createClient({ urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] });
  const events = client.watch('', { from: 5 })[Symbol.asyncIterator]();
  assert.deepEqual(await take(events, 3), [
    ['x', 5],
    ['y', 5],
    ['z', 5],
  ]);
  assert.deepEqual(asked, ['5', '5']);
  await events.return?.();
  client.close();
  server.close();
});

test('events are read however the bytes are cut', async () => {
  const bytes = Buffer.from(': hello\n\nevent: put\r\nid: 7\r\ndata: {"é":1}\r\ndata: more\r\n\r\ndata:x\n\nevent: lost');
  for (let size = 1; size <= bytes.length; size++) {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const events: unknown[] = [];
    for await (const event of readEvents(chunks())) events.push(event);
    assert.deepEqual(events, [
      { event: 'put', id: '7', data: '{"é":1}\nmore' },
      { event: 'message', id: null, data: 'x' },
    ]);
  }
});
