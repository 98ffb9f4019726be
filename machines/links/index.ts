// The door of links: an event and the time in, effects out; `wayTo` and `mayPart` are questions. Which connections a node keeps,
// opens and ends (decision 3); who carries it out is actors/peers.ts.
import { idleTurn, onDialled, onOpened, onStays, onWanted } from './idle.ts';
import { checkLinks } from './invariants.ts';
import { keepTurn, takeMembers, takeTold } from './keep.ts';
import { type LinksState, prove, type Turn } from './state.ts';
import type { LinksEffect, LinksEvent } from './types.ts';

export { mayPart, noteUse, wayTo } from './idle.ts';
export { addressesOf, createLinks, isProved, type LinksState } from './state.ts';
export {
  type LinkMember,
  type LinksEffect,
  type LinksEvent,
  type LinksOptions,
  linksDefaults,
  linksLow,
  openMax,
  provedMax,
  strangersMax,
} from './types.ts';

/** Takes in one event. Changes `state`; the effects are to be done in their order. */
export const step = (state: LinksState, nowMs: number, event: LinksEvent): LinksEffect[] => {
  const turn: Turn = { nowMs, effects: [] };
  const changesKept = take(state, turn, event);
  if (!changesKept && nowMs < state.deadlineMs) return turn.effects;
  state.deadlineMs = Math.min(keepTurn(state, turn), idleTurn(state, turn));
  checkLinks(state);
  return turn.effects;
};

/** True if it may change who is kept. */
const take = (state: LinksState, turn: Turn, event: LinksEvent): boolean => {
  switch (event.type) {
    case 'wake':
      return false;
    case 'members':
      takeMembers(state, turn, event.members);
      return true;
    case 'told':
      return takeTold(state, turn, event.peer, event.addresses);
    case 'proved':
      prove(state, turn, event.peer, event.address);
      return true;
    case 'needed':
      state.needed = new Set(event.peers.filter((peer) => peer !== state.self));
      state.neededNames = new Set(event.names);
      return true;
    case 'opened':
      onOpened(state, turn, event.peer);
      return false;
    case 'closed':
      state.open.delete(event.peer);
      return false;
    case 'wanted':
      onWanted(state, turn, event.peer);
      return false;
    case 'dialled':
      onDialled(state, turn, event.peer, event.ok);
      return false;
    case 'stays':
      onStays(state, turn, event.peer);
      return false;
  }
};
