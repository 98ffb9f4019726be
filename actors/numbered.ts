// What has a number of a call. Such numbers are larger than what the language keeps in place, so that a map of them makes an object of each
// and hashes it for every look-up; how far they are from the first of them is small.

export class Numbered<Item> {
  readonly #items = new Map<number, Item>();
  #first = 0;

  get size(): number {
    return this.#items.size;
  }

  get(number: number): Item | undefined {
    return this.#items.get(number - this.#first);
  }

  has(number: number): boolean {
    return this.#items.has(number - this.#first);
  }

  set(number: number, item: Item): void {
    if (this.#items.size === 0) this.#first = number;
    this.#items.set(number - this.#first, item);
  }

  delete(number: number): boolean {
    return this.#items.delete(number - this.#first);
  }

  values(): MapIterator<Item> {
    return this.#items.values();
  }

  numbers(): number[] {
    return [...this.#items.keys()].map((distance) => distance + this.#first);
  }
}
