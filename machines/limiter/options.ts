// What can be set about the limiter, the defaults of row R6, every maximum, and what is refused before any call is counted.
import { failure, PolityError } from '../errors.ts';

export type Rate = {
  /** So many tokens come back in … */
  tokens: number;
  /** … this time, evenly. */
  periodMs: number;
  /** At most so many are kept: what may be spent at once. */
  burst: number;
};

export type LimiterOptions = {
  /** For each node that calls; null = no limit. */
  node: Rate | null;
  /** For each principal, through whatever node he calls; null = no limit. */
  principal: Rate | null;
  /** So many nodes and principals have a bucket of their own; all others share one of each kind. */
  nodesMax: number;
  principalsMax: number;
};

const hourMs = 3_600_000;

export const limiterDefaults: LimiterOptions = {
  node: { tokens: 10_000, periodMs: hourMs, burst: 50 },
  principal: { tokens: 100, periodMs: hourMs, burst: 50 },
  ...{ nodesMax: 4_096, principalsMax: 10_000 },
};

export const limiterLimits = {
  tokensMax: 1_000_000_000,
  periodMsMax: 31 * 24 * hourMs,
  burstMax: 1_000_000_000,
  costMax: 1_000_000,
  /** A full bucket, in the units that it is counted in; twice that is still exact. */
  fullMax: 2 ** 51,
  bucketsMax: 1_000_000,
  nameCharsMax: 512,
} as const;

const refuse = (option: string, value: unknown, must: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', `limiter: ${option} must be ${must}, not ${value}`, { option }));
};

export const demandWhole = (option: string, value: number, most: number): void => {
  if (!(Number.isSafeInteger(value) && value >= 1 && value <= most)) refuse(option, value, `a whole number from 1 to ${most}`);
};

/** Throws INVALID_REQUEST, naming the option. */
export const checkLimiterOptions = ({ node, principal, nodesMax, principalsMax }: LimiterOptions): void => {
  for (const [name, rate] of Object.entries({ node, principal })) {
    if (rate === null) continue;
    demandWhole(`${name}.tokens`, rate.tokens, limiterLimits.tokensMax);
    demandWhole(`${name}.periodMs`, rate.periodMs, limiterLimits.periodMsMax);
    demandWhole(`${name}.burst`, rate.burst, limiterLimits.burstMax);
    const most = Math.floor(limiterLimits.fullMax / rate.periodMs);
    if (rate.burst > most) refuse(`${name}.burst`, rate.burst, `at most ${most} with a period of ${rate.periodMs} ms`);
  }
  demandWhole('nodesMax', nodesMax, limiterLimits.bucketsMax);
  demandWhole('principalsMax', principalsMax, limiterLimits.bucketsMax);
};
