// What two sequences know, in one. What both have stays as it is here: a settled element of the other is settled here in its own time.
import { countOf, covers, raisedToAll } from '../versions/vector.ts';
import type { SequenceState } from './sequence-form.ts';
import { lastOf, rightSide, type Span, type Spans, spanOf } from './sequence-spans.ts';
import { lastUnder, place, takeAway } from './sequence-tree.ts';
import type { ReplicaId, Vector } from './types.ts';

/** The round of what was taken away where nobody remembers when; older than all others. */
const forgotten = 1;

/** The elements of `span` from this count on, on their own. */
const restOf = <Content>(spans: Spans<Content>, span: Span<Content>, from: number): Span<Content> => {
  const at = from - span.from;
  const { length } = span;
  const content = span.content === null ? null : spans.units.slice(span.content, at, length);
  const rest = { ...span, from, length: length - at, content };
  return spanOf(at === 0 || span.rank === 0 ? rest : { ...rest, side: rightSide, up: span.replica, upCount: from - 1 });
};

/** Behind the element of this dot and all that hangs there. */
const settle = <Content>(spans: Spans<Content>, [replica, count]: readonly [ReplicaId, number], fresh: Span<Content>): void => {
  const before = spans.find(replica, count) ?? spans.root;
  if (lastOf(before) > count) spans.split(before, count + 1 - before.from);
  spans.insertBeside(lastUnder(before), rightSide, fresh);
};

/** What is new to `vector`, each after that on which it hangs. */
const add = <Content>(spans: Spans<Content>, others: Spans<Content>, vector: Vector): boolean => {
  let isNew = false;
  let settled: readonly [ReplicaId, number] = ['', 0];
  const isHere = (span: Span<Content>): boolean =>
    lastOf(span) <= countOf(vector, span.replica) || spans.find(span.replica, lastOf(span)) !== undefined;
  const addOne = (span: Span<Content>): void => {
    const fresh = restOf(spans, span, Math.max(span.from, countOf(vector, span.replica) + 1));
    isNew = true;
    if (fresh.rank > 0 && spans.find(fresh.up, fresh.upCount) !== undefined) place(spans, fresh);
    else settle(spans, settled, Object.assign(fresh, { rank: 0, side: rightSide, up: '', upCount: 0 }));
  };
  for (const span of others) {
    const todo = isHere(span) ? [] : [span];
    while (todo.length > 0) {
      const top = todo.at(-1)!;
      const parent = top.rank > 0 ? others.find(top.up, top.upCount) : undefined;
      if (parent !== undefined && parent !== others.root && !isHere(parent)) {
        todo.push(parent);
        continue;
      }
      addOne(top);
      todo.pop();
    }
    if (span.rank === 0 && spans.find(span.replica, lastOf(span)) !== undefined) settled = [span.replica, lastOf(span)];
  }
  return isNew;
};

/** What the other knows and does not have. Who has everything of a round has its tombstones too: this is for who has lost his data. */
const dropMissing = <Content>(spans: Spans<Content>, others: Spans<Content>, known: Vector): boolean => {
  const missing: [ReplicaId, number, number][] = [];
  for (const { replica, from, length, gone } of spans) {
    if (gone > 0) continue;
    const to = Math.min(from + length - 1, countOf(known, replica));
    const runs = others.byReplica.get(replica) ?? [];
    let next = from;
    for (let at = others.placeOf(replica, from); next <= to && at < runs.length && runs[at]!.from <= to; at++) {
      if (runs[at]!.from > next) missing.push([replica, next, runs[at]!.from - 1]);
      next = lastOf(runs[at]!) + 1;
    }
    if (next <= to) missing.push([replica, next, to]);
  }
  for (const [replica, from, to] of missing) takeAway(spans, replica, from, to, forgotten);
  return missing.length > 0;
};

/** True if anything was new. */
export const join = <Content>(state: SequenceState<Content>, other: SequenceState<Content>): boolean => {
  if (state === other) return false;
  const { vector, spans } = state;
  const isLess = dropMissing(spans, other.spans, other.vector);
  const isMore = add(spans, other.spans, vector);
  let isGone = false;
  for (const { replica, from, gone, ...span } of other.spans)
    if (gone > 0 && takeAway(spans, replica, from, lastOf({ from, length: span.length }), gone)) isGone = true;
  const knowsMore = !covers(vector, other.vector);
  state.vector = raisedToAll(vector, other.vector);
  return isLess || isMore || isGone || knowsMore;
};
