// A Merkle trie over all objects of a node: two nodes that hold the same have the same root, and where they differ only the branches
// above the difference do. Its shape follows from the set of keys alone (at most 16 objects make a leaf, more make an inner node of
// 16 children by the next nibble of their places), whatever the order in which they came. A change costs a few marks; what the marks
// mean is worked out when somebody compares. Rows of typed arrays (trie-rows.ts) instead of objects: with a hundred thousand
// registers of ten bytes each, the objects of a trie would weigh more than the data.
import { sha256 } from '@noble/hashes/sha2.js';
import { InvariantBroken } from '../invariant.ts';
import { depthMax, digestBytes, digestOf, fanOut, isUnder, nibbleOf, type Path, type Place, placeOf } from './places.ts';
import { isDirty, isInner, NodeRows, ObjectRows } from './trie-rows.ts';

/** One object in the trie, for as long as it is in it. The caller keeps it beside the object, so that a change costs no hash. */
export type Slot = number;

export type TrieOptions = {
  /** The canonical bytes of an object as it is now; null if there is none any more, though it was not removed. */
  formOf(key: string): Uint8Array | null;
  /** Tests put keys where they want them. */
  placeOf?: (key: string) => Place;
};

/** What lies at a path: children with their digests, or so few objects that they are listed. Digests are views; read them at once. */
export type Look = { inner: readonly (Uint8Array | null)[]; slots: null } | { inner: null; slots: Slot[] };

export const leafObjectsMax = 16;

const innerTag = 0x01;
const leafTag = 0x02;

export class Trie {
  readonly #formOf: TrieOptions['formOf'];
  readonly #placeOf: (key: string) => Place;
  readonly #objects = new ObjectRows();
  /** A dirty node's ancestors are all dirty. */
  readonly #nodes = new NodeRows();
  readonly #top = this.#nodes.take(0);
  /** Where the last bounded renewal stopped, nibble by nibble, and what is left of the budget of this one. */
  readonly #cursor = new Uint8Array(depthMax);
  #left = 0;
  readonly #family = new Uint8Array(1 + fanOut * digestBytes);

  constructor(options: TrieOptions) {
    this.#formOf = options.formOf;
    this.#placeOf = options.placeOf ?? placeOf;
  }

  get size(): number {
    return this.#nodes.count[this.#top]!;
  }

  /** What it weighs, without the texts of the keys, which the caller holds anyway. */
  get bytesHeld(): number {
    return this.#objects.bytesHeld + this.#nodes.bytesHeld;
  }

  // ---------------------------------------------------------------- changes

  /** A new object. Whether its key is already there is for the caller to know. */
  add(key: string): Slot {
    const nodes = this.#nodes;
    const place = this.#placeOf(key);
    const slot = this.#objects.take(key, place);
    let node = this.#top;
    let depth = 0;
    for (; nodes.isInner(node); depth++) {
      nodes.count[node]!++;
      nodes.flags[node]! |= isDirty;
      node = nodes.childFor(node, nibbleOf(place, depth));
    }
    this.#link(node, slot);
    if (nodes.count[node]! > leafObjectsMax && depth < depthMax) this.#split(node, depth);
    return slot;
  }

  /** The object changed. */
  touch(slot: Slot): void {
    const [{ stale, leaf }, { flags, parent }] = [this.#objects, this.#nodes];
    if (stale[slot] === 1) return;
    this.#mustHold(slot);
    stale[slot] = 1;
    for (let node = leaf[slot]!; node !== 0 && (flags[node]! & isDirty) === 0; node = parent[node]!) flags[node]! |= isDirty;
  }

  /** The object is gone; its slot may be another's from now on. */
  remove(slot: Slot): void {
    this.#mustHold(slot);
    const nodes = this.#nodes;
    const leaf = this.#objects.leaf[slot]!;
    this.#unlink(leaf, slot);
    let small = 0;
    for (let node = leaf; node !== 0; node = nodes.parent[node]!) {
      nodes.count[node]!--;
      nodes.flags[node]! |= isDirty;
      if (nodes.isInner(node) && nodes.count[node]! <= leafObjectsMax) small = node;
    }
    if (nodes.count[leaf] === 0 && leaf !== this.#top) this.#drop(leaf);
    if (small !== 0) this.#collapse(small);
    this.#objects.free(slot);
  }

  // ---------------------------------------------------------------- questions

  keyOf(slot: Slot): string {
    this.#mustHold(slot);
    return this.#objects.keys[slot]!;
  }

  placeOf(slot: Slot): Place {
    this.#mustHold(slot);
    return this.#objects.placeOf(slot);
  }

  /** Where a key stands, in the trie or not. */
  placeOfKey(key: string): Place {
    return this.#placeOf(key);
  }

  /** The objects at a place: none or one, unless somebody went to great lengths. */
  slotsAt(place: Place): Slot[] {
    return this.look({ ...place, depth: depthMax }).slots ?? [];
  }

  slotOf(key: string): Slot | null {
    return this.slotsAt(this.#placeOf(key)).find((slot) => this.#objects.keys[slot] === key) ?? null;
  }

  /** As of the last renewal; a view, for the moment. */
  get rootDigest(): Uint8Array {
    return this.#nodes.digestOf(this.#top);
  }

  /** As of the last renewal, or of `freshDigest`; a view, for the moment. */
  digestOf(slot: Slot): Uint8Array {
    return this.#objects.digestOf(slot);
  }

  /** Of the object as it is now. */
  freshDigest(slot: Slot): Uint8Array {
    this.#mustHold(slot);
    if (this.#objects.stale[slot] === 1) this.#renewObject(slot);
    return this.digestOf(slot);
  }

  look(path: Path): Look {
    const nodes = this.#nodes;
    let node = this.#top;
    for (let depth = 0; nodes.isInner(node); depth++) {
      if (depth === path.depth) return { inner: this.#digestsUnder(node), slots: null };
      node = nodes.child(node, nibbleOf(path, depth));
      if (node === 0) return { inner: null, slots: [] };
    }
    const slots = this.#slotsOf(node).filter((slot) => isUnder(path, this.#objects.placeOf(slot)));
    return { inner: null, slots };
  }

  /** The digest that a leaf of exactly these objects has. */
  digestOfLeaf(slots: readonly Slot[]): Uint8Array {
    const sorted = [...slots].sort((a, b) => this.#objects.compare(a, b));
    const bytes = new Uint8Array(1 + sorted.length * digestBytes);
    bytes[0] = leafTag;
    for (let at = 0; at < sorted.length; at++) bytes.set(this.digestOf(sorted[at]!), 1 + at * digestBytes);
    return sha256(bytes).subarray(0, digestBytes);
  }

  #digestsUnder(inner: number): (Uint8Array | null)[] {
    return Array.from({ length: fanOut }, (_, index) => {
      const child = this.#nodes.child(inner, index);
      return child === 0 ? null : this.#nodes.digestOf(child);
    });
  }

  #slotsOf(leaf: number): Slot[] {
    const slots: Slot[] = [];
    for (let slot = this.#nodes.first[leaf]!; slot !== 0; slot = this.#objects.next[slot]!) slots.push(slot);
    return slots;
  }

  // ---------------------------------------------------------------- renewal

  /**
   * Works out digests of what changed, of at most so many objects, going on where the last call stopped; true if nothing is left.
   * Until then some digests are of earlier states, no earlier than when they were last passed; what compares them finds a little too
   * much or too little, which the next comparison makes good.
   */
  renew(objectsMax: number = Number.POSITIVE_INFINITY): boolean {
    this.#left = objectsMax;
    this.#renewUnder(this.#top, 0, true);
    if (this.#left > 0) this.#renewUnder(this.#top, 0, false);
    return !this.#nodes.isDirty(this.#top);
  }

  #renewUnder(node: number, depth: number, onEdge: boolean): void {
    const nodes = this.#nodes;
    if (!nodes.isDirty(node)) return;
    if (!nodes.isInner(node)) {
      this.#renewLeaf(node);
      return;
    }
    const from = onEdge ? this.#cursor[depth]! : 0;
    for (let index = from; index < fanOut; index++) {
      const child = nodes.child(node, index);
      if (child !== 0) this.#renewUnder(child, depth + 1, onEdge && index === from);
      this.#cursor[depth] = this.#left > 0 ? 0 : index;
      if (this.#left <= 0) break;
    }
    this.#renewInner(node);
  }

  #renewLeaf(node: number): void {
    const slots = this.#slotsOf(node);
    for (const slot of slots) {
      if (this.#left <= 0) return;
      if (this.#objects.stale[slot] === 1) this.#renewObject(slot);
    }
    this.#left--;
    this.#nodes.renewed(node, this.digestOfLeaf(slots));
  }

  #renewObject(slot: Slot): void {
    const key = this.#objects.keys[slot]!;
    const form = this.#formOf(key);
    if (form === null) this.digestOf(slot).fill(0);
    else this.digestOf(slot).set(digestOf(key, form));
    this.#objects.stale[slot] = 0;
    this.#left--;
  }

  /** Of its children's digests as they are: a node that is never quite clean must not be compared by what it was long ago. */
  #renewInner(node: number): void {
    const family = this.#family.fill(0);
    family[0] = innerTag;
    let isUnfinished = false;
    for (let index = 0; index < fanOut; index++) {
      const child = this.#nodes.child(node, index);
      if (child === 0) continue;
      isUnfinished ||= this.#nodes.isDirty(child);
      family.set(this.#nodes.digestOf(child), 1 + index * digestBytes);
    }
    this.#nodes.renewed(node, sha256(family).subarray(0, digestBytes));
    if (isUnfinished) this.#nodes.flags[node]! |= isDirty;
  }

  // ---------------------------------------------------------------- shape

  #link(leaf: number, slot: Slot): void {
    const [objects, nodes] = [this.#objects, this.#nodes];
    objects.next[slot] = nodes.first[leaf]!;
    objects.leaf[slot] = leaf;
    nodes.first[leaf] = slot;
    nodes.count[leaf]!++;
    nodes.flags[leaf]! |= isDirty;
  }

  #unlink(leaf: number, slot: Slot): void {
    const [{ next }, { first }] = [this.#objects, this.#nodes];
    if (first[leaf] === slot) {
      first[leaf] = next[slot]!;
      return;
    }
    let before = first[leaf]!;
    while (next[before] !== slot) before = next[before]!;
    next[before] = next[slot]!;
  }

  #split(node: number, depth: number): void {
    const nodes = this.#nodes;
    const slots = this.#slotsOf(node);
    nodes.first[node] = nodes.takeBlock();
    nodes.flags[node]! |= isInner;
    for (const slot of slots) this.#link(nodes.childFor(node, nibbleOf(this.#objects.placeOf(slot), depth)), slot);
    if (depth + 1 === depthMax) return;
    for (let index = 0; index < fanOut; index++) {
      const child = nodes.child(node, index);
      if (child !== 0 && nodes.count[child]! > leafObjectsMax) this.#split(child, depth + 1);
    }
  }

  /** An empty leaf leaves its parent. */
  #drop(leaf: number): void {
    const { children, parent, first } = this.#nodes;
    children[children.indexOf(leaf, first[parent[leaf]!]! * fanOut)] = 0;
    this.#nodes.free(leaf);
  }

  /** An inner node of few objects becomes a leaf. */
  #collapse(node: number): void {
    const slots: Slot[] = [];
    this.#gather(node, slots);
    this.#nodes.flags[node]! &= ~isInner;
    this.#nodes.first[node] = 0;
    this.#nodes.count[node] = 0;
    for (const slot of slots) this.#link(node, slot);
  }

  /** Takes all objects out of an inner node, and frees what is under it. */
  #gather(node: number, into: Slot[]): void {
    const nodes = this.#nodes;
    for (let index = 0; index < fanOut; index++) {
      const child = nodes.child(node, index);
      if (child === 0) continue;
      if (nodes.isInner(child)) this.#gather(child, into);
      else into.push(...this.#slotsOf(child));
      nodes.free(child);
    }
    nodes.freeBlock(nodes.first[node]!);
  }

  #mustHold(slot: Slot): void {
    if (!(this.#objects.leaf[slot]! > 0)) throw new InvariantBroken('slot-in-use', `slot ${slot} holds no object`);
  }
}
