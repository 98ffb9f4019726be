// Where the least is going on: calls of this node under way there, for its weight, and how busy it says it is. The first is exact and
// of this moment, but this node's alone; the second is everybody's, but old.
import type { Seat } from '../state.ts';
import { betterOfTwo, type Strategy } from '../strategy.ts';

/** Nobody is so busy that he counts for nothing. */
const roomMin = 0.05;

const callsFor = ({ memory, candidate }: Seat): number => (memory.inflight + 1) / (candidate.weight || 1);
const roomAt = (load: number): number => Math.max(roomMin, 1 - load);

/** Loads are compared where both are known: to be unknown is neither to be idle nor to be busy. */
export const isLessLoaded = (one: Seat, other: Seat): boolean => {
  const oneLoad = one.candidate.load;
  const otherLoad = other.candidate.load;
  if (oneLoad === null || otherLoad === null) return callsFor(one) < callsFor(other);
  return callsFor(one) * roomAt(otherLoad) < callsFor(other) * roomAt(oneLoad);
};

export const leastLoaded: Strategy = { byKey: false, pick: (usable, question) => betterOfTwo(usable, question, isLessLoaded) };
