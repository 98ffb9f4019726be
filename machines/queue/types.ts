// The words of work queues (row K4): what is asked of a queue, what it answers, what it remembers of a message. A queue lives in a
// group of the register service: requests are entries of its log, so that nothing acknowledged is lost.
import type { FencingToken } from '../register/types.ts';

/** What may be said of a queue; what is not said is as it was, at a new queue the default (limits.ts). */
export type QueueOptions = {
  /** How long a message that was given out stays out of sight unless its receiver says otherwise. */
  visibilityMs: number;
  /** A message that came back so often is given out no more: it is a dead letter. */
  maxDeliveries: number;
  /** How long a deduplication id is remembered. */
  dedupMs: number;
  /** A message that is older is removed, wherever it is; null: none is. */
  retentionMs: number | null;
  /** Messages of this queue, dead letters among them. */
  messagesMax: number;
};

/** Proves who has a message: the number of the message and the entry of the log that gave it out. Current until it is out of date. */
export type Receipt = { message: number; token: FencingToken };

export type QueueWrite =
  /** Makes the queue if there is none. */
  | { op: 'queue-configure'; queue: string; options: Partial<QueueOptions> }
  /** Only of a queue without messages; takes several entries if much was remembered of it (`left`). */
  | { op: 'queue-delete'; queue: string }
  /** A queue that does not exist is made, with the defaults. */
  | {
      op: 'queue-send';
      queue: string;
      body: Uint8Array;
      delayMs?: number;
      /** Messages of one ordering key are given out one after the other, in the order of the log. */
      ordering?: string;
      /** The same id within `dedupMs` is one message: the first. */
      dedup?: string;
    }
  /** `waitMs`: how long whoever executes it waits while there is nothing to give; the log only sees it when there is. */
  | { op: 'queue-receive'; queue: string; max: number; waitMs: number; visibilityMs?: number }
  | { op: 'queue-ack'; queue: string; receipt: Receipt }
  /** `unseen`: the receiver never had it, this delivery does not count. */
  | { op: 'queue-nack'; queue: string; receipt: Receipt; delayMs?: number; reason?: string; unseen?: boolean }
  /** Out of sight for so long from now on. */
  | { op: 'queue-extend'; queue: string; receipt: Receipt; visibilityMs: number }
  /** Dead letters become messages again: those named, or the oldest. */
  | { op: 'queue-redrive'; queue: string; messages?: number[] }
  /** Removes dead letters (those named, or the oldest), or whatever is in the queue, given out or not. */
  | { op: 'queue-purge'; queue: string; which: 'dead' | 'all'; messages?: number[] };

export type QueueRead =
  | { op: 'queue-stats'; queue: string }
  /** By name; `after` continues a page (exclusive). */
  | { op: 'queue-list'; after?: string; limit: number }
  /** Dead letters, the oldest message first; `after` is a message's number (exclusive). */
  | { op: 'queue-dead'; queue: string; after?: number; limit: number };

export type QueueMessage = {
  /** Index of the entry of the log that sent it; another one for each message of a group. */
  message: number;
  body: Uint8Array;
  ordering: string | null;
  /** Log time at which it was sent. */
  sentMs: number;
  /** How often it was given out, this time too. */
  deliveries: number;
  /** Log time at which it comes into sight again. */
  visibleMs: number;
  token: FencingToken;
};

export type DeadLetter = {
  message: number;
  body: Uint8Array;
  ordering: string | null;
  sentMs: number;
  deliveries: number;
  /** What the last receiver said when it gave it back; null: it said nothing, or its time ran out. */
  reason: string | null;
};

export type QueueStats = {
  queue: string;
  options: QueueOptions;
  /** May be given out, perhaps after others of their ordering key. */
  ready: number;
  delayed: number;
  /** Given out and not acknowledged. */
  out: number;
  dead: number;
  /** Of all bodies. */
  bytes: number;
  /** Log time at which the oldest was sent; null: it is empty. */
  oldestMs: number | null;
};

type At = { index: number; term: number };

/** `count` were dealt with, `left` are still there: ask again. */
type BatchResult<Op> = { op: Op; queue: string; count: number; left: number } & At;

export type QueueWriteResult =
  | ({ op: 'queue-configure'; queue: string; options: QueueOptions } & At)
  | ({ op: 'queue-send'; queue: string; message: number; duplicate: boolean } & At)
  | ({ op: 'queue-receive'; queue: string; messages: QueueMessage[] } & At)
  | ({ op: 'queue-ack'; queue: string; message: number } & At)
  /** `dead`: it was the last delivery. */
  | ({ op: 'queue-nack'; queue: string; message: number; dead: boolean } & At)
  | ({ op: 'queue-extend'; queue: string; message: number; visibleMs: number } & At)
  | BatchResult<'queue-delete'>
  | BatchResult<'queue-redrive'>
  | BatchResult<'queue-purge'>;

export type QueueReadResult =
  | { op: 'queue-stats'; stats: QueueStats; index: number }
  | { op: 'queue-list'; queues: QueueStats[]; more: boolean; index: number }
  | { op: 'queue-dead'; letters: DeadLetter[]; more: boolean; index: number };

export type QueueResult = QueueWriteResult | QueueReadResult;
