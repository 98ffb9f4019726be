// The buckets of all nodes, or of all principals. There is no end to names, so there is one to buckets, and nobody may gain by that:
// a bucket is dropped only when it is full again, which is how a new one would begin; and while none is, newcomers share one bucket,
// the crowd's. Whoever is given a bucket of his own later begins with what the crowd has left then. Had he had his own all
// along, it would hold at least as much, for everything that he took was taken from the crowd too; so never does he get more
// than his rate allows.
import { type Bucket, type Measure, measureOf } from './bucket.ts';
import type { Rate } from './options.ts';

export type Named = Bucket & { readonly name: string /** Its place in the heap. */; at: number };

export type Buckets = {
  readonly measure: Measure;
  readonly burst: number;
  readonly bucketsMax: number;
  /** At most `bucketsMax`. */
  readonly of: Map<string, Named>;
  /** The same ones; none is full before its parent, the one at (place − 1) / 2. */
  readonly heap: Named[];
  readonly crowd: Bucket;
};

export const createBuckets = (rate: Rate, bucketsMax: number, nowMs: number): Buckets => {
  const measure = measureOf(rate);
  const crowd: Bucket = { level: measure.full, atMs: nowMs, fullAtMs: nowMs };
  return { measure, burst: rate.burst, bucketsMax, of: new Map(), heap: [], crowd };
};

/** The bucket of this name, or a new one, or the crowd's. */
export const bucketOf = (buckets: Buckets, name: string, nowMs: number): Bucket => {
  const known = buckets.of.get(name);
  if (known !== undefined) return known;
  if (buckets.of.size >= buckets.bucketsMax && !dropFullest(buckets, nowMs)) return buckets.crowd;
  const made: Named = { ...buckets.crowd, name, at: buckets.heap.length };
  buckets.of.set(name, made);
  buckets.heap.push(made);
  rise(buckets.heap, made);
  return made;
};

/** The one of this name, or the one that it would begin with. */
export const peek = (buckets: Buckets, name: string): Bucket => buckets.of.get(name) ?? buckets.crowd;

/** After more was taken from it: it is full later than before. */
export const settleIn = ({ heap, of }: Buckets, name: string): void => {
  const bucket = of.get(name);
  if (bucket !== undefined) sink(heap, bucket);
};

const dropFullest = ({ of, heap }: Buckets, nowMs: number): boolean => {
  const first = heap[0]!;
  if (first.fullAtMs > nowMs) return false;
  of.delete(first.name);
  const last = heap.pop()!;
  if (last === first) return true;
  put(heap, last, 0);
  sink(heap, last);
  return true;
};

const put = (heap: Named[], bucket: Named, at: number): void => {
  heap[at] = bucket;
  bucket.at = at;
};

const rise = (heap: Named[], bucket: Named): void => {
  while (bucket.at > 0) {
    const at = bucket.at;
    const parent = heap[(at - 1) >> 1]!;
    if (parent.fullAtMs <= bucket.fullAtMs) return;
    put(heap, bucket, parent.at);
    put(heap, parent, at);
  }
};

const sink = (heap: Named[], bucket: Named): void => {
  for (;;) {
    const at = bucket.at;
    const left = heap[2 * at + 1];
    const right = heap[2 * at + 2];
    if (left === undefined) return;
    const sooner = right !== undefined && right.fullAtMs < left.fullAtMs ? right : left;
    if (bucket.fullAtMs <= sooner.fullAtMs) return;
    put(heap, bucket, sooner.at);
    put(heap, sooner, at);
  }
};
