// Time as a port. Only deadlines and durations use `nowMs`; only log time and stamps shown to people use `wallMs`.

export type Timer = { cancel(): void };

export interface ClockPort {
  /** Monotonic milliseconds since some fixed instant; may have a fraction. */
  nowMs(): number;
  /** Milliseconds since 1970, UTC; may jump. */
  wallMs(): number;
  /** Calls `wake` once, in a later turn, at or after `delayMs` (0 = as soon as other pending work has had its turn). */
  after(delayMs: number, wake: () => void): Timer;
  /**
   * Calls `run` once, before any later timer or message, after the current handler has returned (a microtask in the real
   * world). Used to batch everything that one turn produced.
   */
  soon(run: () => void): void;
}
