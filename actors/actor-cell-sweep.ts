// Which actors are idle for long enough to leave the memory: one timer for all of them. They are gone through a few thousand at a time, with
// a turn of the event loop in between; an entry of each in a table of deadlines would cost more than all the looking (docs/internals).
import type { ClockPort, Timer } from './ports/index.ts';

export const sweepLimits = {
  /** Looked at between two turns of the event loop. */
  atOnce: 4_096,
  everyMsMin: 500,
  everyMsMax: 30_000,
} as const;

export interface Idler {
  /** Null: it never leaves. */
  readonly idleMsMax: number | null;
  look(nowMs: number): void;
}

/** An actor leaves at most an eighth of its time late, or half a second. */
const everyMsOf = (idleMsMax: number): number =>
  Math.min(sweepLimits.everyMsMax, Math.max(sweepLimits.everyMsMin, idleMsMax / 8));

export class Sweep {
  readonly #clock: ClockPort;
  readonly #all: () => Iterable<Idler>;
  #everyMs = Number.POSITIVE_INFINITY;
  #timer: Timer | null = null;

  constructor(clock: ClockPort, all: () => Iterable<Idler>) {
    this.#clock = clock;
    this.#all = all;
  }

  /** There is one more. */
  watch({ idleMsMax }: Idler): void {
    if (idleMsMax === null) return;
    const everyMs = everyMsOf(idleMsMax);
    if (this.#timer !== null && everyMs >= this.#everyMs) return;
    this.#timer?.cancel();
    this.#everyMs = everyMs;
    this.#arm();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#everyMs, () => this.#step(this.#all()[Symbol.iterator](), Number.POSITIVE_INFINITY));
  }

  /** `leastMs`: of those looked at so far, after which one wants to be looked at again first. */
  #step(rest: Iterator<Idler>, leastMs: number): void {
    const nowMs = this.#clock.nowMs();
    let everyMs = leastMs;
    for (let n = 0; n < sweepLimits.atOnce; n++) {
      const { value, done } = rest.next();
      if (done === true) return this.#swept(everyMs);
      if (value.idleMsMax === null) continue;
      everyMs = Math.min(everyMs, everyMsOf(value.idleMsMax));
      value.look(nowMs);
    }
    this.#timer = this.#clock.after(0, () => this.#step(rest, everyMs));
  }

  #swept(everyMs: number): void {
    this.#timer = null;
    this.#everyMs = everyMs;
    if (everyMs < Number.POSITIVE_INFINITY) this.#arm();
  }
}
