// What rounds do to a sequence: it settles, and forgets what was removed, and nobody reads anything else for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { lengthOf, list, text } from '../../../machines/replicator/sequence.ts';
import { Replica } from './laws.ts';
import { roundLaws } from './round-laws.ts';
import { type Drawn, drawnText, insert, judge, letters, read, remove, replica } from './sequence-drawn.ts';

roundLaws(drawnText, letters, { shown: (read) => read, runs: 200 });

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

  test('what another knows and has forgotten goes, to the last element', () => {
    for (const [rows, left] of [
      [[[0, 1, 'ab']], 'ab'],
      [[[0, 2, 'bc']], 'bc'],
      [
        [
          [0, 1, 'a'],
          [0, 3, 'c'],
        ],
        'ac',
      ],
      [[], ''],
    ] as const) {
      const a = replica('a');
      a.change(insert(0, 'abc'));
      assert.equal(text.join(a.state, text.parse([['a', 3], rows])!), 'changed');
      assert.equal(read(a), left);
    }
  });
});
