// One choice, and the calls that follow from it: begun and ended, so that the next choice knows.
import { InvariantBroken } from '../invariant.ts';
import { nextBetween } from '../random.ts';
import { judge, noteHealth } from './ejection.ts';
import { checkAll, checkChoice } from './invariants.ts';
import { noteLatency } from './latency.ts';
import { balancerLimits as max } from './limits.ts';
import { poolOf } from './pool.ts';
import type { BalancerState, Memory, Pool, Seat } from './state.ts';
import { cost } from './strategies/cost.ts';
import { geographic } from './strategies/geographic.ts';
import { latency } from './strategies/latency.ts';
import { leastLoaded } from './strategies/least-loaded.ts';
import { random } from './strategies/random.ts';
import { roundRobin } from './strategies/round-robin.ts';
import { sticky } from './strategies/sticky.ts';
import { weightedRoundRobin } from './strategies/weighted-round-robin.ts';
import { anyOf, type Question, type Strategy } from './strategy.ts';
import type { Ask, BalancerEffect, CallOutcome, Choice, ChoiceRefusal, NodeId, StrategyName } from './types.ts';

const strategies: Record<StrategyName, Strategy> = {
  ...{ 'least-loaded': leastLoaded, latency, 'round-robin': roundRobin, random },
  ...{ 'weighted-round-robin': weightedRoundRobin, sticky, cost, geographic },
};

const refuse = (code: ChoiceRefusal, message: string): Choice => ({ ok: false, code, message });

const keyOf = ({ byKey }: Strategy, { key }: Ask): string | null => {
  if (!byKey) return '';
  return typeof key === 'string' && key.length > 0 && key.length <= max.keyCharsMax ? key : null;
};

/** Whom the call goes to. Changes `state` only as far as taking turns goes; it is `begin` that makes it a call. */
export const choose = (state: BalancerState, nowMs: number, ask: Ask): Choice => {
  const strategy = Object.hasOwn(strategies, ask.strategy) ? strategies[ask.strategy] : undefined;
  if (strategy === undefined) return refuse('STRATEGY_UNKNOWN', `no strategy is called ${String(ask.strategy).slice(0, 64)}`);
  const key = keyOf(strategy, ask);
  if (key === null) return refuse('KEY_MISSING', `${ask.strategy} needs a key of 1 to ${max.keyCharsMax} characters`);
  const pool = poolOf(state, ask, nowMs);
  if ('code' in pool) return refuse(pool.code, pool.message);
  if (pool.usable.length + pool.probes.length === 0) return refuseAll(ask, pool);
  const chosen = pick(strategy, pool, { state, nowMs, key, all: pool.all });
  checkChoice(ask, pool, chosen);
  return { ok: true, node: chosen.memory.node, probe: chosen.candidate.breaker === 'half-open' };
};

const refuseAll = ({ candidates }: Ask, { all }: Pool): Choice => {
  if (candidates.length === 0) return refuse('NO_CANDIDATES', 'nobody offers it');
  if (all.length === 0) return refuse('ALL_EXCLUDED', `all ${candidates.length} who offer it were tried`);
  return refuse('ALL_OPEN', `the breakers of all ${all.length} who are left are open`);
};

/** A half-open node with a probe to spare gets it by as much chance as any node has: it waits not long, and no call is risked twice. */
const pick = (strategy: Strategy, { usable, probes }: Pool, question: Question): Seat => {
  if (probes.length === 0) return strategy.pick(usable, question);
  if (strategy.byKey) return strategy.pick([...usable, ...probes], question);
  const isProbe = nextBetween(question.state.random, 0, usable.length + probes.length) < probes.length;
  return isProbe ? anyOf(probes, question) : strategy.pick(usable, question);
};

// ---------------------------------------------------------------- calls

/** A call under way; ended once. */
export type Call = { readonly memory: Memory; readonly beganMs: number; hasEnded: boolean };

/** Right after it was chosen. */
export const begin = (state: BalancerState, nowMs: number, node: NodeId): Call => {
  const memory = state.memories.get(node);
  if (memory === undefined) throw new InvariantBroken('begun-was-chosen', `${node} was no candidate`);
  memory.inflight++;
  memory.seenMs = nowMs;
  return { memory, beganMs: nowMs, hasEnded: false };
};

const unmeasured: ReadonlySet<CallOutcome> = new Set(['unreachable']);

export const end = (state: BalancerState, nowMs: number, call: Call, outcome: CallOutcome): readonly BalancerEffect[] => {
  const { memory, beganMs } = call;
  if (call.hasEnded) throw new InvariantBroken('ended-once', `a call to ${memory.node} ends again: ${outcome}`);
  call.hasEnded = true;
  memory.inflight--;
  if (!unmeasured.has(outcome)) noteLatency(state, memory, outcome, nowMs - beganMs, nowMs);
  const ejected = noteHealth(state, memory, outcome, nowMs);
  const judged = judge(state, nowMs);
  if (state.checkAll) checkAll(state);
  return judged.length === 0 ? ejected : [...ejected, ...judged];
};
