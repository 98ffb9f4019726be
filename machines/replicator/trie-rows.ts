// The rows of the trie (trie.ts) in typed arrays: one for each object, one for each node, and blocks of children. Rows that are given
// back are given out again. Number 0 is nobody's, so that it ends lists and means none.
import { digestBytes, fanOut, type Place } from './places.ts';

/** An eighth more, not twice as much: the arrays are large, and the larger they are the seldomer they grow. */
const roomFor = (used: number): number => Math.ceil(used * 1.125) + 64;

const grown8 = (array: Uint8Array, length: number): Uint8Array => {
  const next = new Uint8Array(length);
  next.set(array);
  return next;
};

const grown32 = (array: Uint32Array, length: number): Uint32Array => {
  const next = new Uint32Array(length);
  next.set(array);
  return next;
};

export class ObjectRows {
  readonly keys: (string | null)[] = [null];
  highs: Uint32Array = new Uint32Array(1);
  lows: Uint32Array = new Uint32Array(1);
  /** Chains the objects of a leaf, or the free rows. */
  next: Uint32Array = new Uint32Array(1);
  /** The leaf that it is in; 0: the row is free. */
  leaf: Uint32Array = new Uint32Array(1);
  digests: Uint8Array = new Uint8Array(digestBytes);
  /** 1: the object changed since its digest was made. Then its leaf is dirty. */
  stale: Uint8Array = new Uint8Array(1);
  #free = 0;

  take(key: string, { high, low }: Place): number {
    let row = this.#free;
    if (row !== 0) this.#free = this.next[row]!;
    else row = this.keys.length;
    if (row >= this.leaf.length) this.#grow();
    this.keys[row] = key;
    this.highs[row] = high;
    this.lows[row] = low;
    this.stale[row] = 1;
    this.digestOf(row).fill(0);
    return row;
  }

  free(row: number): void {
    this.keys[row] = null;
    this.leaf[row] = 0;
    this.stale[row] = 0;
    this.next[row] = this.#free;
    this.#free = row;
  }

  placeOf(row: number): Place {
    return { high: this.highs[row]!, low: this.lows[row]! };
  }

  /** A view, until a row is taken. */
  digestOf(row: number): Uint8Array {
    return this.digests.subarray(row * digestBytes, (row + 1) * digestBytes);
  }

  /** Less than 0: the digest of `a` comes before that of `b`. */
  compare(a: number, b: number): number {
    for (let at = 0; at < digestBytes; at++) {
      const difference = this.digests[a * digestBytes + at]! - this.digests[b * digestBytes + at]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }

  get bytesHeld(): number {
    return this.keys.length * 8 + this.leaf.length * (4 * 4 + digestBytes + 1);
  }

  #grow(): void {
    const room = roomFor(this.leaf.length);
    this.highs = grown32(this.highs, room);
    this.lows = grown32(this.lows, room);
    this.next = grown32(this.next, room);
    this.leaf = grown32(this.leaf, room);
    this.stale = grown8(this.stale, room);
    this.digests = grown8(this.digests, room * digestBytes);
  }
}

export const isDirty = 1;
export const isInner = 2;

export class NodeRows {
  parent: Uint32Array = new Uint32Array(1);
  /** Of a leaf, its first object; of an inner node, its block of children; of a free row, the next free one. */
  first: Uint32Array = new Uint32Array(1);
  /** Objects under it. */
  count: Uint32Array = new Uint32Array(1);
  flags: Uint8Array = new Uint8Array(1);
  digests: Uint8Array = new Uint8Array(digestBytes);
  children: Uint32Array = new Uint32Array(fanOut);
  #used = 1;
  #free = 0;
  #blocksUsed = 1;
  #blockFree = 0;

  /** An empty, dirty leaf. */
  take(parent: number): number {
    let row = this.#free;
    if (row !== 0) this.#free = this.first[row]!;
    else row = this.#used++;
    if (row >= this.parent.length) this.#grow();
    this.parent[row] = parent;
    this.first[row] = 0;
    this.count[row] = 0;
    this.flags[row] = isDirty;
    this.digestOf(row).fill(0);
    return row;
  }

  free(row: number): void {
    this.count[row] = 0;
    this.flags[row] = 0;
    this.parent[row] = 0;
    this.first[row] = this.#free;
    this.#free = row;
  }

  /** A block of no children. */
  takeBlock(): number {
    let block = this.#blockFree;
    if (block !== 0) {
      this.#blockFree = this.children[block * fanOut]!;
      this.children[block * fanOut] = 0;
      return block;
    }
    block = this.#blocksUsed++;
    if (block * fanOut >= this.children.length) this.children = grown32(this.children, roomFor(block) * fanOut);
    return block;
  }

  freeBlock(block: number): void {
    this.children.fill(0, block * fanOut, (block + 1) * fanOut);
    this.children[block * fanOut] = this.#blockFree;
    this.#blockFree = block;
  }

  /** 0: none. */
  child(inner: number, index: number): number {
    return this.children[this.first[inner]! * fanOut + index]!;
  }

  /** Made if there is none. */
  childFor(inner: number, index: number): number {
    const at = this.first[inner]! * fanOut + index;
    if (this.children[at] === 0) this.children[at] = this.take(inner);
    return this.children[at]!;
  }

  isInner(row: number): boolean {
    return (this.flags[row]! & isInner) !== 0;
  }

  isDirty(row: number): boolean {
    return (this.flags[row]! & isDirty) !== 0;
  }

  /** A view, until a row is taken. */
  digestOf(row: number): Uint8Array {
    return this.digests.subarray(row * digestBytes, (row + 1) * digestBytes);
  }

  /** Its digest is as new as everything under it. */
  renewed(row: number, digest: Uint8Array): void {
    this.digests.set(digest, row * digestBytes);
    this.flags[row]! &= ~isDirty;
  }

  get bytesHeld(): number {
    return this.parent.length * (3 * 4 + digestBytes + 1) + this.children.byteLength;
  }

  #grow(): void {
    const room = roomFor(this.parent.length);
    this.parent = grown32(this.parent, room);
    this.first = grown32(this.first, room);
    this.count = grown32(this.count, room);
    this.flags = grown8(this.flags, room);
    this.digests = grown8(this.digests, room * digestBytes);
  }
}
