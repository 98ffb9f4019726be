// Topics over HTTP: the same Topic as inside a member, over requests and a stream of events that moves from node to node. What is handled
// is committed by requests under the token that the stream gave, so it may go to any node.
import { randomUUID } from 'node:crypto';
import type { CallOptions, Outcome, WriteOptions } from '../../actors/api.ts';
import type { Feed, FeedEvent, FeedWanted, Published, TopicsApi, TopicWhole } from '../../actors/topic-api.ts';
import { type Commits, createCommits } from '../../actors/topic-commits.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import type { TopicSubscription as SubscriptionView, TopicView } from '../../machines/register/topic/types.ts';
import type { FencingToken } from '../../machines/register/types.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { PolityError } from '../errors.ts';
import { jsonTextOf, plainOf } from '../replica-json.ts';
import { bodyOf, valueIn } from '../topic/body.ts';
import type { Attempts } from './attempts.ts';
import { isFields, textOfToken, tokenOf } from './entry.ts';
import type { ServerEvent } from './events.ts';
import { encode, invalid, type Parameters, queryOf } from './query.ts';
import { fieldsOfEvent, openEvents } from './stream.ts';

type Fields = Record<string, unknown>;

export type TopicWire = {
  write(method: string, path: string, options: WriteOptions, parameters: Parameters, body?: Uint8Array): Promise<Fields>;
  /** Never tried twice. */
  once(method: string, path: string, options: CallOptions, parameters: Parameters, body: Uint8Array): Promise<Fields>;
  read(path: string, options: CallOptions, parameters: Parameters): Promise<Fields>;
  attempts: () => Attempts;
  /** Of the client, where a call names none. */
  group: string | undefined;
};

const flushMs = 2_000;
const retryMs = 200;
/** No MessagePack begins so: a value that could not be told stays one that cannot be read. */
const malformed = Uint8Array.of(0xc1);

const pathOf = (topic: string): string => `/v1/topics/${encode('the topic', topic)}`;
const subscriptionPath = (topic: string, subscription: string): string =>
  `${pathOf(topic)}/subscriptions/${encode('the subscription', subscription)}`;
const json = (fields: Fields): Uint8Array => new TextEncoder().encode(JSON.stringify(fields));

const failureOf = (error: unknown): Failure =>
  error instanceof PolityError
    ? error.failure
    : failure('INTERNAL', error instanceof Error ? error.message : 'the stream broke for no reason that it tells');

/** A promise's end as a callback's. */
const told = <Value>(running: Promise<Value>, done: (outcome: Outcome<Value>) => void): void => {
  running.then(
    (value) => done({ ok: true, value }),
    (error: unknown) => done({ ok: false, failure: failureOf(error) }),
  );
};

// ---------------------------------------------------------------- events

const eventOf = (sent: ServerEvent): FeedEvent | null => {
  const fields = fieldsOfEvent(sent);
  if (!isFields(fields)) return null;
  switch (sent.event) {
    case 'message': {
      const { sequence, timeMs, source, value } = fields;
      return {
        type: 'message',
        sequence: typeof sequence === 'number' ? sequence : null,
        timeMs: typeof timeMs === 'number' ? timeMs : null,
        source: typeof source === 'string' ? source : null,
        body: fields.malformed === true ? malformed : bodyOf(plainOf(value)),
      };
    }
    case 'lost':
      return { type: 'lost', from: typeof fields.from === 'number' ? fields.from : null, count: Number(fields.count) };
    case 'active':
      return { type: 'active', token: tokenOf(fields.token), next: Number(fields.next) };
    case 'standby':
      return { type: 'standby', node: String(fields.node) };
    default:
      return null;
  }
};

class StreamFeed implements Feed {
  readonly #wanted: FeedWanted;
  readonly #wire: TopicWire;
  readonly #closing = new AbortController();
  readonly #events: AsyncGenerator<ServerEvent, void, undefined>;
  /** Where a reader without a name goes on at another node. */
  #from: FeedWanted['from'];
  #commits: Commits | null = null;
  #token: FencingToken | null = null;
  #onSettled: (() => void) | null = null;
  #isEnding = false;

  constructor(wire: TopicWire, wanted: FeedWanted) {
    this.#wanted = wanted;
    this.#wire = wire;
    this.#from = wanted.from;
    this.#events = openEvents(wire.attempts(), { path: () => this.#path(), signal: this.#closing.signal });
  }

  #path(): string {
    const { topic, delivery, subscription, group = this.#wire.group } = this.#wanted;
    const parameters = {
      ...{ delivery, from: this.#from },
      group: group === undefined ? undefined : encode('the group', group),
      subscription: subscription === undefined ? undefined : encode('the subscription', subscription),
    };
    return `${pathOf(topic)}/messages${queryOf(parameters)}`;
  }

  next(on: (event: FeedEvent) => void): void {
    this.#read().then(
      (event) => {
        if (event !== null) on(event);
      },
      (error: unknown) => {
        if (!this.#closing.signal.aborted) on({ type: 'failed', failure: failureOf(error) });
      },
    );
  }

  /** Null once it is over. */
  async #read(): Promise<FeedEvent | null> {
    for (;;) {
      const { value, done } = await this.#events.next();
      if (done === true) return null;
      const event = eventOf(value);
      if (event === null) continue;
      this.#look(event);
      return event;
    }
  }

  #look(event: FeedEvent): void {
    if (event.type === 'active') {
      this.#token = event.token;
      this.#commits = this.#commitsFrom(event.next, event.token);
    } else if (event.type === 'standby') {
      this.#token = null;
      this.#commits = null;
      this.#onSettled?.();
    } else if (event.type === 'lost' && event.from !== null) {
      this.#commits?.lost(event.from, event.from + event.count);
      this.#from = event.from + event.count;
    } else if (event.type === 'message' && event.sequence !== null) this.#from = event.sequence + 1;
  }

  #commitsFrom(next: number, token: FencingToken): Commits {
    const { topic, subscription, group } = this.#wanted;
    const path = `${subscriptionPath(topic, subscription ?? '')}/commit`;
    const isCurrent = (): boolean => this.#token === token;
    const commits: Commits = createCommits({
      from: next,
      send: (commit, done) => {
        const body = json({ token: textOfToken(token), ...commit });
        const running = this.#wire.write('POST', path, group === undefined ? {} : { group }, {}, body);
        told(running, (outcome) => done(outcome.ok ? null : outcome.failure));
      },
      onFailed: ({ code }) => {
        // Who was overtaken hears of it by the stream; what was handled will be given to another.
        if (!isCurrent() || code === 'FENCED' || code === 'NOT_FOUND') return this.#onSettled?.();
        setTimeout(() => {
          if (isCurrent()) commits.retry();
        }, retryMs);
      },
      onSettled: () => this.#onSettled?.(),
    });
    return commits;
  }

  handled(sequence: number): void {
    this.#commits?.handled(sequence + 1);
  }

  end(done: () => void = () => {}): void {
    if (this.#isEnding) return done();
    this.#isEnding = true;
    const close = (): void => {
      this.#token = null;
      this.#closing.abort();
      done();
    };
    if (this.#commits === null || this.#commits.isSettled) return close();
    const patience = setTimeout(() => this.#onSettled?.(), flushMs);
    this.#onSettled = () => {
      this.#onSettled = null;
      clearTimeout(patience);
      close();
    };
  }
}

// ---------------------------------------------------------------- calls

const viewOf = (fields: Fields): TopicView => fields as TopicView;

const wholeOf = ({ subscriptions, ...view }: Fields): TopicWhole => {
  const all = Array.isArray(subscriptions) ? (subscriptions as SubscriptionView[]) : [];
  return { view: viewOf({ ...view, subscriptions: all.length }), subscriptions: all };
};

export const createTopicsOver = (wire: TopicWire): TopicsApi => {
  const nothing = async (running: Promise<Fields>): Promise<null> => {
    await running;
    return null;
  };

  const publish: TopicsApi['publish'] = ({ topic, body, delivery, id, acknowledgements }, options, done) => {
    const running = async (): Promise<Published> => {
      const text = new TextEncoder().encode(jsonTextOf(valueIn(body) as Plain));
      const path = `${pathOf(topic)}/messages`;
      const parameters = { delivery, acknowledgements };
      // Without an id of the program's it gets one here, so that it may be tried at another node. What is told at most once is not.
      const isLive = delivery === 'fire-and-forget';
      if (isLive && id !== undefined) throw invalid('what is told once and forgotten has no id');
      const answered = isLive
        ? await wire.once('POST', path, options, parameters, text)
        : await wire.write('POST', path, { ...options, idempotencyKey: id ?? randomUUID() }, parameters, text);
      const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null);
      return { sequence: numberOf(answered.sequence), acknowledged: numberOf(answered.acknowledged) };
    };
    told(running(), done);
  };

  return {
    publish,
    feed: (wanted) => new StreamFeed(wire, wanted),
    configure: (topic, retention, options, done) =>
      told(nothing(wire.write('PUT', pathOf(topic), options, {}, json(retention))), done),
    describe(topic, options, done) {
      const running = wire.read(pathOf(topic), options, {}).then(wholeOf, (error: unknown) => {
        if (error instanceof PolityError && error.code === 'NOT_FOUND') return null;
        throw error;
      });
      told(running, done);
    },
    list({ after, limit }, options, done) {
      const parameters = { limit, after: after === undefined ? undefined : encode('after', after) };
      const running = wire.read('/v1/topics', options, parameters).then((fields) => ({
        topics: Array.isArray(fields.topics) ? fields.topics.filter(isFields).map(viewOf) : [],
        more: fields.more === true,
      }));
      told(running, done);
    },
    register(topic, subscription, from, options, done) {
      const running = wire.write('PUT', subscriptionPath(topic, subscription), options, {}, json({ from }));
      told(
        running.then(({ next }) => ({ next: Number(next) })),
        done,
      );
    },
    commit(topic, subscription, { token, ...commit }, options, done) {
      const body = json({ ...(token === null ? {} : { token: textOfToken(token) }), ...commit });
      told(nothing(wire.write('POST', `${subscriptionPath(topic, subscription)}/commit`, options, {}, body)), done);
    },
    unsubscribe: (topic, subscription, options, done) =>
      told(nothing(wire.write('DELETE', subscriptionPath(topic, subscription), options, {})), done),
    delete: (topic, options, done) => told(nothing(wire.write('DELETE', pathOf(topic), options, {})), done),
  };
};
