// Where an object is: on its own under its type and key, or inside a map. What it is read and changed by is the same.
import type { ReplicaApi, ReplicaConflict, SyncPolicy } from '../../actors/api.ts';
import { failure } from '../../machines/errors.ts';
import type { InsideType, OrMapView } from '../../machines/replicator/or-map.ts';
import { PolityError } from '../errors.ts';
import { copied } from './frozen.ts';

export interface Place {
  readonly type: string;
  /** Of the map, where it is inside of one. */
  readonly key: string;
  /** In so many maps. */
  readonly depth: number;
  /** For a person: type and keys. */
  readonly name: string;
  /** What its type reads, or undefined where nothing is known. Not to be changed. */
  read(): unknown;
  /** Another one after each change, here or elsewhere in the same map. */
  version(): number;
  change(change: unknown): Promise<void>;
  follow(on: () => void, ended: () => void): () => void;
  onConflict(on: (conflict: ReplicaConflict) => void): () => void;
}

/** What the program hands in is kept, so it is copied; most changes are a few words and numbers. A getter of the program's may throw. */
const copiedChange = (change: unknown): unknown => {
  if (typeof change !== 'object' || change === null) return change;
  try {
    const copy: Record<string, unknown> = { ...change };
    for (const field in copy) if (typeof copy[field] === 'object') copy[field] = copied(copy[field]);
    return copy;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PolityError(failure('INVALID_REQUEST', `the change cannot be read: ${why}`), { cause });
  }
};

const byDefault = { sync: 'write' } as const;

export const placeOf = (
  api: ReplicaApi,
  type: string,
  key: string,
  options: { readonly sync: SyncPolicy } = byDefault,
): Place => ({
  ...{ type, key, depth: 0, name: `${type} '${key}'` },
  read: () => api.read(type, key),
  version: () => api.version(type, key),
  change: (change) =>
    new Promise((resolve, reject) => {
      api.change(
        ...([type, key, copiedChange(change)] as const),
        (outcome) => (outcome.ok ? resolve() : reject(new PolityError(outcome.failure))),
        options,
      );
    }),
  follow: (on, ended) => api.follow(type, key, on, ended),
  onConflict: (on) => api.onConflict(on, { type, key }),
});

/** Under a type and a key of a map. */
export const insideOf = (map: Place, of: InsideType, key: string): Place => ({
  ...{ type: of, key: map.key, depth: map.depth + 1, name: `${of} '${key}' in ${map.name}` },
  read: () => (map.read() as OrMapView | undefined)?.get(of, key),
  version: () => map.version(),
  change: (change) => map.change({ type: 'update', of, key, change }),
  follow: (on, ended) => map.follow(on, ended),
  // One that came without a place may have been here.
  onConflict: (on) =>
    map.onConflict((conflict) => {
      if (conflict.path === undefined || conflict.path[map.depth] === key) on(conflict);
    }),
});
