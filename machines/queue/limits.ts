// What bounds queues. Part of the protocol, like all limits of the register: replicas that differed in them would diverge.
import { limits } from '../wire/limits.ts';
import type { QueueOptions } from './types.ts';

const dayMs = 86_400_000;

export const queueLimits = {
  /** Of a group. */
  queuesMax: 10_000,
  /** Messages of all queues of a group, dead letters among them; about 300 bytes of memory each. */
  messagesMax: 1_000_000,
  /** Bodies of all queues of a group. */
  bytesMax: 8 * 2 ** 30,
  /** Deduplication ids that a group remembers. */
  dedupsMax: 1_000_000,
  bodyBytesMax: limits.valueBytesMax,
  nameBytesMax: limits.registerIdBytesMax,
  reasonBytesMax: 512,
  /** Messages that one receive may ask for. */
  receiveMax: 100,
  /** A receive stops giving out when it has so many bytes; the last message may reach beyond. */
  receiveBytesMax: limits.listBytesMax,
  /** How long a receive may wait. */
  waitMsMax: 50_000,
  visibilityMsMax: dayMs,
  delayMsMax: 30 * dayMs,
  dedupMsMax: dayMs,
  retentionMsMax: 365 * dayMs,
  deliveriesMax: 1_000,
  /** Messages that a redrive or a purge names. */
  namedMax: 1_000,
  /** Messages or ids that one entry redrives or removes. */
  batchMax: 1_000,
  /** Ids past their time that one send removes on the side. */
  forgottenPerSendMax: 16,
} as const;

export const queueDefaults: QueueOptions = {
  visibilityMs: 30_000,
  maxDeliveries: 5,
  dedupMs: 300_000,
  retentionMs: null,
  messagesMax: 100_000,
};

/** Least and greatest of each option. */
export const optionBounds: Record<keyof QueueOptions, readonly [number, number]> = {
  visibilityMs: [1, queueLimits.visibilityMsMax],
  maxDeliveries: [1, queueLimits.deliveriesMax],
  dedupMs: [1, queueLimits.dedupMsMax],
  retentionMs: [1, queueLimits.retentionMsMax],
  messagesMax: [1, queueLimits.messagesMax],
};

/** What a test may make smaller. */
export type QueueBounds = {
  queuesMax: number;
  messagesMax: number;
  bytesMax: number;
  dedupsMax: number;
  receiveBytesMax: number;
  batchMax: number;
  forgottenPerSendMax: number;
};
