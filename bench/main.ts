// `npm run bench [-- part …] [--quick] [--kills N] [--json FILE]`: what Polity does on this machine, beside what the machine itself
// can do and, where it is installed, etcd. Parts: actors, limits, durable-3, durable-5, failover, idle, sim, mesh, gossip, discovery, routes, calls,
// queues, actors-local, actors-cluster, actors-failover, replica-local, replica-memory, replica-converge, replica-repair, replica-peers, replica-orbitdb; all of them by default.
import { writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { parseArgs } from 'node:util';
import { measureActors } from './actors.ts';
import { measureActorsCluster, measureActorsFailover } from './actors-cluster.ts';
import { measureActorsLocal } from './actors-local.ts';
import { measureCalls } from './calls.ts';
import { measureDiscovery } from './discovery.ts';
import { measureDurable } from './durable.ts';
import { etcdVersion } from './etcd.ts';
import { measureFailover } from './failover.ts';
import { load, type Row, table } from './figures.ts';
import { measureGossip } from './gossip.ts';
import { measureIdle } from './idle.ts';
import { measureLimits } from './limits.ts';
import { measureMesh } from './mesh.ts';
import { measureQueues } from './queues.ts';
import { measureReplicaConverge } from './replica-converge.ts';
import { measureReplicaLocal, measureReplicaMemory } from './replica-local.ts';
import { measureReplicaOrbit } from './replica-orbitdb.ts';
import { measureReplicaPeers } from './replica-peers.ts';
import { measureReplicaRepair } from './replica-repair.ts';
import { measureRoutes } from './routes.ts';
import { measureSim } from './sim.ts';

/** What a part measured: the rows that people read and, beside them, what they were made of. */
type Measured = { rows: Row[]; samples?: unknown };
type Options = { quick: boolean; kills: number };

const parts: Record<string, (options: Options) => Promise<Measured>> = {
  actors: ({ quick }) => measureActors(quick),
  limits: async ({ quick }) => ({ rows: await measureLimits(quick) }),
  'durable-3': ({ quick }) => measureDurable(3, quick),
  'durable-5': ({ quick }) => measureDurable(5, quick),
  failover: async ({ kills }) => {
    const measured = [await measureFailover('busy', kills), await measureFailover('quiet', kills)];
    return { rows: measured.map(({ row }) => row), samples: measured.map(({ tookMs }) => tookMs) };
  },
  idle: async ({ quick }) => ({ rows: [...(await measureIdle(3, quick)), ...(await measureIdle(5, quick))] }),
  sim: async ({ quick }) => measureSim(quick),
  mesh: async ({ quick }) => ({ rows: measureMesh(quick) }),
  discovery: async ({ quick }) => ({ rows: await measureDiscovery(quick) }),
  gossip: async ({ quick }) => ({ rows: measureGossip(quick) }),
  queues: ({ quick }) => measureQueues(quick),
  routes: async ({ quick }) => ({ rows: await measureRoutes(quick) }),
  calls: ({ quick }) => measureCalls(quick),
  'actors-cluster': ({ quick }) => measureActorsCluster(quick),
  'actors-failover': ({ kills }) => measureActorsFailover(kills),
  'actors-local': ({ quick }) => measureActorsLocal(quick),
  'replica-local': ({ quick }) => measureReplicaLocal(quick),
  'replica-memory': async () => ({ rows: await measureReplicaMemory() }),
  'replica-converge': ({ quick }) => measureReplicaConverge(quick),
  'replica-repair': ({ quick }) => measureReplicaRepair(quick),
  'replica-peers': ({ quick }) => measureReplicaPeers(quick),
  'replica-orbitdb': ({ quick }) => measureReplicaOrbit(quick),
};

const usage = `npm run bench [-- ${Object.keys(parts).join(' | ')} …] [--quick] [--kills N] [--json FILE]`;

const refuse = (why: string): never => {
  console.error(`${why}\n${usage}`);
  process.exit(2);
};

const wordsOf = (): Options & { wanted: string[]; json: string | undefined } => {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { quick: { type: 'boolean', default: false }, kills: { type: 'string' }, json: { type: 'string' } },
    });
    const unknown = positionals.find((name) => !Object.hasOwn(parts, name));
    if (unknown !== undefined) return refuse(`there is no part '${unknown}'`);
    const kills = Number(values.kills ?? (values.quick ? 4 : 20));
    if (!Number.isSafeInteger(kills) || kills < 1 || kills > 1_000) return refuse('--kills is a whole number from 1 to 1000');
    const wanted = Object.keys(parts).filter((name) => positionals.length === 0 || positionals.includes(name));
    return { wanted, kills, quick: values.quick, json: values.json };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
};

const { wanted, json, ...options } = wordsOf();
const machine = { node: process.version, kernel: release(), processors: availableParallelism(), etcd: etcdVersion() };
const results: Record<string, Measured & { seconds: number; load: { before: string; after: string } }> = {};
console.log(`Node ${machine.node}, ${machine.processors} processors, etcd ${machine.etcd ?? 'not installed'}\n`);
for (const name of wanted) {
  const before = load();
  const beganMs = performance.now();
  try {
    const measured = await parts[name]!(options);
    const seconds = Math.round((performance.now() - beganMs) / 1000);
    results[name] = { ...measured, seconds, load: { before, after: load() } };
    console.log(`${name} (${seconds} s, load average ${before} before, ${load()} after)\n${table(measured.rows)}\n`);
    // After each part: what is measured stays measured if a later part fails.
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
  } catch (error) {
    console.error(`${name} failed:`, error);
    process.exitCode = 1;
  }
}
