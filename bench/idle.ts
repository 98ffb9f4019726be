// What a node costs that has nothing to do: memory, processor, and the time until it serves. Started as a user starts it, from the
// built package.
import { Cluster } from '../test/e2e/cluster.ts';
import { measureBeats } from './beats.ts';
import { cpuMsOf, median, type Row, residentMiBOf, round, sleep } from './figures.ts';

/** What runs ten times a second is compiled by then. */
const settleMs = 30_000;

export const measureIdle = async (nodes: number, quick: boolean): Promise<Row[]> => {
  const forMs = quick ? 5_000 : 20_000;
  const beats = await measureBeats(nodes, forMs);
  const cluster = await Cluster.plan({ nodes, built: true });
  try {
    const beganMs = performance.now();
    const first = await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.settled();
    const formedMs = performance.now() - beganMs;
    await sleep(quick ? settleMs / 5 : settleMs);
    const pids = cluster.nodes.map((node) => node.pid);
    const before = pids.map(cpuMsOf);
    await sleep(forMs);
    const cpu = pids.map((pid, at) => ((cpuMsOf(pid) - before[at]!) * 100) / forMs);
    const resident = pids.map(residentMiBOf);
    const again: number[] = [];
    for (let round = 0; round < (quick ? 2 : 5); round++) {
      const node = cluster.nodes[round % nodes]!;
      await node.term();
      again.push((await node.start()).tookMs);
      await cluster.settled();
    }
    return [
      { figure: `idle node of ${nodes}: resident MiB, median`, value: median(resident), worst: Math.max(...resident) },
      {
        figure: `idle cluster of ${nodes}: % of one processor, all nodes`,
        value: round(cpu.reduce((sum, one) => sum + one, 0)),
        worst: '',
      },
      { figure: `the same beats over bare TCP between ${nodes} processes: %`, value: round(beats), worst: '' },
      {
        figure: `${nodes} nodes at once, spawn to ready line, ms`,
        value: Math.round(median(first.map((one) => one.tookMs))),
        worst: Math.round(Math.max(...first.map((one) => one.tookMs))),
      },
      { figure: `${nodes} nodes at once, spawn to a leader that all name, ms`, value: Math.round(formedMs), worst: '' },
      {
        figure: 'one node of a running cluster, spawn to ready line, ms',
        value: Math.round(median(again)),
        worst: Math.round(Math.max(...again)),
      },
    ];
  } finally {
    await cluster.close();
  }
};
