// Parts of histories: cutting and shrinking may lose a violation, never make one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../../../sim/checkers/budget.ts';
import { Collector } from '../../../sim/checkers/collect.ts';
import { layOut } from '../../../sim/checkers/layout.ts';
import { judgeHistory } from '../../../sim/checkers/linearizability.ts';
import { registerModel } from '../../../sim/checkers/models/register.ts';
import { type Part, partFrom, partUntil, wholePart } from '../../../sim/checkers/part.ts';
import { Search } from '../../../sim/checkers/search.ts';
import { refuteAnywhere, refuteNear } from '../../../sim/checkers/shrink.ts';
import { Space } from '../../../sim/checkers/space.ts';
import { type ClientsOptions, recordClients } from './clients.ts';
import { eventsOf, type Span, someSpans } from './twin.ts';

type AnySpace = Space<unknown, unknown>;

const partOf = (spans: readonly Span[]): { part: Part<unknown>; space: AnySpace } => {
  const collector = new Collector(registerModel, 'time');
  for (const [at, event] of eventsOf(spans).entries()) assert.equal(collector.add(event, at + 1), null);
  const space = new Space(registerModel) as AnySpace;
  return { part: wholePart<unknown, unknown>(collector.end().get('') ?? [], space), space };
};

/** By a coarse clock, so that many times are equal. */
const recorded = (options: ClientsOptions, tickNs = 1): { part: Part<unknown>; space: AnySpace } => {
  const collector = new Collector(registerModel, 'time');
  for (const [at, event] of recordClients(options).entries())
    assert.equal(collector.add({ ...event, time: Math.floor(event.time / tickNs) }, at + 1), null);
  const space = new Space(registerModel) as AnySpace;
  return { part: wholePart<unknown, unknown>(collector.end().get('k0') ?? [], space), space };
};

const search = (part: Part<unknown>, space: AnySpace, isPlain = false): string =>
  new Search(part, space, new Budget({}), { isPlain }).run(200_000);

test('what has an order has one in every part', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.constantFrom(0, 2, 3, 5),
      fc.constantFrom(0, 0.3),
      fc.integer({ min: 2, max: 6 }),
      fc.constantFrom(1, 300_000, 900_000),
      (...drawn) => {
        const [seed, values, unknownRatio, clients, tickNs] = drawn;
        const { part, space } = recorded(
          { seed, operations: 16, clients, keys: 1, values, writes: 30, cas: 30, unknownRatio },
          tickNs,
        );
        const times = [...new Set(part.items.flatMap(({ operation }) => [operation.callAt, operation.returnAt]))];
        for (const until of times)
          for (const from of times) {
            if (from > until) continue;
            const cut = partFrom(partUntil(part, until, space), from, space);
            assert.equal(search(cut, space), 'found', `from ${from} until ${until}`);
          }
      },
    ),
    { numRuns: 500 },
  );
});

test('what may have happened before the part is helped to by what is free, though its reader comes later', () => {
  // The cas must have its `a` before its answer at 6; that anybody needs its `b` shows at 7 only.
  const { part, space } = partOf([
    { f: 'read', value: null, from: 0, to: 0 },
    { f: 'cas', value: ['a', 'b'], from: 1, to: 6 },
    { f: 'read', value: null, from: 2, to: 3 },
    { f: 'write', value: 'a', from: 4, to: 5, type: 'info' },
    { f: 'read', value: 'b', from: 7, to: 8 },
  ]);
  const cut = partFrom(part, 2, space);
  assert.deepEqual(
    cut.items.map(({ standing }) => standing),
    ['passing', 'required', 'free', 'required'],
  );
  for (const isPlain of [true, false]) assert.equal(search(cut, space, isPlain), 'found');
});

test('what may have happened before the part is helped to by what is free: as it was found', () => {
  const options = { seed: 26, operations: 16, clients: 5, keys: 1, values: 3, writes: 30, cas: 30, unknownRatio: 0 };
  const { part, space } = recorded(options);
  assert.equal(search(partFrom(partUntil(part, 4_276_740, space), 699_937, space), space), 'found');
});

/** Histories of which much is under way when the part begins, and much has no known outcome. */
const crowded = (values: number): fc.Arbitrary<Span[]> => {
  const letter = fc.constantFrom(...'abc'.slice(0, values));
  const span = fc
    .record({
      f: fc.constantFrom('read', 'write', 'cas', 'cas'),
      ...{ one: letter, other: letter, from: fc.nat(14), lasts: fc.nat(9) },
      type: fc.constantFrom('ok', 'ok', 'info'),
    })
    .map(({ f, one, other, from, lasts, type }): Span => {
      const value = f === 'cas' ? [one, other] : one;
      return { f, value, from, to: from + lasts, type: type as 'ok' };
    });
  return fc.array(span, { minLength: 4, maxLength: 9 });
};

test('foresight says of a part what the search without it says', () => {
  const seen = { found: 0, exhausted: 0 };
  let passing = 0;
  fc.assert(
    fc.property(
      fc.oneof(crowded(2), crowded(3)),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 4, max: 16 }),
      (...drawn) => {
        const [spans, from, lasts] = drawn;
        const { part, space } = partOf(spans);
        const cut = partFrom(partUntil(part, from + lasts, space), from, space);
        if (cut.items.some(({ standing }) => standing === 'passing')) passing++;
        const plain = search(cut, space, true);
        seen[plain as keyof typeof seen]++;
        assert.equal(search(cut, space), plain);
      },
    ),
    { numRuns: 20_000 },
  );
  assert.ok(passing > 300, `${passing} with something under way`);
  assert.ok(seen.found > 300 && seen.exhausted > 300, JSON.stringify(seen));
});

test('what has no order ends no later than where the search is stuck', () => {
  let seen = 0;
  fc.assert(
    fc.property(fc.oneof(someSpans(12, 3, 20), someSpans(12, 6, 30)), (spans) => {
      const { part, space } = partOf(spans);
      const whole = new Search(part, space, new Budget({}));
      if (whole.run(200_000) !== 'exhausted') return;
      seen++;
      assert.equal(search(partUntil(part, whole.deepest, space), space), 'exhausted');
    }),
    { numRuns: 1_500 },
  );
  assert.ok(seen > 300, `${seen} seen`);
});

test('operations under way together have different bits', () => {
  fc.assert(
    fc.property(someSpans(40, 3, 60), (spans) => {
      const { part, space } = partOf(spans);
      const { count, callAt, returnAt, bit } = layOut(part, space);
      for (let one = 0; one < count; one++)
        for (let other = one + 1; other < count; other++) {
          const isFree = [one, other].map((item) => returnAt[item] === Number.POSITIVE_INFINITY);
          const overlap = callAt[other]! <= returnAt[one]! && callAt[one]! <= returnAt[other]!;
          if (isFree[0] === isFree[1] && overlap) assert.notEqual(bit[one], bit[other]);
        }
    }),
  );
});

test('a value may come back by way of many others', () => {
  const names = 'abcdefgh';
  const ring = [...names].map((name, at): Span => ({ f: 'cas', value: [name, names[(at + 1) % 8]!], from: 2, to: 9 }));
  const spans: Span[] = [{ f: 'write', value: 'a', from: 0, to: 1 }, ...ring, { f: 'read', value: 'a', from: 10, to: 11 }];
  assert.equal(judgeHistory(registerModel, eventsOf(spans)).type, 'linearizable');
  const broken = spans.filter((span) => span.f !== 'cas' || (span.value as string[])[0] !== 'd');
  assert.equal(judgeHistory(registerModel, eventsOf(broken)).type, 'violated');
});

test('a long history is shown by the operations that matter', () => {
  for (const values of [0, 40])
    for (const seed of [1, 2, 3]) {
      const events = recordClients({
        ...{ seed, operations: 4_000, clients: 10, keys: 1, values, writes: 30, cas: 20, unknownRatio: 0 },
        lie: { read: 800, writesAgo: 60 },
      });
      const verdict = judgeHistory(registerModel, events, { order: 'place' });
      assert.ok(verdict.type === 'violated', `seed ${seed}`);
      assert.ok(verdict.part.length >= 2 && verdict.part.length <= 8, `seed ${seed}: ${verdict.explanation}`);
      const words = verdict.part.map(({ action }) => registerModel.describe(action as never)).join('; ');
      const read = /read (\d+)/.exec(words)?.[1];
      if (read !== undefined) assert.match(words, new RegExp(`(write|→) ${read}\\b`), 'where the value came from is shown');
    }
});

test('histories of one true copy hold, and no part of them is refuted', () => {
  for (const [values, unknownRatio] of [
    [0, 0.05],
    [5, 0],
    [5, 0.05],
    [40, 0.05],
  ] as const) {
    const options = { seed: 7, operations: 2_000, clients: 20, keys: 1, values, writes: 30, cas: 20, unknownRatio };
    assert.equal(judgeHistory(registerModel, recordClients(options), { order: 'place' }).type, 'linearizable');
    const { part, space } = recorded(options);
    for (const width of [16, 64]) assert.equal(refuteAnywhere(part, width, space, new Budget({}), 100_000), null);
    for (let at = 100; at < part.items.length; at += 150)
      assert.equal(refuteNear(part, part.items[at]!.operation.callAt, space, new Budget({}), 20_000), null);
  }
});
