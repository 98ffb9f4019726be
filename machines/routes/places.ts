// Where something that is offered is to be had (row R1): here, at the node that is preferred, then where it is nearest, and only where all
// is well. What the own catalog does not know neighbours are asked for, side by side; what they say is a hint, and whoever is said to
// offer it is asked himself before anybody is sent there.
import { type RandomState, randomFrom } from '../random.ts';
import { drawFrom } from './draw.ts';
import type { PeerId } from './types.ts';

/** Who offers it, in which version. */
export type Offered = { readonly owner: PeerId; readonly version: string };

export type PlacesOptions = {
  /** What was found by asking holds so long. */
  ttlMs: number;
  noneMs: number;
  refreshShare: number;
  askMs: number;
  fanout: number;
};

export const placesLimits = {
  /** Look-ups whose answer is kept, and those that are under way. */
  keptMax: 1_024,
  searchesMax: 256,
  waitersMax: 1_024,
  /** Owners in one answer of a peer, and those that are asked themselves for one look-up. */
  ownersMax: 8,
  provedMax: 32,
} as const;

const max = placesLimits;

type Kept = { readonly places: readonly Offered[]; readonly untilMs: number; readonly refreshMs: number };
type Search = {
  readonly key: string;
  /** Have been asked who offers it, and not answered yet. */
  readonly asked: Set<PeerId>;
  /** Are said to, and not answered yet; and all that were. */
  readonly proving: Set<PeerId>;
  readonly said: Set<PeerId>;
  readonly places: Offered[];
  readonly endsMs: number;
  waiters: number[];
};

export type PlacesState = {
  readonly self: PeerId;
  readonly options: PlacesOptions;
  readonly random: RandomState;
  /** By look-up; oldest first. No places: nobody offers it, as was found out. */
  readonly kept: Map<string, Kept>;
  readonly searches: Map<string, Search>;
  deadlineMs: number;
};

export type PlacesEvent =
  | { type: 'wake' }
  /** `key` stands for what is looked for; `near`: who can be asked. One `located` is the answer. */
  | { type: 'locate'; locate: number; key: string; near: readonly PeerId[] }
  /** What came of one `ask`: who is said to offer it. */
  | { type: 'said'; key: string; from: PeerId; owners: readonly PeerId[] }
  /** What came of one `prove`; null: it does not offer it, or did not answer. */
  | { type: 'proved'; key: string; owner: PeerId; version: string | null }
  /** Something new is offered, or somebody came: who found nothing may find something. */
  | { type: 'news' };

export type PlacesEffect =
  | { type: 'ask'; key: string; to: PeerId; timeoutMs: number }
  | { type: 'prove'; key: string; owner: PeerId; timeoutMs: number }
  | { type: 'located'; locate: number; places: readonly Offered[] };

export const createPlaces = (args: { self: PeerId; options: PlacesOptions; seed: number }): PlacesState => ({
  ...{ self: args.self, options: args.options, random: randomFrom(args.seed) },
  ...{ kept: new Map(), searches: new Map(), deadlineMs: Number.POSITIVE_INFINITY },
});

const nothing: readonly Offered[] = [];

export const stepPlaces = (state: PlacesState, nowMs: number, event: PlacesEvent): PlacesEffect[] => {
  const effects: PlacesEffect[] = [];
  switch (event.type) {
    case 'wake':
      break;
    case 'locate':
      locate(state, nowMs, effects, event);
      break;
    case 'said':
      onSaid(state, nowMs, effects, event.key, event.from, event.owners);
      break;
    case 'proved':
      onProved(state, nowMs, effects, event.key, event.owner, event.version);
      break;
    case 'news':
      for (const [key, { places }] of state.kept) if (places.length === 0) state.kept.delete(key);
  }
  if (nowMs >= state.deadlineMs) {
    state.deadlineMs = Number.POSITIVE_INFINITY;
    for (const search of [...state.searches.values()])
      if (search.endsMs <= nowMs) end(state, nowMs, effects, search);
      else state.deadlineMs = Math.min(state.deadlineMs, search.endsMs);
  }
  return effects;
};

type Locate = Extract<PlacesEvent, { type: 'locate' }>;

const locate = (state: PlacesState, nowMs: number, effects: PlacesEffect[], event: Locate): void => {
  const kept = state.kept.get(event.key);
  const isKept = kept !== undefined && nowMs < kept.untilMs;
  if (isKept) effects.push({ type: 'located', locate: event.locate, places: kept.places });
  // What is in use is looked for again before it ends.
  if (isKept && (kept.places.length === 0 || nowMs < kept.refreshMs)) return;
  search(state, nowMs, effects, event, isKept ? null : event.locate);
};

const search = (
  state: PlacesState,
  nowMs: number,
  effects: PlacesEffect[],
  { key, near }: Locate,
  waiter: number | null,
): void => {
  const refuse = (): void => {
    if (waiter !== null) effects.push({ type: 'located', locate: waiter, places: nothing });
  };
  const running = state.searches.get(key);
  if (running !== undefined) {
    if (running.waiters.length >= max.waitersMax) refuse();
    else if (waiter !== null) running.waiters.push(waiter);
    return;
  }
  if (state.searches.size >= max.searchesMax) return refuse();
  const { askMs, fanout } = state.options;
  const asked = new Set(
    drawFrom(
      state.random,
      near.filter((peer) => peer !== state.self),
      fanout,
    ),
  );
  const made: Search = {
    ...{ key, asked, proving: new Set(), said: new Set(), places: [], endsMs: nowMs + askMs },
    waiters: waiter === null ? [] : [waiter],
  };
  state.searches.set(key, made);
  state.deadlineMs = Math.min(state.deadlineMs, made.endsMs);
  for (const to of asked) effects.push({ type: 'ask', key, to, timeoutMs: askMs });
  if (asked.size === 0) end(state, nowMs, effects, made);
};

const onSaid = (
  state: PlacesState,
  nowMs: number,
  effects: PlacesEffect[],
  key: string,
  from: PeerId,
  owners: readonly PeerId[],
): void => {
  const found = state.searches.get(key);
  if (found === undefined || !found.asked.delete(from)) return;
  const timeoutMs = Math.max(1, found.endsMs - nowMs);
  for (const owner of owners.slice(0, max.ownersMax)) {
    if (owner === state.self || found.said.has(owner) || found.said.size >= max.provedMax) continue;
    found.said.add(owner);
    found.proving.add(owner);
    effects.push({ type: 'prove', key, owner, timeoutMs });
  }
  if (found.asked.size === 0 && found.proving.size === 0) end(state, nowMs, effects, found);
};

const onProved = (
  state: PlacesState,
  nowMs: number,
  effects: PlacesEffect[],
  key: string,
  owner: PeerId,
  version: string | null,
): void => {
  const found = state.searches.get(key);
  if (found === undefined || !found.proving.delete(owner)) return;
  if (version !== null) {
    found.places.push({ owner, version });
    // The first that is true ends the waiting; what comes later is known for the next time.
    tell(effects, found);
  }
  if (found.asked.size === 0 && found.proving.size === 0) end(state, nowMs, effects, found);
};

const tell = (effects: PlacesEffect[], found: Search): void => {
  const places = [...found.places];
  for (const waiter of found.waiters) effects.push({ type: 'located', locate: waiter, places });
  found.waiters = [];
};

const end = (state: PlacesState, nowMs: number, effects: PlacesEffect[], found: Search): void => {
  const { ttlMs, noneMs, refreshShare } = state.options;
  const { key, places } = found;
  const holdsMs = places.length === 0 ? noneMs : ttlMs;
  tell(effects, found);
  state.searches.delete(key);
  state.kept.delete(key);
  state.kept.set(key, { places, untilMs: nowMs + holdsMs, refreshMs: nowMs + holdsMs * refreshShare });
  if (state.kept.size > max.keptMax) for (const oldest of state.kept.keys()) if (state.kept.delete(oldest)) break;
};

// ---------------------------------------------------------------- in which order

export type PlaceFacts = {
  readonly self: PeerId;
  readonly preferred: PeerId | null;
  /** Of a round trip; null: not measured. */
  latencyMs(owner: PeerId): number | null;
  isHealthy(owner: PeerId): boolean;
};

export type Ranked = Offered & { readonly latencyMs: number | null };

/** Here, where it is preferred, then the nearest; those that are not well are left out, and what nobody measured is last. */
export const rankPlaces = (places: readonly Offered[], facts: PlaceFacts): readonly Ranked[] => {
  const { self, preferred } = facts;
  const classOf = ({ owner }: Offered): number => (owner === self ? 0 : owner === preferred ? 1 : 2);
  const seen = new Set<PeerId>();
  const ranked: Ranked[] = [];
  for (const { owner, version } of places) {
    // The highest version comes first.
    if (seen.has(owner) || !(owner === self || facts.isHealthy(owner))) continue;
    seen.add(owner);
    ranked.push({ owner, version, latencyMs: owner === self ? 0 : facts.latencyMs(owner) });
  }
  const far = Number.POSITIVE_INFINITY;
  return ranked.sort((a, b) => {
    const nearer = classOf(a) - classOf(b);
    if (nearer !== 0) return nearer;
    const [one, other] = [a.latencyMs ?? far, b.latencyMs ?? far];
    return one === other ? (a.owner < b.owner ? -1 : 1) : one - other;
  });
};
