// Rounds: seeded worlds in which everything goes wrong (rounds-world.ts), and the rules of the ledger one by one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  awaitsRound,
  beginIn,
  change,
  createObjects,
  enterRound,
  type Objects,
  replicatedTypes,
} from '../../../machines/replicator/index.ts';
import { lwwMap } from '../../../machines/replicator/lww-map.ts';
import { formLedger, parseLedger } from '../../../machines/replicator/rounds-form.ts';
import { advance, findListed, type Ledger, needsRound, register, retire } from '../../../machines/replicator/rounds-ledger.ts';
import { formGreeting, type Greeting, parseGreeting } from '../../../machines/replicator/rounds-messages.ts';
import {
  askPermission,
  createRounds,
  judgeSender,
  learnLedger,
  learnSeen,
  standingOf,
  tellSeen,
} from '../../../machines/replicator/rounds-replica.ts';
import { list, text } from '../../../machines/replicator/sequence.ts';
import { Replica } from './laws.ts';
import { runWorld } from './rounds-world.ts';

const listedAs = (ledger: Ledger | null, ...ids: readonly string[]): Ledger =>
  ids.reduce((before: Ledger | null, id) => register(before, { id, peer: `p-${id}`, name: id }) as Ledger, ledger)!;

/** Everybody enters the next round, having everything. */
const step = (ledger: Ledger): Ledger => {
  const seen = new Map(ledger.listed.map(({ id, round }) => [id, round - 1]));
  return ledger.listed.reduce((next, { id }) => advance(next, id, seen, true) ?? next, ledger);
};

const at = (ledger: Ledger, highest: number): Ledger => {
  let now = ledger;
  while (now.highest < highest) now = step(now);
  return now;
};

describe('a world of replicas', () => {
  test('nothing that its remover had seen comes back, nothing is lost, all agree, and nothing is remembered for ever', () => {
    let collected = 0;
    let stable = 0;
    for (let seed = 1; seed <= 24; seed++) {
      try {
        const world = runWorld(seed);
        collected += world.collected;
        stable += world.raft!.stable;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    assert.ok(collected > 200 && stable > 120, `${collected} collected, ${stable} rounds: too little happened`);
  });

  test('four of them', () => {
    for (let seed = 1_000; seed < 1_005; seed++) runWorld(seed, { names: ['a', 'b', 'c', 'd'] });
  });
});

describe('the ledger', () => {
  test('early on whoever comes goes on as he is; all are in step, and two rounds after it is made all have what was made', () => {
    const first = listedAs(null, 'a', 'b', 'c');
    assert.deepEqual(
      [first.highest, first.stable, first.edition, first.listed.map(({ round }) => round)],
      [1, 0, 3, [1, 1, 1]],
    );
    const third = at(first, 3);
    assert.deepEqual([third.highest, third.stable, third.edition], [3, 1, 3]);
  });

  test('permission is given only to who has all that was made up to two rounds before', () => {
    const second = at(listedAs(null, 'a', 'b'), 2);
    assert.equal(advance(second, 'a', new Map(), true), null);
    assert.equal(advance(second, 'a', new Map([['b', 1]]), false), null, 'nobody wants a third');
    const third = advance(second, 'a', new Map([['b', 1]]), true)!;
    assert.deepEqual([third.highest, third.stable], [3, 0]);
    assert.equal(advance(third, 'a', new Map([['b', 1]]), true), null, 'b has not left the second');
  });

  test('who comes late begins: stable stands still until it has what the others have', () => {
    const fifth = at(listedAs(null, 'a', 'b'), 5);
    const late = listedAs(fifth, 'c');
    assert.deepEqual(late.listed.at(-1), { id: 'c', peer: 'p-c', name: 'c', begin: 5, round: 0 });
    const seen = new Map([
      ['a', 4],
      ['b', 4],
    ]);
    const sixth = advance(advance(late, 'a', seen, true)!, 'b', seen, true)!;
    assert.deepEqual([sixth.highest, sixth.stable], [6, 3]);
    assert.equal(advance(advance(sixth, 'a', new Map([['b', 5]]), true) ?? sixth, 'b', new Map([['a', 5]]), true), null);
    const begun = advance(sixth, 'c', seen, false)!;
    assert.deepEqual([begun.listed.at(-1)?.round, begun.stable], [5, 3]);
  });

  test('of a retired one nothing is forgotten before all are three rounds further; of one who never began there is nothing', () => {
    let ledger = retire(at(listedAs(null, 'a', 'b', 'c'), 4), 'c')!;
    assert.deepEqual([ledger.retired.map(({ id, at }) => [id, at]), ledger.stable], [[['c', 4]], 2]);
    assert.equal(needsRound(ledger, 1), true, 'others want rounds for its sake');
    for (const [highest, stable] of [
      [5, 2],
      [6, 2],
      [7, 5],
    ] as const) {
      ledger = at(ledger, highest);
      assert.deepEqual([ledger.highest, ledger.stable, ledger.retired.length], [highest, stable, stable === 5 ? 0 : 1]);
    }
    const late = listedAs(ledger, 'd');
    assert.equal(retire(late, 'd')!.retired.length, 0);
    assert.equal(retire(late, 'nobody'), null);
  });

  test('a node that comes under a new id retires its former one; no id is listed twice, nor after it was retired', () => {
    const third = at(listedAs(null, 'a', 'b'), 3);
    const again = register(third, { id: 'b2', peer: 'p-b', name: 'b' }) as Ledger;
    assert.deepEqual([again.listed.map(({ id }) => id), again.retired.map(({ id }) => id)], [['a', 'b2'], ['b']]);
    assert.equal(register(again, { id: 'b', peer: 'p-x', name: 'x' }), null);
    assert.equal(register(again, { id: 'a', peer: 'p-a', name: 'a' }), null);
  });

  test('where nobody is left from whom it could have anything, a replica is what there is', () => {
    const alone = at(listedAs(null, 'a'), 5);
    const again = register(alone, { id: 'a2', peer: 'p-a', name: 'a' }) as Ledger;
    assert.deepEqual([again.listed.map(({ id, round }) => [id, round]), again.stable], [[['a2', 5]], 3]);
  });

  test('no more are listed than there is room for', () => {
    let ledger: Ledger | null = null;
    for (let n = 0; n < 256; n++) ledger = listedAs(ledger, `r${n}`);
    assert.equal(register(ledger, { id: 'more', peer: 'p-more', name: 'more' }), 'full');
    assert.notEqual(parseLedger(formLedger(ledger!)), null);
  });
});

describe('one replica', () => {
  test('takes nothing of who is not listed, has no permission, or knows of a change of the list that it does not know', () => {
    const ledger = listedAs(at(listedAs(null, 'a', 'b'), 4), 'c');
    const state = createRounds('a', { ledger: null, wasListed: false });
    assert.deepEqual([standingOf(state), judgeSender(state, 'b', 1)], ['apart', 'later']);
    assert.equal(learnLedger(state, ledger), true);
    assert.equal(learnLedger(state, ledger), false);
    const judged = [
      ['b', ledger.edition],
      ['b', ledger.edition + 1],
      ['c', ledger.edition],
      ['x', 0],
    ].map(([id, edition]) => judgeSender(state, id as string, edition as number));
    assert.deepEqual(judged, ['welcome', 'later', 'stranger', 'stranger']);
    learnSeen(state, [
      ['b', 3],
      ['x', 9],
      ['a', 9],
    ]);
    learnSeen(state, [['b', 2]]);
    assert.deepEqual(tellSeen(state), [
      ['b', 3],
      ['a', 3],
    ]);
    learnLedger(state, retire(ledger, 'a')!);
    assert.deepEqual([standingOf(state), tellSeen(state)], ['retired', []]);
  });

  test('takes nothing while it is not listed: what it has counts as its own when it begins', () => {
    const ledger = at(listedAs(null, 'a', 'b'), 4);
    const state = createRounds('c', { ledger, wasListed: false });
    assert.equal(judgeSender(state, 'b', ledger.edition), 'later');
    learnLedger(state, listedAs(ledger, 'c'));
    assert.equal(judgeSender(state, 'b', state.ledger!.edition), 'welcome');
  });

  test('knows after a restart what it had when it was given permission, though another is gone for good', () => {
    const ledger = listedAs(at(listedAs(null, 'a', 'b'), 4), 'c');
    assert.deepEqual(tellSeen(createRounds('a', { ledger, wasListed: true })), [
      ['b', 2],
      ['a', 3],
    ]);
    assert.deepEqual(tellSeen(createRounds('c', { ledger, wasListed: true })), []);
  });

  test('asks for permission only in the round before, and one that begins only with what a member has', () => {
    const late = listedAs(at(listedAs(null, 'a', 'b'), 5), 'c');
    const state = createRounds('c', { ledger: late, wasListed: true });
    // Nothing is missing of who was listed just before, and all the same it needs what is there.
    const alike = { ...late, listed: late.listed.map((one) => ({ ...one, begin: 5, round: Math.min(one.round, 5) })) };
    assert.equal(askPermission(state, alike, false), null);
    learnSeen(state, [
      ['a', 4],
      ['b', 4],
    ]);
    const begun = askPermission(state, late, false)!;
    assert.equal(findListed(begun, 'c')?.round, 5);
    assert.equal(askPermission(state, begun, true), null, 'it has not heard that it was permitted');
    learnLedger(state, begun);
    assert.equal(findListed(askPermission(state, begun, true)!, 'c')?.round, 6);
  });

  test('what comes from outside is a ledger or a greeting, or none', () => {
    const ledger = retire(listedAs(at(listedAs(null, 'a', 'b'), 4), 'c'), 'b')!;
    assert.deepEqual(parseLedger(formLedger(ledger)), ledger);
    const { version, edition, stable } = ledger;
    const greeting: Greeting = {
      type: 'answer',
      replica: 'a',
      version,
      edition,
      stable,
      speaks: true,
      seen: [['b', 3]],
      ledger,
    };
    assert.deepEqual(parseGreeting(formGreeting(greeting)), greeting);
    const good: unknown[] = [formLedger(ledger), formGreeting(greeting)];
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.nat(11), fc.nat(5), fc.anything(), (form, place, inner, what) => {
        const copy = structuredClone(form) as unknown[];
        const row = copy[place % copy.length];
        if (Array.isArray(row) && row.length > 0 && inner > 0) row[inner % row.length] = what;
        else copy[place % copy.length] = what;
        for (const parsed of [parseLedger(copy), parseGreeting(copy)?.ledger ?? null])
          if (parsed !== null) assert.deepEqual(parseLedger(formLedger(parsed)), parsed);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the objects of one replica', () => {
  const formsOf = (objects: Objects): unknown => [...objects.all.values()].map(({ type, state }) => type.form(state));

  test('what was made alone counts as of the round in which it begins', () => {
    const objects = createObjects('a', replicatedTypes);
    for (const given of [
      ['lww-map', { type: 'put', key: 'k', value: 1 }],
      ['text', { type: 'insert', at: 0, content: 'x' }],
    ] as const)
      assert.ok(change(objects, 1_000, given[0], 'o', given[1]).ok);
    beginIn(objects, 5);
    const stamp = lwwMap.latest(objects.all.get('lww-map/o')!.state);
    assert.deepEqual(formsOf(objects), [[['k', stamp, 'a', 5, 1]], [['a', 1], [[0, 1, 'x', 5, 1, -1, 0]]]]);
    assert.ok(change(objects, 1_000, 'lww-map', 'o', { type: 'remove', key: 'k' }).ok);
    assert.equal(lwwMap.pending!(objects.all.get('lww-map/o')!.state as never), 5);
  });

  test('a tombstone goes when the round after its own is stable, and what is empty then goes altogether', () => {
    const objects = createObjects('a', replicatedTypes);
    for (const type of ['put', 'remove']) assert.ok(change(objects, 1_000, 'lww-map', 'o', { type, key: 'k', value: 1 }).ok);
    assert.equal(
      awaitsRound(objects, (last) => last === 1),
      true,
    );
    assert.deepEqual(enterRound(objects, 3, 1), []);
    const { version } = objects.all.get('lww-map/o')!;
    assert.deepEqual([enterRound(objects, 4, 2), objects.all.size, objects.trie.size], [['lww-map/o'], 0, 0]);
    assert.equal(
      awaitsRound(objects, () => true),
      false,
    );
    assert.ok(change(objects, 1_000, 'lww-map', 'o', { type: 'put', key: 'k', value: 2 }).ok);
    assert.ok(objects.all.get('lww-map/o')!.version > version, 'no version comes twice');
  });
});

describe('a sequence that counts as of another round', () => {
  const change = fc.record({
    at: fc.nat(12),
    content: fc.constantFrom('a', 'bc', 'def'),
    count: fc.integer({ min: -2, max: 3 }),
  });

  test('reads the same, and is the same as if all of it had been made in that round', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), fc.nat(20), (changes, later) => {
        const [mixed, late] = [new Replica(text, 'a'), new Replica(text, 'a')];
        late.round = 7;
        for (const [index, { at: place, content, count }] of changes.entries()) {
          if (index === later) mixed.round = 7;
          const from = place % (text.read(mixed.state).length + 1);
          const fits = Math.min(count, text.read(mixed.state).length - from);
          for (const replica of [mixed, late])
            replica.change(fits > 0 ? { type: 'remove', at: from, count: fits } : { type: 'insert', at: from, content });
        }
        const before = text.read(mixed.state);
        mixed.state = text.retag!(mixed.state, 7);
        assert.equal(text.read(mixed.state), before);
        assert.equal(mixed.form, late.form);
        assert.notEqual(text.parse(structuredClone(text.form(mixed.state))), null);
      }),
      { numRuns: 200 },
    );
  });

  test('what others have settled is left as it is', () => {
    const one = new Replica(list, 'a');
    one.change({ type: 'insert', at: 0, content: [1, 2] });
    list.collect!(one.state, 1);
    assert.equal(list.retag!(one.state, 7), one.state);
    assert.equal(list.pending!(one.state), 0);
  });
});
