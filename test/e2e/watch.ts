// Watches while nodes die: a client's watch moves from node to node, and tells every event once, in the order of the log.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createClient, type WatchEvent } from '../../src/client/index.ts';
import { type Cluster, until } from './cluster.ts';
import { underLoad } from './verdict.ts';
import type { Workload } from './workload.ts';

const seed = 1;
const prefix = `ledger-${seed}/`;

class Watcher {
  readonly seen: WatchEvent[] = [];
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor(urls: readonly string[]) {
    const client = createClient({ urls });
    this.#running = (async () => {
      try {
        for await (const event of client.watch(prefix, { from: 1, signal: this.#end.signal })) this.seen.push(event);
      } catch (error) {
        if (!this.#end.signal.aborted) throw error;
      } finally {
        client.close();
      }
    })();
    // Looked at by `end`; a watch that fails before must not end the process.
    this.#running.catch(() => {});
  }

  /** Fails if the watch ended by itself. */
  async end(): Promise<WatchEvent[]> {
    this.#end.abort();
    await this.#running;
    return this.seen;
  }
}

const assertComplete = (events: readonly WatchEvent[], { ledger }: Workload): void => {
  let before = 0;
  for (const { index } of events) {
    assert.ok(index > before, `event ${index} came after ${before}`);
    before = index;
  }
  const told = new Map(events.map((event) => [event.type === 'progress' ? '' : event.key, event]));
  assert.equal(told.size, events.length, 'every key is put once, so it is told once');
  const missing = ledger.filter(({ key, outcome }) => outcome.type === 'ok' && !told.has(key));
  assert.deepEqual(missing, [], 'acknowledged, but not told');
  const risen = ledger.filter(({ key, outcome }) => outcome.type === 'fail' && told.has(key));
  assert.deepEqual(risen, [], 'surely not happened, but told');
};

export const watchesMove = async (cluster: Cluster, t: TestContext): Promise<void> => {
  const leader = await cluster.settled();
  const rotated = (from: number): string[] => cluster.nodes.map((_, at) => cluster.nodes[(at + from) % 3]!.url);
  const watchers = cluster.nodes.map((_, at) => new Watcher(rotated(at)));
  let judged: Workload | null = null;
  const done = await underLoad(cluster, { seed }, async (workload) => {
    judged = workload;
    await leader.kill9();
    await workload.progress();
    await leader.start();
    await (await cluster.follower()).term();
    await workload.progress();
    for (const node of cluster.nodes.filter((one) => !one.isRunning)) await node.start();
    await cluster.settled();
  });
  t.diagnostic(done);
  // The last write of all is the sign that everything before it was told.
  const { index } = await createAndClose(leader.url);
  for (const watcher of watchers) {
    await until('the watch told the last write', () => watcher.seen.at(-1)?.index === index);
    const events = await watcher.end();
    assertComplete(events.slice(0, -1), judged!);
  }
};

const createAndClose = async (url: string): Promise<{ index: number }> => {
  const client = createClient({ urls: [url] });
  try {
    return await client.put(`${prefix}last`, 'x');
  } finally {
    client.close();
  }
};
