// A hybrid logical clock (Kulkarni, Demirbas et al. 2014): stamps that grow with every event and its causes, and stay near to the time
// of day. One number holds both parts, so that stamps compare as numbers: milliseconds since 1970, times 2048, plus a count of
// events within the millisecond. Exact until the year 2109.

/** A hybrid time. Greater = later, never earlier than its causes. */
export type Stamp = number;

const perMs = 2_048;

/** A stamp further ahead of the time of day than this is refused, not adopted: one wrong clock must not drag all others along. */
export const aheadMsMax = 60_000;

export type HybridClock = { last: Stamp };

export const createHybridClock = (last: Stamp = 0): HybridClock => ({ last });

export const isStamp = (value: unknown): value is Stamp =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

export const stampMs = (stamp: Stamp): number => Math.floor(stamp / perMs);

/** A stamp for an event now: later than everything ticked or heard before. */
export const tick = (clock: HybridClock, wallMs: number): Stamp => {
  clock.last = Math.max(clock.last + 1, Math.floor(wallMs) * perMs);
  return clock.last;
};

/** True if the stamp may be believed now. */
export const isBelievable = (stamp: Stamp, wallMs: number): boolean => stampMs(stamp) <= wallMs + aheadMsMax;

/** Takes notice of a stamp that was heard; call it only with those that may be believed. */
export const heed = (clock: HybridClock, stamp: Stamp): void => {
  if (stamp > clock.last) clock.last = stamp;
};
