// The clock port over Node's timers. Monotonic time decides, wall time only stamps.
import type { ClockPort } from '../actors/ports/index.ts';

export const realClock: ClockPort = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, wake) {
    if (delayMs <= 0) {
      const immediate = setImmediate(wake);
      return { cancel: () => clearImmediate(immediate) };
    }
    const timeout = setTimeout(wake, delayMs);
    return { cancel: () => clearTimeout(timeout) };
  },
  soon: (run) => queueMicrotask(run),
};
