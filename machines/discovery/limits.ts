// The defaults of discovery (rows D2, D3) and every maximum, with what must hold between them.
import type { DiscoveryOptions } from './types.ts';

export const discoveryDefaults: DiscoveryOptions = {
  queryTimeoutMs: 5_000,
  resultsMax: 10,
  placesMax: 100,
  staleMs: 86_400_000,
  lostMs: 3_600_000,
  retryMinMs: 1_000,
  retryMaxMs: 60_000,
  aloneEveryMs: 5_000,
  dialsMax: 8,
};

export const discoveryLimits = {
  sourcesMax: 16,
  /** Findings of one answer. */
  findingsMax: 100,
  addressesMax: 8,
  addressCharsMax: 256,
  nameCharsMax: 63,
  peerCharsMax: 128,
  /** Look-ups under way. */
  lookupsMax: 16,
  /** Peers that are never served again. */
  evictedMax: 1_000,
  /** Addresses known to be this node's own. */
  ownMax: 32,
  /** A change is on the disk after this. */
  persistAfterMs: 1_000,
  /** Of a time to live, after which it is asked again (so that it never runs out while a source answers). */
  refreshShare: 0.8,
  /** At most so often, whatever times a source says. */
  refreshMinMs: 1_000,
} as const;
