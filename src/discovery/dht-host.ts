// The second libp2p host: it speaks kad-dht with strangers under a key of its own that is made at its start and ends with it, so that
// nobody who meets it in the DHT can tell which member of which cluster it is, nor that it was here yesterday (decision 7). It
// shares code with src/transport/host.ts and nothing else: no key, no port, no store, no limit. Many clusters may use one
// DHT; the name of its protocol says nothing of any of them.

import { type Libp2p, type PeerId, serviceCapabilities } from '@libp2p/interface';
import type { KadDHT, KadDHTInit, SingleKadDHT } from '@libp2p/kad-dht';
import { guardLimits, guardStreams, InboundGate } from './dht-guard.ts';
import type { Reach } from './dht-reach.ts';
import { boardNamespace, boardValueProblem, isLater } from './dht-seal.ts';
import { DhtStore } from './dht-store.ts';
import { LookupFault } from './source.ts';

export const dhtProtocol = '/polity/kad/1.0.0';

export const dhtLimits = {
  dialMs: 3_000,
  negotiationMs: 3_000,
  dialsMax: 16,
  dialsQueuedMax: 128,
  addressesPerPeerMax: 8,
  /** Kademlia's alpha, and S/Kademlia's disjoint paths (Baumgart, Mies 2007): one lying peer leads one path astray. */
  alpha: 3,
  pathsMax: 4,
} as const;

export type DhtHostOptions = {
  listen: readonly string[];
  /** What is told instead of the addresses listened on, as behind a port that is forwarded. */
  announce: readonly string[];
  isLan: boolean;
  reach: Reach;
  /** Milliseconds since 1970. */
  nowMs(): number;
};

type Services = { kad: KadDHT };

export type DhtHost = {
  readonly node: Libp2p<Services>;
  readonly store: DhtStore<{ toString(): string }>;
  readonly gate: InboundGate;
  /** Hosts in the routing table: those that answered and can be dialled. */
  readonly known: number;
  /** It was dialled under an address of its own. */
  readonly hasMetItself: boolean;
  /** Runs when a host enters the routing table, until what is returned is called. */
  onKnown(run: () => void): () => void;
};

type PingComponents = {
  connectionManager: {
    openStream(peer: PeerId, protocol: string, options?: { signal?: AbortSignal }): Promise<{ abort(error: Error): void }>;
  };
};

/** In place of /ipfs/ping: whoever agrees to speak our protocol is there, and is what the routing table wants. */
const pings = (components: PingComponents) => ({
  [serviceCapabilities]: ['@libp2p/ping'],
  ping: async (peer: PeerId, options?: { signal?: AbortSignal }): Promise<number> => {
    const startMs = performance.now();
    const stream = await components.connectionManager.openStream(peer, dhtProtocol, options);
    stream.abort(new Error('it is there'));
    return performance.now() - startMs;
  },
});

/** The parts of libp2p, loaded by those who use them. */
export const loadDht = async () => {
  const [{ createLibp2p }, { identify }, { kadDHT }, { noise }, { tcp }, { yamux }] = await Promise.all([
    import('libp2p'),
    import('@libp2p/identify'),
    import('@libp2p/kad-dht'),
    import('@libp2p/noise'),
    import('@libp2p/tcp'),
    import('@libp2p/yamux'),
  ]);
  return { createLibp2p, identify, kadDHT, noise, tcp, yamux };
};

const kadOptions = ({ listen, reach, nowMs }: DhtHostOptions): KadDHTInit => ({
  protocol: dhtProtocol,
  clientMode: listen.length === 0,
  // The default keeps no private address, so on a LAN the routing table would stay empty (stack.md §4).
  peerInfoMapper: (peer) => ({ ...peer, multiaddrs: peer.multiaddrs.filter((address) => reach.allows(address)) }),
  validators: {
    [boardNamespace]: (key, value) => {
      const problem = boardValueProblem(key, value, nowMs());
      if (problem !== null) throw new Error(problem);
    },
  },
  selectors: {
    [boardNamespace]: (_key, values) =>
      values.reduce((best, value, index) => (isLater(value, values[best]!) ? index : best), 0),
  },
  allowQueryWithZeroPeers: true,
  alpha: dhtLimits.alpha,
  disjointPaths: dhtLimits.pathsMax,
  maxInboundStreams: guardLimits.requestStreamsMax,
  maxOutboundStreams: guardLimits.requestStreamsMax,
  routingTableUpdateMaxQueueSize: 512,
});

const connectionManager = (isLan: boolean) => ({
  maxConnections: guardLimits.connectionsMax,
  maxIncomingPendingConnections: guardLimits.pendingMax * (isLan ? 4 : 1),
  inboundConnectionThreshold: isLan ? guardLimits.inboundPerLanAddressMax : guardLimits.inboundPerAddressMax,
  maxParallelDials: dhtLimits.dialsMax,
  maxDialQueueLength: dhtLimits.dialsQueuedMax,
  maxPeerAddrsToDial: dhtLimits.addressesPerPeerMax,
  dialTimeout: dhtLimits.dialMs,
  addressDialTimeout: dhtLimits.dialMs,
  inboundUpgradeTimeout: dhtLimits.negotiationMs,
  inboundStreamProtocolNegotiationTimeout: dhtLimits.negotiationMs,
  outboundStreamProtocolNegotiationTimeout: dhtLimits.negotiationMs,
  connectionCloseTimeout: 500,
  reconnectRetries: 0,
});

/** Starts the host; a LookupFault if it cannot listen. */
export const startDhtHost = async (options: DhtHostOptions): Promise<DhtHost> => {
  const { listen, announce, isLan, reach, nowMs } = options;
  const { createLibp2p, identify, kadDHT, noise, tcp, yamux } = await loadDht();
  const store = new DhtStore<{ toString(): string }>(nowMs);
  const gate = new InboundGate(isLan);
  let self: PeerId | null = null;
  let hasMetItself = false;
  const isSelf = (peer: PeerId): boolean => {
    if (self?.equals(peer) !== true) return false;
    hasMetItself = true;
    return true;
  };
  const node = (await createLibp2p({
    start: false,
    datastore: store as never,
    // The same from every version, and with the same name from every program.
    nodeInfo: { name: 'polity-dht', version: '1', userAgent: 'polity-dht/1' },
    addresses: {
      listen: [...listen],
      announce: [...announce],
      announceFilter: (addresses) => addresses.filter((address) => reach.allows(address)),
    },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({ maxInboundStreams: guardLimits.streamsPerConnectionMax, streamOptions: { maxReadBufferLength: 64 << 10 } }),
    ],
    connectionGater: {
      denyInboundConnection: (connection) => gate.denies(connection),
      denyDialMultiaddr: (address) => !reach.allows(address),
      filterMultiaddrForPeer: (_peer, address) => reach.allows(address),
      // All members may have one list of bootstrap addresses, with their own among them.
      denyOutboundEncryptedConnection: isSelf,
      denyInboundEncryptedConnection: isSelf,
    },
    connectionManager: connectionManager(isLan),
    connectionMonitor: { enabled: false },
    services: { identify: identify(), ping: pings as never, kad: kadDHT(kadOptions(options)) as never },
  })) as unknown as Libp2p<Services>;
  self = node.peerId;
  const guard = guardStreams(() => performance.now());
  // libp2p 3.3 appends the protocol's handler to the very list given here whenever a stream comes in, and would run it on outbound
  // streams from then on (libp2p/js-libp2p#3534); so each stream puts a new list in place before the next one is opened.
  const install = (): void =>
    node.use(dhtProtocol, ((...given: Parameters<typeof guard>) => {
      install();
      return guard(...given);
    }) as never);
  install();
  try {
    await node.start();
  } catch (error) {
    await Promise.resolve(node.stop()).catch(() => {});
    throw new LookupFault('SOURCE_UNAVAILABLE', `cannot listen on ${listen.join(', ')}: ${reasonOf(error)}`);
  }
  const { routingTable } = node.services.kad as SingleKadDHT;
  return {
    node,
    store,
    gate,
    get known() {
      return routingTable.size;
    },
    get hasMetItself() {
      return hasMetItself;
    },
    onKnown: (run) => {
      const table = routingTable as unknown as EventTarget;
      table.addEventListener('peer:add', run);
      return () => table.removeEventListener('peer:add', run);
    },
  };
};

/** Out of libp2p's page with stack traces. */
const reasonOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  return /listen E[A-Z]+: [^\n]+/.exec(message)?.[0] ?? message.split('\n')[0]!;
};
