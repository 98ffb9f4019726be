// Real nodes in one process: actors of one are talked to from the other, by typed references, by references that came in events, and by a
// machine's own `sendTo`.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assign, fromPromise, fromTransition, sendTo, setup } from 'xstate';
import { z } from 'zod';
import type { NodeApi } from '../../actors/api.ts';
import { resolveConfig, settingsOf } from '../../src/config/index.ts';
import { type ActorExecution, createNode, defineActor, execution, type Node, Ref } from '../../src/index.ts';
import { startTree } from '../../src/node.ts';
import { failureIn } from './service/alone.ts';
import { countingSink, until } from './transport/world.ts';

const executed: unknown[] = [];
const account = defineActor('account', {
  logic: setup({
    types: { context: {} as { cents: number }, events: {} as { type: 'pay'; cents: number } | { type: 'show' } },
    actions: { note: () => void executed.push(execution()) },
  }).createMachine({
    context: { cents: 0 },
    on: { pay: { actions: [assign({ cents: ({ context, event }) => context.cents + event.cents }), 'note'] } },
  }),
  messages: { pay: z.object({ cents: z.number() }), show: z.object({}) },
  replies: { pay: ({ snapshot }) => snapshot.context.cents, show: ({ snapshot }) => snapshot.context.cents },
});

type Account = Ref<typeof account>;
const clerk = defineActor('clerk', {
  logic: setup({
    types: {
      context: {} as { to: Account | null },
      events: {} as { type: 'order'; to: Account } | { type: 'whom' },
      input: {} as { to: Account } | undefined,
    },
  }).createMachine({
    context: ({ input }) => ({ to: input?.to ?? null }),
    on: {
      order: {
        actions: [assign({ to: ({ event }) => event.to }), sendTo(({ event }) => event.to, { type: 'pay', cents: 5 })],
      },
    },
  }),
  replies: { order: () => true, whom: ({ snapshot }) => snapshot.context.to },
});

const seen: unknown[] = [];
const ledger = defineActor('ledger', {
  durability: 'replicated',
  logic: setup({
    types: {
      context: {} as { of: Account | null },
      events: {} as { type: 'open'; of: Account } | { type: 'book' } | { type: 'settle' },
    },
    actions: { see: ({ context }) => void seen.push(context.of, execution()?.effectId) },
    actors: { settling: fromPromise(({ input }: { input: { of: Account } }) => input.of.ask({ type: 'pay', cents: 30 })) },
  }).createMachine({
    context: { of: null },
    initial: 'idle',
    states: {
      idle: {
        on: {
          open: { actions: assign({ of: ({ event }) => event.of }) },
          book: { actions: [sendTo(({ context }) => context.of!, { type: 'pay', cents: 3 }), 'see'] },
          settle: 'settling',
        },
      },
      settling: { invoke: { src: 'settling', input: ({ context }) => ({ of: context.of! }), onDone: 'idle' } },
    },
  }),
  replies: {
    open: ({ snapshot }) => snapshot.context.of,
    settle: ({ snapshot }) => (snapshot.value === 'idle' ? true : undefined),
  },
});
const counting = fromTransition((state: { n: number }, _event: { type: 'add' }) => ({ n: state.n + 1 }), { n: 0 });
const replies = { add: ({ snapshot }: { snapshot: { context: { n: number } } }) => snapshot.context.n };
const clock = defineActor('clock', { logic: counting, placement: 'singleton', replies });
const gauge = defineActor('gauge', { logic: counting, placement: 'each', replies });

const directory = mkdtempSync(join(tmpdir(), 'polity-actors-'));
const nodes: Node[] = [];
const secret = randomBytes(32).toString('hex');
const start = async (name: string, config: object): Promise<Node> => {
  const node = await createNode({
    ...{ name, cluster: 'actors', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret, ...config },
    log: { level: 'silent' },
  });
  nodes.push(node);
  await until(() => node.status().listen.length > 0, `${name} listens`);
  return node;
};

before(async () => {
  const first = await start('n1', { bootstrap: ['n1'], actors: [account, clerk, ledger, clock, gauge] });
  const second = await start('n2', { join: first.status().listen, actors: [clerk, clock, gauge] });
  await until(() => second.status().peers.some(({ connected }) => connected), 'they meet');
});
after(async () => {
  await Promise.all(nodes.map((node) => node.stop()));
  rmSync(directory, { recursive: true, force: true });
});

test('typed from afar: asked, refused by its schema, looked at, watched to its end', async () => {
  const there = nodes[1]!.ref(account, 'anna', { node: 'n1' });
  assert.equal(await there.ask({ type: 'pay', cents: 3 }), 3);
  assert.equal(await nodes[0]!.ref(account, 'anna').ask({ type: 'pay', cents: 4 }), 7);
  const { code, message } = await failureIn(there.ask({ type: 'pay', cents: 'x' } as never));
  assert.match(`${code} ${message}`, /^INVALID_REQUEST account\/anna@n1: account cannot take 'pay': event\.cents/);
  assert.deepEqual((await there.snapshot()).context, { cents: 7 });
  const ended = there.ended();
  const seen: number[] = [];
  for await (const cents of there.values('context.cents')) {
    seen.push(cents);
    if (seen.length === 1) there.send({ type: 'pay', cents: 1 });
    else break;
  }
  assert.deepEqual(seen, [7, 8]);
  await there.stop();
  assert.equal((await ended).reason, 'stopped');
  const { address, token, effectId } = executed.at(-1) as ActorExecution;
  assert.deepEqual([address, token, effectId], [{ type: 'account', key: 'anna', node: 'n1' }, null, null]);
  assert.equal(execution(), null);
});

test('a reference in an event, in a context and in a reply works on the other side', async () => {
  const ben = nodes[0]!.ref(account, 'ben');
  const cleo = nodes[1]!.spawn(clerk, { input: { to: ben } });
  assert.equal(cleo.address.node, 'n2');
  assert.equal(await nodes[0]!.ref(clerk, cleo.address.key, { node: 'n2' }).ask({ type: 'order', to: ben }), true);
  for await (const cents of ben.values('context.cents')) if (cents === 5) break;
  const whom = await nodes[0]!.ref(clerk, cleo.address.key, { node: 'n2' }).ask({ type: 'whom' });
  assert.ok(whom instanceof Ref && whom.equals(ben));
  assert.equal(await (whom as Account).ask({ type: 'show' }), 5);
});

test('a replicated actor has references too: it sends to them, asks them in promises, and gives them back', async () => {
  const cleo = nodes[0]!.ref(account, 'cleo');
  const book = nodes[1]!.ref(ledger, 'cleo');
  const of = await book.ask({ type: 'open', of: cleo });
  assert.ok(of instanceof Ref && of.equals(cleo));
  await book.deliver({ type: 'book' });
  for await (const cents of cleo.values('context.cents')) if (cents === 3) break;
  assert.equal(await book.ask({ type: 'settle' }), true);
  assert.equal(await cleo.ask({ type: 'show' }), 33);
  await until(() => seen.length > 0, 'the action has run');
  assert.ok(cleo.equals(seen[0]) && /^kv\.\d+\.\d+$/.test(String(seen[1])));
});

test('one in the cluster, and one at each node', async () => {
  const counts = [];
  for (const node of nodes.slice(0, 2)) counts.push(await node.ref(clock).ask({ type: 'add' }));
  for (const node of ['n1', 'n2', 'n2']) counts.push(await nodes[0]!.ref(gauge, undefined, { node }).ask({ type: 'add' }));
  assert.deepEqual(counts, [1, 2, 1, 1, 2]);
});

test('a node that cannot host what it should is stopped again', async () => {
  const code = { name: 'n5', data: join(directory, 'n5'), secret, listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: ['n5'] };
  const resolution = resolveConfig({ code });
  assert.ok(resolution.ok);
  const { config } = resolution;
  let tree: NodeApi | null = null;
  const host = (api: NodeApi): void => {
    tree = api;
    throw new Error('it cannot be hosted');
  };
  const started = startTree({ ...config, settings: settingsOf(config, '0', null), sink: countingSink(), host });
  await assert.rejects(started, /it cannot be hosted/);
  assert.equal((tree as NodeApi | null)?.status().state, 'left');
});

test('modules and definitions are hosted; a name that is given twice, and a bad module, end the start', async () => {
  const path = join(directory, 'actors.mjs');
  const source = new URL('../../src/index.ts', import.meta.url).href;
  const text = `import { defineActor } from '${source}'; import { fromTransition } from '${import.meta.resolve('xstate')}';
    export const Echo = defineActor('echo', { logic: fromTransition((s) => s, {}), replies: { say: ({ event }) => event.words } });`;
  writeFileSync(path, text);
  const third = await start('n3', { bootstrap: ['n3'], actors: [path, account], http: '127.0.0.1:0' });
  const asked = await fetch(`${third.http}/v1/actors/echo/k/ask`, { method: 'POST', body: '{"type":"say","words":"hallo"}' });
  assert.equal(await asked.json(), 'hallo');
  const twice = [account, defineActor('account', { logic: account.logic })];
  const why = async (config: object): Promise<string> => {
    const data = join(directory, 'n4');
    return (await failureIn(createNode({ name: 'n4', data, secret, bootstrap: ['n4'], ...config }))).message;
  };
  assert.match(await why({ actors: twice }), /two actors are called 'account'/);
  assert.match(await why({ actors: ['./nowhere.js'] }), /the actors of \.\/nowhere\.js: there is no such file/);
  assert.match(await why({ actors: [{}] }), /what defineActor gave/);
  assert.match(await why({ actors: 5 }), /actors: is neither a list of definitions and files nor an object/);
  await assert.rejects(createNode(undefined as never), { code: 'INVALID_REQUEST' });
});
