// A topic as programs see it: values go in, handlers get them, with the promise that was chosen (row K4).
import type { CallOptions, Outcome } from '../../actors/api.ts';
import type { FeedWanted, Published, TopicDelivery, TopicsApi, TopicWhole } from '../../actors/topic-api.ts';
import { failure } from '../../machines/errors.ts';
import type { Retention } from '../../machines/register/index.ts';
import { PolityError } from '../errors.ts';
import { type Check, checkOf, demandFits, type Given, isSchema, type Schema, type Taken } from '../service/schema.ts';
import { bodyOf, valueIn } from './body.ts';
import { type HandlerOptions, type TopicHandler, TopicSubscription } from './subscription.ts';

export type TopicOptions<S extends Schema | undefined = undefined> = {
  /**
   * 'fire-and-forget': whoever listens now hears it at most once, nothing is kept. 'at-least-once', the default: kept in the log of a group,
   * handed to every named subscription in order until it is handled. 'quorum': the same, and `publish` resolves once enough of them have.
   */
  delivery?: TopicDelivery;
  /** Any Standard Schema: what is published fits it or is refused, what arrives too. */
  schema?: S;
  /** Group of the register service that keeps it; 'kv' when absent. Not for 'fire-and-forget'. */
  group?: string;
};

export type PublishOptions = {
  /** 1 to 128 printable characters: published twice under one id it is one message (kept ten minutes). Needed to try again safely. */
  id?: string;
  /** For 'quorum': how many named subscriptions; the most of those registered if absent. */
  acknowledgements?: number;
  /** Milliseconds, 1 to 60 000, default 5 000. */
  timeoutMs?: number;
};

export type SubscribeOptions<Value> = HandlerOptions<Value> & {
  /**
   * A durable subscription of this name: the cluster remembers how far it is, and one handler has it at a time, this or another
   * process's. Without a name the subscription is this process's own and begins anew each time. Not for 'fire-and-forget'.
   */
  subscription?: string;
  /** Where to begin; a named subscription only when it is registered. Default 'new'. */
  from?: 'new' | 'oldest' | number;
};

const settled = <Value>(start: (done: (outcome: Outcome<Value>) => void) => void): Promise<Value> =>
  new Promise((resolve, reject) => {
    start((outcome) => (outcome.ok ? resolve(outcome.value) : reject(new PolityError(outcome.failure))));
  });

export class Topic<S extends Schema | undefined = undefined> {
  readonly name: string;
  readonly delivery: TopicDelivery;
  readonly #topics: TopicsApi;
  readonly #group: string | undefined;
  readonly #check: Check;

  /** By `node.topic`. Throws INVALID_REQUEST. */
  constructor(topics: TopicsApi, name: string, { delivery = 'at-least-once', schema, group }: TopicOptions<S>) {
    if (schema !== undefined && !isSchema(schema))
      throw new PolityError(failure('INVALID_REQUEST', 'the schema of a topic is a Standard Schema'));
    this.#topics = topics;
    this.name = name;
    this.delivery = delivery;
    this.#group = group;
    this.#check = checkOf(schema);
  }

  #at(timeoutMs?: number): CallOptions {
    return {
      ...(this.#group === undefined ? {} : { group: this.#group }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
  }

  /**
   * Publishes a value: plain data, at most 1 MiB as MessagePack, 16 KiB for 'fire-and-forget'. Resolves when it is in the log (or told, or
   * handled by enough). Rejects with INVALID_REQUEST, TOO_LARGE, NO_QUORUM, OVERLOADED, IDEMPOTENCY_CONFLICT, OUTCOME_UNKNOWN (it may be
   * published: try again under the same id), or NOT_ACKNOWLEDGED (it is published; `details.missing` have not handled it in time).
   */
  async publish(value: Given<S>, { id, acknowledgements, timeoutMs }: PublishOptions = {}): Promise<Published> {
    const body = bodyOf(await demandFits(this.#check, value, `a message of '${this.name}'`));
    const publication = {
      ...{ topic: this.name, delivery: this.delivery, body },
      ...(id === undefined ? {} : { id }),
      ...(acknowledgements === undefined ? {} : { acknowledgements }),
    };
    return settled((done) => this.#topics.publish(publication, this.#at(timeoutMs), done));
  }

  /**
   * Handles messages one after the other, each until the handler has ended. What becomes of it is told by `ended` of what is returned.
   * At least once: a message comes again if the process dies, or is overtaken, before what the handler did is in the log.
   */
  subscribe(handler: TopicHandler<Taken<S>>, options: SubscribeOptions<Taken<S>> = {}): TopicSubscription<Taken<S>> {
    if (typeof handler !== 'function')
      throw new PolityError(failure('INVALID_REQUEST', 'who subscribes handles messages by a function'));
    const { subscription, from, ...handling } = options;
    const wanted: FeedWanted = {
      ...{ topic: this.name, delivery: this.delivery },
      ...(this.#group === undefined ? {} : { group: this.#group }),
      ...(subscription === undefined ? {} : { subscription }),
      ...(from === undefined ? {} : { from }),
    };
    return new TopicSubscription<Taken<S>>({
      ...{ open: () => this.#topics.feed(wanted), topic: this.name, isLive: this.delivery === 'fire-and-forget', handler },
      options: handling,
      read: async (body) => (await demandFits(this.#check, valueIn(body), `a message of '${this.name}'`)) as Taken<S>,
    });
  }

  /** How much of it is kept: messages, bytes, milliseconds; what is not said stays. At first 10 000, 64 MiB, a week. */
  async retain(retention: Partial<Retention>, { timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    await settled((done) => this.#topics.configure(this.name, retention, this.#at(timeoutMs), done));
  }

  /** What is kept, and its subscriptions; null if nothing was ever published or subscribed. */
  describe({ timeoutMs }: { timeoutMs?: number } = {}): Promise<TopicWhole | null> {
    return settled((done) => this.#topics.describe(this.name, this.#at(timeoutMs), done));
  }

  /** Removes a named subscription for good: what it has not handled is not waited for any more. */
  async unsubscribe(subscription: string, { timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    await settled((done) => this.#topics.unsubscribe(this.name, subscription, this.#at(timeoutMs), done));
  }

  /** Removes the topic with all messages and subscriptions. */
  async delete({ timeoutMs }: { timeoutMs?: number } = {}): Promise<void> {
    await settled((done) => this.#topics.delete(this.name, this.#at(timeoutMs), done));
  }
}
