// Where something that is offered is to be had, asked of others (row R1): drives machines/routes/places over the control lane. Neighbours say
// from their catalogs who offers it, and whoever is said to is asked himself: that one speaks for himself, and nobody for another.
import { type Lookup, wantedOf } from '../machines/catalog/index.ts';
import { createLimiter, take } from '../machines/limiter/index.ts';
import {
  createPlaces,
  isPeerId,
  type Offered,
  type PlacesEffect,
  type PlacesEvent,
  placesLimits,
  type RoutesOptions,
  stepPlaces,
} from '../machines/routes/index.ts';
import { createAlarm } from './alarm.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { CatalogApi } from './service-api.ts';
import type { Scope } from './supervise.ts';

export const placesTypes = { who: 'who-offers', proof: 'offers-it' } as const;

/** A look-up without words about owners: those are what is asked for. */
export type PlaceLookup = Pick<Lookup, 'name' | 'kind' | 'range' | 'resources' | 'capabilities'>;

export type PlacesArguments = {
  options: RoutesOptions;
  ports: Ports;
  router: Router;
  find: CatalogApi['find'];
  near: () => readonly PeerId[];
  address: string;
};

export interface Places {
  /** `done` once; who answered for himself, in no order. */
  locate(lookup: PlaceLookup, done: (places: readonly Offered[]) => void): void;
  /** False: it is no message about places. */
  receive(delivery: Delivery): boolean;
  /** Somebody came, or says something new. */
  news(): void;
  stop(): void;
}

/** Look-ups of one neighbour that are answered: each costs a look into the catalog. */
const questions = { node: { tokens: 100, periodMs: 1_000, burst: 200 }, principal: null, nodesMax: 1_024, principalsMax: 1 };
const versionCharsMax = 128;

export const formLookup = ({ name, kind, range, resources, capabilities }: PlaceLookup): unknown => [
  ...[name, kind ?? null, range ?? null, resources ?? null, capabilities ?? null],
];

/** Null: it is none, or makes no sense. */
export const parseLookup = (body: unknown): PlaceLookup | null => {
  if (!Array.isArray(body) || body.length !== 5) return null;
  const [name, kind, range, resources, capabilities] = body as unknown[];
  const given = { name, kind, range, resources, capabilities };
  const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  if (typeof told.name !== 'string') return null;
  // Checked field by field there.
  const lookup = told as PlaceLookup;
  return wantedOf(lookup).ok ? lookup : null;
};

const parseOwners = (body: unknown): readonly PeerId[] =>
  Array.isArray(body) && body.length <= placesLimits.ownersMax && body.every(isPeerId) ? body : [];

const parseVersion = (body: unknown): string | null =>
  typeof body === 'string' && body.length <= versionCharsMax ? body : null;

export const createPlacesRoom = (scope: Scope, args: PlacesArguments): Places => {
  const { ports, router, find, address } = args;
  const { clock, network, random } = ports;
  const state = createPlaces({ self: network.self, options: args.options, seed: random.uint32() });
  const limiter = createLimiter({ options: questions, nowMs: clock.nowMs() });
  const waiting = new Map<number, (places: readonly Offered[]) => void>();
  let lastNumber = 0;
  const alarm = createAlarm(clock, scope.after, () => run({ type: 'wake' }));

  const ask = (peer: PeerId, type: string, key: string, timeoutMs: number, done: (body: unknown) => void): void =>
    router.ask(
      {
        ...{ peer, lane: 'control', source: address, target: address, type, timeoutMs },
        // A key is the look-up itself.
        body: JSON.parse(key) as unknown,
      },
      (why, body) => scope.soon(() => done(why === null ? body : null)),
    );

  const fulfil = (effect: PlacesEffect): void => {
    switch (effect.type) {
      case 'ask': {
        const { key, to, timeoutMs } = effect;
        return ask(to, placesTypes.who, key, timeoutMs, (body) =>
          run({ type: 'said', key, from: to, owners: parseOwners(body) }),
        );
      }
      case 'prove': {
        const { key, owner, timeoutMs } = effect;
        return ask(owner, placesTypes.proof, key, timeoutMs, (body) =>
          run({ type: 'proved', key, owner, version: parseVersion(body) }),
        );
      }
      case 'located': {
        const done = waiting.get(effect.locate);
        waiting.delete(effect.locate);
        return done?.(effect.places);
      }
    }
  };

  const run = (event: PlacesEvent): void => {
    for (const effect of stepPlaces(state, clock.nowMs(), event)) fulfil(effect);
    alarm.at(state.deadlineMs);
  };

  const whoOffers = (lookup: PlaceLookup, asker: PeerId): PeerId[] => {
    const found = find(lookup);
    const owners = new Set((found.ok ? found.entries : []).map(({ owner }) => owner));
    owners.delete(asker);
    return [...owners].slice(0, placesLimits.ownersMax);
  };

  const ownVersion = (lookup: PlaceLookup): string | null => {
    const found = find({ ...lookup, owner: network.self });
    return found.ok ? (found.entries[0]?.offer.version ?? null) : null;
  };

  return {
    locate(lookup, done) {
      const locate = ++lastNumber;
      waiting.set(locate, done);
      run({ type: 'locate', locate, key: JSON.stringify(formLookup(lookup)), near: args.near() });
    },
    receive({ peer, type, body, answer }) {
      if (type !== placesTypes.who && type !== placesTypes.proof) return false;
      const lookup = parseLookup(body);
      if (lookup === null) router.refuse(peer, 'ROUTES_MALFORMED', 'a look-up that makes no sense');
      else if (take(limiter, clock.nowMs(), peer, null) !== null) answer(null);
      else answer(type === placesTypes.who ? whoOffers(lookup, peer) : ownVersion(lookup));
      return true;
    },
    news: () => run({ type: 'news' }),
    stop() {
      const all = [...waiting.values()];
      waiting.clear();
      for (const done of all) done([]);
    },
  };
};
