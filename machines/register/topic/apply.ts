// Writes to topics, decided as their entry is applied.
import { type Failure, failure } from '../../errors.ts';
import { unschedule } from '../expiry.ts';
import { type Turn, touch } from '../turn.ts';
import type { FencingToken, RegisterOutcome } from '../types.ts';
import { defaultRetention, topicLimits } from './limits.ts';
import { encodeMessage, encodeSubscription, messageKey, subscriptionKey, topicKey } from './records.ts';
import { leaveRemnant, trim, writeTopic } from './retention.ts';
import type { Subscription, Topic, Topics } from './state.ts';
import type { Holder, TopicResult, TopicWrite } from './types.ts';
import { acknowledgementsOf, newsOf } from './waits.ts';

type Write<Op extends TopicWrite['op']> = Extract<TopicWrite, { op: Op }>;

/** So that a publish never pays for what a new retention left over; the sweep does. */
const trimmedPerPublishMax = 256;

const done = (result: TopicResult): RegisterOutcome => ({ ok: true, result });
const refused = (why: Failure): RegisterOutcome => ({ ok: false, failure: why });

export const applyTopicWrite = (turn: Turn, write: TopicWrite): RegisterOutcome => {
  switch (write.op) {
    case 'topic-configure':
      return configure(turn, write);
    case 'topic-publish':
      return publish(turn, write);
    case 'topic-subscribe':
      return subscribe(turn, write);
    case 'topic-commit':
      return withSubscription(turn, write, (topic, one) => commit(turn, write, topic, one));
    case 'topic-release':
      return withSubscription(turn, write, (topic, one) => release(turn, write, topic, one));
    case 'topic-unsubscribe':
      return withSubscription(turn, write, (topic) => unsubscribe(turn, write, topic));
    case 'topic-delete':
      return remove(turn, write);
  }
};

// ---------------------------------------------------------------- topics

const topicOf = (turn: Turn, name: string): Topic | Failure => {
  const { topics } = turn.state;
  const known = topics.byName.get(name);
  if (known !== undefined) return known;
  if (topics.byName.size >= topicLimits.topicsMax)
    return failure('OVERLOADED', `there are ${topics.byName.size} topics already`);
  const topic: Topic = {
    ...{ name, id: turn.index, retention: { ...defaultRetention }, first: 1, next: 1, bytes: 0, subscriptions: new Map() },
  };
  topics.byName.set(name, topic);
  topics.byId.set(topic.id, topic);
  return topic;
};

const noTopic = (topic: string): Failure => failure('NOT_FOUND', `there is no topic '${topic}'`);

const configure = (turn: Turn, { op, topic: name, retention }: Write<'topic-configure'>): RegisterOutcome => {
  const topic = topicOf(turn, name);
  if ('code' in topic) return refused(topic);
  topic.retention = { ...topic.retention, ...retention };
  trim(turn, topic, Math.min(trimmedPerPublishMax, turn.state.limits.removalsPerEntryMax), null);
  writeTopic(turn, topic);
  touch(turn, newsOf(name));
  return done({ op, topic: name, index: turn.index, term: turn.term });
};

const publish = (turn: Turn, { op, topic: name, body, subscriptionsMin }: Write<'topic-publish'>): RegisterOutcome => {
  const { state, index, term, timeMs } = turn;
  const registered = state.topics.byName.get(name)?.subscriptions.size ?? 0;
  if (registered < subscriptionsMin)
    return refused(
      failure('NO_QUORUM', `topic '${name}' has ${registered} subscriptions, at least ${subscriptionsMin} must be there`, {
        subscriptions: registered,
      }),
    );
  const { bytes } = state.topics;
  if (bytes + body.byteLength > topicLimits.bytesInAllMax)
    return refused(failure('OVERLOADED', `the topics of this group keep ${bytes} bytes already; keep less of them`));
  const topic = topicOf(turn, name);
  if ('code' in topic) return refused(topic);
  if (body.byteLength > topic.retention.bytesMax) {
    const message = `the message has ${body.byteLength} bytes, topic '${name}' keeps ${topic.retention.bytesMax}`;
    return refused(failure('TOO_LARGE', message));
  }
  const sequence = topic.next++;
  topic.bytes += body.byteLength;
  state.topics.bytes += body.byteLength;
  turn.writes.push({ key: messageKey(topic.id, sequence), value: encodeMessage(timeMs, body) });
  trim(turn, topic, Math.min(trimmedPerPublishMax, state.limits.removalsPerEntryMax), sequence);
  writeTopic(turn, topic);
  touch(turn, newsOf(name));
  return done({ op, topic: name, sequence, subscriptions: registered, index, term });
};

const remove = (turn: Turn, { op, topic: name }: Write<'topic-delete'>): RegisterOutcome => {
  const { topics, expiries } = turn.state;
  const topic = topics.byName.get(name);
  if (topic === undefined) return refused(noTopic(name));
  topics.byName.delete(name);
  topics.byId.delete(topic.id);
  topics.subscriptions -= topic.subscriptions.size;
  topics.bytes -= topic.bytes;
  for (const subscription of [...topic.subscriptions.keys()].sort())
    turn.writes.push({ key: subscriptionKey(topic.id, subscription), value: null });
  turn.writes.push({ key: topicKey(name), value: null });
  unschedule(expiries, 'topic', name);
  leaveRemnant(turn, topic);
  touch(turn, newsOf(name));
  touch(turn, acknowledgementsOf(name));
  return done({ op, topic: name, index: turn.index, term: turn.term });
};

// ---------------------------------------------------------------- subscriptions

const withSubscription = (
  { state }: Turn,
  write: { topic: string; subscription: string },
  run: (topic: Topic, one: Subscription) => RegisterOutcome,
): RegisterOutcome => {
  const topic = state.topics.byName.get(write.topic);
  if (topic === undefined) return refused(noTopic(write.topic));
  const one = topic.subscriptions.get(write.subscription);
  if (one !== undefined) return run(topic, one);
  return refused(failure('NOT_FOUND', `topic '${write.topic}' has no subscription '${write.subscription}'`));
};

const writeSubscription = (turn: Turn, topic: Topic, name: string, one: Subscription): void => {
  turn.writes.push({ key: subscriptionKey(topic.id, name), value: encodeSubscription(one) });
};

const subscribe = (turn: Turn, write: Write<'topic-subscribe'>): RegisterOutcome => {
  const { index, term, state } = turn;
  const { op, topic: name, subscription, holder } = write;
  const known = state.topics.byName.get(name)?.subscriptions.get(subscription);
  // Nothing is made before it is known that nothing is refused.
  const why = known === undefined ? cannotRegister(state.topics, write) : holder === null ? null : held(write, holder, known);
  if (why !== null) return refused(why);
  const topic = topicOf(turn, name);
  if ('code' in topic) return refused(topic);
  const one = known ?? register(turn, topic, write);
  if (holder !== null && !isSameHolder(one.holder, holder)) {
    one.holder = { ...holder };
    one.token = { term, index };
  }
  if (known === undefined) writeTopic(turn, topic);
  writeSubscription(turn, topic, subscription, one);
  touch(turn, newsOf(name));
  const token = holder === null ? null : one.token;
  return done({ op, topic: name, subscription, id: topic.id, next: one.next, token, index, term });
};

const cannotRegister = (topics: Topics, { from, topic: name }: Write<'topic-subscribe'>): Failure | null => {
  const topic = topics.byName.get(name);
  const next = topic?.next ?? 1;
  if (from > next)
    return failure('INVALID_REQUEST', `topic '${name}' has no message ${from} yet, the next is ${next}`, { next });
  const own = topic?.subscriptions.size ?? 0;
  if (own < topicLimits.subscriptionsMax && topics.subscriptions < topicLimits.subscriptionsInAllMax) return null;
  return failure('OVERLOADED', `there are ${topics.subscriptions} subscriptions, ${own} of '${name}'`);
};

const register = (turn: Turn, topic: Topic, { from, subscription }: Write<'topic-subscribe'>): Subscription => {
  const next = from === 0 ? topic.next : from === 1 ? topic.first : from;
  const one: Subscription = { createIndex: turn.index, next, lost: 0, lostNext: 0, holder: null, token: null };
  topic.subscriptions.set(subscription, one);
  turn.state.topics.subscriptions++;
  return one;
};

const isSameHolder = (a: Holder | null, b: Holder): boolean =>
  a !== null && a.peer === b.peer && a.epoch === b.epoch && a.consumer === b.consumer;

const isSameToken = (a: FencingToken | null, b: FencingToken | null): boolean =>
  a === null || b === null ? a === b : a.term === b.term && a.index === b.index;

/** Why it may not be taken over, or null. A process that started later knows that the earlier one is no more. */
const held = ({ topic, subscription, instead }: Write<'topic-subscribe'>, by: Holder, one: Subscription): Failure | null => {
  const { holder, token } = one;
  if (holder === null || token === null || isSameHolder(holder, by)) return null;
  if (holder.peer === by.peer && holder.epoch < by.epoch) return null;
  if (instead !== null && isSameToken(instead, token)) return null;
  return failure('LOCK_HELD', `subscription '${subscription}' of '${topic}' is handled by ${holder.node}`, {
    ...{ node: holder.node, peer: holder.peer, epoch: holder.epoch, term: token.term, index: token.index },
  });
};

const fenced = (write: { topic: string; subscription: string }, { holder, token }: Subscription): Failure => {
  const by = holder === null ? 'nobody' : holder.node;
  return failure('FENCED', `subscription '${write.subscription}' of '${write.topic}' is handled by ${by} now`, {
    ...{ node: holder?.node ?? null, term: token?.term ?? null, index: token?.index ?? null },
  });
};

const commit = (turn: Turn, write: Write<'topic-commit'>, topic: Topic, one: Subscription): RegisterOutcome => {
  const { op, topic: name, subscription, token, from, next } = write;
  if (!isSameToken(token, one.token)) return refused(fenced(write, one));
  if (from > next || next > topic.next)
    return refused(
      failure('INVALID_REQUEST', `messages ${from} up to ${next} of '${name}' cannot be handled, the next is ${topic.next}`),
    );
  if (next > one.next) {
    if (from > one.next) {
      one.lost += from - one.next;
      one.lostNext = from;
    }
    one.next = next;
    writeSubscription(turn, topic, subscription, one);
    touch(turn, acknowledgementsOf(name));
  }
  return done({ op, topic: name, subscription, index: turn.index, term: turn.term });
};

const release = (turn: Turn, write: Write<'topic-release'>, topic: Topic, one: Subscription): RegisterOutcome => {
  const { op, topic: name, subscription, token } = write;
  if (!isSameToken(token, one.token)) return refused(fenced(write, one));
  one.holder = null;
  one.token = null;
  writeSubscription(turn, topic, subscription, one);
  touch(turn, newsOf(name));
  return done({ op, topic: name, subscription, index: turn.index, term: turn.term });
};

const unsubscribe = (turn: Turn, write: Write<'topic-unsubscribe'>, topic: Topic): RegisterOutcome => {
  const { op, topic: name, subscription } = write;
  topic.subscriptions.delete(subscription);
  turn.state.topics.subscriptions--;
  turn.writes.push({ key: subscriptionKey(topic.id, subscription), value: null });
  touch(turn, newsOf(name));
  touch(turn, acknowledgementsOf(name));
  return done({ op, topic: name, subscription, index: turn.index, term: turn.term });
};
