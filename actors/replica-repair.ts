// Comparing with one member after the other, and fetching what deltas did not bring: the machine of `machines/replicator/reconcile.ts`
// with its messages, its clock, and the objects that it compares.
import { nextBetween, type RandomState } from '../machines/random.ts';
import {
  beginExchange,
  createRepair,
  createTurn,
  fetchObjects,
  formRepairMessage,
  hearState,
  type Objects,
  onPeerGone,
  onRepairMessage,
  packedForm,
  parseRepairMessage,
  type RepairTurn,
  repairDueMs,
  repairTurn,
} from '../machines/replicator/index.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { PeerId, Ports, Timer } from './ports/index.ts';
import { replicatorAddress, unpackOwned } from './replica-deltas.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { Delivery, Router } from './router.ts';
import type { Scope } from './supervise.ts';

const repairType = 'repair';

export const replicaRepairLimits = {
  /** Messages that wait for the disk. */
  unsentMax: 256,
  /** Between two comparisons: doubling from the first to the second while nothing is found. */
  compareMinMs: 1_000,
  compareMaxMs: 30_000,
} as const;

export type ReplicaRepairArguments = {
  scope: Scope;
  ports: Ports;
  router: Router;
  random: RandomState;
  objects: Objects;
  log: ReplicaLog;
  connected: Iterable<PeerId>;
  onChanged: (name: string, conflict: boolean) => void;
};

export interface ReplicaRepair {
  compareSoon(): void;
  fetch(peer: PeerId, names: readonly string[]): void;
  /** More of what was logged is on the disk. */
  onWritten(): void;
  onDelivery(delivery: Delivery): void;
  onPeerOpen(peer: PeerId): void;
  onPeerClose(peer: PeerId): void;
}

export const createReplicaRepair = (args: ReplicaRepairArguments): ReplicaRepair => {
  const { scope, router, objects, log, random } = args;
  const { clock, network, sink } = args.ports;
  const connected = new Set(args.connected);
  let alarm: Timer | null = null;
  let compareMs: number = replicaRepairLimits.compareMinMs;
  let compareAtMs = clock.nowMs() + compareMs;

  const join = (name: string, form: Uint8Array): 'joined' | 'unwanted' | 'refused' => {
    const slash = name.indexOf('/');
    if (slash === -1) return 'refused';
    const [type, key] = [name.slice(0, slash), name.slice(slash + 1)];
    const joined = hearState(objects, clock.wallMs(), type, key, unpackOwned(form));
    if (typeof joined === 'object') {
      sink.count('replica_refused_total', { code: joined.refused });
      return 'refused';
    }
    if (joined === 'same') return objects.all.has(name) ? 'joined' : 'unwanted';
    sink.count('replica_repaired_total');
    log.append(pack([type, key, unpackOwned(form), true]).slice(), false, () => {});
    args.onChanged(name, joined === 'conflict');
    return 'joined';
  };

  const { all, trie } = objects;
  const formOf = (name: string): Uint8Array | null => packedForm(all, name);
  const repair = createRepair({ self: network.self, store: { trie, formOf, join }, random });

  /** Oldest first: they hold states, whose last changes may not be on the disk yet. */
  const unsent: { to: PeerId; body: unknown; needs: number }[] = [];

  /** A disk that refuses sends nothing any more: a number that others know must never be given again after a crash. */
  const sendWritten = (): void => {
    while (unsent.length > 0 && unsent[0]!.needs <= log.written) {
      const { to, body } = unsent.shift()!;
      router.send(to, 'bulk', replicatorAddress, replicatorAddress, repairType, body);
    }
    // Exchanges end by their own time-out; whoever asks again is answered later.
    if (unsent.length > replicaRepairLimits.unsentMax) unsent.splice(0, unsent.length - replicaRepairLimits.unsentMax);
  };

  const inTurn = (run: (turn: RepairTurn) => void): void => {
    const turn = createTurn(clock.nowMs());
    run(turn);
    for (const { to, message } of turn.sends) unsent.push({ to, body: formRepairMessage(message), needs: log.appended });
    sendWritten();
    for (const { peer, outcome } of turn.ended) {
      sink.count('replica_exchanges_total', { outcome });
      if (outcome === 'same') compareMs = Math.min(replicaRepairLimits.compareMaxMs, compareMs * 2);
      else if (outcome === 'repaired' || outcome === 'cut') compareMs = replicaRepairLimits.compareMinMs;
      if (outcome === 'refused') sink.log('warn', 'REPAIR_REFUSED', 'a member says what cannot be true', { peer });
    }
    arm();
  };

  const compareSoon = (): void => {
    compareMs = replicaRepairLimits.compareMinMs;
    compareAtMs = Math.min(compareAtMs, clock.nowMs() + compareMs);
    arm();
  };

  const onAlarm = (): void => {
    alarm = null;
    inTurn((turn) => {
      repairTurn(repair, turn);
      if (turn.nowMs < compareAtMs) return;
      // Between three quarters of it and all of it, so that nodes do not go in step.
      compareAtMs = turn.nowMs + compareMs - nextBetween(random, 0, Math.ceil(compareMs / 4));
      const peers = [...connected];
      const peer = peers[nextBetween(random, 0, Math.max(1, peers.length))];
      if (peer !== undefined) beginExchange(repair, turn, peer);
    });
  };

  const arm = (): void => {
    alarm?.cancel();
    const nowMs = clock.nowMs();
    const dueMs = Math.min(repairDueMs(repair, nowMs), compareAtMs);
    alarm = scope.after(Math.max(1, dueMs - nowMs), onAlarm);
  };

  arm();
  return {
    compareSoon,
    fetch(peer, names) {
      inTurn((turn) => {
        if (!fetchObjects(repair, turn, peer, names)) compareSoon();
      });
    },
    onWritten: sendWritten,
    onDelivery({ peer, type, body }) {
      if (type !== repairType)
        return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to the replicator: ${type.slice(0, 32)}`);
      const message = parseRepairMessage(body);
      if (message === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be a message of repair is none');
      inTurn((turn) => onRepairMessage(repair, turn, peer, message));
    },
    onPeerOpen(peer) {
      connected.add(peer);
      compareSoon();
    },
    onPeerClose(peer) {
      connected.delete(peer);
      inTurn((turn) => onPeerGone(repair, turn, peer));
    },
  };
};
