// What membership does among many nodes, in virtual time (sim/mesh): how fast news and crashes become known, whom it wrongs, what it
// costs. The figures are of the protocol, the same on every machine; only 'cpu s' is of this one.
import { churn, crashOne, joinAll, pauses, rest, splitAndHeal, tellNews } from '../sim/mesh/index.ts';
import { cpuSeconds } from './cpu.ts';
import { median, type Row, round } from './figures.ts';

type Trial = { figure: string; run: (quick: boolean) => Row };

const seeds = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

/** Median and worst of one value over several seeds. */
const over = (count: number, unit: string, run: (seed: number) => number): Row => {
  const values = seeds(count).map(run);
  return { unit, seeds: count, median: round(median(values)), worst: round(Math.max(...values)) };
};

const news = (nodes: number, lossRatio: number, count: number): Trial => ({
  figure: `${nodes} nodes know something new, ${lossRatio * 100} % loss`,
  run: (quick) => over(quick ? 1 : count, 'rounds', (seed) => tellNews({ seed, nodes, lossRatio }).rounds),
});

const crash = (nodes: number, lossRatio: number, count: number): Trial => ({
  figure: `a crash is known to all of ${nodes}, ${lossRatio * 100} % loss`,
  run: (quick) => over(quick ? 2 : count, 's', (seed) => crashOne({ seed, nodes, lossRatio }).knownMs / 1_000),
});

const atRest = (nodes: number): Trial => ({
  figure: `${nodes} nodes at rest for a minute`,
  run: () => ({ unit: 'bytes/s per node', seeds: 1, median: round(rest({ nodes }, 60_000).bytesPerNodeSecond) }),
});

const busy = (nodes: number, everyMs: number): Trial => ({
  figure: `${nodes} nodes, 60 virtual seconds, a change every ${everyMs} ms`,
  run: (quick) => {
    const { bytesPerNodeSecond } = churn({ nodes }, { forMs: quick ? 10_000 : 60_000, everyMs });
    return { unit: 'bytes/s per node', seeds: 1, median: round(bytesPerNodeSecond) };
  },
});

/** One node stands still for 2 s every minute, 5 % of all messages are lost, nobody is dead. */
const wronged = (always: boolean): Trial => ({
  figure: `100 nodes for an hour, 5 % loss, ${always ? 'the same' : 'any'} one paused 2 s a minute`,
  run: (quick) => {
    const options = { forMs: quick ? 300_000 : 3_600_000, everyMs: 60_000, pauseMs: 2_000, always };
    const { falsePositives, suspicions } = pauses({ seed: always ? 2 : 1, nodes: 100, lossRatio: 0.05 }, options);
    return {
      unit: 'false positives',
      seeds: 1,
      median: falsePositives,
      worst: falsePositives,
      note: `${suspicions} suspicions`,
    };
  },
});

const heals = (nodes: number, moves: boolean, count: number): Trial => ({
  figure: `two halves of ${nodes} agree again${moves ? ', all but one moved' : ''}`,
  run: (quick) =>
    over(quick ? 1 : count, 's', (seed) => splitAndHeal({ seed, nodes, lossRatio: 0.05 }, { moves }).healedMs / 1_000),
});

const joins = (nodes: number, count: number): Trial => ({
  figure: `${nodes} nodes that know one address all know each other`,
  run: (quick) => over(quick ? 1 : count, 's', (seed) => joinAll({ seed, nodes }).joinedMs / 1_000),
});

const trials: readonly Trial[] = [
  ...[news(1_000, 0, 3), news(1_000, 0.05, 3)],
  ...[crash(100, 0, 20), crash(100, 0.05, 20), crash(1_000, 0.05, 3)],
  ...[wronged(false), wronged(true)],
  ...[atRest(10), atRest(100), atRest(1_000), busy(10, 60_000), busy(100, 6_000), busy(1_000, 1_000)],
  ...[heals(100, false, 5), heals(50, true, 5), joins(100, 3), joins(300, 1)],
];

export const measureMesh = (quick: boolean): Row[] =>
  trials.map(({ figure, run }) => {
    const beganSeconds = cpuSeconds();
    const row = run(quick);
    return { figure, ...row, 'cpu s': round(cpuSeconds() - beganSeconds) };
  });
