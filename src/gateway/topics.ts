// Topics over HTTP: values are JSON, as those of replicated objects are (replica-json.ts).
import type { NodeApi, Outcome, WriteOptions } from '../../actors/api.ts';
import type { FeedWanted, TopicDelivery } from '../../actors/topic-api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { parseIdempotencyKey, type Retention, topicLimits } from '../../machines/register/index.ts';
import { replicatorLimits } from '../../machines/replicator/limits.ts';
import { PolityError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import type { Metrics } from '../metrics.ts';
import { plainOf } from '../replica-json.ts';
import { bodyOf } from '../topic/body.ts';
import { parseTokenText } from './answers.ts';
import { callOptionsOf, callParameters, type Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';
import { createTopicStreams } from './topic-stream.ts';

const listLimitDefault = 100;
const deliveries = ['at-least-once', 'quorum', 'fire-and-forget'] as const satisfies readonly TopicDelivery[];

const topicOf = (exchange: Exchange): string => segmentOfPath(exchange.url, 2, 'the topic');
const subscriptionOf = (exchange: Exchange): string => segmentOfPath(exchange.url, 4, 'the subscription');

/** With the request's own idempotency key, so that a repetition has one effect. */
const writing = (exchange: Exchange, query: Query): WriteOptions => {
  const header = exchange.request.raw.headers['idempotency-key'];
  const key = header === undefined ? null : parseIdempotencyKey(header);
  if (key !== null && !key.ok) throw new PolityError(key.failure);
  const options = callOptionsOf(query);
  exchange.effect = true;
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  return key === null ? options : { ...options, idempotencyKey: key.value };
};

const reading = (exchange: Exchange, query: Query): { group?: string; timeoutMs: number } => {
  const options = callOptionsOf(query);
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  return options;
};

const answer =
  <Value>(exchange: Exchange, fields: (value: Value) => Record<string, unknown>) =>
  (outcome: Outcome<Value>): void =>
    outcome.ok ? exchange.json(JSON.stringify(fields(outcome.value))) : exchange.problem(outcome.failure);

/** 'new', 'oldest' or the number of a message. */
const fromOf = (text: string | undefined, what: string): 'new' | 'oldest' | number | undefined => {
  if (text === undefined || text === 'new' || text === 'oldest') return text;
  const from = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(from) ? from : refuse(`${what} is new, oldest or the number of a message`);
};

// ---------------------------------------------------------------- messages

const publish = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, [...callParameters, 'delivery', 'acknowledgements']);
  const topic = topicOf(exchange);
  const acknowledgements = query.count('acknowledgements', 1, topicLimits.subscriptionsMax);
  const body = bodyOf(plainOf(parseJsonBytes(exchange.body, replicatorLimits.depthMax, 'the message')));
  const delivery = query.oneOf('delivery', deliveries) ?? 'at-least-once';
  const { idempotencyKey: id, ...options } = writing(exchange, query);
  const publication = {
    ...{ topic, body, delivery },
    ...(id === undefined ? {} : { id }),
    ...(acknowledgements === undefined ? {} : { acknowledgements }),
  };
  api.topics.publish(
    publication,
    options,
    answer(exchange, (published) => ({ topic, ...published })),
  );
};

/** A browser repeats the URL that it began with; the last event that it got says where to go on. */
const resumedFrom = (exchange: Exchange, from: FeedWanted['from']): FeedWanted['from'] => {
  const last = exchange.request.raw.headers['last-event-id'];
  if (last === undefined || last === '') return from;
  if (typeof last !== 'string' || !/^\d{1,15}$/.test(last))
    return refuse('Last-Event-ID must be the number of a message that this stream gave');
  return Number(last) + 1;
};

const feedOf = (exchange: Exchange): FeedWanted => {
  const query = Query.of(exchange.url, ['group', 'delivery', 'subscription', 'from']);
  const [group, subscription] = [query.text('group'), query.text('subscription')];
  const delivery = query.oneOf('delivery', deliveries) ?? 'at-least-once';
  const asked = fromOf(query.text('from'), 'from');
  const from = subscription === undefined && delivery !== 'fire-and-forget' ? resumedFrom(exchange, asked) : asked;
  return {
    ...{ topic: topicOf(exchange), delivery },
    ...(group === undefined ? {} : { group }),
    ...(subscription === undefined ? {} : { subscription }),
    ...(from === undefined ? {} : { from }),
  };
};

// ---------------------------------------------------------------- topics

const list = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, [...callParameters, 'after', 'limit']);
  const after = query.text('after');
  const limit = query.count('limit', 1, topicLimits.listItemsMax) ?? listLimitDefault;
  api.topics.list(
    { limit, ...(after === undefined ? {} : { after }) },
    reading(exchange, query),
    answer(exchange, (page) => page),
  );
};

const describe = (exchange: Exchange, api: NodeApi): void => {
  const topic = topicOf(exchange);
  api.topics.describe(topic, reading(exchange, Query.of(exchange.url, callParameters)), (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    if (outcome.value === null) return exchange.problem(failure('NOT_FOUND', `there is no topic '${topic}'`));
    const { view, subscriptions } = outcome.value;
    exchange.json(JSON.stringify({ ...view, subscriptions }));
  });
};

const configure = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const topic = topicOf(exchange);
  // The register's parser says which field is wrong.
  const retention = exchange.fields(['messagesMax', 'bytesMax', 'ageMs']) as Partial<Retention>;
  api.topics.configure(
    topic,
    retention,
    writing(exchange, query),
    answer(exchange, () => ({ topic })),
  );
};

const remove = (exchange: Exchange, api: NodeApi): void => {
  const topic = topicOf(exchange);
  const options = writing(exchange, Query.of(exchange.url, callParameters));
  api.topics.delete(
    topic,
    options,
    answer(exchange, () => ({ topic })),
  );
};

// ---------------------------------------------------------------- subscriptions

const register = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const [topic, subscription] = [topicOf(exchange), subscriptionOf(exchange)];
  const { from } = exchange.fields(['from']);
  const begin = fromOf(from === undefined ? undefined : String(from), 'from') ?? 'new';
  api.topics.register(
    topic,
    subscription,
    begin,
    writing(exchange, query),
    answer(exchange, ({ next }) => ({ topic, subscription, next })),
  );
};

const commit = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const [topic, subscription] = [topicOf(exchange), subscriptionOf(exchange)];
  const { token: said, from, next } = exchange.fields(['token', 'from', 'next']);
  const token = said === undefined || said === null ? null : parseTokenText(String(said));
  // Not taken for none: without one, messages are passed over.
  if (token === null && said !== undefined && said !== null) return refuse('token is what the stream gave, TERM.INDEX');
  // Under a token all that lies before was handled; without one it is passed over.
  const begin = (from ?? (token === null ? next : 1)) as number;
  api.topics.commit(
    topic,
    subscription,
    { token, from: begin, next: next as number },
    writing(exchange, query),
    answer(exchange, () => ({ topic, subscription, next })),
  );
};

const unsubscribe = (exchange: Exchange, api: NodeApi): void => {
  const [topic, subscription] = [topicOf(exchange), subscriptionOf(exchange)];
  const options = writing(exchange, Query.of(exchange.url, callParameters));
  api.topics.unsubscribe(
    topic,
    subscription,
    options,
    answer(exchange, () => ({ topic, subscription })),
  );
};

export const createTopicRoutes = (ports: {
  metrics: Metrics;
  limits: GatewayLimits;
}): { routes: readonly Route[]; close(why: Failure): void } => {
  const streams = createTopicStreams(ports);
  const base = '/v1/topics/:topic';
  return {
    routes: [
      { method: 'GET', path: '/v1/topics', handle: list },
      { method: 'GET', path: base, handle: describe },
      { method: 'PUT', path: base, handle: configure },
      { method: 'DELETE', path: base, handle: remove },
      { method: 'POST', path: `${base}/messages`, handle: publish },
      { method: 'GET', path: `${base}/messages`, handle: (exchange, api) => streams.open(exchange, api, feedOf(exchange)) },
      { method: 'PUT', path: `${base}/subscriptions/:subscription`, handle: register },
      { method: 'POST', path: `${base}/subscriptions/:subscription/commit`, handle: commit },
      { method: 'DELETE', path: `${base}/subscriptions/:subscription`, handle: unsubscribe },
    ],
    close: streams.close,
  };
};
