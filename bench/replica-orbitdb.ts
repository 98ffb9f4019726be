// A key-value workload on two nodes of Polity and on two peers of OrbitDB, which is no dependency of this project: where
// ORBITDB_MODULES does not name a directory with it, a row says how to get it. Puts of one writer while the other is there, then a
// second time while it is not, over a wire that is counted.
import { copyFileSync, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts, until } from '../test/e2e/cluster.ts';
import { makeDirectory, removeDirectory } from './children.ts';
import { median, type Row, round, sleep } from './figures.ts';
import { ReplicaMembers } from './replica-members.ts';
import type { OrbitCalls, OrbitPlan } from './replica-orbitdb-peer.ts';
import { AskedProcess } from './replica-process.ts';
import { Wire } from './replica-wire.ts';
import { sharedMs } from './replica-writes.ts';

const valueBytes = 100;
const atOnce = 16;
const replicatedMsMax = 180_000;
const settleMs = 3_000;
/** The least that runs; its own tests use these major versions. */
const packages = ['@orbitdb/core@4', 'helia@6', 'blockstore-level@3', '@libp2p/gossipsub@15'];

type Sample = {
  putMs: number;
  /** From the last put that was answered until the other has all. */
  lagMs: number;
  bytes: number;
  cpuMs: number;
  /** The same puts, made before the other was there: from its coming until it has all. */
  lateMs: number;
  lateBytes: number;
};

const sum = (values: readonly number[]): number => values.reduce((all, one) => all + one, 0);
const bytesOf = (wires: readonly Wire[]): number => sum(wires.map(({ bytes }) => bytes));

// ---------------------------------------------------------------- Polity

const withPolity = async (puts: number): Promise<Sample> => {
  const wires: Wire[] = [];
  const cluster = await ReplicaMembers.start(2, async (port) => {
    wires.push(await Wire.before(port));
    return wires.at(-1)!.port;
  });
  try {
    const [first, second] = [cluster.members[0]!, cluster.members[1]!];
    const same = async (): Promise<number> => {
      const looks = await until(
        'the second node has all',
        async () => {
          const found = await cluster.ask('look', null);
          return new Set(found.map(({ digest }) => digest)).size === 1 ? found : null;
        },
        replicatedMsMax,
      );
      return looks[1]!.lastChangedMs;
    };
    const put = async (from: number): Promise<{ putMs: number; doneMs: number }> => {
      const startMs = sharedMs();
      await first.ask('fill', { from, count: puts, valueBytes, salt: 'put', atOnce });
      return { putMs: sharedMs() - startMs, doneMs: sharedMs() };
    };
    await sleep(settleMs);
    await cluster.ask('followKeys', [{ from: 0, count: puts }]);
    const [bytesBefore, cpuBefore] = [bytesOf(wires), sum(await cluster.ask('cpuMs', null))];
    const { putMs, doneMs } = await put(0);
    const lagMs = Math.max(0, (await same()) - doneMs);
    const [bytes, cpuMs] = [bytesOf(wires) - bytesBefore, sum(await cluster.ask('cpuMs', null)) - cpuBefore];
    await second.stop();
    await put(puts);
    const lateBytes = bytesOf(wires);
    await second.start();
    await cluster.ask('followKeys', [{ from: puts, count: puts }]);
    await cluster.connected();
    const { sinceMs } = await second.ask('peers', null);
    const lateMs = Math.max(0, (await same()) - sinceMs);
    return { putMs, lagMs, bytes, cpuMs, lateMs, lateBytes: bytesOf(wires) - lateBytes };
  } finally {
    await cluster.stop();
    await Promise.all(wires.map((wire) => wire.close()));
  }
};

// ---------------------------------------------------------------- OrbitDB

/** The program stands beside the packages, so that it finds them. */
const programBeside = (modules: string, directory: string): string => {
  const program = join(directory, 'replica-orbitdb-peer.mts');
  copyFileSync(fileURLToPath(new URL('replica-orbitdb-peer.ts', import.meta.url)), program);
  symlinkSync(join(modules, 'node_modules'), join(directory, 'node_modules'));
  return program;
};

type Peer = AskedProcess<OrbitCalls>;

const withOrbit = async (puts: number, modules: string): Promise<Sample> => {
  const directory = makeDirectory();
  const ports = await freePorts(3);
  const program = programBeside(modules, directory);
  const peers = ['writer', 'reader', 'late'].map((name, at): Peer => {
    const plan: OrbitPlan = { data: join(directory, name), listenPort: ports[at]! };
    return new AskedProcess<OrbitCalls>(name, program, plan);
  });
  const [writer, reader, late] = peers as [Peer, Peer, Peer];
  const wire = await Wire.before(ports[0]!);
  const meet = async (peer: Peer, address: string): Promise<void> => {
    await peer.ask('connect', { port: wire.port, peerId: await writer.ask('peerId', null) });
    await peer.ask('open', address);
  };
  const hasAll = (peer: Peer): Promise<unknown> =>
    until(
      `${peer.name} has all`,
      async () => {
        const { updates, lastMs } = await peer.ask('seen', null);
        // A peer that comes late hears of one entry and fetches what is before it, which is not told of each.
        const isQuiet = lastMs > 0 && (updates >= puts || sharedMs() - lastMs > 500);
        return isQuiet && (await peer.ask('size', null)) >= puts;
      },
      replicatedMsMax,
    );
  try {
    await Promise.all([writer.start(), reader.start()]);
    const address = await writer.ask('open', null);
    await meet(reader, address);
    await sleep(settleMs);
    const cpuBefore = (await writer.ask('cpuMs', null)) + (await reader.ask('cpuMs', null));
    const [startMs, bytesBefore] = [sharedMs(), wire.bytes];
    await writer.ask('put', { count: puts, valueBytes, atOnce });
    const doneMs = sharedMs();
    await hasAll(reader);
    const { lastMs } = await reader.ask('seen', null);
    const bytes = wire.bytes - bytesBefore;
    const cpuMs = (await writer.ask('cpuMs', null)) + (await reader.ask('cpuMs', null)) - cpuBefore;
    await reader.stop();
    await late.start();
    const [cameMs, lateBefore] = [sharedMs(), wire.bytes];
    await meet(late, address);
    await hasAll(late);
    return {
      ...{ putMs: doneMs - startMs, lagMs: Math.max(0, lastMs - doneMs), bytes, cpuMs },
      ...{ lateMs: sharedMs() - cameMs, lateBytes: wire.bytes - lateBefore },
    };
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()));
    await wire.close();
    removeDirectory(directory);
  }
};

// ---------------------------------------------------------------- the part of the benchmark

const orbitVersion = (modules: string): string => {
  const file = join(modules, 'node_modules', '@orbitdb', 'core', 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

const rowOf = (puts: number, system: string, samples: readonly Sample[]): Row => {
  const of = (name: keyof Sample, digits = 2): number => round(median(samples.map((sample) => sample[name])), digits);
  return {
    [`${puts} puts of ${valueBytes} bytes, two nodes`]: system,
    ...{
      runs: samples.length,
      'puts/s': Math.round((puts * 1_000) / of('putMs', 5)),
      'all at the other after ms': of('lagMs'),
    },
    ...{ 'wire B/put': Math.round(of('bytes', 6) / puts), 'cpu µs/put': Math.round((of('cpuMs', 5) * 1_000) / puts) },
    ...{ 'late comer has all after ms': of('lateMs'), 'its wire B/put': Math.round(of('lateBytes', 6) / puts) },
  };
};

export const measureReplicaOrbit = async (quick: boolean): Promise<{ rows: Row[]; samples: Record<string, Sample[]> }> => {
  const puts = quick ? 200 : 1_000;
  const modules = process.env.ORBITDB_MODULES;
  const isThere = modules !== undefined && existsSync(join(modules, 'node_modules', '@orbitdb', 'core'));
  const samples: Record<string, Sample[]> = { polity: [], orbitdb: [] };
  for (let run = 0; run < (quick ? 1 : 3); run++) {
    samples.polity!.push(await withPolity(puts));
    if (isThere) samples.orbitdb!.push(await withOrbit(puts, modules));
  }
  const rows = [rowOf(puts, 'polity', samples.polity!)];
  if (isThere) rows.push(rowOf(puts, `OrbitDB ${orbitVersion(modules)}`, samples.orbitdb!));
  else
    console.log(
      `replica-orbitdb: OrbitDB is not installed; npm i --prefix DIR ${packages.join(' ')} and ORBITDB_MODULES=DIR measure it too`,
    );
  return { rows, samples };
};
