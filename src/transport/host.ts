// The libp2p node underneath: TCP, admission around Noise, Yamux, gossipsub and nothing else. No identify, no pings, no
// auto-dial, no peer discovery: admission tells what identify would, the actors' beats notice what pings would (stack.md §4).
import { type GossipSub, gossipsub, StrictNoSign } from '@libp2p/gossipsub';
import { createTopicScoreParams, type PeerScore } from '@libp2p/gossipsub/score';
import {
  type ComponentLogger,
  type ConnectionEncrypter,
  type Logger,
  type Libp2p as Node,
  type PrivateKey,
  serviceCapabilities,
} from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { limits as wireLimits } from '../../machines/wire/limits.ts';
import { type Conduct, conductLimits } from './conduct.ts';
import { TransportFault } from './fault.ts';
import type { TransportLimits } from './limits.ts';
import { messageId, messageName } from './message-id.ts';

type EncrypterFactory = (components: never) => ConnectionEncrypter;

/** What gossipsub needs to be told of peers, since identify does not run. */
export type Topologies = {
  getTopologies(
    protocol: string,
  ): { onConnect?(peer: unknown, connection: unknown): unknown; onDisconnect?(peer: unknown): unknown }[];
};

/** The score is no part of gossipsub's public type; its version is pinned, and test/src/transport/gossip.test.ts fails when it moves. */
export type Services = { gossip: GossipSub & { readonly score: PeerScore }; topologies: Topologies };
export type Host = Node<Services>;

export type HostOptions = {
  privateKey: PrivateKey;
  listen: readonly string[];
  announce: readonly string[];
  limits: TransportLimits;
  conduct: Conduct;
  encrypter: EncrypterFactory;
  /** True refuses an inbound connection before anything is read from it. */
  denyInbound(connection: {
    remoteAddr: { toString(): string };
    addEventListener(type: 'close', run: () => void): void;
  }): boolean;
};

// libp2p formats and scopes log lines per stream and frame even when nobody reads them; what matters reaches the sink elsewhere.
const silent: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: (): Logger => silent,
});
const silentLogger: ComponentLogger = { forComponent: () => silent };

/** Invalid messages alone cost a peer its place (P4 of the score): members come and go, are slow, and have nothing to say for hours. */
export const topicScores = createTopicScoreParams({
  topicWeight: 1,
  ...{ timeInMeshWeight: 0, firstMessageDeliveriesWeight: 0, meshMessageDeliveriesWeight: 0, meshFailurePenaltyWeight: 0 },
  ...{ invalidMessageDeliveriesWeight: conductLimits.offenceWeight, invalidMessageDeliveriesDecay: 0.99 },
});

const gossip = ({ limits, conduct }: HostOptions) =>
  gossipsub({
    // Proof and sequence are in the envelope (machines/admission/envelope.ts): an Ed25519 signature a message would cost
    // 112 µs to make and 160 µs for every duplicate to check (stack.md §3).
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: messageId,
    fastMsgIdFn: messageName,
    allowPublishToZeroTopicPeers: false,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    fallbackToFloodsub: false,
    tagMeshPeers: false,
    // What was published is kept for so many heartbeats, for peers that missed it; by default 5 and 3.
    mcacheLength: 3,
    mcacheGossip: 2,
    // Names of what was seen are kept no longer than an envelope is valid: its number tells a repeat after that. Two minutes by default.
    seenTTL: limits.publishedMs,
    maxOutboundBufferSize: 8 << 20,
    maxInboundDataLength: wireLimits.gossipMessageBytesMax + 4096,
    // Everybody here is admitted; many of them may share one address, and who is slow breaks promises without being at fault.
    scoreParams: {
      ...{ IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0, appSpecificWeight: 1 },
      appSpecificScore: (peer) => conduct.scoreOf(peer),
    },
    scoreThresholds: { gossipThreshold: -10, publishThreshold: -50, graylistThreshold: conductLimits.graylistScore },
  });

// Private to gossipsub, which bounds them by time alone. The version is pinned; test/src/transport/gossip.test.ts fails when they move.
type Seen = { readonly size: number; clear(): void };
type Tables = { seenCache: Seen; fastMsgIdCache: Seen };

/**
 * What gossipsub remembers of messages it has seen is forgotten when it is more than this: who floods must not fill the memory. Nothing
 * is delivered or passed on twice for it, since an envelope's number tells a repeat too.
 */
export const forgetSeen = ({ services: { gossip } }: Host, messagesMax: number): void => {
  const { seenCache, fastMsgIdCache } = gossip as unknown as Tables;
  for (const seen of [seenCache, fastMsgIdCache]) if (seen.size > messagesMax) seen.clear();
  const { deliveryRecords } = gossip.score;
  if (deliveryRecords.queue.length > messagesMax) deliveryRecords.clear();
};

// Gossipsub asks for identify only to hear of peers; `Gossip` introduces the admitted ones through its topologies instead.
const introductions = (components: { registrar: Topologies }) => ({
  [serviceCapabilities]: ['@libp2p/identify'],
  getTopologies: (protocol: string) => components.registrar.getTopologies(protocol),
});

export const createHost = async (options: HostOptions): Promise<Host> => {
  const { limits } = options;
  try {
    return (await createLibp2p({
      privateKey: options.privateKey,
      logger: silentLogger,
      addresses: { listen: [...options.listen], announce: [...options.announce] },
      // Idle members stay connected; beats tell a silent one.
      transports: [tcp({ inboundSocketInactivityTimeout: 2 ** 30, outboundSocketInactivityTimeout: 2 ** 30 })],
      connectionEncrypters: [options.encrypter as never],
      streamMuxers: [
        yamux({
          // Above the default read buffer of 4 MiB a paused stream is reset (stack.md §2.4).
          streamOptions: { maxStreamWindowSize: limits.streamWindowBytesMax },
          enableKeepAlive: false,
        }),
      ],
      connectionGater: {
        denyInboundConnection: (connection) => options.denyInbound(connection),
      },
      connectionManager: {
        // The gate counts instead: libp2p's five a second from one host would keep members out.
        inboundConnectionThreshold: Number.MAX_SAFE_INTEGER,
        maxIncomingPendingConnections: Number.MAX_SAFE_INTEGER,
        maxConnections: limits.connectionsMax + limits.pendingMax,
        inboundUpgradeTimeout: limits.admissionMs,
        inboundStreamProtocolNegotiationTimeout: limits.admissionMs,
        outboundStreamProtocolNegotiationTimeout: limits.admissionMs,
        addressDialTimeout: limits.dialMs,
        dialTimeout: limits.dialMs,
        connectionCloseTimeout: 500,
        reconnectRetries: 0,
      },
      connectionMonitor: { enabled: false },
      services: {
        gossip: gossip(options) as never,
        topologies: introductions as never,
      },
    })) as unknown as Host;
  } catch (error) {
    throw new TransportFault('LISTEN_FAILED', `cannot listen on ${options.listen.join(', ')}: ${reasonOf(error)}`);
  }
};

/** The reason in words, 'listen EADDRINUSE: address already in use 127.0.0.1:7401', out of libp2p's page with stack traces. */
const reasonOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  return /listen E[A-Z]+: [^\n]+/.exec(message)?.[0] ?? message;
};
