// What people see of discovery.
import type { DiscoveryState, Place } from './state.ts';
import type { PlaceView, SourceView } from './types.ts';

export const placeView = (place: Place, nowMs: number): PlaceView => ({
  ...{ peer: place.proved ?? place.peer, name: place.name, addresses: [...place.addresses], state: place.status },
  sources: [...place.claims.keys()].sort(),
  ...{ priority: place.priority, weight: place.weight, healthy: place.healthy && place.failures === 0 },
  forMs: Math.max(0, nowMs - place.sinceMs),
});

const sourceState = ({ endMs, failure, answeredMs }: { endMs: number | null; failure: unknown; answeredMs: number | null }) => {
  if (failure !== null) return 'failed' as const;
  if (answeredMs !== null) return 'answered' as const;
  return endMs === null ? ('unasked' as const) : ('asking' as const);
};

const standing = { confirmed: 0, found: 1, stale: 2, lost: 3 };

/** One peer that several places name is one to whoever looks: the best of what is known of it, and all that say so. */
const together = (places: readonly PlaceView[]): PlaceView => {
  const [best, ...others] = [...places].sort((a, b) => standing[a.state] - standing[b.state] || a.priority - b.priority);
  return {
    ...best!,
    name: places.find(({ name }) => name !== null)?.name ?? null,
    addresses: [...new Set([best!, ...others].flatMap(({ addresses }) => addresses))],
    sources: [...new Set(places.flatMap(({ sources }) => sources))].sort(),
    healthy: places.some(({ healthy }) => healthy),
  };
};

const byPeer = (state: DiscoveryState, nowMs: number): PlaceView[][] => {
  const groups = new Map<string, PlaceView[]>();
  for (const place of state.places.values()) {
    const who = place.proved ?? place.peer ?? place.key;
    groups.set(who, [...(groups.get(who) ?? []), placeView(place, nowMs)]);
  }
  return [...groups.values()];
};

export type DiscoveryView = { peers: PlaceView[]; sources: SourceView[] };

/** Places in the order of their peer ids, lost ones too; sources as configured. */
export const discoveryView = (state: DiscoveryState, nowMs: number): DiscoveryView => ({
  peers: byPeer(state, nowMs)
    .map(together)
    .sort((a, b) => (`${a.peer}${a.addresses[0]}` < `${b.peer}${b.addresses[0]}` ? -1 : 1)),
  sources: [...state.sources.values()].map((source) => ({
    ...{ source: source.source, state: sourceState(source), lastError: source.failure, findings: source.findings },
    answeredMsAgo: source.answeredMs === null ? null : Math.max(0, nowMs - source.answeredMs),
  })),
});
