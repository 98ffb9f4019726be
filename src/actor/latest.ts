// Values that come when they come, as something to iterate: who is slow gets the latest, not all.
import type { PolityError } from '../../machines/errors.ts';

export class Latest<Value> {
  #value: { value: Value } | null = null;
  #ended: { error: PolityError | null } | null = null;
  #waiting: (() => void) | null = null;

  put(value: Value): void {
    this.#value = { value };
    this.#wake();
  }

  end(error: PolityError | null): void {
    this.#ended ??= { error };
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = null;
  }

  /** Until the end; `onLeft` once nobody iterates any more. What was put before the end is told before it. */
  async *values(onLeft: () => void): AsyncGenerator<Value, void, undefined> {
    try {
      for (;;) {
        const latest = this.#value;
        this.#value = null;
        if (latest !== null) yield latest.value;
        else if (this.#ended === null) await new Promise<void>((resolve) => (this.#waiting = resolve));
        else if (this.#ended.error === null) return;
        else throw this.#ended.error;
      }
    } finally {
      onLeft();
    }
  }
}
