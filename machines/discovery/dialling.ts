// Who is tried: each new place once, at once; and all of them again and again while this node is connected to nobody. Whoever has a
// member leaves finding the rest to membership, which dials what all members together have lost (machines/membership/heal.ts).
import { disown, isConnected, move, servedPlaces, whoOf } from './places.ts';
import { ranked } from './ranking.ts';
import { type DiscoveryState, type Place, pauseMs, type Turn } from './state.ts';
import type { DiscoveryEvent } from './types.ts';

/** Every so many failures of one place are told: one that is down for a day is a few lines an hour. */
const toldEvery = 128;

const isWanted = (state: DiscoveryState, place: Place): boolean => {
  if (place.dialling || isConnected(state, place)) return false;
  return state.connected.size === 0 || (!place.tried && place.claims.size > 0 && !place.claims.has('exchange'));
};

export const dialTurn = (state: DiscoveryState, turn: Turn): void => {
  const room = state.options.dialsMax - state.dials;
  if (room <= 0) return;
  const wanted = servedPlaces(state).filter((place) => place.dialAtMs <= turn.nowMs && isWanted(state, place));
  if (wanted.length === 0) return;
  for (const place of ranked(state, wanted).slice(0, room)) {
    Object.assign(place, { dialling: true, tried: true, dialledAs: place.addresses.join(' ') });
    state.dials++;
    turn.effects.push({ type: 'dial', addresses: [...place.addresses] });
  }
};

export const onDialled = (
  state: DiscoveryState,
  turn: Turn,
  { addresses, peer, reason = null }: Extract<DiscoveryEvent, { type: 'dialled' }>,
): void => {
  const dialledAs = addresses.join(' ');
  const place = [...state.places.values()].find((one) => one.dialling && one.dialledAs === dialledAs);
  if (place === undefined) return;
  place.dialling = false;
  state.dials--;
  if (peer === state.self) return disown(state, turn, place);
  const before = whoOf(place);
  if (peer === null || (place.peer !== null && place.peer !== peer) || state.evicted.has(peer)) {
    place.failures++;
    place.dialAtMs = turn.nowMs + pauseMs(state, place.failures);
    if (peer !== null) move(turn, place, 'REFUTED');
    else if (place.failures === 1 || place.failures % toldEvery === 0)
      turn.effects.push({ type: 'unreached', peer: before, addresses: [...addresses], failures: place.failures, reason });
    return;
  }
  if (before !== null && before !== peer) move(turn, place, 'REFUTED');
  Object.assign(place, { proved: peer, failures: 0, dialAtMs: turn.nowMs });
  move(turn, place, 'PROVED');
};

export const dialDueMs = (state: DiscoveryState): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  if (state.dials >= state.options.dialsMax) return dueMs;
  for (const place of servedPlaces(state)) if (isWanted(state, place)) dueMs = Math.min(dueMs, place.dialAtMs);
  return dueMs;
};
