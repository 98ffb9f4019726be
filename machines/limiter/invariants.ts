// What is always true of a limiter, by name. A bucket is checked whenever something is taken from it; all of them together where it is
// asked for (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import type { Bucket, Measure } from './bucket.ts';
import type { Limiter } from './machine.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

export const checkBucket = ({ full, perMs }: Measure, { level, atMs, fullAtMs }: Bucket, nowMs: number): void => {
  if (!(level <= full && level >= -full)) broken('level-bounded', `${level} of ${full}`);
  if (!(Number.isSafeInteger(level) && Number.isSafeInteger(atMs))) broken('level-exact', `${level} at ${atMs}`);
  if (!(atMs <= nowMs)) broken('time-goes-on', `${atMs}, now ${nowMs}`);
  const dueMs = fullAtMs - atMs;
  const isDue = dueMs * perMs >= full - level && (dueMs === 0 || (dueMs - 1) * perMs < full - level);
  if (!isDue) broken('full-when-due', `${level} of ${full} after ${dueMs} ms`);
};

export const checkLimiter = ({ node, principal, nowMs }: Limiter): void => {
  for (const buckets of [node, principal]) {
    if (buckets === null) continue;
    const { of, heap, bucketsMax, measure, crowd } = buckets;
    if (!(of.size <= bucketsMax)) broken('buckets-bounded', `${of.size} of ${bucketsMax}`);
    if (heap.length !== of.size) broken('buckets-in-heap', `${heap.length}, not ${of.size}`);
    checkBucket(measure, crowd, nowMs);
    for (const [at, bucket] of heap.entries()) {
      if (!(bucket.at === at && of.get(bucket.name) === bucket)) broken('heap-places', `${bucket.name} at ${at}`);
      const parent = heap[Math.max(0, at - 1) >> 1]!;
      if (!(parent.fullAtMs <= bucket.fullAtMs)) broken('heap-ordered', `${parent.name} above ${bucket.name}`);
      checkBucket(measure, bucket, nowMs);
    }
  }
};
