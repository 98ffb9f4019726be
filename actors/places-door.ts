// Where something that is offered is to be had, in the order in which it should be tried (row R1): from the catalog, which costs no message
// and is remembered as long as nothing changes, or else by asking others.
import type { Entry, Found } from '../machines/catalog/index.ts';
import { failure } from '../machines/errors.ts';
import type { MemberView } from '../machines/membership/index.ts';
import { type Offered, type Ranked, type RoutesState, rankPlaces, wayAvoiding } from '../machines/routes/index.ts';
import type { Outcome } from './api.ts';
import type { PlaceLookup } from './places.ts';
import type { ClockPort, PeerId } from './ports/index.ts';

/** Who has it, the best first. */
export type Place = Ranked & {
  /** Null: nobody has told its name. */
  readonly node: string | null;
};

export type PlacesDoorArguments = {
  self: PeerId;
  name: string;
  clock: ClockPort;
  find: (lookup: PlaceLookup) => Found;
  members: () => readonly MemberView[];
  isConnected: (peer: PeerId) => boolean;
  nameOf: (peer: PeerId) => string | null;
  peerOf: (node: string) => PeerId | null;
  isOpen: (peer: PeerId, service: string) => boolean;
  state: () => RoutesState | null;
  /** Asks others; nothing, if there is nobody to do so now. */
  ask: (lookup: PlaceLookup, done: (places: readonly Offered[]) => void) => void;
};

type Kept = {
  readonly stamp: number;
  readonly prefer: string | null;
  readonly untilMs: number;
  readonly outcome: Outcome<Place[]>;
};

/** How far somebody is changes without a word. */
const keptMs = 30_000;

export const createPlacesDoor = (args: PlacesDoorArguments) => {
  const { self, clock } = args;
  const kept = new WeakMap<readonly Entry[], Kept>();
  let stamp = 0;

  const latencyOf = (state: RoutesState, owner: PeerId): number | null =>
    wayAvoiding(state, owner, [], state.options.hopsMax, clock.nowMs())?.latencyMs ?? null;

  const rank = (places: readonly Offered[], service: string, prefer: string | null): Place[] => {
    const state = args.state();
    const members = new Map(args.members().map((member) => [member.peer, member]));
    const ranked = rankPlaces(places, {
      ...{ self, preferred: prefer === null ? null : args.peerOf(prefer) },
      latencyMs: (owner) => (state === null ? null : latencyOf(state, owner)),
      isHealthy(owner) {
        const member = members.get(owner);
        if (args.isOpen(owner, service)) return false;
        if (member === undefined) return args.isConnected(owner);
        return member.status === 'alive' && member.state !== 'draining' && member.state !== 'failed';
      },
    });
    return ranked.map((place) => ({ ...place, node: args.nameOf(place.owner) }));
  };

  return {
    /** Of members, their connections or their breakers something is different. */
    changed(): void {
      stamp++;
    },
    locate(lookup: PlaceLookup, prefer: string | null, done: (outcome: Outcome<readonly Place[]>) => void): void {
      const found = args.find(lookup);
      if (!found.ok) return done({ ok: false, failure: failure('INVALID_REQUEST', `${found.code}: ${found.message}`) });
      const { entries } = found;
      if (entries.length === 0)
        return args.ask(lookup, (places) => done({ ok: true, value: rank(places, lookup.name, prefer) }));
      const known = kept.get(entries);
      const nowMs = clock.nowMs();
      if (known !== undefined && known.stamp === stamp && known.prefer === prefer && nowMs < known.untilMs)
        return done(known.outcome);
      const offered = entries.map(({ owner, offer }) => ({ owner, version: offer.version }));
      const outcome = { ok: true as const, value: rank(offered, lookup.name, prefer) };
      kept.set(entries, { stamp, prefer, untilMs: nowMs + keptMs, outcome });
      done(outcome);
    },
  };
};
