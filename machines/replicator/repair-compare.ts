// What this node has at a path, said so that another can compare it, and where that differs from what the other says.
import { childOf, fanOut, isSamePlace, nibbleOf, type Path, type Place, sameShort, shortOf } from './places.ts';
import type { Item, Statement } from './repair-messages.ts';
import type { Slot, Trie } from './trie.ts';

const itemsOf = (trie: Trie, salt: Uint8Array, slots: readonly Slot[]): Item[] =>
  slots.map((slot) => ({ place: trie.placeOf(slot), short: shortOf(salt, trie.freshDigest(slot)) }));

export const statementAt = (trie: Trie, salt: Uint8Array, path: Path): Statement => {
  const { inner, slots } = trie.look(path);
  if (slots !== null) return { type: 'items', path, items: itemsOf(trie, salt, slots) };
  return { type: 'inner', path, shorts: inner.map((digest) => (digest === null ? null : shortOf(salt, digest))) };
};

/** The children of a path, also where this node has so few objects that it needs none: the other may have more. */
const childrenAt = (trie: Trie, salt: Uint8Array, path: Path): (Uint8Array | null)[] => {
  const { inner, slots } = trie.look(path);
  if (slots === null) return inner.map((digest) => (digest === null ? null : shortOf(salt, digest)));
  const families = Array.from({ length: fanOut }, (): Slot[] => []);
  for (const slot of slots) families[nibbleOf(trie.placeOf(slot), path.depth)]!.push(slot);
  return families.map((family) => (family.length === 0 ? null : shortOf(salt, trie.digestOfLeaf(family))));
};

/** A child that is not the same on both sides; whether each side has any of it. */
export type Difference = { path: Path; here: boolean; there: boolean };

export const differencesAt = (
  trie: Trie,
  salt: Uint8Array,
  { path, shorts }: { path: Path; shorts: readonly (Uint8Array | null)[] },
): Difference[] => {
  const differences: Difference[] = [];
  const own = childrenAt(trie, salt, path);
  for (let index = 0; index < fanOut; index++) {
    const [here, there] = [own[index]!, shorts[index]!];
    if (here === null && there === null) continue;
    if (here !== null && there !== null && sameShort(here, there)) continue;
    differences.push({ path: childOf(path, index), here: here !== null, there: there !== null });
  }
  return differences;
};

/** Whether an object that is said to be at a place is here, just so. */
export const isHere = (trie: Trie, salt: Uint8Array, { place, short }: Item): boolean =>
  trie.slotsAt(place).some((slot) => sameShort(short, shortOf(salt, trie.freshDigest(slot))));

/**
 * Whether an object here is one of theirs, the same or another state of it. Where several keys share a place only a digest can tell;
 * one that is taken for missing is given once more than needed.
 */
export const isThere = (trie: Trie, salt: Uint8Array, slot: Slot, theirs: readonly Item[]): boolean => {
  const place: Place = trie.placeOf(slot);
  const at = theirs.filter((item) => isSamePlace(item.place, place));
  if (at.length === 1 && trie.slotsAt(place).length === 1) return true;
  return at.length > 0 && at.some(({ short }) => sameShort(short, shortOf(salt, trie.freshDigest(slot))));
};

export const sameItems = (a: readonly Item[], b: readonly Item[]): boolean =>
  a.length === b.length &&
  a.every((item) => b.some((other) => isSamePlace(item.place, other.place) && sameShort(item.short, other.short)));
