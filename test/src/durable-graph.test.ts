// Durable runs over real nodes: told over HTTP, by the client and on the command line, gone on with when the node that tells them stops.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createClient } from '../../src/client/index.ts';
import {
  createNode,
  defineGraph,
  defineService,
  GraphError,
  type Node,
  type PolityError,
  ServiceError,
  unchecked,
} from '../../src/index.ts';
import { many } from './cli/polity.ts';
import { until } from './transport/world.ts';

const shop = defineService({
  name: 'shop',
  version: '1.0.0',
  methods: {
    reserve: { input: unchecked<string>(), output: unchecked<{ price: number }>(), idempotent: true },
    release: { input: unchecked<string>(), idempotent: true },
    refuse: {},
  },
});

const directory = mkdtempSync(join(tmpdir(), 'polity-durable-'));
const nodes: Node[] = [];
const did: string[] = [];
/** Those who wait for `reserve` to end. */
const waiting: (() => void)[] = [];

before(async () => {
  const secret = randomBytes(32).toString('hex');
  for (const name of ['n1', 'n2', 'n3']) {
    const node = await createNode({
      ...{ name, cluster: 'durable', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
      ...{ bootstrap: ['n1', 'n2', 'n3'], join: nodes.flatMap((other) => other.status().listen), http: '127.0.0.1:0' },
      ...{ durableGraphs: true, log: { level: 'error' } },
    });
    nodes.push(node);
    await until(() => node.status().listen.length > 0, `${name} listens`);
  }
  await Promise.all(nodes.map((node) => node.ready()));
  await nodes[2]!.serve(shop, {
    reserve: (sku) =>
      sku === 'at once'
        ? { price: 1 }
        : new Promise((resolve) => {
            did.push(`reserve ${sku}`);
            waiting.push(() => resolve({ price: 7 }));
          }),
    release: (sku) => void did.push(`release ${sku}`),
    refuse() {
      throw new ServiceError('SOLD_OUT', 'nothing is left');
    },
  });
  await until(() => nodes.every((node) => node.services.describe('shop') !== null), 'it is offered');
});
after(async () => {
  for (const end of waiting) end();
  for (const node of nodes.toReversed()) await node.stop();
  rmSync(directory, { recursive: true, force: true });
});

const httpOf = (node: Node): string => `http://${node.status().http}`;
const reserving = (sku: string) =>
  defineGraph()
    .step('reserve', { service: shop, method: 'reserve', input: sku })
    .compensate('reserve', { service: shop, method: 'release', input: sku });

test('a run of a program: joined, looked at from another node, left without an end, refused with another graph', async () => {
  const [n1, n2] = nodes as [Node, Node, Node];
  const run = n1.run(reserving('chair'), { durable: 'order-1' });
  const joined = n2.run(reserving('chair'), { durable: { id: 'order-1' } });
  await until(() => waiting.length === 1, 'it is called');
  const left = n2.attachRun('order-1');
  left.leave();
  await assert.rejects(left.result, { code: 'CANCELLED' });
  await assert.rejects(n1.run(reserving('table'), { durable: 'order-1' }).result, { code: 'IDEMPOTENCY_CONFLICT' });
  await assert.rejects(n1.attachRun('order-2').result, { code: 'NOT_FOUND' });
  await assert.rejects(n1.run({ id: 'order-1', steps: {} } as never).result, { code: 'INVALID_REQUEST' });
  waiting.shift()!();
  const { results } = await run.result;
  assert.equal(results.reserve!.price, 7);
  assert.deepEqual((await joined.result).results, results);
  const steps: string[] = [];
  for await (const { step, status } of n2.attachRun('order-1')) steps.push(`${step} ${status}`);
  assert.deepEqual([steps, did.splice(0)], [['reserve done'], ['reserve chair']]);
});

test('a failure undoes what happened, and says so to whoever looks on', async () => {
  const graph = reserving('at once').step('refuse', { service: shop, method: 'refuse', after: ['reserve'] });
  const run = nodes[0]!.run(graph, { durable: 'fails' });
  await assert.rejects(run.result, (error: PolityError) => error instanceof GraphError && error.code === 'GRAPH_FAILED');
  assert.deepEqual(did.splice(0), ['release at once']);
});

test('over HTTP and on the command line', async () => {
  const file = join(directory, 'graph.json');
  writeFileSync(file, JSON.stringify({ steps: { a: { service: 'shop', method: 'reserve', input: 'at once' } } }));
  const env = { POLITY_NODE: httpOf(nodes[1]!) };
  const [ran, attached, cancelled, none, ...wrong] = await many(
    [
      ['run', file, '--durable', 'a b/c', '--json'],
      ['run', '--attach', 'a b/c'],
      ['run', '--cancel', 'a b/c'],
      ['run', '--attach', 'nobody'],
      ...[['run'], ['run', file, '--attach', 'x'], ['run', '--attach', 'x', '--check'], ['run', file, '--keep', '1h']],
      ['run', file, '--durable', 'x', '--keep', 'long'],
    ],
    env,
  );
  assert.equal(ran!.code, 0, ran!.stderr);
  const [step, end] = ran!.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual([step!.step, step!.result, end!.end], ['a', { price: 1 }, true]);
  assert.match(attached!.stdout, /^a: done at n3, \d+ ms {2}\{"price":1\}\ndone in \d+ ms\n$/);
  assert.deepEqual([cancelled!.code, cancelled!.stdout], [0, 'it is given up, unless it had ended\n']);
  assert.match(none!.stderr, /there is no durable run 'nobody'/);
  assert.deepEqual(new Set(wrong.map(({ code }) => code)), new Set([2]));
  const answer = await fetch(`${httpOf(nodes[0]!)}/v1/run?keep-ms=1`, { method: 'POST', body: '{"steps":{}}' });
  assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [400, 'INVALID_REQUEST']);
});

test('the node that tells a run stops: the client goes on at another, and misses and repeats nothing', async () => {
  const client = createClient({ urls: nodes.slice(0, 2).map(httpOf) });
  const told: string[] = [];
  const graph = {
    steps: {
      first: { service: 'shop', method: 'reserve', input: 'at once' },
      second: { service: 'shop', method: 'reserve', input: 'sofa', after: ['first'] },
    },
  };
  const reading = (async () => {
    for await (const { step } of client.runs.run(graph, { durable: { id: 'moves', keepMs: 60_000 } })) told.push(step);
  })();
  await until(() => told.length === 1 && did.includes('reserve sofa'), 'it has begun');
  await nodes[0]!.stop();
  // Its leader may have stopped: what is idempotent is called again.
  const end = setInterval(() => {
    for (const go of waiting.splice(0)) go();
  }, 50);
  try {
    await reading;
  } finally {
    clearInterval(end);
    client.close();
  }
  assert.deepEqual(told, ['first', 'second']);
});
