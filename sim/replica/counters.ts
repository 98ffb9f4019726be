// Counters whose steps are powers of two: the sum says which of them are in it. What counts a step twice puts another one there.
import type { Drawn, Kind, View } from './kind.ts';
import { sortedView } from './kind.ts';

/** A double holds sums of so many. */
const stepsMax = 45;

const stepOf = (number: number, signed: boolean): number => (signed && number % 2 === 1 ? -1 : 1) * 2 ** number;

/** A sum has one such decomposition: its lowest bit says whether the next step is in it. */
const viewOf = (read: unknown, signed: boolean): View => {
  const tokens: string[] = [];
  let left = (read as number | undefined) ?? 0;
  for (let number = 0; left !== 0; number++) {
    if (left % 2 !== 0) {
      tokens.push(String(number));
      left -= stepOf(number, signed) / 2 ** number;
    }
    left /= 2;
  }
  return sortedView(tokens);
};

const counter = (type: string, signed: boolean): Kind => ({
  ...{ type, rule: 'kept', isOrdered: false, changesMax: stepsMax, bytes: [40, 0] },
  viewOf: (read) => viewOf(read, signed),
  draw(_chance, view, fresh): Drawn {
    const number = fresh();
    const adds = [String(number)];
    return { change: { type: 'add', by: stepOf(number, signed) }, adds, takes: [], after: sortedView([...view, ...adds]) };
  },
});

export const counters: readonly Kind[] = [counter('g-counter', false), counter('pn-counter', true)];
