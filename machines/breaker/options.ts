// What can be set about a breaker, the defaults of rows B1 and B2, and what is refused before any call is made.
import { failure, PolityError } from '../errors.ts';

export type WindowSize =
  /** What is younger than this counts. */
  | { by: 'time'; ms: number }
  /** The last so many calls that were measured count, however old they are. */
  | { by: 'calls'; calls: number };

export type SlowOptions = {
  /** A call that took at least so long was slow, however it ended. */
  ms: number;
  /** It opens when this share of the calls in the window was slow, in (0, 1] … */
  shareMin: number;
  /** … of at least so many: one slow call of one says nothing. */
  callsMin: number;
};

export type BreakerOptions = {
  /** So many failures within the window open it. */
  failuresMax: number;
  window: WindowSize;
  /** Only failures one after the other count: a success forgets those before it. */
  consecutive: boolean;
  /** Besides, at least this share of the calls in the window must have failed, in [0, 1]; 0 = no matter. */
  failureShareMin: number;
  slow: SlowOptions | null;
  /** So many calls are let through to try. */
  probes: number;
  /** A probe that has no outcome by then gives its place back. Longer than a call may take (row R2), so that its own end comes first. */
  probeMs: number;
  /** How long it is open the first time, and at the most; doubled each time in between. */
  openMs: number;
  openMsMax: number;
  /** Up to this share is added by chance, so that those who closed a door together do not knock together. */
  jitter: number;
};

export const breakerDefaults: BreakerOptions = {
  ...{ failuresMax: 5, window: { by: 'time', ms: 60_000 }, consecutive: false, failureShareMin: 0, slow: null },
  ...{ probes: 1, probeMs: 35_000, openMs: 60_000, openMsMax: 600_000, jitter: 0.1 },
};

/** Every maximum. */
export const breakerLimits = {
  failuresMax: 1_000,
  windowMsMax: 86_400_000,
  windowCallsMax: 1_000_000,
  probesMax: 100,
  openMsMax: 86_400_000,
  /** Into so many the window is divided where shares are asked for. */
  slots: 60,
  breakersMax: 100_000,
} as const;

const refuse = (option: string, value: unknown, must: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', `breaker: ${option} must be ${must}, not ${value}`, { option }));
};

const demandWhole = (option: string, value: number, most: number): void => {
  if (!(Number.isSafeInteger(value) && value >= 1 && value <= most)) refuse(option, value, `a whole number from 1 to ${most}`);
};

const demandShare = (option: string, value: number, least: number): void => {
  if (!(value >= least && value <= 1)) refuse(option, value, `from ${least} to 1`);
};

/** Throws INVALID_REQUEST, naming the option. */
export const checkBreakerOptions = (options: BreakerOptions): void => {
  const { window, slow } = options;
  demandWhole('failuresMax', options.failuresMax, breakerLimits.failuresMax);
  if (window.by === 'time') demandWhole('window.ms', window.ms, breakerLimits.windowMsMax);
  else demandWhole('window.calls', window.calls, breakerLimits.windowCallsMax);
  const calls = window.by === 'calls' ? window.calls : breakerLimits.windowCallsMax;
  if (options.failuresMax > calls) refuse('failuresMax', options.failuresMax, `at most window.calls (${calls})`);
  demandShare('failureShareMin', options.failureShareMin, 0);
  if (slow !== null) {
    demandWhole('slow.ms', slow.ms, breakerLimits.windowMsMax);
    demandShare('slow.shareMin', slow.shareMin, Number.MIN_VALUE);
    demandWhole('slow.callsMin', slow.callsMin, calls);
  }
  demandWhole('probes', options.probes, breakerLimits.probesMax);
  demandWhole('probeMs', options.probeMs, breakerLimits.windowMsMax);
  demandWhole('openMsMax', options.openMsMax, breakerLimits.openMsMax);
  demandWhole('openMs', options.openMs, options.openMsMax);
  demandShare('jitter', options.jitter, 0);
};
