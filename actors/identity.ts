// What a node remembers of itself across starts: how often it was started, which replica ids it offers, which cluster it belongs
// to, which replicas it hosts. Under checksums, for each of them, read wrong, would let a replica vote twice or a cluster be formed
// twice (decisions 10 and 12); whatever is damaged ends the start with its name.
import { formMemory, parseMemory, type RememberedPlace } from '../machines/discovery/index.ts';
import type { Genesis } from '../machines/genesis/index.ts';
import { isNodeName, parseGenesis } from '../machines/genesis/messages.ts';
import { type Evicted, membershipLimits } from '../machines/membership/index.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import { metaKeys } from './keyspace.ts';
import { openRecord, sealRecord } from './log-batch.ts';
import { type PeerId, type SinkPort, StorageFault, type StorageOperation } from './ports/index.ts';

type Reader = { get(key: Uint8Array): Uint8Array | undefined };

const sealed = (key: Uint8Array, value: unknown): StorageOperation => ({ key, value: sealRecord(key, value) });

/** Null if there is none. */
const open = <Value>(reader: Reader, key: Uint8Array, what: string, parse: (value: unknown) => Value | null): Value | null => {
  const stored = reader.get(key);
  if (stored === undefined) return null;
  const corrupt = (why: string): never => {
    throw new StorageFault({ code: 'CORRUPT', message: `the record of ${what} cannot be trusted: ${why}` });
  };
  let value: unknown;
  try {
    value = openRecord(key, stored);
  } catch (error) {
    return corrupt((error as Error).message);
  }
  return parse(value) ?? corrupt('it is malformed');
};

const isReplica = (value: unknown): value is string => typeof value === 'string' && value.length > 0 && value.length <= 128;

// ---------------------------------------------------------------- starts

/** How often the process was started; 0 = never. */
export const readEpoch = (reader: Reader): number =>
  open(reader, metaKeys.epoch, 'the boot epoch', (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null,
  ) ?? 0;

export const epochOperation = (epoch: number): StorageOperation => sealed(metaKeys.epoch, epoch);

/** No incarnation above this was ever said by this node; 0 = none was. */
export const readIncarnation = (reader: Reader): number =>
  open(reader, metaKeys.incarnation, 'the incarnation', (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null,
  ) ?? 0;

export const incarnationOperation = (incarnation: number): StorageOperation => sealed(metaKeys.incarnation, incarnation);

// ---------------------------------------------------------------- who was thrown out

const isPeer = (value: unknown): value is PeerId =>
  typeof value === 'string' && value.length > 0 && value.length <= membershipLimits.peerCharsMax;
const isIncarnation = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= membershipLimits.incarnationMax;

/** `[peer, name, incarnation, when]` by this machine's clock: if that went back, the time that it is remembered begins anew. */
const parseEvicted = (item: unknown, wallMs: number): Evicted | null => {
  if (!Array.isArray(item) || item.length !== 4) return null;
  const [peer, name, incarnation, atMs] = item as unknown[];
  if (!isPeer(peer) || !(name === '' || isNodeName(name)) || !isIncarnation(incarnation)) return null;
  if (typeof atMs !== 'number' || !Number.isSafeInteger(atMs)) return null;
  return { peer, name, incarnation, agoMs: Math.max(0, wallMs - atMs) };
};

/** Only a help, since every other member remembers them: what is damaged is left out and heard anew. */
export const readEvicted = (reader: Reader, wallMs: number, sink: SinkPort): Evicted[] => {
  const damaged = (): void =>
    sink.log('warn', 'EVICTIONS_DAMAGED', 'the record of who was thrown out is damaged; it is heard anew from other members');
  let stored: unknown[] | null;
  try {
    stored = open(reader, metaKeys.evicted, 'the members thrown out', (value) => (Array.isArray(value) ? value : null));
  } catch {
    damaged();
    return [];
  }
  const evicted = (stored ?? []).map((item) => parseEvicted(item, wallMs));
  const readable = evicted.filter((one) => one !== null);
  if (readable.length < evicted.length) damaged();
  return readable;
};

export const evictedOperation = (evicted: readonly Evicted[], wallMs: number): StorageOperation =>
  sealed(
    metaKeys.evicted,
    evicted.map(({ peer, name, incarnation, agoMs }) => [peer, name, incarnation, Math.round(wallMs - agoMs)]),
  );

// ---------------------------------------------------------------- replicas

/** Replica ids by group that an empty node offers to the genesis. */
export const readOffer = (reader: Reader): Map<string, string> =>
  open(reader, metaKeys.offer, 'the replica ids that this node offers', (value) => {
    const entries = Array.isArray(value) ? (value as unknown[]) : [null];
    const isEntry = (entry: unknown): entry is [string, string] =>
      Array.isArray(entry) && entry.length === 2 && typeof entry[0] === 'string' && isReplica(entry[1]);
    return entries.every(isEntry) ? new Map(entries) : null;
  }) ?? new Map();

export const offerOperation = (offered: ReadonlyMap<string, string>): StorageOperation => sealed(metaKeys.offer, [...offered]);

/** The replica of the group that this node hosts, or null. */
export const readHosted = (reader: Reader, group: string): string | null =>
  open(reader, metaKeys.hosted(group), `the replica of '${group}'`, (value) => (isReplica(value) ? value : null));

export const hostedOperation = (group: string, replica: string): StorageOperation => sealed(metaKeys.hosted(group), replica);

// ---------------------------------------------------------------- cluster

/** A value that is no genesis must never pass for none: the node would form its cluster anew. */
export const readGenesis = (reader: Reader): Genesis | null => open(reader, metaKeys.genesis, 'the genesis', parseGenesis);

export const genesisOperation = (genesis: Genesis): StorageOperation => sealed(metaKeys.genesis, genesis);

// ---------------------------------------------------------------- addresses

const addressesMax = 16;
export const addressCharsMax = 256;

/** The addresses in a list from outside that are of use. */
export const usableAddresses = (list: readonly unknown[]): string[] =>
  list.filter((one): one is string => typeof one === 'string' && one.length <= addressCharsMax).slice(0, addressesMax);

/** Only a help: what is damaged is left out and learnt anew. */
export const readPeers = (reader: Reader, sink: SinkPort): [PeerId, string[]][] => {
  const stored = reader.get(metaKeys.peers);
  if (stored === undefined) return [];
  let value: unknown;
  try {
    value = unpack(stored);
  } catch {
    // Told below, like anything else that is no list of addresses.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([peer, list]): [PeerId, string[]][] =>
      Array.isArray(list) ? [[peer, usableAddresses(list)]] : [],
    );
  sink.log('warn', 'PEERS_DAMAGED', 'the addresses of peers known from before are damaged; they are learnt anew');
  return [];
};

export const peersOperation = (addresses: ReadonlyMap<PeerId, string[]>): StorageOperation => ({
  key: metaKeys.peers,
  value: pack(Object.fromEntries(addresses)),
});

/** Where members lived, as discovery knew it; only a help, like the addresses of peers. */
export const readPlaces = (reader: Reader, sink: SinkPort): RememberedPlace[] => {
  const stored = reader.get(metaKeys.places);
  if (stored === undefined) return [];
  try {
    const places = parseMemory(unpack(stored));
    if (places !== null) return places;
  } catch {
    // Told below, like anything else that is no memory of discovery.
  }
  sink.log('warn', 'PLACES_DAMAGED', 'what discovery knew before is damaged; it is found anew');
  return [];
};

export const placesOperation = (places: readonly RememberedPlace[]): StorageOperation => ({
  key: metaKeys.places,
  value: pack(formMemory(places)),
});
