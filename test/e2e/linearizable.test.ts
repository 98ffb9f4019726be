// The judge is judged: planted violations, and every order tried for small histories.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HistoryEvent, Value } from './history.ts';
import { judgeRegisters, type Operation, operationsOf } from './linearizable.ts';

type Span = { f: HistoryEvent['f']; value: HistoryEvent['value']; from: number; to: number; type?: 'ok' | 'fail' | 'info' };

const historyOf = (spans: readonly Span[]): HistoryEvent[] =>
  spans
    .flatMap(({ f, value, from, to, type = 'ok' }, process): HistoryEvent[] => [
      { process, type: 'invoke', f, key: 'k', value: f === 'read' ? null : value, time: 2 * from },
      { process, type, f, key: 'k', value, time: 2 * to + 1 },
    ])
    .sort((a, b) => a.time - b.time);

const judged = (...spans: Span[]): string => judgeRegisters(historyOf(spans)).type;

test('what one copy of the data could have answered is linearizable', () => {
  assert.equal(judged({ f: 'write', value: 'a', from: 0, to: 1 }, { f: 'read', value: 'a', from: 2, to: 3 }), 'linearizable');
  assert.equal(judged({ f: 'write', value: 'a', from: 0, to: 9 }, { f: 'read', value: null, from: 2, to: 3 }), 'linearizable');
  const lost: Span = { f: 'write', value: 'b', from: 0, to: 1, type: 'info' };
  assert.equal(
    judged(lost, { f: 'read', value: null, from: 2, to: 3 }, { f: 'read', value: 'b', from: 4, to: 5 }),
    'linearizable',
  );
  const lostCas: Span = { f: 'cas', value: ['a', 'b'], from: 0, to: 1, type: 'info' };
  assert.equal(
    judged(lostCas, { f: 'write', value: 'a', from: 2, to: 3 }, { f: 'read', value: 'a', from: 4, to: 5 }),
    'linearizable',
  );
});

test('a stale read, a value out of nothing, a lost update and two winners are found', () => {
  const write: Span = { f: 'write', value: 'a', from: 0, to: 1 };
  assert.equal(judged(write, { f: 'read', value: null, from: 2, to: 3 }), 'violated');
  assert.equal(judged(write, { f: 'read', value: 'x', from: 2, to: 3 }), 'violated');
  assert.equal(
    judged(write, { f: 'write', value: 'b', from: 2, to: 3 }, { f: 'read', value: 'a', from: 4, to: 5 }),
    'violated',
  );
  const win = (value: string): Span => ({ f: 'cas', value: ['a', value], from: 2, to: 5 });
  assert.equal(judged(write, win('b'), win('c')), 'violated');
  const failed: Span = { f: 'write', value: 'b', from: 2, to: 3, type: 'fail' };
  assert.equal(judged(write, failed, { f: 'read', value: 'b', from: 4, to: 5 }), 'violated');
  const seenThenGone: Span[] = [
    { f: 'write', value: 'b', from: 0, to: 1, type: 'info' },
    { f: 'read', value: 'b', from: 2, to: 3 },
    { f: 'read', value: null, from: 4, to: 5 },
  ];
  assert.equal(judged(...seenThenGone), 'violated');
});

/** Every order, one after the other. */
const holdsByTrying = (state: Value, left: readonly Operation[]): boolean => {
  if (left.every(({ returnNs }) => returnNs === Number.POSITIVE_INFINITY)) return true;
  return left.some((next) => {
    if (left.some((other) => other !== next && other.returnNs < next.callNs)) return false;
    const rest = left.filter((other) => other !== next);
    if (next.f === 'read') return next.value === state && holdsByTrying(state, rest);
    if (next.f === 'write') return holdsByTrying(next.value, rest);
    return next.old === state && holdsByTrying(next.value, rest);
  });
};

test('agrees with trying every order', () => {
  const value = fc.constantFrom<Value>('a', 'b', 'c', null);
  const known = fc.constantFrom('a', 'b', 'c');
  const span = fc
    .record({
      f: fc.constantFrom('read', 'write', 'cas'),
      ...{ read: value, written: known, old: value, from: fc.nat(8), lasts: fc.nat(5) },
      type: fc.constantFrom('ok', 'ok', 'ok', 'info', 'fail'),
    })
    .map(({ f, read, written, old, from, lasts, type }): Span => {
      const what: HistoryEvent['value'] = f === 'read' ? read : f === 'write' ? written : [old, written];
      return { f, value: what, from, to: from + lasts, type };
    });
  fc.assert(
    fc.property(fc.array(span, { maxLength: 6 }), (spans) => {
      const events = historyOf(spans);
      const expected = holdsByTrying(null, operationsOf(events).get('k') ?? []);
      assert.equal(judgeRegisters(events).type, expected ? 'linearizable' : 'violated');
    }),
    { numRuns: 3_000 },
  );
});
