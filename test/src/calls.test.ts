// Calls between real nodes, over libp2p: results, streams that are left, refusals with all that is known of them, and a node that goes.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { z } from 'zod';
import { createNode, defineService, type Node, PolityError, ServiceError } from '../../src/index.ts';
import { until } from './transport/world.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const cluster = () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-calls-'));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const secret = randomBytes(32).toString('hex');
  return async (name: string, others: readonly Node[] = []): Promise<Node> => {
    const node = await createNode({
      ...{ name, cluster: 'calls', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
      ...{ bootstrap: others.length === 0 ? [name] : [], join: others.flatMap((other) => other.status().listen) },
      ...{ log: { level: 'error' }, calls: { limits: { node: null, principal: null } } },
    });
    closing.push(() => node.stop());
    await until(() => node.status().listen.length > 0, `${name} listens`);
    return node;
  };
};

const numbers = defineService({
  ...{ name: 'numbers', version: '1.2.0' },
  methods: {
    half: { input: z.number(), output: z.number() },
    count: { input: z.number(), output: z.number(), stream: true, idempotent: true },
    wait: { input: z.null(), output: z.null() },
  },
});

test('two nodes: results, streams, refusals, cancellation, and a node that goes', async () => {
  const start = cluster();
  const n1 = await start('n1');
  const n2 = await start('n2', [n1]);
  let made = 0;
  let left = 0;
  let aborted = 0;
  await n1.serve(numbers, {
    half(number) {
      if (number < 0) throw new ServiceError('NEGATIVE', 'only what is positive is halved', { number });
      return number / 2;
    },
    async *count(to) {
      try {
        for (let next = 0; next < to; next++) {
          made++;
          yield next;
        }
      } finally {
        left++;
      }
    },
    wait: (_input, { signal }) =>
      new Promise<null>((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          aborted++;
          reject(signal.reason);
        }),
      ),
  });
  await until(() => n2.services.describe('numbers') !== null, 'n2 knows of it');
  const client = n2.service(numbers);

  assert.equal(await client.half(9), 4.5);
  const refused = await client.half(-1).then(
    () => assert.fail('it was answered'),
    (error: PolityError) => error,
  );
  assert.ok(refused instanceof PolityError);
  assert.deepEqual([refused.code, refused.definite, refused.details.reason], ['SERVICE_REFUSED', true, 'NEGATIVE']);
  assert.deepEqual([refused.details.node, refused.details.chain], ['n1', 'n1 numbers.half']);

  const all: number[] = [];
  for await (const number of client.count(300)) all.push(number);
  assert.deepEqual([all.length, all.at(-1), left], [300, 299, 1]);
  made = 0;
  for await (const number of client.count(1_000_000)) if (number === 5) break;
  await until(() => left === 2, 'the handler was left');
  assert.ok(made < 1_000, `${made} were made for a reader of six`);

  const controller = new AbortController();
  const waiting = n2.call('numbers', 'wait', null, { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await assert.rejects(waiting);
  await until(() => aborted === 1, 'the handler was told');

  const many = await Promise.all(Array.from({ length: 2_000 }, (_, at) => client.half(at)));
  assert.equal(many[1_999], 999.5);
  await n1.stop();
  const gone = await client.half(1).then(
    () => assert.fail('it was answered'),
    (error: PolityError) => error,
  );
  assert.ok(gone.definite, `${gone.code}: nothing has happened`);
});
