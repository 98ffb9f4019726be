// Where the least is going on: calls of this node under way there, for its weight, and how busy it says it is. The first is exact and
// of this moment, but this node's alone; the second is everybody's, but old.
import type { Memory } from '../state.ts';
import { betterOfTwo, type Strategy } from '../strategy.ts';

/** Nobody is so busy that he counts for nothing. */
const roomMin = 0.05;

const callsFor = ({ inflight, candidate }: Memory): number => (inflight + 1) / (candidate.weight || 1);
const roomOf = ({ load }: { load: number }): number => Math.max(roomMin, 1 - load);

/** Loads are compared where both are known: to be unknown is neither to be idle nor to be busy. */
export const isLessLoaded = (one: Memory, other: Memory): boolean => {
  const oneLoad = one.candidate.load;
  const otherLoad = other.candidate.load;
  if (oneLoad === null || otherLoad === null) return callsFor(one) < callsFor(other);
  return callsFor(one) * roomOf({ load: otherLoad }) < callsFor(other) * roomOf({ load: oneLoad });
};

export const leastLoaded: Strategy = { byKey: false, pick: (usable, question) => betterOfTwo(usable, question, isLessLoaded) };
