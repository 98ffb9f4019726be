// What one breaker remembers. Every field says what is always true of it.
import type { RandomState } from '../random.ts';
import type { BreakerMove, BreakerStatus } from './chart.ts';
import { type BreakerOptions, checkBreakerOptions } from './options.ts';
import { createWindow, type Window } from './window.ts';

/** What `admit` hands out and `settle` takes back: a whole number above 0. */
export type Ticket = number;

/** `none`: it says nothing of the other side (the caller's own error, refused at home, given up unmeasured). */
export type Outcome = 'success' | 'failure' | 'none';

export type Probe = { ticket: Ticket; endMs: number };

/** Since it was made. */
export type BreakerCounts = {
  admitted: number;
  refused: number;
  succeeded: number;
  failed: number;
  /** Of those that succeeded or failed. */
  slow: number;
  /** Ended with `none`. */
  unmeasured: number;
  /** Ended when what they were admitted to was over already. */
  late: number;
};

export type Breaker = {
  readonly options: BreakerOptions;
  /** May be shared with other breakers. */
  readonly random: RandomState;
  status: BreakerStatus;
  /** The latest moment that it was told of: time never goes back. */
  nowMs: number;
  /** When the status was entered. */
  sinceMs: number;
  /** The highest ticket that was given. */
  serial: Ticket;
  /** The ticket of all calls that were admitted since the status was entered, probes excepted; ≤ serial. */
  epoch: Ticket;
  /** Empty unless closed. */
  readonly window: Window;
  /** Openings one after the other, without calm in between. */
  openings: number;
  /** For how long the last of them is, or was meant. */
  openForMs: number;
  /** When it is half-open; Infinity unless open. */
  untilMs: number;
  /** Let through and without an outcome; empty unless half-open. */
  readonly probes: Probe[];
  /** Probes that succeeded, and of them the slow ones; 0 unless half-open. */
  probesDone: number;
  probesSlow: number;
  readonly counts: BreakerCounts;
};

export type BreakerEffect = {
  type: 'changed';
  from: BreakerStatus;
  to: BreakerStatus;
  why: BreakerMove;
  /** For how long it is open; null = not by a time. */
  openForMs: number | null;
};

/** Throws INVALID_REQUEST for options that make no sense. `serial`: below all tickets that it will give; absent: 0. */
export const createBreaker = (args: {
  options: BreakerOptions;
  random: RandomState;
  nowMs: number;
  serial?: Ticket;
}): Breaker => {
  checkBreakerOptions(args.options);
  const first = (args.serial ?? 0) + 1;
  return {
    ...{ options: args.options, random: args.random, status: 'closed', nowMs: args.nowMs, sinceMs: args.nowMs },
    ...{ serial: first, epoch: first, window: createWindow(args.options) },
    ...{ openings: 0, openForMs: 0, untilMs: Number.POSITIVE_INFINITY, probes: [], probesDone: 0, probesSlow: 0 },
    counts: { admitted: 0, refused: 0, succeeded: 0, failed: 0, slow: 0, unmeasured: 0, late: 0 },
  };
};
