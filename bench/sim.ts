// How much faster than real time the simulator runs, with all judges on, and where its time goes. Processor time, not time on the
// wall: the machine is shared, and a seed is worth what it costs.
import { type Profiler, Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { settingsDefaults } from '../actors/settings.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import { judgeRun } from '../sim/judge.ts';
import { joinAddresses } from '../sim/knobs.ts';
import { calmNetwork, Network } from '../sim/network.ts';
import { SimulatedNode } from '../sim/node.ts';
import { ClockSkew } from '../sim/process.ts';
import { Trace } from '../sim/trace.ts';
import { Workload, type WorkloadOptions } from '../sim/workloads/index.ts';
import { World } from '../sim/world.ts';
import { median, type Row, round } from './figures.ts';

type Kind = 'idle' | 'calm' | 'faults';

/** Ten clients that pause for 93 ms on average and wait for some 7 are 100 calls a second. */
const clients: WorkloadOptions = {
  ...{ clients: 10, keys: 10, thinkMs: 186, timeoutMs: 1_000, operationsMax: Number.POSITIVE_INFINITY },
  ...{ groups: ['kv'], works: ['register'], paddingBytes: 0 },
};
const formingMs = 5_000;
const faultEveryMs = 1_000;
const faultLastsMs = 600;

const createCluster = (seed: number, nodeCount: number) => {
  const world = new World(seed, new Trace());
  const network = new Network(world, calmNetwork);
  const judge = judgeRun();
  const broken: string[] = [];
  const names = Array.from({ length: nodeCount }, (_, at) => `n${at + 1}`);
  const nodes = names.map(
    (name) =>
      new SimulatedNode(world, network, {
        ...{ name, turnMs: [0.01, 0.1], disk: { syncMs: [0.3, 3] }, skew: new ClockSkew(1, 0) },
        settings: {
          ...settingsDefaults,
          ...{ name, cluster: 'bench', version: 'bench', bootstrap: names, join: joinAddresses(names, name), http: null },
          groups: [...settingsDefaults.groups],
        },
        observe: judge.observe,
        onStart: judge.restarted,
        onEnd() {},
        onFault: (node, error) => void broken.push(`${node}: ${String(error)}`),
        onBroken: (node, code, message) => void broken.push(`${node} says ${code}: ${message}`),
      }),
  );
  for (const node of nodes) node.start();
  /** Nothing that the judges or the nodes say is overlooked for speed. */
  const pass = (durationMs: number): void => {
    world.run(durationMs, () => {
      const violation = judge.violation() ?? broken[0];
      if (violation !== undefined && violation !== null) throw new Error(`seed ${seed}: ${violation}`);
      return false;
    });
  };
  return { world, network, nodes, judge, pass };
};

type Cluster = ReturnType<typeof createCluster>;

/** In turn: a process is killed, a machine loses its power, a node is cut off. Always one at a time. */
const hurt = ({ world, network, nodes }: Cluster): void => {
  const chance = world.chance('bench faults');
  const others = (node: SimulatedNode): string[] => nodes.filter((one) => one !== node).map(({ name }) => name);
  const next = (turn: number): void => {
    world.after(faultEveryMs, () => {
      const node = chance.pick(nodes);
      if (turn % 3 < 2) node.crash({ silently: turn % 3 === 1 });
      else for (const other of others(node)) network.block(node.name, other);
      world.after(faultLastsMs, () => {
        network.heal();
        if (!node.isUp) node.start();
      });
      next(turn + 1);
    });
  };
  next(0);
};

type Run = { virtualMs: number; cpuMs: number; events: number; calls: number; referenceUs: number };

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const referenceRounds = 100_000;

/** What this processor takes to pack and unpack one message of Raft at this moment, microseconds: others use it too. */
const referenceUs = (): number => {
  const data = new Uint8Array(120);
  const message = [4, 'a'.repeat(32), 'b'.repeat(32), 3, 1_000, 3, [[3, 0, 1_893_456_000_000, data]], 1_000, 17];
  const beforeMs = cpuMs();
  for (let round = 0; round < referenceRounds; round++) unpack(pack(message));
  return ((cpuMs() - beforeMs) * 1_000) / referenceRounds;
};

/** One run of a cluster that has formed; `around` gets the part that is measured. */
export const runOnce = (
  kind: Kind,
  nodeCount: number,
  seed: number,
  virtualMs: number,
  around = (measured: () => void): void => measured(),
): Run => {
  const cluster = createCluster(seed, nodeCount);
  const { world, nodes, judge, pass } = cluster;
  pass(formingMs);
  const workload = new Workload(world, nodes, clients);
  const beforeSteps = world.steps;
  const beforeMs = cpuMs();
  around(() => {
    if (kind !== 'idle') workload.start();
    if (kind === 'faults') hurt(cluster);
    pass(virtualMs);
    const violation = judge.history(workload.history);
    if (violation !== null) throw new Error(`seed ${seed}: ${violation}`);
  });
  const calls = workload.history.length / 2;
  const spentMs = cpuMs() - beforeMs;
  return { virtualMs, cpuMs: spentMs, events: world.steps - beforeSteps, calls, referenceUs: referenceUs() };
};

// ---------------------------------------------------------------- where the time goes

type ProfileNode = Profiler.ProfileNode;

const root = fileURLToPath(new URL('..', import.meta.url));

/** The part of the house that a file is, or null: a library works for whoever called it. */
const partOf = ({ functionName, url }: ProfileNode['callFrame']): string | null => {
  if (functionName === '(garbage collector)') return 'garbage collection';
  const file = url.startsWith('file:') ? fileURLToPath(url) : '';
  if (!file.startsWith(root) || file.includes('node_modules')) return null;
  const path = file.slice(root.length);
  if (path.startsWith('actors/') || path.startsWith('machines/')) return 'node tree';
  if (path.startsWith('sim/checkers/') || path === 'sim/judge.ts') return 'judges';
  if (path.startsWith('sim/workloads/')) return 'clients';
  const known = ['network', 'disk', 'trace', 'process', 'world'].find((name) => path === `sim/${name}.ts`);
  return known ?? (path.startsWith('sim/') ? 'nodes' : 'bench');
};

const sharesOf = (nodes: readonly ProfileNode[]): Map<string, number> => {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const shares = new Map<string, number>();
  let samples = 0;
  const visit = (id: number, within: string | null): void => {
    const { callFrame, hitCount = 0, children = [] } = byId.get(id)!;
    const part = partOf(callFrame) ?? within;
    if (part !== null) {
      samples += hitCount;
      shares.set(part, (shares.get(part) ?? 0) + hitCount);
    }
    for (const child of children) visit(child, part);
  };
  visit(nodes[0]!.id, null);
  for (const [part, hits] of shares) shares.set(part, hits / samples);
  return shares;
};

const profileOf = (run: () => void): Map<string, number> => {
  const session = new Session();
  session.connect();
  let nodes: ProfileNode[] = [];
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: 500 });
  session.post('Profiler.start');
  run();
  session.post('Profiler.stop', (error, result) => {
    if (error !== null) throw error;
    nodes = result.profile.nodes;
  });
  session.disconnect();
  return sharesOf(nodes);
};

const shareText = (shares: Map<string, number>): string =>
  [...shares]
    .sort(([, a], [, b]) => b - a)
    .filter(([, share]) => share >= 0.01)
    .map(([part, share]) => `${part} ${Math.round(share * 100)} %`)
    .join(', ');

// ---------------------------------------------------------------- the part of the benchmark

const cases: readonly { kind: Kind; nodes: number; virtualMs: number; figure: string }[] = [
  { kind: 'idle', nodes: 5, virtualMs: 300_000, figure: '5 nodes, idle' },
  { kind: 'calm', nodes: 5, virtualMs: 60_000, figure: '5 nodes, 100 calls/s' },
  { kind: 'faults', nodes: 5, virtualMs: 60_000, figure: '5 nodes, 100 calls/s, a fault a second' },
  { kind: 'idle', nodes: 25, virtualMs: 20_000, figure: '25 nodes, idle' },
];

const warmUpRuns = 4;

export const measureSim = (quick: boolean): { rows: Row[]; samples: Record<string, Run[]> } => {
  const samples: Record<string, Run[]> = {};
  const rows = cases.map(({ kind, nodes, virtualMs, figure }) => {
    const forMs = quick ? virtualMs / 4 : virtualMs;
    // A hunt lasts for minutes: what the engine takes to compile the program is not what a seed costs.
    for (let run = 0; run < warmUpRuns; run++) runOnce(kind, nodes, run + 1, forMs);
    const runs = Array.from({ length: quick ? 3 : 7 }, (_, at) => runOnce(kind, nodes, at + 1, forMs));
    samples[figure] = runs;
    let shares = new Map<string, number>();
    runOnce(kind, nodes, 1, forMs, (measured) => {
      shares = profileOf(measured);
    });
    const speeds = runs.map((run) => run.virtualMs / run.cpuMs);
    return {
      figure,
      '× real time': round(median(speeds)),
      worst: round(Math.min(...speeds)),
      'event ÷ (pack + unpack)': round(median(runs.map((run) => (run.cpuMs * 1_000) / run.events / run.referenceUs))),
      'events/s': Math.round(median(runs.map((run) => (run.events * 1_000) / run.cpuMs))),
      'events per virtual s': Math.round(median(runs.map((run) => (run.events * 1_000) / run.virtualMs))),
      'calls per virtual s': Math.round(median(runs.map((run) => (run.calls * 1_000) / run.virtualMs))),
      'where the time goes': shareText(shares),
    };
  });
  return { rows, samples };
};
