// What queues answer, as it travels between nodes: compact arrays in, checked values out, null for whatever a node of ours would not
// have sent; and as it is kept for who asks again under the same idempotency key.
import { limits } from '../wire/limits.ts';
import { type Cursor, type Ink, inkByte, inkCount, readByte, readCount } from '../wire/octets.ts';
import { optionBounds, queueLimits } from './limits.ts';
import type { DeadLetter, QueueMessage, QueueOptions, QueueResult, QueueStats, QueueWrite, QueueWriteResult } from './types.ts';

type Form = unknown;

const formOptions = (options: QueueOptions): Form => [
  ...[options.visibilityMs, options.maxDeliveries, options.dedupMs, options.retentionMs, options.messagesMax],
];
const formStats = ({ queue, options, ready, delayed, out, dead, bytes, oldestMs }: QueueStats): Form => [
  ...[queue, formOptions(options), ready, delayed, out, dead, bytes, oldestMs],
];
const formMessage = ({ message, body, ordering, sentMs, deliveries, visibleMs, token }: QueueMessage): Form => [
  ...[message, body, ordering, sentMs, deliveries, visibleMs, token.term, token.index],
];
const formLetter = ({ message, body, ordering, sentMs, deliveries, reason }: DeadLetter): Form => [
  ...[message, body, ordering, sentMs, deliveries, reason],
];

/** `[op, index, …]`, the rest by op. */
export const formQueueResult = (result: QueueResult): Form => {
  const head = [result.op, result.index];
  switch (result.op) {
    case 'queue-configure':
      return [...head, result.term, result.queue, formOptions(result.options)];
    case 'queue-send':
      return [...head, result.term, result.queue, result.message, result.duplicate];
    case 'queue-receive':
      return [...head, result.term, result.queue, result.messages.map(formMessage)];
    case 'queue-ack':
      return [...head, result.term, result.queue, result.message];
    case 'queue-nack':
      return [...head, result.term, result.queue, result.message, result.dead];
    case 'queue-extend':
      return [...head, result.term, result.queue, result.message, result.visibleMs];
    case 'queue-delete':
    case 'queue-redrive':
    case 'queue-purge':
      return [...head, result.term, result.queue, result.count, result.left];
    case 'queue-stats':
      return [...head, formStats(result.stats)];
    case 'queue-list':
      return [...head, result.queues.map(formStats), result.more];
    case 'queue-dead':
      return [...head, result.letters.map(formLetter), result.more];
  }
};

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= queueLimits.nameBytesMax;
const isBody = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array && value.byteLength <= queueLimits.bodyBytesMax;

const every = <T>(form: Form, most: number, parse: (one: unknown) => T | null): T[] | null => {
  if (!Array.isArray(form) || form.length > most) return null;
  const parsed = (form as unknown[]).map(parse);
  return parsed.includes(null) ? null : (parsed as T[]);
};

const parseOptions = (form: Form): QueueOptions | null => {
  if (!Array.isArray(form) || form.length !== 5) return null;
  const [visibilityMs, maxDeliveries, dedupMs, retentionMs, messagesMax] = form as unknown[];
  const options = { visibilityMs, maxDeliveries, dedupMs, retentionMs, messagesMax };
  const isSound = Object.entries(optionBounds).every(([name, [least, most]]) => {
    const value = options[name as keyof QueueOptions];
    return (name === 'retentionMs' && value === null) || (isCount(value) && value >= least && value <= most);
  });
  return isSound ? (options as QueueOptions) : null;
};

const parseStats = (form: Form): QueueStats | null => {
  if (!Array.isArray(form) || form.length !== 8) return null;
  const [queue, optionsForm, ready, delayed, out, dead, bytes, oldestMs] = form as unknown[];
  const options = parseOptions(optionsForm);
  if (!isName(queue) || options === null || !isCount(ready) || !isCount(delayed) || !isCount(out)) return null;
  if (!isCount(dead) || !isCount(bytes) || !(oldestMs === null || isCount(oldestMs))) return null;
  return { queue, options, ready, delayed, out, dead, bytes, oldestMs };
};

const parseMessage = (form: Form): QueueMessage | null => {
  if (!Array.isArray(form) || form.length !== 8) return null;
  const [message, body, ordering, sentMs, deliveries, visibleMs, term, index] = form as unknown[];
  if (!isCount(message) || !isBody(body) || !(ordering === null || isName(ordering)) || !isCount(sentMs)) return null;
  if (!isCount(deliveries) || !isCount(visibleMs) || !isCount(term) || !isCount(index)) return null;
  return { message, body, ordering, sentMs, deliveries, visibleMs, token: { term, index } };
};

const isReason = (value: unknown): value is string | null =>
  value === null || (typeof value === 'string' && value.length <= queueLimits.reasonBytesMax);

const parseLetter = (form: Form): DeadLetter | null => {
  if (!Array.isArray(form) || form.length !== 6) return null;
  const [message, body, ordering, sentMs, deliveries, reason] = form as unknown[];
  if (!isCount(message) || !isBody(body) || !(ordering === null || isName(ordering))) return null;
  return isCount(sentMs) && isCount(deliveries) && isReason(reason)
    ? { message, body, ordering, sentMs, deliveries, reason }
    : null;
};

/** How many elements the form of each result has. */
const lengths: Record<QueueResult['op'], number> = {
  'queue-configure': 5,
  'queue-send': 6,
  'queue-receive': 5,
  'queue-ack': 5,
  'queue-nack': 6,
  'queue-extend': 6,
  'queue-delete': 6,
  'queue-redrive': 6,
  'queue-purge': 6,
  'queue-stats': 3,
  'queue-list': 4,
  'queue-dead': 4,
};

export const isQueueOp = (op: unknown): op is QueueResult['op'] => typeof op === 'string' && Object.hasOwn(lengths, op);

export const parseQueueResult = (form: readonly unknown[]): QueueResult | null => {
  const [op, index, ...rest] = form as [QueueResult['op'], unknown, ...unknown[]];
  if (form.length !== lengths[op] || !isCount(index)) return null;
  const [first, second] = rest;
  switch (op) {
    case 'queue-stats': {
      const stats = parseStats(first);
      return stats === null ? null : { op, stats, index };
    }
    case 'queue-list': {
      const queues = every(first, limits.listItemsMax, parseStats);
      return queues === null || typeof second !== 'boolean' ? null : { op, queues, more: second, index };
    }
    case 'queue-dead': {
      const letters = every(first, limits.listItemsMax, parseLetter);
      return letters === null || typeof second !== 'boolean' ? null : { op, letters, more: second, index };
    }
    default:
      return parseWritten(op, index, rest);
  }
};

const parseWritten = (op: QueueWrite['op'], index: number, rest: readonly unknown[]): QueueWriteResult | null => {
  const [term, queue, given, more] = rest;
  if (!isCount(term) || !isName(queue)) return null;
  const at = { index, term };
  switch (op) {
    case 'queue-configure': {
      const options = parseOptions(given);
      return options === null ? null : { op, queue, options, ...at };
    }
    case 'queue-receive': {
      const messages = every(given, queueLimits.receiveMax, parseMessage);
      return messages === null ? null : { op, queue, messages, ...at };
    }
    case 'queue-send':
      return isCount(given) && typeof more === 'boolean' ? { op, queue, message: given, duplicate: more, ...at } : null;
    case 'queue-nack':
      return isCount(given) && typeof more === 'boolean' ? { op, queue, message: given, dead: more, ...at } : null;
    case 'queue-ack':
      return isCount(given) ? { op, queue, message: given, ...at } : null;
    case 'queue-extend':
      return isCount(given) && isCount(more) ? { op, queue, message: given, visibleMs: more, ...at } : null;
    default:
      return isCount(given) && isCount(more) ? { op, queue, count: given, left: more, ...at } : null;
  }
};

// ---------------------------------------------------------------- under an idempotency key

/** Behind index and term. Of what was given out the numbers only: who asks again gets what of that is still out (`stillGiven`). */
export const inkQueueResult = (ink: Ink, result: QueueWriteResult): void => {
  switch (result.op) {
    case 'queue-configure':
      for (const value of Object.values(orderedOptions(result.options))) inkCount(ink, value);
      return;
    case 'queue-receive':
      inkCount(ink, result.messages.length);
      for (const { message } of result.messages) inkCount(ink, message);
      return;
    case 'queue-send':
      inkCount(ink, result.message);
      return inkByte(ink, result.duplicate ? 1 : 0);
    case 'queue-nack':
      inkCount(ink, result.message);
      return inkByte(ink, result.dead ? 1 : 0);
    case 'queue-ack':
      return inkCount(ink, result.message);
    case 'queue-extend':
      inkCount(ink, result.message);
      return inkCount(ink, result.visibleMs);
    default:
      inkCount(ink, result.count);
      return inkCount(ink, result.left);
  }
};

const orderedOptions = ({ visibilityMs, maxDeliveries, dedupMs, retentionMs, messagesMax }: QueueOptions): number[] => [
  ...[visibilityMs, maxDeliveries, dedupMs, retentionMs ?? 0, messagesMax],
];

/** `again`: what of the messages with these numbers is still out under the entry that gave them out. */
export const readQueueResult = (
  cursor: Cursor,
  { op, queue }: QueueWrite,
  at: { index: number; term: number },
  again: (numbers: readonly number[]) => QueueMessage[],
): QueueWriteResult => {
  const count = (): number => readCount(cursor);
  switch (op) {
    case 'queue-configure': {
      const options = { visibilityMs: count(), maxDeliveries: count(), dedupMs: count(), retentionMs: count() || null };
      return { op, queue, options: { ...options, messagesMax: count() }, ...at };
    }
    case 'queue-receive': {
      const length = Math.min(count(), queueLimits.receiveMax);
      return { op, queue, messages: again(Array.from({ length }, count)), ...at };
    }
    case 'queue-send':
      return { op, queue, message: count(), duplicate: readByte(cursor) === 1, ...at };
    case 'queue-nack':
      return { op, queue, message: count(), dead: readByte(cursor) === 1, ...at };
    case 'queue-ack':
      return { op, queue, message: count(), ...at };
    case 'queue-extend':
      return { op, queue, message: count(), visibleMs: count(), ...at };
    default:
      return { op, queue, count: count(), left: count(), ...at };
  }
};
