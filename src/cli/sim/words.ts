// What the words of `polity sim` mean, whatever runs: numbers, times, lists; and how they are written again.
import { UsageError } from '../exit.ts';
import { countOf, durationOf } from '../reach.ts';

export type SimOptions = {
  scenario?: string;
  faults?: string;
  works?: string;
  nodes?: string;
  clients?: string;
  operations?: string;
  without?: string;
  plant?: string;
  seed?: string;
  seeds?: string;
  time?: string;
  workers?: string;
  twice?: boolean;
  shrink?: string | true;
  soak?: string;
  failures?: string;
  report?: string;
  trace?: string;
  tla?: string;
  history?: string;
  list?: boolean;
  json?: boolean;
};

const withoutMax = 100_000;

export const between = (text: string | undefined, what: string, least: number, most: number): number | undefined => {
  if (text === undefined) return undefined;
  const count = countOf(text, what);
  if (count < least || count > most) throw new UsageError(`${what} must be ${least} to ${most}, not ${count}`);
  return count;
};

export const timeOf = (text: string | undefined, what: string): number | undefined =>
  text === undefined ? undefined : durationOf(text, what);

/** `1,2,5..9` */
export const numbersOf = (text: string | undefined): number[] | undefined => {
  if (text === undefined) return undefined;
  const numbers = new Set<number>();
  for (const word of text.split(',')) {
    const [from, to = from, ...more] = word.split('..');
    if (from === undefined || to === undefined || more.length > 0 || !/^\d+$/.test(from) || !/^\d+$/.test(to))
      throw new UsageError(`--without must be numbers of faults like 1,2,5..9, not '${text}'`);
    if (Number(to) > withoutMax) throw new UsageError(`--without is at most ${withoutMax}`);
    for (let number = Number(from); number <= Number(to); number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
};

/** Numbers as `--without` reads them. */
export const numbersText = (numbers: readonly number[]): string => {
  const words: string[] = [];
  for (let at = 0; at < numbers.length; ) {
    let end = at;
    while (end + 1 < numbers.length && numbers[end + 1] === numbers[end]! + 1) end++;
    words.push(end - at < 2 ? numbers.slice(at, end + 1).join(',') : `${numbers[at]}..${numbers[end]}`);
    at = end + 1;
  }
  return words.join(',');
};

type Given<Options> = { [Name in keyof Options]?: Exclude<Options[Name], undefined> };

/** What is absent is left to the simulator, by not being there. */
export const given = <Options extends object>(options: Options): Given<Options> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<Options>;

export const timeText = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`);

/** A command with the words that every kind of run has. */
export const wordsOf = (
  command: string,
  {
    nodes,
    timeMs,
    without = [],
  }: { nodes?: number | undefined; timeMs?: number | undefined; without?: readonly number[] | undefined },
): string =>
  [
    command,
    ...(nodes === undefined ? [] : [`--nodes ${nodes}`]),
    ...(timeMs === undefined ? [] : [`--time ${timeText(timeMs)}`]),
    ...(without.length === 0 ? [] : [`--without ${numbersText(without)}`]),
  ].join(' ');
