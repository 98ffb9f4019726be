// When an actor that nobody needs leaves the memory. Whoever keeps actors looks at each now and then (one sweep for all of them, no
// timer for each) and asks here; what counts as being needed is the same for all durabilities.

export type Need = {
  readonly placement: 'node' | 'each' | 'sharded' | 'singleton';
  readonly passivateAfterMs: number | null;
  readonly state: 'starting' | 'running' | 'backoff' | 'passive' | 'stopped' | 'failed' | 'diverged';
  /** When an event was handled last, a child's or a timer's too, or when it was opened. */
  readonly activeMs: number;
  /** Events that wait. */
  readonly waiting: number;
  /** Whose answer is not there yet. */
  readonly asks: number;
  readonly subscribers: number;
  /** Promises, callbacks and observables under way: their work would be lost, or be done twice. */
  readonly working: number;
  /** Timers that are set … */
  readonly timers: number;
  /** … and whether somebody opens it again when one is due. Where nobody does they keep it. */
  readonly timersWake: boolean;
};

/** Milliseconds until it is worth to look again; 0: it may go now; null: it stays as long as nothing changes. */
export const passivationIn = (need: Need, nowMs: number): number | null => {
  const { passivateAfterMs } = need;
  // One that each node has from the start on would only have to be made again.
  if (passivateAfterMs === null || need.placement === 'each' || need.state !== 'running') return null;
  if (need.waiting + need.asks + need.subscribers + need.working > 0) return passivateAfterMs;
  if (need.timers > 0 && !need.timersWake) return passivateAfterMs;
  return Math.max(0, need.activeMs + passivateAfterMs - nowMs);
};
