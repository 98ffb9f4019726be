import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { replicatorLimits as max } from '../../../machines/replicator/limits.ts';
import { lengthOf, list, sequenceLimits, text } from '../../../machines/replicator/sequence.ts';
import type { SequenceState } from '../../../machines/replicator/sequence-form.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';
import { at, change, drawnList, drawnText, insert, judge, letters, read, removal, remove, replica } from './sequence-drawn.ts';

crdtLaws(drawnText, change, { judge, runs: 150 });
crdtLaws(
  drawnList,
  fc.oneof(
    removal,
    fc.record({ type: fc.constant('insert' as const), at, content: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }) }),
  ),
  { judge, runs: 60 },
);

const meet = (...all: ReturnType<typeof replica>[]): void => {
  for (let times = 0; times < 2; times++) for (const one of all) for (const other of all) if (one !== other) one.join(other);
};

describe('what is meant stays', () => {
  test('a text, edited', () => {
    const a = replica('a');
    a.change(insert(0, 'hello'));
    a.change(insert(5, ' wrld'));
    a.change(insert(7, 'o'));
    assert.equal(read(a), 'hello world');
    a.change(remove(0, 6));
    assert.equal(read(a), 'world');
    assert.equal(lengthOf(a.state), 5);
    assert.equal(a.change(remove(2, 0)), null);
  });

  test('runs typed at the same time in one place do not mix, typed forwards or backwards, before, behind, between', () => {
    for (const around of ['', '[]'])
      for (const backwards of [[], ['a'], ['a', 'b'], ['a', 'b', 'c']]) {
        const all = ['a', 'b', 'c'].map(replica);
        if (around !== '') all[0]!.change(insert(0, around));
        meet(...all);
        const start = around.length / 2;
        for (let times = 0; times < 5; times++)
          for (const one of all) {
            const name = one.author.replica;
            one.round = 1 + (times >> 1);
            one.change(insert(backwards.includes(name) ? start : start + times, name));
          }
        meet(...all);
        assert.equal(read(all[0]!).replace(/(.)\1+/g, '$1').length, 3 + around.length, read(all[0]!));
        if (around !== '') assert.match(read(all[0]!), /^\[\w{15}]$/);
        assert.equal(new Set(all.map(read)).size, 1);
      }
  });

  test('what is put between two neighbours stays between them, whatever others do at the same time', () => {
    fc.assert(
      fc.property(
        fc.array(letters, { maxLength: 8 }),
        fc.array(letters, { maxLength: 12 }),
        fc.nat(20),
        (before, others, index) => {
          const [a, b] = [new Replica(drawnText, 'a'), new Replica(drawnText, 'b')];
          for (const one of before) a.change(one);
          b.join(a);
          for (const one of others) b.change(one);
          const length = lengthOf(a.state);
          const where = index % (length + 1);
          const [left, right] = [
            where === 0 ? null : dotAt(a.state, where - 1),
            where === length ? null : dotAt(a.state, where),
          ];
          a.change(insert(where, '#'));
          const mine = dotAt(a.state, where);
          a.join(b);
          const order = dotsOf(a.state);
          if (left !== null) assert.ok(order.indexOf(left) < order.indexOf(mine));
          if (right !== null) assert.ok(order.indexOf(mine) < order.indexOf(right));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('what others put into what is removed stays', () => {
    const [a, b] = [replica('a'), replica('b')];
    a.change(insert(0, 'one two three'));
    b.join(a);
    a.change(remove(3, 10));
    b.change(insert(7, '!'));
    meet(a, b);
    assert.equal(read(a), 'one!');
    assert.equal(read(b), 'one!');
  });
});

const dotsOf = ({ spans }: SequenceState<string>, isLiving = false): string[] =>
  [...spans]
    .filter(({ content }) => !isLiving || content !== null)
    .flatMap((span) => Array.from({ length: span.length }, (_, offset) => `${span.replica} ${span.from + offset}`));
const dotAt = (state: SequenceState<string>, index: number): string => dotsOf(state, true)[index]!;

test('a long text is like a plain string that is edited in the same way', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1 << 20), fc.integer({ min: -3, max: 3 })), { minLength: 300, maxLength: 600 }),
      (edits) => {
        const [a, b] = [replica('a'), replica('b')];
        let twin = '';
        for (const [where, size] of edits) {
          const index = where % (twin.length + 1);
          const content = 'abcdef'.slice(0, size);
          if (size > 0) {
            twin = twin.slice(0, index) + content + twin.slice(index);
            b.hear(a.change(insert(index, content)));
          } else {
            const count = Math.min(-size, twin.length - index);
            twin = twin.slice(0, index) + twin.slice(index + count);
            const delta = a.change(remove(index, count));
            if (delta !== null) b.hear(delta);
          }
        }
        judge(a.state);
        assert.equal(read(a), twin);
        assert.equal(read(b), twin);
        assert.equal(a.form, b.form);
        assert.equal(lengthOf(a.state), twin.length);
      },
    ),
    { numRuns: 10 },
  );
});

test('a tree may be as deep as its text is long, and an element have any number of children', () => {
  const all = [replica('a'), replica('b')];
  const rows: unknown[] = Array.from({ length: 3_000 }, (_, at) => {
    const up = at === 0 ? [-1, 0] : [(at + 1) % 2, 1 + ((at - 1) >> 1)];
    return [at % 2, 1 + (at >> 1), 'x', 1, 1, ...up];
  });
  const deep = text.parse([['a', 1_500, 'b', 1_500], rows]);
  for (const { state } of all) text.join(state, deep!);
  for (let times = 0; times < 300; times++) {
    const delta = all[times % 2]!.change(times % 5 === 4 ? remove(3, 1) : insert(3, 'y'));
    assert.equal(all[1 - (times % 2)]!.hear(delta), 'changed');
  }
  const wide = replica('c');
  for (let times = 1; times <= 1_000; times++) {
    const content = wide.change(insert(0, 'z'));
    assert.notEqual(content, null);
    wide.change(remove(0, 1));
  }
  for (const one of all) one.join(wide);
  for (const one of all) judge(one.copyOf(one.state));
  assert.equal(all[0]!.form, all[1]!.form);
});

describe('a character is never halved', () => {
  test('here', () => {
    const a = replica('a');
    a.change(insert(0, '😀b😀'));
    for (const bad of [insert(1, 'x'), remove(0, 1), remove(1, 1), remove(2, 2), insert(4, 'x')])
      assert.deepEqual(text.change(a.state, bad, a.author), { unfit: 'would cut a character in half' }, JSON.stringify(bad));
    a.change(remove(0, 2));
    a.change(insert(1, 'x'));
    assert.equal(read(a), 'bx😀');
    assert.ok(isUnfit(text.parseChange(insert(0, '\ud83d'))));
  });

  test('nor by others: what aims between its halves hits all of it', () => {
    const a = replica('a');
    a.change(insert(0, '😀b😀'));
    assert.equal(a.hear(['A', 1, 1, 1, 'a', 1, 'x']), 'changed');
    assert.equal(a.hear(['A', 2, 1, 0, 'a', 5, 'y']), 'changed');
    assert.equal(read(a), '😀xby😀');
    assert.equal(a.hear([1, ['a', 2, 4]]), 'changed');
    assert.equal(read(a), 'xy');
    a.copyOf(a.state);
  });
});

test('an insert at the end needs no length, and is told as one in a place', () => {
  const [a, b] = [replica('a'), replica('b')];
  const atEnd = (content: string) => ({ type: 'insert' as const, at: 'end' as const, content });
  assert.deepEqual(text.parseChange(atEnd('x')), atEnd('x'));
  for (const content of ['ab', 'c']) b.hear(a.change(atEnd(content)));
  assert.deepEqual([read(a), read(b)], ['abc', 'abc']);
  assert.ok(isUnfit(text.parseChange({ type: 'remove', at: 'end', count: 1 })));
});

describe('what is refused', () => {
  test('changes, in words', () => {
    for (const given of [
      ...[null, 7, {}, { type: 'set', at: 0 }, { type: 'insert', at: -1, content: 'x' }, insert(0.5, 'x'), insert(0, '')],
      ...[{ type: 'insert', at: 0, content: 7 }, { type: 'remove', at: 0 }, remove(0, -1), remove(0, Number.POSITIVE_INFINITY)],
      insert(0, 'x'.repeat(sequenceLimits.insertMax + 1)),
    ])
      assert.ok(isUnfit(text.parseChange(given)), JSON.stringify(given)?.slice(0, 60));
    const values = (content: Plain) => ({ type: 'insert', at: 0, content });
    for (const given of ['x', [], [undefined], ['x'.repeat(max.valueBytesMax)]])
      assert.ok(isUnfit(list.parseChange(values(given as Plain))));
    assert.deepEqual(list.parseChange(values([[1]])), values([[1]]));
    const a = replica('a');
    a.change(insert(0, 'abc'));
    assert.deepEqual(text.change(a.state, insert(4, 'x'), a.author), { unfit: 'begins at 4 of 3' });
    assert.deepEqual(text.change(a.state, remove(2, 2), a.author), { unfit: 'ends at 4 of 3' });
    a.state.spans.living = max.elementsMax;
    assert.ok(isUnfit(text.change(a.state, insert(0, 'x'), a.author)));
  });

  test('deltas that are none', () => {
    for (const given of [
      ...[[], [1], ['a'], [0, ['a', 1, 1]], [1, ['a', 2, 1]], [1, ['a', 0, 1]], [1, []], [1, ['a', 1, 3], ['a', 3, 4]]],
      ...[
        ['a', 1, 1, 0, '', 0, 'x'],
        ['a', 1, 1, 2, 'b', 1, 'x'],
        ['a', 1, 1, 1, 'a', 1, 'x'],
        ['a', 1, 1, 1, 'b', 0, 'x'],
      ],
      ...[
        ['a', 0, 1, 1, '', 0, 'x'],
        ['a', 1, 0, 1, '', 0, 'x'],
        ['a', 1, 1, 1, '', 0, ''],
        ['a', 1, 1, 1, '', 0, '\ud800'],
      ],
      ['a', Number.MAX_SAFE_INTEGER, 1, 1, '', 0, 'xx'],
    ])
      assert.equal(text.parseDelta(given), null, JSON.stringify(given));
    const a = replica('a');
    assert.equal(a.hear(['b', 2, 1, 1, '', 0, 'x']), 'gap');
    assert.equal(a.hear(['b', 1, 1, 1, 'c', 1, 'x']), 'gap');
    assert.equal(a.hear([1, ['c', 1, 2 ** 50]]), 'gap');
  });

  test('states whose tree is none', () => {
    const vector = ['a', 4, 'b', 4];
    const root = [-1, 0];
    assert.notEqual(
      text.parse([
        vector,
        [
          [0, 1, 'ab', 1, 1, ...root],
          [1, 1, 'x', 1, 1, 0, 2],
        ],
      ]),
      null,
    );
    for (const rows of [
      [[0, 1, 'abcde']],
      [
        [0, 1, 'ab'],
        [0, 2, 'b'],
      ],
      [[2, 1, 'ab']],
      [[0, 1, 2 ** 52, 1]],
      [[0, 1, 2, 0]],
      [[0, 1, 'ab', 1, 0, ...root]],
      [[0, 1, 'ab', 1, 1, 0, 2]],
      [
        [0, 1, 'ab', 1, 1, 1, 1],
        [1, 1, 'x', 1, 1, 0, 2],
      ],
      [
        [0, 1, 'ab', 1, 1, ...root],
        [1, 1, 'x', 1, 1, 0, 1],
      ],
      [
        [0, 1, 'ab', 2, 1, ...root],
        [1, 1, 'x', 1, 1, 0, 2],
      ],
      [
        [1, 1, 'x', 1, 1, 0, 2],
        [0, 1, 'ab', 1, 1, ...root],
      ],
      [
        [1, 1, 'x', 1, 1, ...root],
        [0, 1, 'ab', 1, 1, ...root],
      ],
    ])
      assert.equal(text.parse([vector, rows]), null, JSON.stringify(rows));
  });
});
