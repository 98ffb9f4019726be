// What is kept of topics in memory: everything but the messages themselves, which are records of the keyspace.
import { requireRegister } from '../fault.ts';
import type { FencingToken } from '../types.ts';
import type { Holder, Retention } from './types.ts';

export type Subscription = {
  /** Index of the entry that registered it: what was published before does not wait for it. */
  createIndex: number;
  /** The first message that is not handled. */
  next: number;
  lost: number;
  /** What lies below and was not handled before it was given up, never will be. */
  lostNext: number;
  /** Both or neither. */
  holder: Holder | null;
  token: FencingToken | null;
};

export type Topic = {
  name: string;
  /** Index of the entry that made it: names its messages' records, so that a later topic of the same name has others. */
  id: number;
  retention: Retention;
  /** Messages `first` up to `next` without it are in the keyspace, and have `bytes` together. */
  first: number;
  next: number;
  bytes: number;
  subscriptions: Map<string, Subscription>;
};

/** Messages of a deleted topic that are still in the keyspace: `first` up to `next` without it. */
export type Remnant = { first: number; next: number; dueMs: number };

export type Topics = {
  byName: Map<string, Topic>;
  /** The same ones. */
  byId: Map<number, Topic>;
  /** By the topic's id. */
  remnants: Map<number, Remnant>;
  subscriptions: number;
  /** Of all messages that are kept. */
  bytes: number;
};

export const createTopics = (): Topics => ({
  ...{ byName: new Map(), byId: new Map() },
  ...{ remnants: new Map(), subscriptions: 0, bytes: 0 },
});

export const requireTopic = (topics: Topics, name: string): Topic => {
  const topic = topics.byName.get(name);
  requireRegister(topic !== undefined, 'TOPIC_EXISTS', `topic '${name}' should be trimmed but does not exist`);
  return topic;
};

const byName = <T>(entries: Iterable<[string, T]>): [string, T][] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/** As plain data with one form; for comparison and for a person. */
export const dumpTopics = (topics: Topics): unknown => ({
  topics: byName(topics.byName).map(([, topic]) => ({
    ...{ ...topic, retention: { ...topic.retention } },
    subscriptions: byName(topic.subscriptions).map(([subscription, one]) => ({ subscription, ...structured(one) })),
  })),
  remnants: [...topics.remnants].sort(([a], [b]) => a - b).map(([id, remnant]) => ({ id, ...remnant })),
  ...{ subscriptions: topics.subscriptions, bytes: topics.bytes },
});

const structured = (one: Subscription): Subscription => ({
  ...one,
  holder: one.holder === null ? null : { ...one.holder },
  token: one.token === null ? null : { ...one.token },
});
