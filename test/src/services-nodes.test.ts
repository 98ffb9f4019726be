// Real nodes in one process: what one offers the others find, also who starts later; what it offered ends when it stops.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { createNode, type Node } from '../../src/index.ts';
import { offerOf } from '../machines/catalog/stage.ts';
import { until } from './transport/world.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const cluster = () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-services-'));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const secret = randomBytes(32).toString('hex');
  return async (name: string, others: readonly Node[] = []): Promise<Node> => {
    const node = await createNode({
      ...{ name, cluster: 'services', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
      ...{ bootstrap: others.length === 0 ? [name] : [], join: others.flatMap((other) => other.status().listen) },
      log: { level: 'error' },
    });
    closing.push(() => node.stop());
    await until(() => node.status().listen.length > 0, `${name} listens`);
    return node;
  };
};

test('offers reach all real nodes, those that start later too, and go with their node', async () => {
  const start = cluster();
  const first = await start('n1');
  const second = await start('n2', [first]);
  await until(() => second.status().peers.some(({ connected }) => connected), 'they meet');
  first.api.catalog.offer(offerOf('resize'), (outcome) => assert.ok(outcome.ok));
  const told: string[] = [];
  const watch = second.services.watch({ name: 'resize' });
  const reading = (async () => {
    for await (const event of watch) told.push(event.type === 'ready' ? 'ready' : `${event.type} ${event.offer.node}`);
  })();
  await until(() => told.includes('offer n1'), 'who watches is told');
  const third = await start('n3', [second]);
  const { peerId } = first.status();
  const isOffered = (): boolean => third.services.list().items.some(({ node }) => node === 'n1');
  await until(isOffered, 'who starts later is told everything');
  assert.equal(third.services.list({ node: 'n1' }).items.length, 1);
  assert.deepEqual(
    third.services.describe('resize')?.versions.map(({ owners }) => owners),
    [[{ node: 'n1', peerId }]],
  );
  await first.stop();
  await until(() => third.services.describe('resize') === null && told.includes('end n1'), 'it goes with its node');
  await second.stop();
  await reading;
});
