// Each in turn: the one whose turn was longest ago. So who comes and goes costs nobody else a turn, and who is new begins at the end.
import type { Memory } from '../state.ts';
import type { Strategy } from '../strategy.ts';

export const roundRobin: Strategy = {
  byKey: false,
  pick(usable, { state }) {
    let next: Memory = usable[0]!;
    for (const memory of usable) if (memory.turn < next.turn) next = memory;
    next.turn = ++state.turn;
    return next;
  },
};
