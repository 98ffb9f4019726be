// What gossip does among many nodes, in virtual time (sim/gossip): how fast an announcement is everywhere, what a loss costs, what
// rest and talk cost. The figures are of the protocol, the same on every machine; only 'cpu s' is of this one.
import { halves, load, newcomer, spread } from '../sim/gossip/index.ts';
import { cpuSeconds } from './cpu.ts';
import { median, type Row, round } from './figures.ts';

type Trial = { figure: string; run: (quick: boolean) => Row };

const seeds = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

const spreads = (nodes: number, lossRatio: number, count: number): Trial => ({
  figure: `an announcement among ${nodes}, ${lossRatio * 100} % of hops lost`,
  run: (quick) => {
    const found = seeds(quick ? 1 : count).map((seed) => spread({ seed, nodes, lossRatio }));
    const missed = found.reduce((sum, { repaired }) => sum + repaired, 0);
    const hops = Math.max(...found.map((one) => one.hops));
    return {
      ...{ unit: 'ms to all', seeds: found.length, median: round(median(found.map(({ allMs }) => allMs))) },
      ...{ worst: round(Math.max(...found.map(({ allMs }) => allMs))), note: `${hops} hops; ${missed} nodes by an exchange` },
    };
  },
});

const costs = (nodes: number, everyMs: number): Trial => ({
  figure: `${nodes} nodes, ${everyMs === Number.POSITIVE_INFINITY ? 'at rest' : `${1_000 / everyMs} announcements a second in all`}`,
  run: (quick) => {
    const { bytesPerNodeSecond, pushBytesPerNodeSecond } = load({ nodes }, { forMs: quick ? 60_000 : 120_000, everyMs });
    return {
      ...{ unit: 'bytes/s per node', seeds: 1, median: round(bytesPerNodeSecond) },
      note: `exchanges; and ${round(pushBytesPerNodeSecond)} pushed`,
    };
  },
});

const lateComers = (nodes: number, announcements: number): Trial => ({
  figure: `one of ${nodes} that starts late hears ${announcements} that hold`,
  run: () => ({ unit: 'ms', seeds: 1, median: round(newcomer({ nodes, lossRatio: 0.05 }, announcements)) }),
});

const healing = (nodes: number, announcements: number, count: number): Trial => ({
  figure: `two halves of ${nodes} hear ${announcements} of each other, 5 % lost`,
  run: (quick) => {
    const found = seeds(quick ? 1 : count).map((seed) => halves({ seed, nodes, lossRatio: 0.05 }, announcements));
    return { unit: 'ms', seeds: found.length, median: round(median(found)), worst: round(Math.max(...found)) };
  },
});

const rest = Number.POSITIVE_INFINITY;
const trials: readonly Trial[] = [
  ...[spreads(100, 0, 5), spreads(1_000, 0, 5), spreads(1_000, 0.05, 5), spreads(1_000, 0.3, 5)],
  ...[costs(10, rest), costs(100, rest), costs(1_000, rest)],
  ...[costs(10, 1_000), costs(100, 1_000), costs(1_000, 1_000), costs(100, 100)],
  ...[lateComers(50, 1_000), healing(50, 200, 5)],
];

export const measureGossip = (quick: boolean): Row[] =>
  trials.map(({ figure, run }) => {
    const beganSeconds = cpuSeconds();
    const row = run(quick);
    return { figure, ...row, 'cpu s': round(cpuSeconds() - beganSeconds) };
  });
