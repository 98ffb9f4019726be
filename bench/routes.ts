// What a way over others costs (rows R4 and R7), on three real nodes in this process of which two say an address where nobody answers, so
// that they reach each other only over the third: a look-up that is remembered, one that asks, and a call beside one straight on.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { NodeApi } from '../actors/api.ts';
import { settingsDefaults } from '../actors/settings.ts';
import { bulkheadDefaults } from '../machines/bulkhead/index.ts';
import type { Offer } from '../machines/catalog/index.ts';
import { settledStatus } from '../src/assembly.ts';
import { startTree } from '../src/node.ts';
import { makeDirectory } from './children.ts';
import { quantile, type Row, round, sleep } from './figures.ts';

const nobody = '/ip4/127.0.0.1/tcp/9';
/** So short that the next look-up asks again. */
const ttlMs = 120;
const patienceMs = 20_000;

const offer: Offer = {
  ...{ kind: 'service', name: 'echo', version: '1.0.0', resources: {}, capabilities: [], tags: [] },
  methods: { echo: { input: null, output: null, idempotent: true } },
};

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (const endsMs = performance.now() + patienceMs; !holds(); await sleep(20))
    if (performance.now() > endsMs) throw new Error(`not in time: ${what}`);
};

const startAll = async (): Promise<[NodeApi, NodeApi, NodeApi]> => {
  const directory = makeDirectory();
  const secret = randomBytes(32);
  const start = (name: string, join_: string[], announce: string[]): Promise<NodeApi> =>
    startTree({
      settings: {
        ...{ ...settingsDefaults, name, cluster: 'bench', version: '0', http: null, join: join_, groups: ['kv'] },
        // What is measured is the way, not how much of it anybody may use.
        calls: { ...settingsDefaults.calls, limits: { ...settingsDefaults.calls.limits, node: null } },
        ...{ bootstrap: name === 'n2' ? ['n2'] : [], routes: { ...settingsDefaults.routes, ttlMs } },
      },
      ...{ data: join(directory, name), listen: ['/ip4/127.0.0.1/tcp/0'], announce, discover: [], secret, messaging: 'auto' },
      sink: { log() {}, count() {} },
    });
  const hub = await start('n2', [], []);
  await settledStatus(hub, ({ state }) => state === 'ready', patienceMs);
  const ends = await Promise.all(['n1', 'n3'].map((name) => start(name, hub.status().listen, [nobody])));
  await until('all know all', () => [hub, ...ends].every((api) => api.members().length === 3));
  return [ends[0]!, hub, ends[1]!];
};

const offerAt = (api: NodeApi): Promise<void> => {
  const invoke = (input: unknown, _context: unknown, on: Parameters<NodeApi['calls']['call']>[1]) => {
    on.end({ ok: true, value: input });
    return { cancel() {}, more() {} };
  };
  const echo = { idempotent: true, isStream: false, importance: 'normal' as const, cost: 1, invoke };
  api.host.add({ offer, methods: { echo }, bulkhead: bulkheadDefaults });
  return new Promise((resolve) => api.catalog.offer(offer, () => resolve()));
};

const call = (api: NodeApi): Promise<number> => {
  const beganMs = performance.now();
  return new Promise((resolve, reject) => {
    const end = (outcome: { ok: boolean }): void => {
      if (outcome.ok) resolve(performance.now() - beganMs);
      else reject(new Error(JSON.stringify(outcome)));
    };
    api.calls.call({ service: 'echo', method: 'echo', input: 1, node: 'n3' }, { item() {}, end });
  });
};

const perCallUs = (times: number, run: () => void): number => {
  for (let at = 0; at < times / 10; at++) run();
  const beganMs = performance.now();
  for (let at = 0; at < times; at++) run();
  return ((performance.now() - beganMs) * 1_000) / times;
};

const rowOf = (figure: string, unit: string, samples: readonly number[], limit: string): Row => ({
  ...{
    figure,
    unit,
    samples: samples.length,
    median: round(quantile(samples, 0.5)),
    p99: round(quantile(samples, 0.99)),
    limit,
  },
});

const sampled = async (count: number, run: () => Promise<number>): Promise<number[]> => {
  const samples: number[] = [];
  for (let at = 0; at < count; at++) samples.push(await run());
  return samples;
};

export const measureRoutes = async (quick: boolean): Promise<Row[]> => {
  const [near, hub, far] = await startAll();
  try {
    const target = far.status().peerId;
    const find = (): Promise<number> => {
      const beganMs = performance.now();
      return new Promise((resolve, reject) =>
        near.routes.find(target, (way) =>
          way?.via === hub.status().peerId ? resolve(performance.now() - beganMs) : reject(new Error(`over ${way?.via}`)),
        ),
      );
    };
    await offerAt(far);
    const found = (api: NodeApi) => api.catalog.find({ name: 'echo' });
    await until('all know what is offered', () =>
      [near, hub].every((api) => found(api).ok && JSON.stringify(found(api)) !== '{"ok":true,"entries":[]}'),
    );
    const rounds = Array.from({ length: 5 });
    const times = quick ? 50_000 : 500_000;
    const asking = await sampled(quick ? 20 : 100, async () => {
      await sleep(ttlMs + 20);
      return find();
    });
    const cached: number[] = [];
    for (const _ of rounds) {
      await find();
      cached.push(perCallUs(times, () => void near.routes.wayTo(target)));
    }
    const located = rounds.map(() => perCallUs(times / 10, () => near.routes.locate({ name: 'echo' }, null, () => {})));
    const straight = await sampled(quick ? 200 : 1_000, () => call(hub));
    const over = await sampled(quick ? 200 : 1_000, () => call(near));
    return [
      rowOf('a way that is remembered (wayTo)', 'µs', cached, '10 µs'),
      rowOf('where something is offered, remembered (locate)', 'µs', located, '10 µs'),
      rowOf('a way that is asked for (find)', 'ms', asking, '50 ms'),
      rowOf('a call straight on, one at a time', 'ms', straight, ''),
      rowOf('the same over another node', 'ms', over, ''),
    ];
  } finally {
    await Promise.all([near, hub, far].map((api) => new Promise<void>((resolve) => api.stop(resolve))));
  }
};
