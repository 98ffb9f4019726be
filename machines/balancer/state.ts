// What a balancer remembers of each node, and of them together. Every field says what is always true of it.

import { textHash } from '../hash.ts';
import { InvariantBroken } from '../invariant.ts';
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import { balancerLimits as max } from './limits.ts';
import type { BalancerOptions, Candidate, NodeId } from './types.ts';

export type Place = { readonly zone: string | null; readonly region: string | null };

export type Memory = {
  readonly node: NodeId;
  /** Two of its name: of some thousands two may share one. */
  readonly hashes: readonly [number, number];
  /** When a call to it began last, or it was new. */
  seenMs: number;
  /** The list of candidates in which it was looked up last. */
  lookedUp: number;
  /** Calls that have begun and not ended; while there are any it is not forgotten. */
  inflight: number;
  /** Null: never measured. Else what calls took, as of `measuredAtMs`: raised at once, lowered with time. */
  measuredMs: number | null;
  measuredAtMs: number;
  /** Round-robin: when its turn was last; the lowest is next. */
  turn: number;
  /** Weighted round-robin: how far it is behind its share, in weight. */
  credit: number;
  /** Outcomes that tell its health; older ones count half, a quarter … */
  fine: number;
  failed: number;
  /** Ejections that are not forgiven yet. */
  level: number;
  ejectedUntilMs: number;
  /** From when on nothing has happened that keeps the level up. */
  calmMs: number;
};

/** A candidate with what is remembered of its node. */
export type Seat = { readonly candidate: Candidate; readonly memory: Memory };

/** Seats in the order of the candidates. */
export type Pool = {
  /** All that the call has not tried. */
  readonly all: readonly Seat[];
  /** To whom it may go like any other. */
  readonly usable: readonly Seat[];
  /** To whom it may go as a probe. */
  readonly probes: readonly Seat[];
};

/** Made once for a list and not for every call: to look up hundreds by name costs more than the choice. */
export type Seated = {
  readonly seats: readonly Seat[];
  /** How many had been forgotten then. */
  readonly forgotten: number;
  /** For calls that have tried nobody yet; true until somebody is ejected, or taken back. */
  pool: Pool;
  ejections: number;
  untilMs: number;
};

export type BalancerState = {
  readonly options: BalancerOptions;
  /** Where this node is. */
  here: Place;
  /** Tests and the simulator check the costly invariants too. */
  readonly checkAll: boolean;
  readonly random: RandomState;
  readonly memories: Map<NodeId, Memory>;
  /** Lists of candidates that were looked up so far. */
  lookups: number;
  readonly seated: WeakMap<readonly Candidate[], Seated>;
  /** How often somebody was forgotten. */
  forgotten: number;
  /** How often somebody was ejected. */
  ejections: number;
  /** Turns given by round-robin. */
  turn: number;
  /** What calls of this service usually take, 0 before any was measured: an unmeasured node is taken for usual. */
  usualMs: number;
  judgeAtMs: number;
};

const demand = (holds: boolean, what: string): void => {
  if (!holds) throw new InvariantBroken('balancer-options', what);
};

const checkOptions = (options: BalancerOptions): void => {
  for (const [name, value] of Object.entries(options)) demand(Number.isFinite(value) && value > 0, `${name} is ${value}`);
  demand(options.roomyLoad < 1, `roomyLoad is ${options.roomyLoad}, not below 1`);
  demand(options.overprovision >= 1, `overprovision is ${options.overprovision}, below 1`);
  demand(options.failedShareMin <= 1, `failedShareMin is ${options.failedShareMin}, more than 1`);
  demand(options.failedFactor > 1, `failedFactor is ${options.failedFactor}: the usual would be ejected`);
  demand(options.ejectedShareMax <= 1, `ejectedShareMax is ${options.ejectedShareMax}, more than 1`);
  demand(options.ejectMsMin <= options.ejectMsMax, `ejectMsMin ${options.ejectMsMin} is above ejectMsMax`);
};

/** Throws `InvariantBroken` for options that contradict each other. */
export const createBalancer = (args: {
  here: Place;
  options: BalancerOptions;
  seed: number;
  nowMs: number;
  checkAll?: boolean;
}): BalancerState => {
  const { here, options, nowMs } = args;
  checkOptions(options);
  return {
    ...{ options, here, checkAll: args.checkAll ?? false, random: randomFrom(args.seed), memories: new Map() },
    ...{
      lookups: 0,
      seated: new WeakMap(),
      forgotten: 0,
      ejections: 0,
      turn: 0,
      usualMs: 0,
      judgeAtMs: nowMs + options.judgeMs,
    },
  };
};

/** In [0, 1). */
export const fraction = (random: RandomState): number => nextBetween(random, 0, 1 << 24) / (1 << 24);

const otherBasis = 0x2c1b_3c6d;

/** Begins behind all others: whoever is new waits for its turn, and callers that begin together do not begin with the same node. */
const newMemory = (state: BalancerState, candidate: Candidate, nowMs: number): Memory => ({
  ...{ node: candidate.node, hashes: [textHash(candidate.node), textHash(candidate.node, otherBasis)] },
  ...{ seenMs: nowMs, lookedUp: 0, inflight: 0 },
  ...{ measuredMs: null, measuredAtMs: nowMs, turn: state.turn + fraction(state.random) },
  ...{ credit: (fraction(state.random) - 0.5) * candidate.weight, fine: 0, failed: 0 },
  ...{ level: 0, ejectedUntilMs: Number.NEGATIVE_INFINITY, calmMs: nowMs },
});

/** Null: there are too many, and calls to all of them are under way. */
export const remember = (state: BalancerState, candidate: Candidate, nowMs: number): Memory | null => {
  if (state.memories.size >= max.nodesMax && !forgetOldest(state, nowMs)) return null;
  const memory = newMemory(state, candidate, nowMs);
  state.memories.set(candidate.node, memory);
  return memory;
};

/** Not one that was asked about at this very moment. */
const forgetOldest = (state: BalancerState, nowMs: number): boolean => {
  let oldest: Memory | null = null;
  for (const memory of state.memories.values())
    if (memory.inflight === 0 && memory.seenMs < (oldest?.seenMs ?? nowMs)) oldest = memory;
  if (oldest !== null) forget(state, oldest);
  return oldest !== null;
};

export const forget = (state: BalancerState, memory: Memory): void => {
  state.memories.delete(memory.node);
  state.forgotten++;
};
