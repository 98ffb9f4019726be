// Where an element goes (Fugue: Weidner, Kleppmann 2023): it hangs on one of its neighbours, as a left or right child, and elements are
// read in order. What one author types without pause is one subtree, so nobody else's comes between.
//
// Two things are our own, so that whatever was taken away can be forgotten altogether. An element hangs on what its author could read,
// never on what is taken away. And of siblings the later round stands nearer to the parent: so whatever has been everywhere for a round
// is settled, needs no parent any more, and what still comes stands next to the settled element on which it hangs.
import { lastOf, leftSide, rightSide, type Span, type Spans } from './sequence-spans.ts';
import type { ReplicaId, Round } from './types.ts';

/** Below 0 if `a` stands before `b`, its sibling on the same side of one element. */
export const compareSiblings = <Content>(a: Span<Content>, b: Span<Content>): number => {
  const nearer = a.rank - b.rank;
  if (nearer !== 0) return a.side === rightSide ? -nearer : nearer;
  if (a.replica !== b.replica) return a.replica < b.replica ? -1 : 1;
  return a.side === rightSide ? b.from - a.from : a.from - b.from;
};

/** The last span of everything that hangs to the right, or the span itself. */
export const lastUnder = <Content>(span: Span<Content>): Span<Content> => {
  let last = span;
  while (last.right !== null && last.right.length > 0) last = last.right.at(-1)!;
  return last;
};

const firstUnder = <Content>(span: Span<Content>): Span<Content> => {
  let first = span;
  while (first.left !== null && first.left.length > 0) first = first.left[0]!;
  return first;
};

/** Makes the element on which it hangs the last of its span, or the first; moves it off what must not be parted. */
const partParent = <Content>(spans: Spans<Content>, fresh: Span<Content>): Span<Content> => {
  const parent = spans.find(fresh.up, fresh.upCount)!;
  if (fresh.side === rightSide) {
    const at = spans.border(parent, fresh.upCount + 1 - parent.from, 1);
    fresh.upCount = parent.from + at - 1;
    if (at < parent.length) spans.split(parent, at);
    return parent;
  }
  const at = spans.border(parent, fresh.upCount - parent.from, -1);
  fresh.upCount = parent.from + at;
  return at === 0 ? parent : spans.split(parent, at);
};

/** Puts an unsettled span, whose parent is here, where it belongs. */
export const place = <Content>(spans: Spans<Content>, fresh: Span<Content>): void => {
  const parent = partParent(spans, fresh);
  fresh.rank = Math.max(fresh.rank, parent.rank);
  const siblings = (fresh.side === rightSide ? parent.right : parent.left) ?? [];
  let [at, to] = [0, siblings.length];
  while (at < to) {
    const middle = (at + to) >> 1;
    if (compareSiblings(siblings[middle]!, fresh) < 0) at = middle + 1;
    else to = middle;
  }
  if (fresh.side === rightSide) spans.insertBeside(at === 0 ? parent : lastUnder(siblings[at - 1]!), rightSide, fresh);
  else spans.insertBeside(at === siblings.length ? parent : firstUnder(siblings[at]!), leftSide, fresh);
  spans.hang(fresh, at);
};

/**
 * Whether `right`, the next that can be read behind `left`, hangs to the right of it, directly or not. Searched for from both ends at
 * once, since a tree can be as deep as its text is long: up from `right`, and down to the last that hangs there.
 */
const isUnder = <Content>(spans: Spans<Content>, left: Span<Content>, right: Span<Content>): boolean => {
  let up: Span<Content> | undefined = right;
  for (let last = left; ; last = last.right.at(-1)!) {
    if (last.right === null || last.right.length === 0)
      return last !== left && (last === right || spans.nextLiving(last) !== right);
    up = up.rank === 0 ? undefined : spans.find(up.up, up.upCount);
    if (up === undefined) return false;
    if (up === left) return true;
  }
};

export type Hold = Pick<Span<unknown>, 'side' | 'up' | 'upCount' | 'rank'>;

/**
 * What a new element between the living ones of `index - 1` and `index` hangs on. Null: it may not come between them. To the right
 * of the left one, unless the right one hangs there already: then to the left of that. Either way all that stands between
 * them is taken away, and it does not matter on which side of that it comes.
 */
export const holdAt = <Content>(spans: Spans<Content>, index: number, round: Round): Hold | null => {
  const [span, at] = index === 0 ? [spans.root, 0] : spans.at(index - 1);
  let right: Span<Content> | undefined;
  if (at + 1 === span.length) right = spans.nextLiving(span);
  else if (span.content !== null && spans.units.isInside(span.content, at + 1)) return null;
  else if (span.rank > 0)
    return { side: leftSide, up: span.replica, upCount: span.from + at + 1, rank: Math.max(round, span.rank) };
  if (right !== undefined && isUnder(spans, span, right))
    return { side: leftSide, up: right.replica, upCount: right.from, rank: Math.max(round, right.rank) };
  return { side: rightSide, up: span.replica, upCount: span.from + at, rank: Math.max(round, span.rank) };
};

/** Whether two spans that stand next to each other may be one. */
export const isOne = <Content>(a: Span<Content>, b: Span<Content>): boolean => {
  if (a.replica !== b.replica || lastOf(a) + 1 !== b.from || a.gone !== b.gone || a.rank !== b.rank) return false;
  return a.rank === 0 || (a.right?.length === 1 && a.right[0] === b);
};

/** Takes elements away, as far as they are here; true if that is news. */
export const takeAway = <Content>(
  spans: Spans<Content>,
  replica: ReplicaId,
  from: number,
  to: number,
  round: Round,
): boolean => {
  const runs = spans.byReplica.get(replica) ?? [];
  let isNew = false;
  for (let at = spans.placeOf(replica, from); at < runs.length && runs[at]!.from <= to; at++) {
    let span = runs[at]!;
    if (span.gone > 0 && span.gone <= round) continue;
    const start = spans.border(span, Math.max(0, from - span.from), -1);
    if (start > 0) {
      span = spans.split(span, start);
      at++;
    }
    const end = spans.border(span, Math.min(span.length, to + 1 - span.from), 1);
    if (end < span.length) spans.split(span, end);
    if (spans.takeAway(span, round)) isNew = true;
  }
  return isNew;
};
