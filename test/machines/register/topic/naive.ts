// The dumb twin of topics: arrays of messages, everything searched by walking, nothing bounded but what a topic is told to keep.
import type { FencingToken, Holder, Retention, TopicWrite } from '../../../../machines/register/index.ts';

type Message = { sequence: number; timeMs: number; text: string };
type Subscription = {
  name: string;
  createIndex: number;
  next: number;
  /** Numbers that it said it handled. */
  handled: Set<number>;
  holder: Holder | null;
  token: FencingToken | null;
};
type Topic = { name: string; retention: Retention; messages: Message[]; next: number; subscriptions: Subscription[] };
export type At = { index: number; term: number; timeMs: number };

const ageStepMs = 1_000;

export class NaiveTopics {
  topics: Topic[] = [];
  readonly defaults: Retention;

  constructor(defaults: Retention) {
    this.defaults = defaults;
  }

  topic(name: string): Topic | undefined {
    return this.topics.find((one) => one.name === name);
  }

  subscription(topic: string, name: string): Subscription | undefined {
    return this.topic(topic)?.subscriptions.find((one) => one.name === name);
  }

  /** The code of a refusal, or 'ok'. */
  apply(at: At, write: TopicWrite): string {
    for (const topic of this.topics) this.#trim(topic, at.timeMs);
    const code = this.#execute(at, write);
    for (const topic of this.topics) this.#trim(topic, at.timeMs);
    return code;
  }

  #trim(topic: Topic, nowMs: number): void {
    const { messagesMax, bytesMax, ageMs } = topic.retention;
    const endOf = (message: Message): number => Math.ceil((message.timeMs + ageMs) / ageStepMs) * ageStepMs;
    const bytes = (): number => topic.messages.reduce((sum, { text }) => sum + text.length, 0);
    while (topic.messages.length > 0) {
      const isOver = topic.messages.length > messagesMax || bytes() > bytesMax;
      if (!isOver && endOf(topic.messages[0]!) > nowMs) return;
      topic.messages.shift();
    }
  }

  #made(name: string): Topic {
    const known = this.topic(name);
    if (known !== undefined) return known;
    const topic = { name, retention: this.defaults, messages: [], next: 1, subscriptions: [] };
    this.topics.push(topic);
    return topic;
  }

  #execute(at: At, write: TopicWrite): string {
    switch (write.op) {
      case 'topic-configure': {
        const topic = this.#made(write.topic);
        topic.retention = { ...topic.retention, ...write.retention };
        return 'ok';
      }
      case 'topic-publish': {
        if ((this.topic(write.topic)?.subscriptions.length ?? 0) < write.subscriptionsMin) return 'NO_QUORUM';
        const topic = this.#made(write.topic);
        const text = Buffer.from(write.body).toString('latin1');
        if (text.length > topic.retention.bytesMax) return 'TOO_LARGE';
        topic.messages.push({ sequence: topic.next++, timeMs: at.timeMs, text });
        return 'ok';
      }
      case 'topic-delete': {
        if (this.topic(write.topic) === undefined) return 'NOT_FOUND';
        this.topics = this.topics.filter(({ name }) => name !== write.topic);
        return 'ok';
      }
      case 'topic-subscribe':
        return this.#subscribe(at, write);
      default: {
        const one = this.subscription(write.topic, write.subscription);
        return one === undefined ? 'NOT_FOUND' : this.#move(one, write);
      }
    }
  }

  #subscribe({ index, term }: At, write: Extract<TopicWrite, { op: 'topic-subscribe' }>): string {
    const { holder, instead, from } = write;
    const known = this.topic(write.topic);
    let one = this.subscription(write.topic, write.subscription);
    if (one === undefined) {
      if (from > (known?.next ?? 1)) return 'INVALID_REQUEST';
      const topic = this.#made(write.topic);
      const next = from === 0 ? topic.next : from === 1 ? (topic.messages[0]?.sequence ?? topic.next) : from;
      one = { name: write.subscription, createIndex: index, next, handled: new Set(), holder: null, token: null };
      topic.subscriptions.push(one);
    }
    if (holder === null) return 'ok';
    const by = one.holder;
    const isSame = by?.peer === holder.peer && by.epoch === holder.epoch && by.consumer === holder.consumer;
    if (isSame) return 'ok';
    const isLater = by !== null && by.peer === holder.peer && by.epoch < holder.epoch;
    const isTold = instead !== null && instead.term === one.token?.term && instead.index === one.token.index;
    if (by !== null && !isLater && !isTold) return 'LOCK_HELD';
    one.holder = holder;
    one.token = { term, index };
    return 'ok';
  }

  #move(one: Subscription, write: Extract<TopicWrite, { op: 'topic-commit' | 'topic-release' | 'topic-unsubscribe' }>): string {
    const topic = this.topic(write.topic)!;
    if (write.op === 'topic-unsubscribe') {
      topic.subscriptions = topic.subscriptions.filter((other) => other !== one);
      return 'ok';
    }
    const isHeld = write.token?.term === one.token?.term && write.token?.index === one.token?.index;
    if (!isHeld) return 'FENCED';
    if (write.op === 'topic-release') {
      one.holder = null;
      one.token = null;
      return 'ok';
    }
    if (write.from > write.next || write.next > topic.next) return 'INVALID_REQUEST';
    if (write.next <= one.next) return 'ok';
    for (let sequence = Math.max(write.from, one.next); sequence < write.next; sequence++) one.handled.add(sequence);
    one.next = write.next;
    return 'ok';
  }
}
