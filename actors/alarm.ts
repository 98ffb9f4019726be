// One timer for a machine that says when it wants to be woken: set at the earliest deadline. One that moved later is found out when the
// timer rings, so that a machine whose deadlines move with every message sets none for each.
import type { ClockPort, Timer } from './ports/index.ts';

export interface Alarm {
  /** Rings at this time at the latest; Infinity = never. */
  at(deadlineMs: number): void;
  readonly isSet: boolean;
  cancel(): void;
}

/** `after` is the clock's or a scope's. */
export const createAlarm = (clock: ClockPort, after: ClockPort['after'], ring: () => void): Alarm => {
  let set: { atMs: number; timer: Timer } | null = null;
  const cancel = (): void => {
    set?.timer.cancel();
    set = null;
  };
  return {
    at(deadlineMs) {
      if (set !== null && set.atMs <= deadlineMs) return;
      cancel();
      if (deadlineMs === Number.POSITIVE_INFINITY) return;
      const timer = after(Math.max(1, deadlineMs - clock.nowMs()), () => {
        set = null;
        ring();
      });
      set = { atMs: deadlineMs, timer };
    },
    get isSet() {
      return set !== null;
    },
    cancel,
  };
};
