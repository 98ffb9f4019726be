// The limiter at work, where a call is executed (row R6): a bucket for the node that calls and one for the principal, and tokens from
// both of them or from neither, so that whoever has spent his own share does not use up others'.
import { InvariantBroken } from '../invariant.ts';
import { type Bucket, takeFrom, tokensAt, waitMs } from './bucket.ts';
import { type Buckets, bucketOf, createBuckets, peek, settleIn } from './buckets.ts';
import { checkBucket } from './invariants.ts';
import { checkLimiterOptions, demandWhole, type LimiterOptions, limiterLimits } from './options.ts';
import { createSpent, note, type Spent } from './shared.ts';

export type Kind = 'node' | 'principal';

export type Limiter = {
  readonly options: LimiterOptions;
  /** The latest moment that it was told of, in whole milliseconds: time never goes back. */
  nowMs: number;
  /** Null: no limit. */
  readonly node: Buckets | null;
  readonly principal: Buckets | null;
  /** What is to be told to those who share the limits; null: nobody does. */
  readonly spent: Spent | null;
  /** Since it was made. */
  readonly counts: {
    taken: number;
    refused: Record<Kind, number> /** Buckets that were wanted and were the crowd's. */;
    crowded: number;
  };
};

export type LimiterRefusal = {
  /** Of the two the one that has to wait longer. */
  by: Kind;
  /** `rate`: there will be tokens again. `cost`: never so many at once. `name`: longer than any may be. */
  why: 'rate' | 'cost' | 'name';
  /** After so long there are enough tokens, and not a millisecond earlier, if nobody else takes them; null: never. */
  retryAfterMs: number | null;
};

/** Throws INVALID_REQUEST for options that make no sense. */
export const createLimiter = ({
  options,
  nowMs,
  isShared = false,
}: {
  options: LimiterOptions;
  nowMs: number;
  isShared?: boolean;
}): Limiter => {
  checkLimiterOptions(options);
  const { node, principal, nodesMax, principalsMax } = options;
  const atMs = Math.floor(nowMs);
  return {
    ...{ options, nowMs: atMs },
    node: node === null ? null : createBuckets(node, nodesMax, atMs),
    principal: principal === null ? null : createBuckets(principal, principalsMax, atMs),
    spent: isShared ? createSpent(options) : null,
    counts: { taken: 0, refused: { node: 0, principal: 0 }, crowded: 0 },
  };
};

/** A clock that goes back stands still until it has caught up: nobody gains by it. */
const timeOf = (limiter: Limiter, nowMs: number): number => {
  const whole = Math.floor(nowMs);
  if (!Number.isSafeInteger(whole)) throw new InvariantBroken('time-is-finite', `${nowMs}`);
  return Math.max(limiter.nowMs, whole);
};

const goOn = (limiter: Limiter, nowMs: number): number => (limiter.nowMs = timeOf(limiter, nowMs));

/**
 * One call: null if it may go on. `principal` is null where the node speaks for itself, `node` where no node has to answer for it: a
 * call that this very node makes. Throws INVALID_REQUEST for a cost that is none.
 */
export const take = (
  limiter: Limiter,
  given: number,
  node: string | null,
  principal: string | null,
  cost = 1,
): LimiterRefusal | null => {
  demandWhole('cost', cost, limiterLimits.costMax);
  const nowMs = goOn(limiter, given);
  const ofNode = node === null ? null : limiter.node;
  const ofPrincipal = principal === null ? null : limiter.principal;
  const refusal = longer(
    refusalBy('node', ofNode, node ?? '', cost, nowMs),
    refusalBy('principal', ofPrincipal, principal ?? '', cost, nowMs),
  );
  if (refusal !== null) {
    limiter.counts.refused[refusal.by]++;
    return refusal;
  }
  if (ofNode !== null) spend(limiter, ofNode, node ?? '', cost);
  if (ofPrincipal !== null) spend(limiter, ofPrincipal, principal ?? '', cost);
  limiter.counts.taken++;
  if (limiter.spent === null) return null;
  if (node !== null) note(limiter.spent, 'node', node, cost);
  if (principal !== null) note(limiter.spent, 'principal', principal, cost);
  return null;
};

const longer = (one: LimiterRefusal | null, other: LimiterRefusal | null): LimiterRefusal | null => {
  if (one === null || other === null) return one ?? other;
  return (one.retryAfterMs ?? Number.POSITIVE_INFINITY) >= (other.retryAfterMs ?? Number.POSITIVE_INFINITY) ? one : other;
};

const refusalBy = (by: Kind, buckets: Buckets | null, name: string, cost: number, nowMs: number): LimiterRefusal | null => {
  if (buckets === null) return null;
  if (name.length > limiterLimits.nameCharsMax) return { by, why: 'name', retryAfterMs: null };
  if (cost > buckets.burst) return { by, why: 'cost', retryAfterMs: null };
  const retryAfterMs = waitMs(buckets.measure, peek(buckets, name), cost, nowMs);
  return retryAfterMs === 0 ? null : { by, why: 'rate', retryAfterMs };
};

const spend = (limiter: Limiter, buckets: Buckets, name: string, tokens: number): void => {
  const { nowMs } = limiter;
  const bucket: Bucket = bucketOf(buckets, name, nowMs);
  if (bucket === buckets.crowd) limiter.counts.crowded++;
  takeFrom(buckets.measure, bucket, tokens, nowMs);
  settleIn(buckets, name);
  checkBucket(buckets.measure, bucket, nowMs);
};

/**
 * So many tokens were taken elsewhere, under a limit that several nodes share: they are missing here too, and what is not there
 * becomes a debt of at most one burst. Whoever shares limits tells the others what `take` let through, and hears it from them.
 */
export const drain = (limiter: Limiter, given: number, kind: Kind, name: string, tokens: number): void => {
  demandWhole('tokens', tokens, Number.MAX_SAFE_INTEGER);
  goOn(limiter, given);
  const buckets = limiter[kind];
  if (buckets !== null && name.length <= limiterLimits.nameCharsMax) spend(limiter, buckets, name, tokens);
};

/** Whole tokens that are left; null: no limit. */
export const remaining = (limiter: Limiter, nowMs: number, kind: Kind, name: string): number | null => {
  const buckets = limiter[kind];
  return buckets === null ? null : tokensAt(buckets.measure, peek(buckets, name), timeOf(limiter, nowMs));
};
