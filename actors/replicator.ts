// Data that every node may change without asking (decision 6, AP): changes are made here at once, written to this node's log, and told to
// everybody once they are on the disk; what is lost on the way is found by comparing with one member after the other.
import { type Failure, failure } from '../machines/errors.ts';
import { randomFrom } from '../machines/random.ts';
import {
  type Conflict,
  change,
  formLedger,
  grow,
  type Objects,
  parseLedger,
  replicatedTypes,
} from '../machines/replicator/index.ts';
import type { Outcome, SyncPolicy } from './api.ts';
import type { PeerId, Ports } from './ports/index.ts';
import { createReplicaDeltas, type Mark, type ReplicaDeltas } from './replica-deltas.ts';
import { createReplicaGreetings, greetingType, type ReplicaGreetings } from './replica-greetings.ts';
import type { LedgerPort } from './replica-ledger.ts';
import { answerAll, createReplicaLog, type ReplicaLog, syncProblem } from './replica-log.ts';
import type { RoundsOptions } from './replica-registrar.ts';
import { createReplicaRepair, type ReplicaRepair } from './replica-repair.ts';
import { createReplicaRounds, type ReplicaRounds, type RoundsView } from './replica-rounds.ts';
import { type Opened, openReplicaStore, type ReplicaStore } from './replica-store.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export { deltasTopic, replicatorAddress } from './replica-deltas.ts';

export type ReplicatorEvent =
  | { type: 'change'; of: string; key: string; change: unknown; sync: SyncPolicy; done: (outcome: Outcome<null>) => void }
  | { type: 'published'; peer: PeerId; bytes: Uint8Array }
  | { type: 'delivery'; delivery: Delivery }
  /** Of a replica by its id, or by the name of its node. */
  | { type: 'retire'; named: string; done: (outcome: Outcome<{ replica: string; name: string }>) => void }
  /** A node was thrown out: its replicas are retired. */
  | { type: 'evicted'; peer: PeerId }
  | { type: 'peer-open' | 'peer-close'; peer: PeerId };

export type ReplicatorArguments = {
  ports: Ports;
  router: Router;
  writer: Writer;
  connected: readonly PeerId[];
  newReplicaId: () => string;
  /** Of this node. */
  name: string;
  rounds: RoundsOptions;
  ledger: LedgerPort;
  /** This node knows of a cluster that was formed, and so has a ledger. */
  isFormed: () => boolean;
  onRounds: (view: RoundsView) => void;
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
type Parts = {
  objects: Objects;
  log: ReplicaLog;
  deltas: ReplicaDeltas;
  repair: ReplicaRepair;
  rounds: ReplicaRounds;
  greetings: ReplicaGreetings;
};

export const createReplicator = (scope: Scope, args: ReplicatorArguments): Component<ReplicatorEvent> => {
  const { ports, router, writer, onChanged, isWatched } = args;
  const { clock, sink } = ports;
  const random = randomFrom(ports.random.uint32());
  const connected = new Set(args.connected);
  let parts: Parts | null = null;

  const onOpened = ({ objects, store, damaged, rounds: known }: Opened): void => {
    for (const what of damaged.slice(0, 10))
      sink.log('warn', 'REPLICA_DAMAGED', `${what} is not what was written; others have it`, { replica: objects.replica });
    const log: ReplicaLog = createReplicaLog({
      ...{ scope, clock, sink, store },
      // Who may not speak yet is compared with once it may.
      tell: (piece) => (rounds.speaks ? deltas.tell(piece) : undefined),
      onWritten: () => repair.onWritten(),
    });
    const gate = {
      mark: (): Mark => [rounds.state.self, rounds.state.ledger?.edition ?? 0],
      judge: ([replica, edition]: Mark) => rounds.judge(replica, edition),
      speaks: () => rounds.speaks,
    };
    const repair = createReplicaRepair({
      ...{ scope, ports, router, random, objects, log, connected, onChanged, ...gate },
      greet: (peer) => greetings.greet(peer),
      onCompared: (told) => rounds.compared(told),
    });
    const { compareSoon, fetch } = repair;
    const onLedger = (form: unknown): boolean => {
      const ledger = parseLedger(form);
      if (ledger !== null) rounds.hear(ledger);
      return ledger !== null;
    };
    const hasPeers = (): boolean => connected.size > 0;
    const deltas = createReplicaDeltas({
      ...{ scope, ports, objects, log, onChanged, isWatched, hasPeers, compareSoon, fetch, onLedger, ...gate },
    });
    const greetings = createReplicaGreetings({ scope, ports, router, log, rounds: () => rounds, begin: repair.begin });
    const rounds: ReplicaRounds = createReplicaRounds({
      ...{ scope, ports, random, options: args.rounds, name: args.name, objects, log, store, known, ledger: args.ledger },
      isFormed: args.isFormed,
      ...{ newReplicaId: args.newReplicaId, compare: repair.compare, compareSoon, onView: args.onRounds },
      announce: (ledger) => deltas.tellLedger(formLedger(ledger)),
      onDropped(names) {
        repair.forgetTold();
        for (const name of names) onChanged(name, null);
      },
    });
    parts = { objects, log, deltas, repair, rounds, greetings };
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
    const refuse = (why: Failure): void => answerAll(sink, [done], { ok: false, failure: why });
    if (parts === null) return refuse(failure('NOT_READY', 'replicated objects are being read from the disk'));
    const { objects, log, rounds } = parts;
    if (rounds.isChanging || rounds.drops(of))
      return refuse(failure('NOT_READY', 'this replica begins anew: replicated objects change in a moment'));
    const unfit = syncProblem(sync);
    if (unfit !== null) return refuse(failure('INVALID_REQUEST', unfit));
    // It would be seen until the node begins anew, here alone.
    if (log.refusal !== null) return refuse(log.refusal);
    if (log.isFull) return refuse(failure('OVERLOADED', 'too many changes of replicated objects wait for the disk'));
    const changed = change(objects, clock.wallMs(), of, key, given);
    if (!changed.ok) return refuse(changed.failure);
    const { object, record } = changed;
    if (record === null) return log.afterAll(sync, done);
    grow(object, log.append(object, record, sync, done));
    onChanged(object.name, null);
  };

  const onDelivery = (delivery: Delivery): void => {
    if (delivery.type === greetingType) parts?.greetings.onDelivery(delivery.peer, delivery.body);
    else parts?.repair.onDelivery(delivery);
  };

  return {
    receive(event) {
      switch (event.type) {
        case 'change':
          return onChange(event);
        case 'published':
          return parts?.deltas.onPublished(event.peer, event.bytes);
        case 'delivery':
          return onDelivery(event.delivery);
        case 'retire':
          if (parts !== null) return parts.rounds.retire(event.named, event.done);
          return event.done({ ok: false, failure: failure('NOT_READY', 'replicated objects are being read from the disk') });
        case 'evicted':
          return parts?.rounds.retirePeer(event.peer);
        case 'peer-open':
          connected.add(event.peer);
          return parts?.repair.onPeerOpen(event.peer);
        case 'peer-close':
          connected.delete(event.peer);
          parts?.greetings.onPeerClose(event.peer);
          return parts?.repair.onPeerClose(event.peer);
      }
    },
    stop() {
      parts?.rounds.stop();
      parts?.log.stop();
    },
  };
};
