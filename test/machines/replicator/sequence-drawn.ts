// Drawn edits of a sequence, and what must hold of any state after any of them.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { lengthOf, list, text } from '../../../machines/replicator/sequence.ts';
import type { SequenceState } from '../../../machines/replicator/sequence-form.ts';
import { lastOf, type Span } from '../../../machines/replicator/sequence-spans.ts';
import { Replica } from './laws.ts';

export type Drawn = { type: 'insert'; at: number; content: string } | { type: 'remove'; at: number; count: number };

/** Drawn changes name places that may not be there: the nearest there is. */
export const fitted = <Change extends { at: number | 'end'; count?: number }>(length: number, change: Change): Change => {
  const at = change.at === 'end' ? length : change.at % (length + 1);
  return change.count === undefined ? { ...change, at } : { ...change, at, count: Math.min(change.count, length - at) };
};

/** `text`, of which every drawn change fits. */
export const drawnText: typeof text = {
  ...text,
  change: (state, change, author) => text.change(state, fitted(lengthOf(state), change), author),
};
export const drawnList: typeof list = {
  ...list,
  change: (state, change, author) => list.change(state, fitted(lengthOf(state), change), author),
};

export const at = fc.nat(12);
export const removal = fc.record({ type: fc.constant('remove' as const), at, count: fc.integer({ min: 1, max: 4 }) });
export const insertion = fc.record({
  type: fc.constant('insert' as const),
  at,
  content: fc.string({ minLength: 1, maxLength: 3 }),
});
export const change: fc.Arbitrary<Drawn> = fc.oneof({ weight: 3, arbitrary: insertion }, { weight: 2, arbitrary: removal });
export const letters: fc.Arbitrary<Drawn> = fc.oneof(
  fc.record({ type: fc.constant('insert' as const), at, content: fc.constantFrom('x', 'yz') }),
  removal,
);

/** What its look-ups rely on. */
export const judge = <Content>({ spans, vector }: SequenceState<Content>): void => {
  const all: Span<Content>[] = [...spans];
  let living = 0;
  for (const [place, span] of all.entries()) {
    assert.equal(spans.find(span.replica, span.from), span);
    assert.equal(spans.find(span.replica, lastOf(span)), span);
    assert.equal(spans.next(span), all[place + 1]);
    assert.equal(
      spans.nextLiving(span),
      all.slice(place + 1).find(({ content }) => content !== null),
    );
    if (span.content === null) continue;
    assert.equal(spans.units.lengthOf(span.content), span.length);
    for (let offset = 0; offset < span.length; offset++) assert.deepEqual(spans.at(living + offset), [span, offset]);
    living += span.length;
  }
  assert.equal(spans.living, living);
  assert.ok(vector.length > 0 || all.length === 0);
};

export const insert = (index: number, content: string) => ({ type: 'insert' as const, at: index, content });
export const remove = (index: number, count: number) => ({ type: 'remove' as const, at: index, count });
export const replica = (name: string) => new Replica(text, name);
export const read = ({ state }: { state: SequenceState<string> }): string => text.read(state);
