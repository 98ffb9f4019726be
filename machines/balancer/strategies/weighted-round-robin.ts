// Each in turn by weight, and never in bursts: everybody earns its weight with every call, who has most pays what all earned. Of weights
// 5, 1, 1 the first gets a a b a c a a and not a a a a a b c.
import type { Memory } from '../state.ts';
import type { Strategy } from '../strategy.ts';

/** Who was away meanwhile is owed no more than so many rounds. */
const roundsMax = 2;

const clamp = (value: number, most: number): number => Math.max(-most, Math.min(most, value));

export const weightedRoundRobin: Strategy = {
  byKey: false,
  pick(usable) {
    let total = 0;
    // All without weight: they are equal.
    const weightOf = ({ candidate }: Memory): number => candidate.weight || 1;
    for (const memory of usable) total += weightOf(memory);
    let next: Memory = usable[0]!;
    for (const memory of usable) {
      memory.credit = clamp(memory.credit + weightOf(memory), roundsMax * total);
      if (memory.credit > next.credit) next = memory;
    }
    next.credit -= total;
    return next;
  },
};
