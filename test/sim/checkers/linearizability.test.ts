// The judge of linearizability is judged: by planted violations, by a twin that tries every order, and by itself without foresight.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Budget } from '../../../sim/checkers/budget.ts';
import { Collector } from '../../../sim/checkers/collect.ts';
import type { HistoryEvent, Operation } from '../../../sim/checkers/history.ts';
import { judgeHistory, judgeObject } from '../../../sim/checkers/linearizability.ts';
import type { Model } from '../../../sim/checkers/models/model.ts';
import { type RegisterAction, registerModel } from '../../../sim/checkers/models/register.ts';
import { wholePart } from '../../../sim/checkers/part.ts';
import { Search } from '../../../sim/checkers/search.ts';
import { Space } from '../../../sim/checkers/space.ts';
import { eventsOf, hasOrder, type Span, someSpans } from './twin.ts';

const judged = (...spans: Span[]): string => judgeHistory(registerModel, eventsOf(spans)).type;

const operationsOf = (events: readonly HistoryEvent[]): readonly Operation<RegisterAction>[] => {
  const collector = new Collector(registerModel, 'time');
  for (const [at, event] of events.entries()) assert.equal(collector.add(event, at + 1), null);
  return collector.end().get('') ?? [];
};

test('what one copy of the data could have answered is linearizable', () => {
  const write: Span = { f: 'write', value: 'a', from: 0, to: 1 };
  assert.equal(judged(), 'linearizable');
  assert.equal(judged(write, { f: 'read', value: 'a', from: 2, to: 3 }), 'linearizable');
  assert.equal(judged({ ...write, to: 9 }, { f: 'read', value: null, from: 2, to: 3 }), 'linearizable');
  const lost: Span = { f: 'write', value: 'b', from: 0, to: 1, type: 'info' };
  const late: Span[] = [
    { f: 'read', value: null, from: 2, to: 3 },
    { f: 'read', value: 'b', from: 4, to: 5 },
  ];
  assert.equal(judged(lost, ...late), 'linearizable', 'what nobody heard of may happen later');
  const lostCas: Span = { f: 'cas', value: ['a', 'b'], from: 0, to: 1, type: 'info' };
  assert.equal(judged(lostCas, { ...write, from: 2, to: 3 }, { f: 'read', value: 'a', from: 4, to: 5 }), 'linearizable');
});

test('a stale read, a value out of nothing, a lost update and two winners are found', () => {
  const write: Span = { f: 'write', value: 'a', from: 0, to: 1 };
  assert.equal(judged(write, { f: 'read', value: null, from: 2, to: 3 }), 'violated');
  assert.equal(judged(write, { f: 'read', value: 'x', from: 2, to: 3 }), 'violated');
  const other: Span = { f: 'write', value: 'b', from: 2, to: 3 };
  assert.equal(judged(write, other, { f: 'read', value: 'a', from: 4, to: 5 }), 'violated');
  const win = (value: string): Span => ({ f: 'cas', value: ['a', value], from: 2, to: 5 });
  assert.equal(judged(write, win('b'), win('c')), 'violated');
  assert.equal(judged(write, { ...other, type: 'fail' }, { f: 'read', value: 'b', from: 4, to: 5 }), 'violated');
  const seenThenGone: Span[] = [
    { f: 'write', value: 'b', from: 0, to: 1, type: 'info' },
    { f: 'read', value: 'b', from: 2, to: 3 },
    { f: 'read', value: null, from: 4, to: 5 },
  ];
  assert.equal(judged(...seenThenGone), 'violated');
  const early: Span[] = [
    { f: 'read', value: 'z', from: 0, to: 1 },
    { f: 'write', value: 'z', from: 2, to: 3, type: 'info' },
  ];
  assert.equal(judged(...early), 'violated', 'nobody reads what is not called yet');
});

test('what was never answered may have happened', () => {
  const events: HistoryEvent[] = [
    { process: 0, type: 'invoke', f: 'write', value: 1, time: 0 },
    { process: 1, type: 'invoke', f: 'read', time: 5 },
    { process: 1, type: 'ok', f: 'read', value: 1, time: 6 },
  ];
  assert.equal(judgeHistory(registerModel, events).type, 'linearizable');
  assert.equal(judgeHistory(registerModel, events.slice(1)).type, 'violated');
});

test('a stale read is shown with where its value came from and what overwrote it', () => {
  const spans: Span[] = [
    { f: 'write', value: 'x', from: 0, to: 1 },
    { f: 'write', value: 'a', from: 2, to: 3 },
    { f: 'read', value: 'a', from: 4, to: 5 },
    { f: 'write', value: 'b', from: 6, to: 7 },
    { f: 'read', value: 'b', from: 8, to: 9 },
    { f: 'read', value: 'a', from: 10, to: 11 },
    { f: 'write', value: 'c', from: 12, to: 13 },
  ];
  const verdict = judgeHistory(registerModel, eventsOf(spans));
  assert.ok(verdict.type === 'violated');
  const shown = verdict.part.map(({ action }) => registerModel.describe(action as RegisterAction));
  assert.deepEqual(shown, ['write "a"', 'write "b"', 'read "a"']);
});

test('a model of another kind is judged too, by the same search', () => {
  type Append = { f: 'append'; value: string } | { f: 'read'; list: string };
  const list: Model<string, Append> = {
    ...{ name: 'list', noun: 'list', keyed: false, initial: '' },
    parse(f, asked, answer) {
      if (f === 'append') return { f, value: String(asked) };
      return answer === null ? null : { f: 'read', list: String(answer.value) };
    },
    step: (state, action) => (action.f === 'append' ? [state + action.value] : state === action.list ? [state] : []),
    keyOf: (state) => state,
    classOf: (action) => JSON.stringify(action),
    isRead: (action) => action.f === 'read',
    describe: (action) => (action.f === 'append' ? `append ${action.value}` : `read ${action.list}`),
    describeState: (state) => `'${state}'`,
  };
  const append = (value: string, from: number, to: number, type: Span['type'] = 'ok'): Span => ({
    f: 'append',
    value,
    from,
    to,
    type,
  });
  const read = (value: string, from: number, to: number): Span => ({ f: 'read', value, from, to });
  const both = [append('a', 0, 5), append('b', 0, 5), append('c', 1, 2, 'info')];
  assert.equal(judgeHistory(list, eventsOf([...both, read('ba', 6, 7), read('bac', 8, 9)])).type, 'linearizable');
  const lost = judgeHistory(list, eventsOf([...both, read('ba', 6, 7), read('b', 8, 9)]));
  assert.ok(lost.type === 'violated');
  assert.match(lost.explanation, /Then read b of process 4 should come, but the list then holds '[abc]+'/);
});

test('equal times overlap, unless events are taken as they come', () => {
  const events: HistoryEvent[] = [
    { process: 0, type: 'invoke', f: 'write', value: 1, time: 0 },
    { process: 0, type: 'ok', f: 'write', value: 1, time: 5 },
    { process: 1, type: 'invoke', f: 'read', time: 5 },
    { process: 1, type: 'ok', f: 'read', value: null, time: 6 },
  ];
  assert.equal(judgeHistory(registerModel, events).type, 'linearizable');
  assert.equal(judgeHistory(registerModel, events, { order: 'place' }).type, 'violated');
});

test('agrees with trying every order', () => {
  let violated = 0;
  fc.assert(
    fc.property(fc.oneof(someSpans(7, 3, 10), someSpans(6, 2, 6), someSpans(7, 5, 14)), (spans) => {
      const operations = operationsOf(eventsOf(spans));
      const expected = hasOrder(registerModel, registerModel.initial, operations) ? 'linearizable' : 'violated';
      if (expected === 'violated') violated++;
      assert.equal(judgeObject(registerModel, operations, new Budget({})).type, expected);
    }),
    { numRuns: 6_000 },
  );
  assert.ok(violated > 1_000, `${violated} violated`);
});

test('agrees with a search without foresight on longer histories', () => {
  const seen = { linearizable: 0, violated: 0 };
  fc.assert(
    fc.property(fc.oneof(someSpans(16, 3, 20), someSpans(24, 7, 60), someSpans(14, 2, 8)), (spans) => {
      const operations = operationsOf(eventsOf(spans));
      const space = new Space(registerModel) as Space<unknown, unknown>;
      const plain = new Search(wholePart<unknown, unknown>(operations, space), space, new Budget({}), { isPlain: true }).run(
        200_000,
      );
      if (plain !== 'found' && plain !== 'exhausted') return;
      const expected = plain === 'found' ? 'linearizable' : 'violated';
      seen[expected]++;
      assert.equal(judgeObject(registerModel, operations, new Budget({})).type, expected);
    }),
    { numRuns: 3_000 },
  );
  assert.ok(seen.linearizable > 100 && seen.violated > 100, JSON.stringify(seen));
});

test('what is shown of a violation is one by itself, and nothing of it can go', () => {
  let shown = 0;
  fc.assert(
    fc.property(fc.oneof(someSpans(9, 3, 12), someSpans(12, 6, 40)), (spans) => {
      const operations = operationsOf(eventsOf(spans));
      const verdict = judgeObject(registerModel, operations, new Budget({}));
      if (verdict.type !== 'violated') return;
      shown++;
      // What ends after the failure is shown as if nobody had heard its end.
      const part = verdict.part.items.map(({ operation, standing }) =>
        standing === 'free' ? { ...operation, returnAt: Number.POSITIVE_INFINITY } : operation,
      );
      const { whole } = verdict.part;
      assert.ok(whole, 'so short a history is shown from its beginning');
      const order = (kept: readonly Operation<RegisterAction>[]): string =>
        judgeObject(registerModel, kept, new Budget({})).type;
      assert.equal(order(part), 'violated');
      for (const read of part.filter(({ action }) => action.f === 'read'))
        assert.equal(order(part.filter((other) => other !== read)), 'linearizable');
    }),
    { numRuns: 2_000 },
  );
  assert.ok(shown > 300, `${shown} shown`);
});
