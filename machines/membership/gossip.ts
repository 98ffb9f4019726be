// News to random members: with every probe and answer as it fits (SWIM §4.1), and in turns of its own, so that it travels faster than
// probes come by. The first turn follows the news at once; while there is more, one every `gossipMs`.
import { nextBetween } from '../random.ts';
import { drawLive, factOf, type MembershipState, send, type Turn } from './state.ts';
import type { Fact, PeerId } from './types.ts';
import { addUpdate, clearUpdates, takeUpdates } from './updates.ts';

/**
 * To how many members everyone who hears of something tells it. Who is told at random by all of n nodes, k times each, is missed with
 * a chance of e^-k: so that anybody at all is, of n e^-k = e^-spare.
 */
export const listenersMax = ({ options, table }: MembershipState): number => {
  const others = table.live.length;
  return Math.min(Math.ceil(Math.log(others + 1) + options.gossipSpare), toldEachMax * others);
};

/** Among few, nobody is told the same thing more often than this by one other. */
const toldEachMax = 3;

/** How much of a turn the first one may wait, so that what arrives together leaves together. */
const firstTurnShare = 0.25;

export const spread = (state: MembershipState, turn: Turn, peer: PeerId, profile: boolean): void => {
  addUpdate(state.updates, peer, profile);
  if (state.gossipAtMs !== Number.POSITIVE_INFINITY) return;
  const { gossipMs } = state.options;
  const waitMs = nextBetween(state.random, 0, Math.ceil(gossipMs * firstTurnShare) + 1);
  state.gossipAtMs = Math.max(turn.nowMs + waitMs, state.gossipedMs + gossipMs);
};

const take = (state: MembershipState, turn: Turn, facts: Fact[], bytes: number, listeners: number): void =>
  takeUpdates(state.updates, facts, {
    ...{ bytes, listeners, toldMax: listenersMax(state), without: [...facts] },
    factOf: (peer, profile) => factOf(state, peer, profile, turn.nowMs),
  });

/** What a message to one peer carries: first what that peer must know, then news. */
export const piggyback = (state: MembershipState, turn: Turn, first: readonly Fact[]): Fact[] => {
  const facts = [...first];
  if (state.updates.of.size > 0) take(state, turn, facts, state.options.piggybackBytes, 1);
  return facts;
};

/** As `piggyback`, in an answer to whom this step hears from. */
export const answering = (state: MembershipState, turn: Turn): Fact[] => {
  const facts = piggyback(state, turn, turn.first);
  turn.first = [];
  return facts;
};

export const gossipTurn = (state: MembershipState, turn: Turn): void => {
  if (turn.nowMs < state.gossipAtMs) return;
  const { gossipFanout, gossipBytes, gossipMs } = state.options;
  const to = drawLive(state, gossipFanout);
  // With nobody to tell, there is nothing to keep: whoever is met compares everything.
  const facts: Fact[] = [];
  if (to.length > 0) take(state, turn, facts, gossipBytes, to.length);
  else clearUpdates(state.updates);
  if (facts.length > 0) send(turn, to, { type: 'gossip', facts });
  state.gossipedMs = turn.nowMs;
  state.gossipAtMs = state.updates.of.size > 0 ? turn.nowMs + gossipMs : Number.POSITIVE_INFINITY;
};
