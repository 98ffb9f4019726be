// Actors over HTTP: who may look on, what he is shown, and a stream that the receiver of @statelyai/inspect understands.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { createWebSocketReceiver, type StatelyInspectionEvent } from '@statelyai/inspect';
import { WebSocket } from 'ws';
import { createMachine } from 'xstate';
import type { Gateway } from '../../../src/gateway/index.ts';
import { inspectRefusal } from '../../../src/gateway/inspect.ts';
import { createStately, protocolVersion, type StatelyEvent } from '../../../src/gateway/stately.ts';
import { definitionOf, type StandIn } from '../../actors/stand-in-actors.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

const door = createMachine({
  id: 'door',
  initial: 'closed',
  context: { password: 'abc', knocks: 0 },
  states: { closed: { on: { open: 'opened' } }, opened: { on: { close: 'closed' } } },
});
const doors = definitionOf('door', door);
const trail = { source: 'cart/7', correlation: 'c-1' };

let node: FakeNode;
let gateway: Gateway;
let front: StandIn;
before(async () => {
  node = new FakeNode();
  front = node.inspected.actors.add(doors, 'front/left', null);
  node.inspected.actors.add(doors, 'back', 'n1');
  gateway = await openTestGateway(node);
});
after(async () => {
  await gateway.close();
  node.stop(() => {});
});

const socketUrl = (path: string): string => `${gateway.url.replace('http', 'ws')}${path}`;

/** What a socket is told until `count` events are there. */
const told = async (path: string, count: number, meanwhile: () => void = () => {}): Promise<Record<string, unknown>[]> => {
  const socket = new WebSocket(socketUrl(path));
  const events: Record<string, unknown>[] = [];
  const enough = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      events.push(JSON.parse(String(data)) as Record<string, unknown>);
      if (events.length === 1) meanwhile();
      if (events.length >= count) resolve();
    });
  });
  await enough;
  socket.close();
  await once(socket, 'close');
  return events;
};

const refusedSocket = async (path: string): Promise<[number, string]> => {
  const socket = new WebSocket(socketUrl(path));
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return [response.statusCode!, (JSON.parse(Buffer.concat(chunks).toString('utf8')) as { code: string }).code];
};

test('actors are listed in pages, and described with chart, state and context, without secrets', async () => {
  const first = (await ask(gateway, 'GET', '/v1/actors?limit=1')).json as { actors: Record<string, unknown>[]; next: string };
  assert.deepEqual([first.actors.length, first.actors[0]!.address, first.next], [1, 'door/back@n1', 'door/back@n1']);
  const { json } = await ask(gateway, 'GET', `/v1/actors?type=door&after=${encodeURIComponent(first.next)}`);
  assert.deepEqual(json, {
    actors: [
      {
        ...{ address: 'door/front/left', node: 'n1', durability: 'none', placement: 'node', version: 1, state: 'running' },
        ...{ value: 'closed', handled: 0, waiting: 0, restarts: 0, reason: null, token: null, children: [] },
      },
    ],
    ...{ next: null, silent: [] },
  });
  const described = (await ask(gateway, 'GET', '/v1/actors/door/front%2Fleft')).json as Record<string, Record<string, unknown>>;
  assert.deepEqual([described.view!.address, described.definition!.id], ['door/front/left', 'door']);
  assert.deepEqual(described.snapshot, { status: 'active', value: 'closed', context: { password: '[redacted]', knocks: 0 } });
  const all = (await ask(gateway, 'GET', '/v1/actors?scope=cluster&type=polity')).json as { actors: { address: string }[] };
  assert.deepEqual(
    all.actors.map(({ address }) => address),
    ['polity/node@n1', 'polity/raft/kv@n1'],
  );
  assert.equal((await ask(gateway, 'GET', '/v1/actors/polity/raft%2Fkv?node=n1')).status, 200);
});

test('what is wrong is said', async () => {
  const code = async (path: string) => {
    const { status, json } = await ask(gateway, 'GET', path);
    return [status, json.code];
  };
  assert.deepEqual(await code('/v1/actors?type=No'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await code('/v1/actors?limit=1001'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await code('/v1/actors?node=n9'), [404, 'MEMBER_NOT_FOUND']);
  assert.deepEqual(await code('/v1/actors?node=n1&scope=cluster'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await code('/v1/actors/door/none'), [404, 'NOT_FOUND']);
  assert.deepEqual(await code('/v1/actors/Door/x'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await code('/v1/inspect?type=door'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await refusedSocket('/v1/inspect'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await refusedSocket('/v1/inspect?address=x'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await refusedSocket('/v1/inspect?type=No'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await refusedSocket(`/v1/inspect?type=${Array(17).fill('a').join()}`), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await refusedSocket('/v1/inspect?type=door&sample=0'), [400, 'INVALID_REQUEST']);
  assert.deepEqual(await refusedSocket('/v1/nothing'), [404, 'NOT_FOUND']);
});

test('the receiver of @statelyai/inspect is told of actors, events and snapshots', async () => {
  const { version } = JSON.parse(
    readFileSync(new URL(import.meta.resolve('@statelyai/inspect').replace('dist/index.mjs', 'package.json')), 'utf8'),
  ) as { version: string };
  assert.equal(protocolVersion, version);
  const events: StatelyInspectionEvent[] = [];
  await new Promise<void>((resolve) => {
    const receiver = createWebSocketReceiver({ server: socketUrl('/v1/inspect?address=door/front%2Fleft') });
    receiver.subscribe((event) => {
      events.push(event);
      if (events.length === 1) front.send({ type: 'open', token: 'x' } as never, trail);
      if (events.length === 3) resolve();
    });
  });
  const [actor, event, snapshot] = events;
  assert.ok(actor?.type === '@xstate.actor' && event?.type === '@xstate.event' && snapshot?.type === '@xstate.snapshot');
  assert.deepEqual(
    [actor.name, actor.sessionId, actor.rootId, actor.parentId],
    [...Array(3).fill('door/front/left'), undefined],
  );
  assert.equal(createMachine(JSON.parse(actor.definition!) as never).id, 'door');
  assert.equal(actor.snapshot.value, 'closed');
  assert.deepEqual([event.sourceId, event.event], ['cart/7', { type: 'open', token: '[redacted]' }]);
  assert.deepEqual((event as never as StatelyEvent).polity, { node: 'n1', source: 'cart/7', correlation: 'c-1' });
  assert.equal((snapshot.snapshot as { value?: string }).value, 'opened');
  for (const one of events)
    assert.deepEqual([typeof one._version, typeof one.id, Number(one.createdAt) > 0], ['string', 'string', true]);
});

test('children and ends have a place in the protocol, and it has the fields that its types name', () => {
  const stately = createStately();
  const at = { address: 'a/1', node: 'n2', path: 'x/y', atMs: 5 } as const;
  const child = stately.event({ ...at, type: 'actor', src: 'timer', chart: null, snapshot: { status: 'active' } });
  const ended = stately.event({ ...at, type: 'ended', reason: 'failed' });
  const own = stately.event({ type: 'node', node: 'n2', atMs: 5, failure: null });
  assert.deepEqual(child, {
    ...{ rootId: 'a/1', sessionId: 'a/1#x/y', createdAt: '5', id: '1', _version: protocolVersion, polity: { node: 'n2' } },
    ...{ type: '@xstate.actor', name: 'timer', snapshot: { status: 'active' }, definition: undefined, parentId: 'a/1#x' },
  });
  assert.deepEqual([(ended as { snapshot: unknown }).snapshot, own.type], [{ status: 'error' }, '@polity.node']);
  // Checked by the compiler: what we say is what the package's receivers take.
  type Fields<Type> = { [Name in keyof Type]: unknown };
  type Theirs = Extract<StatelyInspectionEvent, { type: '@xstate.actor' }>;
  const checked: Fields<Theirs> = child as Extract<StatelyEvent, { type: '@xstate.actor' }>;
  assert.ok(checked);
});

test('more than a reader wants is counted; all of a type are followed', async () => {
  const events = await told('/v1/inspect?type=door&sample=5', 8, () => {
    for (let at = 0; at < 50; at++) front.send({ type: 'open' }, trail);
  });
  const actors = events.filter(({ type }) => type === '@xstate.actor').map(({ name }) => name);
  assert.deepEqual(actors.sort(), ['door/back@n1', 'door/front/left']);
  const { type, count } = events.at(-1) as { type: string; count: number };
  assert.ok(type === '@polity.left-out' && count > 50 && count <= 95, `${type} ${count}`);
});

test('nobody looks on where the configuration says so, and from elsewhere only who has the token', async () => {
  const off = await openTestGateway(node, { inspect: 'off' });
  const { status, json } = await ask(off, 'GET', '/v1/actors');
  assert.deepEqual([status, json.code], [403, 'FORBIDDEN']);
  assert.equal((await ask(off, 'GET', '/v1/actors/door/front%2Fleft')).status, 403);
  const socket = new WebSocket(`${off.url.replace('http', 'ws')}/v1/inspect?type=door`);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, import('node:http').IncomingMessage];
  assert.equal(response.statusCode, 403);
  response.resume();
  await off.close();
  const from = (remoteAddress: string) => ({ socket: { remoteAddress } }) as never;
  const may = (how: 'off' | 'loopback' | 'token', address: string): boolean => inspectRefusal(how, from(address)) === null;
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) assert.ok(may('loopback', address), address);
  for (const address of ['10.0.0.1', '::ffff:10.0.0.1', '']) assert.ok(!may('loopback', address), address);
  assert.deepEqual([may('token', '10.0.0.1'), may('off', '127.0.0.1')], [true, false]);
  const guarded = await openTestGateway(node, { inspect: 'token', token: 'a-token-of-enough-length' });
  assert.equal((await ask(guarded, 'GET', '/v1/actors')).status, 401);
  const headers = { authorization: 'Bearer a-token-of-enough-length' };
  assert.equal((await ask(guarded, 'GET', '/v1/actors', { headers })).status, 200);
  await guarded.close();
});

test('groups of the cluster with who leads them and may, and where an actor is', async () => {
  const voters = [
    { node: 'n1', standing: 'able' as const },
    { node: 'n2', standing: 'away' as const },
  ];
  const group = {
    group: 'actors-1',
    leader: 'n1',
    preferred: 'n1',
    voters,
    token: { term: 3, index: 9 },
    actors: 2,
    remembered: 1,
  };
  node.shardViews = [group];
  const shown = { ...group, token: '3.9' };
  assert.deepEqual((await ask(gateway, 'GET', '/v1/actors/shards')).json, { groups: [shown], place: null });
  const place = async (query: string) =>
    (await ask(gateway, 'GET', `/v1/actors/shards?${query}`)).json.place as { failure: { code?: string } };
  assert.deepEqual(await place('type=cart&key=a%2Fb'), { address: 'cart/a/b', group: 'actors-1', node: 'n1', failure: null });
  assert.deepEqual(await place('type=clerk&node=n2'), { address: 'clerk/-@n2', group: null, node: 'n2', failure: null });
  assert.equal((await place('type=cart&key=lost')).failure.code, 'NO_QUORUM');
  for (const query of ['key=a', 'type=Cart', 'type=cart&key=', 'what=1'])
    assert.equal((await ask(gateway, 'GET', `/v1/actors/shards?${query}`)).status, 400, query);
  const off = await openTestGateway(node, { inspect: 'off' });
  assert.equal((await ask(off, 'GET', '/v1/actors/shards')).status, 403);
  await off.close();
});
