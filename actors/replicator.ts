// Data that every node may change without asking (decision 6, AP): changes are made here at once, written to this node's log, and told to
// everybody once they are on the disk; what is lost on the way is found by comparing with one member after the other.
import { type Failure, failure } from '../machines/errors.ts';
import { nextBetween, type RandomState, randomFrom } from '../machines/random.ts';
import {
  beginExchange,
  change,
  createRepair,
  createTurn,
  fetchObjects,
  formRepairMessage,
  hear,
  hearState,
  nameOf,
  type Objects,
  onPeerGone,
  onRepairMessage,
  packedForm,
  parseRepairMessage,
  type RepairState,
  type RepairTurn,
  repairDueMs,
  repairTurn,
  replicatedTypes,
} from '../machines/replicator/index.ts';
import { decodeEnvelope, encodeEnvelope, pack, unpack, wireVersion } from '../machines/wire/envelope.ts';
import type { Outcome } from './api.ts';
import type { PeerId, Ports, Timer } from './ports/index.ts';
import { openReplicaStore, type ReplicaStore } from './replica-store.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export const replicatorAddress = 'replicator';
/** Of the cluster; deltas in batches. */
export const deltasTopic = 'deltas';
const repairType = 'repair';
const clockToldEveryMs = 10_000;
const deltasType = 'deltas';

export const replicatorLimits = {
  /** Changes that are not on the disk yet; more are refused. */
  pendingMax: 65_536,
  /** Records of one value of the log. */
  batchMax: 4_096,
  /** Deltas that wait to be told; more are left to repair. */
  outboxBytesMax: 4 << 20,
  messageBytes: 48 << 10,
  messagesPerFlush: 8,
  /** Deltas gather for so long before they are told. */
  gatherMs: 10,
  /** Deltas that came before what they build on wait so long for it, and so many of them. */
  heldMs: 200,
  heldMax: 4_096,
  /** Messages of repair that wait for the disk. */
  unsentMax: 256,
  /** Between two comparisons: doubling from the first to the second while nothing is found. */
  compareMinMs: 1_000,
  compareMaxMs: 30_000,
} as const;

export type ReplicatorEvent =
  | { type: 'change'; of: string; key: string; change: unknown; done: (outcome: Outcome<null>) => void }
  | { type: 'published'; peer: PeerId; bytes: Uint8Array }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'peer-open' | 'peer-close'; peer: PeerId };

export type ReplicatorArguments = {
  ports: Ports;
  router: Router;
  writer: Writer;
  connected: readonly PeerId[];
  newReplicaId: () => string;
  /** Everything is read and can be changed. */
  onOpened: (objects: Objects, store: ReplicaStore) => void;
  /** The object of this name is not what it was; `conflict`: others had decided differently at the same time. */
  onChanged: (name: string, conflict: boolean) => void;
};

const formDeltas = (body: readonly Uint8Array[]): Uint8Array =>
  encodeEnvelope({
    ...{ version: wireVersion, source: replicatorAddress, target: replicatorAddress, type: deltasType },
    ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body },
  });

type Entry = { packed: Uint8Array; isOwn: boolean; done: (why: Failure | null) => void };
type Held = { peer: PeerId; name: string; packed: Uint8Array };

export const createReplicator = (scope: Scope, args: ReplicatorArguments): Component<ReplicatorEvent> => {
  const { router, writer } = args;
  const { clock, network, random, sink } = args.ports;
  const chance: RandomState = randomFrom(random.uint32());
  const connected = new Set(args.connected);
  let objects: Objects | null = null;
  let store: ReplicaStore | null = null;
  let repair: RepairState | null = null;
  let alarm: Timer | null = null;
  let compareMs: number = replicatorLimits.compareMinMs;
  let compareAtMs = clock.nowMs() + compareMs;

  // -------------------------------------------------------------- the log

  const pending: Entry[] = [];
  /** Handed to the writer and not answered. */
  const underWay = new Set<readonly Entry[]>();
  let unwritten = 0;
  /** Records handed to `log` in this incarnation, and of them those that are on the disk; they get there in their order. */
  let logged = 0;
  let written = 0;
  let flushes = false;

  const log = (packed: Uint8Array, isOwn: boolean, done: Entry['done']): void => {
    pending.push({ packed, isOwn, done });
    unwritten++;
    logged++;
    if (flushes) return;
    flushes = true;
    scope.soon(flush);
  };

  const flush = (): void => {
    flushes = false;
    const batch = pending.splice(0, replicatorLimits.batchMax);
    if (batch.length === 0 || store === null) return;
    underWay.add(batch);
    store.append(
      batch.map(({ packed }) => packed),
      scope.guard((why) => {
        underWay.delete(batch);
        unwritten -= batch.length;
        // What may be said only once it is on the disk (decision 2).
        if (why === null) {
          written += batch.length;
          for (const { packed, isOwn } of batch) if (isOwn) tell(packed);
          sendWritten();
        }
        for (const { done } of batch) done(why === null ? null : failure('STORAGE_FAILED', why.message));
        if (store?.isLong === true) store.checkpoint(() => {});
      }),
    );
    if (pending.length > 0) {
      flushes = true;
      scope.soon(flush);
    }
  };

  // -------------------------------------------------------------- telling

  let outbox: Uint8Array[] = [];
  let outboxBytes = 0;
  let tells = false;

  const tell = (packed: Uint8Array): void => {
    if (outboxBytes + packed.byteLength > replicatorLimits.outboxBytesMax) {
      sink.count('replica_deltas_untold_total');
      // Found by comparing, and soon.
      compareSoon();
      return;
    }
    outbox.push(packed);
    outboxBytes += packed.byteLength;
    if (tells) return;
    tells = true;
    scope.after(replicatorLimits.gatherMs, tellAll);
  };

  const takeMessage = (): Uint8Array[] => {
    let bytes = 0;
    let count = 0;
    while (count < outbox.length && (count === 0 || bytes + outbox[count]!.byteLength <= replicatorLimits.messageBytes))
      bytes += outbox[count++]!.byteLength;
    outboxBytes -= bytes;
    const taken = outbox.slice(0, count);
    outbox = outbox.slice(count);
    return taken;
  };

  const tellAll = (): void => {
    tells = false;
    for (let messages = 0; messages < replicatorLimits.messagesPerFlush && outbox.length > 0; messages++) {
      const taken = takeMessage();
      if (network.publish(deltasTopic, formDeltas(taken)) === 'full')
        sink.count('replica_deltas_untold_total', {}, taken.length);
    }
    if (outbox.length === 0) return;
    tells = true;
    scope.after(replicatorLimits.gatherMs, tellAll);
  };

  // -------------------------------------------------------------- hearing

  let held: Held[] = [];
  let clockToldAtMs = Number.NEGATIVE_INFINITY;

  const refuse = (peer: PeerId, code: string): void => {
    sink.count('replica_refused_total', { code });
    if (code !== 'CLOCK_AHEAD' || clock.nowMs() - clockToldAtMs < clockToldEveryMs) return;
    clockToldAtMs = clock.nowMs();
    sink.log('warn', code, 'a change from the future is not believed: look at the clocks', { peer });
  };

  /** A copy: what lives on must not keep the whole message alive. */
  const unpacked = (packed: unknown): unknown => {
    if (!(packed instanceof Uint8Array)) return null;
    try {
      return unpack(packed.slice());
    } catch {
      return null;
    }
  };

  /** False: it builds on what is not here. */
  const hearOne = (all: Objects, peer: PeerId, packed: Uint8Array): boolean => {
    const record = unpacked(packed);
    const heard = hear(all, clock.wallMs(), record);
    if (typeof heard === 'object') refuse(peer, heard.refused);
    else if (heard === 'gap') return false;
    else if (heard !== 'same') {
      const [type, key] = record as [string, string];
      log(packed.slice(), false, () => {});
      args.onChanged(nameOf(type, key), heard === 'conflict');
    }
    return true;
  };

  const onPublished = (peer: PeerId, bytes: Uint8Array): void => {
    if (objects === null) return;
    const envelope = decodeEnvelope(bytes);
    if ('refused' in envelope) return refuse(peer, envelope.refused);
    if (envelope.type !== deltasType || !Array.isArray(envelope.body)) return refuse(peer, 'MESSAGE_MALFORMED');
    // A disk that does not keep up: what is heard now is found by comparing later.
    if (unwritten >= replicatorLimits.pendingMax) return refuse(peer, 'BUSY');
    for (const packed of envelope.body as unknown[]) {
      if (!(packed instanceof Uint8Array)) refuse(peer, 'DELTA_MALFORMED');
      else if (!hearOne(objects, peer, packed)) hold(peer, packed);
    }
  };

  const hold = (peer: PeerId, packed: Uint8Array): void => {
    const [type, key] = unpacked(packed) as [string, string];
    if (held.length >= replicatorLimits.heldMax) return compareSoon();
    if (held.length === 0) scope.after(replicatorLimits.heldMs, releaseHeld);
    held.push({ peer, name: nameOf(type, key), packed: packed.slice() });
  };

  /** What they build on has come meanwhile, or is fetched from whoever told them. */
  const releaseHeld = (): void => {
    const waiting = held;
    held = [];
    const missing = new Map<PeerId, Set<string>>();
    for (const { peer, name, packed } of waiting) {
      if (objects === null || hearOne(objects, peer, packed)) continue;
      sink.count('replica_gaps_total');
      missing.set(peer, (missing.get(peer) ?? new Set()).add(name));
    }
    inTurn((state, turn) => {
      for (const [peer, names] of missing) if (!fetchObjects(state, turn, peer, [...names])) compareSoon();
    });
  };

  // -------------------------------------------------------------- repair

  const join = (name: string, form: Uint8Array): 'joined' | 'unwanted' | 'refused' => {
    const all = objects;
    const slash = name.indexOf('/');
    const state = unpacked(form);
    if (all === null || slash === -1) return 'refused';
    const [type, key] = [name.slice(0, slash), name.slice(slash + 1)];
    const joined = hearState(all, clock.wallMs(), type, key, state);
    if (typeof joined === 'object') {
      sink.count('replica_refused_total', { code: joined.refused });
      return 'refused';
    }
    if (joined === 'same') return all.all.has(name) ? 'joined' : 'unwanted';
    sink.count('replica_repaired_total');
    log(pack([type, key, unpacked(form), true]).slice(), false, () => {});
    args.onChanged(name, joined === 'conflict');
    return 'joined';
  };

  /** Messages of repair, oldest first: they hold states, whose last changes may not be on the disk yet. */
  const unsent: { to: PeerId; body: unknown; needs: number }[] = [];

  /** A disk that refuses sends nothing any more: a number that others know must never be given again after a crash. */
  const sendWritten = (): void => {
    while (unsent.length > 0 && unsent[0]!.needs <= written) {
      const { to, body } = unsent.shift()!;
      router.send(to, 'bulk', replicatorAddress, replicatorAddress, repairType, body);
    }
    // Exchanges end by their own time-out; whoever asks again is answered later.
    if (unsent.length > replicatorLimits.unsentMax) unsent.splice(0, unsent.length - replicatorLimits.unsentMax);
  };

  const inTurn = (run: (state: RepairState, turn: RepairTurn) => void): void => {
    if (repair === null) return;
    const turn = createTurn(clock.nowMs());
    run(repair, turn);
    for (const { to, message } of turn.sends) unsent.push({ to, body: formRepairMessage(message), needs: logged });
    sendWritten();
    for (const { peer, outcome } of turn.ended) {
      sink.count('replica_exchanges_total', { outcome });
      if (outcome === 'same') compareMs = Math.min(replicatorLimits.compareMaxMs, compareMs * 2);
      else if (outcome === 'repaired' || outcome === 'cut') compareMs = replicatorLimits.compareMinMs;
      if (outcome === 'refused') sink.log('warn', 'REPAIR_REFUSED', 'a member says what cannot be true', { peer });
    }
    arm();
  };

  const compareSoon = (): void => {
    compareMs = replicatorLimits.compareMinMs;
    compareAtMs = Math.min(compareAtMs, clock.nowMs() + compareMs);
    arm();
  };

  const onAlarm = (): void => {
    alarm = null;
    inTurn((state, turn) => {
      repairTurn(state, turn);
      if (turn.nowMs < compareAtMs) return;
      // Between three quarters of it and all of it, so that nodes do not go in step.
      compareAtMs = turn.nowMs + compareMs - nextBetween(chance, 0, Math.ceil(compareMs / 4));
      const peers = [...connected];
      const peer = peers[nextBetween(chance, 0, Math.max(1, peers.length))];
      if (peer !== undefined) beginExchange(state, turn, peer);
    });
  };

  const arm = (): void => {
    if (repair === null) return;
    alarm?.cancel();
    const nowMs = clock.nowMs();
    const dueMs = Math.min(repairDueMs(repair, nowMs), compareAtMs);
    alarm = scope.after(Math.max(1, dueMs - nowMs), onAlarm);
  };

  const onDelivery = ({ peer, type, body }: Delivery): void => {
    if (type !== repairType)
      return router.refuse(peer, 'TYPE_UNKNOWN', `no such message to the replicator: ${type.slice(0, 32)}`);
    const message = parseRepairMessage(body);
    if (message === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be a message of repair is none');
    inTurn((state, turn) => onRepairMessage(state, turn, peer, message));
  };

  // -------------------------------------------------------------- changing

  const onChange = ({ of, key, change: given, done }: Extract<ReplicatorEvent, { type: 'change' }>): void => {
    if (objects === null)
      return done({ ok: false, failure: failure('NOT_READY', 'replicated objects are being read from the disk') });
    if (unwritten >= replicatorLimits.pendingMax)
      return done({ ok: false, failure: failure('OVERLOADED', `${unwritten} changes wait for the disk`) });
    const changed = change(objects, clock.wallMs(), of, key, given);
    if (!changed.ok) return done(changed);
    if (changed.record === null) return done({ ok: true, value: null });
    log(pack(changed.record).slice(), true, (why) =>
      done(why === null ? { ok: true, value: null } : { ok: false, failure: why }),
    );
    args.onChanged(nameOf(of, key), false);
  };

  // -------------------------------------------------------------- start

  openReplicaStore(
    replicatedTypes,
    { writer, later: (run) => scope.soon(run), newReplicaId: args.newReplicaId },
    scope.guard((outcome) => {
      if (!('objects' in outcome))
        return sink.log('error', outcome.code, `replicated objects cannot be read: ${outcome.message}`);
      ({ objects, store } = outcome);
      for (const what of outcome.damaged.slice(0, 10))
        sink.log('warn', 'REPLICA_DAMAGED', `${what} is not what was written; others have it`, {
          replica: outcome.objects.replica,
        });
      const { all, trie } = outcome.objects;
      const formOf = (name: string): Uint8Array | null => packedForm(all, name);
      repair = createRepair({ self: network.self, store: { trie, formOf, join }, random: chance });
      args.onOpened(outcome.objects, outcome.store);
      arm();
    }),
  );

  return {
    receive(event) {
      switch (event.type) {
        case 'change':
          return onChange(event);
        case 'published':
          return onPublished(event.peer, event.bytes);
        case 'delivery':
          return onDelivery(event.delivery);
        case 'peer-open':
          connected.add(event.peer);
          return compareSoon();
        case 'peer-close':
          connected.delete(event.peer);
          return inTurn((state, turn) => onPeerGone(state, turn, event.peer));
      }
    },
    stop() {
      // What was not handed to the disk was not done; of the rest nobody knows.
      for (const { done } of pending.splice(0)) done(failure('STOPPING', 'the node stops, or its replicator begins anew'));
      for (const batch of underWay)
        for (const { done } of batch)
          done(failure('OUTCOME_UNKNOWN', 'the node stopped, or its replicator, before the disk answered'));
    },
  };
};
