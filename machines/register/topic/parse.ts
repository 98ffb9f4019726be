// What a user or another node asks of topics, checked field by field (parse.ts).
import { bytesOf, type Check, countOf, type Fields, fieldsOf, nameOf, tokenOf, wrong } from '../fields.ts';
import type { FencingToken } from '../types.ts';
import { topicLimits } from './limits.ts';
import type { Holder, Retention, TopicRead, TopicWrite } from './types.ts';

const fieldsOfWrite = {
  'topic-configure': ['op', 'topic', 'retention'],
  'topic-publish': ['op', 'topic', 'body', 'subscriptionsMin'],
  'topic-subscribe': ['op', 'topic', 'subscription', 'from', 'holder', 'instead'],
  'topic-commit': ['op', 'topic', 'subscription', 'token', 'from', 'next'],
  'topic-release': ['op', 'topic', 'subscription', 'token'],
  'topic-unsubscribe': ['op', 'topic', 'subscription'],
  'topic-delete': ['op', 'topic'],
} as const satisfies Record<TopicWrite['op'], readonly string[]>;

const fieldsOfRead = {
  'topic-read': ['op', 'topic', 'id', 'from', 'limit', 'waitMs', 'since', 'held'],
  'topic-acknowledged': ['op', 'topic', 'sequence', 'published', 'needed', 'waitMs'],
  'topic-get': ['op', 'topic'],
  'topic-list': ['op', 'after', 'limit'],
} as const satisfies Record<TopicRead['op'], readonly string[]>;

export const isTopicWriteOp = (op: unknown): op is TopicWrite['op'] =>
  typeof op === 'string' && Object.hasOwn(fieldsOfWrite, op);
export const isTopicReadOp = (op: unknown): op is TopicRead['op'] => typeof op === 'string' && Object.hasOwn(fieldsOfRead, op);

const { nameBytesMax } = topicLimits;

const within = (check: Check, what: string, value: unknown, min: number, max: number): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
  wrong(check, `${what} must be a whole number from ${min} to ${max}`);
  return min;
};

const topicOf = (check: Check, fields: Fields): string => nameOf(check, 'topic', fields.topic, nameBytesMax);
const subscriptionOf = (check: Check, fields: Fields): string =>
  nameOf(check, 'subscription', fields.subscription, nameBytesMax);

const sequenceOf = (check: Check, what: string, value: unknown): number =>
  within(check, what, value, 1, Number.MAX_SAFE_INTEGER);

const tokenOrNull = (check: Check, value: unknown): FencingToken | null => (value === null ? null : tokenOf(check, value));

const retentionMax: Retention = {
  messagesMax: topicLimits.messagesMax,
  bytesMax: topicLimits.bytesMax,
  ageMs: topicLimits.ageMsMax,
};

const retentionOf = (check: Check, value: unknown): Partial<Retention> => {
  const names = Object.keys(retentionMax) as (keyof Retention)[];
  const fields = fieldsOf(check, 'retention', value, names);
  const said = names.filter((name) => fields[name] !== undefined);
  return Object.fromEntries(
    said.map((name) => [name, within(check, `retention.${name}`, fields[name], 1, retentionMax[name])]),
  );
};

const holderOf = (check: Check, value: unknown): Holder | null => {
  if (value === null) return null;
  const fields = fieldsOf(check, 'holder', value, ['node', 'peer', 'epoch', 'consumer']);
  return {
    node: nameOf(check, 'holder.node', fields.node, nameBytesMax),
    peer: nameOf(check, 'holder.peer', fields.peer, topicLimits.peerCharsMax),
    epoch: countOf(check, 'holder.epoch', fields.epoch),
    consumer: nameOf(check, 'holder.consumer', fields.consumer, nameBytesMax),
  };
};

export const topicWriteOf = (check: Check, op: TopicWrite['op'], value: unknown): TopicWrite => {
  const fields = fieldsOf(check, `a ${op}`, value, fieldsOfWrite[op]);
  const topic = topicOf(check, fields);
  switch (op) {
    case 'topic-configure':
      return { op, topic, retention: retentionOf(check, fields.retention) };
    case 'topic-publish':
      return {
        ...{ op, topic },
        subscriptionsMin: within(check, 'subscriptionsMin', fields.subscriptionsMin, 0, topicLimits.subscriptionsMax),
        body: bytesOf(check, 'the message', fields.body, topicLimits.bodyBytesMax),
      };
    case 'topic-subscribe':
      return {
        ...{ op, topic, subscription: subscriptionOf(check, fields), from: countOf(check, 'from', fields.from) },
        ...{ holder: holderOf(check, fields.holder), instead: tokenOrNull(check, fields.instead) },
      };
    case 'topic-commit':
      return {
        ...{ op, topic, subscription: subscriptionOf(check, fields), token: tokenOrNull(check, fields.token) },
        ...{ from: sequenceOf(check, 'from', fields.from), next: sequenceOf(check, 'next', fields.next) },
      };
    case 'topic-release':
      return { op, topic, subscription: subscriptionOf(check, fields), token: tokenOf(check, fields.token) };
    case 'topic-unsubscribe':
      return { op, topic, subscription: subscriptionOf(check, fields) };
    case 'topic-delete':
      return { op, topic };
  }
};

const heldOf = (check: Check, value: unknown): { subscription: string; token: FencingToken | null } => {
  const fields = fieldsOf(check, 'held', value, ['subscription', 'token']);
  return { subscription: subscriptionOf(check, fields), token: tokenOrNull(check, fields.token) };
};

export const topicReadOf = (check: Check, op: TopicRead['op'], value: unknown): TopicRead => {
  const fields = fieldsOf(check, `a ${op}`, value, fieldsOfRead[op]);
  switch (op) {
    case 'topic-read':
      return {
        ...{
          op,
          topic: topicOf(check, fields),
          id: countOf(check, 'id', fields.id),
          from: countOf(check, 'from', fields.from),
        },
        limit: within(check, 'limit', fields.limit, 1, topicLimits.pageMessagesMax),
        waitMs: within(check, 'waitMs', fields.waitMs, 0, topicLimits.waitMsMax),
        since: countOf(check, 'since', fields.since),
        ...(fields.held === undefined ? {} : { held: heldOf(check, fields.held) }),
      };
    case 'topic-acknowledged':
      return {
        ...{ op, topic: topicOf(check, fields), sequence: sequenceOf(check, 'sequence', fields.sequence) },
        published: sequenceOf(check, 'published', fields.published),
        needed: within(check, 'needed', fields.needed, 0, topicLimits.subscriptionsMax),
        waitMs: within(check, 'waitMs', fields.waitMs, 0, topicLimits.waitMsMax),
      };
    case 'topic-get':
      return { op, topic: topicOf(check, fields) };
    case 'topic-list':
      return {
        op,
        ...(fields.after === undefined ? {} : { after: nameOf(check, 'after', fields.after, nameBytesMax) }),
        limit: within(check, 'limit', fields.limit, 1, topicLimits.listItemsMax),
      };
  }
};
