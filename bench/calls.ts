// Calls of services beside Moleculer's, in one run: within a process, and between two, one at a time and many at once. Polity's way
// is encrypted (Noise), Moleculer's is not. Systems take turns; ratios are taken within a round before their median is.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../test/e2e/cluster.ts';
import type { CallsPlan, CallsSample, PeerCalls, System } from './calls-peer.ts';
import { makeDirectory, removeDirectory } from './children.ts';
import { median, type Row, round } from './figures.ts';
import { startNats } from './nats.ts';
import { AskedProcess } from './replica-process.ts';

const program = fileURLToPath(new URL('calls-peer.ts', import.meta.url));
/** In parts: between them code that became hot is compiled. */
const warmUps = [1_000, 1_000, 1_000];

/** `inFlight` 1 is one at a time. */
const shapes = [
  ...[{ name: 'local', isRemote: false, inFlight: 1 }],
  ...[1, 64, 1_024].map((inFlight) => ({ name: 'remote', isRemote: true, inFlight })),
];
type Shape = (typeof shapes)[number];
/** `cpuUs` is of both processes. */
type Sample = CallsSample & { system: System; shape: Shape };

const peerOf = (plan: Omit<CallsPlan, 'natsUrl'>, natsUrl: string | null): AskedProcess<PeerCalls> =>
  new AskedProcess<PeerCalls>(plan.name, program, { ...plan, natsUrl } satisfies CallsPlan);

/** Those in between two processes, or those within one. */
const measureSystem = async (system: System, isRemote: boolean, forMs: number, natsUrl: string | null): Promise<Sample[]> => {
  const directory = makeDirectory();
  const [first, second] = await freePorts(2);
  const data = (name: string): string => join(directory, name);
  const server = peerOf(
    {
      ...{ system, name: 'server', serves: true, data: data('server'), listenPort: first! },
      otherPort: isRemote ? second! : 0,
    },
    natsUrl,
  );
  const caller = peerOf(
    { system, name: 'caller', serves: false, data: data('caller'), listenPort: second!, otherPort: first! },
    natsUrl,
  );
  const peers = isRemote ? [server, caller] : [server];
  try {
    await Promise.all(peers.map((peer) => peer.start()));
    const samples: Sample[] = [];
    for (const shape of shapes.filter((one) => one.isRemote === isRemote)) {
      const loader = isRemote ? caller : server;
      for (const forMs of warmUps) await loader.ask('load', { inFlight: shape.inFlight, forMs });
      const before = isRemote ? await server.ask('cpuUs', null) : 0;
      const sample = await loader.ask('load', { inFlight: shape.inFlight, forMs });
      const served = isRemote ? (await server.ask('cpuUs', null)) - before : 0;
      samples.push({ ...sample, cpuUs: sample.cpuUs + served / Math.max(1, sample.calls), system, shape });
    }
    return samples;
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
    removeDirectory(directory);
  }
};

const rowOf = (samples: readonly Sample[], shape: Shape, system: System): Row => {
  const of = (which: System): Sample[] => samples.filter((one) => one.shape === shape && one.system === which);
  const mine = of(system);
  const reference = of('moleculer tcp');
  const times = (figure: (one: Sample) => number): number | string =>
    system === 'moleculer tcp' ? '' : round(median(mine.map((one, at) => figure(one) / figure(reference[at]!))));
  const figure = (of: (one: Sample) => number): number => Math.round(round(median(mine.map(of)), 3) * 100) / 100;
  return {
    ...{ calls: shape.name, 'in flight': shape.inFlight, system, runs: mine.length },
    ...{ 'calls/s': Math.round(figure((one) => one.perSecond)), '×': times((one) => one.perSecond) },
    ...{ 'p50 µs': figure((one) => one.p50Us), '× ': times((one) => one.p50Us), 'p99 µs': figure((one) => one.p99Us) },
    ...{ 'cpu µs/call': figure((one) => one.cpuUs), ' ×': times((one) => one.cpuUs) },
    failed: mine.reduce((sum, one) => sum + one.failed, 0),
  };
};

export const measureCalls = async (quick: boolean): Promise<{ rows: Row[]; samples: Sample[] }> => {
  const nats = await startNats();
  const systems: System[] = ['polity', 'moleculer tcp', ...(nats === null ? [] : (['moleculer nats'] as const))];
  const samples: Sample[] = [];
  try {
    for (let run = 0; run < (quick ? 1 : 5); run++)
      for (const isRemote of [false, true])
        for (const system of systems) {
          if (system === 'moleculer nats' && !isRemote) continue;
          samples.push(...(await measureSystem(system, isRemote, quick ? 1_500 : 3_000, nats?.url ?? null)));
        }
  } finally {
    await nats?.stop();
  }
  const rows = shapes.flatMap((shape) =>
    systems
      .filter((system) => samples.some((one) => one.shape === shape && one.system === system))
      .map((system) => rowOf(samples, shape, system)),
  );
  return { rows, samples };
};
