// What membership does among many nodes, in virtual time (sim/mesh): how fast news and crashes become known, whom it wrongs, what it
// costs. The figures are of the protocol, the same on every machine; only 'cpu s' is of this one.
import { membershipDefaults } from '../machines/membership/index.ts';
import { churn, crashOne, joinAll, type MeshOptions, pauses, rest, splitAndHeal, tellNews } from '../sim/mesh/index.ts';
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

/** Five nodes that say something else to each other all the time, and probe whom they heard all the same, or not. */
const beating = (heardMs: number): Partial<MeshOptions> => ({
  ...{ nodes: 5, lossRatio: 0.05, beatMs: 100, membership: { ...membershipDefaults, heardMs } },
});
const sparing = (heardMs: number): readonly Trial[] => [
  {
    figure: `a crash is known to all of 5 that beat, ${heardMs === 0 ? 'everybody' : 'nobody who was heard'} is probed`,
    run: (quick) => over(quick ? 5 : 40, 's', (seed) => crashOne({ seed, ...beating(heardMs) }).knownMs / 1_000),
  },
  {
    figure: `the same 5 for an hour, one paused 2 s a minute`,
    run: (quick) => {
      const options = { forMs: quick ? 300_000 : 3_600_000, everyMs: 60_000, pauseMs: 2_000, always: false };
      const { falsePositives, suspicions, mesh } = pauses({ seed: 1, ...beating(heardMs) }, options);
      const each = round(mesh.takeCost().messages / 5 / (options.forMs / 1_000));
      const note = `${suspicions} suspicions, ${each} messages/s per node`;
      return { unit: 'false positives', seeds: 1, median: falsePositives, worst: falsePositives, note };
    },
  },
];

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
  ...[heals(100, false, 5), heals(50, true, 5), heals(1_000, false, 1), joins(100, 3), joins(300, 1)],
  ...[...sparing(0), ...sparing(membershipDefaults.heardMs)],
];

export const measureMesh = (quick: boolean): Row[] =>
  trials.map(({ figure, run }) => {
    const beganSeconds = cpuSeconds();
    const row = run(quick);
    return { figure, ...row, 'cpu s': round(cpuSeconds() - beganSeconds) };
  });
