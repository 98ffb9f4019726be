// What a breaker remembers of the calls that were made while it is closed. A window slides over positions: moments, or the numbers of
// calls. Whether so many failures lie within it is exact, from the positions of just that many, which is all that the default needs.
// Shares need all calls: those are counted in slots, so that memory does not grow with the traffic.
import { type BreakerOptions, breakerLimits } from './options.ts';

type Slot = { calls: number; failed: number; slow: number };

export type Tally = {
  readonly slotSize: number;
  /** The slot of number n is at n modulo their count. */
  readonly slots: Slot[];
  /** The number of the newest slot; the older ones are those before it. */
  newest: number;
  /** Of all slots together. */
  readonly sum: Slot;
};

export type Window = {
  readonly by: 'time' | 'calls';
  /** Of positions. */
  readonly size: number;
  /** A ring of the positions of the last failures; the next is written at `failures` modulo its length. */
  readonly marks: number[];
  /** Since it was emptied. */
  failures: number;
  calls: number;
  readonly tally: Tally | null;
};

const emptySlot = (): Slot => ({ calls: 0, failed: 0, slow: 0 });

const createTally = (size: number): Tally => {
  const count = Math.min(size, breakerLimits.slots);
  return { slotSize: size / count, slots: Array.from({ length: count }, emptySlot), newest: 0, sum: emptySlot() };
};

export const createWindow = ({ window, failuresMax, failureShareMin, slow }: BreakerOptions): Window => {
  const size = window.by === 'time' ? window.ms : window.calls;
  const tally = failureShareMin > 0 || slow !== null ? createTally(size) : null;
  return { by: window.by, size, marks: new Array<number>(failuresMax).fill(0), failures: 0, calls: 0, tally };
};

export const emptyWindow = (window: Window): void => {
  window.failures = 0;
  window.calls = 0;
  if (window.tally === null) return;
  window.tally.newest = 0;
  for (const slot of [window.tally.sum, ...window.tally.slots]) clear(slot);
};

const clear = (slot: Slot): void => {
  slot.calls = slot.failed = slot.slow = 0;
};

/** A call counts while its slot is one of the last ones: for at most the window, and at least the window less one slot. */
const slideTo = (tally: Tally, position: number): Slot => {
  const { slots, sum } = tally;
  const number = Math.max(tally.newest, Math.floor(position / tally.slotSize));
  for (let next = Math.max(tally.newest + 1, number - slots.length + 1); next <= number; next++) {
    const slot = slots[next % slots.length]!;
    sum.calls -= slot.calls;
    sum.failed -= slot.failed;
    sum.slow -= slot.slow;
    clear(slot);
  }
  tally.newest = number;
  return slots[number % slots.length]!;
};

/** One more call has ended. */
export const note = (window: Window, nowMs: number, isFailure: boolean, isSlow: boolean): void => {
  window.calls++;
  const position = window.by === 'time' ? nowMs : window.calls;
  if (isFailure) window.marks[window.failures++ % window.marks.length] = position;
  if (window.tally === null) return;
  for (const slot of [slideTo(window.tally, position), window.tally.sum]) {
    slot.calls++;
    if (isFailure) slot.failed++;
    if (isSlow) slot.slow++;
  }
};

const isWithin = (window: Window, mark: number, nowMs: number): boolean =>
  (window.by === 'time' ? nowMs : window.calls) - mark < window.size;

/** As many failures as there are marks lie within the window. */
export const isFull = (window: Window, nowMs: number): boolean =>
  window.failures >= window.marks.length && isWithin(window, window.marks[window.failures % window.marks.length]!, nowMs);

/** At most as many as there are marks. */
export const failuresWithin = (window: Window, nowMs: number): number => {
  let count = 0;
  for (let at = 0; at < Math.min(window.failures, window.marks.length); at++)
    if (isWithin(window, window.marks[at]!, nowMs)) count++;
  return count;
};

export const forgetFailures = (window: Window): void => {
  window.failures = 0;
};

/** The share of a count, among the calls of the window when `note` was last called; null: calls are not counted. */
export const shareOf = ({ tally }: Window, what: 'failed' | 'slow', callsMin: number): number | null =>
  tally === null ? null : tally.sum.calls < callsMin ? 0 : tally.sum[what] / tally.sum.calls;
