// How a member is written down where others look for it: one JSON object in etcd, in files and in well-known documents. Everything
// read from outside goes through here.

import type { Announcement, Finding } from '../../actors/ports/index.ts';
import { isNodeName } from '../../machines/genesis/messages.ts';
import { addressProblem, peerOfAddress } from '../address.ts';
import { sourceLimits } from './source.ts';

export const isPeerId = (value: unknown): value is string => typeof value === 'string' && /^[A-Za-z0-9]{1,128}$/.test(value);
const isSmall = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535;

/** multiaddrs take any text for a host's name: what is no name at all reaches neither a resolver nor a terminal. */
const isPlain = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

export const ttlWithin = (ttlMs: number): number =>
  Math.min(sourceLimits.ttlMaxMs, Math.max(sourceLimits.ttlMinMs, Math.round(ttlMs)));

/** The addresses that can be dialled, each once and with the peer id where it is known; what names another peer is left out. */
export const usable = (addresses: readonly unknown[], peer: string | null): string[] => {
  const found = new Set<string>();
  for (const address of addresses) {
    if (typeof address !== 'string' || address.length > sourceLimits.addressCharsMax || !isPlain(address)) continue;
    if (addressProblem(address) !== null) continue;
    const named = peerOfAddress(address);
    if (named !== null && peer !== null && named !== peer) continue;
    if (found.size < sourceLimits.addressesMax) found.add(named === null && peer !== null ? `${address}/p2p/${peer}` : address);
  }
  return [...found];
};

/** The object that stands for this node. */
export const formRecord = ({ name, peer, cluster, version, addresses }: Announcement): Record<string, unknown> => ({
  ...{ name, peer, cluster, version, addresses: addresses.slice(0, sourceLimits.addressesMax) },
});

/** What an object says of a member of this cluster; a problem in words that end a sentence; null if it is another cluster's. */
export const parseRecord = (value: unknown, cluster: string, ttlMs: number): Finding | { problem: string } | null => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { problem: 'is no object' };
  const given = value as Record<string, unknown>;
  if (given.cluster !== undefined && given.cluster !== cluster) return null;
  const peer = given.peer ?? null;
  if (peer !== null && !isPeerId(peer)) return { problem: 'has a peer that is no peer id' };
  const name = given.name ?? null;
  if (name !== null && !isNodeName(name)) return { problem: 'has a name that no node can have' };
  if (!Array.isArray(given.addresses)) return { problem: 'has no list of addresses' };
  const addresses = usable(given.addresses, peer);
  if (addresses.length === 0) return { problem: 'has no address that can be dialled (/ip4, /ip6 or /dns, then /tcp)' };
  const { priority = 0, weight = 0 } = given;
  if (!isSmall(priority) || !isSmall(weight))
    return { problem: 'has a priority or weight that is no whole number from 0 to 65535' };
  const healthy = given.healthy !== false;
  return { peer: peer ?? peerOfAddress(addresses[0]!), name, addresses, priority, weight, healthy, ttlMs: ttlWithin(ttlMs) };
};
