// Durable writes: a hundred bytes each, acknowledged when a majority has synced them. Through the embedded API on the leader, over
// HTTP spread over the members and at the leader alone, and etcd beside it. Systems take turns within a round, and every ratio is
// taken within a round before the median is, so that noise hits both of its sides. Whose turn it is not is frozen: even without work
// the members of either cluster take processors from the other.
import { signal } from './children.ts';
import { Etcd, etcdVersion } from './etcd.ts';
import { cpuMsOf, load, median, type Row, round, sleep } from './figures.ts';
import { measureFloorMs } from './limits.ts';
import type { Load } from './load.ts';
import { Members } from './members.ts';

type System = {
  name: string;
  /** The system of the same run that this one is compared with. */
  reference: string | null;
  pids: readonly number[];
  run(clients: number, forMs: number): Promise<Load>;
};

export type Sample = Load & {
  nodes: number;
  system: string;
  round: number;
  /** Processor time of all members for one acknowledged write, microseconds: what noise disturbs least. */
  cpuUsPerWrite: number;
  floorMs: number;
  load: string;
};

const grpc = 'etcd gRPC';

const systemsOf = (members: Members, etcd: Etcd | null): System[] => {
  const { pids } = members;
  return [
    { name: 'embedded', reference: null, pids, run: (clients, forMs) => members.embedded(clients, forMs) },
    { name: 'HTTP', reference: 'etcd JSON', pids, run: (clients, forMs) => members.overHttp(clients, forMs) },
    { name: 'HTTP, leader', reference: 'etcd JSON, leader', pids, run: (clients, forMs) => members.atLeader(clients, forMs) },
    ...(etcd === null ? [] : systemsOfEtcd(etcd)),
  ];
};

const systemsOfEtcd = (etcd: Etcd): System[] => {
  const { pids } = etcd;
  return [
    { name: 'etcd JSON', reference: null, pids, run: (clients, forMs) => etcd.overGateway(clients, forMs) },
    { name: 'etcd JSON, leader', reference: null, pids, run: (clients, forMs) => etcd.gatewayOfLeader(clients, forMs) },
    { name: grpc, reference: null, pids, run: (clients, forMs) => etcd.overGrpc(clients, forMs) },
  ];
};

/** After a freeze: peers missed each other's heartbeats, some elect anew. */
const thawMs = 1_500;

/** One cluster runs at a time, or none. */
class Turns {
  #awake: readonly number[];

  constructor(all: readonly number[]) {
    this.#awake = all;
  }

  async give(pids: readonly number[]): Promise<void> {
    if (pids === this.#awake) return;
    signal('SIGSTOP', this.#awake);
    signal('SIGCONT', pids);
    this.#awake = pids;
    if (pids.length > 0) await sleep(thawMs);
  }
}

const nobody: readonly number[] = [];

const cpuOf = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);

const runOnce = async (system: System, clients: number, forMs: number): Promise<Load & { cpuUsPerWrite: number }> => {
  await sleep(200);
  const before = cpuOf(system.pids);
  const ran = await system.run(clients, forMs);
  return { ...ran, cpuUsPerWrite: Math.round(((cpuOf(system.pids) - before) * 1000) / Math.max(1, ran.writes)) };
};

/** Every system with every number of clients, `rounds` times. */
const measure = async (
  nodes: number,
  systems: readonly System[],
  sizes: readonly number[],
  rounds: number,
  forMs: number,
): Promise<Sample[]> => {
  const samples: Sample[] = [];
  const turns = new Turns([...new Set(systems.flatMap(({ pids }) => pids))]);
  // Compilers warm up on work that does not count.
  for (const system of systems) {
    await turns.give(system.pids);
    await system.run(256, forMs);
  }
  for (let round = 0; round < rounds; round++)
    for (const clients of sizes) {
      await turns.give(nobody);
      const floorMs = await measureFloorMs();
      for (const system of systems) {
        await turns.give(system.pids);
        const ran = await runOnce(system, clients, forMs);
        samples.push({ ...ran, nodes, system: system.name, round, floorMs, load: load() });
      }
    }
  return samples;
};

/** The median over the rounds of this system's figure divided by the other's; empty where there is no other. */
const ratio = (mine: readonly Sample[], others: readonly Sample[], figure: (sample: Sample) => number): number | '' =>
  others.length === 0 ? '' : round(median(mine.map((one, at) => figure(one) / figure(others[at]!))));

const rowOf = ({ name, reference }: System, clients: number, samples: readonly Sample[]): Row => {
  const those = (system: string | null): Sample[] =>
    samples.filter((sample) => sample.system === system && sample.clients === clients);
  const mine = those(name);
  const of = (figure: (sample: Sample) => number): number => median(mine.map(figure));
  const others = those(reference);
  const isOurs = !name.startsWith('etcd');
  return {
    ...{ nodes: mine[0]!.nodes, system: name, clients, 'writes/s': of((one) => one.perSecond) },
    ...{ 'p50 ms': round(of((one) => one.p50Ms)), 'p99 ms': round(of((one) => one.p99Ms)) },
    'p50 / (sync + trip)': round(of((one) => one.p50Ms / one.floorMs)),
    'rate × etcd': ratio(mine, others, (one) => one.perSecond),
    'p99 × etcd': ratio(mine, others, (one) => one.p99Ms),
    'rate × gRPC': isOurs ? ratio(mine, those(grpc), (one) => one.perSecond) : '',
    'µs/write': of((one) => one.cpuUsPerWrite),
    'load cpu': of((one) => one.ownCpu),
    errors: mine.reduce((sum, one) => sum + one.errors, 0),
  };
};

export const measureDurable = async (nodes: number, quick: boolean): Promise<{ rows: Row[]; samples: Sample[] }> => {
  const members = await Members.start(nodes);
  let etcd: Etcd | null = null;
  try {
    etcd = etcdVersion() === null ? null : await Etcd.start(nodes);
    const systems = systemsOf(members, etcd);
    const sizes = quick ? [1, 256] : [1, 16, 256, 1024];
    const samples = await measure(nodes, systems, sizes, quick ? 1 : 3, quick ? 2_000 : 3_000);
    return { rows: sizes.flatMap((clients) => systems.map((system) => rowOf(system, clients, samples))), samples };
  } finally {
    signal('SIGCONT', [...members.pids, ...(etcd?.pids ?? [])]);
    await members.stop();
    await etcd?.stop();
  }
};
