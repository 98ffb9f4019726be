// The judge's dumb twin: every order of a few operations, one after the other, and short histories to try both on.
import fc from 'fast-check';
import type { HistoryEvent, Operation } from '../../../sim/checkers/history.ts';
import type { Model } from '../../../sim/checkers/models/model.ts';

/** Is there an order? Those of unknown outcome may be left out. */
export const hasOrder = <State, Action>(
  model: Model<State, Action>,
  state: State,
  left: readonly Operation<Action>[],
): boolean => {
  if (left.every(({ returnAt }) => returnAt === Number.POSITIVE_INFINITY)) return true;
  return left.some((next) => {
    if (left.some((other) => other !== next && other.returnAt < next.callAt)) return false;
    const rest = left.filter((other) => other !== next);
    return model.step(state, next.action).some((after) => hasOrder(model, after, rest));
  });
};

export type Span = {
  f: string;
  value: HistoryEvent['value'];
  from: number;
  to: number;
  type?: 'ok' | 'fail' | 'info';
  key?: string;
};

/** Each operation by a process of its own; times of calls and answers may be equal. */
export const eventsOf = (spans: readonly Span[]): HistoryEvent[] =>
  spans
    .flatMap(({ f, value = null, from, to, type = 'ok', key }, process): HistoryEvent[] => {
      const common = { process, f, ...(key === undefined ? {} : { key }) };
      return [
        { ...common, type: 'invoke', value: f === 'read' ? null : value, time: from },
        { ...common, type, value, time: to },
      ];
    })
    .sort((a, b) => a.time - b.time || (a.type === 'invoke' ? 0 : 1) - (b.type === 'invoke' ? 0 : 1));

/** `values` letters, up to `operations` spans on a clock of `ticks`. */
export const someSpans = (operations: number, values: number, ticks: number): fc.Arbitrary<Span[]> => {
  const written = fc.constantFrom(...'abcdefg'.slice(0, values));
  const read = fc.option(written, { freq: 5, nil: null });
  const span = fc
    .record({
      f: fc.constantFrom('read', 'read', 'write', 'cas'),
      ...{ read, written, old: read, from: fc.nat(ticks), lasts: fc.nat(Math.ceil(ticks / 2)) },
      type: fc.constantFrom('ok', 'ok', 'ok', 'info', 'fail'),
    })
    .map(({ f, read, written, old, from, lasts, type }): Span => {
      const value = f === 'read' ? read : f === 'write' ? written : [old, written];
      return { f, value, from, to: from + lasts, type: type as 'ok' };
    });
  return fc.array(span, { maxLength: operations });
};
