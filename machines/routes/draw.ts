// Some of many, each as likely as the others.
import { nextBetween, type RandomState } from '../random.ts';

/** Takes them out of `among`, which is left with the rest in any order. */
export const drawFrom = <Item>(random: RandomState, among: Item[], count: number): Item[] => {
  const drawn: Item[] = [];
  while (drawn.length < count && among.length > 0) {
    const at = nextBetween(random, 0, among.length);
    drawn.push(among[at]!);
    among[at] = among.at(-1)!;
    among.pop();
  }
  return drawn;
};
