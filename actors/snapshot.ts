// Streams a group's keyspace between replicas on the bulk lane (decision 3: a snapshot never delays a heartbeat): a frozen view
// read page by page on one side, a staged generation of the keyspace on the other.
import { formRaftMessage } from '../machines/raft/index.ts';
import type { ReplicaId, SnapshotMeta } from '../machines/raft/types.ts';
import {
  chunkOf,
  createDigest,
  createReceiver,
  createSender,
  fitsWindow,
  isRecords,
  onAcknowledged,
  onChunk,
  onSent,
  type ReceiverState,
  recordsBytes,
  type SenderState,
  type SnapshotRecord,
  type TransferDigest,
  transferTimeoutMs,
  wantsPage,
} from '../machines/snapshot/index.ts';
import { limits } from '../machines/wire/limits.ts';
import { keyAfter } from './keyspace.ts';
import type { ClockPort, PeerId, RandomPort, SinkPort, StorageView } from './ports/index.ts';
import type { RaftStore } from './raft-store.ts';
import type { Delivery, Router } from './router.ts';
import type { Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export interface SnapshotTransfers {
  send(to: ReplicaId, peer: PeerId, meta: SnapshotMeta, term: number, done: (ok: boolean) => void): void;
  /** The machine wants the snapshot that `from` offers; `done` once it is staged whole. */
  expect(from: ReplicaId, peer: PeerId, meta: SnapshotMeta, done: () => void): void;
  receive(delivery: Delivery): void;
  drained(peer: PeerId): void;
  peerClosed(peer: PeerId): void;
  stop(): void;
}

type Outgoing = {
  id: number;
  to: ReplicaId;
  peer: PeerId;
  state: SenderState;
  digest: TransferDigest;
  view: StorageView;
  /**
   * What is left to read, of the generation that was current at the start: an install meanwhile, if this replica leads no more,
   * must not mix another one in.
   */
  range: { gte: Uint8Array; lt: Uint8Array };
  prefixBytes: number;
  /** Read, and waits for room in the window. */
  ready: SnapshotRecord[] | null;
  /** What the lane refused and is sent again when it drains. */
  unsent: { type: string; body: unknown } | null;
  done: (ok: boolean) => void;
};

type Incoming = {
  id: number;
  peer: PeerId;
  state: ReceiverState;
  digest: TransferDigest;
  generation: number;
  operations: ReturnType<RaftStore['beginStaging']>['operations'];
  done: () => void;
};

const recordsMax = 4_096;
const sweepMs = 1_000;

type Arguments = {
  scope: Scope;
  clock: ClockPort;
  random: RandomPort;
  sink: SinkPort;
  router: Router;
  writer: Writer;
  store: RaftStore;
  group: string;
  replica: ReplicaId;
  /** Hands an offered snapshot's message to the machine, which may answer by `expect`. */
  offer: (peer: PeerId, message: unknown) => void;
};

export const createSnapshotTransfers = (args: Arguments): SnapshotTransfers => {
  const { scope, clock, random, sink, router, writer, store, group, replica } = args;
  const address = `snapshot/${group}`;
  const outgoing = new Map<PeerId, Outgoing>();
  let incoming: Incoming | null = null;
  /** The transfer whose offer the machine is looking at. */
  let offered: { id: number; peer: PeerId } | null = null;
  let watching = false;

  /** What the records stand for, so that they pass for nothing else. */
  const bindingOf = (id: number, from: ReplicaId, { index, term, timeMs }: SnapshotMeta): unknown => [
    ...[group, id, from],
    ...[index, term, timeMs],
  ];

  const transmit = (peer: PeerId, type: string, body: unknown) => router.send(peer, 'bulk', address, address, type, body);
  /** A few bytes, and the sender waits for them: not behind what this node itself may be sending on the bulk lane. */
  const reply = (peer: PeerId, type: string, body: unknown) => router.send(peer, 'control', address, address, type, body);

  // -------- sending

  const isOpen = (transfer: Outgoing): boolean => outgoing.get(transfer.peer) === transfer;

  const finish = (transfer: Outgoing, ok: boolean, tell = true): void => {
    if (!isOpen(transfer)) return;
    outgoing.delete(transfer.peer);
    transfer.view.close();
    sink.count('raft_snapshots_sent_total', { group, ok: String(ok) });
    if (tell) transfer.done(ok);
  };

  const put = (transfer: Outgoing, type: string, body: unknown): void => {
    const sent = transmit(transfer.peer, type, body);
    if (sent === 'unreachable') finish(transfer, false);
    else if (sent === 'full') transfer.unsent = { type, body };
  };

  /** Sends what is ready and reads the next page, as far as window and lane allow. */
  const pump = (transfer: Outgoing): void => {
    const { state, ready } = transfer;
    if (!isOpen(transfer) || transfer.unsent !== null) return;
    if (ready === null) return wantsPage(state) ? readPage(transfer) : undefined;
    const bytes = recordsBytes(ready);
    if (!fitsWindow(state, bytes)) return;
    transfer.ready = null;
    transfer.digest.add(ready);
    put(transfer, 'chunk', [transfer.id, onSent(state, bytes), ready]);
    pump(transfer);
  };

  const readPage = (transfer: Outgoing): void => {
    const { state, range, view } = transfer;
    const prefixBytes = transfer.prefixBytes;
    state.reading = true;
    view.read(
      { ...range, limit: recordsMax, limitBytes: limits.snapshotChunkBytesMax },
      scope.guard((why, entries) => {
        state.reading = false;
        if (!isOpen(transfer)) return;
        if (why !== null) return finish(transfer, false);
        const page = entries.map(([key, value]): SnapshotRecord => [key.subarray(prefixBytes), value]);
        const length = chunkOf(page);
        if (length === 0) {
          state.ended = true;
          return put(transfer, 'end', [transfer.id, state.sent, transfer.digest.end()]);
        }
        range.gte = keyAfter(entries[length - 1]![0]);
        transfer.ready = page.slice(0, length);
        pump(transfer);
      }),
    );
  };

  const onSenderMessage = (peer: PeerId, type: string, body: unknown): void => {
    const transfer = outgoing.get(peer);
    // What an ended transfer's receiver still says is ordinary.
    if (transfer === undefined || !Array.isArray(body) || body[0] !== transfer.id) return;
    if (type === 'refused') return finish(transfer, false);
    if (type === 'received') return finish(transfer, transfer.state.ended);
    if (type !== 'ack' || typeof body[1] !== 'number')
      return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should acknowledge a chunk does not', { group });
    onAcknowledged(transfer.state, body[1], clock.nowMs());
    pump(transfer);
  };

  // -------- receiving

  const abandon = (why: string): void => {
    if (incoming === null) return;
    sink.log('warn', 'SNAPSHOT_ABANDONED', `the snapshot of '${group}' under way is given up: ${why}`, { peer: incoming.peer });
    reply(incoming.peer, 'refused', [incoming.id]);
    incoming = null;
    store.sweep();
  };

  const onOffer = (peer: PeerId, body: unknown): void => {
    if (!Array.isArray(body) || !Number.isSafeInteger(body[0]))
      return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should offer a snapshot does not', { group });
    offered = { id: body[0], peer };
    args.offer(peer, body[1]);
    if (offered !== null) reply(peer, 'refused', [body[0]]);
    offered = null;
  };

  const onRecords = (peer: PeerId, body: unknown): void => {
    const transfer = incoming;
    if (transfer === null || transfer.peer !== peer || !Array.isArray(body) || body[0] !== transfer.id) return;
    const [, number, records] = body as unknown[];
    if (typeof number !== 'number' || !isRecords(records, recordsMax)) return abandon('a chunk is malformed');
    const verdict = onChunk(transfer.state, number, records, clock.nowMs());
    if (verdict === 'gap') return abandon(`chunk ${number} came before ${transfer.state.expected}`);
    if (verdict === 'unordered') return abandon(`the keys of chunk ${number} do not follow those before`);
    if (verdict === 'repeated') return;
    transfer.digest.add(records);
    // The acknowledgement waits for the write, so that a slow disk slows the sender down.
    const written = scope.guard((why: unknown) => {
      if (why === null && incoming === transfer) reply(peer, 'ack', [transfer.id, number + 1]);
    });
    writer.write(transfer.operations(records), { durable: false }, written);
  };

  const onEnd = (peer: PeerId, body: unknown): void => {
    const transfer = incoming;
    if (transfer === null || transfer.peer !== peer || !Array.isArray(body) || body[0] !== transfer.id) return;
    const [, chunks, digest] = body as unknown[];
    const own = transfer.digest.end();
    const whole =
      chunks === transfer.state.expected && digest instanceof Uint8Array && digest.every((byte, at) => byte === own[at]);
    if (!whole || (digest as Uint8Array).byteLength !== own.byteLength) return abandon('what arrived is not what was sent');
    incoming = null;
    store.useStaged(transfer.generation);
    reply(peer, 'received', [transfer.id]);
    sink.count('raft_snapshots_received_total', { group });
    transfer.done();
    // The machine may have got on by itself meanwhile, or follow another leader now.
    store.forgetStaged(transfer.generation);
  };

  /** Ends transfers that do not move; runs only while there is one. */
  const watch = (): void => {
    if (watching) return;
    watching = true;
    scope.after(sweepMs, () => {
      watching = false;
      const nowMs = clock.nowMs();
      for (const transfer of [...outgoing.values()])
        if (nowMs - transfer.state.movedMs > transferTimeoutMs) finish(transfer, false);
      if (incoming !== null && nowMs - incoming.state.movedMs > transferTimeoutMs) abandon('nothing came for too long');
      if (outgoing.size > 0 || incoming !== null) watch();
    });
  };

  return {
    send(to, peer, meta, term, done) {
      const earlier = outgoing.get(peer);
      // The machine has forgotten the earlier one: told of its end now, it would take it for that of this one.
      if (earlier !== undefined) finish(earlier, false, earlier.to !== to);
      const id = random.uint32();
      const range = store.stateRange();
      const digest = createDigest(bindingOf(id, replica, meta));
      const transfer: Outgoing = {
        ...{ id, to, peer, state: createSender(clock.nowMs()), digest, view: writer.view(), done },
        ...{ range, prefixBytes: range.gte.byteLength, ready: null, unsent: null },
      };
      outgoing.set(peer, transfer);
      put(transfer, 'offer', [id, formRaftMessage({ type: 'snapshot', from: replica, to, term, meta })]);
      watch();
    },
    expect(from, peer, meta, done) {
      if (offered === null || offered.peer !== peer) return;
      const { id } = offered;
      offered = null;
      if (incoming !== null) abandon('another one begins');
      const { generation, operations } = store.beginStaging();
      const digest = createDigest(bindingOf(id, from, meta));
      incoming = { id, peer, state: createReceiver(clock.nowMs()), digest, generation, operations, done };
      reply(peer, 'ack', [id, 0]);
      watch();
    },
    receive({ peer, type, body }) {
      if (type === 'offer') onOffer(peer, body);
      else if (type === 'chunk') onRecords(peer, body);
      else if (type === 'end') onEnd(peer, body);
      else onSenderMessage(peer, type, body);
    },
    drained(peer) {
      const transfer = outgoing.get(peer);
      if (transfer === undefined) return;
      const { unsent } = transfer;
      transfer.unsent = null;
      if (unsent !== null) put(transfer, unsent.type, unsent.body);
      pump(transfer);
    },
    peerClosed(peer) {
      const transfer = outgoing.get(peer);
      if (transfer !== undefined) finish(transfer, false);
      if (incoming?.peer === peer) abandon('its sender is gone');
    },
    stop() {
      for (const transfer of outgoing.values()) transfer.view.close();
      outgoing.clear();
      incoming = null;
    },
  };
};
