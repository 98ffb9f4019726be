// The elements of a sequence in their order, as spans: runs of one author's consecutive elements that stand next to each other. Found by
// index among the living, and by dot. Two levels of plain lists: a look-up passes over chunks, not spans, and there is no tree to balance.
import { InvariantBroken } from '../invariant.ts';
import type { ReplicaId, Round } from './types.ts';

/** What a span holds: characters or values. Never changed in place. */
export type Units<Content> = {
  lengthOf(content: Content): number;
  slice(content: Content, from: number, to: number): Content;
  concat(contents: readonly Content[]): Content;
  /** Whether nothing may come between the unit at `at` and the one before. */
  isInside(content: Content, at: number): boolean;
};

export const leftSide = 0;
export const rightSide = 1;
export type Side = typeof leftSide | typeof rightSide;

export type Span<Content> = {
  readonly replica: ReplicaId;
  /** The count of its first element; the others follow without gaps. */
  readonly from: number;
  length: number;
  /** Null: taken away, or the beginning of the sequence. */
  content: Content | null;
  /** The round in which it was taken away; 0: it lives. */
  gone: Round;
  /**
   * The round of its making, or that of its parent if that is later; 0: settled, it has no parent any more and its place is where it
   * stands. Within a span each element is the right child of the one before.
   */
  rank: Round;
  /** Of the first element: on which side of which element it hangs. */
  side: Side;
  up: ReplicaId;
  upCount: number;
  /** Unsettled children, in their order: of the first element to its left, of the last to its right. */
  left: Span<Content>[] | null;
  right: Span<Content>[] | null;
  chunk: Chunk<Content>;
};

export type Chunk<Content> = { spans: Span<Content>[]; living: number };

const chunkSpansMax = 96;

/** What makes a span, apart from where it stands. */
export type SpanFields<Content> = Omit<Span<Content>, 'left' | 'right' | 'chunk'>;

const nowhere: Chunk<never> = { spans: [], living: 0 };

/** Field by field: objects of one shape take half the memory of those that were spread together. */
export const spanOf = <Content>(fields: SpanFields<Content>): Span<Content> => ({
  replica: fields.replica,
  from: fields.from,
  length: fields.length,
  content: fields.content,
  gone: fields.gone,
  rank: fields.rank,
  side: fields.side,
  up: fields.up,
  upCount: fields.upCount,
  left: null,
  right: null,
  chunk: nowhere,
});

/** What others hang on that stand before every element: settled, without content, without author. */
const rootOf = <Content>(): Span<Content> =>
  spanOf<Content>({
    ...{ replica: '', from: 0, length: 1, content: null, gone: 0 },
    ...{ rank: 0, side: rightSide, up: '', upCount: 0 },
  });

export const lastOf = (span: { readonly from: number; readonly length: number }): number => span.from + span.length - 1;

export const livingOf = <Content>({ content, length }: Span<Content>): number => (content === null ? 0 : length);

export class Spans<Content> {
  readonly units: Units<Content>;
  readonly root: Span<Content>;
  /** Elements that can be read. */
  living = 0;
  /** Spans that are taken away or not settled, at least: 0 = there is nothing to collect. */
  unsettled = 0;
  #chunks: Chunk<Content>[];
  /** Of each author, by count. */
  readonly byReplica = new Map<ReplicaId, Span<Content>[]>();

  /** `spans` in their order, without the root; whatever hangs on others must find it here. */
  constructor(units: Units<Content>, spans: readonly Span<Content>[] = []) {
    this.units = units;
    const first: Chunk<Content> = { spans: [], living: 0 };
    this.root = rootOf();
    this.root.chunk = first;
    this.#chunks = [first];
    first.spans.push(this.root);
    this.byReplica.set('', [this.root]);
    let chunk = first;
    for (const span of spans) {
      if (chunk.spans.length >= chunkSpansMax / 2) this.#chunks.push((chunk = { spans: [], living: 0 }));
      chunk.spans.push(span);
      span.chunk = chunk;
      span.left = span.right = null;
      this.#count(span, livingOf(span));
      if (span.rank > 0 || span.gone > 0) this.unsettled++;
      const runs = this.byReplica.get(span.replica);
      if (runs === undefined) this.byReplica.set(span.replica, [span]);
      else runs.push(span);
    }
    for (const runs of this.byReplica.values()) runs.sort((a, b) => a.from - b.from);
    for (const span of spans) if (span.rank > 0) this.hang(span);
  }

  *[Symbol.iterator](): Iterator<Span<Content>> {
    for (const { spans } of this.#chunks) for (const span of spans) if (span !== this.root) yield span;
  }

  #count(span: Span<Content>, by: number): void {
    span.chunk.living += by;
    this.living += by;
  }

  // ---------------------------------------------------------------- finding

  /** The place in its author's list of the first span that ends at this count or later. */
  placeOf(replica: ReplicaId, count: number): number {
    const runs = this.byReplica.get(replica) ?? [];
    let [from, to] = [0, runs.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (lastOf(runs[middle]!) < count) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  find(replica: ReplicaId, count: number): Span<Content> | undefined {
    const span = this.byReplica.get(replica)?.[this.placeOf(replica, count)];
    return span !== undefined && span.from <= count ? span : undefined;
  }

  /** The living element of this index, which must be one, as span and place in it. */
  at(index: number): [Span<Content>, number] {
    let rest = index;
    for (const { spans, living } of this.#chunks) {
      if (rest >= living) {
        rest -= living;
        continue;
      }
      for (const span of spans) {
        const length = livingOf(span);
        if (rest < length) return [span, rest];
        rest -= length;
      }
    }
    throw new InvariantBroken('index-in-sequence', `index ${index} of ${this.living}`);
  }

  next(span: Span<Content>): Span<Content> | undefined {
    const { spans } = span.chunk;
    const at = spans.indexOf(span) + 1;
    return at < spans.length ? spans[at] : this.#chunks[this.#chunks.indexOf(span.chunk) + 1]?.spans[0];
  }

  /** The first that can be read behind this one. Chunks in which nothing can be read are passed over. */
  nextLiving(span: Span<Content>): Span<Content> | undefined {
    const { spans } = span.chunk;
    for (let at = spans.indexOf(span) + 1; at < spans.length; at++) if (spans[at]!.content !== null) return spans[at];
    for (let at = this.#chunks.indexOf(span.chunk) + 1; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!;
      if (chunk.living > 0) return chunk.spans.find(({ content }) => content !== null);
    }
    return undefined;
  }

  // ---------------------------------------------------------------- changing

  insertBeside(span: Span<Content>, side: Side, fresh: Span<Content>): void {
    const { chunk } = span;
    chunk.spans.splice(chunk.spans.indexOf(span) + side, 0, fresh);
    fresh.chunk = chunk;
    this.#count(fresh, livingOf(fresh));
    if (fresh.rank > 0 || fresh.gone > 0) this.unsettled++;
    const runs = this.byReplica.get(fresh.replica);
    if (runs === undefined) this.byReplica.set(fresh.replica, [fresh]);
    else if (lastOf(runs.at(-1)!) < fresh.from) runs.push(fresh);
    else runs.splice(this.placeOf(fresh.replica, fresh.from), 0, fresh);
    if (chunk.spans.length > chunkSpansMax) this.#divide(chunk);
  }

  #divide(chunk: Chunk<Content>): void {
    const more: Chunk<Content> = { spans: chunk.spans.splice(chunk.spans.length >> 1), living: 0 };
    for (const span of more.spans) {
      span.chunk = more;
      more.living += livingOf(span);
    }
    chunk.living -= more.living;
    this.#chunks.splice(this.#chunks.indexOf(chunk) + 1, 0, more);
  }

  /** On its parent, which must be here, as the `at`th of its siblings there; by default as the last. */
  hang(span: Span<Content>, at: number = Number.POSITIVE_INFINITY): void {
    const parent = this.find(span.up, span.upCount);
    if (parent === undefined)
      throw new InvariantBroken('parent-here', `${span.up} ${span.upCount} of ${span.replica} ${span.from}`);
    const side = span.side === rightSide ? 'right' : 'left';
    // A list that has grown takes room for many, and most have one.
    if (parent[side] === null || parent[side].length === 0) parent[side] = [span];
    else parent[side].splice(at, 0, span);
  }

  /** The nearest place from `at` on, in the direction of `step`, where the span may be cut; its ends always are. */
  border({ content, length }: Span<Content>, at: number, step: -1 | 1): number {
    let border = at;
    while (content !== null && border > 0 && border < length && this.units.isInside(content, border)) border += step;
    return border;
  }

  /** Cuts before the `at`th element, of which it must have one and another before; answers what lies behind. */
  split(span: Span<Content>, at: number): Span<Content> {
    if (!(at > 0 && at < span.length)) throw new InvariantBroken('no-empty-span', `a cut at ${at} of ${span.length}`);
    const { units } = this;
    const { content } = span;
    const tail = spanOf<Content>({
      ...span,
      ...{ from: span.from + at, length: span.length - at },
      ...{ content: content === null ? null : units.slice(content, at, span.length) },
      ...(span.rank > 0 ? { side: rightSide, up: span.replica, upCount: span.from + at - 1 } : {}),
    });
    tail.right = span.right;
    const lost = span.content === null ? 0 : tail.length;
    span.content = content === null ? null : units.slice(content, 0, at);
    span.length = at;
    this.#count(span, -lost);
    span.right = span.rank > 0 ? [tail] : null;
    this.insertBeside(span, rightSide, tail);
    return tail;
  }

  /** Puts more behind the last element, by the same author, with nothing between. */
  extend(span: Span<Content>, content: Content): void {
    const length = this.units.lengthOf(content);
    span.content = this.units.concat([span.content!, content]);
    span.length += length;
    this.#count(span, length);
  }

  /** True if that is news. Of two who take the same away, the earlier counts: who hung something on it knew neither. */
  takeAway(span: Span<Content>, round: Round): boolean {
    if (span.gone > 0 && span.gone <= round) return false;
    if (span.gone === 0) {
      this.#count(span, -livingOf(span));
      span.content = null;
      if (span.rank === 0) this.unsettled++;
    }
    span.gone = round;
    return true;
  }
}
