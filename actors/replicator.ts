// Data that every node may change without asking (decision 6, AP): changes are made here at once, written to this node's log, and told to
// everybody once they are on the disk; what is lost on the way is found by comparing with one member after the other.
import { type Failure, failure } from '../machines/errors.ts';
import { randomFrom } from '../machines/random.ts';
import { type Conflict, change, grow, type Objects, replicatedTypes } from '../machines/replicator/index.ts';
import type { Outcome, SyncPolicy } from './api.ts';
import type { PeerId, Ports } from './ports/index.ts';
import { createReplicaDeltas, type ReplicaDeltas } from './replica-deltas.ts';
import { createReplicaLog, type ReplicaLog, syncProblem } from './replica-log.ts';
import { createReplicaRepair, type ReplicaRepair } from './replica-repair.ts';
import { type Opened, openReplicaStore, type ReplicaStore } from './replica-store.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export { deltasTopic, replicatorAddress } from './replica-deltas.ts';

export type ReplicatorEvent =
  | { type: 'change'; of: string; key: string; change: unknown; sync: SyncPolicy; done: (outcome: Outcome<null>) => void }
  | { type: 'published'; peer: PeerId; bytes: Uint8Array }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-open' | 'peer-close'; peer: PeerId };

export type ReplicatorArguments = {
  ports: Ports;
  router: Router;
  writer: Writer;
  connected: readonly PeerId[];
  newReplicaId: () => string;
  /** Of the log; then states are written, and it is cut. */
  logBytesMax: number;
  /** Everything is read and can be changed. */
  onOpened: (objects: Objects, store: ReplicaStore) => void;
  /** They cannot be read. */
  onUnreadable: (why: Failure) => void;
  /** The object of this name is not what it was; `conflict`: others had decided differently at the same time. */
  onChanged: (name: string, conflict: Conflict | null) => void;
  /** Somebody is told of conflicts. */
  isWatched: () => boolean;
};

/** What there is once the disk has been read. */
type Parts = { objects: Objects; log: ReplicaLog; deltas: ReplicaDeltas; repair: ReplicaRepair };

export const createReplicator = (scope: Scope, args: ReplicatorArguments): Component<ReplicatorEvent> => {
  const { ports, router, writer, onChanged, isWatched } = args;
  const { clock, sink } = ports;
  const random = randomFrom(ports.random.uint32());
  const connected = new Set(args.connected);
  let parts: Parts | null = null;

  const onOpened = ({ objects, store, damaged }: Opened): void => {
    for (const what of damaged.slice(0, 10))
      sink.log('warn', 'REPLICA_DAMAGED', `${what} is not what was written; others have it`, { replica: objects.replica });
    const log: ReplicaLog = createReplicaLog({
      ...{ scope, clock, store },
      tell: (piece) => deltas.tell(piece),
      onWritten: () => repair.onWritten(),
    });
    const repair = createReplicaRepair({ scope, ports, router, random, objects, log, connected, onChanged });
    const { compareSoon, fetch } = repair;
    const deltas = createReplicaDeltas({ scope, ports, objects, log, onChanged, isWatched, compareSoon, fetch });
    parts = { objects, log, deltas, repair };
    args.onOpened(objects, store);
  };

  openReplicaStore(
    replicatedTypes,
    { writer, later: (run) => scope.soon(run), newReplicaId: args.newReplicaId, logBytesMax: args.logBytesMax },
    scope.guard((outcome) => {
      if ('objects' in outcome) return onOpened(outcome);
      const why = `replicated objects cannot be read: ${outcome.message}`;
      sink.log('error', outcome.code, why);
      args.onUnreadable(failure('STORAGE_FAILED', why));
    }),
  );

  const onChange = ({ of, key, change: given, sync, done }: Extract<ReplicatorEvent, { type: 'change' }>): void => {
    if (parts === null)
      return done({ ok: false, failure: failure('NOT_READY', 'replicated objects are being read from the disk') });
    const { objects, log } = parts;
    const unfit = syncProblem(sync);
    if (unfit !== null) return done({ ok: false, failure: failure('INVALID_REQUEST', unfit) });
    if (log.isFull)
      return done({ ok: false, failure: failure('OVERLOADED', 'too many changes of replicated objects wait for the disk') });
    const changed = change(objects, clock.wallMs(), of, key, given);
    if (!changed.ok) return done(changed);
    const { object, record } = changed;
    if (record === null) return log.afterAll(sync, done);
    grow(object, log.append(object, record, sync, done));
    onChanged(object.name, null);
  };

  return {
    receive(event) {
      switch (event.type) {
        case 'change':
          return onChange(event);
        case 'published':
          return parts?.deltas.onPublished(event.peer, event.bytes);
        case 'delivery':
          return parts?.repair.onDelivery(event.delivery);
        case 'peer-open':
          connected.add(event.peer);
          return parts?.repair.onPeerOpen(event.peer);
        case 'peer-close':
          connected.delete(event.peer);
          return parts?.repair.onPeerClose(event.peer);
      }
    },
    stop() {
      parts?.log.stop();
    },
  };
};
