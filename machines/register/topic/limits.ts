// Every maximum of topics. Those that decide what an entry does are part of the protocol: replicas that differed would diverge.
import { limits } from '../../wire/limits.ts';
import type { Retention } from './types.ts';

export const topicLimits = {
  nameBytesMax: 120,
  bodyBytesMax: 1 << 20,
  topicsMax: 10_000,
  /** Of one topic, and in a group. */
  subscriptionsMax: 1_000,
  subscriptionsInAllMax: 100_000,
  messagesMax: 1_000_000,
  bytesMax: 1 << 30,
  /** Of all messages in a group. */
  bytesInAllMax: 8 * (1 << 30),
  ageMsMax: limits.ttlMsMax,
  peerCharsMax: 128,
  /** One answer to a read. */
  pageMessagesMax: 256,
  pageBytesMax: 1 << 20,
  listItemsMax: 1_000,
  missingMax: 32,
  /** Longest that a read waits at a node; whoever asked asks again. */
  waitMsMax: 30_000,
  /** Age is kept to so many milliseconds, so that a busy topic asks for one entry a second and not for one a message. */
  ageStepMs: 1_000,
} as const;

export const defaultRetention: Retention = { messagesMax: 10_000, bytesMax: 64 << 20, ageMs: 7 * 86_400_000 };

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of topics contradict each other: ${what}`);
};
const max = topicLimits;
assertLimits(max.bodyBytesMax <= limits.valueBytesMax, 'a message fits an entry');
assertLimits(max.pageBytesMax + max.bodyBytesMax + max.pageMessagesMax * 64 < limits.messageBytesMax, 'a page fits a message');
const subscriptionBytes = 4 * max.nameBytesMax + max.peerCharsMax + 128;
assertLimits(max.subscriptionsMax * subscriptionBytes < limits.messageBytesMax, 'the subscriptions of a topic fit a message');
assertLimits(max.listItemsMax * (max.nameBytesMax + 96) < limits.messageBytesMax, 'a list of topics fits a message');
assertLimits(defaultRetention.bytesMax <= max.bytesMax && defaultRetention.messagesMax <= max.messagesMax, 'the default holds');
assertLimits(max.bytesMax <= max.bytesInAllMax, 'one topic fits a group');
assertLimits(max.waitMsMax < limits.callTimeoutMsMax, 'who waits is answered in time');
