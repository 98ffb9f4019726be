// Each in turn: the one whose turn was longest ago. So who comes and goes costs nobody else a turn, and who is new begins at the end.
import type { Seat } from '../state.ts';
import type { Strategy } from '../strategy.ts';

export const roundRobin: Strategy = {
  byKey: false,
  pick(usable, { state }) {
    let next: Seat = usable[0]!;
    for (const seat of usable) if (seat.memory.turn < next.memory.turn) next = seat;
    next.memory.turn = ++state.turn;
    return next;
  },
};
