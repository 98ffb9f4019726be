// What a node knows of its replicated objects, whatever becomes of their actor: who follows which, and where they are read; and the
// calls of those who read and change them.
import { type Failure, failure } from '../machines/errors.ts';
import {
  type Conflict,
  type Ledger,
  nameOf,
  type Objects,
  type Plain,
  packedForm,
  pageOf,
  type Sibling,
} from '../machines/replicator/index.ts';
import type { ListedReplica, Outcome, ReplicaApi, ReplicaConflict } from './api.ts';
import type { SinkPort } from './ports/index.ts';
import { createReplicaListeners } from './replica-listeners.ts';
import type { RoundsView } from './replica-rounds.ts';
import type { ReplicaStore } from './replica-store.ts';
import type { ReplicatorArguments, ReplicatorEvent } from './replicator.ts';
import type { Cell } from './supervise.ts';

export const replicaDoorLimits = {
  followersMax: 16_384,
  /** Who is told of conflicts. */
  watchersMax: 1_024,
  /** Conflicts of one turn that are told; all are counted. */
  conflictsMax: 1_024,
  /** Who waits for the objects to be read. */
  waitersMax: 1_024,
  listMax: 1_000,
} as const;

const limits = replicaDoorLimits;
/** Stands for every object; no name is empty. */
const everything = '';

export type ReplicaDoorArguments = {
  name: string;
  sink: SinkPort;
  isStopping: () => boolean;
  cell: () => Cell<ReplicatorEvent> | null;
  /** Does it once what happens now is over: a follower is told once of many changes of one turn. */
  soon: (run: () => void) => void;
};

export interface ReplicaDoor {
  readonly api: ReplicaApi;
  /** What a new incarnation of the actor is given. */
  memory(): Pick<ReplicatorArguments, 'onOpened' | 'onUnreadable' | 'onChanged' | 'onRounds' | 'isWatched'>;
  undelivered(event: ReplicatorEvent): void;
  /** There will be no actor: the disk refuses. */
  unreadable(why: Failure): void;
  /** The node stops: nothing is changed any more, and who follows is told that it is over. */
  stop(): void;
}

/** What a register's siblings hold; undefined for what is no register. */
const siblingsOf = (objects: Objects | null, name: string): readonly Plain[] | undefined => {
  const object = objects?.all.get(name);
  if (object?.type.type !== 'register') return undefined;
  return (object.type.read(object.state) as readonly Sibling[]).map(([, , , value]) => value);
};

const conflictTold = (objects: Objects | null, name: string, conflict: Conflict): ReplicaConflict => {
  const slash = name.indexOf('/');
  const siblings = siblingsOf(objects, name);
  const named = { type: name.slice(0, slash), key: name.slice(slash + 1) };
  return { ...named, ...conflict, ...(siblings === undefined ? {} : { siblings }) };
};

const listedIn = (ledger: Ledger | null): ListedReplica[] => [
  ...(ledger?.listed ?? []).map(
    ({ id, peer, name, round }): ListedReplica => ({
      ...{ replica: id, peerId: peer, name, round, standing: round === 0 ? 'begins' : 'member' },
    }),
  ),
  ...(ledger?.retired ?? []).map(
    ({ id, peer, name, at }): ListedReplica => ({ replica: id, peerId: peer, name, round: at, standing: 'retired' }),
  ),
];

export const createReplicaDoor = ({ name, sink, isStopping, cell, soon }: ReplicaDoorArguments): ReplicaDoor => {
  let objects: Objects | null = null;
  let store: ReplicaStore | null = null;
  let unreadable: Failure | null = null;
  let view: RoundsView | null = null;
  /** Of the actor; versions of objects begin anew with each. */
  let incarnation = 0;
  const followers = createReplicaListeners<null>(sink, limits.followersMax);
  const watchers = createReplicaListeners<ReplicaConflict>(sink, limits.watchersMax);
  const onEnd = new Set<() => void>();
  const waiters = new Set<(outcome: Outcome<null>) => void>();
  /** Changed in this turn. */
  const changed = new Set<string>();
  let conflicts = 0;
  let untold: { name: string; conflict: Conflict }[] = [];
  let tells = false;

  const tell = (): void => {
    tells = false;
    const names = [...changed];
    const met = untold;
    changed.clear();
    untold = [];
    for (const one of names) followers.tell(one, null);
    for (const { name: one, conflict } of met) {
      const told = conflictTold(objects, one, conflict);
      watchers.tell(one, told);
      watchers.tell(everything, told);
    }
  };
  const tellSoon = (): void => {
    if (tells) return;
    tells = true;
    soon(tell);
  };

  const refused = (why: Failure): { ok: false; failure: Failure } => ({ ok: false, failure: why });
  const stopping = (): Failure => failure('STOPPING', `${name} is stopping`);
  const notReady = (): Failure =>
    unreadable ?? failure('NOT_READY', `replicated objects on ${name} are being read from the disk`);

  const answerWaiters = (outcome: Outcome<null>): void => {
    const all = [...waiters];
    waiters.clear();
    for (const done of all) done(outcome);
  };

  const onUnreadable = (why: Failure): void => {
    unreadable = why;
    answerWaiters(refused(why));
  };

  const onConflict = (one: string, conflict: Conflict): void => {
    conflicts++;
    sink.count('replica_conflicts_total', { type: one.slice(0, one.indexOf('/')) });
    if (untold.length >= limits.conflictsMax || (!watchers.has(one) && !watchers.has(everything))) return;
    untold.push({ name: one, conflict });
    tellSoon();
  };

  return {
    api: {
      change(of, key, change, done, { sync = 'write' } = {}) {
        const actor = cell();
        if (isStopping()) return done(refused(stopping()));
        if (actor === null || unreadable !== null) return done(refused(notReady()));
        actor.send({ type: 'change', of, key, change, sync, done });
      },
      read(of, key) {
        const object = objects?.all.get(nameOf(of, key));
        return object === undefined ? undefined : object.type.read(object.state);
      },
      form: (of, key) => (objects === null ? undefined : (packedForm(objects.all, nameOf(of, key))?.slice() ?? undefined)),
      version(of, key) {
        const object = objects?.all.get(nameOf(of, key));
        return object === undefined ? -1 : incarnation * 2 ** 32 + object.version;
      },
      follow(of, key, on, ended = () => {}) {
        if (isStopping()) {
          soon(ended);
          return () => {};
        }
        const end = followers.add(nameOf(of, key), () => on());
        const over = (): void => ended();
        onEnd.add(over);
        return () => {
          onEnd.delete(over);
          end();
        };
      },
      onConflict: (on, wanted) => watchers.add(wanted === undefined ? everything : nameOf(wanted.type, wanted.key), on),
      opened(done) {
        if (objects !== null) return done({ ok: true, value: null });
        if (isStopping()) return done(refused(stopping()));
        if (unreadable !== null) return done(refused(unreadable));
        if (waiters.size >= limits.waitersMax) return done(refused(failure('OVERLOADED', `${waiters.size} wait already`)));
        waiters.add((outcome) => done(outcome));
      },
      list({ limit = limits.listMax, ...wanted }) {
        if (objects === null) return [];
        const page = pageOf(objects.all, { ...wanted, limit: Math.min(Math.max(1, limit), limits.listMax) });
        return page.map(({ type, key }) => ({ type: type.type, key }));
      },
      replicas: () => ({
        ...{
          replica: view?.replica ?? null,
          standing: view?.standing ?? null,
          round: view?.round ?? 0,
          stable: view?.stable ?? 0,
        },
        replicas: listedIn(view?.ledger ?? null),
      }),
      retire(named, done) {
        const actor = cell();
        if (isStopping()) return done(refused(stopping()));
        if (actor === null || unreadable !== null) return done(refused(notReady()));
        actor.send({ type: 'retire', named, done });
      },
      summary: () => ({
        ...{ replica: objects?.replica ?? null, objects: objects?.all.size ?? 0, conflicts },
        logBytes: store?.logBytes ?? 0,
      }),
    },
    memory: () => ({
      onOpened(opened, in_) {
        objects = opened;
        store = in_;
        unreadable = null;
        incarnation++;
        for (const one of followers.names()) changed.add(one);
        if (changed.size > 0) tellSoon();
        answerWaiters({ ok: true, value: null });
      },
      onUnreadable,
      onChanged(one, conflict) {
        if (conflict !== null) onConflict(one, conflict);
        if (!followers.has(one)) return;
        changed.add(one);
        tellSoon();
      },
      onRounds(now) {
        view = now;
      },
      isWatched: () => watchers.count > 0,
    }),
    unreadable: onUnreadable,
    undelivered(event) {
      if (event.type === 'change' || event.type === 'retire') event.done(refused(notReady()));
    },
    stop() {
      const ends = [...onEnd];
      onEnd.clear();
      answerWaiters(refused(stopping()));
      for (const over of ends)
        try {
          over();
        } catch (error) {
          sink.log('error', 'FOLLOWER_THREW', error instanceof Error ? error.message : String(error), { object: 'end' });
        }
    },
  };
};
