// Three real nodes, restarted one after the other with another version of a replicated actor while clients ask: nobody notices, and nothing is
// lost. And what is said when no path leads from the state to the version that is hosted.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fromTransition } from 'xstate';
import { createNode, defineActor, type Node } from '../../src/index.ts';
import { failureIn } from './service/alone.ts';
import { until } from './transport/world.ts';

type Add = { type: 'add' };
type Context = { n: number; path: number[] };

/** `path`: the migrations that it went through. */
const logic = fromTransition((state: Context, _event: Add): Context => ({ ...state, n: state.n + 1 }), { n: 0, path: [] });
const replies = { add: ({ snapshot }: { snapshot: { context: Context } }) => snapshot.context };
const step =
  (from: number) =>
  (snapshot: unknown): unknown => {
    const { context } = snapshot as { context: Context };
    return { ...(snapshot as object), context: { ...context, path: [...context.path, from] } };
  };
const refuse = (): never => {
  throw new Error('no such currency');
};
const versionOf = (version: number, changes: Record<number, (snapshot: unknown) => unknown> = {}) => {
  const migrate = Object.fromEntries(Array.from({ length: version - 1 }, (_, at) => [at + 1, step(at + 1)]));
  return defineActor('tally', { logic, replies, durability: 'replicated', version, migrate: { ...migrate, ...changes } });
};
const [v1, v2, v3] = [versionOf(1), versionOf(2), versionOf(3)];

const directory = mkdtempSync(join(tmpdir(), 'polity-upgrade-'));
const secret = randomBytes(32).toString('hex');
const names = ['n1', 'n2', 'n3'] as const;
const nodes = new Map<string, Node>();

const start = async (name: string, definition: typeof v1): Promise<Node> => {
  const others = [...nodes.values()].flatMap((node) => node.status().listen);
  const node = await createNode({
    ...{ name, cluster: 'upgrade', data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], secret },
    ...{ bootstrap: [...names], join: others, actors: [definition], log: { level: 'silent' } },
  });
  nodes.set(name, node);
  await until(() => node.status().listen.length > 0, `${name} listens`);
  return node;
};
const areReady = (): boolean => [...nodes.values()].every((node) => node.status().state === 'ready');
const startAll = async (definition: typeof v1): Promise<void> => {
  for (const name of names) await start(name, definition);
  await until(areReady, 'all are ready', 30_000);
};
const stopAll = async (): Promise<void> => {
  await Promise.all([...nodes.values()].map((node) => node.stop()));
  nodes.clear();
};

/** Asks one after the other, each at a node that is not about to stop. */
class Client {
  readonly key: string;
  count = 0;
  readonly failures: string[] = [];
  last: Context = { n: 0, path: [] };
  node: Node | null = null;
  #isOver = false;
  readonly ended: Promise<void>;

  constructor(key: string) {
    this.key = key;
    this.ended = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const able = [...nodes.values()].filter((node) => !leaving.has(node));
      this.node = able[this.count % able.length]!;
      try {
        this.last = await this.node
          .ref(v1, this.key)
          .ask({ type: 'add' }, { timeoutMs: 20_000, id: `${this.key}-${this.count}` });
        this.count++;
        if (this.last.n !== this.count) this.failures.push(`${this.last.n} after ${this.count} events`);
      } catch (error) {
        this.failures.push(String(error));
        this.#isOver = true;
      }
      this.node = null;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  end(): Promise<void> {
    this.#isOver = true;
    return this.ended;
  }
}
const leaving = new Set<Node>();

before(() => startAll(v1));
after(async () => {
  await stopAll();
  rmSync(directory, { recursive: true, force: true });
});

test('rolled to the next version under those who ask: no error, nothing lost, nothing twice, each migrated once', async () => {
  const untouched = nodes.get('n1')!.ref(v1, 'untouched');
  assert.deepEqual(await untouched.ask({ type: 'add' }), { n: 1, path: [] });
  const clients = ['a', 'b', 'c', 'd'].map((key) => new Client(key));
  for (const name of names) {
    const counts = clients.map(({ count }) => count);
    await until(() => clients.every(({ count }, at) => count > counts[at]! + 5), 'they ask', 30_000);
    const node = nodes.get(name)!;
    leaving.add(node);
    await until(() => clients.every((client) => client.node !== node), 'nobody asks there', 30_000);
    nodes.delete(name);
    await node.stop();
    leaving.delete(node);
    await start(name, v2);
    await until(areReady, `${name} is ready`, 30_000);
  }
  await until(() => clients.every(({ last }) => last.path.length > 0), 'all are of the new version', 30_000);
  await Promise.all(clients.map((client) => client.end()));
  for (const { key, failures, last, count } of clients) {
    assert.deepEqual(failures, [], key);
    assert.deepEqual(last, { n: count, path: [1] }, key);
  }
});

test('back to the older version: refused, and what is to be done is said', async () => {
  await stopAll();
  await startAll(v1);
  const { code, message } = await failureIn(nodes.get('n2')!.ref(v1, 'a').ask({ type: 'add' }));
  assert.equal(code, 'ACTOR_VERSION');
  assert.match(message, /of 'tally' is of version 2, this node hosts version 1, which is older: host version 2 again/);
  assert.deepEqual(
    await nodes.get('n2')!.ref(v1, 'untouched').ask({ type: 'add' }),
    { n: 2, path: [] },
    'nobody opened it meanwhile',
  );
});

test('a migration that throws changes nothing, and a chain of them leads over versions that an actor never had', async () => {
  await stopAll();
  await startAll(versionOf(3, { 2: refuse }));
  const { code, message } = await failureIn(nodes.get('n3')!.ref(v3, 'a').ask({ type: 'add' }));
  assert.equal(code, 'ACTOR_VERSION');
  assert.match(message, /the migration from 2 to 3 failed, and the state stays as it is: no such currency/);
  await stopAll();
  await startAll(v3);
  const { n, path } = await nodes.get('n1')!.ref(v3, 'a').ask({ type: 'add' });
  assert.deepEqual([n > 5, path], [true, [1, 2]]);
  assert.deepEqual(await nodes.get('n3')!.ref(v3, 'untouched').ask({ type: 'add' }), { n: 3, path: [1, 2] });
});
