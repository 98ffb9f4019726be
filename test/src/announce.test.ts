// Real nodes in one process: what one announces the others hear, also who starts later and who starts again.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { type Announcement, createNode, type Node, PolityError } from '../../src/index.ts';
import { until } from './transport/world.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const cluster = () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-announce-'));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const secret = randomBytes(32).toString('hex');
  return async (name: string, others: readonly Node[] = []): Promise<Node> => {
    const node = await createNode({
      ...{ name, cluster: 'announce', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
      ...{ bootstrap: others.length === 0 ? [name] : [], join: others.flatMap((other) => other.status().listen) },
      log: { level: 'error' },
    });
    closing.push(() => node.stop());
    await until(() => node.status().listen.length > 0, `${name} listens`);
    return node;
  };
};

const ear = (node: Node): Announcement[] => {
  const heard: Announcement[] = [];
  node.listen('prices', (announcement) => heard.push(announcement));
  return heard;
};

const values = (heard: readonly Announcement[]): unknown[] => heard.map(({ value }) => value);

test('what one announces the others hear, once and in its order, whenever they start', async () => {
  const start = cluster();
  const first = await start('n1');
  const second = await start('n2', [first]);
  const [here, there] = [ear(first), ear(second)];
  const all = Array.from({ length: 30 }, (_, at) => ({ at, price: 1.5, of: ['apples'] }));
  for (const value of all) await first.announce('prices', value, { ttlMs: 600_000 });
  for (const heard of [here, there]) {
    await until(() => heard.length === 30, 'all is heard');
    assert.deepEqual(values(heard), all);
    assert.ok(heard.every(({ source }) => source === first.status().peerId));
  }
  const third = await start('n3', [second]);
  const late = ear(third);
  await until(() => late.length === 30, 'who starts later hears what still holds');
  assert.deepEqual(values(late), all);
  await third.announce('prices', 'by n3');
  for (const heard of [here, there]) await until(() => values(heard).includes('by n3'), 'and is heard');
  assert.equal(here.length, 31);
});

test('who starts again hears what others announced, and is heard', async () => {
  const start = cluster();
  const first = await start('n1');
  const second = await start('n2', [first]);
  const here = ear(first);
  await second.announce('prices', 'before', { ttlMs: 600_000 });
  await until(() => here.length === 1, 'it is heard');
  await first.announce('prices', 'meanwhile', { ttlMs: 600_000 });
  await second.stop();
  const again = await start('n2', [first]);
  const heard = ear(again);
  await again.announce('prices', 'after', { ttlMs: 600_000 });
  await until(() => values(heard).includes('meanwhile'), 'it hears what it missed');
  await until(() => values(here).includes('after'), 'it is heard');
  assert.deepEqual(values(here).sort(), ['after', 'before', 'meanwhile']);
  assert.ok(here.at(-1)!.epoch > here[0]!.epoch);
});

test('what is no plain data, too large or without a topic is refused by name', async () => {
  const node = await cluster()('n1');
  const refused = (code: string) => (error: unknown) => error instanceof PolityError && error.code === code && error.definite;
  await assert.rejects(node.announce('prices', 'x'.repeat(20_000)), refused('TOO_LARGE'));
  await assert.rejects(node.announce('', 1), refused('INVALID_REQUEST'));
  await assert.rejects(node.announce('polity.catalog', 1), refused('INVALID_REQUEST'));
  await assert.rejects(node.announce('prices', 1, { ttlMs: 0 }), refused('INVALID_REQUEST'));
  await assert.rejects(node.announce('prices', Symbol('no data')), refused('INVALID_REQUEST'));
  const endless: Record<string, unknown> = {};
  endless.self = endless;
  await assert.rejects(node.announce('prices', endless), refused('INVALID_REQUEST'));
  await node.stop();
  await assert.rejects(node.announce('prices', 1), refused('STOPPING'));
});
