import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isUnfit } from '../../../machines/replicator/crdt.ts';
import { replicatorLimits as max } from '../../../machines/replicator/limits.ts';
import { lengthOf, list, sequenceLimits, text } from '../../../machines/replicator/sequence.ts';
import type { SequenceState } from '../../../machines/replicator/sequence-form.ts';
import { lastOf, type Span } from '../../../machines/replicator/sequence-spans.ts';
import type { Plain } from '../../../machines/replicator/types.ts';
import { crdtLaws, Replica } from './laws.ts';
import { roundLaws } from './round-laws.ts';

type Drawn = { type: 'insert'; at: number; content: string } | { type: 'remove'; at: number; count: number };

/** Drawn changes name places that may not be there: the nearest there is. */
const fitted = <Change extends { at: number; count?: number }>(length: number, change: Change): Change => {
  const at = change.at % (length + 1);
  return change.count === undefined ? { ...change, at } : { ...change, at, count: Math.min(change.count, length - at) };
};

/** `text`, of which every drawn change fits. */
const drawnText: typeof text = {
  ...text,
  change: (state, change, author) => text.change(state, fitted(lengthOf(state), change), author),
};
const drawnList: typeof list = {
  ...list,
  change: (state, change, author) => list.change(state, fitted(lengthOf(state), change), author),
};

const at = fc.nat(12);
const removal = fc.record({ type: fc.constant('remove' as const), at, count: fc.integer({ min: 1, max: 4 }) });
const insertion = fc.record({ type: fc.constant('insert' as const), at, content: fc.string({ minLength: 1, maxLength: 3 }) });
const change: fc.Arbitrary<Drawn> = fc.oneof({ weight: 3, arbitrary: insertion }, { weight: 2, arbitrary: removal });
const letters: fc.Arbitrary<Drawn> = fc.oneof(
  fc.record({ type: fc.constant('insert' as const), at, content: fc.constantFrom('x', 'yz') }),
  removal,
);

/** What its look-ups rely on. */
const judge = <Content>({ spans, vector }: SequenceState<Content>): void => {
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

crdtLaws(drawnText, change, { judge });
crdtLaws(
  drawnList,
  fc.oneof(
    removal,
    fc.record({ type: fc.constant('insert' as const), at, content: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }) }),
  ),
  { judge, runs: 60 },
);
roundLaws(drawnText, letters, { shown: (read) => read, runs: 500 });

const insert = (index: number, content: string) => ({ type: 'insert' as const, at: index, content });
const remove = (index: number, count: number) => ({ type: 'remove' as const, at: index, count });
const replica = (name: string) => new Replica(text, name);
const read = ({ state }: { state: SequenceState<string> }): string => text.read(state);
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

type Phase = {
  steps: ({ do: 'edit'; by: number; change: Drawn } | { do: 'hear'; by: number; which: number })[];
  /** Of each replica: whether it is a round behind in this phase; whether it collects. */
  behind: boolean[];
  collects: boolean[];
};

/**
 * Three replicas, each with a twin that hears the same and never settles anything. In phase p everything of the rounds up to p - 2 is
 * everywhere and all are in round p or p - 1, which is all that rounds promise.
 */
const live = (phases: readonly Phase[]): void => {
  const all = ['a', 'b', 'c'].map((name) => [new Replica(drawnText, name), new Replica(drawnText, name)] as const);
  const made: { delta: unknown; round: number; lacking: Set<number> }[] = [];
  const hear = (by: number, one: (typeof made)[number]): void => {
    const heard = all[by]!.map((replica) => replica.hear(one.delta));
    assert.equal(heard[0] === 'gap', heard[1] === 'gap');
    if (heard[0] !== 'gap') one.lacking.delete(by);
  };
  const agree = (by: number): void => {
    const [self, twin] = all[by]!;
    assert.equal(read(self), read(twin));
    judge(self.state);
    self.copyOf(self.state);
  };
  const meetUpTo = (round: number): void => {
    for (const one of made) if (one.round <= round) for (const by of one.lacking) hear(by, one);
    // What still lacks something builds on what is of the next round: as by repair, everything comes.
    if (made.some((one) => one.round <= round && one.lacking.size > 0))
      for (const one of made) for (const by of one.lacking) hear(by, one);
    assert.ok(made.every((one) => one.round > round || one.lacking.size === 0));
  };
  for (const [index, { steps, behind, collects }] of phases.entries()) {
    const phase = index + 2;
    meetUpTo(phase - 2);
    for (const [by, pair] of all.entries()) {
      for (const replica of pair) replica.round = behind[by] ? phase - 1 : phase;
      if (collects[by]) text.collect!(pair[0].state, phase - 2);
    }
    for (const step of steps) {
      const [self, twin] = all[step.by]!;
      if (step.do === 'hear') {
        const open = made.filter(({ lacking }) => lacking.has(step.by));
        if (open.length > 0) hear(step.by, open[step.which % open.length]!);
      } else {
        const delta = self.change(step.change);
        if (delta === null) continue;
        assert.equal(twin.hear(delta), 'changed');
        made.push({ delta, round: self.round, lacking: new Set([0, 1, 2].filter((by) => by !== step.by)) });
      }
      agree(step.by);
    }
  }
  meetUpTo(Number.POSITIVE_INFINITY);
  for (const [by, [self, twin]] of all.entries()) {
    agree(by);
    assert.equal(twin.form, all[0]![1].form);
    text.collect!(self.state, phases.length + 2);
    assert.equal(self.form, all[0]![0].form);
  }
  for (const [self] of all) for (const { delta } of made) assert.equal(self.hear(delta), 'same');
};

test('settled or not, all read the same, in every round', () => {
  const by = fc.nat(2);
  const short: fc.Arbitrary<Drawn> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant('insert' as const), at: fc.nat(5), content: fc.constantFrom('x', 'yz') }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('remove' as const), at: fc.nat(5), count: fc.integer({ min: 1, max: 2 }) }),
    },
  );
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('edit' as const), by, change: short }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('hear' as const), by, which: fc.nat(9) }) },
  );
  const three = fc.array(fc.boolean(), { minLength: 3, maxLength: 3 });
  const phase = fc.record({ steps: fc.array(step, { maxLength: 12 }), behind: three, collects: three });
  fc.assert(fc.property(fc.array(phase, { maxLength: 7 }), live), { numRuns: 300 });
});

describe('what everybody has is settled', () => {
  test('a text that was written and is everywhere is one run without a tree; nothing of a removal is left', () => {
    const [a, b] = [replica('a'), replica('b')];
    for (const word of ['a', 'rose', ' is ']) a.change(insert(lengthOf(a.state), word));
    a.change(remove(1, 4));
    b.join(a);
    b.change(insert(0, 'so '));
    a.join(b);
    assert.equal(text.collect!(a.state, 0), false);
    assert.equal(text.collect!(a.state, 1), true);
    assert.equal(text.collect!(a.state, 2), true);
    assert.equal(text.collect!(a.state, 2), false);
    assert.deepEqual(text.form(a.state), [
      ['a', 9, 'b', 3],
      [
        [1, 1, 'so '],
        [0, 1, 'a'],
        [0, 6, ' is '],
      ],
    ]);
    const fresh = replica('c');
    fresh.join(a);
    assert.equal(fresh.form, a.form);
    judge(fresh.state);
  });

  test('a list that is used as a queue does not grow with what went through it', () => {
    const all = ['a', 'b'].map((name) => new Replica(list, name));
    for (let turn = 0; turn < 200; turn++) {
      const one = all[turn % 2]!;
      one.round = turn + 1;
      one.change({ type: 'insert', at: lengthOf(one.state), content: [turn] });
      if (lengthOf(one.state) > 3) one.change({ type: 'remove', at: 0, count: 1 });
      const other = all[(turn + 1) % 2]!;
      other.join(one);
      for (const each of all) list.collect!(each.state, turn);
    }
    assert.deepEqual(list.read(all[0]!.state), [197, 198, 199]);
    assert.ok([...all[0]!.state.spans].length <= 6, `${[...all[0]!.state.spans].length} spans`);
    assert.equal(all[0]!.form, all[1]!.form);
  });

  test('who has lost his data and has written since gets back what there was', () => {
    const [a, b] = [replica('a'), replica('b')];
    a.change(insert(0, 'kept dropped'));
    const lost = replica('c');
    lost.change(insert(0, 'mine '));
    a.change(remove(4, 8));
    text.collect!(a.state, 2);
    lost.join(a);
    a.join(lost);
    b.join(a);
    assert.equal(read(lost).length, 9);
    assert.ok(read(lost).includes('kept') && read(lost).includes('mine '));
    judge(lost.state);
  });
});

test('a tree may be as deep as its text is long, and an element have any number of children', () => {
  const all = [replica('a'), replica('b')];
  const rows: unknown[] = Array.from({ length: 6_000 }, (_, at) => {
    const up = at === 0 ? [-1, 0] : [(at + 1) % 2, 1 + ((at - 1) >> 1)];
    return [at % 2, 1 + (at >> 1), 'x', 1, 1, ...up];
  });
  const deep = text.parse([['a', 3_000, 'b', 3_000], rows]);
  for (const { state } of all) text.join(state, deep!);
  for (let times = 0; times < 500; times++) {
    const delta = all[times % 2]!.change(times % 5 === 4 ? remove(3, 1) : insert(3, 'y'));
    assert.equal(all[1 - (times % 2)]!.hear(delta), 'changed');
  }
  const wide = replica('c');
  for (let times = 1; times <= 3_000; times++) {
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
