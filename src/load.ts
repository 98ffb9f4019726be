// How busy this process is, for whoever places work (row N1): the share of time in which the event loop was not waiting for something
// to do. It is measured every second and evened out over some of them, so that one garbage collection is not told to a whole mesh.
import { type EventLoopUtilization, performance } from 'node:perf_hooks';

export const loadEveryMs = 1_000;
/** How much of a new second counts: what came before fades within about five. */
const newShare = 0.3;

/** Tells the load of every second that passes, until what it returns is called. `measure`: for tests. */
export const followLoad = (
  tell: (load: number) => void,
  measure: () => EventLoopUtilization = () => performance.eventLoopUtilization(),
): (() => void) => {
  let before = measure();
  let load = 0;
  const timer = setInterval(() => {
    const now = measure();
    const activeMs = now.active - before.active;
    const passedMs = activeMs + now.idle - before.idle;
    before = now;
    if (!(passedMs > 0)) return;
    load += newShare * (Math.min(1, Math.max(0, activeMs / passedMs)) - load);
    tell(load);
  }, loadEveryMs);
  // Nobody who wants to end waits for a measure.
  timer.unref();
  return () => clearInterval(timer);
};
