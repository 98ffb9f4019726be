// Local actors of which something was damaged on the disk, and since when: who judges them knows from here what must be refused, and of what
// nothing is expected any more.

type Wound = { isRefused: boolean; isOpen: boolean; atMs: number; removals: number };

export class Wounds {
  readonly #wounds = new Map<string, Wound>();
  /** How often an actor was damaged so that it must be refused. */
  refusals = 0;

  readonly #at = (disk: string, address: string): Wound | undefined => this.#wounds.get(`${disk} ${address}`);

  /** `isRefused`: it must not be opened until it is removed; else it only may be late, or do once more what it has done. */
  began(disk: string, address: string, isRefused: boolean, nowMs: number): void {
    const before = this.#at(disk, address);
    if (isRefused) this.refusals++;
    this.#wounds.set(`${disk} ${address}`, { isRefused, isOpen: true, atMs: nowMs, removals: before?.removals ?? 0 });
  }

  /** All of it was removed by hand: it is made anew. */
  removed(disk: string, address: string, nowMs: number): void {
    const wound = this.#at(disk, address);
    if (wound !== undefined) Object.assign(wound, { isOpen: false, atMs: nowMs, removals: wound.removals + 1 });
  }

  /** Nothing else is done to it until it is removed. */
  isOpen(disk: string, address: string): boolean {
    return this.#at(disk, address)?.isOpen === true;
  }

  /** Since when it must be refused; null: it need not. */
  refusedSinceMs(disk: string, address: string): number | null {
    const wound = this.#at(disk, address);
    return wound?.isOpen === true && wound.isRefused ? wound.atMs : null;
  }

  /** Nobody wakes it by itself any more, perhaps. */
  isLate(disk: string, address: string): boolean {
    return this.#at(disk, address) !== undefined;
  }

  /** How often there was another one of this name on this disk before. */
  removals(disk: string, address: string): number {
    return this.#at(disk, address)?.removals ?? 0;
  }

  /** What it was told until then may be lost. */
  lostUntilMs(disk: string, address: string): number {
    const wound = this.#at(disk, address);
    return wound !== undefined && (wound.isRefused || wound.removals > 0) ? wound.atMs : Number.NEGATIVE_INFINITY;
  }
}
