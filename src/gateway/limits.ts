// Every maximum of the HTTP door. A request costs memory from its first byte on, so bytes and requests under way are bounded
// before a body is read, and nobody may take for ever to send one (slowloris) or to read an answer.
import { limits } from '../../machines/wire/limits.ts';

export type GatewayLimits = {
  /** Whole line of the request and all headers; a key and an `if-value`, both percent-encoded, fit. */
  headBytesMax: number;
  bodyBytesMax: number;
  headersMs: number;
  requestMs: number;
  /** How often the two above are checked. */
  checkEveryMs: number;
  keepAliveMs: number;
  connectionsMax: number;
  requestsMax: number;
  requestBytesMax: number;
  watchersMax: number;
  replicaWatchersMax: number;
  servicesWatchersMax: number;
  /** Elements, keys or values of a replicated object in one answer, and the characters of its JSON. */
  replicaItemsMax: number;
  replicaCharsMax: number;
  /** Values of replicated objects that are answered and not yet read by whoever asked; and as many by all who watch. */
  replicaAnswersBytesMax: number;
  /** Between two looks at the replicated objects that are watched and changed. */
  replicaLookMs: number;
  eventSocketsMax: number;
  inspectSocketsMax: number;
  backupsMax: number;
  /** Calls of services whose result is a stream. */
  callStreamsMax: number;
  actorWatchersMax: number;
  /** Graphs whose steps are told as they end. */
  runsMax: number;
  /** What may wait for a slow reader of a stream before it is ended. */
  streamBytesMax: number;
  /** Silence on a stream after which it says how far it is. */
  heartbeatMs: number;
  /** How long a stream that was ended may take to read the rest, and a watch to begin. */
  streamGraceMs: number;
  /** Beyond a request's own deadline, until the gateway answers in the node's place. */
  overdueMs: number;
  /** What a close waits for requests under way. */
  closeMs: number;
};

export const gatewayLimits: GatewayLimits = {
  headBytesMax: 32 << 10,
  bodyBytesMax: limits.valueBytesMax,
  headersMs: 10_000,
  requestMs: 30_000,
  checkEveryMs: 2_000,
  keepAliveMs: 65_000,
  connectionsMax: 4_096,
  requestsMax: 16_384,
  requestBytesMax: 256 << 20,
  watchersMax: 512,
  replicaWatchersMax: 512,
  servicesWatchersMax: 128,
  replicaItemsMax: 1 << 16,
  replicaCharsMax: 4 << 20,
  replicaAnswersBytesMax: 256 << 20,
  replicaLookMs: 20,
  eventSocketsMax: 128,
  inspectSocketsMax: 32,
  backupsMax: 2,
  callStreamsMax: 512,
  actorWatchersMax: 512,
  runsMax: 128,
  streamBytesMax: 4 << 20,
  heartbeatMs: 10_000,
  streamGraceMs: 5_000,
  overdueMs: 2_000,
  closeMs: 2_000,
};

/** Three bytes of percent-encoding for every byte of a key and of the longest condition, with room for the headers. */
const longestUrlBytes = 3 * (limits.keyBytesMax + limits.conditionValueBytesMax);

export const assertGatewayLimits = (checked: GatewayLimits): void => {
  const assert = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`gateway limits contradict each other: ${what}`);
  };
  assert(longestUrlBytes + 4_096 <= checked.headBytesMax, 'the longest key and condition fit a request line');
  assert(checked.bodyBytesMax <= checked.requestBytesMax, 'one body fits what may be under way');
  assert(4 * checked.replicaCharsMax <= checked.replicaAnswersBytesMax, 'one value fits what may be answered');
  assert(checked.headersMs <= checked.requestMs, 'headers come before the end of the request');
};
assertGatewayLimits(gatewayLimits);
