// Data that every node may change without asking (decision 6): `node.replica.counter('visits')` and its sisters. Works before any other
// node is there and while the cluster is cut; whoever meets again agrees. An object is named by its type and its key.
import type { ReplicaApi, ReplicaConflict, SyncPolicy } from '../../actors/api.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { PolityError } from '../errors.ts';
import { conflictsOf, type ReplicaSubscription } from './object.ts';
import { type AnyFields, type FieldsLike, ReplicaOrMap } from './or-map.ts';
import { type Place, placeOf } from './place.ts';
import type { PlainLike } from './plain-like.ts';
import {
  ReplicaCounter,
  ReplicaFlag,
  ReplicaGCounter,
  ReplicaList,
  ReplicaLwwRegister,
  ReplicaMap,
  ReplicaRegister,
  ReplicaSet,
  type ReplicaStrategy,
  ReplicaText,
} from './types.ts';
import type { FollowOptions } from './watch.ts';

export type { ReplicaConflict, SyncPolicy } from '../../actors/api.ts';
export type { Plain } from '../../machines/replicator/types.ts';
export { ReplicaObject, type ReplicaObserver, type ReplicaSubscription } from './object.ts';
export {
  type AnyFields,
  type FieldsLike,
  type FieldValues,
  type OrMapChange,
  type ReplicaField,
  ReplicaOrMap,
} from './or-map.ts';
export type { PlainLike } from './plain-like.ts';
export { type ReplicaStore, replicaStore } from './store.ts';
export {
  type CounterChange,
  type FlagChange,
  type MapChange,
  type RegisterChange,
  ReplicaCounter,
  ReplicaFlag,
  ReplicaGCounter,
  ReplicaList,
  ReplicaLwwRegister,
  ReplicaMap,
  ReplicaRegister,
  ReplicaSet,
  type ReplicaStrategy,
  ReplicaText,
  type SequenceChange,
  type SetChange,
} from './types.ts';
export type { FollowOptions, WaitOptions } from './watch.ts';

export type ReplicaOptions = {
  /** When changes made through this object are answered; 'write' if nothing is said. */
  sync?: SyncPolicy;
};

export type RegisterOptions<Value> = ReplicaOptions & { conflicts?: ReplicaStrategy<Value> };

/** Nothing is read or sent when an object is made: two of the same type and key are the same data. */
export class Replica {
  readonly #api: ReplicaApi;

  constructor(api: ReplicaApi) {
    this.#api = api;
  }

  #place(type: string, key: string, { sync }: ReplicaOptions = {}): Place {
    return sync === undefined ? placeOf(this.#api, type, key) : placeOf(this.#api, type, key, { sync });
  }

  /** A value; of writes that knew nothing of each other all are kept. */
  register<Value extends PlainLike<Value> = Plain>(
    key: string,
    options: RegisterOptions<Value> & { conflicts: 'keep-all' },
  ): ReplicaRegister<Value, readonly Value[]>;
  register<Value extends PlainLike<Value> = Plain>(key: string, options?: RegisterOptions<Value>): ReplicaRegister<Value>;
  register<Value extends PlainLike<Value> = Plain>(key: string, options: RegisterOptions<Value> = {}): ReplicaRegister<Value> {
    return new ReplicaRegister<Value>(this.#place('register', key, options), options.conflicts);
  }

  /** A value of which only the last write is kept. */
  lwwRegister<Value extends PlainLike<Value> = Plain>(key: string, options?: ReplicaOptions): ReplicaLwwRegister<Value> {
    return new ReplicaLwwRegister(this.#place('lww-register', key, options));
  }

  /** A whole number that is raised and lowered. */
  counter(key: string, options?: ReplicaOptions): ReplicaCounter {
    return new ReplicaCounter(this.#place('pn-counter', key, options));
  }

  /** A whole number that is raised and never lowered. */
  gCounter(key: string, options?: ReplicaOptions): ReplicaGCounter {
    return new ReplicaGCounter(this.#place('g-counter', key, options));
  }

  /** On or off; `wins` (on if nothing is said) is part of its type: two objects of one key that differ in it are two. */
  flag(key: string, options: ReplicaOptions & { wins?: 'on' | 'off' } = {}): ReplicaFlag {
    return new ReplicaFlag(this.#place(options.wins === 'off' ? 'disable-wins-flag' : 'flag', key, options));
  }

  /** A set; of an add and a remove that knew nothing of each other the add wins. */
  orSet<Element extends PlainLike<Element> = Plain>(key: string, options?: ReplicaOptions): ReplicaSet<Element> {
    return new ReplicaSet(this.#place('or-set', key, options));
  }

  /** A map of values; for each key the last writer wins. */
  map<Value extends PlainLike<Value> = Plain>(key: string, options?: ReplicaOptions): ReplicaMap<Value> {
    return new ReplicaMap(this.#place('lww-map', key, options));
  }

  /** A map of replicated objects: `orMap<{ visits: ReplicaCounter; tags: ReplicaSet<string> }>('page/1').counter('visits')`. */
  orMap<Fields extends FieldsLike<Fields> = AnyFields>(key: string, options?: ReplicaOptions): ReplicaOrMap<Fields> {
    return new ReplicaOrMap(this.#place('or-map', key, options));
  }

  /** A text that many edit at once. */
  text(key: string, options?: ReplicaOptions): ReplicaText {
    return new ReplicaText(this.#place('text', key, options));
  }

  /** A list that many edit at once. */
  list<Value extends PlainLike<Value> = Plain>(key: string, options?: ReplicaOptions): ReplicaList<Value> {
    return new ReplicaList(this.#place('list', key, options));
  }

  /** What this node has: types as docs/internals/replicator-types.md names them, and keys, in no order; at most 1 000. */
  objects(wanted: { type?: string; prefix?: string; limit?: number } = {}): { type: string; key: string }[] {
    return this.#api.list(wanted);
  }

  /**
   * Told of every conflict that is met at this node: changes that knew nothing of each other. Where several nodes meet the same ones,
   * each is told. At most 1 024 a turn are told; the metric polity_replica_conflicts_total counts all. Returns what ends it, as
   * `signal` does. Throws a PolityError: OVERLOADED at more than 1 024 listeners.
   */
  onConflict(on: (conflict: ReplicaConflict) => void, { signal }: FollowOptions = {}): ReplicaSubscription {
    return conflictsOf((hear) => this.#api.onConflict(hear), on, signal);
  }

  /**
   * Resolves once this node's objects are read from its disk; until then nothing is known and changes are refused (NOT_READY).
   * `createNode` has waited for it. Rejects with a PolityError: STORAGE_FAILED when they cannot be read, or STOPPING.
   */
  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#api.opened((outcome) => (outcome.ok ? resolve() : reject(new PolityError(outcome.failure))));
    });
  }
}
