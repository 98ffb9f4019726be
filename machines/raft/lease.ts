// What somebody who lives at the leader may rely on (decision 14): a token that fences what it does elsewhere, and until when nobody else
// can have a later one. Tokens compare by term and then index, since a group's terms only rise.
import { decidesAlone } from './configuration.ts';
import { leaseUntilMs } from './reads.ts';
import type { RaftState } from './state.ts';

/**
 * (term, index of the leader's first entry of it), once that entry is committed and applied here: all that leaders before it have done
 * is known then. Null: this replica does not lead, or not yet.
 */
export const leaderToken = (state: RaftState): { term: number; index: number } | null =>
  state.role === 'leader' && !state.halted && state.applied >= state.termStartIndex
    ? { term: state.term, index: state.termStartIndex }
    : null;

/** Until when, by this replica's own clock, no other can have been elected; asked again each time, for it may end earlier. */
export const tokenUntilMs = (state: RaftState): number => {
  if (state.role !== 'leader' || state.halted || state.leaseEnded) return Number.NEGATIVE_INFINITY;
  return decidesAlone(state.configuration, state.replica) ? Number.POSITIVE_INFINITY : leaseUntilMs(state);
};
