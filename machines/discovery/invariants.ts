// What is always true of discovery, asserted after each step: it costs a walk over at most a hundred places.
import { InvariantBroken } from '../invariant.ts';
import { discoveryLimits as max } from './limits.ts';
import { isConnected, whoOf } from './places.ts';
import type { DiscoveryState } from './state.ts';

const must = (holds: boolean, invariant: string, message: string): void => {
  if (!holds) throw new InvariantBroken(invariant, message);
};

export const checkInvariants = (state: DiscoveryState, nowMs: number): void => {
  const { places, options, self, evicted } = state;
  must(places.size <= options.placesMax, 'CACHE_BOUNDED', `${places.size} places`);
  must(state.lookups.length <= max.lookupsMax, 'LOOKUPS_BOUNDED', `${state.lookups.length} look-ups`);
  must(state.own.size <= max.ownMax && evicted.size <= max.evictedMax, 'MEMORY_BOUNDED', 'too many own or evicted');
  let dials = 0;
  for (const place of places.values()) {
    const who = whoOf(place);
    if (place.dialling) dials++;
    must(who !== self, 'NEVER_SELF', `${place.key} is this node`);
    must(who === null || !evicted.has(who), 'EVICTED_NOT_SERVED', `${who} was evicted`);
    must(place.addresses.length > 0 && place.addresses.length <= max.addressesMax, 'DIALLABLE', place.key);
    must(place.status !== 'confirmed' || place.proved !== null, 'CONFIRMED_BY_PROOF', `${place.key} was never admitted`);
    const said = place.claims.size > 0 || isConnected(state, place);
    must(
      said === (place.status === 'found' || place.status === 'confirmed'),
      'SAID_OR_STALE',
      `${place.key} is ${place.status}`,
    );
    for (const { untilMs } of place.claims.values()) must(untilMs > nowMs, 'CLAIMS_HOLD', `a claim of ${place.key} ran out`);
  }
  must(dials === state.dials && dials <= options.dialsMax, 'DIALS_COUNTED', `${dials} dials, ${state.dials} counted`);
};
