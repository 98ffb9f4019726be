// Hands the messages of a queue to a handler, for as long as the program wants. A receipt is renewed three times within its time, so
// that one lost answer costs nothing; where it is lost all the same, the handler is told by its signal, for somebody else may have the
// message by then.
import { PolityError, readable } from '../errors.ts';
import { cutReason, type Delivery } from './delivery.ts';
import { invalid } from './port.ts';
import type { ReceiveOptions } from './queue.ts';

export type HandlerContext<Value> = {
  readonly delivery: Delivery<Value>;
  /** Aborted when the message is out of this handler's hands: its receipt could not be kept. */
  readonly signal: AbortSignal;
};

/** Resolves when the message is done; rejects if it shall be given out again. */
export type Handler<Value> = (value: Value, context: HandlerContext<Value>) => unknown;

export type ConsumeOptions = {
  /** Messages in the handler's hands at a time, 1 to 1 000; default 1. */
  concurrency?: number;
  /** How long a message stays out of sight once this process is gone; default 30 000, at least 100. */
  visibilityMs?: number;
  /** Before a message whose handler failed is given out again: doubled with each delivery; default 1 000 up to 300 000. */
  backoffMs?: { min?: number; max?: number };
  /** Aborted: as `stop`. */
  signal?: AbortSignal;
  /** Told of what goes wrong and does not end it: of a handler, or of a call (`delivery` null). */
  onError?: (error: unknown, delivery: Delivery | null) => void;
};

type Receive<Value> = (options: ReceiveOptions) => Promise<Delivery<Value>[]>;

const waitMs = 20_000;
const receiveMax = 100;
const renewals = 3;
const retryMs = { min: 100, max: 5_000 } as const;

const bounded = (what: string, value: number, least: number, most: number): number => {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw invalid(`${what} must be a whole number from ${least} to ${most}, not ${value}`);
};

const messageOf = (thrown: unknown): string => {
  const error = readable(thrown);
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
};
const isExpired = (error: unknown): boolean => error instanceof PolityError && error.code === 'RECEIPT_EXPIRED';

export class Consumer<Value> implements AsyncDisposable {
  /** Settles when nothing is in a handler's hands any more; rejects with what ended it if that was not `stop`. */
  readonly done: Promise<void>;
  readonly #receive: Receive<Value>;
  readonly #handler: Handler<Value>;
  readonly #options: ConsumeOptions;
  readonly #concurrency: number;
  readonly #visibilityMs: number;
  readonly #isOver: (error: unknown) => boolean;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(receive: Receive<Value>, isOver: (error: unknown) => boolean, handler: Handler<Value>, options: ConsumeOptions) {
    if (typeof handler !== 'function') throw invalid('who consumes a queue handles its messages by a function');
    this.#receive = receive;
    this.#isOver = isOver;
    this.#handler = handler;
    this.#options = options;
    this.#concurrency = bounded('concurrency', options.concurrency ?? 1, 1, 1_000);
    this.#visibilityMs = bounded('visibilityMs', options.visibilityMs ?? 30_000, 100, 86_400_000);
    const { signal } = options;
    const onAbort = (): void => this.#stopping.abort();
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.done = this.#run().finally(() => signal?.removeEventListener('abort', onAbort));
    // Whoever does not look at `done` hears of it by `onError`.
    this.done.catch((error: unknown) => this.#tell(error, null));
  }

  /** Takes no more messages, waits for the handlers that run. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.done.catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #tell(error: unknown, delivery: Delivery<Value> | null): void {
    this.#options.onError?.(error, delivery);
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      for (let failures = 0; !this.#isStopping; ) {
        if (this.#running.size >= this.#concurrency) await Promise.race(this.#running);
        const free = this.#concurrency - this.#running.size;
        if (free === 0) continue;
        try {
          const max = Math.min(free, receiveMax);
          const deliveries = await this.#receive({ max, waitMs, visibilityMs: this.#visibilityMs, signal });
          failures = 0;
          for (const delivery of deliveries) this.#start(delivery);
        } catch (error) {
          if (this.#isStopping) break;
          if (this.#isOver(error)) throw error;
          this.#tell(error, null);
          await this.#pause(Math.min(retryMs.max, retryMs.min * 2 ** failures++));
        }
      }
    } finally {
      await Promise.all(this.#running);
    }
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, delayMs * (0.5 + Math.random() / 2));
      signal.addEventListener('abort', end, { once: true });
    });
  }

  #start(delivery: Delivery<Value>): void {
    const running = this.#handle(delivery)
      .catch((error: unknown) => this.#tell(error, delivery))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #handle(delivery: Delivery<Value>): Promise<void> {
    const lost = new AbortController();
    const renewal = this.#renew(delivery, lost);
    try {
      await this.#handler(delivery.value, { delivery, signal: lost.signal });
    } catch (error) {
      // First: what `onError` throws must not keep the message out of sight for ever.
      renewal.end();
      this.#tell(error, delivery);
      if (!lost.signal.aborted) await delivery.nack({ delayMs: this.#delayOf(delivery), reason: cutReason(messageOf(error)) });
      return;
    }
    renewal.end();
    if (!lost.signal.aborted) await delivery.ack();
  }

  #delayOf({ deliveries }: Delivery<Value>): number {
    const { min = 1_000, max = 300_000 } = this.#options.backoffMs ?? {};
    return Math.min(max, min * 2 ** Math.min(deliveries - 1, 30));
  }

  #renew(delivery: Delivery<Value>, lost: AbortController): { end: () => void } {
    const visibilityMs = this.#visibilityMs;
    /** By this process's clock: the log's moved by as much since, more or less. */
    let untilMs = performance.now() + visibilityMs;
    const timer = setInterval(() => {
      const askedMs = performance.now();
      delivery.extend(visibilityMs, { timeoutMs: Math.max(1, Math.min(5_000, Math.floor(visibilityMs / renewals))) }).then(
        () => {
          untilMs = askedMs + visibilityMs;
        },
        (error: unknown) => {
          if (!isExpired(error) && performance.now() < untilMs) return;
          clearInterval(timer);
          lost.abort(error);
        },
      );
    }, visibilityMs / renewals);
    return { end: () => clearInterval(timer) };
  }
}
