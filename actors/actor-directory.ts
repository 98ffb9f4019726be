// Actors of this node by address: those that live here, those that are being opened with the messages that wait for them in their order,
// and those that somebody watches. One opening is under way for an address, whoever asks; a handle is used until its backing says that the
// actor is gone, and then the next message makes or reads it anew.
import type { ActorAddress } from '../machines/entity/address.ts';
import { addressText, runtimeType } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import {
  type ActorDefinition,
  type ActorEnd,
  actorLimits,
  type Backing,
  type Durability,
  type LiveActor,
  onlyKey,
} from './actor-api.ts';
import type { Outcome } from './api.ts';

/** Something for an actor: it is given the actor, or told why not. `makes`: the actor is made for it if it is not there. */
export type Job = { readonly makes: boolean; run(live: LiveActor, place: Place): void; fail(why: Failure): void };

export type Watcher = (end: ActorEnd | 'moved') => void;

/** One address at this node. */
export type Place = {
  readonly address: ActorAddress;
  readonly definition: ActorDefinition;
  live: LiveActor | null;
  isOpening: boolean;
  /** Those who wait for its end, which is under way. */
  stopping: ((outcome: Outcome<null>) => void)[] | null;
  /** There may be a million places: most never have one of these. */
  jobs: Job[] | null;
  watchers: Set<Watcher> | null;
  /** How it ended, of one that was given up and still lives here. */
  failed: ActorEnd | null;
};

export interface Directory {
  host(definition: ActorDefinition): Failure | null;
  definition(type: string): ActorDefinition | undefined;
  definitions(): readonly ActorDefinition[];
  onHosted(listener: () => void): void;
  /** As it is written everywhere, or why no actor of this type can have this address. */
  canonical(definition: ActorDefinition, address: ActorAddress): ActorAddress | Failure;
  /** Lives here, and is not about to stop. */
  live(address: ActorAddress): LiveActor | null;
  /** Made if it is not known; the address is canonical. */
  place(definition: ActorDefinition, address: ActorAddress): Place;
  find(address: ActorAddress): Place | null;
  use(place: Place, token: FencingToken | null, job: Job): void;
  /** Nothing is wanted of it: it is kept only if something else is. */
  forget(place: Place): void;
  /** The handle answered that it has ended. */
  stale(place: Place, live: LiveActor): void;
  stop(place: Place, token: FencingToken | null, isHard: boolean, done: (outcome: Outcome<null>) => void): void;
  /** Null: there are too many. Returns what ends it. */
  watch(place: Place, watcher: Watcher): (() => void) | null;
  gone(live: LiveActor, why: ActorEnd | 'passivated' | 'moved'): void;
  givenUp(live: LiveActor, end: ActorEnd): void;
  /** Watched, and not alive here. */
  passive(): Place[];
  /** Nobody is watched here any more as far as this address goes. */
  moved(place: Place): void;
}

/** Who has a say in what lives here, or is to know: what places actors of the cluster and remembers them. */
export type DirectoryHooks = {
  /** Before an actor is opened for a message that makes it. */
  opening(definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void;
  opened(actor: LiveActor, token: FencingToken | null): void;
  gone(actor: LiveActor): void;
  /** For good. */
  stopped(definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void;
};

export const noHooks: DirectoryHooks = {
  opening: (_definition, _address, done) => done(null),
  opened: () => {},
  gone: () => {},
  stopped: (_definition, _address, done) => done(null),
};

export type DirectoryArguments = { name: string; backings: () => readonly Backing[]; hooks: DirectoryHooks };

export const createDirectory = ({ name, backings, hooks }: DirectoryArguments): Directory => {
  const definitions = new Map<string, ActorDefinition>();
  const places = new Map<string, Map<string, Place>>();
  const listeners: (() => void)[] = [];
  /** Those that somebody watches. */
  const watched = new Set<Place>();

  const backingOf = (durability: Durability): Backing | undefined =>
    backings().find((backing) => backing.durability === durability);

  const whyNotHosted = (definition: ActorDefinition): Failure | null => {
    const { name: type, version, durability } = definition;
    if (type === runtimeType) return failure('INVALID_REQUEST', `'${type}' is the runtime's own`);
    const known = definitions.get(type);
    if (known !== undefined && known !== definition && known.version >= version)
      return failure('INVALID_REQUEST', `${name} hosts another ${type}, of version ${known.version}`);
    if (known === undefined && definitions.size >= actorLimits.typesMax)
      return failure('OVERLOADED', `${name} hosts ${definitions.size} types of actors, more are not possible`);
    if (backingOf(durability) !== undefined) return null;
    return failure('INVALID_REQUEST', `${name} keeps no actors of durability '${durability}'`);
  };

  const find = ({ type, key, node }: ActorAddress): Place | null => {
    const place = places.get(type)?.get(key);
    if (place === undefined) return null;
    // An address without a node is also that of an actor of this one.
    return node === null || place.address.node === node ? place : null;
  };

  const tidy = (place: Place): void => {
    const { address, live, isOpening, stopping, watchers } = place;
    if (live !== null || isOpening || stopping !== null || watchers !== null) return;
    const of = places.get(address.type);
    if (of?.get(address.key) !== place) return;
    of.delete(address.key);
    if (of.size === 0) places.delete(address.type);
  };

  const open = (place: Place, token: FencingToken | null): void => {
    const { definition, address } = place;
    const onlyIfMade = place.jobs?.some(({ makes }) => makes) !== true;
    place.isOpening = true;
    const done = (outcome: Outcome<LiveActor>): void => {
      if (!place.isOpening) return;
      place.isOpening = false;
      const jobs = place.jobs ?? [];
      place.jobs = null;
      if (outcome.ok) {
        place.live = outcome.value;
        hooks.opened(outcome.value, token);
        for (const job of jobs) directory.use(place, token, job);
        return tidy(place);
      }
      // There was nothing for those that make nothing; for others that came meanwhile it is made.
      const retries = onlyIfMade && outcome.failure.code === 'ACTOR_STOPPED';
      for (const job of jobs)
        if (retries && job.makes) directory.use(place, token, job);
        else job.fail(outcome.failure);
      tidy(place);
    };
    const backing = backingOf(definition.durability);
    if (backing === undefined)
      return done({
        ok: false,
        failure: failure('NOT_READY', `${name} keeps no actors of durability '${definition.durability}' now`),
      });
    if (onlyIfMade) return backing.open(definition, address, token, done, true);
    hooks.opening(definition, address, (why) => {
      if (why === null) backing.open(definition, address, token, done);
      else done({ ok: false, failure: why });
    });
  };

  const tell = (place: Place, end: ActorEnd | 'moved'): void => {
    const { watchers } = place;
    place.watchers = null;
    watched.delete(place);
    for (const watcher of watchers ?? []) watcher(end);
  };

  const directory: Directory = {
    host(definition) {
      if (definitions.get(definition.name) === definition) return null;
      const why = whyNotHosted(definition);
      if (why !== null) return why;
      definitions.set(definition.name, definition);
      for (const listener of listeners) listener();
      return null;
    },
    definition: (type) => definitions.get(type),
    definitions: () => [...definitions.values()],
    onHosted: (listener) => void listeners.push(listener),

    canonical({ name: type, placement }, address) {
      if ((placement === 'each' || placement === 'singleton') && address.key !== onlyKey)
        return failure('INVALID_REQUEST', `there is one ${type} only, under the key '${onlyKey}'`, {
          address: addressText(address),
        });
      if (placement === 'node' || placement === 'each') return address.node === null ? { ...address, node: name } : address;
      if (address.node === null) return address;
      return failure('INVALID_REQUEST', `the cluster places each ${type}: its address names no node`, {
        address: addressText(address),
      });
    },

    live(address) {
      const place = places.get(address.type)?.get(address.key);
      if (place === undefined || place.stopping !== null) return null;
      return address.node === null || address.node === place.address.node ? place.live : null;
    },

    place(definition, address) {
      let of = places.get(address.type);
      if (of === undefined) places.set(address.type, (of = new Map()));
      const known = of.get(address.key);
      if (known !== undefined && (known.definition === definition || known.live !== null || known.isOpening)) return known;
      const place: Place = {
        ...{ address, definition, live: null, isOpening: false, stopping: null, jobs: null },
        watchers: null,
        failed: null,
      };
      of.set(address.key, place);
      if (known?.watchers == null) return place;
      // Of another version of its type.
      place.watchers = known.watchers;
      known.watchers = null;
      watched.delete(known);
      watched.add(place);
      return place;
    },
    find,

    use(place, token, job) {
      if (place.stopping !== null) {
        job.fail(failure('ACTOR_STOPPED', `${addressText(place.address)} is being stopped`));
        return tidy(place);
      }
      if (place.live !== null) return job.run(place.live, place);
      const waiting = place.jobs?.length ?? 0;
      if (waiting >= place.definition.mailboxMax)
        return job.fail(failure('MAILBOX_FULL', `${waiting} messages wait until ${addressText(place.address)} is there`));
      place.jobs ??= [];
      place.jobs.push(job);
      if (!place.isOpening) open(place, token);
    },

    forget: tidy,

    stale(place, live) {
      if (place.live === live) place.live = place.failed = null;
    },

    stop(place, token, isHard, done) {
      if (place.stopping !== null) return void place.stopping.push(done);
      const { definition, address } = place;
      const ending: ((outcome: Outcome<null>) => void)[] = [done];
      /** Whoever remembers it must not make it again; if that cannot be said now, it is to be stopped once more. */
      const forget = (): void => hooks.stopped(definition, address, over);
      const over = (why: Failure | null): void => {
        if (place.stopping === ending) place.stopping = null;
        // Of one that had left the memory no handle says so.
        if (why === null && place.live === null) tell(place, { address, reason: 'stopped' });
        tidy(place);
        for (const tellOne of ending) tellOne(why === null ? { ok: true, value: null } : { ok: false, failure: why });
      };
      const begin = (): void => void (place.stopping = ending);
      /** It cannot be opened: only who says so has it removed all the same. */
      const stopUnread = (why: Failure): void => {
        const remove = backingOf(definition.durability)?.removal?.(address, why) ?? null;
        if (remove === null) return over(why);
        if (!isHard) return over(failure(why.code, `${why.message}; a hard stop removes it unread`, why.details));
        begin();
        remove((whyNot) => (whyNot === null ? forget() : over(whyNot)));
      };
      if (place.live === null && !place.isOpening && definition.durability === 'none') {
        begin();
        return forget();
      }
      directory.use(place, token, {
        makes: false,
        fail(why) {
          if (place.stopping !== null) return void place.stopping.push(done);
          if (why.code !== 'ACTOR_STOPPED') return stopUnread(why);
          begin();
          forget();
        },
        run(live) {
          begin();
          live.stop(isHard, (why) => {
            directory.stale(place, live);
            if (why === null) forget();
            else over(why);
          });
        },
      });
    },

    watch(place, watcher) {
      if (place.watchers !== null && place.watchers.size >= actorLimits.watchersMax) return null;
      place.watchers ??= new Set();
      const { watchers } = place;
      watchers.add(watcher);
      watched.add(place);
      return () => {
        if (!watchers.delete(watcher) || watchers.size > 0) return;
        const now = find(place.address);
        if (now?.watchers !== watchers) return;
        now.watchers = null;
        watched.delete(now);
        tidy(now);
      };
    },

    gone(live, why) {
      hooks.gone(live);
      const place = find(live.address);
      if (place === null || place.live !== live) return;
      place.live = place.failed = null;
      if (why !== 'passivated') tell(place, why);
      tidy(place);
    },

    givenUp(live, end) {
      const place = find(live.address);
      if (place === null || place.live !== live) return;
      place.failed = end;
      tell(place, end);
    },

    passive: () => [...watched].filter(({ live, isOpening }) => live === null && !isOpening),

    moved(place) {
      tell(place, 'moved');
      tidy(place);
    },
  };
  return directory;
};
