// Members whose addresses somebody wrote down (row D1, a static list): places like any other that discovery knows, with a peer id where
// the address has one.
import { addressProblem, peerOfAddress } from '../address.ts';
import { usable } from './record.ts';
import { type Answer, type SourceKind, sourceLimits } from './source.ts';

/** All of them are the source's name in logs and metrics. */
const addressesMax = 16;

const placesOf = (addresses: readonly string[]): string[][] => {
  const places = new Map<string, string[]>();
  for (const address of addresses) {
    const place = peerOfAddress(address) ?? address;
    places.set(place, [...(places.get(place) ?? []), address]);
  }
  return [...places.values()];
};

export const staticList: SourceKind = {
  scheme: 'static',
  form: 'static:MULTIADDR[,MULTIADDR…]',
  parse(text) {
    const addresses = [...new Set(text.split(',').map((one) => one.trim()))].filter((one) => one !== '');
    if (addresses.length === 0) return { problem: 'names no address' };
    if (addresses.length > addressesMax) return { problem: `names more than ${addressesMax} addresses (a file: has room)` };
    for (const address of addresses) {
      const why = addressProblem(address);
      // What is not even like a multiaddr may be a URL with a password in it.
      const which = /^\/[\w/.:-]{1,255}$/.test(address) ? `, '${address}',` : '';
      if (why !== null) return { problem: `has an address${which} that ${why}` };
    }
    const findings = placesOf(addresses).map((place) => {
      const peer = peerOfAddress(place[0]!);
      const known = { peer, name: null, addresses: usable(place, peer) };
      return { ...known, priority: 0, weight: 0, healthy: true, ttlMs: sourceLimits.ttlMaxMs };
    });
    const answer: Answer = { findings, emptyTtlMs: sourceLimits.ttlMaxMs };
    return { name: `static:${addresses.join(',')}`, open: async () => ({ query: async () => answer }) };
  },
};
