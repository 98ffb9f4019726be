// Random graphs.
import fc from 'fast-check';
import { checkGraph, type GraphStep } from '../../../machines/graph/index.ts';

export type Steps = Record<string, GraphStep>;
type Drawn = {
  after: number[];
  needs: number[];
  looks: number[];
  onError: number;
  condition: number;
  times: number;
  hasUndo: boolean;
};

const call = { service: 's', method: 'm' };
const nameOf = (at: number): string => `s${at}`;

/** Steps of which each looks at earlier ones only; which of them is whose error step is drawn, too. */
const stepsOf = (drawn: readonly Drawn[], isTame: boolean): Steps =>
  Object.fromEntries(
    drawn.map((one, at): [string, GraphStep] => {
      const earlier = (list: readonly number[]): string[] => (at === 0 ? [] : [...new Set(list.map((n) => nameOf(n % at)))]);
      const handler = at + 1 + (one.onError % 3);
      const isHandled = !isTame && one.onError > 5 && handler < drawn.length;
      const [looked] = earlier(one.looks);
      return [
        nameOf(at),
        {
          ...call,
          after: earlier(one.after),
          input: [
            ...earlier(one.needs).map((step) => ({ $from: step, ...(isTame ? { or: 0 } : {}) })),
            ...earlier(one.looks).map((step) => ({ $from: step, or: 0 })),
          ],
          ...(looked !== undefined && one.condition === 1 ? { when: { step: looked, ended: 'done' as const } } : {}),
          ...(one.condition === 2 ? { when: { value: false } } : {}),
          ...(isHandled ? { onError: nameOf(handler) } : one.onError === 4 ? { onError: 'continue' } : {}),
          retry: { times: one.times, delayMs: 10 },
          ...(one.hasUndo ? { compensate: call } : {}),
        },
      ];
    }),
  );

const few = fc.array(fc.nat(9), { maxLength: 2 });
export const drawnStep: fc.Arbitrary<Drawn> = fc.record({
  ...{
    after: few,
    needs: few,
    looks: few,
    onError: fc.nat(9),
    condition: fc.nat(7),
    times: fc.constantFrom(0, 0, 1),
    hasUndo: fc.boolean(),
  },
});

/** What is drawn may not hang together: then compensations and references go, one after the other, and at last all that is strict in it. */
export const graphOf = (drawn: readonly Drawn[], concurrency: number) => {
  const limits = { concurrency, timeoutMs: 1_000, compensateMs: 500 };
  const strict = { steps: stepsOf(drawn, false), ...limits };
  const bare = {
    ...strict,
    steps: stepsOf(
      drawn.map((one) => ({ ...one, hasUndo: false, looks: [] })),
      false,
    ),
  };
  const lone = {
    ...strict,
    steps: stepsOf(
      drawn.map((one) => ({ ...one, hasUndo: false, looks: [], needs: [] })),
      false,
    ),
  };
  return [strict, bare, lone].find((one) => checkGraph(one).ok) ?? { ...strict, steps: stepsOf(drawn, true) };
};
