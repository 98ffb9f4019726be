// Comparing with one member after the other, and fetching what deltas did not bring: the machine of `machines/replicator/reconcile.ts`
// with its messages, its clock, and the objects that it compares.
import { nextBetween, type RandomState } from '../machines/random.ts';
import {
  beginExchange,
  type Conflict,
  createPacing,
  createParts,
  createRepair,
  createTurn,
  fetchObjects,
  forgetParts,
  formPart,
  formRepairMessage,
  hearState,
  type Objects,
  type Outcome,
  onPart,
  onPartAck,
  onPeerGone,
  onProgress,
  onRepairMessage,
  type PartSend,
  paceBegun,
  paceEnded,
  paceNext,
  paceOpened,
  paceSoon,
  pacingDueMs,
  pacingLimits,
  packedForm,
  parsePart,
  parseRepairMessage,
  partsDueMs,
  partsTurn,
  patienceOf,
  prepare,
  type RepairCounts,
  type RepairMessage,
  type RepairTurn,
  repairDueMs,
  repairLimits,
  repairTurn,
  sendInParts,
  type Told,
  unpackOwned,
} from '../machines/replicator/index.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { PeerId, Ports, Timer } from './ports/index.ts';
import { type Mark, parseMark, replicatorAddress } from './replica-deltas.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { Delivery, Router } from './router.ts';
import type { Scope } from './supervise.ts';

const repairType = 'repair';
const partType = 'repair-part';
/** Who asked within so long has an exchange under way. Not longer, or a node that is asked every second would never ask itself. */
const servedMs = 250;
const warmEveryMs = 25;

export const replicaRepairLimits = {
  /** Messages that wait for the disk. */
  unsentMax: 256,
} as const;

export type ReplicaRepairArguments = {
  scope: Scope;
  ports: Ports;
  router: Router;
  random: RandomState;
  objects: Objects;
  log: ReplicaLog;
  connected: Iterable<PeerId>;
  mark: () => Mark;
  /** Whether anything of this sender may be taken. */
  judge: (mark: Mark) => boolean;
  /** Others may hear of what is here. */
  speaks: () => boolean;
  /** Before a comparison: it calls `begin`, if it can be. */
  greet: (peer: PeerId) => void;
  /** All that a peer had when it told this is here, on the disk once what is logged is. */
  onCompared: (told: Told) => void;
  onChanged: (name: string, conflict: Conflict | null) => void;
};

/** `needs`: so many records are on the disk before it goes. */
type Unsent = { to: PeerId; body: unknown; isLong: boolean; needs: number };

const isLong = (message: RepairMessage): boolean =>
  message.type !== 'busy' &&
  message.states.reduce((bytes, [, form]) => bytes + form.byteLength, 0) > repairLimits.singleBytesMax;

/** What the peer had is here: nothing was left out, there or here. */
const isWhole = (outcome: Outcome, { refused, oversized, withheld }: RepairCounts): boolean =>
  (outcome === 'same' || outcome === 'repaired') && refused + oversized + withheld === 0;

/**
 * Nothing was joined on either side: what differs is not taken, for it is from the future, too large, or of a type that only one of them
 * knows. Whoever tried that again every second would send it every second.
 */
const isFutile = ({ received, given, refused, unwanted, oversized }: RepairCounts): boolean =>
  received === 0 && given <= refused && refused + unwanted + oversized > 0;

export interface ReplicaRepair {
  /** What comparisons under way bring says nothing of what is here. */
  forgetTold(): void;
  compareSoon(): void;
  /** Greets one of these that is connected, or else anybody. */
  compare(peers: readonly PeerId[]): void;
  /** `told` is what the peer said it has; `takesOnly`: nothing of what is here is given. */
  begin(peer: PeerId, told: Told, takesOnly: boolean): void;
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
  const pacing = createPacing(clock.nowMs());

  const join = (name: string, form: Uint8Array): 'joined' | 'unwanted' | 'refused' => {
    const slash = name.indexOf('/');
    if (slash === -1) return 'refused';
    const [type, key] = [name.slice(0, slash), name.slice(slash + 1)];
    const joined = hearState(objects, clock.wallMs(), [type, key, unpackOwned(form)], form.byteLength);
    if (typeof joined === 'object') {
      sink.count('replica_refused_total', { code: joined.refused });
      return 'refused';
    }
    if (joined === 'same') return objects.all.has(name) ? 'joined' : 'unwanted';
    sink.count('replica_repaired_total');
    // What was missing here is likely missing elsewhere.
    compareSoon();
    log.appendState(type, key, form);
    args.onChanged(name, joined === 'conflict' ? {} : null);
    return 'joined';
  };

  const { all, trie } = objects;
  const formOf = (name: string): Uint8Array | null => packedForm(all, name);
  const repair = createRepair({ self: network.self, store: { trie, formOf, join }, random });

  const parts = createParts();
  const sendParts = (sends: readonly PartSend[]): void => {
    for (const { to, message } of sends)
      router.send(to, 'bulk', replicatorAddress, replicatorAddress, partType, formPart(message));
  };

  const send = ({ to, body, isLong }: Unsent): void => {
    if (isLong) sendParts(sendInParts(parts, clock.nowMs(), to, pack(body)));
    else router.send(to, 'bulk', replicatorAddress, replicatorAddress, repairType, body);
  };

  /** What was told before the comparison that is under way. */
  const toldBy = new Map<PeerId, Told>();

  /** Oldest first: they hold states, whose last changes may not be on the disk yet. */
  const unsent: Unsent[] = [];

  /** A disk that refuses sends nothing any more: a number that others know must never be given again after a crash. */
  const sendWritten = (): void => {
    while (unsent.length > 0 && unsent[0]!.needs <= log.written) {
      send(unsent.shift()!);
    }
    if (unsent.length > 0) log.hurry();
    // Exchanges end by their own time-out; whoever asks again is answered later.
    if (unsent.length > replicaRepairLimits.unsentMax) unsent.splice(0, unsent.length - replicaRepairLimits.unsentMax);
  };

  const inTurn = (run: (turn: RepairTurn) => void): void => {
    const turn = createTurn(clock.nowMs());
    run(turn);
    for (const { to, message } of turn.sends)
      unsent.push({ to, body: [args.mark(), formRepairMessage(message)], isLong: isLong(message), needs: log.appended });
    sendWritten();
    for (const { peer, outcome, counts } of turn.ended) {
      sink.count('replica_exchanges_total', { outcome });
      const told = toldBy.get(peer);
      toldBy.delete(peer);
      if (told !== undefined && isWhole(outcome, counts)) args.onCompared(told);
      paceEnded(pacing, turn.nowMs, peer, outcome === 'repaired' && isFutile(counts) ? 'same' : outcome);
      if (outcome === 'refused') sink.log('warn', 'REPAIR_REFUSED', 'a member says what cannot be true', { peer });
    }
    arm();
  };

  const onMessage = (peer: PeerId, body: unknown): void => {
    const [given, form] = Array.isArray(body) && body.length === 2 ? (body as unknown[]) : [];
    const [mark, message] = [parseMark(given), parseRepairMessage(form)];
    if (mark === null || message === null)
      return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be a message of repair is none');
    // Who only asks, as one who begins, gives nothing that could be taken.
    if ((message.type !== 'ask' || message.states.length > 0) && !args.judge(mark)) return;
    // Who may not speak yet neither tells what is here nor takes what is given: it asks.
    if (message.type === 'ask' && !args.speaks()) return;
    inTurn((turn) => onRepairMessage(repair, turn, peer, message));
  };

  const onParted = (peer: PeerId, body: unknown): void => {
    const message = parsePart(body);
    if (message === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be a part of a message is none');
    const nowMs = clock.nowMs();
    onProgress(repair, peer, nowMs);
    if (message.type === 'part-ack') return sendParts(onPartAck(parts, nowMs, peer, message));
    const { sends, whole } = onPart(parts, nowMs, peer, message);
    sendParts(sends);
    if (whole !== null) onMessage(peer, unpackOwned(whole));
    else arm();
  };

  const compareSoon = (): void => {
    paceSoon(pacing, clock.nowMs());
    arm();
  };

  /** Connected since the last comparison, and not compared with. */
  const fresh = new Set<PeerId>();
  const expectFresh = (nowMs: number): void =>
    paceOpened(pacing, nowMs, nextBetween(random, pacingLimits.openedMsMin, pacingLimits.openedMsMax + 1));

  const onAlarm = (): void => {
    alarm = null;
    inTurn((turn) => {
      repairTurn(repair, turn);
      sendParts(partsTurn(parts, turn.nowMs));
      if (turn.nowMs < pacingDueMs(pacing)) return;
      paceNext(pacing, turn.nowMs, nextBetween(random, 0, Math.ceil(pacing.everyMs / 4)));
      // An exchange that another has begun just now repairs both: two at once cost twice as much.
      const rests = (peer: PeerId): boolean => turn.nowMs - (repair.served.get(peer) ?? Number.NEGATIVE_INFINITY) >= servedMs;
      greetOne([...(fresh.size > 0 ? fresh : connected)].filter(rests));
      for (const peer of fresh) if (!rests(peer)) fresh.delete(peer);
      if (fresh.size > 0) expectFresh(turn.nowMs);
    });
  };

  const greetOne = (peers: readonly PeerId[]): void => {
    const peer = peers[nextBetween(random, 0, Math.max(1, peers.length))];
    if (peer === undefined) return;
    fresh.delete(peer);
    args.greet(peer);
  };

  const compare = (wanted: readonly PeerId[]): void => {
    const found = wanted.filter((peer) => connected.has(peer));
    greetOne(found.length > 0 ? found : [...connected]);
  };

  /** Digests of what was read from the disk, before anybody waits for them. */
  const warm = (turns: number): void => {
    if (turns > 0 && !prepare(repair)) scope.after(warmEveryMs, () => warm(turns - 1));
  };

  const arm = (): void => {
    alarm?.cancel();
    const nowMs = clock.nowMs();
    const dueMs = Math.min(repairDueMs(repair, nowMs), partsDueMs(parts), pacingDueMs(pacing));
    alarm = scope.after(Math.max(1, dueMs - nowMs), onAlarm);
  };

  warm(patienceOf(repair));
  arm();
  return {
    forgetTold: () => toldBy.clear(),
    compareSoon,
    compare,
    begin(peer, told, takesOnly) {
      inTurn((turn) => {
        if (!connected.has(peer)) return;
        // An exchange that is under way began before this was told.
        if (!beginExchange(repair, turn, peer, takesOnly)) return;
        toldBy.set(peer, told);
        paceBegun(pacing, turn.nowMs, peer);
      });
    },
    fetch(peer, names) {
      inTurn((turn) => {
        if (!fetchObjects(repair, turn, peer, names)) compareSoon();
      });
    },
    onWritten: sendWritten,
    onDelivery({ peer, type, body }) {
      if (type === repairType) onMessage(peer, body);
      else if (type === partType) onParted(peer, body);
      else router.refuse(peer, 'TYPE_UNKNOWN', `no such message to the replicator: ${type.slice(0, 32)}`);
    },
    onPeerOpen(peer) {
      connected.add(peer);
      fresh.add(peer);
      expectFresh(clock.nowMs());
      arm();
    },
    onPeerClose(peer) {
      connected.delete(peer);
      fresh.delete(peer);
      forgetParts(parts, peer);
      inTurn((turn) => onPeerGone(repair, turn, peer));
    },
  };
};
