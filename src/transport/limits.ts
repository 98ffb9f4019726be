// Every maximum and every delay of the transport, in one place; tests make them smaller or shorter.
import { limits as wireLimits } from '../../machines/wire/limits.ts';

export type TransportLimits = {
  /** From accepting a connection to the end of its admission. */
  admissionMs: number;
  /** Inbound connections that have not proved anything yet: in all, and from one address. */
  pendingMax: number;
  pendingPerAddressMax: number;
  /** New inbound connections from one address: a burst, refilled at so many a second. */
  inboundBurstMax: number;
  inboundPerSecondMax: number;
  /** Addresses whose rate is remembered. */
  ratedAddressesMax: number;
  /** 'refused' events a second; what is beyond is only counted. */
  refusedEventsPerSecondMax: number;
  connectionsMax: number;
  controlLaneBytesMax: number;
  callsLaneBytesMax: number;
  bulkLaneBytesMax: number;
  /** One turn's messages leave in frames of at most this, unless one message is larger. */
  batchBytesMax: number;
  /** What one peer may have in flight on one stream before it is read (Yamux window). */
  streamWindowBytesMax: number;
  redialMsMin: number;
  redialMsMax: number;
  /** While a peer was open within the last `recentMs`, it is redialled at least this often. */
  redialRecentMsMax: number;
  recentMs: number;
  /** Where another node answered is looked again after this: who is wanted will rather dial us. */
  redialOtherMs: number;
  dialMs: number;
  targetsMax: number;
  targetAddressesMax: number;
  /** A second connection that its dialler keeps open this long replaces the first: the other end has lost it. */
  supersedeMs: number;
  /** How long a connection is kept that its dialler turned out not to need; well below `supersedeMs`. */
  spareMs: number;
  /** A connection that the peer neither selects nor closes within this is closed. */
  selectMs: number;
  /** What `stop` waits for queues to leave. */
  flushMs: number;
  publishQueueBytesMax: number;
  publishBatchBytesMax: number;
  /** How long a publish waits for the first subscriber after the topic or the peer is new. */
  publishPatienceMs: number;
  /** How long a published envelope is valid. */
  publishedMs: number;
  /** Published messages whose names are remembered, so that a copy is known before it is looked into. */
  seenMessagesMax: number;
};

export const transportLimits: TransportLimits = {
  admissionMs: 3_000,
  pendingMax: 128,
  pendingPerAddressMax: 64,
  inboundBurstMax: 100,
  inboundPerSecondMax: 50,
  ratedAddressesMax: 4_096,
  refusedEventsPerSecondMax: 20,
  connectionsMax: 1_024,
  controlLaneBytesMax: wireLimits.controlLaneBytesMax,
  callsLaneBytesMax: wireLimits.callsLaneBytesMax,
  bulkLaneBytesMax: wireLimits.bulkLaneBytesMax,
  batchBytesMax: 64 << 10,
  streamWindowBytesMax: 1 << 20,
  redialMsMin: 50,
  redialMsMax: 2_000,
  redialRecentMsMax: 400,
  recentMs: 60_000,
  redialOtherMs: 60_000,
  dialMs: 2_500,
  targetsMax: 1_024,
  targetAddressesMax: 16,
  supersedeMs: 500,
  spareMs: 50,
  selectMs: 2_000,
  flushMs: 300,
  publishQueueBytesMax: 8 << 20,
  publishBatchBytesMax: 64 << 10,
  publishPatienceMs: 2_000,
  publishedMs: 30_000,
  seenMessagesMax: 65_536,
};
