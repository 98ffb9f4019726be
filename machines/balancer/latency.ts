// How long calls to a node take, from what this node saw: it rises at once to the longest and falls with time, for a node that stalls
// must be noticed by the first call and may be trusted again by many (peak EWMA, as Finagle's balancer has it). Two things are
// different. What is not measured, or was long ago, is taken for usual and not for nought, which would draw all calls; and an error
// that came quickly makes no node look quick.

import { balancerLimits as max } from './limits.ts';
import type { BalancerState, Memory } from './state.ts';
import type { CallOutcome } from './types.ts';

/** A new value counts so much in what is usual. */
const usualShare = 1 / 64;
/** Twice nothing is nothing: before anything was measured an error counts as this. */
const penaltyMsMin = 1;

const weightOfAge = ({ options }: BalancerState, memory: Memory, nowMs: number): number =>
  Math.exp(-Math.max(0, nowMs - memory.measuredAtMs) / options.latencyDecayMs);

/** From what was measured to what is usual, as it ages. */
export const latencyMs = (state: BalancerState, memory: Memory, nowMs: number): number => {
  const { measuredMs } = memory;
  if (measuredMs === null) return state.usualMs;
  return state.usualMs + (measuredMs - state.usualMs) * weightOfAge(state, memory, nowMs);
};

const set = (memory: Memory, measuredMs: number, nowMs: number): void => {
  memory.measuredMs = measuredMs;
  memory.measuredAtMs = nowMs;
};

const measure = (state: BalancerState, memory: Memory, tookMs: number, nowMs: number): void => {
  state.usualMs = state.usualMs === 0 ? tookMs : state.usualMs + (tookMs - state.usualMs) * usualShare;
  const { measuredMs } = memory;
  if (measuredMs === null || tookMs >= measuredMs) return set(memory, tookMs, nowMs);
  set(memory, tookMs + (measuredMs - tookMs) * weightOfAge(state, memory, nowMs), nowMs);
};

const raise = (state: BalancerState, memory: Memory, toMs: number, nowMs: number): void => {
  if (toMs > latencyMs(state, memory, nowMs)) set(memory, toMs, nowMs);
};

/** Only what went well can make a node look quicker. */
export const noteLatency = (
  state: BalancerState,
  memory: Memory,
  outcome: CallOutcome,
  elapsedMs: number,
  nowMs: number,
): void => {
  const tookMs = Math.min(max.latencyMsMax, Math.max(0, elapsedMs));
  if (outcome === 'ok') return measure(state, memory, tookMs, nowMs);
  // It took at least so long when it was given up.
  if (outcome === 'ignored') return raise(state, memory, tookMs, nowMs);
  const doubledMs = 2 * Math.max(penaltyMsMin, latencyMs(state, memory, nowMs));
  raise(state, memory, Math.max(tookMs, Math.min(state.options.penaltyMsMax, doubledMs)), nowMs);
};
