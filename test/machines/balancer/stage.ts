// A stage for the balancer: candidates, tallies, and a small world of nodes that take their time.

import {
  type Ask,
  type BalancerOptions,
  type BalancerState,
  balancerDefaults,
  begin,
  type Candidate,
  choose,
  createBalancer,
  end,
  type StrategyName,
} from '../../../machines/balancer/index.ts';
import { nextUint32, randomFrom } from '../../../machines/random.ts';

export const candidate = (node: string, more: Partial<Candidate> = {}): Candidate => ({
  ...{ node, zone: null, region: null, weight: 1, cost: null, load: null, breaker: 'closed', probes: 0 },
  ...more,
});

export const crowd = (count: number, more: (at: number) => Partial<Candidate> = () => ({})): Candidate[] =>
  Array.from({ length: count }, (_, at) => candidate(`n${at}`, more(at)));

export const balancer = (seed = 1, options: Partial<BalancerOptions> = {}, zone = 'a', region = 'r'): BalancerState =>
  createBalancer({ here: { zone, region }, options: { ...balancerDefaults, ...options }, seed, nowMs: 0, checkAll: true });

/** The node that is chosen, or the code of the refusal. */
export const chosen = (state: BalancerState, nowMs: number, ask: Ask): string => {
  const choice = choose(state, nowMs, ask);
  return choice.ok ? choice.node : choice.code;
};

/** How often each was chosen. */
export const tally = (state: BalancerState, ask: Ask, count: number, nowMs = 0): Map<string, number> => {
  const counts = new Map<string, number>();
  for (let at = 0; at < count; at++) {
    const node = chosen(state, nowMs, ask);
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
};

/** One call from its choice to its end. */
export const call = (
  state: BalancerState,
  nowMs: number,
  node: string,
  tookMs: number,
  outcome: Parameters<typeof end>[3] = 'ok',
) => end(state, nowMs + tookMs, begin(state, nowMs, node), outcome);

// ---------------------------------------------------------------- a world

export type WorldNode = { candidate: Candidate; serviceMs: number; workers: number };
export type WorldRun = { shares: Map<string, number>; p50Ms: number; p99Ms: number };

/** Poisson arrivals of one caller; every node serves in order of arrival with so many workers; service times are exponential. */
export const runWorld = (args: {
  seed: number;
  strategy: StrategyName;
  nodes: readonly WorldNode[];
  callsPerSecond: number;
  calls: number;
}): WorldRun => {
  const random = randomFrom(args.seed);
  const exponential = (meanMs: number): number => -Math.log((nextUint32(random) + 0.5) / 2 ** 32) * meanMs;
  const state = createBalancer({
    ...{ here: { zone: 'a', region: 'r' }, options: balancerDefaults, seed: args.seed, nowMs: 0, checkAll: false },
  });
  const candidates = args.nodes.map((node) => node.candidate);
  const freeAtMs = new Map(args.nodes.map(({ candidate: { node }, workers }) => [node, new Array<number>(workers).fill(0)]));
  const serviceMs = new Map(args.nodes.map((node) => [node.candidate.node, node.serviceMs]));
  const pending: { endsMs: number; run: () => void }[] = [];
  const counts = new Map<string, number>();
  const tookMs: number[] = [];
  let nowMs = 0;
  for (let at = 0; at < args.calls; at++) {
    nowMs += exponential(1_000 / args.callsPerSecond);
    pending.sort((a, b) => a.endsMs - b.endsMs);
    while (pending.length > 0 && pending[0]!.endsMs <= nowMs) pending.shift()!.run();
    const choice = choose(state, nowMs, { candidates, strategy: args.strategy, key: `key-${at}` });
    if (!choice.ok) throw new Error(choice.message);
    const { node } = choice;
    counts.set(node, (counts.get(node) ?? 0) + 1);
    const free = freeAtMs.get(node)!;
    const worker = free.indexOf(Math.min(...free));
    const endsMs = Math.max(nowMs, free[worker]!) + exponential(serviceMs.get(node)!);
    free[worker] = endsMs;
    const begun = begin(state, nowMs, node);
    tookMs.push(endsMs - nowMs);
    pending.push({ endsMs, run: () => end(state, endsMs, begun, 'ok') });
  }
  tookMs.sort((a, b) => a - b);
  const shares = new Map([...counts].map(([node, count]) => [node, count / args.calls]));
  return { shares, p50Ms: tookMs[Math.floor(args.calls / 2)]!, p99Ms: tookMs[Math.floor(args.calls * 0.99)]! };
};
