// Who is left out for a while because it fails where others do not. A breaker looks at one node alone; this compares, so that nobody is
// left out when all fail alike (then it is the service, not the node), and a few failures of many calls add up. Against the median of
// the others and not a standard deviation: among four no single one can be two deviations off, and among a hundred that
// hardly ever fail everybody is now and then.

import { balancerLimits as max } from './limits.ts';
import { type BalancerState, forget, fraction, type Memory } from './state.ts';
import type { BalancerEffect, CallOutcome } from './types.ts';

const ejectMs = ({ options }: BalancerState, level: number): number =>
  Math.min(options.ejectMsMax, options.ejectMsMin * 2 ** (level - 1));

export const isEjected = (memory: Memory, nowMs: number): boolean => nowMs < memory.ejectedUntilMs;

const eject = (state: BalancerState, memory: Memory, nowMs: number, why: BalancerEffect['why']): BalancerEffect => {
  state.ejections++;
  memory.level = Math.min(max.ejectLevelMax, memory.level + 1);
  // Between 3/4 and 5/4 of it: callers that ejected it together do not come back together.
  memory.ejectedUntilMs = nowMs + ejectMs(state, memory.level) * (0.75 + fraction(state.random) / 2);
  memory.calmMs = memory.ejectedUntilMs;
  memory.fine = 0;
  memory.failed = 0;
  return { type: 'ejected', node: memory.node, untilMs: memory.ejectedUntilMs, why };
};

const nothing: readonly BalancerEffect[] = [];

/** Who cannot be reached is left out at once: one call is what that may cost. */
export const noteHealth = (
  state: BalancerState,
  memory: Memory,
  outcome: CallOutcome,
  nowMs: number,
): readonly BalancerEffect[] => {
  // What ends now began before it was ejected, or in spite of it: that is known already.
  if (isEjected(memory, nowMs)) return nothing;
  if (outcome === 'ok') memory.fine++;
  else if (outcome === 'failed') memory.failed++;
  else if (outcome === 'unreachable') return [eject(state, memory, nowMs, 'unreachable')];
  return nothing;
};

const failedShare = ({ fine, failed }: Memory): number => failed / (fine + failed);

/** What is due: ejections, and what is forgiven and forgotten. */
export const judge = (state: BalancerState, nowMs: number): readonly BalancerEffect[] => {
  if (nowMs < state.judgeAtMs) return nothing;
  const { options, memories } = state;
  state.judgeAtMs = nowMs + options.judgeMs;
  const judged = [...memories.values()].filter((one) => one.fine + one.failed >= options.outcomesMin && !isEjected(one, nowMs));
  const effects = judged.length < 2 ? nothing : judgeEach(state, judged, nowMs);
  for (const memory of memories.values()) settle(state, memory, nowMs);
  return effects;
};

const judgeEach = (state: BalancerState, judged: readonly Memory[], nowMs: number): readonly BalancerEffect[] => {
  const { failedShareMin, failedFactor } = state.options;
  const shares = judged.map(failedShare).sort((a, b) => a - b);
  // The lower of the two in the middle: of two nodes the better one is the measure.
  const usual = shares[(shares.length - 1) >> 1]!;
  const least = Math.max(failedShareMin, failedFactor * usual);
  return judged.filter((memory) => failedShare(memory) >= least).map((memory) => eject(state, memory, nowMs, 'failing'));
};

const settle = (state: BalancerState, memory: Memory, nowMs: number): void => {
  memory.fine /= 2;
  memory.failed /= 2;
  while (memory.level > 0 && nowMs - memory.calmMs >= ejectMs(state, memory.level)) {
    memory.calmMs += ejectMs(state, memory.level);
    memory.level--;
  }
  const isIdle = memory.inflight === 0 && nowMs - memory.seenMs >= state.options.rememberMs;
  if (isIdle && !isEjected(memory, nowMs)) forget(state, memory);
};

/** How many of so many may be left out. Of one, none; of two, one; never all. */
export const ejectedMax = ({ options }: BalancerState, count: number): number =>
  Math.min(count - 1, Math.max(1, Math.floor(count * options.ejectedShareMax)));
