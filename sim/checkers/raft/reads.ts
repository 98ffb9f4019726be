// Reads without a log entry: whoever confirms one must know of everything that was committed when it was asked (dissertation §6.4).
// Seen at every read, whether or not its answer would have shown it.

/** Reads under way of one life of a replica; who asks for more is not judged. */
const readsMax = 1 << 17;

export class ReadsUnderWay {
  /** By reference: how far the group had committed when it was asked. */
  readonly #floors = new Map<number, number>();

  asked(ref: number, committed: number): void {
    if (this.#floors.size < readsMax) this.#floors.set(ref, committed);
  }

  /** What was committed beyond `index` before the read was asked, or null. A refused read has no index. */
  ended(ref: number, index: number | null): number | null {
    const floor = this.#floors.get(ref);
    this.#floors.delete(ref);
    return floor === undefined || index === null || index >= floor ? null : floor;
  }

  clear(): void {
    this.#floors.clear();
  }
}
