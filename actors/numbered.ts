// What has a number of a call. Such numbers are larger than what the language keeps in place, so that a map of them makes an object of each
// and hashes it for every look-up; how far they are from the first of them is small. The newest stands beside the map: what ends before
// another one comes, as most calls do where they are executed, never gets there.

export class Numbered<Item> {
  readonly #older = new Map<number, Item>();
  #first = 0;
  #newestNumber = 0;
  #newest: Item | undefined = undefined;

  get size(): number {
    return this.#older.size + (this.#newest === undefined ? 0 : 1);
  }

  get(number: number): Item | undefined {
    if (this.#newest !== undefined && this.#newestNumber === number) return this.#newest;
    return this.#older.size === 0 ? undefined : this.#older.get(number - this.#first);
  }

  has(number: number): boolean {
    return this.get(number) !== undefined;
  }

  /** One whose number is not there. */
  set(number: number, item: Item): void {
    if (this.#newest !== undefined) this.#keep(this.#newestNumber, this.#newest);
    this.#newestNumber = number;
    this.#newest = item;
  }

  #keep(number: number, item: Item): void {
    if (this.#older.size === 0) this.#first = number;
    this.#older.set(number - this.#first, item);
  }

  delete(number: number): void {
    if (this.#newest !== undefined && this.#newestNumber === number) this.#newest = undefined;
    else this.#older.delete(number - this.#first);
  }

  values(): Item[] {
    return this.#newest === undefined ? [...this.#older.values()] : [...this.#older.values(), this.#newest];
  }

  /** As they are now, whatever becomes of them while whoever asks goes over them. */
  entries(): [number, Item][] {
    const entries = [...this.#older].map(([distance, item]): [number, Item] => [distance + this.#first, item]);
    if (this.#newest !== undefined) entries.push([this.#newestNumber, this.#newest]);
    return entries;
  }
}
