// Every maximum of what crosses a border, in one place; checked against each other when loaded.
export const limits = {
  addressCharsMax: 128,
  traceCharsMax: 64,
  keyBytesMax: 1024,
  valueBytesMax: 1 << 20,
  /** One message: the largest entry batch or snapshot chunk with room for its envelope. */
  messageBytesMax: 4 << 20,
  /** One frame on a stream: many messages. */
  frameBytesMax: (4 << 20) + 64,
  frameMessagesMax: 4096,
  /** What a lane queues for a slow peer before it answers 'full'. */
  controlLaneBytesMax: 16 << 20,
  callsLaneBytesMax: 16 << 20,
  bulkLaneBytesMax: 4 << 20,
  /** A chunk of a snapshot ends with the record that reaches this. */
  snapshotChunkBytesMax: 64 << 10,
  /** What a snapshot's sender has on its way; of chunks that are larger, being one record each, there may be two. */
  snapshotInflightBytesMax: 256 << 10,
  helloBytesMax: 1024,
  handshakeFrameBytesMax: 4096,
  conditionValueBytesMax: 4096,
  idempotencyKeyCharsMax: 128,
  sessionsMax: 100_000,
  sessionMs: 600_000,
  ttlMsMin: 1,
  ttlMsMax: 365 * 86_400_000,
  listItemsMax: 1_000,
  /** A page of a list, in bytes of its records; the last record may reach beyond. */
  listBytesMax: 2 << 20,
  /** Names of locks, leases and owners. */
  registerIdBytesMax: 256,
  registerLeasesMax: 100_000,
  registerLocksMax: 100_000,
  registerExpiringKeysMax: 1_000_000,
  registerLeaseAttachmentsMax: 10_000,
  registerRemovalsPerEntryMax: 4_096,
  gossipMessageBytesMax: 1 << 20,
  callTimeoutMsMax: 60_000,
  callTimeoutMsDefault: 5_000,
  pendingCallsMax: 65_536,
  watchersMax: 1_024,
  groupsMax: 256,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits contradict each other: ${what}`);
};
assertLimits(limits.valueBytesMax + limits.keyBytesMax < limits.messageBytesMax, 'a value fits a message');
assertLimits(limits.listBytesMax + limits.valueBytesMax < limits.messageBytesMax, 'a page of a list fits a message');
assertLimits(limits.messageBytesMax < limits.frameBytesMax, 'a message fits a frame');
assertLimits(
  limits.snapshotChunkBytesMax + limits.keyBytesMax + limits.valueBytesMax < limits.messageBytesMax,
  'a chunk fits a message',
);
assertLimits(2 * limits.snapshotChunkBytesMax <= limits.snapshotInflightBytesMax, 'chunks overlap on their way');
assertLimits(
  Math.max(limits.snapshotInflightBytesMax, 2 * limits.valueBytesMax) < limits.bulkLaneBytesMax,
  'a snapshot leaves room on its lane',
);
assertLimits(limits.frameBytesMax < limits.controlLaneBytesMax, 'a frame fits a lane');
