// The judges of actors see what they should: each promise broken by hand is named, and what is right is let pass. That they see it in a
// cluster too is what mutants prove (test/mutants/bugs/actors.ts).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ActorExecution } from '../../actors/actor-api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { type ErrorCode, failure } from '../../machines/errors.ts';
import type { FencingToken } from '../../machines/register/types.ts';
import { Fences } from '../../sim/actors/fences.ts';
import { ActorsJudge, type Ask, type Op } from '../../sim/actors/judge.ts';
import { type Book, emptyBook } from '../../sim/actors/logic.ts';
import type { Plan } from '../../sim/actors/plan.ts';
import { runSeed } from '../../sim/index.ts';
import type { SimulatedNode } from '../../sim/node.ts';

const bookA = { type: 'book', key: 'a', node: null };
const gaugeA = { type: 'gauge', key: 'a', node: null };
const judging = () => {
  let nowMs = 0;
  const judge = new ActorsJudge(() => nowMs);
  const plan = (more: Partial<Plan> = {}): Plan => ({
    ...{ kind: 'note', address: bookA, ms: 1_000, to: null, isAsked: true, againMs: null, timeoutMs: 300, cancelAfterMs: null },
    ...more,
  });
  const wants = (more: Partial<Plan> = {}): Op => judge.wants(plan(more), null);
  const ends = (op: Op, how: ErrorCode | number, ask: Ask = judge.begins(op, 'n1#1', nowMs + 300)): Ask => {
    judge.ends(ask, typeof how === 'string' ? { ok: false, failure: failure(how, '') } : { ok: true, value: how });
    return ask;
  };
  return {
    ...{ judge, wants, ends },
    passes: (ms: number) => {
      nowMs += ms;
    },
    acts: (as: string, n: number, effectId: string) => {
      const execution: ActorExecution = { address: bookA, token: { term: 1, index: 1 }, effectId };
      judge.acts(as, n, execution, 'n1#1');
    },
    isOver(book: Partial<Book>) {
      judge.judgeTheEnd(new Map([['book/a', { ...emptyBook, ...book }]]), () => false);
      return judge.violation;
    },
  };
};

describe('requests', () => {
  test('end once and in time, and know of their event', () => {
    const twice = judging();
    const op = twice.wants();
    twice.ends(op, 0, twice.ends(op, 0));
    assert.match(twice.judge.violation!, /^an ask ends once: note 0 to book\/a by n1#1/);
    const late = judging();
    late.judge.begins(late.wants(), 'n1#1', 300);
    late.passes(500);
    late.judge.late(100, () => 450);
    assert.equal(late.judge.violation, null, 'its process was paused');
    late.judge.late(100, () => 0);
    assert.match(late.judge.violation!, /^an ask ends in time/);
    const unknown = judging();
    unknown.ends(unknown.wants(), -1);
    assert.match(unknown.judge.violation!, /^an answer knows of its event/);
  });

  test('have one order', () => {
    const { judge, wants, ends } = judging();
    const beside = wants();
    const early = judge.begins(beside, 'n2#1', 300);
    ends(wants(), 3);
    ends(beside, 2, early);
    assert.equal(judge.violation, null, 'it was asked before the other was answered');
    ends(wants(), 1);
    assert.match(judge.violation!, /^events have one order: note 2 .* stands at 1, and before it was asked 3 was told/);
  });

  test('are answered as at first when they are asked again, as long as that is known', () => {
    for (const [place, why] of [
      [0, null],
      [1, /^an answer is of its event: note 0 to book\/a by n1#1 at 0 ms, ended ok is told 1 and stands at 0/],
      [32, null],
    ] as const) {
      const { wants, ends, isOver } = judging();
      const op = wants({ againMs: 100 });
      ends(op, 0);
      ends(op, place);
      const others = Array.from({ length: 32 }, () => wants().n);
      const violation = isOver({ notes: [op.n, ...others] });
      if (why === null) assert.equal(violation, null);
      else assert.match(violation!, why);
    }
  });

  test('are not lost, not there twice, and not there if that was said', () => {
    const lost = judging();
    lost.ends(lost.wants(), 0);
    assert.match(lost.isOver({})!, /^no acknowledged event is lost: note 0 to book\/a/);
    const twice = judging();
    twice.ends(twice.wants(), 0);
    assert.match(twice.isOver({ notes: [0, 0] })!, /^none twice: note 0 to book\/a stands there 2 times/);
    const denied = judging();
    denied.ends(denied.wants(), 'DEADLINE_EXCEEDED');
    assert.match(denied.isOver({ notes: [0] })!, /^a definite failure did nothing/);
    const unknown = judging();
    unknown.ends(unknown.wants(), 'OUTCOME_UNKNOWN');
    assert.equal(unknown.isOver({ notes: [0] }), null);
    const threw = judging();
    threw.ends(threw.wants({ kind: 'boom' }), 'ACTOR_FAILED');
    assert.match(threw.isOver({ notes: [0] })!, /^what throws changes nothing/);
  });

  test('to one in memory alone are handled at most once, and surely if that was said', () => {
    const unheard = judging();
    unheard.ends(unheard.wants({ address: gaugeA }), 0);
    assert.match(unheard.judge.violation!, /^no acknowledged event is lost: .* no turn handled it/);
    const twice = judging();
    const op = twice.wants({ address: gaugeA });
    twice.judge.begins(op, 'n1#1', 300);
    for (const life of ['n2#1', 'n3#1']) twice.judge.turned(op.n, life);
    assert.match(twice.judge.violation!, /^none twice: note 0 to gauge\/a by n3#1, 2 times/);
    const denied = judging();
    const other = denied.wants({ address: gaugeA });
    denied.ends(other, 'NOT_READY');
    denied.judge.turned(other.n, 'n2#1');
    assert.match(denied.judge.violation!, /^a definite failure did nothing/);
  });
});

describe('effects and timers', () => {
  test('come after commit, mean one thing, and belong to an event', () => {
    const early = judging();
    early.wants({ kind: 'act' });
    early.acts('act', 0, 'kv.7.0');
    assert.match(early.judge.violation!, /^no effect before commit/);
    const other = judging();
    for (let n = 0; n < 2; n++) other.wants({ kind: 'act' });
    other.judge.applied('kv', { index: 7, timeMs: 0, term: 1 });
    for (const n of [0, 0]) other.acts('act', n, 'kv.7.0');
    assert.equal(other.judge.violation, null, 'at least once');
    other.acts('act', 1, 'kv.7.0');
    assert.match(other.judge.violation!, /^an effect id means one thing: act 1 .* which was act 0/);
    const twice = judging();
    twice.wants({ kind: 'act' });
    for (const index of [7, 8]) {
      twice.judge.applied('kv', { index: index, timeMs: 0, term: 1 });
      twice.acts('act', 0, `kv.${index}.0`);
    }
    assert.match(twice.judge.violation!, /^none twice: act 0 of book\/a by n1#1 under kv\.8\.0, and before under kv\.7\.0/);
    const alone = judging();
    alone.wants({ kind: 'act' });
    alone.judge.applied('kv', { index: 7, timeMs: 0, term: 1 });
    alone.acts('act', 0, 'kv.7.0');
    assert.match(alone.isOver({})!, /^no effect without its event/);
  });

  test('timers fire once for each setting, not before their instant, and all that were set', () => {
    const timed = (afterMs: number) => {
      const world = judging();
      world.wants({ kind: 'wait', ms: 1_000 });
      world.judge.applied('kv', { index: 7, timeMs: 5_000, term: 1 });
      world.judge.applied('kv', { index: 9, timeMs: 5_000 + afterMs, term: 1 });
      world.acts('armed', 0, 'kv.7.0');
      world.acts('rang', 0, 'kv.9.0');
      return world;
    };
    assert.match(timed(999).judge.violation!, /^no timer fires early: that of 0 at book\/a, set for 1000 ms, after 999/);
    assert.equal(timed(1_000).isOver({ notes: [0], waits: [0], rang: [0] }), null);
    assert.match(timed(1_000).isOver({ notes: [0], waits: [0], rang: [0, 0] })!, /^none twice: rang 0/);
    assert.match(timed(1_000).isOver({ notes: [0], waits: [0], rang: [0], cleared: [0] })!, /^no timer fires that was cleared/);
    const book = { ...emptyBook, notes: [0], waits: [0], value: 'dark' };
    assert.match(timed(1_000).judge.whyNotSettled('book/a', book, () => false)!, /^the timer of 0 has not rung/);
  });

  test('what is got once more is excused where it was told by one of a node that was made again', () => {
    const gotTwice = (of: ActorAddress) => {
      const world = judging();
      world.wants({ kind: 'pass', address: of, to: bookA });
      return world.isOver({ got: [0, 0] });
    };
    assert.equal(gotTwice({ type: 'diary', key: 'mortal', node: 'n1' }), null);
    assert.match(gotTwice({ type: 'diary', key: 'd', node: 'n1' })!, /^none twice: got 0 of book\/a/);
    assert.match(gotTwice({ type: 'book', key: 'mortal', node: null })!, /^none twice: got 0 of book\/a/);
  });

  test('what was under way when a leader was lost goes by its rule', () => {
    const tried = (kind: 'try' | 'wonder' | 'call') => {
      const world = judging();
      world.wants({ kind });
      for (const [index, term] of [
        [7, 1],
        [8, 1],
        [9, 2],
      ] as const)
        world.judge.applied('kv', { index, timeMs: 0, term });
      world.acts('tried', 0, 'kv.7.0');
      return world;
    };
    const again = tried('try');
    for (let times = 0; times < 2; times++) again.acts('attempt', 0, 'kv.7.1');
    assert.match(again.judge.violation!, /^what is not to be retried is begun once: attempt 0 .* 2 times/);
    const early = tried('try');
    early.acts('failed', 0, 'kv.8.0');
    assert.match(
      early.judge.violation!,
      /^nothing is interrupted without cause: 0 of book\/a is failed in term 1, and was begun in 1/,
    );
    const swapped = tried('wonder');
    swapped.acts('failed', 0, 'kv.9.0');
    assert.match(swapped.judge.violation!, /^who is interrupted is treated by his rule: wonder 0 of book\/a is failed/);
    const good = tried('try');
    good.acts('failed', 0, 'kv.9.0');
    assert.equal(good.isOver({ notes: [0], failed: [0] }), null);
    assert.match(tried('try').isOver({ notes: [0], failed: [0], home: [0] })!, /^what failed has no answer/);
    assert.match(tried('call').isOver({ notes: [0], failed: [0] })!, /^nothing comes of nothing: failed 0/);
    assert.match(tried('wonder').isOver({ notes: [0], asked: [0, 0] })!, /^none twice: asked 0/);
    const open = { ...emptyBook, notes: [0], value: 'dark' };
    assert.match(tried('try').judge.whyNotSettled('book/a', open, () => false)!, /^the attempt of 0 has no end/);
    assert.match(tried('wonder').judge.whyNotSettled('book/a', open, () => false)!, /^the question of 0 has no answer/);
  });

  test('what an actor began comes to its end', () => {
    for (const [kind, why] of [
      ['act', /^act 0 was not done/],
      ['hire', /^the helper of 0 has not helped/],
    ] as const) {
      const { judge, wants } = judging();
      wants({ kind });
      assert.match(judge.whyNotSettled('book/a', { ...emptyBook, notes: [0], value: 'dark' }, () => false)!, why);
    }
    const { judge, wants } = judging();
    wants({ kind: 'pass', to: { type: 'desk', key: '-', node: null } });
    const books = new Map<string, Book>([['book/a', { ...emptyBook, notes: [0] }]]);
    assert.match(judge.whyNotPassed(books, () => false)!, /^desk\/- has not got 0 from book\/a/);
    assert.equal(
      judge.whyNotPassed(books.set('desk/-', { ...emptyBook, got: [0] }), () => false),
      null,
    );
  });
});

describe('tokens', () => {
  const fencing = (...tokens: (FencingToken | null)[]) => {
    const blamed: string[] = [];
    const nodes = tokens.map((token, at) => ({
      process: { label: `n${at + 1}#1` },
      api: { shards: { leadership: () => ({ token }) } },
    }));
    const fences = new Fences(nodes as unknown as SimulatedNode[], (rule, what) => blamed.push(`${rule}: ${what}`));
    return { fences, blamed };
  };
  const [old, late] = [
    { term: 1, index: 9 },
    { term: 2, index: 3 },
  ];

  test('hold at one node at a time, which alone works, and rise', () => {
    const two = fencing(old, late);
    two.fences.look('kv');
    assert.match(two.blamed[0]!, /^one token holds at a time: n1#1 holds \(1, 9\) and n2#1 \(2, 3\) of kv/);
    const none = fencing(null, late);
    none.fences.worked('kv', late, 'n2#1', 'it');
    assert.deepEqual(none.blamed, []);
    none.fences.worked('kv', old, 'n1#1', 'it');
    assert.match(none.blamed[0]!, /^who works holds its token: it at n1#1 under \(1, 9\)/);
    assert.match(none.blamed[1]!, /^tokens rise/);
  });
});

test('a state is migrated once, from each version to the next', () => {
  const migrated = (...path: number[]): string | null => {
    const judge = new ActorsJudge(() => 0, 3);
    judge.judgeTheEnd(new Map([['book/a', { ...emptyBook, migrated: path }]]), () => false);
    return judge.violation;
  };
  for (const path of [[], [2], [1, 2]]) assert.equal(migrated(...path), null);
  for (const path of [[1], [1, 1, 2], [2, 2], [2, 1]])
    assert.match(migrated(...path)!, /^each is migrated once: book\/a, of version 3, was migrated from/);
});

test('nodes are replaced until all host the last version, also where nobody reads entries about actors at first', () => {
  const { verdict, reason, actors, lines, knobs } = runSeed(62, {
    scenario: 'actor-versions',
    timeMs: 1_500,
    linesMax: 1_000_000,
  });
  assert.equal(verdict, 'held', reason);
  const count = (what: RegExp): number => lines.filter((line) => what.test(line)).length;
  assert.equal(count(/upgrades n\d hosts version [23]$/), 6);
  assert.ok(knobs.actorsBeginOld);
  assert.ok((actors.ok ?? 0) > 5, JSON.stringify(actors));
});

test('the same seed is the same run', () => {
  const run = () => runSeed(5, { scenario: 'actors', nodes: 3, timeMs: 1_500 });
  const [one, other] = [run(), run()];
  assert.equal(one.verdict, 'held', one.reason);
  assert.equal(one.hash, other.hash);
  assert.ok((one.actors.ok ?? 0) > 10, JSON.stringify(one.actors));
});

test('code that is not the same at every node is found by the digests', () => {
  for (const seed of [2, 3]) {
    const { verdict, reason } = runSeed(seed, {
      scenario: 'actors',
      nodes: 3,
      faults: [],
      planted: 'chance-in-actors',
      timeMs: 3_000,
    });
    assert.equal(verdict, 'correctness');
    assert.match(reason, /says ACTOR_DIVERGED: replicas of actor '(book|desk)\/[^']+' differ since '/);
  }
});

for (const seed of [62, 63, 66])
  test(`seed ${seed} holds`, () => {
    const { verdict, reason } = runSeed(seed, { scenario: 'actors', timeMs: 3_000 });
    assert.equal(verdict, 'held', reason);
  });
