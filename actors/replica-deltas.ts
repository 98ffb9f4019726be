// Deltas between nodes, by gossip: own ones are told in batches once they are on the disk; those of others are joined, and where they
// come before what they build on they wait a moment for it. Whatever is lost, refused or too much, comparing finds (replica-repair.ts).
import {
  type Conflict,
  conflictOf,
  hear,
  isReplicaId,
  nameOf,
  nextRecord,
  type Objects,
  type Piece,
  standing,
  unpackOwned,
} from '../machines/replicator/index.ts';
import { decodeEnvelope, encodeEnvelope, wireVersion } from '../machines/wire/envelope.ts';
import { cursorOf } from '../machines/wire/octets.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { Scope } from './supervise.ts';

export const replicatorAddress = 'replicator';
/** Of the cluster; deltas in batches. */
export const deltasTopic = 'deltas';
const deltasType = 'deltas';
/** News of the ledger of rounds. */
const ledgerType = 'ledger';

export const replicaDeltasLimits = {
  /** Deltas that wait to be told; more are left to repair. */
  outboxBytesMax: 4 << 20,
  messageBytes: 48 << 10,
  /** One that is longer is left to repair, which sends it to whom it is missing instead of to everybody through everybody. */
  deltaBytesMax: 256 << 10,
  messagesPerFlush: 8,
  /** Deltas gather for so long before they are told. */
  gatherMs: 10,
  /** Deltas that came before what they build on wait so long for it, so many of them and so many bytes. */
  heldMs: 200,
  heldMax: 4_096,
  heldBytesMax: 4 << 20,
  clockToldEveryMs: 10_000,
} as const;

export type ReplicaDeltasArguments = {
  scope: Scope;
  ports: Ports;
  objects: Objects;
  log: ReplicaLog;
  /** The object of this name is not what it was; `conflict`: others had decided differently at the same time. */
  onChanged: (name: string, conflict: Conflict | null) => void;
  /** Somebody is told of conflicts. */
  isWatched: () => boolean;
  /** Somebody is connected. Whoever comes later compares. */
  hasPeers: () => boolean;
  /** Something is not where it should be, one does not know where. */
  compareSoon: () => void;
  /** Who speaks, and what it knows of who is listed: its replica id, and the edition of its ledger. */
  mark: () => Mark;
  /** Whether anything of this sender may be taken. */
  judge: (mark: Mark) => boolean;
  onLedger: (form: unknown) => boolean;
  /** A peer has what this node lacks of these objects. */
  fetch: (peer: PeerId, names: readonly string[]) => void;
};

export interface ReplicaDeltas {
  tell(piece: Piece): void;
  tellLedger(form: unknown): void;
  onPublished(peer: PeerId, bytes: Uint8Array): void;
}

const formPublished = (type: typeof deltasType | typeof ledgerType, body: unknown): Uint8Array =>
  encodeEnvelope({
    ...{ version: wireVersion, source: replicatorAddress, target: replicatorAddress, type },
    ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body },
  });

/** The replica id of a sender, and the edition of the ledger that it knows. */
export type Mark = readonly [replica: string, edition: number];

export const parseMark = (value: unknown): Mark | null =>
  Array.isArray(value) && value.length === 2 && isReplicaId(value[0]) && Number.isSafeInteger(value[1]) && value[1] >= 0
    ? [value[0], value[1]]
    : null;

type Held = { peer: PeerId; mark: Mark; name: string; packed: Uint8Array };

export const createReplicaDeltas = (args: ReplicaDeltasArguments): ReplicaDeltas => {
  const { scope, objects, log, compareSoon } = args;
  const { clock, network, sink } = args.ports;

  // -------------------------------------------------------------- telling

  const outbox: Piece[] = [];
  let outboxBytes = 0;
  let tells = false;

  const takeMessage = (): Piece[] => {
    let bytes = 0;
    let count = 0;
    for (; count < outbox.length; count++) {
      const more = outbox[count]!.bytes.byteLength;
      if (count > 0 && bytes + more > replicaDeltasLimits.messageBytes) break;
      bytes += more;
    }
    outboxBytes -= bytes;
    return outbox.splice(0, count);
  };

  const leave = (pieces: readonly Piece[]): void => {
    const records = pieces.reduce((sum, piece) => sum + piece.records, 0);
    sink.count('replica_deltas_untold_total', {}, records);
    // Found by comparing, and soon.
    compareSoon();
  };

  const tellAll = (): void => {
    tells = false;
    for (let messages = 0; messages < replicaDeltasLimits.messagesPerFlush && outbox.length > 0; messages++) {
      const pieces = takeMessage();
      const message = formPublished(deltasType, [args.mark(), pieces.map(({ bytes }) => bytes)]);
      if (network.publish(deltasTopic, message) === 'full') leave(pieces);
    }
    if (outbox.length > 0) tellSoon();
  };

  const tellSoon = (): void => {
    if (tells) return;
    tells = true;
    scope.after(replicaDeltasLimits.gatherMs, tellAll);
  };

  // -------------------------------------------------------------- hearing

  let held: Held[] = [];
  let heldBytes = 0;
  let clockToldAtMs = Number.NEGATIVE_INFINITY;

  const refuse = (peer: PeerId, code: string): void => {
    sink.count('replica_refused_total', { code });
    if (code !== 'CLOCK_AHEAD' || clock.nowMs() - clockToldAtMs < replicaDeltasLimits.clockToldEveryMs) return;
    clockToldAtMs = clock.nowMs();
    sink.log('warn', code, 'a change from the future is not believed: look at the clocks', { peer });
  };

  /** Joins one record; it must be logged if something came of it. */
  const hearOne = (peer: PeerId, wallMs: number, record: unknown, bytes: number): 'changed' | 'gap' | null => {
    const before = args.isWatched() ? standing(objects, record) : undefined;
    const heard = hear(objects, wallMs, record, bytes);
    if (typeof heard === 'object') refuse(peer, heard.refused);
    else if (heard === 'gap') return 'gap';
    else if (heard !== 'same') {
      const [type, key] = record as [string, string];
      args.onChanged(nameOf(type, key), heard === 'conflict' ? conflictOf(record, before) : null);
      return 'changed';
    }
    return null;
  };

  /** What stands side by side and is new is logged as it stands. */
  const hearPiece = (peer: PeerId, mark: Mark, wallMs: number, packed: Uint8Array): void => {
    const from = cursorOf(packed);
    let [begin, records] = [0, 0];
    const logHeard = (to: number): void => {
      if (records > 0) log.appendHeard(packed.subarray(begin, to), records);
      records = 0;
    };
    for (let at = 0; at < packed.byteLength; at = from.at) {
      const record = nextRecord(from);
      if (record === null) {
        logHeard(at);
        return refuse(peer, 'DELTA_MALFORMED');
      }
      const heard = hearOne(peer, wallMs, record, from.at - at);
      if (heard === 'changed') {
        if (records++ === 0) begin = at;
        continue;
      }
      logHeard(at);
      if (heard === 'gap') hold(peer, mark, record, packed.subarray(at, from.at));
    }
    logHeard(packed.byteLength);
  };

  const hold = (peer: PeerId, mark: Mark, record: unknown, packed: Uint8Array): void => {
    const { heldMs, heldMax, heldBytesMax } = replicaDeltasLimits;
    if (held.length >= heldMax || heldBytes + packed.byteLength > heldBytesMax) return compareSoon();
    const [type, key] = record as [string, string];
    if (held.length === 0) scope.after(heldMs, releaseHeld);
    held.push({ peer, mark, name: nameOf(type, key), packed: packed.slice() });
    heldBytes += packed.byteLength;
  };

  /** What they build on has come meanwhile, or is fetched from whoever told them. */
  const releaseHeld = (): void => {
    const waiting = held;
    held = [];
    heldBytes = 0;
    const missing = new Map<PeerId, Set<string>>();
    for (const { peer, mark, name, packed } of waiting) {
      if (!args.judge(mark)) continue;
      const heard = hearOne(peer, clock.wallMs(), unpackOwned(packed), packed.byteLength);
      if (heard === 'changed') log.appendHeard(packed, 1);
      if (heard !== 'gap') continue;
      sink.count('replica_gaps_total');
      missing.set(peer, (missing.get(peer) ?? new Set()).add(name));
    }
    for (const [peer, names] of missing) args.fetch(peer, [...names]);
  };

  return {
    tellLedger(form) {
      network.publish(deltasTopic, formPublished(ledgerType, form));
    },
    tell(piece) {
      if (!args.hasPeers()) return;
      const { outboxBytesMax, deltaBytesMax } = replicaDeltasLimits;
      const { byteLength } = piece.bytes;
      if (byteLength > deltaBytesMax || outboxBytes + byteLength > outboxBytesMax) return leave([piece]);
      outbox.push(piece);
      outboxBytes += byteLength;
      tellSoon();
    },
    onPublished(peer, bytes) {
      const envelope = decodeEnvelope(bytes);
      if ('refused' in envelope) return refuse(peer, envelope.refused);
      if (envelope.type === ledgerType) return args.onLedger(envelope.body) ? undefined : refuse(peer, 'MESSAGE_MALFORMED');
      if (envelope.type !== deltasType || !Array.isArray(envelope.body)) return refuse(peer, 'MESSAGE_MALFORMED');
      const [given, deltas] = envelope.body as unknown[];
      const mark = parseMark(given);
      if (mark === null || !Array.isArray(deltas)) return refuse(peer, 'MESSAGE_MALFORMED');
      if (!args.judge(mark)) return;
      if (log.isFull) {
        // What is not heard now is found by comparing later.
        compareSoon();
        return refuse(peer, 'BUSY');
      }
      const wallMs = clock.wallMs();
      for (const packed of deltas as unknown[]) {
        if (packed instanceof Uint8Array) hearPiece(peer, mark, wallMs, packed);
        else refuse(peer, 'DELTA_MALFORMED');
      }
    },
  };
};
