// How busy this process is, for whoever places work (row N1): the share of time in which the event loop was not waiting for something to
// do, or how long work waits for its turn there if that says more. A node that blocks its loop for a third of a second now and again is
// idle by the first and useless for short calls. It is measured every second and evened out over some of them, so that one garbage
// collection is not told to a whole mesh.
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';

export const loadEveryMs = 1_000;
/** How much of a new second counts: what came before fades within about five. */
const newShare = 0.3;
/** Who is this busy is looked at more closely, until it is less than that; a timer for it would be most of what an idle node costs. */
const closerFrom = 0.1;
const closerUntil = 0.05;
/** Work that waits so long on average before anybody looks at it: there is no room for more. */
const fullWaitMs = 50;
const sampleMs = 20;

/** What is known of the event loop. */
export interface LoopMeter {
  /** Milliseconds so far in which it was at work, and in which it was not. */
  sums(): { active: number; idle: number };
  closer(isOn: boolean): void;
  /** Since this was asked last, while it is closer: by how much timers were late, in milliseconds, how many there were. */
  late(): { count: number; mean: number; stddev: number };
}

export const createLoopMeter = (): LoopMeter => {
  const histogram = monitorEventLoopDelay({ resolution: sampleMs });
  return {
    sums: () => performance.eventLoopUtilization(),
    closer(isOn) {
      histogram.reset();
      if (isOn) histogram.enable();
      else histogram.disable();
    },
    late() {
      const { count, mean, stddev } = histogram;
      histogram.reset();
      return count === 0 ? { count, mean: 0, stddev: 0 } : { count, mean: mean / 1e6 - sampleMs, stddev: stddev / 1e6 };
    },
  };
};

/**
 * How long somebody waits who comes at any moment: longer than the mean, for he rather comes while the loop is blocked for long. Of a
 * time `passedMs` with stretches of d it is the sum of d² / 2, by all of it.
 */
const waitOf = ({ count, mean, stddev }: ReturnType<LoopMeter['late']>, passedMs: number): number =>
  count === 0 ? 0 : (count * (stddev ** 2 + Math.max(0, mean) ** 2)) / (2 * passedMs);

const between0And1 = (value: number): number => Math.min(1, Math.max(0, value));

/** Tells the load of every second that passes, until what it returns is called. */
export const followLoad = (tell: (load: number) => void, meter: LoopMeter = createLoopMeter()): (() => void) => {
  let before = meter.sums();
  let load = 0;
  let isCloser = false;
  const timer = setInterval(() => {
    const now = meter.sums();
    const activeMs = now.active - before.active;
    const passedMs = activeMs + now.idle - before.idle;
    before = now;
    if (!(passedMs > 0)) return;
    const busy = between0And1(activeMs / passedMs);
    const waits = isCloser ? between0And1(waitOf(meter.late(), passedMs) / fullWaitMs) : 0;
    const wasCloser = isCloser;
    isCloser = busy >= (isCloser ? closerUntil : closerFrom);
    if (isCloser !== wasCloser) meter.closer(isCloser);
    load += newShare * (Math.max(busy, waits) - load);
    tell(load);
  }, loadEveryMs);
  // Nobody who wants to end waits for a measure.
  timer.unref();
  return () => {
    clearInterval(timer);
    if (isCloser) meter.closer(false);
  };
};
