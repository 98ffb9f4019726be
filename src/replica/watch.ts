// Following an object by loop, and waiting for it: neither outlives its signal or its node.
import { failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';
import type { ReplicaObserver, ReplicaSubscription } from './object.ts';

export type FollowOptions = { signal?: AbortSignal };

export type WaitOptions = FollowOptions & {
  /** Milliseconds; 1 to 86 400 000. Default: for ever. */
  timeoutMs?: number;
};

const timeoutMsMax = 86_400_000;

type Followed<Value> = {
  get(): Value;
  subscribe(observer: ReplicaObserver<Value>, options?: FollowOptions): ReplicaSubscription;
};

type Waiter<Value> = { resolve: (result: IteratorResult<Value, undefined>) => void; reject: (reason: unknown) => void };

/** By hand and not by a generator, which cannot be ended while it waits. */
export const watch = <Value>(
  object: Followed<Value>,
  { signal }: FollowOptions,
): AsyncIterableIterator<Value> & AsyncDisposable => {
  const over: IteratorResult<Value, undefined> = { done: true, value: undefined };
  const waiters: Waiter<Value>[] = [];
  let hasChanged = true;
  let subscription: ReplicaSubscription | null = null;
  let ended: 'no' | 'over' | 'aborted' = 'no';

  const end = (how: 'over' | 'aborted'): void => {
    if (ended !== 'no') return;
    ended = how;
    subscription?.();
    signal?.removeEventListener('abort', onAbort);
    for (const { resolve, reject } of waiters.splice(0)) how === 'over' ? resolve(over) : reject(signal?.reason);
  };
  const onAbort = (): void => end('aborted');

  /** Followed from the first `next` on. */
  const begin = (): void => {
    if (signal?.aborted) return onAbort();
    const next = (value: Value): void => {
      const waiter = waiters.shift();
      if (waiter === undefined) hasChanged = true;
      else waiter.resolve({ done: false, value });
    };
    subscription = object.subscribe({ next, complete: () => end('over') });
    signal?.addEventListener('abort', onAbort);
  };

  const take = (): IteratorResult<Value, undefined> => {
    hasChanged = false;
    return { done: false, value: object.get() };
  };

  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (ended === 'no' && subscription === null) begin();
        if (ended === 'aborted') return reject(signal?.reason);
        // What changed last is told even where the node stopped behind it.
        if (hasChanged) return resolve(take());
        if (ended === 'over') return resolve(over);
        waiters.push({ resolve, reject });
      }),
    return() {
      hasChanged = false;
      end('over');
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

export const waitFor = <Value>(
  object: Followed<Value>,
  name: string,
  wanted: (value: Value) => boolean,
  { timeoutMs, signal }: WaitOptions,
): Promise<Value> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const isTime = timeoutMs === undefined || (timeoutMs >= 1 && timeoutMs <= timeoutMsMax);
    if (!isTime) return reject(new PolityError(failure('INVALID_REQUEST', `timeoutMs is a number from 1 to ${timeoutMsMax}`)));
    let timer: NodeJS.Timeout | undefined;
    let subscription: ReplicaSubscription | null = null;
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      subscription?.();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const fail = (code: 'OUTCOME_UNKNOWN' | 'STOPPING', why: string): void =>
      finish(() => reject(new PolityError(failure(code, `${name} was not what was waited for ${why}`))));
    const onAbort = (): void => finish(() => reject(signal?.reason));
    const look = (value: Value): boolean => {
      try {
        if (!wanted(value)) return false;
        finish(() => resolve(value));
      } catch (error) {
        finish(() => reject(error));
      }
      return true;
    };
    if (look(object.get())) return;
    signal?.addEventListener('abort', onAbort);
    if (timeoutMs !== undefined) timer = setTimeout(() => fail('OUTCOME_UNKNOWN', `within ${timeoutMs} ms`), timeoutMs);
    subscription = object.subscribe({ next: look, complete: () => fail('STOPPING', 'before the node stopped') });
  });
