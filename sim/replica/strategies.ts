// A developer's own strategy for a register's siblings must be pure and the same for any order of them, or nodes that know the same show
// something else. This looks for siblings that betray it.
import type { Sibling } from '../../machines/replicator/register.ts';
import { resolve, type Strategy, strategyNames } from '../../machines/replicator/strategies.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { pack, unpack } from '../../machines/wire/envelope.ts';

export type OwnStrategy = Extract<Strategy, (...siblings: never[]) => unknown>;

/** More siblings than this are not put in every order, but turned and reversed. */
const permutedMax = 5;

const ordersOf = <Item>(items: readonly Item[]): (readonly Item[])[] => {
  if (items.length <= 1) return [items];
  return items.flatMap((item, at) => ordersOf([...items.slice(0, at), ...items.slice(at + 1)]).map((rest) => [item, ...rest]));
};

const turnsOf = <Item>(items: readonly Item[]): (readonly Item[])[] => {
  const turns = items.map((_item, at) => [...items.slice(at), ...items.slice(0, at)]);
  return [...turns, ...turns.map((turn) => turn.toReversed())];
};

const frozen = (value: Plain): Plain => {
  // Bytes cannot be frozen.
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  for (const part of Object.values(value)) frozen(part as Plain);
  return Object.freeze(value);
};

const shown = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (part instanceof Uint8Array ? `bytes ${part.join(' ')}` : part)) ??
  'undefined';

const outcomeOf = (strategy: OwnStrategy, siblings: readonly Plain[]): string => {
  try {
    return shown(strategy(Object.freeze(siblings.map((value) => frozen(unpack(pack(value).slice()) as Plain)))));
  } catch (error) {
    return `throws ${error instanceof Error ? error.message : String(error)}`;
  }
};

/** What is wrong with a strategy, in words, as far as these siblings show it; or null. */
export const whyNotCommuting = (strategy: OwnStrategy, siblings: readonly Plain[]): string | null => {
  const first = outcomeOf(strategy, siblings);
  if (first.startsWith('throws ')) return `the strategy ${first}, given ${shown(siblings)}`;
  if (outcomeOf(strategy, siblings) !== first) return `the strategy does not always say the same of ${shown(siblings)}`;
  const orders = siblings.length <= permutedMax ? ordersOf(siblings) : turnsOf(siblings);
  const other = orders.find((order) => outcomeOf(strategy, order) !== first);
  if (other === undefined) return null;
  return `the strategy says ${first} of ${shown(siblings)}, and ${outcomeOf(strategy, other)} of ${shown(other)}`;
};

/** `keep-all` shows siblings in the order in which every node has them, and is left out. */
const named = strategyNames.filter((name) => name !== 'keep-all');

/** The strategies that there are, of siblings as a node has them; and one of ours, as a developer writes them. */
export const whyNotOneForAll = (siblings: readonly Sibling[]): string | null => {
  if (siblings.length < 2) return null;
  const values = siblings.map(([, , , value]) => value);
  for (const name of named) {
    const wrong = whyNotCommuting((given) => resolve(given as readonly unknown[] as Sibling[], name) ?? null, siblings);
    if (wrong !== null) return `'${name}': ${wrong}`;
  }
  return whyNotCommuting((given) => Math.max(...given.map(Number)), values);
};

/** Throws unless the strategy is pure and says the same of these siblings in whatever order: for tests of whoever writes one. */
export const assertCommutes = (strategy: OwnStrategy, ...examples: readonly (readonly Plain[])[]): void => {
  for (const siblings of examples) {
    const wrong = whyNotCommuting(strategy, siblings);
    if (wrong !== null) throw new TypeError(wrong);
  }
};
