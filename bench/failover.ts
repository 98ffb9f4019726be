// How long nobody is served after kill -9 of the leader: from the signal to the next acknowledged write over another node's HTTP,
// while clients write and when the group has been quiet. Every write that was acknowledged is looked for at the end.
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../src/client/index.ts';
import { Cluster } from '../test/e2e/cluster.ts';
import { median, quantile, type Row } from './figures.ts';

const quietMs = 3_500;
const busyMs = 400;

/** Puts keys one after the other until one is acknowledged after `fromMs`; remembers all that were. */
const firstWrite = async (urls: readonly string[], acknowledged: Map<string, string>, fromMs: number): Promise<number> => {
  const client = createClient({ urls: [...urls], timeoutMs: 15_000 });
  try {
    const key = `failover-${acknowledged.size}`;
    await client.put(key, key);
    const tookMs = performance.now() - fromMs;
    acknowledged.set(key, key);
    return tookMs;
  } finally {
    client.close();
  }
};

/** Clients that write all the time; `stop` waits for them. */
const writers = (urls: readonly string[], acknowledged: Map<string, string>, count: number): (() => Promise<void>) => {
  let isOn = true;
  let written = 0;
  const run = async (): Promise<void> => {
    const client = createClient({ urls: [...urls], timeoutMs: 5_000 });
    while (isOn) {
      const key = `busy-${acknowledged.size}-${written++}`;
      await client.put(key, key).then(
        () => acknowledged.set(key, key),
        () => null,
      );
      await sleep(5);
    }
    client.close();
  };
  const running = Array.from({ length: count }, run);
  return async () => {
    isOn = false;
    await Promise.all(running);
  };
};

const lostOf = async (url: string, acknowledged: ReadonlyMap<string, string>): Promise<number> => {
  const client = createClient({ urls: [url], timeoutMs: 15_000 });
  const held = new Map<string, string>();
  for await (const entry of client.list('')) held.set(entry.key, entry.text());
  client.close();
  return [...acknowledged].filter(([key, value]) => held.get(key) !== value).length;
};

/** One line to read, and how long each kill took. */
export const measureFailover = async (kind: 'busy' | 'quiet', kills: number): Promise<{ row: Row; tookMs: number[] }> => {
  const cluster = await Cluster.plan({ nodes: 3, built: true });
  const acknowledged = new Map<string, string>();
  const tookMs: number[] = [];
  try {
    await Promise.all(cluster.nodes.map((node) => node.start()));
    for (let kill = 0; kill < kills; kill++) {
      const leader = await cluster.settled();
      const others = cluster.others(leader).map((node) => node.url);
      await firstWrite(others, acknowledged, 0);
      const stop = kind === 'busy' ? writers(others, acknowledged, 4) : null;
      await sleep(kind === 'busy' ? busyMs : quietMs);
      const fromMs = performance.now();
      await leader.kill9();
      tookMs.push(await firstWrite(others, acknowledged, fromMs));
      await stop?.();
      await leader.start();
    }
    const leader = await cluster.settled();
    const lost = await lostOf(leader.url, acknowledged);
    const row: Row = {
      ...{ group: kind, kills, 'median ms': Math.round(median(tookMs)), 'p90 ms': Math.round(quantile(tookMs, 0.9)) },
      ...{ 'worst ms': Math.round(Math.max(...tookMs)), acknowledged: acknowledged.size, lost },
    };
    return { row, tookMs };
  } catch (error) {
    console.error(cluster.tails());
    throw error;
  } finally {
    await cluster.close();
  }
};
