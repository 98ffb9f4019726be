// Sets of whole numbers as ascending pairs, first and last, that never touch: [1, 5, 7, 7] is 1 to 5 and 7. What is known of a
// source is mostly one pair; each number that is missing costs one more. Pure; the tests hold a dumb twin against them.
import type { Ranges } from './types.ts';

export const noNumbers: Ranges = [];

export const isRanges = (given: readonly number[]): boolean => {
  if (given.length % 2 !== 0) return false;
  let least = 1;
  for (let at = 0; at < given.length; at += 2) {
    const from = given[at]!;
    const to = given[at + 1]!;
    if (!(from >= least && to >= from)) return false;
    least = to + 2;
  }
  return true;
};

export const hasNumber = (ranges: Ranges, number: number): boolean => {
  // Mostly it is about the newest.
  for (let at = ranges.length - 2; at >= 0; at -= 2) if (number >= ranges[at]!) return number <= ranges[at + 1]!;
  return false;
};

/** The last number without a hole from `from` on, or `from - 1` if it is missing itself. */
export const lastFrom = (ranges: Ranges, from: number): number => {
  for (let at = ranges.length - 2; at >= 0; at -= 2)
    if (from >= ranges[at]!) return from <= ranges[at + 1]! ? ranges[at + 1]! : from - 1;
  return from - 1;
};

/** The set with `from` to `to` in it. */
export const withNumbers = (ranges: Ranges, from: number, to: number): Ranges => {
  const last = ranges.length - 1;
  // The next in order, which nearly every one is.
  if (last > 0 && from === ranges[last]! + 1) return [...ranges.slice(0, last), to];
  const joined: number[] = [];
  let at = 0;
  for (; at < ranges.length && ranges[at + 1]! < from - 1; at += 2) joined.push(ranges[at]!, ranges[at + 1]!);
  let [first, end] = [from, to];
  for (; at < ranges.length && ranges[at]! <= to + 1; at += 2) {
    first = Math.min(first, ranges[at]!);
    end = Math.max(end, ranges[at + 1]!);
  }
  joined.push(first, end);
  for (; at < ranges.length; at++) joined.push(ranges[at]!);
  return joined;
};

/** What is in `ranges` and not in `taken`. */
export const withoutNumbers = (ranges: Ranges, taken: Ranges): Ranges => {
  const left: number[] = [];
  let hole = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    let from = ranges[at]!;
    const to = ranges[at + 1]!;
    while (hole < taken.length && taken[hole + 1]! < from) hole += 2;
    for (let cut = hole; cut < taken.length && taken[cut]! <= to; cut += 2) {
      if (taken[cut]! > from) left.push(from, taken[cut]! - 1);
      from = taken[cut + 1]! + 1;
    }
    if (from <= to) left.push(from, to);
  }
  return left;
};

/** What is in both. */
export const inBoth = (a: Ranges, b: Ranges): Ranges => {
  const both: number[] = [];
  let [one, other] = [0, 0];
  while (one < a.length && other < b.length) {
    const from = Math.max(a[one]!, b[other]!);
    const to = Math.min(a[one + 1]!, b[other + 1]!);
    if (from <= to) both.push(from, to);
    if (a[one + 1]! < b[other + 1]!) one += 2;
    else other += 2;
  }
  return both;
};

/** Fewer pieces: the lowest holes are given up. */
export const inPieces = (ranges: Ranges, piecesMax: number): Ranges => {
  const tooMany = ranges.length / 2 - piecesMax;
  return tooMany <= 0 ? ranges : [ranges[0]!, ...ranges.slice(1 + 2 * tooMany)];
};
