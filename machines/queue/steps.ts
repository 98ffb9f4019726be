// The steps that entries are made of: memory and its record change together, and answers have one form.
import { type ErrorCode, type Failure, failure } from '../errors.ts';
import type { Turn } from '../register/turn.ts';
import { bodyKey, encodeMessage, messageKey, seenKey } from './records.ts';
import { forget } from './seen.ts';
import { leave, type Message, type Move, move, type Queue, type Seen } from './state.ts';
import type { QueueWriteResult } from './types.ts';

export type QueueOutcome = { ok: true; result: QueueWriteResult } | { ok: false; failure: Failure };

export const done = (result: QueueWriteResult): QueueOutcome => ({ ok: true, result });
export const refused = (code: ErrorCode, message: string): QueueOutcome => ({ ok: false, failure: failure(code, message) });
export const at = ({ index, term }: Turn): { index: number; term: number } => ({ index, term });

export const shown = (name: string): string => `'${name.length > 100 ? `${name.slice(0, 100)}…` : name}'`;
export const noQueue = (name: string): QueueOutcome => refused('QUEUE_NOT_FOUND', `there is no queue ${shown(name)}`);

// ---------------------------------------------------------------- records follow memory

export const moved = (turn: Turn, message: Message, to: Move): void => {
  move(turn.state.queues, message, to);
  turn.writes.push({ key: messageKey(message.id), value: encodeMessage(message) });
};

export const removed = (turn: Turn, message: Message): void => {
  leave(turn.state.queues, message);
  turn.writes.push({ key: messageKey(message.id), value: null }, { key: bodyKey(message.id), value: null });
};

export const forgotten = (turn: Turn, queue: Queue, seen: Seen): void => {
  forget(turn.state.queues, queue, seen);
  turn.writes.push({ key: seenKey(seen.message), value: null });
};

/** It came back, or its time ran out: ready or delayed again, or dead if it was given out often enough. */
export const back = (
  turn: Turn,
  message: Message,
  by: { delayMs: number; reason: string | null; deliveries: number },
): boolean => {
  const { delayMs, reason, deliveries } = by;
  const isDead = deliveries >= message.queue.options.maxDeliveries;
  if (isDead) moved(turn, message, { standing: 'dead', deliveries, reason });
  else if (delayMs === 0) moved(turn, message, { standing: 'ready', deliveries, reason });
  else moved(turn, message, { standing: 'delayed', atMs: turn.timeMs + delayMs, deliveries, reason });
  return isDead;
};
