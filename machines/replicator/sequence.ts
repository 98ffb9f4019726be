// Ordered lists and text. Every element has a dot and hangs on a neighbour (sequence-tree.ts); an insert is one delta, however long, and
// so is a removal. A text's elements are UTF-16 units, since every index of this language, of editors and of browsers counts them; what
// would cut a character in half is refused. Nothing here conflicts: of two inserts in one place both stay, one after the other.
import { countOf, isEventCount, isReplicaId, raised } from '../versions/vector.ts';
import { isWellFormed } from '../wire/octets.ts';
import type { Author, Crdt, Unfit } from './crdt.ts';
import { replicatorLimits as max } from './limits.ts';
import { isPlain, textOf } from './plain.ts';
import { areApart, type Checked, form, groups, parse, type SequenceState, united } from './sequence-form.ts';
import { join } from './sequence-join.ts';
import { leftSide, rightSide, type Side, type Span, type SpanFields, Spans, spanOf } from './sequence-spans.ts';
import { holdAt, place, takeAway } from './sequence-tree.ts';
import type { Plain, ReplicaId, Round } from './types.ts';

export const sequenceLimits = {
  /** Characters or values of one insert. */
  insertMax: 1 << 16,
  /** Runs that one removal names: removing more takes several changes. */
  runsMax: 1 << 14,
  /** A span that grows is copied each time it does. */
  spanGrowsTo: 512,
} as const;

export type SequenceChange<Content> =
  /** 'end': wherever that is when the change is made; whoever reads the length first may be late. */
  { type: 'insert'; at: number | 'end'; content: Content } | { type: 'remove'; at: number; count: number };

/** Author, count of the first element, rank, side, what it hangs on, content. */
type Insert<Content> = readonly [ReplicaId, number, Round, Side, ReplicaId, number, Content];

/** The round, and runs: author, first count, last count. */
type Remove = readonly [Round, ...(readonly [ReplicaId, number, number])[]];

export const textUnits: Checked<string> = {
  isContent: (value): value is string => typeof value === 'string' && value.length > 0 && isWellFormed(value),
  lengthOf: (content) => content.length,
  slice: (content, from, to) => content.slice(from, to),
  concat: (contents) => contents.join(''),
  isInside: (content, at) =>
    at > 0 && (content.charCodeAt(at) & 0xfc00) === 0xdc00 && (content.charCodeAt(at - 1) & 0xfc00) === 0xd800,
};

export const listUnits: Checked<readonly Plain[]> = {
  isContent: (value): value is readonly Plain[] => Array.isArray(value) && value.length > 0 && isPlain(value),
  lengthOf: (content) => content.length,
  slice: (content, from, to) => content.slice(from, to),
  concat: (contents) => contents.flat() as readonly Plain[],
  isInside: () => false,
};

const insert = <Content>(
  state: SequenceState<Content>,
  at: number,
  content: Content,
  { replica, round }: Author,
): Insert<Content> | Unfit => {
  const { spans } = state;
  const length = spans.units.lengthOf(content);
  if (at > spans.living) return { unfit: `begins at ${at} of ${spans.living}` };
  if (spans.living + length > max.elementsMax) return { unfit: `makes it longer than ${max.elementsMax}` };
  const hold = holdAt(spans, at, round);
  if (hold === null) return { unfit: 'would cut a character in half' };
  const from = countOf(state.vector, replica) + 1;
  if (!Number.isSafeInteger(from + length)) return { unfit: 'would count beyond 2^53' };
  put(spans, { replica, from, length, content, gone: 0, ...hold });
  state.vector = raised(state.vector, replica, from + length - 1);
  return [replica, from, hold.rank, hold.side, hold.up, hold.upCount, content];
};

/** Into a span that grows, or as one of its own. */
const put = <Content>(spans: Spans<Content>, fresh: SpanFields<Content>): void => {
  const before = fresh.side === rightSide && fresh.up === fresh.replica ? spans.find(fresh.up, fresh.upCount) : undefined;
  const grows =
    before !== undefined &&
    before.content !== null &&
    before.rank === fresh.rank &&
    before.from + before.length === fresh.from &&
    before.from + before.length === fresh.upCount + 1 &&
    (before.right?.length ?? 0) === 0 &&
    before.length + fresh.length <= sequenceLimits.spanGrowsTo;
  if (grows) spans.extend(before, fresh.content!);
  else place(spans, spanOf(fresh));
};

const isCut = <Content>({ units }: Spans<Content>, { content, length }: Span<Content>, at: number): boolean =>
  at > 0 && at < length && units.isInside(content!, at);

const remove = <Content>(
  { spans }: SequenceState<Content>,
  at: number,
  count: number,
  { round }: Author,
): Remove | null | Unfit => {
  if (at + count > spans.living) return { unfit: `ends at ${at + count} of ${spans.living}` };
  if (count === 0) return null;
  const runs: [ReplicaId, number, number][] = [];
  let [span, offset] = spans.at(at);
  for (let rest = count; ; [span, offset] = [spans.nextLiving(span)!, 0]) {
    const end = Math.min(offset + rest, span.length);
    if (isCut(spans, span, offset) || isCut(spans, span, end)) return { unfit: 'would cut a character in half' };
    const before = runs.at(-1);
    if (before !== undefined && before[0] === span.replica && before[2] + 1 === span.from + offset)
      before[2] = span.from + end - 1;
    else runs.push([span.replica, span.from + offset, span.from + end - 1]);
    rest -= end - offset;
    if (rest === 0) break;
  }
  if (runs.length > sequenceLimits.runsMax) return { unfit: `removes more than ${sequenceLimits.runsMax} runs at once` };
  for (const [replica, from, to] of runs) takeAway(spans, replica, from, to, round);
  return [round, ...runs];
};

const applyInsert = <Content>(state: SequenceState<Content>, delta: Insert<Content>): 'same' | 'changed' | 'gap' => {
  const [replica, from, rank, side, up, upCount, content] = delta;
  const known = countOf(state.vector, replica);
  if (from <= known) return 'same';
  if (from > known + 1 || state.spans.find(up, upCount) === undefined) return 'gap';
  const length = state.spans.units.lengthOf(content);
  put(state.spans, { replica, from, length, content, gone: 0, rank, side, up, upCount });
  state.vector = raised(state.vector, replica, from + length - 1);
  return 'changed';
};

const applyRemove = <Content>(
  { vector, spans }: SequenceState<Content>,
  [round, ...runs]: Remove,
): 'same' | 'changed' | 'gap' => {
  if (runs.some(([replica, , to]) => countOf(vector, replica) < to)) return 'gap';
  let isNew = false;
  for (const [replica, from, to] of runs) if (takeAway(spans, replica, from, to, round)) isNew = true;
  return isNew ? 'changed' : 'same';
};

const isInsert = <Content>(units: Checked<Content>, value: readonly unknown[]): boolean => {
  const [replica, from, rank, side, up, upCount, content] = value;
  if (value.length !== 7 || !isReplicaId(replica) || !isEventCount(from) || !isEventCount(rank)) return false;
  const isRoot = up === '' && upCount === 0 && side === rightSide;
  if (!isRoot && (!isReplicaId(up) || !isEventCount(upCount) || (side !== leftSide && side !== rightSide))) return false;
  if (up === replica && (upCount as number) >= from) return false;
  if (!units.isContent(content) || units.lengthOf(content) > sequenceLimits.insertMax) return false;
  return Number.isSafeInteger(from + units.lengthOf(content));
};

const isRun = (run: unknown): run is [ReplicaId, number, number] =>
  Array.isArray(run) &&
  run.length === 3 &&
  isReplicaId(run[0]) &&
  isEventCount(run[1]) &&
  isEventCount(run[2]) &&
  run[1] <= run[2];

/** Each element is named once: else a small delta would be a long work. */
const isRemove = ([round, ...runs]: readonly unknown[]): boolean =>
  isEventCount(round) &&
  runs.length > 0 &&
  runs.length <= sequenceLimits.runsMax &&
  runs.every(isRun) &&
  areApart(runs.map(([replica, from, to]) => ({ replica, from, length: to - from + 1 })));

const isIndex = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max.elementsMax;

const parseChange = <Content>(units: Checked<Content>, name: string, value: unknown): SequenceChange<Content> | Unfit => {
  if (typeof value !== 'object' || value === null) return { unfit: 'is no change of a sequence' };
  const { type, at, count, content } = value as { [name: string]: unknown };
  if (type !== 'insert' && type !== 'remove') return { unfit: 'is neither insert nor remove' };
  const isAtEnd = type === 'insert' && at === 'end';
  if (!isAtEnd && !isIndex(at)) return { unfit: `is at no whole number from 0 to ${max.elementsMax}` };
  if (type === 'remove') return isIndex(count) ? { type, at: at as number, count } : { unfit: 'has no whole number to remove' };
  if (!units.isContent(content)) return { unfit: `inserts no ${name}, or nothing` };
  if (units.lengthOf(content) > sequenceLimits.insertMax)
    return { unfit: `inserts more than ${sequenceLimits.insertMax} at once` };
  if (typeof content !== 'string' && textOf(content as Plain).length > max.valueBytesMax)
    return { unfit: `inserts more than ${max.valueBytesMax} bytes at once` };
  return { type, at: isAtEnd ? 'end' : (at as number), content };
};

/** Settles what everybody has, and forgets what was taken away before; true if there was any of either. */
const collect = <Content>(state: SequenceState<Content>, stable: Round): boolean => {
  const { spans } = state;
  if (spans.unsettled === 0) return false;
  let isChanged = false;
  for (const span of spans) {
    if (span.rank === 0 || span.rank > stable) continue;
    Object.assign(span, { rank: 0, side: rightSide, up: '', upCount: 0 });
    isChanged = true;
  }
  if (!isChanged && ![...spans].some(({ gone }) => gone > 0 && gone < stable)) return false;
  // Whatever hung on what is forgotten is of its round or the next, so it is settled by now; hanging from elsewhere, it keeps it alive.
  const held = new Set<Span<Content>>();
  for (const { rank, up, upCount } of spans) if (rank > 0) held.add(spans.find(up, upCount)!);
  const kept = [...spans].filter((span) => span.gone === 0 || span.gone >= stable || span.rank > 0 || held.has(span));
  const parted = new Spans(spans.units, kept);
  state.spans = new Spans(
    spans.units,
    Array.from(groups(parted), (group) => united(spans.units, group)),
  );
  return true;
};

const pending = <Content>({ spans }: SequenceState<Content>): Round => {
  let last = 0;
  if (spans.unsettled > 0) for (const { rank, gone } of spans) last = Math.max(last, rank, gone);
  return last;
};

/** Hung up anew, each after that on which it hangs, as if all were made in this round: siblings of different rounds may change places. */
const retag = <Content>(state: SequenceState<Content>, round: Round): SequenceState<Content> => {
  const spans = new Spans(state.spans.units);
  let waiting = [...state.spans].sort((a, b) => a.from - b.from);
  // What is settled others have: then this is not only ours.
  if (waiting.some(({ rank }) => rank === 0)) return state;
  while (waiting.length > 0)
    waiting = waiting.filter((span) => {
      if (spans.find(span.up, span.upCount) === undefined) return true;
      place(spans, spanOf({ ...span, rank: round, gone: span.gone > 0 ? round : 0 }));
      return false;
    });
  return { vector: state.vector, spans };
};

const sequence = <Content, Read>(
  type: string,
  name: string,
  units: Checked<Content>,
  read: (contents: readonly Content[]) => Read,
): Crdt<SequenceState<Content>, SequenceChange<Content>, Read> => ({
  type,
  empty: () => ({ vector: [], spans: new Spans(units) }),
  change: (state, change, author) =>
    change.type === 'insert'
      ? insert(state, change.at === 'end' ? state.spans.living : change.at, change.content, author)
      : remove(state, change.at, change.count, author),
  parseChange: (value) => parseChange(units, name, value),
  apply: (state, delta) =>
    typeof (delta as readonly unknown[])[0] === 'string'
      ? applyInsert(state, delta as Insert<Content>)
      : applyRemove(state, delta as Remove),
  parseDelta: (value) =>
    Array.isArray(value) && (typeof value[0] === 'string' ? isInsert(units, value) : isRemove(value)) ? value : null,
  join: (state, other) => (join(state, other) ? 'changed' : 'same'),
  form,
  parse: (value) => parse(units, value),
  read: ({ spans }) => read(Array.from(spans).flatMap(({ content }) => (content === null ? [] : [content]))),
  collect,
  pending,
  retag,
  latest: () => 0,
});

export const text = sequence('text', 'text', textUnits, (contents) => contents.join(''));

export const list = sequence('list', 'list of plain data', listUnits, (contents) => contents.flat() as readonly Plain[]);

/** Characters or values that can be read. */
export const lengthOf = <Content>({ spans }: SequenceState<Content>): number => spans.living;
