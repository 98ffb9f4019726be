// What is always true of a limiter, by name. A bucket is checked whenever something is taken from it; all of them together where it is
// asked for (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import type { Bucket, Measure } from './bucket.ts';
import type { Limiter } from './machine.ts';

const demand = (invariant: string, holds: boolean, what: () => string): void => {
  if (!holds) throw new InvariantBroken(invariant, what());
};

export const checkBucket = ({ full, perMs }: Measure, { level, atMs, fullAtMs }: Bucket, nowMs: number): void => {
  demand('level-bounded', level <= full && level >= -full, () => `${level} of ${full}`);
  demand('level-exact', Number.isSafeInteger(level) && Number.isSafeInteger(atMs), () => `${level} at ${atMs}`);
  demand('time-goes-on', atMs <= nowMs, () => `${atMs}, now ${nowMs}`);
  const dueMs = fullAtMs - atMs;
  const isDue = dueMs * perMs >= full - level && (dueMs === 0 || (dueMs - 1) * perMs < full - level);
  demand('full-when-due', isDue, () => `${level} of ${full} after ${dueMs} ms`);
};

export const checkLimiter = ({ node, principal, nowMs }: Limiter): void => {
  for (const buckets of [node, principal]) {
    if (buckets === null) continue;
    const { of, heap, bucketsMax, measure, crowd } = buckets;
    demand('buckets-bounded', of.size <= bucketsMax, () => `${of.size} of ${bucketsMax}`);
    demand('buckets-in-heap', heap.length === of.size, () => `${heap.length}, not ${of.size}`);
    checkBucket(measure, crowd, nowMs);
    for (const [at, bucket] of heap.entries()) {
      demand('heap-places', bucket.at === at && of.get(bucket.name) === bucket, () => `${bucket.name} at ${at}`);
      const parent = heap[Math.max(0, at - 1) >> 1]!;
      demand('heap-ordered', parent.fullAtMs <= bucket.fullAtMs, () => `${parent.name} above ${bucket.name}`);
      checkBucket(measure, bucket, nowMs);
    }
  }
};
