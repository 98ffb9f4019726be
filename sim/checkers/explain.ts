// A failure in plain words: the few operations that have no order, when they were under way, and how far an order comes.
import { Budget } from './budget.ts';
import { type Item, type Part, returnOf } from './part.ts';
import { Search } from './search.ts';
import type { Space } from './space.ts';

type AnySpace = Space<unknown, unknown>;

const itemsShownMax = 40;
const barsItemsMax = 20;
const startsShownMax = 6;
const orderShownMax = 12;
const searchStepsMax = 20_000;
const nsPerMs = 1_000_000;

const listed = (words: readonly string[], last: string): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;

const nameOf = ({ operation }: Item<unknown>, space: AnySpace): string =>
  `${space.model.describe(operation.action)} of process ${operation.process}`;

/** One column for each moment at which something begins or ends, so that order is seen and length is not. */
const barsOf = (items: readonly Item<unknown>[], isWhole: boolean): string[] => {
  const moments = new Set<number>();
  for (const item of items) {
    moments.add(item.operation.callAt);
    if (returnOf(item) < Number.POSITIVE_INFINITY) moments.add(item.operation.returnAt);
  }
  const column = new Map([...moments].sort((a, b) => a - b).map((moment, place) => [moment, 2 * place]));
  const width = 2 * moments.size + 1;
  return items.map((item) => {
    const from = !isWhole && item.standing === 'passing' ? 0 : column.get(item.operation.callAt)!;
    const until = column.get(returnOf(item)) ?? width - 1;
    const begins = item.standing === 'passing' ? '<' : '|';
    const ends = returnOf(item) === Number.POSITIVE_INFINITY ? '>' : '|';
    return `${' '.repeat(from)}${begins}${'-'.repeat(Math.max(0, until - from - 1))}${ends}`.padEnd(width + 1);
  });
};

const rowsOf = (part: Part<unknown>, space: AnySpace): string[] => {
  const items = part.items.slice(0, itemsShownMax);
  const bars = items.length <= barsItemsMax ? barsOf(items, part.whole) : items.map(() => '');
  const firstNs = Math.min(...items.map((item) => item.operation.callNs));
  const ms = (ns: number): string => ((ns - firstNs) / nsPerMs).toFixed(3);
  const cells = items.map(({ operation }) => {
    const { process, callNs, returnNs, callLine, returnLine } = operation;
    const isAnswered = returnLine > 0;
    const lines = isAnswered ? `lines ${callLine} and ${returnLine}` : `line ${callLine}, outcome unknown`;
    const times = isAnswered ? `${ms(callNs)} to ${ms(returnNs)} ms` : `from ${ms(callNs)} ms`;
    return [`process ${process}`, space.model.describe(operation.action), `${lines}, ${times}`] as const;
  });
  const widths = [0, 1].map((column) => Math.max(...cells.map((row) => row[column]!.length)));
  const rows = cells.map(
    ([process, what, when], row) => `  ${process.padEnd(widths[0]!)}  ${what.padEnd(widths[1]!)}  ${bars[row]}  ${when}`,
  );
  const more = part.items.length - items.length;
  return more > 0 ? [...rows, `  … and ${more} more`] : rows;
};

const statesOf = (states: readonly number[], space: AnySpace): string => {
  const known = states.filter((state) => state >= 0).map((state) => space.model.describeState(space.states[state]));
  const shown = known.slice(0, startsShownMax);
  if (known.length < states.length || shown.length < known.length)
    shown.push(shown.length === 0 ? 'a value that none of them needs' : 'another');
  return listed(shown, 'or');
};

const headOf = (part: Part<unknown>, space: AnySpace): string => {
  const count = part.items.length === 1 ? 'This operation has no place' : `These ${part.items.length} operations have no order`;
  if (part.whole) return `${count} in which every answer is right, beginning with ${statesOf(part.starts, space)}:`;
  const begin = Math.min(...part.items.map((item) => item.operation.callLine));
  return `${count} in which every answer is right. Around line ${begin}, where they begin, the ${space.model.noun} may have held ${statesOf(part.starts, space)}:`;
};

/** How far the longest order comes, if it is short enough to be read. Searched plainly, without foresight, as a person would. */
const endOf = (part: Part<unknown>, space: AnySpace): string[] => {
  const starts = part.starts.filter((state) => state >= 0);
  const search = new Search({ ...part, starts }, space, new Budget({ stepsMax: searchStepsMax }), { isPlain: true });
  if (starts.length === 0 || search.run(searchStepsMax) !== 'exhausted' || search.stuck === null) return [];
  const { order, due, state } = search.stuck;
  if (order.length > orderShownMax) return [];
  const next = nameOf(part.items[due]!, space);
  const held = `the ${space.model.noun} then holds ${space.model.describeState(space.states[state])}`;
  if (order.length === 0) return [`Nothing can come first: ${next} ends before all that could help it, and ${held}.`];
  const names = order.map((item) => nameOf(part.items[item]!, space));
  return [`The longest order: ${names.join(', ')}. Then ${next} should come, but ${held}.`];
};

/** `outOf`: how many operations the object had in all. */
export const explain = (part: Part<unknown>, space: AnySpace, outOf: number): string => {
  const left = outOf - part.items.length;
  const rest =
    left === 0 ? [] : [`The other ${left === 1 ? 'operation makes' : `${left} operations make`} no difference to this.`];
  return [headOf(part, space), ...rowsOf(part, space), ...endOf(part, space), ...rest].join('\n');
};
