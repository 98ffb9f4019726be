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

export const measureOf = ({ tokens, periodMs, burst }: Rate): Measure => ({
  ...{ perMs: tokens, token: periodMs, full: burst * periodMs },
});

/** `nowMs` is never before `atMs`. Beyond 2^53 the product is no longer exact, but then it is far above what is missing. */
const levelAt = (measure: Measure, bucket: Bucket, nowMs: number): number =>
  Math.min(measure.full, bucket.level + (nowMs - bucket.atMs) * measure.perMs);

/** How long until there are so many tokens, in whole milliseconds; 0 = they are there. `cost` ≤ burst. */
export const waitMs = (measure: Measure, bucket: Bucket, cost: number, nowMs: number): number =>
  Math.max(0, Math.ceil((cost * measure.token - levelAt(measure, bucket, nowMs)) / measure.perMs));

export const tokensAt = (measure: Measure, bucket: Bucket, nowMs: number): number =>
  Math.max(0, Math.floor(levelAt(measure, bucket, nowMs) / measure.token));

/** Takes so many tokens; what is not there becomes a debt, of at most as much as fits in. */
export const takeFrom = (measure: Measure, bucket: Bucket, cost: number, nowMs: number): void => {
  bucket.level = Math.max(-measure.full, levelAt(measure, bucket, nowMs) - cost * measure.token);
  bucket.atMs = nowMs;
  bucket.fullAtMs = nowMs + Math.ceil((measure.full - bucket.level) / measure.perMs);
};
