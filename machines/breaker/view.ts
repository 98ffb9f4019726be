// What others may ask of a breaker without changing it: the balancer, the status, the metrics, a caller who was refused.
import { type BreakerStatus, metricOf } from './chart.ts';
import type { Breaker, BreakerCounts } from './state.ts';
import { failuresWithin } from './window.ts';

export type BreakerRefusal = {
  why: 'open' | 'probing' | 'forced-open';
  /** When to ask again at the earliest; null: nobody knows. */
  retryAfterMs: number | null;
};

export type BreakerView = {
  status: BreakerStatus;
  /** Row B3: 0 closed, 1 open, 2 half-open. */
  metric: 0 | 1 | 2;
  isForced: boolean;
  forMs: number;
  /** Within the window, at most as many as open it. */
  failures: number;
  openings: number;
  probesOut: number;
  probesDone: number;
  refusal: BreakerRefusal | null;
  counts: Readonly<BreakerCounts>;
};

/** A probe ends when it ends; who waits for it asks again after so long. */
const probingMs = 1_000;

/** An open breaker whose time has come is half-open, also if nobody woke it. */
export const statusAt = ({ status, untilMs }: Breaker, nowMs: number): BreakerStatus =>
  status === 'open' && nowMs >= untilMs ? 'half-open' : status;

/** Why a call would not be admitted now; null: it would. */
export const refusalAt = (breaker: Breaker, nowMs: number): BreakerRefusal | null => {
  switch (statusAt(breaker, nowMs)) {
    case 'closed':
    case 'forced-closed':
      return null;
    case 'forced-open':
      return { why: 'forced-open', retryAfterMs: null };
    case 'open':
      return { why: 'open', retryAfterMs: Math.ceil(breaker.untilMs - nowMs) };
    case 'half-open':
      return probingAt(breaker, nowMs);
  }
};

const probingAt = ({ probes, probesDone, options }: Breaker, nowMs: number): BreakerRefusal | null => {
  const out = probes.filter(({ endMs }) => endMs > nowMs);
  if (out.length + probesDone < options.probes) return null;
  return { why: 'probing', retryAfterMs: Math.ceil(Math.min(probingMs, out[0]!.endMs - nowMs)) };
};

export const viewOf = (breaker: Breaker, nowMs: number): BreakerView => {
  const status = statusAt(breaker, nowMs);
  return {
    ...{ status, metric: metricOf[status], isForced: status === 'forced-open' || status === 'forced-closed' },
    forMs: Math.max(0, nowMs - (status === breaker.status ? breaker.sinceMs : breaker.untilMs)),
    ...{ failures: failuresWithin(breaker.window, nowMs), openings: breaker.openings },
    ...{ probesOut: breaker.probes.filter(({ endMs }) => endMs > nowMs).length, probesDone: breaker.probesDone },
    ...{ refusal: refusalAt(breaker, nowMs), counts: { ...breaker.counts } },
  };
};
