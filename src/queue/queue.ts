// A work queue as programs see it: `node.queue('jobs')` of a member, `client.queue('jobs')` over HTTP. Each message is given to one
// receiver at a time until one says that it is done; what is not done in its time is given out again, and what never is becomes a dead
// letter. At least once: a handler may see a message twice.
import { type QueueMessage, type QueueOptions, type QueueStats, receiptOf } from '../../machines/queue/index.ts';
import { readable } from '../errors.ts';
import type { QueueCodec } from './codec.ts';
import { type ConsumeOptions, Consumer, type Handler } from './consumer.ts';
import { cutReason, Delivery, Held } from './delivery.ts';
import { invalid, type QueueCallOptions, type QueuePort, unlessAborted } from './port.ts';

export type SendOptions = QueueCallOptions & {
  /** Out of sight for so long first. */
  delayMs?: number;
  /** Messages of one ordering key are given out one after the other, in the order in which they were sent. */
  ordering?: string;
  /** Sent twice under the same id within the queue's `dedupMs` (five minutes), it is one message. */
  dedup?: string;
};

export type ReceiveOptions = QueueCallOptions & {
  /** At most so many, 1 to 100; default 1. */
  max?: number;
  /** How long to wait for the first, at most 50 000; default 0. Waiting costs nothing. */
  waitMs?: number;
  /** How long they stay out of sight; default the queue's, 30 000. */
  visibilityMs?: number;
};

export type Letter<Value> = {
  id: number;
  /** Undefined if it cannot be read as a value of this queue; `body` has it as it is. */
  value: Value | undefined;
  body: Uint8Array;
  ordering: string | null;
  sentMs: number;
  deliveries: number;
  /** What the last receiver said, if he said anything. */
  reason: string | null;
};

/** What does not fit the schema waits so long before it is tried again: another version of the program may know it. */
const unfitDelayMs = 10_000;

/** `Value` is what is received, `Sent` what is sent: the same unless a schema makes one of the other. */
export class Queue<Value = unknown, Sent = Value> {
  readonly name: string;
  readonly #port: QueuePort;
  readonly #codec: QueueCodec<Value, Sent>;

  constructor(name: string, port: QueuePort, codec: QueueCodec<Value, Sent>) {
    this.name = name;
    this.#port = port;
    this.#codec = codec;
  }

  /**
   * Resolves when a majority has it on the disk; nothing that was acknowledged so is lost. A queue that does not exist is made, with the
   * defaults. Rejects with INVALID_REQUEST, TOO_LARGE (1 MiB), OVERLOADED (it is full), NO_QUORUM or OUTCOME_UNKNOWN, after which a
   * `dedup` makes it safe to send it again.
   */
  async send(value: Sent, options: SendOptions = {}): Promise<{ id: number; duplicate: boolean }> {
    const { delayMs, ordering, dedup, ...call } = options;
    const body = await this.#codec.encode(value);
    const more = {
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(ordering === undefined ? {} : { ordering }),
      ...(dedup === undefined ? {} : { dedup }),
    };
    const result = await this.#port.write({ op: 'queue-send', queue: this.name, body, ...more }, call);
    return { id: result.message, duplicate: result.duplicate };
  }

  /**
   * What there is, or comes within `waitMs`; empty if nothing does. What cannot be read as a value of this queue is given back with the
   * reason and ends as a dead letter. Aborted while it waits, it rejects with the signal's reason, and what comes too late is given back.
   */
  async receive(options: ReceiveOptions = {}): Promise<Delivery<Value>[]> {
    const { max = 1, waitMs = 0, visibilityMs, signal, ...call } = options;
    const more = visibilityMs === undefined ? {} : { visibilityMs };
    const write = { op: 'queue-receive' as const, queue: this.name, max, waitMs, ...more };
    const operation = this.#port.write(write, { ...call, ...(signal === undefined ? {} : { signal }) });
    const { messages } = await unlessAborted(signal, operation, (late) => this.#release(late.messages));
    const deliveries = await Promise.all(messages.map((message) => this.#delivery(message)));
    return deliveries.filter((one) => one !== null);
  }

  async #delivery(message: QueueMessage): Promise<Delivery<Value> | null> {
    try {
      return new Delivery(this.name, this.#port, message, await this.#codec.decode(message.body));
    } catch (error) {
      const why = readable(error);
      const reason = cutReason(why instanceof Error ? why.message : String(why));
      this.#giveBack(message, { delayMs: unfitDelayMs, reason });
      return null;
    }
  }

  /** Nobody saw them. */
  #release(messages: readonly QueueMessage[]): void {
    for (const message of messages) this.#giveBack(message, { unseen: true });
  }

  /** If it fails, the message comes into sight when its time is over. */
  #giveBack({ message, token }: QueueMessage, how: { delayMs?: number; reason?: string; unseen?: true }): void {
    this.#port.write({ op: 'queue-nack', queue: this.name, receipt: { message, token }, ...how }, {}).catch(() => {});
  }

  /** A message that was received elsewhere, by its receipt. Throws INVALID_REQUEST for what is none. */
  held(receipt: string): Held {
    const parsed = receiptOf(receipt);
    if (parsed === null) throw invalid('a receipt is MESSAGE.TERM.INDEX, as it came with the message');
    return new Held(this.name, this.#port, parsed);
  }

  /**
   * Gives messages to `handler`, at most `concurrency` at a time, until it is stopped: keeps each out of sight while the handler runs,
   * acknowledges it when that resolves, gives it back with a growing delay when it rejects.
   */
  consume(handler: Handler<Value>, options: ConsumeOptions = {}): Consumer<Value> {
    return new Consumer(
      (wanted) => this.receive(wanted),
      (error) => this.#port.isOver(error),
      handler,
      options,
    );
  }

  /** Makes the queue, or changes it; what is not said stays as it is. */
  async configure(options: Partial<QueueOptions>, call: QueueCallOptions = {}): Promise<QueueOptions> {
    return (await this.#port.write({ op: 'queue-configure', queue: this.name, options }, call)).options;
  }

  /** Rejects with QUEUE_NOT_FOUND. */
  async stats(call: QueueCallOptions = {}): Promise<QueueStats> {
    return (await this.#port.read({ op: 'queue-stats', queue: this.name }, call)).stats;
  }

  /** A page of dead letters, the oldest first; `after`: the last id of the page before. */
  async dead(
    options: QueueCallOptions & { after?: number; limit?: number } = {},
  ): Promise<{ letters: Letter<Value>[]; more: boolean }> {
    const { after, limit = 100, ...call } = options;
    const read = { op: 'queue-dead' as const, queue: this.name, limit, ...(after === undefined ? {} : { after }) };
    const { letters, more } = await this.#port.read(read, call);
    const shown = letters.map(async ({ message, ...rest }) => ({
      ...{ id: message, ...rest },
      value: await this.#codec.decode(rest.body).catch(() => undefined),
    }));
    return { letters: await Promise.all(shown), more };
  }

  /** Gives dead letters a new life, as if they had never been received: those with these ids, or all. How many. */
  redrive(ids?: readonly number[], call: QueueCallOptions = {}): Promise<number> {
    return this.#each(ids, async (messages) => {
      const named = messages === undefined ? {} : { messages };
      return this.#port.write({ op: 'queue-redrive', queue: this.name, ...named }, call);
    });
  }

  /** Removes dead letters: those with these ids, or all. How many. */
  purgeDead(ids?: readonly number[], call: QueueCallOptions = {}): Promise<number> {
    return this.#each(ids, (messages) => {
      const named = messages === undefined ? {} : { messages };
      return this.#port.write({ op: 'queue-purge', queue: this.name, which: 'dead', ...named }, call);
    });
  }

  /** Removes everything in it, also what is being worked on. How many. */
  purge(call: QueueCallOptions = {}): Promise<number> {
    return this.#each(undefined, () => this.#port.write({ op: 'queue-purge', queue: this.name, which: 'all' }, call));
  }

  /** Rejects with QUEUE_NOT_EMPTY if it has messages. */
  async delete(call: QueueCallOptions = {}): Promise<void> {
    await this.#each(undefined, () => this.#port.write({ op: 'queue-delete', queue: this.name }, call));
  }

  /** One entry of the log does a bounded part of it. What comes while it runs is not chased: it ends after what was there at first. */
  async #each(
    ids: readonly number[] | undefined,
    part: (messages: number[] | undefined) => Promise<{ count: number; left: number }>,
  ): Promise<number> {
    if (ids !== undefined) {
      let done = 0;
      for (let at = 0; at < ids.length; at += namedMax) done += (await part(ids.slice(at, at + namedMax))).count;
      return done;
    }
    const first = await part(undefined);
    const wanted = first.count + first.left;
    let done = first.count;
    for (let last = first; last.left > 0 && last.count > 0 && done < wanted; done += last.count) last = await part(undefined);
    return done;
  }
}

const namedMax = 1_000;
