// Where an object stands in the trie that finds differences (trie.ts), and the digest that stands for it. The place is the SHA-256 of
// the key, so that any set of keys spreads evenly and no two nodes need to agree on anything to build the same trie.
import { sha256 } from '@noble/hashes/sha2.js';
import { type Cursor, type Ink, inkByte, readByte, readRaw, utf8 } from '../wire/octets.ts';

/** The first 64 bits of the SHA-256 of the key, as two unsigned halves. Two keys that share one are still told apart, by key. */
export type Place = { readonly high: number; readonly low: number };

/** A node of the trie by the first `depth` nibbles of the places under it; the bits behind are zero. */
export type Path = Place & { readonly depth: number };

export const fanOut = 16;
export const depthMax = 16;
export const placeBytes = 8;
/** Half of a SHA-256: nobody finds two objects with one digest (2^64 tries), and a hundred thousand of them are not much memory. */
export const digestBytes = 16;
/** What stands for a digest on the wire, under the salt of one exchange. */
export const shortBytes = 6;
export const saltBytes = 8;

export const root: Path = { high: 0, low: 0, depth: 0 };

const wordAt = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;

export const placeOf = (key: string): Place => {
  const hash = sha256(utf8(key));
  return { high: wordAt(hash, 0), low: wordAt(hash, 4) };
};

/** Of the whole object: key and form, so that two objects of one content have two digests. */
export const digestOf = (key: string, form: Uint8Array): Uint8Array => {
  const name = utf8(key);
  const length = new Uint8Array([name.byteLength >>> 8, name.byteLength & 0xff]);
  return sha256.create().update(length).update(name).update(form).digest().subarray(0, digestBytes);
};

export const nibbleOf = ({ high, low }: Place, depth: number): number =>
  depth < 8 ? (high >>> (28 - 4 * depth)) & 15 : (low >>> (60 - 4 * depth)) & 15;

export const childOf = ({ high, low, depth }: Path, index: number): Path =>
  depth < 8
    ? { high: (high | (index << (28 - 4 * depth))) >>> 0, low, depth: depth + 1 }
    : { high, low: (low | (index << (60 - 4 * depth))) >>> 0, depth: depth + 1 };

export const parentOf = ({ high, low, depth }: Path): Path =>
  depth <= 8
    ? { high: firstOf(high, depth - 1), low: 0, depth: depth - 1 }
    : { high, low: firstOf(low, depth - 9), depth: depth - 1 };

/** The first `depth` nibbles of a word; a shift by 32 shifts by nothing in this language, so none is asked for. */
const firstOf = (word: number, nibbles: number): number => (nibbles <= 0 ? 0 : (word & (-1 << (32 - 4 * nibbles))) >>> 0);

export const isSamePlace = (a: Place, b: Place): boolean => a.high === b.high && a.low === b.low;

export const isUnder = (path: Path, place: Place): boolean => {
  const [high, low] = [Math.min(path.depth, 8), path.depth - 8];
  return firstOf(place.high, high) === path.high && firstOf(place.low, low) === path.low;
};

// ---------------------------------------------------------------- on the wire

const inkWord = (ink: Ink, word: number): void => {
  for (let shift = 24; shift >= 0; shift -= 8) inkByte(ink, (word >>> shift) & 0xff);
};

export const inkPlace = (ink: Ink, { high, low }: Place): void => {
  inkWord(ink, high);
  inkWord(ink, low);
};

export const readPlace = (from: Cursor): Place => {
  const bytes = readRaw(from, placeBytes);
  return from.failed ? root : { high: wordAt(bytes, 0), low: wordAt(bytes, 4) };
};

/** The depth, and as many bytes as its nibbles fill. */
export const inkPath = (ink: Ink, path: Path): void => {
  inkByte(ink, path.depth);
  for (let at = 0; at < path.depth; at += 2) inkByte(ink, (nibbleOf(path, at) << 4) | nibbleOf(path, at + 1));
};

export const readPath = (from: Cursor): Path => {
  const depth = readByte(from);
  if (from.failed || depth > depthMax) {
    from.failed = true;
    return root;
  }
  const bytes = new Uint8Array(placeBytes);
  bytes.set(readRaw(from, (depth + 1) >> 1));
  const path = { high: wordAt(bytes, 0), low: wordAt(bytes, 4), depth };
  // One encoding for each path: what lies behind its nibbles is zero.
  if (!isUnder(path, path)) from.failed = true;
  return path;
};

const salted = new Uint8Array(saltBytes + digestBytes);
const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/**
 * What stands for a digest within one exchange: short, because most bytes of a comparison are digests. Two that differ look the same
 * once in 2^48 times, and under the next exchange's salt they differ again: nothing stays hidden. A digest that was never made is
 * zero, and so is what stands for it.
 */
export const shortOf = (salt: Uint8Array, digest: Uint8Array): Uint8Array => {
  if (isZero(digest)) return new Uint8Array(shortBytes);
  salted.set(salt);
  salted.set(digest, saltBytes);
  return sha256(salted).subarray(0, shortBytes);
};

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.byteLength !== b.byteLength) return false;
  for (let at = 0; at < a.byteLength; at++) if (a[at] !== b[at]) return false;
  return true;
};

/** Whether both stand for the same digest; what was never made is the same as nothing. */
export const sameShort = (a: Uint8Array, b: Uint8Array): boolean => sameBytes(a, b) && !isZero(a);
