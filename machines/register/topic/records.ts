// Topics in the group's keyspace, one record each (keyspace.ts):
//   r<u64>            what is left of a deleted topic, by its id: format, first, next, when it was deleted
//   t<topic>          format, id, retention, first, next, bytes
//   u<u64><name>      a subscription, by the topic's id: format, createIndex, next, lost, lostNext, [holder, token]
//   w<u64><u64>       a message, by the topic's id and its number: format, time, body
// The order of the kinds lets a restore in key order meet a topic before what belongs to it.
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
  readRest,
  readText,
  readUtf8,
  utf8Length,
  writeUtf8,
} from '../../wire/octets.ts';
import { inkToken, readToken } from '../command-fields.ts';
import { requireRegister } from '../fault.ts';
import { topicLimits } from './limits.ts';
import type { Remnant, Subscription, Topic } from './state.ts';
import type { Holder } from './types.ts';

export const topicKind = { remnant: 0x72, topic: 0x74, subscription: 0x75, message: 0x77 } as const;

const recordFormat = 0x10;
const withHolder = 1;
const textBytesMax = 64 << 10;
const ink = createInk();

const numbered = (kind: number, id: number, more: number): { key: Uint8Array; view: DataView } => {
  const key = allocate(9 + more);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  key[0] = kind;
  setNumber(view, 1, id);
  return { key, view };
};

const setNumber = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value >>> 0);
};

const numberAt = (key: Uint8Array, at: number): number => {
  requireRegister(key.byteLength >= at + 8, 'KEYSPACE_SOUND', 'a record of a topic has a key that is too short');
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
};

export const remnantKey = (id: number): Uint8Array => numbered(topicKind.remnant, id, 0).key;

export const topicKey = (topic: string): Uint8Array => {
  const key = allocate(1 + utf8Length(topic));
  key[0] = topicKind.topic;
  writeUtf8(topic, key, 1);
  return key;
};

export const subscriptionKey = (id: number, subscription: string): Uint8Array => {
  const { key } = numbered(topicKind.subscription, id, utf8Length(subscription));
  writeUtf8(subscription, key, 9);
  return key;
};

export const messageKey = (id: number, sequence: number): Uint8Array => {
  const { key, view } = numbered(topicKind.message, id, 8);
  setNumber(view, 9, sequence);
  return key;
};

/** The topic's id in the key of a remnant, a subscription or a message. */
export const idInKey = (key: Uint8Array): number => numberAt(key, 1);
export const sequenceInKey = (key: Uint8Array): number => numberAt(key, 9);

export const subscriptionInKey = (key: Uint8Array): string => {
  const name = readUtf8(key, 9, key.byteLength);
  requireRegister(name !== null, 'KEYSPACE_SOUND', 'a subscription has a name that is not UTF-8');
  return name;
};

// ---------------------------------------------------------------- values

export const encodeRemnant = ({ first, next, dueMs }: Remnant): Uint8Array => {
  inkByte(ink, recordFormat);
  inkCount(ink, first);
  inkCount(ink, next);
  inkCount(ink, dueMs);
  return dry(ink);
};

export const decodeRemnant = (bytes: Uint8Array): Remnant => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const record = { first: readCount(cursor), next: readCount(cursor), dueMs: readCount(cursor) };
  requireRegister(isSpent(cursor) && format === recordFormat, 'KEYSPACE_SOUND', 'what is left of a topic is malformed');
  return record;
};

export const encodeTopic = ({ id, retention, first, next, bytes }: Topic): Uint8Array => {
  inkByte(ink, recordFormat);
  inkCount(ink, id);
  inkCount(ink, retention.messagesMax);
  inkCount(ink, retention.bytesMax);
  inkCount(ink, retention.ageMs);
  inkCount(ink, first);
  inkCount(ink, next);
  inkCount(ink, bytes);
  return dry(ink);
};

export const decodeTopic = (name: string, bytes: Uint8Array): Topic => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const record = {
    ...{ name, id: readCount(cursor) },
    retention: { messagesMax: readCount(cursor), bytesMax: readCount(cursor), ageMs: readCount(cursor) },
    ...{ first: readCount(cursor), next: readCount(cursor), bytes: readCount(cursor), subscriptions: new Map() },
  };
  requireRegister(isSpent(cursor) && format === recordFormat, 'KEYSPACE_SOUND', 'the record of a topic is malformed');
  return record;
};

export const encodeSubscription = (one: Subscription): Uint8Array => {
  const { holder, token } = one;
  inkByte(ink, recordFormat | (holder === null ? 0 : withHolder));
  inkCount(ink, one.createIndex);
  inkCount(ink, one.next);
  inkCount(ink, one.lost);
  inkCount(ink, one.lostNext);
  if (holder === null || token === null) return dry(ink);
  inkText(ink, holder.node);
  inkText(ink, holder.peer);
  inkCount(ink, holder.epoch);
  inkText(ink, holder.consumer);
  inkToken(ink, token);
  return dry(ink);
};

export const decodeSubscription = (bytes: Uint8Array): Subscription => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const [createIndex, next, lost, lostNext] = [readCount(cursor), readCount(cursor), readCount(cursor), readCount(cursor)];
  const isHeld = (format & withHolder) !== 0;
  const holder: Holder | null = isHeld
    ? {
        ...{ node: readText(cursor, textBytesMax), peer: readText(cursor, textBytesMax) },
        ...{ epoch: readCount(cursor), consumer: readText(cursor, textBytesMax) },
      }
    : null;
  const token = isHeld ? readToken(cursor) : null;
  const isSound = isSpent(cursor) && (format & ~withHolder) === recordFormat;
  requireRegister(isSound, 'KEYSPACE_SOUND', 'the record of a subscription is malformed');
  return { createIndex, next, lost, lostNext, holder, token };
};

export const encodeMessage = (timeMs: number, body: Uint8Array): Uint8Array => {
  inkByte(ink, recordFormat);
  inkCount(ink, timeMs);
  return dry(ink, body);
};

/** The body is a view of `bytes`. */
export const decodeMessage = (bytes: Uint8Array): { timeMs: number; body: Uint8Array } => {
  const cursor = cursorOf(bytes);
  const format = readByte(cursor);
  const record = { timeMs: readCount(cursor), body: readRest(cursor, topicLimits.bodyBytesMax) };
  requireRegister(isSpent(cursor) && format === recordFormat, 'KEYSPACE_SOUND', 'a message of a topic is malformed');
  return record;
};
