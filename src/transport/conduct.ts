// Who published or passed on what no honest member does. Gossipsub scores that too (P4), but forgets it when a connection ends; this
// is remembered, and counts as the application's part of the score (P5), so that reconnecting clears nobody. Bounded, and forgiven
// with time: half of it in so many milliseconds.
import type { PeerId } from '../../actors/ports/index.ts';

export type ConductLimits = {
  /** Half of what somebody did is forgiven after this. */
  forgiveMs: number;
  /** Below this score gossipsub hears nothing from a peer (its graylist). */
  graylistScore: number;
  /** Times the square of the offences; negative. */
  offenceWeight: number;
  peersMax: number;
};

/** Three offences, and again a few minutes later. */
export const conductLimits: ConductLimits = { forgiveMs: 180_000, graylistScore: -80, offenceWeight: -10, peersMax: 1_024 };

/** What counts at most: a flood is forgiven after half an hour, too. */
const offencesMax = 1_000;

type Record = { offences: number; atMs: number };

export class Conduct {
  readonly #limits: ConductLimits;
  readonly #nowMs: () => number;
  /** Latest offender last. */
  readonly #records = new Map<PeerId, Record>();

  constructor(nowMs: () => number, limits: ConductLimits = conductLimits) {
    this.#nowMs = nowMs;
    this.#limits = limits;
  }

  #offencesOf(peer: PeerId): number {
    const record = this.#records.get(peer);
    if (record === undefined) return 0;
    return record.offences * 0.5 ** ((this.#nowMs() - record.atMs) / this.#limits.forgiveMs);
  }

  scoreOf(peer: PeerId): number {
    const offences = this.#offencesOf(peer);
    return offences === 0 ? 0 : this.#limits.offenceWeight * offences * offences;
  }

  isHeard(peer: PeerId): boolean {
    return this.scoreOf(peer) >= this.#limits.graylistScore;
  }

  /** True if this one is what makes that nothing more is heard from it. */
  offended(peer: PeerId): boolean {
    const was = this.isHeard(peer);
    const offences = Math.min(offencesMax, this.#offencesOf(peer) + 1);
    this.#records.delete(peer);
    if (this.#records.size >= this.#limits.peersMax) {
      const [oldest] = this.#records.keys();
      this.#records.delete(oldest!);
    }
    this.#records.set(peer, { offences, atMs: this.#nowMs() });
    return was && !this.isHeard(peer);
  }
}
