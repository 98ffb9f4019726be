// Queues in the group's keyspace, behind one letter and a number that orders them so that a restore in key order meets a queue before
// its messages. Where a message stands is a record of its own beside the body, which is written once:
//   q1<queue>   format, id, options (retention 0: none)
//   q2<u64>     by number of the message: format and flags, queue's id, standing, sentMs, bytes, deliveries, atMs, [ordering], [token], [reason]
//   q3<u64>     by number of the message: its body
//   q4<u64>     by number of the message: format, queue's id, seenMs, the deduplication id under which it was sent
import { requireRegister } from '../register/state.ts';
import type { FencingToken } from '../register/types.ts';
import {
  allocate,
  createInk,
  cursorOf,
  dry,
  inkByte,
  inkCount,
  inkText,
  isSpent,
  readByte,
  readCount,
  readText,
  readUtf8,
  utf8Length,
  writeUtf8,
} from '../wire/octets.ts';
import { queueLimits } from './limits.ts';
import type { Message, Queue, Seen, Standing } from './state.ts';
import type { QueueOptions } from './types.ts';

/** First byte of every key. */
export const queueKind = 0x71;
export const partOf = { queue: 1, message: 2, body: 3, seen: 4 } as const;

const format = 0x10;
const flag = { ordering: 1, token: 2, reason: 4 } as const;
const standings = ['ready', 'delayed', 'out', 'dead'] as const satisfies readonly Standing[];
const ink = createInk();

export const queueKey = (name: string): Uint8Array => {
  const key = allocate(2 + utf8Length(name));
  key[0] = queueKind;
  key[1] = partOf.queue;
  writeUtf8(name, key, 2);
  return key;
};

const numbered = (part: number, number: number): Uint8Array => {
  const key = allocate(10);
  key[0] = queueKind;
  key[1] = part;
  let rest = number;
  for (let at = 9; at >= 2; at--) {
    key[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return key;
};

export const messageKey = (message: number): Uint8Array => numbered(partOf.message, message);
export const bodyKey = (message: number): Uint8Array => numbered(partOf.body, message);
export const seenKey = (message: number): Uint8Array => numbered(partOf.seen, message);

export const nameOfKey = (key: Uint8Array): string => {
  const name = readUtf8(key, 2, key.byteLength);
  requireRegister(name !== null, 'KEYSPACE_SOUND', 'a queue has a key that is not UTF-8');
  return name;
};

export const numberOfKey = (key: Uint8Array): number => {
  requireRegister(key.byteLength === 10, 'KEYSPACE_SOUND', 'a record of a queue has a key that is not a number');
  let number = 0;
  for (let at = 2; at < 10; at++) number = number * 256 + key[at]!;
  return number;
};

// ---------------------------------------------------------------- queues

export const encodeQueue = ({ id, options }: Pick<Queue, 'id' | 'options'>): Uint8Array => {
  inkByte(ink, format);
  inkCount(ink, id);
  inkCount(ink, options.visibilityMs);
  inkCount(ink, options.maxDeliveries);
  inkCount(ink, options.dedupMs);
  inkCount(ink, options.retentionMs ?? 0);
  inkCount(ink, options.messagesMax);
  return dry(ink);
};

export const decodeQueue = (bytes: Uint8Array): { id: number; options: QueueOptions } => {
  const cursor = cursorOf(bytes);
  const found = readByte(cursor);
  const id = readCount(cursor);
  const options = {
    visibilityMs: readCount(cursor),
    maxDeliveries: readCount(cursor),
    dedupMs: readCount(cursor),
    retentionMs: readCount(cursor) || null,
    messagesMax: readCount(cursor),
  };
  requireRegister(isSpent(cursor) && found === format, 'KEYSPACE_SOUND', 'the record of a queue is malformed');
  return { id, options };
};

// ---------------------------------------------------------------- messages

export const encodeMessage = (message: Message): Uint8Array => {
  const { line, token, reason } = message;
  const flags = (line === null ? 0 : flag.ordering) | (token === null ? 0 : flag.token) | (reason === null ? 0 : flag.reason);
  inkByte(ink, format | flags);
  inkCount(ink, message.queue.id);
  inkByte(ink, standings.indexOf(message.standing));
  inkCount(ink, message.sentMs);
  inkCount(ink, message.bytes);
  inkCount(ink, message.deliveries);
  inkCount(ink, message.atMs);
  if (line !== null) inkText(ink, line.ordering);
  if (token !== null) {
    inkCount(ink, token.term);
    inkCount(ink, token.index);
  }
  if (reason !== null) inkText(ink, reason);
  return dry(ink);
};

export type MessageRecord = Pick<Message, 'standing' | 'sentMs' | 'bytes' | 'deliveries' | 'atMs' | 'token' | 'reason'> & {
  queue: number;
  ordering: string | null;
};

export const decodeMessage = (bytes: Uint8Array): MessageRecord => {
  const cursor = cursorOf(bytes);
  const found = readByte(cursor);
  const queue = readCount(cursor);
  const standing = standings[readByte(cursor)];
  const record = {
    ...{ sentMs: readCount(cursor), bytes: readCount(cursor), deliveries: readCount(cursor), atMs: readCount(cursor) },
    ordering: (found & flag.ordering) !== 0 ? readText(cursor, queueLimits.nameBytesMax) : null,
    token: (found & flag.token) !== 0 ? readToken(() => readCount(cursor)) : null,
    reason: (found & flag.reason) !== 0 ? readText(cursor, queueLimits.reasonBytesMax) : null,
  };
  const isSound = isSpent(cursor) && (found & ~7) === format && standing !== undefined;
  requireRegister(isSound, 'KEYSPACE_SOUND', 'the record of a message is malformed');
  return { ...record, queue, standing };
};

const readToken = (next: () => number): FencingToken => ({ term: next(), index: next() });

// ---------------------------------------------------------------- deduplication

export const encodeSeen = (queue: Queue, { id, seenMs }: Seen): Uint8Array => {
  inkByte(ink, format);
  inkCount(ink, queue.id);
  inkCount(ink, seenMs);
  inkText(ink, id);
  return dry(ink);
};

export const decodeSeen = (bytes: Uint8Array): { queue: number; seenMs: number; id: string } => {
  const cursor = cursorOf(bytes);
  const found = readByte(cursor);
  const record = { queue: readCount(cursor), seenMs: readCount(cursor), id: readText(cursor, queueLimits.nameBytesMax) };
  requireRegister(isSpent(cursor) && found === format, 'KEYSPACE_SOUND', 'the record of a deduplication id is malformed');
  return record;
};
