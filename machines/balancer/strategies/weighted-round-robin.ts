// Each in turn by weight, and never in bursts: everybody earns its weight with every call, who has most pays what all earned. Of weights
// 5, 1, 1 the first gets a a b a c a a and not a a a a a b c.
import type { Seat } from '../state.ts';
import type { Strategy } from '../strategy.ts';

/** Who was away meanwhile is owed no more than so many rounds. */
const roundsMax = 2;

/** All without weight: then they are equal. */
const weightOf = ({ candidate }: Seat): number => candidate.weight || 1;

const clamp = (value: number, most: number): number => Math.max(-most, Math.min(most, value));

export const weightedRoundRobin: Strategy = {
  byKey: false,
  pick(usable) {
    let total = 0;
    for (const seat of usable) total += weightOf(seat);
    let next: Seat = usable[0]!;
    for (const seat of usable) {
      seat.memory.credit = clamp(seat.memory.credit + weightOf(seat), roundsMax * total);
      if (seat.memory.credit > next.memory.credit) next = seat;
    }
    next.memory.credit -= total;
    return next;
  },
};
