// What others may ask of a bulkhead without changing it: the status, the metrics, the balancer.
import { type Importance, importances } from './options.ts';
import { waitingOf } from './queue.ts';
import type { Bulkhead } from './state.ts';

export type BulkheadView = {
  running: number;
  waiting: Record<Importance, number>;
  /** Running and waiting, of what may run: above 1 somebody waits. */
  load: number;
  /** What a call takes on average; null before one has ended. */
  meanMs: number | null;
  /** How long the oldest has been running: a handler that never ends keeps its place, and this is where it is seen. */
  longestMs: number;
  isStopped: boolean;
  counts: Readonly<Bulkhead['counts']>;
};

export const viewOf = (state: Bulkhead, nowMs: number): BulkheadView => {
  const { running, queue, options, pace, isStopped, counts } = state;
  const oldest = running.oldestMs;
  const waiting = Object.fromEntries(importances.map((one) => [one, waitingOf(queue, one)])) as Record<Importance, number>;
  return {
    ...{ running: running.size, waiting, load: (running.size + queue.of.size) / options.runningMax.critical },
    ...{ meanMs: pace.calls === 0 ? null : pace.meanMs, longestMs: oldest === null ? 0 : Math.max(0, nowMs - oldest) },
    ...{ isStopped, counts: { ...counts, shed: { ...counts.shed } } },
  };
};
