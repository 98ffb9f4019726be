// Texts and lists of which no two elements are the same, so that each can be followed wherever it goes.
import type { Drawn, Kind, View } from './kind.ts';
import { without } from './kind.ts';

const lengthMax = 50;
const runMax = 6;
/** CJK ideographs: twenty thousand characters of one unit, none of which combines with another. */
const firstCharacter = 0x4e00;

const sequence = (type: string, contentOf: (numbers: readonly number[]) => unknown, viewOf: (read: unknown) => View): Kind => ({
  ...{ type, rule: 'kept', isOrdered: true, changesMax: 400, bytes: [40, 60] },
  viewOf,
  draw(chance, view, fresh): Drawn {
    const { length } = view;
    if (length > 0 && (length > lengthMax || chance.happens(0.35))) {
      const at = chance.between(0, length);
      const takes = view.slice(at, at + chance.between(1, length > lengthMax ? length : runMax));
      return { change: { type: 'remove', at, count: takes.length }, adds: [], takes, after: without(view, takes) };
    }
    // Often where somebody else is at work too.
    const at = chance.happens(0.3) ? chance.pick([0, length, length >> 1]) : chance.between(0, length + 1);
    const numbers = Array.from({ length: chance.between(1, runMax) }, fresh);
    const adds = viewOf(contentOf(numbers));
    const after = [...view.slice(0, at), ...adds, ...view.slice(at)];
    return { change: { type: 'insert', at, content: contentOf(numbers) }, adds, takes: [], after };
  },
});

export const sequences: readonly Kind[] = [
  sequence(
    'text',
    (numbers) => String.fromCharCode(...numbers.map((number) => firstCharacter + number)),
    (read) => [...((read as string | undefined) ?? '')],
  ),
  sequence(
    'list',
    (numbers) => numbers,
    (read) => ((read as readonly number[] | undefined) ?? []).map(String),
  ),
];
