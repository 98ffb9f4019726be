// Things of which each comes and goes once, in no order: a set that hashes nothing, for what there are tens of thousands of a second.

export interface Placed {
  /** In its bag; -1: it is in none. */
  place: number;
}

export class Bag<Item extends Placed> {
  readonly #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  delete(item: Item): void {
    if (item.place < 0) return;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
    }
    item.place = -1;
  }

  all(): Item[] {
    return [...this.#items];
  }
}
