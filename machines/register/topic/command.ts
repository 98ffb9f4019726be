// Writes to topics as the log carries them (command.ts has the frame around): fields in the order of this table, a body last.
import { type Cursor, type Ink, inkByte, inkCount, inkText, readByte, readCount, readRest } from '../../wire/octets.ts';
import { inkToken, readName, readToken } from '../command-fields.ts';
import type { FencingToken } from '../types.ts';
import { topicLimits } from './limits.ts';
import type { Holder, Retention, TopicWrite } from './types.ts';

/** Numbers 32 to 39 of the register's operations. */
export const topicOpNumbers = {
  'topic-configure': 32,
  'topic-publish': 33,
  'topic-subscribe': 34,
  'topic-commit': 35,
  'topic-release': 36,
  'topic-unsubscribe': 37,
  'topic-delete': 38,
} as const satisfies Record<TopicWrite['op'], number>;

export const isTopicWrite = (write: { op: string }): write is TopicWrite => Object.hasOwn(topicOpNumbers, write.op);

const flag = { holder: 1, token: 2 } as const;

export const inkTopicWrite = (into: Ink, write: TopicWrite): void => {
  inkByte(into, topicOpNumbers[write.op]);
  inkText(into, write.topic);
  switch (write.op) {
    case 'topic-configure':
      return inkRetention(into, write.retention);
    case 'topic-publish':
      return inkCount(into, write.subscriptionsMin);
    case 'topic-subscribe': {
      const { holder, instead } = write;
      inkText(into, write.subscription);
      inkByte(into, (holder === null ? 0 : flag.holder) | (instead === null ? 0 : flag.token));
      inkCount(into, write.from);
      if (holder !== null) inkHolder(into, holder);
      if (instead !== null) inkToken(into, instead);
      return;
    }
    case 'topic-commit':
      inkText(into, write.subscription);
      inkByte(into, write.token === null ? 0 : flag.token);
      if (write.token !== null) inkToken(into, write.token);
      inkCount(into, write.from);
      return inkCount(into, write.next);
    case 'topic-release':
      inkText(into, write.subscription);
      return inkToken(into, write.token);
    case 'topic-unsubscribe':
      return inkText(into, write.subscription);
    case 'topic-delete':
      return;
  }
};

/** 0 stands for what is not said. */
const inkRetention = (into: Ink, { messagesMax = 0, bytesMax = 0, ageMs = 0 }: Partial<Retention>): void => {
  inkCount(into, messagesMax);
  inkCount(into, bytesMax);
  inkCount(into, ageMs);
};

const inkHolder = (into: Ink, { node, peer, epoch, consumer }: Holder): void => {
  inkText(into, node);
  inkText(into, peer);
  inkCount(into, epoch);
  inkText(into, consumer);
};

// ---------------------------------------------------------------- reading

const opOf = new Map<number, TopicWrite['op']>(
  (Object.entries(topicOpNumbers) as [TopicWrite['op'], number][]).map(([op, number]) => [number, op]),
);

const readFlags = (cursor: Cursor, known: number): number => {
  const flags = readByte(cursor);
  if ((flags & ~known) !== 0) cursor.failed = true;
  return flags;
};

const readTopicName = (cursor: Cursor): string => readName(cursor, topicLimits.nameBytesMax);

const readWithin = (cursor: Cursor, min: number, max: number): number => {
  const count = readCount(cursor);
  if (count < min || count > max) cursor.failed = true;
  return count;
};

const readRetention = (cursor: Cursor): Partial<Retention> => {
  const messagesMax = readWithin(cursor, 0, topicLimits.messagesMax);
  const bytesMax = readWithin(cursor, 0, topicLimits.bytesMax);
  const ageMs = readWithin(cursor, 0, topicLimits.ageMsMax);
  return {
    ...(messagesMax === 0 ? {} : { messagesMax }),
    ...(bytesMax === 0 ? {} : { bytesMax }),
    ...(ageMs === 0 ? {} : { ageMs }),
  };
};

const readHolder = (cursor: Cursor): Holder => ({
  node: readTopicName(cursor),
  peer: readName(cursor, topicLimits.peerCharsMax),
  epoch: readCount(cursor),
  consumer: readTopicName(cursor),
});

/** Null if the operation is none of topics. What is wrong with its fields fails the cursor. */
export const readTopicWrite = (cursor: Cursor, operation: number): TopicWrite | null => {
  const op = opOf.get(operation);
  if (op === undefined) return null;
  const topic = readTopicName(cursor);
  switch (op) {
    case 'topic-configure':
      return { op, topic, retention: readRetention(cursor) };
    case 'topic-publish': {
      const subscriptionsMin = readWithin(cursor, 0, topicLimits.subscriptionsMax);
      return { op, topic, subscriptionsMin, body: readRest(cursor, topicLimits.bodyBytesMax) };
    }
    case 'topic-subscribe': {
      const subscription = readTopicName(cursor);
      const flags = readFlags(cursor, flag.holder | flag.token);
      const from = readCount(cursor);
      const holder = (flags & flag.holder) === 0 ? null : readHolder(cursor);
      return { op, topic, subscription, from, holder, instead: (flags & flag.token) === 0 ? null : readToken(cursor) };
    }
    case 'topic-commit': {
      const subscription = readTopicName(cursor);
      const token: FencingToken | null = readFlags(cursor, flag.token) === 0 ? null : readToken(cursor);
      return { op, topic, subscription, token, from: readWithin(cursor, 1, maxCount), next: readWithin(cursor, 1, maxCount) };
    }
    case 'topic-release':
      return { op, topic, subscription: readTopicName(cursor), token: readToken(cursor) };
    case 'topic-unsubscribe':
      return { op, topic, subscription: readTopicName(cursor) };
    case 'topic-delete':
      return { op, topic };
  }
};

const maxCount = Number.MAX_SAFE_INTEGER;
