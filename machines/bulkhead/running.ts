// Calls that run and since when, in the order in which they were started. The newest stands beside the map: most calls end before another one
// starts, and a map to which one item comes and goes is built anew every few times.
import type { CallId } from './state.ts';

export class Running {
  readonly #older = new Map<CallId, number>();
  #newest: CallId = 0;
  #newestMs = 0;
  #hasNewest = false;

  get size(): number {
    return this.#older.size + (this.#hasNewest ? 1 : 0);
  }

  has(id: CallId): boolean {
    return (this.#hasNewest && this.#newest === id) || this.#older.has(id);
  }

  get(id: CallId): number | undefined {
    return this.#hasNewest && this.#newest === id ? this.#newestMs : this.#older.get(id);
  }

  /** One that does not run yet. */
  set(id: CallId, startedMs: number): void {
    if (this.#hasNewest) this.#older.set(this.#newest, this.#newestMs);
    this.#newest = id;
    this.#newestMs = startedMs;
    this.#hasNewest = true;
  }

  delete(id: CallId): void {
    if (this.#hasNewest && this.#newest === id) this.#hasNewest = false;
    else this.#older.delete(id);
  }

  *keys(): Generator<CallId> {
    yield* this.#older.keys();
    if (this.#hasNewest) yield this.#newest;
  }

  /** Since when the first of them has been running; null: none runs. */
  get oldestMs(): number | null {
    const [oldest] = this.#older.values();
    return oldest ?? (this.#hasNewest ? this.#newestMs : null);
  }
}
