// The judges of replicated data see what they should: each promise broken by hand is named, and what is right is let pass. That they see
// it in a cluster too is what mutants prove (test/mutants/bugs/replicas.ts).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { change, createObjects, findObject, replicatedTypes } from '../../machines/replicator/index.ts';
import { assertCommutes, runSeed } from '../../sim/index.ts';
import { type Made, ObjectJudge, type Outcome } from '../../sim/replica/judge.ts';
import type { View } from '../../sim/replica/kind.ts';
import { kinds } from '../../sim/replica/replicas.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

const kindOf = (type: string) => kinds.find((kind) => kind.type === type)!;

/** A judge, and what is told to it in few words; node, disk and incarnation bear one name unless another is given. */
const judging = (type: string, excused: readonly string[] = []) => {
  const judge = new ObjectJudge(kindOf(type), 'k', ({ keeper }) => excused.includes(keeper));
  let number = 0;
  return {
    judge,
    made(node: string, adds: View, takes: View = [], outcome: Outcome = 'acknowledged', after: View = adds): Made {
      const made: Made = {
        ...{ number: number++, atMs: number, node, keeper: node, incarnation: `${node}#1`, adds, takes, after },
        ...{ outcome, answeredMs: number },
      };
      judge.made(made);
      return made;
    },
    reads: (node: string, view: View, incarnation = `${node}#1`) => judge.whyNot({ node, keeper: node, incarnation, view }),
    ends: (view: View) => judge.whyNotInTheEnd(view),
  };
};

describe('whoever reads', () => {
  test('sees nothing that nobody put there, nothing that was not done, and nothing twice', () => {
    const { made, reads } = judging('text');
    made('a', ['x'], [], 'not done');
    made('a', ['y']);
    assert.equal(reads('b', ['y']), null);
    assert.match(reads('b', ['z', 'y'])!, /b shows z, which nobody put there/);
    assert.match(reads('b', ['x'])!, /b shows x of change 0 at a/);
    assert.match(reads('b', ['y', 'y'])!, /b shows something twice/);
  });

  test('has what was acknowledged on his own disk, and all that this process made', () => {
    const { made, reads } = judging('or-set');
    made('a', ['1']);
    made('a', ['2'], [], 'unknown');
    assert.equal(reads('b', []), null);
    assert.match(reads('a', ['2'])!, /a has lost 1 of change 0/);
    assert.match(reads('a', ['1'])!, /a has lost 2/);
    assert.equal(reads('a', ['1'], 'a#2'), null);
    assert.match(reads('a', [], 'a#2')!, /a has lost 1/);
  });

  test('does not see again what went with a change of his own disk, or what he has seen go', () => {
    const { made, reads } = judging('or-set');
    made('b', ['1']);
    made('b', ['2']);
    made('a', [], ['1']);
    assert.match(reads('a', ['1'])!, /a shows 1 again, which went with change 2/);
    assert.equal(reads('c', ['1', '2']), null);
    assert.equal(reads('c', []), null);
    assert.match(reads('c', ['2'])!, /c shows 2 again, which it had seen go/);
    assert.equal(reads('c', ['2'], 'c#2'), null);
  });
});

describe('in the end', () => {
  test('what was acknowledged is there, unless somebody took it who saw it, or its disk was lost', () => {
    const { made, ends } = judging('or-set', ['lost']);
    made('a', ['1']);
    made('a', ['2'], [], 'unknown');
    made('lost', ['3']);
    made('a', ['4']);
    made('b', [], ['4'], 'unknown');
    assert.equal(ends(['1']), null);
    assert.equal(ends(['1', '2', '3', '4']), null);
    assert.match(ends(['2'])!, /all have lost 1 of change 0/);
  });

  test('what somebody took away who saw it is gone, unless nobody may know of that', () => {
    const { made, ends } = judging('register', ['lost']);
    made('a', ['=1']);
    made('b', ['=2'], ['=1']);
    made('lost', [], ['=2']);
    assert.equal(ends(['=2']), null);
    assert.match(ends(['=1', '=2'])!, /all show =1 again, which went with change 1/);
  });

  test('a last writer loses to one that knew nothing of him, and to no other', () => {
    const { made, ends } = judging('lww-map');
    made('a', ['k=1']);
    made('a', ['k=2'], ['k=1']);
    made('b', ['k=3']);
    made('b', ['l=4']);
    assert.equal(ends(['k=2', 'l=4']), null);
    assert.equal(ends(['k=3', 'l=4']), null);
    assert.match(ends(['k=1', 'l=4'])!, /all show k=1 again/);
    assert.match(ends(['k=3'])!, /all have lost l=4/);
    made('c', [], ['l=4']);
    assert.equal(ends(['k=3']), null);
  });

  test('a flag shows the side that wins, if nobody overruled it, and not if all who chose it were overruled', () => {
    const [on, off] = [judging('flag'), judging('disable-wins-flag')];
    on.made('a', [], [], 'acknowledged', ['~on']);
    on.made('b', [], [], 'acknowledged', []);
    assert.equal(on.ends(['~on']), null);
    assert.equal(on.ends([]), null, 'the second may have known of the first');
    on.made('a', [], [], 'acknowledged', []);
    assert.match(on.ends(['~on'])!, /every change to that was overruled/);
    on.made('c', [], [], 'acknowledged', ['~on']);
    assert.match(on.ends([])!, /nobody overruled change 3/);
    assert.match(off.ends(['~on']) ?? 'null', /null/, 'nobody has said anything');
    off.made('a', [], [], 'acknowledged', ['~on']);
    assert.match(off.ends([])!, /every change to that was overruled/);
  });

  test('a sequence has one order for all who ever read it', () => {
    const { made, reads, ends } = judging('list');
    for (const token of ['1', '2', '3']) made('a', [token]);
    assert.equal(reads('b', ['1', '2']), null);
    assert.equal(reads('c', ['2', '3']), null);
    assert.equal(ends(['1', '2', '3']), null);
    assert.equal(reads('d', ['3', '1']), null);
    assert.match(ends(['1', '2', '3'])!, /not all have read one order of/);
  });
});

describe('what clients expect of a change is what it does on one machine', () => {
  for (const kind of kinds)
    test(kind.type, () => {
      const chance = new World(7, new Trace()).chance('kinds');
      const objects = createObjects('a', replicatedTypes);
      let fresh = 0;
      for (let at = 0; at < Math.min(300, kind.changesMax); at++) {
        const read = (): unknown => {
          const object = findObject(objects, kind.type, 'k');
          return object === undefined ? undefined : object.type.read(object.state);
        };
        const drawn = kind.draw(chance, kind.viewOf(read()), () => fresh++);
        const changed = change(objects, 1_000_000 + at, kind.type, 'k', drawn.change);
        assert.ok(changed.ok, changed.ok ? '' : changed.failure.message);
        assert.deepEqual(kind.viewOf(read()), drawn.after, JSON.stringify(drawn.change));
      }
    });
});

describe('a strategy of one’s own', () => {
  test('that is pure and commutes passes', () => {
    assertCommutes((siblings) => [...siblings].map(String).sort(), ['b', 'a', 'c'], [1, 2]);
    assertCommutes((siblings) => Math.max(...(siblings as number[])), [3, 1, 2, 9, 8, 7, 6]);
  });

  test('that does not is refused, with siblings that show it', () => {
    assert.throws(() => assertCommutes(([first]) => first!, ['a', 'b']), /says "a" of \["a","b"\], and "b" of \["b","a"\]/);
    assert.throws(() => assertCommutes((siblings) => [...siblings], [1, 2, 3, 4, 5, 6, 7]), /says \[1,2/);
    let calls = 0;
    assert.throws(() => assertCommutes(() => calls++, [1, 1]), /does not always say the same/);
    assert.throws(() => assertCommutes((siblings) => (siblings as unknown[]).push(1), [[1], [2]]), /./);
    assert.throws(() => assertCommutes(([first]) => Object.assign(first as object, { x: 1 }) as never, [{}, {}]), /throws/);
  });
});

test('a seed with replicated data is the same run again', () => {
  const [first, again] = [1, 2].map(() => runSeed(3, { scenario: 'replica', timeMs: 1_000, nodes: 2 }));
  assert.equal(first!.verdict, 'held', first!.reason);
  assert.equal(again!.hash, first!.hash);
});
