// Who listens to replicated objects of one node, by the object's name. A listener that throws is told of in the log, and the others are
// told all the same.
import { failure, PolityError } from '../machines/errors.ts';
import type { SinkPort } from './ports/index.ts';

export interface ReplicaListeners<Told> {
  /** Returns what ends it. Throws a PolityError OVERLOADED when there are as many as there may be. */
  add(name: string, hear: (told: Told) => void): () => void;
  has(name: string): boolean;
  tell(name: string, told: Told): void;
  names(): Iterable<string>;
  readonly count: number;
}

export const createReplicaListeners = <Told>(sink: SinkPort, listenersMax: number): ReplicaListeners<Told> => {
  const byName = new Map<string, Set<(told: Told) => void>>();
  let count = 0;

  return {
    add(name, hear) {
      if (count >= listenersMax)
        throw new PolityError(failure('OVERLOADED', `${count} listeners at this node, at most ${listenersMax}`));
      // Its own, so that who listens twice is told twice and ends one of them.
      const own = (told: Told): void => hear(told);
      const all = byName.get(name) ?? new Set();
      byName.set(name, all.add(own));
      count++;
      return () => {
        if (!all.delete(own)) return;
        count--;
        if (all.size === 0 && byName.get(name) === all) byName.delete(name);
      };
    },
    has: (name) => byName.has(name),
    tell(name, told) {
      const all = byName.get(name);
      if (all === undefined) return;
      for (const hear of [...all])
        try {
          // Ended by one that was told before it.
          if (all.has(hear)) hear(told);
        } catch (error) {
          sink.log('error', 'FOLLOWER_THREW', error instanceof Error ? error.message : String(error), { object: name });
        }
    },
    names: () => byName.keys(),
    get count() {
      return count;
    },
  };
};
