// Work queues over HTTP. A message's body is the request's body, any bytes; everything else is parameters or a few JSON fields, which
// the queue's own parser checks. A receive may wait; what it is given for a client that went away meanwhile goes back.
import type { NodeApi } from '../../actors/api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import {
  type DeadLetter,
  type QueueMessage,
  type QueueRead,
  type QueueResult,
  type QueueWrite,
  queueLimits,
  receiptOf,
  receiptText,
} from '../../machines/queue/index.ts';
import { parseIdempotencyKey, parseRead, parseWrite } from '../../machines/register/index.ts';
import { limits } from '../../machines/wire/limits.ts';
import { PolityError } from '../errors.ts';
import { valueFields } from './answers.ts';
import { callOptionsOf, callParameters, type Exchange } from './exchange.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const listLimitDefault = 100;
const consistencies = ['linearizable', 'lease', 'local'] as const;

const checked = <Value>(parsed: { ok: true; value: Value } | { ok: false; failure: Failure }): Value => {
  if (parsed.ok) return parsed.value;
  throw new PolityError(parsed.failure);
};

type Fields = Record<string, unknown>;
type WriteAnswer<Op> = Extract<QueueResult, { op: Op }>;

const at = ({ index, term }: { index: number; term: number }): Fields => ({ index, term });

const write = <Write extends QueueWrite>(
  exchange: Exchange,
  api: NodeApi,
  query: Query,
  asked: Write,
  answer: (result: WriteAnswer<Write['op']>) => Fields,
): void => {
  const wanted = checked(parseWrite(asked));
  const header = exchange.request.raw.headers['idempotency-key'];
  const idempotencyKey = header === undefined ? {} : { idempotencyKey: checked(parseIdempotencyKey(header)) };
  const call = callOptionsOf(query);
  // What it may wait for messages comes on top of what the node may take, where nothing else is said.
  const waitMs = asked.op === 'queue-receive' && query.text('timeout-ms') === undefined ? asked.waitMs : 0;
  const options = { ...call, ...idempotencyKey, timeoutMs: Math.min(call.timeoutMs + waitMs, limits.callTimeoutMsMax) };
  exchange.effect = true;
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  api.write(wanted, options, (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    const { value } = outcome;
    if (value.op !== asked.op)
      return exchange.problem(failure('INTERNAL', `the node answered a ${asked.op} with a ${value.op}`));
    if (value.op === 'queue-receive' && (exchange.answered || exchange.reply.raw.destroyed))
      giveBack(api, query.text('group'), value.queue, value.messages);
    exchange.json(JSON.stringify(answer(value as WriteAnswer<Write['op']>)));
  });
};

/** Nobody saw them. If this fails too, they come into sight when their time is over. */
const giveBack = (api: NodeApi, group: string | undefined, queue: string, messages: readonly QueueMessage[]): void => {
  for (const { message, token } of messages) {
    const nack = { op: 'queue-nack' as const, queue, receipt: { message, token }, unseen: true };
    api.write(nack, group === undefined ? {} : { group }, () => {});
  }
};

const read = <Read extends QueueRead>(
  exchange: Exchange,
  api: NodeApi,
  query: Query,
  asked: Read,
  answer: (result: WriteAnswer<Read['op']>) => Fields,
): void => {
  const wanted = checked(parseRead(asked));
  const consistency = query.oneOf('consistency', consistencies) ?? 'linearizable';
  const options = { ...callOptionsOf(query), consistency };
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  api.read(wanted, options, (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    if (outcome.value.op === asked.op) return exchange.json(JSON.stringify(answer(outcome.value as WriteAnswer<Read['op']>)));
    exchange.problem(failure('INTERNAL', `the node answered a ${asked.op} with a ${outcome.value.op}`));
  });
};

const queueOf = (exchange: Exchange): string => segmentOfPath(exchange.url, 2, 'the queue');

// ---------------------------------------------------------------- messages

const sendParameters = [...callParameters, 'delay-ms', 'ordering', 'dedup'] as const;

const send = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, sendParameters);
  const delayMs = query.count('delay-ms', 0, queueLimits.delayMsMax);
  const ordering = query.text('ordering');
  const dedup = query.text('dedup');
  const asked = {
    ...{ op: 'queue-send' as const, queue: queueOf(exchange), body: exchange.body },
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(ordering === undefined ? {} : { ordering }),
    ...(dedup === undefined ? {} : { dedup }),
  };
  write(exchange, api, query, asked, (result) => ({
    ...{ queue: result.queue, message: result.message, duplicate: result.duplicate },
    ...at(result),
  }));
};

const bodyFields = (body: Uint8Array): Fields => {
  const { value, ...encoding } = valueFields(body);
  return { body: value, ...encoding };
};

const messageFields = ({ message, body, ordering, sentMs, deliveries, visibleMs, token }: QueueMessage): Fields => ({
  ...{ message, receipt: receiptText({ message, token }), ...bodyFields(body) },
  ...{ ordering, sentMs, deliveries, visibleMs },
});

const receiveParameters = [...callParameters, 'max', 'wait-ms', 'visibility-ms'] as const;

/** Exchanges of clients that wait for messages. */
type Waiting = Set<Exchange>;

const receive =
  (waiting: Waiting) =>
  (exchange: Exchange, api: NodeApi): void => {
    const query = Query.of(exchange.url, receiveParameters);
    // Whoever says it as JSON would be given something else than he asked for.
    if (exchange.body.byteLength > 0) return refuse(`a receive has parameters (${receiveParameters.join(', ')}) and no body`);
    const max = query.count('max', 1, queueLimits.receiveMax) ?? 1;
    const waitMs = query.count('wait-ms', 0, queueLimits.waitMsMax) ?? 0;
    const visibilityMs = query.count('visibility-ms', 1, queueLimits.visibilityMsMax);
    const more = visibilityMs === undefined ? {} : { visibilityMs };
    waiting.add(exchange);
    exchange.reply.raw.once('close', () => waiting.delete(exchange));
    write(exchange, api, query, { op: 'queue-receive', queue: queueOf(exchange), max, waitMs, ...more }, (result) => ({
      ...{ queue: result.queue, messages: result.messages.map(messageFields) },
      ...at(result),
    }));
  };

const receiptFrom = (value: unknown) => {
  const receipt = typeof value === 'string' ? receiptOf(value) : null;
  return receipt ?? refuse('receipt must be what came with the message, MESSAGE.TERM.INDEX');
};

const ack = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const { receipt } = exchange.fields(['receipt']);
  const asked = { op: 'queue-ack' as const, queue: queueOf(exchange), receipt: receiptFrom(receipt) };
  write(exchange, api, query, asked, (result) => ({ queue: result.queue, message: result.message, ...at(result) }));
};

const nack = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const { receipt, ...more } = exchange.fields(['receipt', 'delayMs', 'reason', 'unseen']);
  // The queue's parser says which field is wrong.
  const asked = { op: 'queue-nack' as const, queue: queueOf(exchange), receipt: receiptFrom(receipt), ...(more as object) };
  write(exchange, api, query, asked, (result) => ({
    ...{ queue: result.queue, message: result.message, dead: result.dead },
    ...at(result),
  }));
};

const extend = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const { receipt, visibilityMs } = exchange.fields(['receipt', 'visibilityMs']);
  const asked = { op: 'queue-extend' as const, queue: queueOf(exchange), receipt: receiptFrom(receipt) };
  write(exchange, api, query, { ...asked, visibilityMs: visibilityMs as number }, (result) => ({
    ...{ queue: result.queue, message: result.message, visibleMs: result.visibleMs },
    ...at(result),
  }));
};

// ---------------------------------------------------------------- queues

const configure = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const options = exchange.fields(['visibilityMs', 'maxDeliveries', 'dedupMs', 'retentionMs', 'messagesMax']);
  write(exchange, api, query, { op: 'queue-configure', queue: queueOf(exchange), options: options as object }, (result) => ({
    ...{ queue: result.queue, options: result.options },
    ...at(result),
  }));
};

const batchFields = (result: { queue: string; count: number; left: number; index: number; term: number }): Fields => ({
  ...{ queue: result.queue, count: result.count, left: result.left },
  ...at(result),
});

const remove = (exchange: Exchange, api: NodeApi): void =>
  write(exchange, api, Query.of(exchange.url, callParameters), { op: 'queue-delete', queue: queueOf(exchange) }, batchFields);

const redrive = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const named = exchange.fields(['messages']) as { messages?: number[] };
  write(exchange, api, query, { op: 'queue-redrive', queue: queueOf(exchange), ...named }, batchFields);
};

const purge = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const { which, ...named } = exchange.fields(['which', 'messages']);
  const asked = { op: 'queue-purge' as const, queue: queueOf(exchange), which: which as 'dead' | 'all' };
  write(exchange, api, query, { ...asked, ...(named as { messages?: number[] }) }, batchFields);
};

const readParameters = [...callParameters, 'consistency'] as const;
const pageParameters = [...readParameters, 'after', 'limit'] as const;

const stats = (exchange: Exchange, api: NodeApi): void =>
  read(
    exchange,
    api,
    Query.of(exchange.url, readParameters),
    { op: 'queue-stats', queue: queueOf(exchange) },
    ({ stats: found, index }) => ({ ...found, index }),
  );

const list = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, pageParameters);
  const after = query.text('after');
  const limit = query.count('limit', 1, limits.listItemsMax) ?? listLimitDefault;
  const asked = { op: 'queue-list' as const, limit, ...(after === undefined ? {} : { after }) };
  read(exchange, api, query, asked, ({ queues, more, index }) => ({ queues, more, index }));
};

const letterFields = ({ body, ...letter }: DeadLetter): Fields => ({ ...letter, ...bodyFields(body) });

const dead = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, pageParameters);
  const after = query.count('after', 0, Number.MAX_SAFE_INTEGER);
  const limit = query.count('limit', 1, limits.listItemsMax) ?? listLimitDefault;
  const asked = { op: 'queue-dead' as const, queue: queueOf(exchange), limit, ...(after === undefined ? {} : { after }) };
  read(exchange, api, query, asked, ({ letters, more, index }) => ({ letters: letters.map(letterFields), more, index }));
};

export type QueueRoutes = {
  routes: readonly Route[];
  /** Sends clients that wait for messages to other nodes. */
  close(why: Failure): void;
};

export const createQueueRoutes = (): QueueRoutes => {
  const waiting: Waiting = new Set();
  return {
    routes: [
      { method: 'GET', path: '/v1/queues', handle: list },
      { method: 'GET', path: '/v1/queues/:queue', handle: stats },
      { method: 'PUT', path: '/v1/queues/:queue', handle: configure },
      { method: 'DELETE', path: '/v1/queues/:queue', handle: remove },
      { method: 'POST', path: '/v1/queues/:queue/messages', handle: send },
      { method: 'POST', path: '/v1/queues/:queue/receive', handle: receive(waiting) },
      { method: 'POST', path: '/v1/queues/:queue/ack', handle: ack },
      { method: 'POST', path: '/v1/queues/:queue/nack', handle: nack },
      { method: 'POST', path: '/v1/queues/:queue/extend', handle: extend },
      { method: 'POST', path: '/v1/queues/:queue/redrive', handle: redrive },
      { method: 'POST', path: '/v1/queues/:queue/purge', handle: purge },
      { method: 'GET', path: '/v1/queues/:queue/dead', handle: dead },
    ],
    close(why) {
      for (const exchange of waiting) exchange.problem(why);
      waiting.clear();
    },
  };
};
