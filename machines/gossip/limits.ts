// Every maximum of gossip, checked against each other when loaded: whatever members send, this is all that a node keeps.
import { limits } from '../wire/limits.ts';

export const gossipLimits = {
  peerCharsMax: 128,
  topicCharsMax: 128,
  bodyBytesMax: 16 << 10,
  ttlMsMin: 1,
  ttlMsMax: 3_600_000,
  epochMax: 2 ** 48,
  /** Hearsay that raises an epoch by more is refused. */
  epochJumpMax: 2 ** 20,
  sequenceMax: 2 ** 48,
  sourcesMax: 4_096,
  /** Pieces in which one source is known; at more, the oldest number that is missing is given up. */
  rangesMax: 64,
  /** Announcements that are kept until they end: in all, and of one source. */
  storeMessagesMax: 16_384,
  storeBytesMax: 16 << 20,
  sourceMessagesMax: 1_024,
  sourceBytesMax: 2 << 20,
  /** What keeping one costs beyond its body and topic. */
  storedBytes: 256,
  buckets: 64,
  marksMax: 1_024,
  marksBytesMax: 64 << 10,
  partsMax: 512,
  partAnnouncementsMax: 1_024,
  wantsMax: 512,
  /** What is gone, in pieces, in one part. */
  gonePiecesMax: 1_024,
  pageBytesMax: 128 << 10,
  /** Pages and marks for one peer, a second. */
  answersPerSecondMax: 32,
  /** Exchanges begun at once because somebody was met: so many, and one more every so often, for connections come and go. */
  greetingsMax: 8,
  greetingEveryMs: 10_000,
  peersMax: 4_096,
  evictedMax: 4_096,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of gossip contradict each other: ${what}`);
};
const max = gossipLimits;
const bytesOfNumber = 9;
const markBytesMax = max.peerCharsMax + 2 * bytesOfNumber * (max.rangesMax + 2);
assertLimits(max.bodyBytesMax + max.topicCharsMax + 1_024 < limits.gossipMessageBytesMax, 'an announcement can be published');
assertLimits(max.bodyBytesMax + max.topicCharsMax < max.pageBytesMax, 'an announcement fits a page');
assertLimits(max.marksBytesMax + max.marksMax * markBytesMax < limits.messageBytesMax, 'marks fit a message');
assertLimits(
  2 * max.pageBytesMax + 2 * bytesOfNumber * max.gonePiecesMax + max.wantsMax * 2 * markBytesMax < limits.messageBytesMax,
  'a page fits a message',
);
assertLimits(
  max.sourceMessagesMax <= max.storeMessagesMax && max.sourceBytesMax <= max.storeBytesMax,
  'a source is a part of all',
);
assertLimits(max.bodyBytesMax + max.topicCharsMax + max.storedBytes <= max.sourceBytesMax, 'one announcement can be kept');
assertLimits(max.epochMax + max.epochJumpMax < Number.MAX_SAFE_INTEGER, 'epochs are exact');
