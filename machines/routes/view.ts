// What a person is told of a way: how, and why.
import type { RoutesState } from './state.ts';
import type { PeerId, Way } from './types.ts';
import { wayAvoiding } from './ways.ts';

export type RouteView = {
  peer: PeerId;
  /** 'self', connected, over others, nobody reached it a moment ago, or it was not asked for. */
  how: 'self' | 'direct' | 'relayed' | 'none' | 'unknown';
  /** Everybody on it, the peer itself last. */
  path: readonly PeerId[];
  /** Of a round trip, as far as it is measured. */
  latencyMs: number | null;
  /** Since it was learned, and until it is asked for again; null: it is no memory. */
  ageMs: number | null;
  leftMs: number | null;
  /** Other ways that are known. */
  others: number;
  /** A look-up is under way. */
  isAsking: boolean;
};

const viewOfWay = ({ path, latencyMs, learnedMs, untilMs }: Way, isDirect: boolean, nowMs: number): Partial<RouteView> => ({
  ...{ how: isDirect ? 'direct' : 'relayed', path, latencyMs, ageMs: Math.max(0, nowMs - learnedMs) },
  leftMs: isDirect ? null : Math.max(0, untilMs - nowMs),
});

export const routeView = (state: RoutesState, peer: PeerId, nowMs: number): RouteView => {
  const known = state.targets.get(peer);
  const way = wayAvoiding(state, peer, [], state.options.hopsMax, nowMs);
  const fresh = (known?.ways ?? []).filter(({ untilMs }) => untilMs > nowMs).length;
  const isNone = (known?.noneUntilMs ?? 0) > nowMs;
  return {
    ...{ peer, how: peer === state.self ? 'self' : isNone ? 'none' : 'unknown', path: [], latencyMs: null, ageMs: null },
    ...{ leftMs: isNone && way === null ? known!.noneUntilMs - nowMs : null },
    ...{ others: Math.max(0, fresh - 1), isAsking: state.own.has(peer) },
    ...(way === null ? {} : viewOfWay(way, way.path.length === 1, nowMs)),
  };
};
