// `node.services`: who offers what, as this node knows it, which asks no other.
import type { NodeApi } from '../../actors/api.ts';
import { failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';
import {
  describeService,
  followServices,
  listServices,
  type ServiceDescription,
  type ServiceEvent,
  type ServicePage,
  type ServiceQuery,
} from './offers.ts';

const listLimitDefault = 100;
/** Events that wait for who watches. */
const waitingMax = 32_768;
/** So many that were read are cleared away at once. */
const readMax = 1_024;

export type ServiceListing = ServiceQuery & {
  /** 1 to 500, default 100. */
  limit?: number;
  /** Of the page before. */
  cursor?: string | null;
};

export class Services {
  readonly #api: NodeApi;

  constructor(api: NodeApi) {
    this.#api = api;
  }

  /** By name, the highest version first. Throws a PolityError: INVALID_REQUEST or MEMBER_NOT_FOUND. */
  list({ limit = listLimitDefault, cursor = null, ...asked }: ServiceListing = {}): ServicePage {
    return listServices(this.#api, asked, { limit, cursor });
  }

  /** All versions of a name, with methods and owners; null: nobody offers it. Throws as `list` does. */
  describe(name: string, asked: Omit<ServiceQuery, 'name' | 'prefix'> = {}): ServiceDescription | null {
    return describeService(this.#api, { ...asked, name });
  }

  /**
   * What is offered, then `ready`, then what changes, until `signal` is aborted, the loop is left or the node stops. Throws as `list`
   * does; rejects with OVERLOADED for who reads too slowly, to begin again.
   */
  watch(
    asked: ServiceQuery = {},
    options: { signal?: AbortSignal } = {},
  ): AsyncIterableIterator<ServiceEvent> & AsyncDisposable {
    return watchServices(this.#api, asked, options);
  }
}

type Waiter = { resolve: (result: IteratorResult<ServiceEvent, undefined>) => void; reject: (reason: unknown) => void };

/** By hand and not by a generator, which cannot be ended while it waits. */
const watchServices = (
  api: NodeApi,
  asked: ServiceQuery,
  { signal }: { signal?: AbortSignal },
): AsyncIterableIterator<ServiceEvent> & AsyncDisposable => {
  const over: IteratorResult<ServiceEvent, undefined> = { done: true, value: undefined };
  /** Those before `at` were read. */
  let waiting: ServiceEvent[] = [];
  let at = 0;
  const waiters: Waiter[] = [];
  let ended: { failed: boolean; reason: unknown } | null = null;

  const forget = (): void => {
    waiting = [];
    at = 0;
  };
  const end = (failed: boolean, reason?: unknown): void => {
    if (ended !== null) return;
    ended = { failed, reason };
    following.end();
    signal?.removeEventListener('abort', onAbort);
    // What is told already is read before an end, and not before a failure.
    if (failed) forget();
    for (const { resolve, reject } of waiters.splice(0)) failed ? reject(reason) : resolve(over);
  };
  const onAbort = (): void => end(true, signal?.reason);

  const take = (): ServiceEvent | null => {
    while (at >= waiting.length && ended === null) {
      const page = following.page();
      if (page === null) break;
      forget();
      waiting = page;
    }
    if (at >= waiting.length) return null;
    const event = waiting[at++]!;
    if (at >= readMax) {
      waiting.splice(0, at);
      at = 0;
    }
    return event;
  };
  const add = (events: readonly ServiceEvent[]): void => {
    if (waiting.length - at + events.length > waitingMax)
      return end(true, new PolityError(failure('OVERLOADED', 'the reader is too slow for this watch; begin again')));
    for (const event of events) {
      const waiter = at === waiting.length ? waiters.shift() : undefined;
      if (waiter === undefined) waiting.push(event);
      else waiter.resolve({ done: false, value: event });
    }
  };
  const following = followServices(api, asked, add, () => end(false));
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener('abort', onAbort);

  return {
    next: () =>
      new Promise((resolve, reject) => {
        const event = take();
        if (event !== null) return resolve({ done: false, value: event });
        if (ended === null) return void waiters.push({ resolve, reject });
        if (ended.failed) reject(ended.reason);
        else resolve(over);
      }),
    return() {
      forget();
      end(false);
      return Promise.resolve(over);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await this.return?.();
    },
  };
};
