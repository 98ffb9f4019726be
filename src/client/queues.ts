// Queues over HTTP. Every request goes out under an idempotency key, so that it may be tried again at another node and still has one
// effect: a repeated receive is given what the first one was.

import { failure } from '../../machines/errors.ts';
import type { DeadLetter, QueueMessage, QueueRead, QueueStats, QueueWrite } from '../../machines/queue/index.ts';
import { receiptOf, receiptText } from '../../machines/queue/words.ts';
import { PolityError } from '../errors.ts';
import { type OpenQueue, openQueue } from '../queue/index.ts';
import type { QueueCallOptions, QueuePort, ResultOf } from '../queue/port.ts';
import { sleep } from './attempts.ts';
import { isFields } from './entry.ts';
import { encode, type Parameters } from './query.ts';

type Fields = Record<string, unknown>;

type WireOptions = QueueCallOptions & { group?: string };

export type QueueWire = {
  write(method: string, path: string, parameters: Parameters, options: WireOptions, body?: Uint8Array): Promise<Fields>;
  read(path: string, parameters: Parameters, options: WireOptions): Promise<Fields>;
};

type Wanted = { method?: string; part?: string; parameters?: Parameters; body?: Uint8Array | object };

/** How long one request waits at a node: a client that goes away is noticed no later. */
const waitMsMax = 10_000;
/** Of a receive's time what is left for the way and for other nodes. */
const marginMs = 3_000;
const attempts = 3;
const hastyMs = 100;

const encoded = (name: string, value: string | undefined): Parameters =>
  value === undefined ? {} : { [name]: encode(name, value) };

const wantedOf = (write: QueueWrite): Wanted => {
  switch (write.op) {
    case 'queue-configure':
      return { method: 'PUT', body: write.options };
    case 'queue-delete':
      return { method: 'DELETE' };
    case 'queue-send': {
      const { delayMs, ordering, dedup, body } = write;
      const parameters = { 'delay-ms': delayMs, ...encoded('ordering', ordering), ...encoded('dedup', dedup) };
      return { part: 'messages', parameters, body };
    }
    case 'queue-receive': {
      const { max, waitMs, visibilityMs } = write;
      return { part: 'receive', parameters: { max, 'wait-ms': waitMs, 'visibility-ms': visibilityMs } };
    }
    case 'queue-ack':
    case 'queue-nack':
    case 'queue-extend': {
      const { op, queue: _, receipt, ...more } = write;
      return { part: op.slice('queue-'.length), body: { receipt: receiptText(receipt), ...more } };
    }
    case 'queue-redrive':
    case 'queue-purge': {
      const { op, queue: _, ...more } = write;
      return { part: op.slice('queue-'.length), body: more };
    }
  }
};

const listOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : []);

const bodyOf = ({ body, encoding }: Fields): Uint8Array =>
  encoding === 'base64' ? Buffer.from(String(body), 'base64') : new TextEncoder().encode(String(body));

const messageOf = (fields: Fields): QueueMessage => {
  const receipt = receiptOf(String(fields.receipt));
  if (receipt === null) throw new PolityError(failure('OUTCOME_UNKNOWN', 'a message came with a receipt that is none'));
  const { ordering, sentMs, deliveries, visibleMs } = fields as Omit<QueueMessage, 'message' | 'body' | 'token'>;
  return { ...receipt, body: bodyOf(fields), ordering, sentMs, deliveries, visibleMs };
};

const letterOf = (fields: Fields): DeadLetter => {
  const { message, ordering, sentMs, deliveries, reason } = fields as Omit<DeadLetter, 'body'>;
  return { message, body: bodyOf(fields), ordering, sentMs, deliveries, reason };
};

const pathOf = (queue: string): string => {
  if (queue === '') throw new PolityError(failure('INVALID_REQUEST', 'the name of a queue must not be empty'));
  return `/v1/queues/${encode('the queue', queue)}`;
};

const httpPort = (wire: QueueWire): QueuePort => {
  const once = async (write: QueueWrite, options: QueueCallOptions): Promise<Fields> => {
    const { method = 'POST', part, parameters = {}, body } = wantedOf(write);
    const path = `${pathOf(write.queue)}${part === undefined ? '' : `/${part}`}`;
    const bytes = body === undefined || body instanceof Uint8Array ? body : new TextEncoder().encode(JSON.stringify(body));
    return { ...(await wire.write(method, path, parameters, options, bytes)), op: write.op };
  };

  const receive = async (
    write: Extract<QueueWrite, { op: 'queue-receive' }>,
    options: QueueCallOptions,
  ): Promise<ResultOf<'queue-receive'>> => {
    const untilMs = performance.now() + write.waitMs;
    for (;;) {
      const waitMs = Math.max(0, Math.min(waitMsMax, Math.floor(untilMs - performance.now())));
      const timeoutMs = options.timeoutMs ?? attempts * (waitMs + marginMs);
      const askedMs = performance.now();
      const fields = await once({ ...write, waitMs }, { ...options, timeoutMs });
      const messages = listOf(fields.messages).map(messageOf);
      const isOver = performance.now() >= untilMs || options.idempotencyKey !== undefined;
      if (messages.length > 0 || isOver)
        return { op: 'queue-receive', queue: write.queue, messages, index: Number(fields.index), term: Number(fields.term) };
      // It answered before its time, as a node does that is about to stop.
      if (performance.now() - askedMs < hastyMs) await sleep(hastyMs, options.signal);
      options.signal?.throwIfAborted();
    }
  };

  return {
    async write<Write extends QueueWrite>(write: Write, options: QueueCallOptions): Promise<ResultOf<Write['op']>> {
      const result = write.op === 'queue-receive' ? await receive(write, options) : await once(write, options);
      return result as unknown as ResultOf<Write['op']>;
    },
    async read<Read extends QueueRead>(read: Read, options: QueueCallOptions): Promise<ResultOf<Read['op']>> {
      const result = await readOver(wire, read, options);
      return result as unknown as ResultOf<Read['op']>;
    },
    isOver: (error) => error instanceof PolityError && error.definite && !error.retryable,
  };
};

const readOver = async (wire: QueueWire, read: QueueRead, options: QueueCallOptions): Promise<Fields> => {
  switch (read.op) {
    case 'queue-stats': {
      const { index, ...stats } = await wire.read(pathOf(read.queue), {}, options);
      return { op: read.op, stats, index };
    }
    case 'queue-list': {
      const fields = await wire.read('/v1/queues', { limit: read.limit, ...encoded('after', read.after) }, options);
      return { ...fields, op: read.op, queues: listOf(fields.queues) as unknown as QueueStats[] };
    }
    case 'queue-dead': {
      const { limit, after } = read;
      const fields = await wire.read(`${pathOf(read.queue)}/dead`, { limit, after }, options);
      return { ...fields, op: read.op, letters: listOf(fields.letters).map(letterOf) };
    }
  }
};

export const queuesOver = (wire: QueueWire): OpenQueue =>
  openQueue((group) => {
    const grouped = (options: QueueCallOptions): WireOptions => (group === undefined ? options : { ...options, group });
    return httpPort({
      write: (method, path, parameters, options, body) => wire.write(method, path, parameters, grouped(options), body),
      read: (path, parameters, options) => wire.read(path, parameters, grouped(options)),
    });
  });
