// What discovery remembers. Every field says what is always true of it.
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import type { DiscoveryEffect, DiscoveryOptions, PeerId, PlaceStatus, RememberedPlace } from './types.ts';

/** What one source says of a place. */
export type Claim = {
  addresses: readonly string[];
  name: string | null;
  priority: number;
  weight: number;
  healthy: boolean;
  /** After this it says so no more. */
  untilMs: number;
};

export type Place = {
  /** The peer id, or the addresses of a place of which no source says whose it is. */
  readonly key: string;
  readonly peer: PeerId | null;
  /** Who answered there last; never this node. */
  proved: PeerId | null;
  name: string | null;
  /** Of all that claim it now; of those who last did, while nobody does. At least one. */
  addresses: string[];
  priority: number;
  weight: number;
  healthy: boolean;
  /** By source; none has run out after a turn. */
  readonly claims: Map<string, Claim>;
  status: PlaceStatus;
  sinceMs: number;
  /** Dials in vain since the last that was not. */
  failures: number;
  tried: boolean;
  dialling: boolean;
  /** The addresses of the last dial. */
  dialledAs: string;
  /** Not dialled again before. */
  dialAtMs: number;
};

export type SourceState = {
  readonly source: string;
  /** When the question that is under way ends without an answer; null = none is. */
  endMs: number | null;
  /** When it is asked again. */
  dueMs: number;
  /** What it said last holds until then, also when it said that there is nobody (negative cache). */
  holdsUntilMs: number;
  askedMs: number;
  answeredMs: number | null;
  failures: number;
  failure: { code: string; message: string } | null;
  findings: number;
};

export type Lookup = { id: number; endMs: number; resultsMax: number; waiting: Set<string> };

export type DiscoveryState = {
  readonly self: PeerId;
  readonly options: DiscoveryOptions;
  readonly random: RandomState;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;
  readonly sources: Map<string, SourceState>;
  /** At most `placesMax`. */
  readonly places: Map<string, Place>;
  readonly connected: Set<PeerId>;
  readonly evicted: Set<PeerId>;
  /** Addresses at which this node itself answered. */
  readonly own: Set<string>;
  readonly lookups: Lookup[];
  dials: number;
  /** Who is served now, to tell when it changes. */
  served: string;
  /** When the disk is told; Infinity = it knows. */
  persistAtMs: number;
  remembered: string;
};

export type Turn = { readonly nowMs: number; readonly effects: DiscoveryEffect[] };

export type DiscoveryArguments = {
  self: PeerId;
  options: DiscoveryOptions;
  sources: readonly string[];
  /** From the disk. */
  remembered: readonly RememberedPlace[];
  seed: number;
  nowMs: number;
};

/** About this long: between three quarters of it and all of it, so that nodes that fail together do not ask together. */
export const about = (state: DiscoveryState, ms: number): number => {
  const quarter = Math.floor(ms / 4);
  return ms - (quarter > 0 ? nextBetween(state.random, 0, quarter + 1) : 0);
};

export const pauseMs = (state: DiscoveryState, failures: number): number => {
  const { retryMinMs, retryMaxMs, aloneEveryMs } = state.options;
  const maxMs = state.connected.size === 0 ? Math.min(retryMaxMs, aloneEveryMs) : retryMaxMs;
  return about(state, Math.min(maxMs, retryMinMs * 2 ** Math.min(failures - 1, 20)));
};

export const emptyState = ({ self, options, sources, seed, nowMs }: DiscoveryArguments): DiscoveryState => ({
  ...{ self, options, random: randomFrom(seed), deadlineMs: nowMs },
  sources: new Map(
    sources.map((source): [string, SourceState] => [
      source,
      {
        ...{ source, endMs: null, dueMs: nowMs, holdsUntilMs: Number.NEGATIVE_INFINITY, askedMs: Number.NEGATIVE_INFINITY },
        ...{ answeredMs: null, failures: 0, failure: null, findings: 0 },
      },
    ]),
  ),
  ...{ places: new Map(), connected: new Set(), evicted: new Set(), own: new Set(), lookups: [], dials: 0 },
  ...{ served: '', persistAtMs: Number.POSITIVE_INFINITY, remembered: '' },
});
