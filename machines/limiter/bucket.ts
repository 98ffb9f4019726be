// One token bucket in whole numbers. A token is so many units, and a millisecond brings so many: no fraction is ever rounded, so nothing
// is lost or gained however often it is looked at.
import type { Rate } from './options.ts';

export type Measure = {
  /** Units that come back in a millisecond. */
  readonly perMs: number;
  /** Units of a token. */
  readonly token: number;
  readonly full: number;
};

export type Bucket = {
  /** Units at `atMs`, a whole number from −full to full; below 0 there are debts (see `drain`). */
  level: number;
  /** A whole number. */
  atMs: number;
  /** When it is full again if nobody takes. */
  fullAtMs: number;
};

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

export const measureOf = ({ tokens, periodMs, burst }: Rate): Measure => {
  const by = divisor(tokens, periodMs);
  const token = periodMs / by;
  return { perMs: tokens / by, token, full: burst * token };
};

/** Beyond 2^53 the product is no longer exact, but then it is far above what is missing. */
const levelAt = (measure: Measure, bucket: Bucket, nowMs: number): number =>
  nowMs <= bucket.atMs ? bucket.level : Math.min(measure.full, bucket.level + (nowMs - bucket.atMs) * measure.perMs);

/** How long until there are so many tokens, in whole milliseconds; 0 = they are there. `cost` ≤ burst. */
export const waitMs = (measure: Measure, bucket: Bucket, cost: number, nowMs: number): number =>
  Math.max(0, Math.ceil((cost * measure.token - levelAt(measure, bucket, nowMs)) / measure.perMs));

export const tokensAt = (measure: Measure, bucket: Bucket, nowMs: number): number =>
  Math.max(0, Math.floor(levelAt(measure, bucket, nowMs) / measure.token));

/** Takes so many tokens; what is not there becomes a debt, of at most as much as fits in. */
export const takeFrom = (measure: Measure, bucket: Bucket, cost: number, nowMs: number): void => {
  bucket.level = Math.max(-measure.full, levelAt(measure, bucket, nowMs) - cost * measure.token);
  bucket.atMs = Math.max(bucket.atMs, nowMs);
  bucket.fullAtMs = bucket.atMs + Math.ceil((measure.full - bucket.level) / measure.perMs);
};
