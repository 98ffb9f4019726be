// Actors over HTTP and by `client.actor`, against a gateway over a node whose actors are stand-ins.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fromTransition, setup } from 'xstate';
import { z } from 'zod';
import { refMark } from '../../../actors/actor-api.ts';
import { failure } from '../../../machines/errors.ts';
import { defineActor, Ref } from '../../../src/actor/index.ts';
import { createClient } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { failureIn } from '../service/alone.ts';
import { FakeNode } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

type CounterEvent = { type: 'add'; by: number; to?: unknown } | { type: 'odd' } | { type: 'read' } | { type: 'end' };
const seen: unknown[] = [];
const refTo = (key: string): Ref => new Ref({ actors: node.actors, thrown: assert.fail }, { type: 'counter', key, node: null });
const counter = defineActor('counter', {
  logic: fromTransition(
    (state: { count: number }, event: CounterEvent) => {
      seen.push(event);
      return event.type === 'add' ? { count: state.count + event.by } : state;
    },
    { count: 0 },
  ),
  messages: {
    add: z.object({ by: z.number(), to: z.unknown().optional() }),
    odd: z.object({}),
    read: z.object({}),
    end: z.object({}),
  },
  replies: {
    add: ({ snapshot }) => snapshot.context.count,
    odd: () => ({ when: new Date() }),
    read: ({ event }) => ({ me: refTo(event.type) }),
    end: () => null,
  },
});
const light = defineActor('light', {
  logic: setup({}).createMachine({
    initial: 'red',
    context: { n: 1 },
    output: () => ({ next: refTo('read') }),
    states: { red: { on: { next: 'green' } }, green: { on: { next: 'off' } }, off: { type: 'final' } },
  }),
  durability: 'replicated',
});

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  for (const definition of [counter, light]) node.actors.host(definition);
  gateway = await openTestGateway(node, { limits: { heartbeatMs: 20 } });
});
after(() => gateway.close());

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(gateway, 'POST', `/v1/actors/${path}`, { headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

test('an event is sent, delivered once for each id, and asked', async () => {
  assert.deepEqual((await post('counter/a/send', { type: 'add', by: 1 })).json, { sent: true });
  for (const _again of [1, 2])
    assert.deepEqual((await post('counter/a/deliver', { type: 'add', by: 2 }, { 'idempotency-key': 'x' })).json, {
      delivered: true,
    });
  const asked = await post('counter/a/ask?timeout-ms=1000&node=n1', { type: 'add', by: 4 });
  assert.deepEqual([asked.status, asked.json], [200, 7]);
  assert.deepEqual((await ask(gateway, 'GET', '/v1/actors/counter/a/snapshot')).json, {
    status: 'active',
    context: { count: 7 },
  });
  assert.equal((await ask(gateway, 'GET', '/v1/actors/counter/a/snapshot?select=context.count')).json, 7);
  assert.deepEqual((await ask(gateway, 'DELETE', '/v1/actors/counter/a?hard')).json, { stopped: true });
  assert.equal((await ask(gateway, 'GET', '/v1/actors/counter/a/snapshot?select=context.count')).json, 0);
});

test('references come in and go out as data', async () => {
  seen.length = 0;
  await post('counter/b/deliver', { type: 'add', by: 0, to: { $ref: 'light/x%20y' } });
  const { to } = seen[0] as { to: Ref };
  assert.ok(to instanceof Ref);
  assert.deepEqual(to[refMark], { type: 'light', key: 'x y', node: null });
  assert.deepEqual((await post('counter/b/ask', { type: 'read' })).json, { me: { $ref: 'counter/read' } });
});

test('what is no event, no address and no answer is refused by name', async () => {
  const problem = async (path: string, body: unknown, headers?: Record<string, string>): Promise<string> => {
    const { json } = await post(path, body, headers);
    const { code, detail } = json as { code: string; detail: string };
    return `${code} ${detail}`;
  };
  assert.match(await problem('counter/a/ask', '{'), /^INVALID_REQUEST the event is not JSON/);
  for (const body of ['[]', '5', 'null', '{}', '{"type":5}', '{"type":""}', '{"$base64":"AA=="}', ''])
    assert.match(await problem('counter/a/ask', body), /^INVALID_REQUEST .*an event/, body);
  assert.match(await problem('counter/a/ask', { type: 'xstate.init' }), /^INVALID_REQUEST .*XState's own/);
  assert.match(
    await problem('counter/a/ask', { type: 'add', by: 'x' }),
    /^INVALID_REQUEST counter cannot take 'add': event\.by/,
  );
  assert.match(await problem('counter/a/ask', { type: 'odd' }), /^ACTOR_REFUSED counter\/a@n1: the answer\.when is a Date/);
  assert.match(
    await problem('Counter/a/ask', { type: 'odd' }),
    /^INVALID_REQUEST 'Counter\/a' is no address of an actor: its type/,
  );
  assert.match(await problem('counter/a%00/ask', { type: 'odd' }), /^INVALID_REQUEST .*: its key has 1 to 256/);
  assert.match(await problem(`counter/${'x'.repeat(257)}/ask`, { type: 'odd' }), /^INVALID_REQUEST .*: its key has 1 to 256/);
  assert.match(await problem('counter/a/ask?node=N2', { type: 'odd' }), /^INVALID_REQUEST .*: 'N2' is no name of a node/);
  assert.match(await problem('counter/a/ask?timeoutMs=5', { type: 'odd' }), /there is no parameter 'timeoutMs'/);
  assert.match(await problem('counter/a/ask?timeout-ms=60001', { type: 'odd' }), /1 to 60000/);
  assert.match(await problem('counter/a/ask', { type: 'odd' }, { 'idempotency-key': 'x'.repeat(129) }), /Idempotency-Key/);
  assert.match(await problem('nobody/a/ask', { type: 'odd' }), /^ACTOR_NOT_FOUND/);
  node.actors.unreachable.set('light/full', failure('MAILBOX_FULL', 'too many wait'));
  const full = await post('light/full/ask', { type: 'next' });
  assert.deepEqual([full.status, full.headers['retry-after']], [429, '1']);
  assert.equal((await ask(gateway, 'GET', '/v1/actors/counter/a/ask')).status, 405);
});

test('it is watched to its end, with a sign of life meanwhile', async () => {
  using client = createClient({ urls: [gateway.url] });
  const actor = client.actor('light/cross');
  const values: unknown[] = [];
  const watched = actor.watch({ select: 'value' });
  let said = await watched.next();
  for (; said.done !== true; said = await watched.next()) {
    values.push(said.value);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await actor.send({ type: 'next' });
  }
  assert.deepEqual(values, ['red', 'green', 'off']);
  assert.deepEqual(said.value, { reason: 'done', output: { next: { $ref: 'counter/read' } } });
  node.actors.unreachable.set('light/away', failure('UNREACHABLE', 'it is away'));
  assert.equal((await ask(gateway, 'GET', '/v1/actors/light/away/watch')).status, 503);
});

test('client.actor: what HTTP says, typed', async () => {
  using client = createClient({ urls: [gateway.url] });
  const actor = client.actor('counter/c%40d@n1');
  assert.equal(await actor.ask({ type: 'add', by: 3 }), 3);
  await actor.deliver({ type: 'add', by: 3 }, { id: 'once' });
  await actor.deliver({ type: 'add', by: 3 }, { id: 'once' });
  await actor.send({ type: 'add', by: 1 });
  assert.deepEqual(await actor.snapshot(), { status: 'active', context: { count: 7 } });
  assert.equal(await actor.snapshot({ select: 'context.count' }), 7);
  await actor.stop();
  assert.equal(await actor.snapshot({ select: 'context.count' }), 0);
  assert.equal((await failureIn(actor.ask({ type: 'nothing' }))).code, 'INVALID_REQUEST');
  assert.equal((await failureIn(actor.ask({ type: 'add', by: Number.NaN }))).code, 'INVALID_REQUEST');
  assert.throws(() => client.actor('counter'), { code: 'INVALID_REQUEST' });
  node.actors.silent.add('counter/mute@n1');
  const before = node.actors.givenUp;
  const signal = AbortSignal.timeout(50);
  await assert.rejects(client.actor('counter/mute@n1').ask({ type: 'read' }, { signal }));
  while (node.actors.givenUp === before) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('who may not look at actors is not shown what is secret of them', async () => {
  node.actors.host(
    defineActor('safe', {
      logic: setup({}).createMachine({
        context: { card: '1234', sum: 3 },
        initial: 'on',
        output: { card: '1234', sum: 3 },
        states: { on: { on: { end: 'off' } }, off: { type: 'final' } },
      }),
      redact: ['card'],
    }),
  );
  const off = await openTestGateway(node, { inspect: 'off', limits: { heartbeatMs: 20 } });
  const url = '/v1/actors/safe/a';
  const context = async (of: Gateway): Promise<unknown> => (await ask(of, 'GET', `${url}/snapshot?select=context`)).json;
  assert.deepEqual(await context(gateway), { card: '1234', sum: 3 });
  assert.deepEqual(await context(off), { card: '[redacted]', sum: 3 });
  assert.equal((await ask(off, 'GET', `${url}/snapshot?select=context.card`)).json, '[redacted]');
  using client = createClient({ urls: [off.url] });
  for await (const value of client.actor('safe/a').watch({ select: 'context.card' })) {
    assert.equal(value, '[redacted]');
    break;
  }
  await off.close();
});
