// What a node knows of its replicated objects, whatever becomes of their actor: who follows which, and where they are read; and the
// calls of those who read and change them.
import { failure, PolityError } from '../machines/errors.ts';
import { nameOf, type Objects } from '../machines/replicator/index.ts';
import type { ReplicaApi } from './api.ts';
import type { SinkPort } from './ports/index.ts';
import type { ReplicaStore } from './replica-store.ts';
import type { ReplicatorArguments, ReplicatorEvent } from './replicator.ts';
import type { Cell } from './supervise.ts';

const followersMax = 16_384;
const listMax = 1_000;

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
  memory(): Pick<ReplicatorArguments, 'onOpened' | 'onChanged'>;
  undelivered(event: ReplicatorEvent): void;
}

export const createReplicaDoor = ({ name, sink, isStopping, cell, soon }: ReplicaDoorArguments): ReplicaDoor => {
  let objects: Objects | null = null;
  let store: ReplicaStore | null = null;
  const followers = new Map<string, Set<() => void>>();
  let count = 0;
  /** Changed in this turn. */
  const changed = new Set<string>();
  let conflicts = 0;

  const tell = (): void => {
    const names = [...changed];
    changed.clear();
    for (const one of names)
      for (const hear of [...(followers.get(one) ?? [])])
        try {
          hear();
        } catch (error) {
          sink.log('error', 'FOLLOWER_THREW', error instanceof Error ? error.message : String(error), { object: one });
        }
  };

  const notReady = () => ({
    ok: false as const,
    failure: failure('NOT_READY', `replicated objects on ${name} are being read from the disk`),
  });

  return {
    api: {
      change(of, key, change, done) {
        const actor = cell();
        if (isStopping()) return done({ ok: false, failure: failure('STOPPING', `${name} is stopping`) });
        if (actor === null) return done(notReady());
        actor.send({ type: 'change', of, key, change, done });
      },
      read(of, key) {
        const object = objects?.all.get(nameOf(of, key));
        return object === undefined ? undefined : object.type.read(object.state);
      },
      follow(of, key, on) {
        if (count >= followersMax)
          throw new PolityError(failure('OVERLOADED', `${count} followers at this node, at most ${followersMax}`));
        const one = nameOf(of, key);
        // Its own, so that who follows twice is told twice and ends one of them.
        const hear = (): void => on();
        const all = followers.get(one) ?? new Set();
        followers.set(one, all.add(hear));
        count++;
        return () => {
          if (!all.delete(hear)) return;
          count--;
          if (all.size === 0 && followers.get(one) === all) followers.delete(one);
        };
      },
      list({ type, prefix = '', limit = listMax }) {
        const found: { type: string; key: string }[] = [];
        for (const object of objects?.all.values() ?? []) {
          if (found.length >= Math.min(limit, listMax)) break;
          if ((type === undefined || object.type.type === type) && object.key.startsWith(prefix))
            found.push({ type: object.type.type, key: object.key });
        }
        return found;
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
        for (const one of followers.keys()) changed.add(one);
        if (changed.size > 0) soon(tell);
      },
      onChanged(one, conflict) {
        if (conflict) {
          conflicts++;
          sink.count('replica_conflicts_total', { type: one.slice(0, one.indexOf('/')) });
        }
        if (!followers.has(one)) return;
        if (changed.size === 0) soon(tell);
        changed.add(one);
      },
    }),
    undelivered(event) {
      if (event.type === 'change') event.done(notReady());
    },
  };
};
