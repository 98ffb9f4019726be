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

export type DiscoveryView = { peers: PlaceView[]; sources: SourceView[] };

/** Places in the order of their peer ids, lost ones too; sources as configured. */
export const discoveryView = (state: DiscoveryState, nowMs: number): DiscoveryView => ({
  peers: [...state.places.values()]
    .map((place) => placeView(place, nowMs))
    .sort((a, b) => (`${a.peer}${a.addresses[0]}` < `${b.peer}${b.addresses[0]}` ? -1 : 1)),
  sources: [...state.sources.values()].map((source) => ({
    ...{ source: source.source, state: sourceState(source), lastError: source.failure, findings: source.findings },
    answeredMsAgo: source.answeredMs === null ? null : Math.max(0, nowMs - source.answeredMs),
  })),
});
