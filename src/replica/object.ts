// One replicated object as a program holds it: read at once, followed by callback or loop, waited for. What it is, and which changes it
// takes, its type says (the other files of this folder). It is a `Readable` as @xstate/store means it, so what reads a store or an
// atom reads it too.
import type { ReplicaConflict } from '../../actors/api.ts';
import { textOf } from '../../machines/replicator/plain.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import type { Place } from './place.ts';
import { type Followed, type FollowOptions, type WaitOptions, waitFor, watch } from './watch.ts';

export type ReplicaObserver<Value> = {
  next?: (value: Value) => void;
  /** Never called; so that any observer will do. */
  error?: (error: unknown) => void;
  /** The node stops: nothing more will come. */
  complete?: () => void;
};

/** Ends it, called as a function, by its method, or by `using`. */
export type ReplicaSubscription = (() => void) & { unsubscribe(): void; [Symbol.dispose](): void };

const subscriptionOf = (end: () => void): ReplicaSubscription =>
  Object.assign(() => end(), { unsubscribe: () => end(), [Symbol.dispose]: () => end() });

/** Also of composed values: what is equal stays the same one. */
const same = (a: unknown, b: unknown): boolean =>
  Object.is(a, b) || (a !== undefined && b !== undefined && textOf(a as Plain) === textOf(b as Plain));

/** Light: make one where it is needed, and keep it where its `get` is to answer the same value until something changes. */
export abstract class ReplicaObject<Value, Change = unknown, Type extends string = string> {
  protected readonly place: Place;
  #value: Value | undefined;
  #version = Number.NaN;

  constructor(place: Place) {
    this.place = place;
  }

  /** As docs/internals/replicator-types.md names it. */
  get type(): Type {
    return this.place.type as Type;
  }

  /** 1 to 1 024 bytes of UTF-8 without control characters. Of what is inside a map: the map's. */
  get key(): string {
    return this.place.key;
  }

  /** What its type reads (undefined: nothing is known) as the program sees it: frozen, not alive. */
  protected abstract view(read: unknown): Value;

  /**
   * As it is at this node now; works whatever the network does, and after the node has stopped. It does not change, and is the same
   * one (`===`) until something does. Bytes in it are a copy.
   */
  get(): Value {
    const version = this.place.version();
    if (version === this.#version) return this.#value as Value;
    const value = this.view(this.place.read());
    // Inside a map, something else in there may have changed.
    if (this.place.depth === 0 || Number.isNaN(this.#version) || !same(value, this.#value)) this.#value = value;
    this.#version = version;
    return this.#value as Value;
  }

  /**
   * Visible at once; resolves when it is on this node's disk, or as the `sync` says with which the object was made. What is handed in is
   * copied. Rejects with a PolityError: INVALID_REQUEST says in words what the change lacks, TOO_LARGE, OVERLOADED, NOT_READY (before
   * the objects are read), STOPPING, STORAGE_FAILED, OUTCOME_UNKNOWN (stopped before the disk answered).
   */
  change(change: Change): Promise<void> {
    return this.place.change(change);
  }

  /**
   * Told the value after it changed here, by whomever, once for all changes of a turn (the same value, if they took it to and fro); not
   * told the value now. What it throws goes to the log. Returns what ends it, as `signal` does. Throws a PolityError: OVERLOADED at more than 16 384 followers of a node.
   */
  subscribe(on: ((value: Value) => void) | ReplicaObserver<Value>, options?: FollowOptions): ReplicaSubscription;
  subscribe(on: (value: Value) => void, error?: (error: unknown) => void, complete?: () => void): ReplicaSubscription;
  subscribe(
    on: ((value: Value) => void) | ReplicaObserver<Value>,
    options?: FollowOptions | ((error: unknown) => void),
    complete?: () => void,
  ): ReplicaSubscription {
    const observer: ReplicaObserver<Value> = typeof on === 'function' ? { next: on, ...(complete && { complete }) } : on;
    const signal = typeof options === 'object' ? options.signal : undefined;
    if (signal?.aborted) return subscriptionOf(() => {});
    let [last, lastVersion] = [this.get(), this.place.version()];
    const unfollow = this.place.follow(
      () => {
        const [value, version] = [this.get(), this.place.version()];
        // Of several changes in a turn somebody may have read what was between them, so he is told although it is as it was.
        const isAsBefore = Object.is(value, last) && version - lastVersion <= 1;
        [last, lastVersion] = [value, version];
        if (!isAsBefore) observer.next?.(value);
      },
      () => {
        end();
        observer.complete?.();
      },
    );
    const end = (): void => {
      signal?.removeEventListener('abort', end);
      unfollow();
    };
    signal?.addEventListener('abort', end);
    return subscriptionOf(end);
  }

  /**
   * The value now, and again after each change; a reader that is slow misses values in between, never the last. Ends when the node
   * stops, or with the reason of `signal`.
   */
  watch(options: FollowOptions = {}): AsyncIterableIterator<Value> & AsyncDisposable {
    return watch(this.#followed, options);
  }

  get #followed(): Followed<Value> {
    return { get: () => this.get(), follow: (on, ended) => this.place.follow(on, ended) };
  }

  /** As `watch`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Value> & AsyncDisposable {
    return watch(this.#followed, {});
  }

  /**
   * Resolves with the value once it is wanted, now or later. Rejects with a PolityError: OUTCOME_UNKNOWN when the time is over, STOPPING
   * when the node stops; with the reason of `signal`; or with what `wanted` throws.
   */
  waitFor(wanted: (value: Value) => boolean, options: WaitOptions = {}): Promise<Value> {
    return waitFor(this.#followed, this.place.name, wanted, options);
  }

  /**
   * Told after changes of it that knew nothing of each other met at this node. Returns what ends it, as `signal` does. Throws a
   * PolityError: OVERLOADED at more than 1 024 listeners of a node.
   */
  onConflict(on: (conflict: ReplicaConflict) => void, { signal }: FollowOptions = {}): ReplicaSubscription {
    return conflictsOf((hear) => this.place.onConflict(hear), on, signal);
  }
}

/** As long as neither it nor the signal ends it. */
export const conflictsOf = (
  listen: (hear: (conflict: ReplicaConflict) => void) => () => void,
  on: (conflict: ReplicaConflict) => void,
  signal: AbortSignal | undefined,
): ReplicaSubscription => {
  if (signal?.aborted) return subscriptionOf(() => {});
  const unlisten = listen(on);
  const end = (): void => {
    signal?.removeEventListener('abort', end);
    unlisten();
  };
  signal?.addEventListener('abort', end);
  return subscriptionOf(end);
};
