// One number for an entry and everything before it: two logs whose digests at an index are equal are equal up to there. 53 bits,
// not cryptographic: an accident could hide a difference (about one in 10^9 for a million entries), never invent one.
import type { Entry, EntryKind } from '../../../machines/raft/types.ts';

export type Digest = number;

/** Before the first entry. */
export const emptyDigest: Digest = 0;

const kinds: Record<EntryKind, number> = { command: 1, configuration: 2, noop: 3 };
const twoTo32 = 0x1_0000_0000;

let low = 0;
let high = 0;

const mix = (word: number): void => {
  low = Math.imul(low ^ word, 0x9e37_79b1);
  low ^= low >>> 15;
  high = Math.imul(high ^ word, 0x85eb_ca77);
  high ^= (high >>> 13) ^ low;
};

const mixNumber = (number: number): void => {
  mix(number | 0);
  mix(Math.floor(number / twoTo32) | 0);
};

const mixBytes = (bytes: Uint8Array): void => {
  const whole = bytes.length & ~3;
  for (let at = 0; at < whole; at += 4)
    mix(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  let rest = bytes.length;
  for (let at = whole; at < bytes.length; at++) rest = (rest << 8) | bytes[at]!;
  mix(rest);
};

const digest = (): Digest => (high & 0x1f_ffff) * twoTo32 + (low >>> 0);

/** The digest of a log that ends with `entry` after what `before` stands for. */
export const digestAfter = (before: Digest, { index, term, kind, timeMs, data }: Entry): Digest => {
  low = before | 0;
  high = Math.floor(before / twoTo32) | 0;
  mixNumber(index);
  mixNumber(term);
  mix(kinds[kind]);
  mixNumber(timeMs);
  mixBytes(data);
  return digest();
};

/** Stands for a beginning of which only the last index and term are known. */
export const digestOfBase = (index: number, term: number): Digest => {
  low = 0x5bd1;
  high = 0x27d4;
  mixNumber(index);
  mixNumber(term);
  return digest();
};
