// How long calls take, from those that have ended: what is known of a wait before it is over.

export type Pace = {
  /** That were measured. */
  calls: number;
  /** Later calls weigh more. */
  meanMs: number;
  /** What even the faster ones take: falls at once, rises slowly. ≤ meanMs but for a moment. */
  leastMs: number;
};

/** About so many of the last calls make the mean. */
const meanCalls = 32;
/** Before so many have ended nothing is known. */
const knownCalls = 8;

export const createPace = (): Pace => ({ calls: 0, meanMs: 0, leastMs: Number.POSITIVE_INFINITY });

export const measure = (pace: Pace, tookMs: number): void => {
  pace.calls++;
  pace.meanMs += (tookMs - pace.meanMs) / Math.min(pace.calls, meanCalls);
  pace.leastMs = tookMs <= pace.leastMs ? tookMs : pace.leastMs + (tookMs - pace.leastMs) / meanCalls;
};

export const isKnown = ({ calls }: Pace): boolean => calls >= knownCalls;

/** How long it takes until so many have been started, while so many run. 0: nothing is known. */
export const waitOf = (pace: Pace, calls: number, running: number): number =>
  isKnown(pace) ? (calls * pace.meanMs) / Math.max(1, running) : 0;

/** What a call takes at least. */
export const leastOf = (pace: Pace): number => (isKnown(pace) ? pace.leastMs : 0);
