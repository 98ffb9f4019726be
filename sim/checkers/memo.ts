// The search's memory of where it has been (Lowe 2017, §4): an exact set of fixed-size rows in one flat array, limited in bytes.
// A row is a place (compared for equality) and what was used of that which may be used or not. Whoever came to the same place
// having used no more got at least as far, so the newcomer is known.

const emptyMark = -1;

export class Memo {
  readonly #placeWords: number;
  readonly #rowWords: number;
  readonly #bytesMax: number;
  #rows: Int32Array;
  #capacity: number;
  #count = 0;
  isFull = false;

  /** `placeWords` words are compared for equality, `freeWords` more as sets of bits. The first word is never negative. */
  constructor(placeWords: number, freeWords: number, bytesMax: number) {
    this.#placeWords = placeWords;
    this.#rowWords = placeWords + freeWords;
    this.#bytesMax = bytesMax;
    this.#capacity = 1 << 10;
    this.#rows = this.#empty(this.#capacity);
  }

  #empty(capacity: number): Int32Array {
    const rows = new Int32Array(capacity * this.#rowWords);
    for (let at = 0; at < rows.length; at += this.#rowWords) rows[at] = emptyMark;
    return rows;
  }

  #hash(row: Int32Array, from: number): number {
    let hash = 0x9e37_79b9 | 0;
    for (let word = 0; word < this.#placeWords; word++) {
      hash = Math.imul(hash ^ row[from + word]!, 0x85eb_ca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2_ae35);
    return (hash ^ (hash >>> 13)) >>> 0;
  }

  /** True if this row says nothing new; otherwise remembers it, unless the memory is full. */
  knows(row: Int32Array): boolean {
    const mask = this.#capacity - 1;
    let slot = this.#hash(row, 0) & mask;
    for (; this.#rows[slot * this.#rowWords] !== emptyMark; slot = (slot + 1) & mask)
      if (this.#covers(slot * this.#rowWords, row)) return true;
    if (this.isFull) return false;
    this.#rows.set(row, slot * this.#rowWords);
    this.#count++;
    // Probing stays short while a third is free.
    if (this.#count * 3 > this.#capacity * 2) this.#grow();
    return false;
  }

  #covers(from: number, row: Int32Array): boolean {
    const rows = this.#rows;
    for (let word = 0; word < this.#placeWords; word++) if (rows[from + word] !== row[word]) return false;
    for (let word = this.#placeWords; word < this.#rowWords; word++) {
      const used = rows[from + word]!;
      if ((used & row[word]!) !== used) return false;
    }
    return true;
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    // Both arrays exist while the rows move.
    if (capacity * 1.5 * this.#rowWords * Int32Array.BYTES_PER_ELEMENT > this.#bytesMax) {
      this.isFull = true;
      return;
    }
    const old = this.#rows;
    this.#rows = this.#empty(capacity);
    this.#capacity = capacity;
    const mask = capacity - 1;
    for (let from = 0; from < old.length; from += this.#rowWords) {
      if (old[from] === emptyMark) continue;
      let slot = this.#hash(old, from) & mask;
      while (this.#rows[slot * this.#rowWords] !== emptyMark) slot = (slot + 1) & mask;
      this.#rows.set(old.subarray(from, from + this.#rowWords), slot * this.#rowWords);
    }
  }
}
