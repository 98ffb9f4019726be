// The cache: what each source says of each place, what follows for the place, and who goes when there are too many (row D3).
import { moved, type PlaceEvent } from './chart.ts';
import { discoveryLimits as max } from './limits.ts';
import type { Claim, DiscoveryState, Place, Turn } from './state.ts';
import type { Finding, PeerId, RememberedPlace } from './types.ts';

/** What the members say (peer exchange). */
export const exchangeSource = 'exchange';
/** What an open connection proves. */
export const connectionSource = 'connection';
/** What the disk says, until a source has been asked. */
export const memorySource = 'memory';

/** What members say gives way to what an operator configured. */
const exchangePriority = 65_535;

const keyOf = (peer: PeerId | null, addresses: readonly string[]): string => peer ?? [...addresses].sort().join(' ');

const isServedStatus = (place: Place): boolean => place.status !== 'lost';

/** Who lives there, as far as it is known. */
export const whoOf = (place: Place): PeerId | null => place.proved ?? place.peer;

export const isConnected = (state: DiscoveryState, place: Place): boolean => {
  const who = whoOf(place);
  return who !== null && state.connected.has(who);
};

export const move = (turn: Turn, place: Place, type: PlaceEvent['type']): void => {
  const before = place.status;
  place.status = moved(before, type);
  if (place.status === before) return;
  place.sinceMs = turn.nowMs;
  turn.effects.push({ type: 'moved', peer: whoOf(place), addresses: place.addresses, before, after: place.status });
};

// ---------------------------------------------------------------- who stays

const worth = (state: DiscoveryState, place: Place): readonly number[] => [
  isConnected(state, place) ? 1 : 0,
  place.status === 'lost' ? 0 : place.status === 'stale' ? 1 : 2,
  place.healthy ? 1 : 0,
  -place.priority,
  place.weight,
  place.status === 'confirmed' ? 1 : 0,
  -place.failures,
];

/** Negative: `a` goes first. Of equals the newer goes, so that what is known is not washed out by what is said. */
const compare = (a: readonly number[], b: readonly number[]): number => {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return 0;
};

const drop = (state: DiscoveryState, turn: Turn, place: Place): void => {
  state.places.delete(place.key);
  if (place.dialling) state.dials--;
  const { addresses, status } = place;
  turn.effects.push({ type: 'moved', peer: whoOf(place), addresses, before: status, after: null });
};

const evictWorst = (state: DiscoveryState, turn: Turn): void => {
  let worst: { place: Place; worth: readonly number[] } | null = null;
  for (const place of state.places.values()) {
    const judged = worth(state, place);
    if (worst === null || compare(judged, worst.worth) <= 0) worst = { place, worth: judged };
  }
  if (worst !== null) drop(state, turn, worst.place);
};

// ---------------------------------------------------------------- who says what

/** What follows from the claims; those of the best priority first. */
const settle = (place: Place): void => {
  const claims = [...place.claims.values()].sort((a, b) => Number(b.healthy) - Number(a.healthy) || a.priority - b.priority);
  const best = claims[0];
  if (best === undefined) return;
  place.addresses = [...new Set(claims.flatMap(({ addresses }) => addresses))].slice(0, max.addressesMax);
  place.name = claims.find(({ name }) => name !== null)?.name ?? place.name;
  ({ priority: place.priority, weight: place.weight, healthy: place.healthy } = best);
};

const sameAddresses = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((address, at) => address === b[at]);

/** Undefined where it is of no use: this node, an evicted one, nothing to dial, or there is no room for it. */
export const claim = (
  state: DiscoveryState,
  turn: Turn,
  source: string,
  peer: PeerId | null,
  said: Claim,
): Place | undefined => {
  const addresses = said.addresses.filter((address) => !state.own.has(address)).slice(0, max.addressesMax);
  if (peer === state.self || addresses.length === 0 || (peer !== null && state.evicted.has(peer))) return undefined;
  const key = keyOf(peer, addresses);
  let place = state.places.get(key);
  if (place === undefined) {
    place = {
      ...{ key, peer, proved: null, name: said.name, addresses, priority: said.priority, weight: said.weight },
      ...{ healthy: said.healthy, claims: new Map(), status: 'found', sinceMs: turn.nowMs },
      ...{ failures: 0, tried: false, dialling: false, dialledAs: '', dialAtMs: turn.nowMs },
    };
    state.places.set(key, place);
    turn.effects.push({ type: 'moved', peer, addresses, before: null, after: 'found' });
  }
  const before = place.addresses;
  place.claims.set(source, { ...said, addresses });
  settle(place);
  // Where it lives now has not been tried yet.
  if (!sameAddresses(before, place.addresses)) Object.assign(place, { failures: 0, tried: false, dialAtMs: turn.nowMs });
  move(turn, place, 'SAID');
  if (state.places.size > state.options.placesMax) evictWorst(state, turn);
  return state.places.get(key);
};

const unclaim = (state: DiscoveryState, turn: Turn, place: Place, source: string): void => {
  if (!place.claims.delete(source)) return;
  settle(place);
  if (place.claims.size === 0 && !isConnected(state, place)) move(turn, place, 'UNSAID');
};

/** All that the source says now; what it said before and does not say any more it says no longer. */
export const claimAll = (state: DiscoveryState, turn: Turn, source: string, findings: readonly Finding[]): void => {
  const said = new Set<string>();
  for (const { peer, ttlMs, ...finding } of findings.slice(0, max.findingsMax)) {
    const place = claim(state, turn, source, peer, { ...finding, untilMs: turn.nowMs + ttlMs });
    if (place !== undefined) said.add(place.key);
  }
  for (const place of state.places.values()) if (!said.has(place.key)) unclaim(state, turn, place, source);
};

export const claimTold = (
  state: DiscoveryState,
  turn: Turn,
  peer: PeerId,
  name: string,
  addresses: readonly string[],
): void => {
  const said = { addresses, name, priority: exchangePriority, weight: 0, healthy: true, untilMs: Number.POSITIVE_INFINITY };
  claim(state, turn, exchangeSource, peer, said);
};

export const unclaimOf = (state: DiscoveryState, turn: Turn, peer: PeerId, source: string): void => {
  const place = state.places.get(peer);
  if (place !== undefined) unclaim(state, turn, place, source);
};

const bare = (address: string): string => address.replace(/\/p2p\/[^/]+$/, '');

/** Where it lives by its own word, which admission binds to it, a source may have named without knowing whose place it is. */
const livesAt = (place: Place, own: ReadonlySet<string>): boolean =>
  place.peer === null && place.addresses.some((address) => own.has(bare(address)));

/** Who is connected was admitted, so this is who lives there. */
export const prove = (state: DiscoveryState, turn: Turn, peer: PeerId, name: string, addresses: readonly string[]): void => {
  const said = { addresses, name, priority: exchangePriority, weight: 0, healthy: true, untilMs: Number.POSITIVE_INFINITY };
  claim(state, turn, connectionSource, peer, said);
  const own = new Set(addresses.map(bare));
  for (const place of state.places.values()) {
    if (whoOf(place) !== peer && !(place.proved === null && livesAt(place, own))) continue;
    Object.assign(place, { proved: peer, failures: 0 });
    move(turn, place, 'PROVED');
  }
};

/** Served as stale from the start: nobody has said so in this life of the process. */
export const claimRemembered = (state: DiscoveryState, turn: Turn, remembered: readonly RememberedPlace[]): void => {
  for (const { peer, ...rest } of remembered) {
    const place = claim(state, turn, memorySource, peer, { ...rest, healthy: true, untilMs: turn.nowMs });
    if (place !== undefined) unclaim(state, turn, place, memorySource);
  }
};

// ---------------------------------------------------------------- time

/** Claims that ran out, places that nobody serves any more, lost ones that are forgotten. */
export const agePlaces = (state: DiscoveryState, turn: Turn): void => {
  const { nowMs } = turn;
  const { staleMs, lostMs } = state.options;
  for (const place of state.places.values()) {
    for (const [source, { untilMs }] of place.claims) if (untilMs <= nowMs) unclaim(state, turn, place, source);
    if (place.claims.size === 0 && !isConnected(state, place)) move(turn, place, 'UNSAID');
    if (place.status === 'stale' && nowMs - place.sinceMs >= staleMs) move(turn, place, 'GIVEN_UP');
    if (place.status === 'lost' && nowMs - place.sinceMs >= lostMs) drop(state, turn, place);
  }
};

export const ageDueMs = (state: DiscoveryState): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const { claims, status, sinceMs } of state.places.values()) {
    for (const { untilMs } of claims.values()) dueMs = Math.min(dueMs, untilMs);
    if (status === 'stale') dueMs = Math.min(dueMs, sinceMs + state.options.staleMs);
    if (status === 'lost') dueMs = Math.min(dueMs, sinceMs + state.options.lostMs);
  }
  return dueMs;
};

export const expel = (state: DiscoveryState, turn: Turn, peer: PeerId): void => {
  if (state.evicted.size < max.evictedMax) state.evicted.add(peer);
  for (const place of state.places.values()) if (whoOf(place) === peer) drop(state, turn, place);
};

/** This node itself answered there. */
export const disown = (state: DiscoveryState, turn: Turn, place: Place): void => {
  for (const address of place.addresses) if (state.own.size < max.ownMax) state.own.add(address);
  drop(state, turn, place);
};

/** In the order in which they came, not of their worth (ranking.ts). */
export const servedPlaces = (state: DiscoveryState): Place[] => [...state.places.values()].filter(isServedStatus);
