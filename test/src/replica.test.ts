// Real nodes in one process: what is changed at one is the same at all, before they meet, while they run and after a restart.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { createNode, type Node, type NodeConfigInput, PolityError } from '../../src/index.ts';
import { until } from './transport/world.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const cluster = (config: Pick<NodeConfigInput, 'replica'> = {}) => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-replica-'));
  closing.push(() => rmSync(directory, { recursive: true, force: true }));
  const secret = randomBytes(32).toString('hex');
  return async (name: string, others: readonly Node[] = []): Promise<Node> => {
    const node = await createNode({
      ...{ name, cluster: 'replica', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
      ...{ bootstrap: others.length === 0 ? [name] : [], join: others.flatMap((other) => other.status().listen) },
      ...{ log: { level: 'error' }, ...config },
    });
    closing.push(() => node.stop());
    await until(() => node.status().listen.length > 0, `${name} listens`);
    assert.notEqual(node.api.replica.summary().replica, null, 'it has read its disk');
    return node;
  };
};

test('every type, changed anywhere, is the same everywhere, and outlives a restart', async () => {
  const start = cluster();
  const n1 = await start('n1');
  // Before anybody else is there.
  await n1.replica.counter('visits').add(5);
  await n1.replica.register<{ theme: string }>('settings').set({ theme: 'dark' });
  const n2 = await start('n2', [n1]);
  assert.equal(await n2.replica.counter('visits').waitFor((value) => value === 5, { timeoutMs: 20_000 }), 5);
  assert.deepEqual(n2.replica.register('settings').get(), { theme: 'dark' });
  await Promise.all([
    n2.replica.counter('visits').add(-2),
    n1.replica.orSet<string>('flags').add('a'),
    n2.replica.orSet<string>('flags').add('b'),
    n2.replica.flag('open').enable(),
    n1.replica.map<number>('stock').put('apples', 3),
    n2.replica.map<number>('stock').put('pears', 4),
  ]);
  const all = (node: Node): unknown => [
    node.replica.counter('visits').get(),
    node.replica.orSet('flags').get(),
    node.replica.flag('open').get(),
    [...node.replica.map('stock').get()],
  ];
  const wanted = [
    3,
    ['a', 'b'],
    true,
    [
      ['apples', 3],
      ['pears', 4],
    ],
  ];
  for (const node of [n1, n2]) await until(() => JSON.stringify(all(node)) === JSON.stringify(wanted), 'they agree');
  await n1.replica.text('note').insert(0, 'hello');
  await n1.replica.list<number>('queue').push(1, 2, 3);
  await n2.replica.text('note').waitFor((value) => value === 'hello', { timeoutMs: 20_000 });
  await n2.replica.list('queue').waitFor((value) => value.length === 3, { timeoutMs: 20_000 });
  await Promise.all([n1.replica.text('note').insert(5, ' world'), n2.replica.text('note').remove(0, 1)]);
  await n2.replica.list<number>('queue').remove(0);
  for (const node of [n1, n2])
    await until(
      () => node.replica.text('note').get() === 'ello world' && node.replica.list('queue').get().length === 2,
      'they agree',
    );
  await n2.replica.orSet('flags').remove('a');
  await n1.replica.orSet('flags').waitFor((value) => value.length === 1, { timeoutMs: 20_000 });
  await n2.stop();
  await n1.replica.map<number>('stock').remove('pears');
  const again = await start('n2', [n1]);
  assert.equal(again.replica.counter('visits').get(), 3);
  await again.replica.map('stock').waitFor((value) => value.size === 1, { timeoutMs: 20_000 });
});

test('a reader follows by callback or loop, and waits with a limit', async () => {
  const start = cluster();
  const node = await start('n1');
  const counter = node.replica.counter('n');
  const seen: number[] = [];
  const end = counter.subscribe((value) => seen.push(value));
  const looped: number[] = [];
  const loop = (async () => {
    for await (const value of counter) {
      looped.push(value);
      if (value >= 3) break;
    }
  })();
  for (let n = 0; n < 3; n++) await counter.add();
  await loop;
  assert.equal(looped.at(-1), 3);
  assert.equal(seen.at(-1), 3);
  end();
  await counter.add();
  assert.equal(seen.at(-1), 3);
  await assert.rejects(
    counter.waitFor((value) => value > 99, { timeoutMs: 20 }),
    { code: 'OUTCOME_UNKNOWN' },
  );
  const stop = new AbortController();
  const waiting = counter.waitFor((value) => value > 99, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});

test('what cannot be is refused with a code', async () => {
  const start = cluster();
  const node = await start('n1');
  const refused = (error: unknown): boolean =>
    error instanceof PolityError && error.code === 'INVALID_REQUEST' && error.definite;
  await assert.rejects(node.replica.counter('n').add(0.5), refused);
  await assert.rejects(node.replica.counter('').add(), refused);
  await assert.rejects(node.replica.register('r').set(Number.NaN), refused);
  await assert.rejects(node.replica.map('m').put('__proto__'.repeat(1), (() => {}) as never), refused);
  const names = node.api.replica.list({});
  assert.deepEqual(names, []);
});

test('what was removed is forgotten everywhere, and a node that is gone for good is retired', async () => {
  const start = cluster({ replica: { roundMs: 200 } });
  const n1 = await start('n1');
  const n2 = await start('n2', [n1]);
  const n3 = await start('n3', [n1, n2]);
  const nodes = [n1, n2, n3];
  const members = (node: Node) => node.api.replica.replicas().replicas.filter(({ standing }) => standing === 'member');
  for (const node of nodes) await until(() => members(node).length === 3, 'all are registered');
  const stock = (node: Node) => node.replica.map<number>('stock');
  await stock(n1).put('apples', 3);
  await stock(n2).waitFor((value) => value.size === 1, { timeoutMs: 20_000 });
  await stock(n2).remove('apples');
  for (const node of nodes) await until(() => node.api.replica.summary().objects === 0, 'nothing is left of it');
  await n3.stop();
  await stock(n1).put('pears', 1);
  await stock(n1).remove('pears');
  await new Promise<void>((resolve, reject) =>
    n1.api.replica.retire('n3', (outcome) => (outcome.ok ? resolve() : reject(new Error(outcome.failure.message)))),
  );
  for (const node of [n1, n2]) await until(() => node.api.replica.summary().objects === 0, 'nothing is left of it either');
});
