// One seed of a crowd: it draws how many nodes there are, what is lost, what they announce and what happens to them for some minutes; a
// judge listens; in the end everything is mended but for the loss, and all must have heard all that holds. A seed is a bug report.
import type { Chance } from '../world.ts';
import { Crowd } from './crowd.ts';
import type { GossipNode } from './node.ts';

export type GossipRun = {
  seed: number;
  /** What went wrong, or null. */
  violation: string | null;
  hash: string;
  nodes: number;
  lossRatio: number;
  deliveries: number;
  late: number;
  events: Record<string, number>;
  virtualMs: number;
};

export type GossipRunOptions = {
  nodesMax: number;
  fireMs: number;
  /** How long it may take until all have heard all when everything is mended. */
  calmMs: number;
  checkAll: boolean;
};

export const gossipRunDefaults: GossipRunOptions = { nodesMax: 16, fireMs: 30_000, calmMs: 60_000, checkAll: true };

const strikesOf = (crowd: Crowd, chance: Chance): Record<string, (node: GossipNode) => boolean> => ({
  crash: (node) => {
    if (chance.happens(0.5)) return false;
    crowd.crash(node);
    return true;
  },
  start: (node) => {
    if (!node.isUp) crowd.start(node);
    return true;
  },
  blink: (node) => {
    if (!node.isUp) return false;
    crowd.crash(node);
    crowd.start(node);
    return true;
  },
  partition: () => {
    const side = chance.shuffled(crowd.nodes).slice(0, chance.between(1, crowd.nodes.length));
    crowd.partition([side]);
    return true;
  },
  heal: () => {
    crowd.heal();
    return true;
  },
  burst: (node) => {
    if (!node.isUp) return false;
    for (let at = chance.between(1, 60); at > 0; at--)
      crowd.say(node, chance.between(1_000, 900_000), chance.between(0, 3_000));
    return true;
  },
});

export const runGossipSeed = (seed: number, given: Partial<GossipRunOptions> = {}): GossipRun => {
  const options = { ...gossipRunDefaults, ...given };
  const draw = new Crowd({ seed, nodes: 1 }).world.chance('draw');
  const nodes = draw.between(2, options.nodesMax + 1);
  const lossRatio = draw.pick([0, 0.05, 0.1, 0.3]);
  const latencyMs = draw.pick([[0.5, 3] as const, [1, 30] as const, [20, 150] as const]);
  const links = draw.pick([4, 8, 32]);
  const strikeMs = draw.pick([500, 2_000, 8_000]);
  const sayMs = draw.pick([50, 200, 2_000]);
  const ttlMsMax = draw.pick([3_000, 30_000, 900_000]);
  const crowd = new Crowd({ seed, nodes, lossRatio, latencyMs, links, checkAll: options.checkAll });
  const chance = crowd.world.chance('fire');
  const strikes = strikesOf(crowd, chance);
  const events: Record<string, number> = {};
  const result = (violation: string | null): GossipRun => ({
    ...{ seed, violation, hash: crowd.trace.hash, nodes, lossRatio, deliveries: crowd.judge.deliveries },
    ...{ late: crowd.judge.late, events, virtualMs: Math.round(crowd.nowMs) },
  });
  try {
    crowd.begin();
    const endMs = crowd.nowMs + options.fireMs;
    let strikeAtMs = crowd.nowMs;
    while (crowd.nowMs < endMs && crowd.judge.violation === null) {
      crowd.pass(chance.between(1, 2 * sayMs));
      const node = chance.pick(crowd.nodes);
      if (node.isUp) crowd.say(node, chance.between(500, ttlMsMax));
      if (crowd.nowMs < strikeAtMs) continue;
      strikeAtMs = crowd.nowMs + chance.between(1, 2 * strikeMs);
      const name = chance.pick(Object.keys(strikes));
      if (strikes[name]!(chance.pick(crowd.nodes))) events[name] = (events[name] ?? 0) + 1;
    }
    crowd.heal();
    for (const node of crowd.nodes) if (!node.isUp) crowd.start(node);
    const isOver = (): boolean => crowd.judge.violation !== null || crowd.judge.whyNotAllHeard(crowd.up) === null;
    const heard = crowd.passUntil(isOver, options.calmMs, 200);
    return result(
      crowd.judge.violation ?? (heard === null ? `not all heard all: ${crowd.judge.whyNotAllHeard(crowd.up)}` : null),
    );
  } catch (error) {
    return result(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
};
