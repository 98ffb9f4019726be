// The seam behind which all strategies stand, and what several of them share.
import { nextBetween } from '../random.ts';
import type { BalancerState, Seat } from './state.ts';

export type Question = {
  readonly state: BalancerState;
  readonly nowMs: number;
  /** '' unless the strategy needs one. */
  readonly key: string;
  /** Usable and not, without those that were tried: what a strategy may compare the usable with. */
  readonly all: readonly Seat[];
};

export type Strategy = {
  /** A call belongs to a node by its key: then a half-open node is probed by what belongs to it, and by nothing else. */
  readonly byKey: boolean;
  /** One of `usable`, of which there is at least one. */
  readonly pick: (usable: readonly Seat[], question: Question) => Seat;
};

export const anyOf = (usable: readonly Seat[], { state }: Question): Seat =>
  usable[nextBetween(state.random, 0, usable.length)]!;

/**
 * The better of two drawn at random: nearly as even as to compare all (Mitzenmacher 2001), and callers with the same old news do not
 * all run to the same node, as they would to the best of all.
 */
export const betterOfTwo = (
  usable: readonly Seat[],
  question: Question,
  isBetter: (one: Seat, other: Seat) => boolean,
): Seat => {
  const count = usable.length;
  if (count === 1) return usable[0]!;
  const { random } = question.state;
  const first = nextBetween(random, 0, count);
  const second = (first + 1 + nextBetween(random, 0, count - 1)) % count;
  return isBetter(usable[second]!, usable[first]!) ? usable[second]! : usable[first]!;
};
