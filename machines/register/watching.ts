// A watch that goes on at another node: where it stands, so that nothing is skipped and nothing is told twice.

export type WatchEvent =
  | { type: 'put'; key: string; value: Uint8Array; index: number; term: number }
  | { type: 'delete' | 'expire'; key: string; value: null; index: number; term: number }
  | { type: 'progress'; index: number };

/** Where a watch stands: every event up to `done` was given, and `partial` events of the index after it. */
type Position = { done: number; at: number; partial: number };

/** Events of one index may lie on both sides of a broken connection: those given before are skipped. */
export class WatchPosition {
  readonly #position: Position;
  #skip = 0;

  constructor(from: number) {
    this.#position = { done: from - 1, at: 0, partial: 0 };
  }

  /** What to ask the next node for; 0 = from now on. */
  get from(): number {
    return this.#position.done + 1;
  }

  resumed(): void {
    this.#skip = this.#position.partial;
  }

  /** True if this event was not given before. */
  take(event: WatchEvent, isLastOfIndex: boolean): boolean {
    const position = this.#position;
    if (event.type === 'progress') {
      position.done = Math.max(position.done, event.index);
      return true;
    }
    if (event.index <= position.done) return false;
    const isKnown = event.index === position.at && this.#skip > 0;
    if (isKnown) this.#skip--;
    else {
      position.partial = event.index === position.at ? position.partial + 1 : 1;
      position.at = event.index;
    }
    if (isLastOfIndex) {
      position.done = event.index;
      position.partial = 0;
      this.#skip = 0;
    }
    return !isKnown;
  }
}
