// Requests of queues as the log carries them: operation, fields in the order of the types, a message's body last. What is absent is a
// bit in the flags.
import { type Cursor, type Ink, inkByte, inkCount, inkText, readByte, readCount, readRest, readText } from '../wire/octets.ts';
import { optionBounds, queueLimits } from './limits.ts';
import type { QueueOptions, QueueWrite, Receipt } from './types.ts';

/** Numbers 16 to 31 of the register's operations. */
export const queueOps = {
  'queue-configure': 16,
  'queue-delete': 17,
  'queue-send': 18,
  'queue-receive': 19,
  'queue-ack': 20,
  'queue-nack': 21,
  'queue-extend': 22,
  'queue-redrive': 23,
  'queue-purge': 24,
} as const satisfies Record<QueueWrite['op'], number>;

type Op<Name extends QueueWrite['op']> = Extract<QueueWrite, { op: Name }>;

export const isQueueWrite = (write: { op: string }): write is QueueWrite => Object.hasOwn(queueOps, write.op);

const optionNames = ['visibilityMs', 'maxDeliveries', 'dedupMs', 'retentionMs', 'messagesMax'] as const;
const sendFlag = { delay: 1, ordering: 2, dedup: 4 } as const;
const nackFlag = { delay: 1, reason: 2, unseen: 4 } as const;
const purgeFlag = { all: 1, named: 2 } as const;

const when = (isThere: boolean, bit: number): number => (isThere ? bit : 0);

export const inkQueueWrite = (ink: Ink, write: QueueWrite): void => {
  inkByte(ink, queueOps[write.op]);
  inkText(ink, write.queue);
  switch (write.op) {
    case 'queue-configure':
      return inkOptions(ink, write.options);
    case 'queue-delete':
      return;
    case 'queue-send':
      return inkSend(ink, write);
    case 'queue-receive':
      inkByte(ink, when(write.visibilityMs !== undefined, 1));
      inkCount(ink, write.max);
      inkCount(ink, write.waitMs);
      if (write.visibilityMs !== undefined) inkCount(ink, write.visibilityMs);
      return;
    case 'queue-ack':
      return inkReceipt(ink, write.receipt);
    case 'queue-nack':
      return inkNack(ink, write);
    case 'queue-extend':
      inkReceipt(ink, write.receipt);
      return inkCount(ink, write.visibilityMs);
    case 'queue-redrive':
      inkByte(ink, when(write.messages !== undefined, purgeFlag.named));
      return inkNumbers(ink, write.messages);
    case 'queue-purge':
      inkByte(ink, when(write.which === 'all', purgeFlag.all) | when(write.messages !== undefined, purgeFlag.named));
      return inkNumbers(ink, write.messages);
  }
};

const inkOptions = (ink: Ink, options: Partial<QueueOptions>): void => {
  inkByte(
    ink,
    optionNames.reduce((bits, name, at) => bits | when(options[name] !== undefined, 1 << at), 0),
  );
  for (const name of optionNames) {
    const value = options[name];
    if (value !== undefined) inkCount(ink, value ?? 0);
  }
};

const inkSend = (ink: Ink, { delayMs, ordering, dedup }: Op<'queue-send'>): void => {
  const flags =
    when(delayMs !== undefined, sendFlag.delay) |
    when(ordering !== undefined, sendFlag.ordering) |
    when(dedup !== undefined, sendFlag.dedup);
  inkByte(ink, flags);
  if (delayMs !== undefined) inkCount(ink, delayMs);
  if (ordering !== undefined) inkText(ink, ordering);
  if (dedup !== undefined) inkText(ink, dedup);
};

const inkNack = (ink: Ink, { receipt, delayMs, reason, unseen }: Op<'queue-nack'>): void => {
  const flags =
    when(delayMs !== undefined, nackFlag.delay) |
    when(reason !== undefined, nackFlag.reason) |
    when(unseen === true, nackFlag.unseen);
  inkByte(ink, flags);
  inkReceipt(ink, receipt);
  if (delayMs !== undefined) inkCount(ink, delayMs);
  if (reason !== undefined) inkText(ink, reason);
};

const inkReceipt = (ink: Ink, { message, token }: Receipt): void => {
  inkCount(ink, message);
  inkCount(ink, token.term);
  inkCount(ink, token.index);
};

const inkNumbers = (ink: Ink, numbers: readonly number[] | undefined): void => {
  if (numbers === undefined) return;
  inkCount(ink, numbers.length);
  for (const number of numbers) inkCount(ink, number);
};

// ---------------------------------------------------------------- reading

const within = (cursor: Cursor, least: number, most: number): number => {
  const count = readCount(cursor);
  if (count < least || count > most) cursor.failed = true;
  return count;
};

const readName = (cursor: Cursor): string => {
  const name = readText(cursor, queueLimits.nameBytesMax);
  if (name.length === 0 || name.includes('\0')) cursor.failed = true;
  return name;
};

const readFlags = (cursor: Cursor, known: number): number => {
  const flags = readByte(cursor);
  if ((flags & ~known) !== 0) cursor.failed = true;
  return flags;
};

const readReceipt = (cursor: Cursor): Receipt => ({
  message: readCount(cursor),
  token: { term: readCount(cursor), index: readCount(cursor) },
});

/** What stands behind an operation's number; null: it is none of queues. */
export const readQueueWrite = (cursor: Cursor, number: number): QueueWrite | null => {
  switch (number) {
    case queueOps['queue-configure']:
      return { op: 'queue-configure', queue: readName(cursor), options: readOptions(cursor) };
    case queueOps['queue-delete']:
      return { op: 'queue-delete', queue: readName(cursor) };
    case queueOps['queue-send']:
      return readSend(cursor);
    case queueOps['queue-receive']:
      return readReceive(cursor);
    case queueOps['queue-ack']:
      return { op: 'queue-ack', queue: readName(cursor), receipt: readReceipt(cursor) };
    case queueOps['queue-nack']:
      return readNack(cursor);
    case queueOps['queue-extend']: {
      const write = { op: 'queue-extend' as const, queue: readName(cursor), receipt: readReceipt(cursor) };
      return { ...write, visibilityMs: within(cursor, 1, queueLimits.visibilityMsMax) };
    }
    case queueOps['queue-redrive']: {
      const queue = readName(cursor);
      return { op: 'queue-redrive', queue, ...readNamed(cursor, readFlags(cursor, purgeFlag.named)) };
    }
    case queueOps['queue-purge']: {
      const queue = readName(cursor);
      const flags = readFlags(cursor, purgeFlag.all | purgeFlag.named);
      if (flags === (purgeFlag.all | purgeFlag.named)) cursor.failed = true;
      return { op: 'queue-purge', queue, which: (flags & purgeFlag.all) !== 0 ? 'all' : 'dead', ...readNamed(cursor, flags) };
    }
    default:
      return null;
  }
};

const readOptions = (cursor: Cursor): Partial<QueueOptions> => {
  const flags = readFlags(cursor, 31);
  const options: Partial<QueueOptions> = {};
  optionNames.forEach((name, at) => {
    if ((flags & (1 << at)) === 0) return;
    const [least, most] = optionBounds[name];
    if (name !== 'retentionMs') options[name] = within(cursor, least, most);
    else options[name] = within(cursor, 0, most) || null;
  });
  return options;
};

const readSend = (cursor: Cursor): QueueWrite => {
  const queue = readName(cursor);
  const flags = readFlags(cursor, 7);
  const fields = {
    ...((flags & sendFlag.delay) === 0 ? {} : { delayMs: within(cursor, 0, queueLimits.delayMsMax) }),
    ...((flags & sendFlag.ordering) === 0 ? {} : { ordering: readName(cursor) }),
    ...((flags & sendFlag.dedup) === 0 ? {} : { dedup: readName(cursor) }),
  };
  return { op: 'queue-send', queue, body: readRest(cursor, queueLimits.bodyBytesMax), ...fields };
};

const readReceive = (cursor: Cursor): QueueWrite => {
  const queue = readName(cursor);
  const flags = readFlags(cursor, 1);
  const max = within(cursor, 1, queueLimits.receiveMax);
  const waitMs = within(cursor, 0, queueLimits.waitMsMax);
  if (flags === 0) return { op: 'queue-receive', queue, max, waitMs };
  return { op: 'queue-receive', queue, max, waitMs, visibilityMs: within(cursor, 1, queueLimits.visibilityMsMax) };
};

const readNack = (cursor: Cursor): QueueWrite => {
  const queue = readName(cursor);
  const flags = readFlags(cursor, 7);
  const receipt = readReceipt(cursor);
  return {
    ...{ op: 'queue-nack', queue, receipt },
    ...((flags & nackFlag.delay) === 0 ? {} : { delayMs: within(cursor, 0, queueLimits.delayMsMax) }),
    ...((flags & nackFlag.reason) === 0 ? {} : { reason: readText(cursor, queueLimits.reasonBytesMax) }),
    ...((flags & nackFlag.unseen) === 0 ? {} : { unseen: true }),
  };
};

const readNamed = (cursor: Cursor, flags: number): { messages?: number[] } => {
  if ((flags & purgeFlag.named) === 0) return {};
  const length = within(cursor, 1, queueLimits.namedMax);
  if (cursor.failed) return {};
  return { messages: Array.from({ length }, () => readCount(cursor)) };
};
