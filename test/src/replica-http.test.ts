// Two real nodes, used by a program that is no member: what it changes at one it reads and watches at the other, also when one is gone.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { createClient, PolityError } from '../../src/client/index.ts';
import { createNode, type Node } from '../../src/index.ts';
import { until } from './transport/world.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

test('a client of two nodes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-replica-http-'));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const secret = randomBytes(32).toString('hex');
  const start = async (name: string, others: readonly Node[]): Promise<{ node: Node; url: string }> => {
    const node = await createNode({
      ...{
        name,
        cluster: 'replica',
        data: join(directory, name),
        listen: ['/ip4/127.0.0.1/tcp/0'],
        http: '127.0.0.1:0',
        secret,
      },
      ...{ bootstrap: others.length === 0 ? [name] : [], join: others.flatMap((other) => other.status().listen) },
      log: { level: 'error' },
    });
    closing.push(() => node.stop());
    await until(() => node.status().listen.length > 0 && node.status().http !== null, `${name} listens`);
    return { node, url: `http://${node.status().http}` };
  };
  const first = await start('n1', []);
  const second = await start('n2', [first.node]);
  const at1 = createClient({ urls: [first.url] }).replica;
  const at2 = createClient({ urls: [second.url] }).replica;
  const either = createClient({ urls: [first.url, second.url] });
  closing.push(() => either.close());
  await until(() => second.node.api.replica.summary().replica !== null, 'n2 has read its disk');
  const end = new AbortController();
  const seen: number[] = [];
  const watching = (async () => {
    for await (const object of either.replica.watch('counter', 'visits', { signal: end.signal })) seen.push(object?.value ?? 0);
  })();
  assert.equal(await at1.change('counter', 'visits', { type: 'add', by: 2 }), 2);
  await until(() => seen.includes(2), 'it is watched');
  await until(() => second.node.replica.counter('visits').get() === 2, 'it is there');
  assert.equal(await at2.change('counter', 'visits', { type: 'add', by: 3 }), 5);
  await at2.change('set', 'tags', { type: 'add', element: { bytes: Uint8Array.of(0, 255) } });
  await until(() => first.node.replica.orSet('tags').get().length === 1, 'it is there');
  assert.deepEqual((await at1.get('set', 'tags'))?.value, [{ bytes: Uint8Array.of(0, 255) }]);
  await until(() => seen.includes(5), 'it is watched');
  await first.node.stop();
  await assert.rejects(at1.get('counter', 'visits'), (error) => error instanceof PolityError && error.retryable);
  assert.equal(await either.replica.change('counter', 'visits', { type: 'add', by: 10 }), 15);
  await until(() => seen.includes(15), 'it is watched at the other');
  end.abort(new Error('enough'));
  await assert.rejects(watching, /enough/);
});
