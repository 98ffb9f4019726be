// Discovery as a value: an event goes in, the state moves, effects come out; time is an argument, chance is in the state (decision 1).
import { askDueMs, askTurn, endLookups, onAnswered, onFailed, onLookup } from './asking.ts';
import { dialDueMs, dialTurn, onDialled } from './dialling.ts';
import { checkInvariants } from './invariants.ts';
import { discoveryLimits as max } from './limits.ts';
import {
  ageDueMs,
  agePlaces,
  claimRemembered,
  claimTold,
  connectionSource,
  exchangeSource,
  expel,
  prove,
  servedPlaces,
  unclaimOf,
  whoOf,
} from './places.ts';
import { type DiscoveryArguments, type DiscoveryState, emptyState, type Turn } from './state.ts';
import type { DiscoveryEffect, DiscoveryEvent, RememberedPlace } from './types.ts';

export const createDiscovery = (args: DiscoveryArguments): DiscoveryState => {
  if (args.sources.length > max.sourcesMax)
    throw new RangeError(`at most ${max.sourcesMax} sources, not ${args.sources.length}`);
  const state = emptyState(args);
  claimRemembered(state, { nowMs: args.nowMs, effects: [] }, args.remembered);
  state.remembered = JSON.stringify(memoryOf(state));
  return state;
};

const apply = (state: DiscoveryState, turn: Turn, event: DiscoveryEvent): void => {
  switch (event.type) {
    case 'answered':
      return onAnswered(state, turn, event);
    case 'failed':
      return onFailed(state, turn, event);
    case 'met':
      if (event.peer === state.self || state.evicted.has(event.peer)) return;
      state.connected.add(event.peer);
      return prove(state, turn, event.peer, event.name, event.addresses);
    case 'parted':
      state.connected.delete(event.peer);
      return unclaimOf(state, turn, event.peer, connectionSource);
    case 'told':
      return claimTold(state, turn, event.peer, event.name, event.addresses);
    case 'untold':
      return unclaimOf(state, turn, event.peer, exchangeSource);
    case 'evicted':
      state.connected.delete(event.peer);
      return expel(state, turn, event.peer);
    case 'dialled':
      return onDialled(state, turn, event);
    case 'lookup':
      return onLookup(state, turn, event);
    case 'wake':
      return;
  }
};

/** Membership is told whenever somebody else, or somebody elsewhere, is served. */
const tellContacts = (state: DiscoveryState, turn: Turn): void => {
  const contacts = servedPlaces(state).map((place) => ({ peer: whoOf(place), addresses: [...place.addresses] }));
  const served = JSON.stringify(contacts);
  if (served === state.served) return;
  state.served = served;
  turn.effects.push({ type: 'contacts', contacts });
};

const memoryOf = (state: DiscoveryState): RememberedPlace[] =>
  servedPlaces(state).map(({ peer, name, addresses, priority, weight }) => ({ peer, name, addresses, priority, weight }));

const rememberTurn = (state: DiscoveryState, turn: Turn, before: string): void => {
  if (state.served !== before && state.persistAtMs === Number.POSITIVE_INFINITY)
    state.persistAtMs = turn.nowMs + max.persistAfterMs;
  if (turn.nowMs < state.persistAtMs) return;
  state.persistAtMs = Number.POSITIVE_INFINITY;
  const places = memoryOf(state);
  const remembered = JSON.stringify(places);
  if (remembered === state.remembered) return;
  state.remembered = remembered;
  turn.effects.push({ type: 'persist', places });
};

/** Effects in the order in which they are wanted. */
export const step = (state: DiscoveryState, nowMs: number, event: DiscoveryEvent): DiscoveryEffect[] => {
  const turn: Turn = { nowMs, effects: [] };
  const { served } = state;
  apply(state, turn, event);
  agePlaces(state, turn);
  askTurn(state, turn);
  endLookups(state, turn);
  dialTurn(state, turn);
  tellContacts(state, turn);
  rememberTurn(state, turn, served);
  state.deadlineMs = Math.min(askDueMs(state), dialDueMs(state), ageDueMs(state), state.persistAtMs);
  checkInvariants(state, nowMs);
  return turn.effects;
};
