// Deltas between nodes, by gossip: own ones are told in batches once they are on the disk; those of others are joined, and where they
// come before what they build on they wait a moment for it. Whatever is lost, refused or too much, comparing finds (replica-repair.ts).
import { type Conflict, conflictOf, grow, hear, nameOf, type Objects, standing } from '../machines/replicator/index.ts';
import { decodeEnvelope, encodeEnvelope, unpack, wireVersion } from '../machines/wire/envelope.ts';
import type { PeerId, Ports } from './ports/index.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { Scope } from './supervise.ts';

export const replicatorAddress = 'replicator';
/** Of the cluster; deltas in batches. */
export const deltasTopic = 'deltas';
const deltasType = 'deltas';

export const replicaDeltasLimits = {
  /** Deltas that wait to be told; more are left to repair. */
  outboxBytesMax: 4 << 20,
  messageBytes: 48 << 10,
  /** One that is longer is left to repair, which sends it to whom it is missing instead of to everybody through everybody. */
  deltaBytesMax: 256 << 10,
  messagesPerFlush: 8,
  /** Deltas gather for so long before they are told. */
  gatherMs: 10,
  /** Deltas that came before what they build on wait so long for it, and so many of them. */
  heldMs: 200,
  heldMax: 4_096,
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
  /** Something is not where it should be, one does not know where. */
  compareSoon: () => void;
  /** A peer has what this node lacks of these objects. */
  fetch: (peer: PeerId, names: readonly string[]) => void;
};

export interface ReplicaDeltas {
  tell(packed: Uint8Array): void;
  onPublished(peer: PeerId, bytes: Uint8Array): void;
}

const formDeltas = (body: readonly Uint8Array[]): Uint8Array =>
  encodeEnvelope({
    ...{ version: wireVersion, source: replicatorAddress, target: replicatorAddress, type: deltasType },
    ...{ id: 0, correlation: 0, timeLeftMs: 0, trace: '', body },
  });

/** Of a copy: what lives on must not keep the whole message alive. */
export const unpackOwned = (packed: Uint8Array): unknown => {
  try {
    return unpack(packed.slice());
  } catch {
    return null;
  }
};

type Held = { peer: PeerId; name: string; packed: Uint8Array };

export const createReplicaDeltas = (args: ReplicaDeltasArguments): ReplicaDeltas => {
  const { scope, objects, log, compareSoon } = args;
  const { clock, network, sink } = args.ports;

  // -------------------------------------------------------------- telling

  let outbox: Uint8Array[] = [];
  let outboxBytes = 0;
  let tells = false;

  const takeMessage = (): Uint8Array[] => {
    let bytes = 0;
    let count = 0;
    while (count < outbox.length && (count === 0 || bytes + outbox[count]!.byteLength <= replicaDeltasLimits.messageBytes))
      bytes += outbox[count++]!.byteLength;
    outboxBytes -= bytes;
    const taken = outbox.slice(0, count);
    outbox = outbox.slice(count);
    return taken;
  };

  const tellAll = (): void => {
    tells = false;
    for (let messages = 0; messages < replicaDeltasLimits.messagesPerFlush && outbox.length > 0; messages++) {
      const taken = takeMessage();
      if (network.publish(deltasTopic, formDeltas(taken)) === 'full')
        sink.count('replica_deltas_untold_total', {}, taken.length);
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
  let clockToldAtMs = Number.NEGATIVE_INFINITY;

  const refuse = (peer: PeerId, code: string): void => {
    sink.count('replica_refused_total', { code });
    if (code !== 'CLOCK_AHEAD' || clock.nowMs() - clockToldAtMs < replicaDeltasLimits.clockToldEveryMs) return;
    clockToldAtMs = clock.nowMs();
    sink.log('warn', code, 'a change from the future is not believed: look at the clocks', { peer });
  };

  /** False: it builds on what is not here. */
  const hearOne = (peer: PeerId, packed: Uint8Array): boolean => {
    const record = unpackOwned(packed);
    const before = args.isWatched() ? standing(objects, record) : undefined;
    const heard = hear(objects, clock.wallMs(), record);
    if (typeof heard === 'object') refuse(peer, heard.refused);
    else if (heard === 'gap') return false;
    else if (heard !== 'same') {
      const [type, key] = record as [string, string];
      const name = nameOf(type, key);
      grow(objects.all.get(name)!, packed.byteLength);
      log.append(packed.slice(), false, 'write', () => {});
      args.onChanged(name, heard === 'conflict' ? conflictOf(record, before) : null);
    }
    return true;
  };

  const hold = (peer: PeerId, packed: Uint8Array): void => {
    if (held.length >= replicaDeltasLimits.heldMax) return compareSoon();
    const [type, key] = unpackOwned(packed) as [string, string];
    if (held.length === 0) scope.after(replicaDeltasLimits.heldMs, releaseHeld);
    held.push({ peer, name: nameOf(type, key), packed: packed.slice() });
  };

  /** What they build on has come meanwhile, or is fetched from whoever told them. */
  const releaseHeld = (): void => {
    const waiting = held;
    held = [];
    const missing = new Map<PeerId, Set<string>>();
    for (const { peer, name, packed } of waiting) {
      if (hearOne(peer, packed)) continue;
      sink.count('replica_gaps_total');
      missing.set(peer, (missing.get(peer) ?? new Set()).add(name));
    }
    for (const [peer, names] of missing) args.fetch(peer, [...names]);
  };

  return {
    tell(packed) {
      const { outboxBytesMax, deltaBytesMax } = replicaDeltasLimits;
      if (packed.byteLength > deltaBytesMax || outboxBytes + packed.byteLength > outboxBytesMax) {
        sink.count('replica_deltas_untold_total');
        // Found by comparing, and soon.
        compareSoon();
        return;
      }
      outbox.push(packed);
      outboxBytes += packed.byteLength;
      tellSoon();
    },
    onPublished(peer, bytes) {
      const envelope = decodeEnvelope(bytes);
      if ('refused' in envelope) return refuse(peer, envelope.refused);
      if (envelope.type !== deltasType || !Array.isArray(envelope.body)) return refuse(peer, 'MESSAGE_MALFORMED');
      // What is heard now is found by comparing later.
      if (log.isFull) return refuse(peer, 'BUSY');
      for (const packed of envelope.body as unknown[]) {
        if (!(packed instanceof Uint8Array)) refuse(peer, 'DELTA_MALFORMED');
        else if (!hearOne(peer, packed)) hold(peer, packed);
      }
    },
  };
};
