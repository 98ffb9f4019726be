// The result of a call that is a stream, at the side of whoever called: he takes items as fast as he wants, and no more than a small
// window of them is under way or waits for him.
import type { Outcome } from '../../actors/api.ts';
import type { CallEvents, CallHandle, CallsApi, ServiceCall } from '../../actors/service-api.ts';
import { PolityError } from '../errors.ts';
import { givenUp } from './pending.ts';

/** Items that were asked for and not taken yet. */
export const windowItems = 16;

type Begun = { calls: CallsApi; call: ServiceCall };
/** Makes the call ready, when the first item is asked for. May throw or reject. */
type Begin = () => Begun | Promise<Begun>;
type State = 'new' | 'open' | 'over';
type Waiter<Item> = { resolve: (result: IteratorResult<Item, undefined>) => void; reject: (error: unknown) => void };

const over = { done: true, value: undefined } as const;

/**
 * Items of one call. The call is made when the first item is asked for; its time runs from then on. Whoever stops taking them before the
 * end (`break`, `return()`, the signal) ends the call. What it ends with comes after all items that came before. A method
 * that gives one result gives it as the one item.
 */
export class ServiceStream<Item> implements AsyncIterableIterator<Item, undefined, undefined>, CallEvents {
  readonly #begin: Begin;
  readonly #signal: AbortSignal | undefined;
  readonly #items: Item[] = [];
  readonly #waiters: Waiter<Item>[] = [];
  #state: State = 'new';
  #handle: CallHandle | null = null;
  /** Taken since items were last asked for. */
  #taken = 0;
  #count = 0;
  #error: unknown = null;
  #unlisten: () => void = () => {};

  /** By a client. */
  constructor(begin: Begin, signal: AbortSignal | undefined) {
    this.#begin = begin;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    if (this.#state === 'new') this.#open();
    const { length } = this.#items;
    if (length > 0) {
      const value = this.#items.shift()!;
      this.#took();
      return Promise.resolve({ done: false, value });
    }
    if (this.#state === 'over') return this.#last();
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Ends the call if it has not ended. */
  return(): Promise<IteratorResult<Item, undefined>> {
    this.#items.length = 0;
    this.#error = null;
    this.#stop();
    return Promise.resolve(over);
  }

  /** An error is said once; after it there is nothing. */
  #last(): Promise<IteratorResult<Item, undefined>> {
    const error = this.#error;
    this.#error = null;
    return error === null ? Promise.resolve(over) : Promise.reject(error);
  }

  #open(): void {
    this.#state = 'open';
    try {
      const begun = this.#begin();
      if (!(begun instanceof Promise)) return this.#make(begun);
      begun.then(
        (made) => this.#make(made),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #make({ calls, call }: Begun): void {
    if (this.#state === 'over') return;
    const signal = this.#signal;
    if (signal?.aborted === true) return this.#fail(givenUp(call, signal));
    if (signal !== undefined) {
      const onAbort = (): void => this.#fail(givenUp(call, signal));
      signal.addEventListener('abort', onAbort, { once: true });
      this.#unlisten = () => signal.removeEventListener('abort', onAbort);
    }
    const handle = calls.call(call, this);
    if ((this.#state as State) === 'over') return handle.cancel();
    this.#handle = handle;
    handle.more(windowItems);
  }

  /** In halves of a window, so that not each item costs a message. */
  #took(): void {
    if (++this.#taken < windowItems / 2) return;
    const taken = this.#taken;
    this.#taken = 0;
    this.#handle?.more(taken);
  }

  // ---------------------------------------------------------------- what comes

  item(value: unknown): void {
    if (this.#state !== 'open') return;
    this.#count++;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) return void this.#items.push(value as Item);
    this.#took();
    waiter.resolve({ done: false, value: value as Item });
  }

  end(outcome: Outcome<unknown>): void {
    this.#handle = null;
    if (!outcome.ok) return this.#fail(new PolityError(outcome.failure));
    // A method that gives one result.
    if (this.#count === 0 && outcome.value !== null && outcome.value !== undefined) this.item(outcome.value);
    this.#stop();
  }

  #fail(error: unknown): void {
    if (this.#state === 'over') return;
    this.#error = error;
    this.#stop();
  }

  #stop(): void {
    const handle = this.#handle;
    this.#state = 'over';
    this.#handle = null;
    this.#unlisten();
    handle?.cancel();
    for (const waiter of this.#waiters.splice(0)) this.#last().then(waiter.resolve, waiter.reject);
  }
}
