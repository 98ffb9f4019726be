// A sequence as plain data: its vector and its spans in their order, each as long as it can be, so that states that know the same have
// the same form. What comes from outside is taken only if its order is the one that its tree gives.
import { isEventCount, parseVector } from '../versions/vector.ts';
import { lastOf, leftSide, rightSide, type Span, Spans, spanOf, type Units } from './sequence-spans.ts';
import { compareSiblings, isOne } from './sequence-tree.ts';
import type { ReplicaId, Vector } from './types.ts';

export type Checked<Content> = Units<Content> & {
  /** Content of any length from 1. */
  isContent(value: unknown): value is Content;
};

export type SequenceState<Content> = { vector: Vector; spans: Spans<Content> };

/** Groups of spans that may be one. */
export const groups = function* <Content>(spans: Iterable<Span<Content>>): Generator<Span<Content>[]> {
  let group: Span<Content>[] = [];
  for (const span of spans) {
    const before = group.at(-1);
    if (before !== undefined && !isOne(before, span)) {
      yield group;
      group = [];
    }
    group.push(span);
  }
  if (group.length > 0) yield group;
};

const lengthOf = (group: readonly { readonly length: number }[]): number =>
  group.reduce((length, span) => length + span.length, 0);

/** One span of a group; its children, if it has any, are to be hung on it again. */
export const united = <Content>(units: Units<Content>, group: readonly Span<Content>[]): Span<Content> => {
  const [first] = group as [Span<Content>];
  if (group.length === 1) return first;
  const content = first.content === null ? null : units.concat(group.map((span) => span.content!));
  return spanOf({ ...first, length: lengthOf(group), content });
};

/** Place of the author, count, content or `length, gone`; of unsettled spans also `rank, side, place of up or -1, count of up`. */
export const form = <Content>({ vector, spans }: SequenceState<Content>): unknown => {
  const places = new Map<ReplicaId, number>([['', -1]]);
  for (let at = 0; at < vector.length; at += 2) places.set(vector[at] as ReplicaId, at >> 1);
  const rows: unknown[] = [];
  for (const group of groups(spans)) {
    const { replica, from, content, gone, length, rank, side, up, upCount } = united(spans.units, group);
    const what = content === null ? [length, gone] : [spans.units.slice(content, 0, length)];
    rows.push([places.get(replica)!, from, ...what, ...(rank > 0 ? [rank, side, places.get(up)!, upCount] : [])]);
  }
  return [[...vector], rows];
};

/** A span of one row, or null. Its parent is not looked at. */
const parseRow = <Content>(units: Checked<Content>, row: unknown, vector: Vector): Span<Content> | null => {
  if (!Array.isArray(row)) return null;
  const [place, from, what] = row as unknown[];
  const isPlace = (value: unknown): value is number =>
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) * 2 < vector.length;
  if (!isPlace(place) || !isEventCount(from)) return null;
  const isGone = typeof what === 'number';
  if (isGone ? !isEventCount(what) || !isEventCount(row[3]) : !units.isContent(what)) return null;
  const length = isGone ? what : units.lengthOf(what as Content);
  if (length > (vector[place * 2 + 1] as number) - from + 1) return null;
  const [rank, side, upPlace, upCount, ...rest] = row.slice(isGone ? 4 : 3) as unknown[];
  const span = {
    ...{ replica: vector[place * 2] as ReplicaId, from, length, content: isGone ? null : (what as Content) },
    gone: isGone ? (row[3] as number) : 0,
  };
  if (row.length === (isGone ? 4 : 3)) return spanOf<Content>({ ...span, rank: 0, side: rightSide, up: '', upCount: 0 });
  if (rest.length > 0 || !isEventCount(rank) || (side !== leftSide && side !== rightSide)) return null;
  if (upPlace === -1)
    return upCount === 0 && side === rightSide ? spanOf<Content>({ ...span, rank, side, up: '', upCount }) : null;
  if (!isPlace(upPlace) || !isEventCount(upCount)) return null;
  return spanOf<Content>({ ...span, rank, side, up: vector[upPlace * 2] as ReplicaId, upCount });
};

/** Whether no two of these name the same element. */
export const areApart = (runs: readonly Pick<Span<unknown>, 'replica' | 'from' | 'length'>[]): boolean => {
  const ends = new Map<ReplicaId, number>();
  for (const run of runs.toSorted((a, b) => a.from - b.from)) {
    if ((ends.get(run.replica) ?? 0) >= run.from) return false;
    ends.set(run.replica, lastOf(run));
  }
  return true;
};

/** Whether each hangs on the very end of a span that is there and not of a later rank. */
const haveParents = <Content>(found: readonly Span<Content>[]): boolean => {
  const [firsts, lasts] = [new Map<string, Span<Content>>(), new Map<string, Span<Content>>()];
  for (const span of found) {
    firsts.set(`${span.replica} ${span.from}`, span);
    lasts.set(`${span.replica} ${lastOf(span)}`, span);
  }
  return found.every((span) => {
    if (span.rank === 0 || span.up === '') return true;
    const parent = (span.side === rightSide ? lasts : firsts).get(`${span.up} ${span.upCount}`);
    return parent !== undefined && parent !== span && parent.rank <= span.rank;
  });
};

/** Whether the tree, read in order, gives the spans as they stand. What hangs in a circle is never met, and so is missing. */
const isInOrder = <Content>(spans: Spans<Content>): boolean => {
  const given = [spans.root, ...spans];
  let met = 0;
  const todo: [Span<Content>, boolean][] = given
    .filter(({ rank }) => rank === 0)
    .toReversed()
    .map((span) => [span, false]);
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const [span, isOpen] = next;
    if (isOpen) {
      if (given[met++] !== span) return false;
      continue;
    }
    for (const children of [span.left, span.right])
      if (children?.some((child, at) => at > 0 && compareSiblings(children[at - 1]!, child) >= 0)) return false;
    for (const child of span.right?.toReversed() ?? []) todo.push([child, false]);
    todo.push([span, true]);
    for (const child of span.left?.toReversed() ?? []) todo.push([child, false]);
  }
  return met === given.length;
};

export const parse = <Content>(units: Checked<Content>, value: unknown): SequenceState<Content> | null => {
  if (!Array.isArray(value) || value.length !== 2 || !Array.isArray(value[1])) return null;
  const vector = parseVector(value[0]);
  if (vector === null) return null;
  const found: Span<Content>[] = [];
  for (const row of value[1] as unknown[]) {
    const span = parseRow(units, row, vector);
    if (span === null) return null;
    found.push(span);
  }
  if (!areApart(found) || !haveParents(found)) return null;
  const spans = new Spans(units, found);
  return isInOrder(spans) ? { vector, spans } : null;
};
