// A handler at the end of a feed: one message after the other, each handled before the next is looked at, and again if the handler
// failed. What failed too often ends the subscription, unless the program says what is to become of it.
import type { Feed, FeedEvent } from '../../actors/topic-api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { PolityError, readable } from '../errors.ts';

/** What a handler is given. */
export type TopicMessage<Value> = {
  value: Value;
  /** Its number in the topic: 1, 2, 3 … without gaps, the same for everybody. Null: fire-and-forget. */
  sequence: number | null;
  /** Milliseconds since 1970 by the log's clock; null: fire-and-forget. */
  timeMs: number | null;
  /** Peer id of who published; null where there is a log. */
  source: string | null;
  /** 1 at the first try, 2 after the handler failed once, and so on: of this process. */
  attempt: number;
  /** Aborted when the subscription is stopped. */
  signal: AbortSignal;
};

export type TopicHandler<Value> = (message: TopicMessage<Value>) => unknown;

export type HandlerOptions<Value> = {
  /** How often a handler that fails is asked to handle a message; 1 to 100, default 5, of fire-and-forget 1. */
  attempts?: number;
  /**
   * The handler failed that often, or the message does not fit the schema. It counts as handled once this returns; if this throws, or is
   * not there, the subscription ends with SERVICE_FAILED, and a named one begins with this message the next time.
   */
  onFailed?: (error: unknown, message: TopicMessage<Value>) => unknown;
  /**
   * Messages that are kept no longer were never handled: `from` is the number of the first. Without it the subscription ends with
   * COMPACTED; with it it goes on after them.
   */
  onLost?: (lost: { from: number | null; count: number }) => void;
  /** This process handles the named subscription from now on (true), or another one does (false). */
  onActive?: (isActive: boolean) => void;
};

const attemptsMax = 100;
const retryMsMin = 100;
const retryMsMax = 10_000;

const invalid = (message: string): PolityError => new PolityError(failure('INVALID_REQUEST', message));

const attemptsOf = (asked: number | undefined, isLive: boolean): number => {
  const attempts = asked ?? (isLive ? 1 : 5);
  if (!Number.isSafeInteger(attempts) || attempts < 1 || attempts > attemptsMax)
    throw invalid(`attempts is a whole number from 1 to ${attemptsMax}`);
  return attempts;
};

type Parts<Value> = {
  open: () => Feed;
  topic: string;
  isLive: boolean;
  handler: TopicHandler<Value>;
  options: HandlerOptions<Value>;
  /** Throws what does not fit. */
  read: (body: Uint8Array) => Promise<Value>;
};

export class TopicSubscription<Value> {
  readonly #parts: Parts<Value>;
  readonly #attempts: number;
  readonly #feed: Feed;
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  /** Null before anything is known. */
  #isActive: boolean | null = null;

  /** By `Topic.subscribe`. */
  constructor(parts: Parts<Value>) {
    this.#parts = parts;
    this.#attempts = attemptsOf(parts.options.attempts, parts.isLive);
    this.#feed = parts.open();
    this.#ended = this.#run();
    // Whoever wants to know awaits `ended`; who does not must not die of it.
    this.#ended.catch(() => {});
  }

  /** This process handles it: a named subscription has one handler in the cluster at a time. */
  get isActive(): boolean {
    return this.#isActive === true;
  }

  /** Resolves once it was stopped; rejects with the PolityError that ended it. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Lets the handler end, brings what was handled into the log, and lets go of a named subscription. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const event = await this.#next();
        if (event === null) return;
        await this.#take(event);
      }
    } finally {
      this.#stopping.abort();
      try {
        if (this.#isActive === true) this.#setActive(false);
      } finally {
        // Whatever `onActive` threw: another one must be able to go on.
        await new Promise<void>((resolve) => this.#feed.end(resolve));
      }
    }
  }

  /** Null once it is stopped. */
  #next(): Promise<FeedEvent | null> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const onAbort = (): void => resolve(null);
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#feed.next((event) => {
        signal.removeEventListener('abort', onAbort);
        resolve(event);
      });
    });
  }

  #setActive(isActive: boolean): void {
    if (this.#isActive === isActive) return;
    this.#isActive = isActive;
    this.#parts.options.onActive?.(isActive);
  }

  async #take(event: FeedEvent): Promise<void> {
    const { topic, options } = this.#parts;
    switch (event.type) {
      case 'failed':
        throw new PolityError(event.failure);
      case 'active':
        return this.#setActive(true);
      case 'standby':
        return this.#setActive(false);
      case 'lost': {
        const { from, count } = event;
        if (options.onLost !== undefined) return options.onLost({ from, count });
        const message = `${count} messages of '${topic}' are gone before this subscription came to them`;
        throw new PolityError(failure('COMPACTED', message, { from, count }));
      }
      case 'message':
        return this.#handle(event);
    }
  }

  async #handle({ sequence, timeMs, source, body }: Extract<FeedEvent, { type: 'message' }>): Promise<void> {
    const { handler, read } = this.#parts;
    const { signal } = this.#stopping;
    const about = { sequence, timeMs, source, attempt: 1, signal };
    let value: Value;
    try {
      value = await read(body);
    } catch (error) {
      return this.#failed(error, { ...about, value: undefined as Value });
    }
    for (let attempt = 1; ; attempt++) {
      const message = { ...about, value, attempt };
      try {
        await handler(message);
        if (sequence !== null) this.#feed.handled(sequence);
        return;
      } catch (error) {
        // Who was told to stop may throw because of it: the message comes again.
        if (this.#isStopped) return;
        if (attempt >= this.#attempts) return this.#failed(error, message);
      }
      await this.#rest(Math.min(retryMsMin * 2 ** (attempt - 1), retryMsMax));
      if (this.#isStopped) return;
    }
  }

  async #failed(error: unknown, message: TopicMessage<Value>): Promise<void> {
    const { topic, options } = this.#parts;
    const which = message.sequence === null ? 'a message' : `message ${message.sequence}`;
    const why = (thrown: unknown): Failure => {
      const of = readable(thrown);
      const words = of instanceof Error ? of.message : String(of);
      return failure('SERVICE_FAILED', `${which} of '${topic}' could not be handled: ${words}`);
    };
    if (options.onFailed === undefined) throw new PolityError(why(error), { cause: error });
    try {
      await options.onFailed(error, message);
    } catch (worse) {
      throw new PolityError(why(worse), { cause: worse });
    }
    if (message.sequence !== null) this.#feed.handled(message.sequence);
  }

  /** Ends early when it is stopped. */
  #rest(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}
