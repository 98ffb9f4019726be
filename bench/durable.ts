// Durable writes: a hundred bytes each, acknowledged when a majority has synced them. Through the embedded API on the leader, over
// HTTP spread over the members, and etcd beside it. Systems take turns within a run, so that noise hits all of them.
import { Etcd, etcdVersion } from './etcd.ts';
import { load, median, type Row, round, sleep } from './figures.ts';
import type { Limits } from './limits.ts';
import type { Load } from './load.ts';
import { Members } from './members.ts';

type System = { name: string; run(clients: number, forMs: number): Promise<Load> };

const medianOf = (loads: readonly Load[]): Load => ({
  clients: loads[0]!.clients,
  perSecond: median(loads.map((one) => one.perSecond)),
  p50Ms: median(loads.map((one) => one.p50Ms)),
  p99Ms: median(loads.map((one) => one.p99Ms)),
  errors: loads.reduce((sum, one) => sum + one.errors, 0),
  ownCpu: median(loads.map((one) => one.ownCpu)),
});

/** One size of cluster: every system with every number of clients, `rounds` times. */
const measure = async (
  systems: readonly System[],
  sizes: readonly number[],
  rounds: number,
  forMs: number,
): Promise<Map<string, Load>> => {
  const seen = new Map<string, Load[]>();
  // Compilers warm up on work that does not count.
  for (const system of systems) await system.run(256, forMs);
  for (let round = 0; round < rounds; round++)
    for (const clients of sizes)
      for (const system of systems) {
        await sleep(200);
        const name = `${system.name}/${clients}`;
        seen.set(name, [...(seen.get(name) ?? []), await system.run(clients, forMs)]);
      }
  return new Map([...seen].map(([name, loads]) => [name, medianOf(loads)]));
};

export const measureDurable = async (nodes: number, limits: Limits, quick: boolean): Promise<Row[]> => {
  const members = await Members.start(nodes);
  const etcd = etcdVersion() === null ? null : await Etcd.start(nodes);
  try {
    const systems: System[] = [
      { name: 'embedded', run: (clients, forMs) => members.embedded(clients, forMs) },
      { name: 'HTTP', run: (clients, forMs) => members.overHttp(clients, forMs) },
      ...(etcd === null ? [] : [{ name: 'etcd', run: (clients: number, forMs: number) => etcd.overHttp(clients, forMs) }]),
    ];
    const sizes = quick ? [1, 256] : [1, 16, 256, 1024];
    const figures = await measure(systems, sizes, quick ? 1 : 3, quick ? 2_000 : 4_000);
    const floorMs = limits.syncP50Ms + limits.roundTripP50Ms;
    return sizes.flatMap((clients) =>
      systems.map(({ name }) => {
        const found = figures.get(`${name}/${clients}`)!;
        const reference = figures.get(`etcd/${clients}`);
        const ratio = reference === undefined || name === 'embedded' ? '' : round(found.perSecond / reference.perSecond);
        return {
          ...{ nodes, system: name, clients, 'writes/s': found.perSecond, 'p50 ms': found.p50Ms, 'p99 ms': found.p99Ms },
          ...{
            'p50 / (sync + trip)': round(found.p50Ms / floorMs),
            '× etcd': ratio,
            errors: found.errors,
            'own cpu': found.ownCpu,
          },
          load: load(),
        };
      }),
    );
  } finally {
    await members.stop();
    await etcd?.stop();
  }
};
