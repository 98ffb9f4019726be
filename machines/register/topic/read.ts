// Reads of topics from what is applied. The bodies are views of what `read` returned.
import { failure } from '../../errors.ts';
import { requireRegister } from '../fault.ts';
import type { FencingToken, KeyspaceReader, RegisterOutcome } from '../types.ts';
import { topicLimits } from './limits.ts';
import { decodeMessage, messageKey } from './records.ts';
import type { Subscription, Topic, Topics } from './state.ts';
import type { TopicMessage, TopicRead, TopicResult, TopicSubscription, TopicView } from './types.ts';
import { acknowledgementsOf, newsOf } from './waits.ts';

type Read<Op extends TopicRead['op']> = Extract<TopicRead, { op: Op }>;

const topicReads: ReadonlySet<string> = new Set<TopicRead['op']>([
  ...(['topic-read', 'topic-acknowledged', 'topic-get', 'topic-list'] as const),
]);

export const isTopicRead = (read: { op: string }): read is TopicRead => topicReads.has(read.op);

/** What the read waits for and how long, or null if it is answered as things are. */
export const topicWaitOf = (read: TopicRead): { name: string; waitMs: number } | null => {
  if (read.op === 'topic-read') return read.waitMs === 0 ? null : { name: newsOf(read.topic), waitMs: read.waitMs };
  if (read.op !== 'topic-acknowledged' || read.waitMs === 0) return null;
  return { name: acknowledgementsOf(read.topic), waitMs: read.waitMs };
};

/** Whether the answer is what a read that waits is waiting for. */
export const isTopicNews = (read: TopicRead, outcome: RegisterOutcome): boolean => {
  if (!outcome.ok) return true;
  const { result } = outcome;
  if (read.op === 'topic-read' && result.op === 'topic-read')
    return (
      result.index >= read.since &&
      (read.from === 0 || result.messages.length > 0 || (read.held !== undefined && !isSame(read.held.token, result.token)))
    );
  if (result.op === 'topic-acknowledged') return result.acknowledged >= result.needed || result.of < result.needed;
  return true;
};

const isSame = (a: FencingToken | null, b: FencingToken | null): boolean =>
  a === null || b === null ? a === b : a.term === b.term && a.index === b.index;

const done = (result: TopicResult): RegisterOutcome => ({ ok: true, result });
const notFound = (message: string): RegisterOutcome => ({ ok: false, failure: failure('NOT_FOUND', message) });

export const queryTopics = (topics: Topics, read: KeyspaceReader, request: TopicRead, index: number): RegisterOutcome => {
  switch (request.op) {
    case 'topic-read':
      return page(topics.byName.get(request.topic), read, request, index);
    case 'topic-acknowledged':
      return acknowledged(topics.byName.get(request.topic), request, index);
    case 'topic-get': {
      const topic = topics.byName.get(request.topic);
      return done({ op: request.op, found: topic === undefined ? null : whole(topic), index });
    }
    case 'topic-list':
      return list(topics, request, index);
  }
};

const page = (
  topic: Topic | undefined,
  read: KeyspaceReader,
  { op, id, from, limit, held, since, topic: name }: Read<'topic-read'>,
  index: number,
): RegisterOutcome => {
  if (index < since) return done({ op, id: 0, first: 1, next: 1, messages: [], token: held?.token ?? null, index });
  if (id !== 0 && topic?.id !== id) return notFound(`topic '${name}' was deleted`);
  if (topic === undefined) return done({ op, id: 0, first: 1, next: 1, messages: [], token: null, index });
  const subscription = held === undefined ? undefined : topic.subscriptions.get(held.subscription);
  if (held !== undefined && subscription === undefined)
    return notFound(`topic '${name}' has no subscription '${held.subscription}'`);
  const messages = from === 0 ? [] : messagesOf(topic, read, from, Math.min(limit, topicLimits.pageMessagesMax));
  const token = subscription?.token ?? null;
  return done({ op, id: topic.id, first: topic.first, next: topic.next, messages, token, index });
};

const messagesOf = (topic: Topic, read: KeyspaceReader, from: number, limit: number): TopicMessage[] => {
  const messages: TopicMessage[] = [];
  let bytes = 0;
  for (let sequence = Math.max(from, topic.first); sequence < topic.next; sequence++) {
    if (messages.length >= limit || bytes >= topicLimits.pageBytesMax) break;
    const record = read(messageKey(topic.id, sequence));
    requireRegister(record !== undefined, 'TOPIC_DENSE', `message ${sequence} of topic ${topic.id} is not in the keyspace`);
    const { timeMs, body } = decodeMessage(record);
    messages.push({ sequence, timeMs, body });
    bytes += body.byteLength;
  }
  return messages;
};

/** A message that was given up for lost counts as not acknowledged, however far its subscription is since. */
const hasHandled = ({ next, lostNext }: Subscription, sequence: number): boolean => next > sequence && sequence >= lostNext;

const acknowledged = (topic: Topic | undefined, request: Read<'topic-acknowledged'>, index: number): RegisterOutcome => {
  const { op, sequence, published } = request;
  if (topic === undefined) return notFound(`topic '${request.topic}' was deleted`);
  const counted = [...topic.subscriptions].filter(([, one]) => one.createIndex < published);
  const missing = counted.filter(([, one]) => !hasHandled(one, sequence)).map(([name]) => name);
  const of = counted.length;
  return done({
    ...{ op, acknowledged: of - missing.length, of, index },
    needed: request.needed === 0 ? Math.floor(of / 2) + 1 : request.needed,
    missing: missing.sort().slice(0, topicLimits.missingMax),
  });
};

const viewOf = ({ name: topic, id, first, next, bytes, retention, subscriptions }: Topic): TopicView => ({
  ...{ topic, id, first, next, bytes, retention: { ...retention }, subscriptions: subscriptions.size },
});

const whole = (topic: Topic): { view: TopicView; subscriptions: TopicSubscription[] } => ({
  view: viewOf(topic),
  subscriptions: [...topic.subscriptions]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([subscription, { next, lost, holder, token }]) => ({
      ...{ name: subscription, next, lost },
      holder: holder === null ? null : { ...holder },
      token: token === null ? null : { ...token },
    })),
});

const list = (topics: Topics, { op, after, limit }: Read<'topic-list'>, index: number): RegisterOutcome => {
  const names = [...topics.byName.keys()].filter((name) => after === undefined || name > after).sort();
  const shown = names.slice(0, Math.min(limit, topicLimits.listItemsMax));
  const items = shown.map((name) => viewOf(topics.byName.get(name)!));
  return done({ op, items, more: names.length > shown.length, index });
};
