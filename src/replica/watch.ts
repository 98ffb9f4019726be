// Following an object by loop, and waiting for it: neither outlives its signal or its node.
import { failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';

export type FollowOptions = { signal?: AbortSignal };

export type WaitOptions = FollowOptions & {
  /** Milliseconds; 1 to 86 400 000. Default: for ever. */
  timeoutMs?: number;
};

const timeoutMsMax = 86_400_000;

export type Followed<Value> = {
  get(): Value;
  /** Told whenever it may be another one. */
  follow(on: () => void, ended: () => void): () => void;
};

type Waiter<Value> = { resolve: (result: IteratorResult<Value, undefined>) => void; reject: (reason: unknown) => void };

/** By hand and not by a generator, which cannot be ended while it waits. */
export const watch = <Value>(
  object: Followed<Value>,
  { signal }: FollowOptions,
): AsyncIterableIterator<Value> & AsyncDisposable => {
  const over: IteratorResult<Value, undefined> = { done: true, value: undefined };
  const waiters: Waiter<Value>[] = [];
  let mayDiffer = true;
  /** What the reader has seen last. */
  let seen: { value: Value } | null = null;
  let unfollow: (() => void) | null = null;
  let ended: 'no' | 'over' | 'aborted' = 'no';

  const end = (how: 'over' | 'aborted'): void => {
    if (ended !== 'no') return;
    ended = how;
    unfollow?.();
    signal?.removeEventListener('abort', onAbort);
    for (const { resolve, reject } of waiters.splice(0)) how === 'over' ? resolve(over) : reject(signal?.reason);
  };
  const onAbort = (): void => end('aborted');

  /** Followed from the first `next` on. */
  const begin = (): void => {
    if (signal?.aborted) return onAbort();
    const look = (): void => {
      mayDiffer = true;
      const [waiter] = waiters;
      if (waiter !== undefined && offer(waiter)) waiters.shift();
    };
    unfollow = object.follow(look, () => end('over'));
    signal?.addEventListener('abort', onAbort);
  };

  /** True: it has been answered, since there is something that the reader has not seen. */
  const offer = ({ resolve, reject }: Waiter<Value>): boolean => {
    if (!mayDiffer) return false;
    mayDiffer = false;
    try {
      const value = object.get();
      if (seen !== null && Object.is(value, seen.value)) return false;
      seen = { value };
      resolve({ done: false, value });
    } catch (error) {
      reject(error);
    }
    return true;
  };

  return {
    next: () =>
      new Promise((resolve, reject) => {
        if (ended === 'no' && unfollow === null) begin();
        if (ended === 'aborted') return reject(signal?.reason);
        // What changed last is told even where the node stopped behind it.
        if (offer({ resolve, reject })) return;
        if (ended === 'over') return resolve(over);
        waiters.push({ resolve, reject });
      }),
    return() {
      mayDiffer = false;
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
    let unfollow = (): void => {};
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      unfollow();
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    const fail = (code: 'OUTCOME_UNKNOWN' | 'STOPPING', why: string): void =>
      finish(() => reject(new PolityError(failure(code, `${name} was not what was waited for ${why}`))));
    const onAbort = (): void => finish(() => reject(signal?.reason));
    const look = (): boolean => {
      try {
        const value = object.get();
        if (!wanted(value)) return false;
        finish(() => resolve(value));
      } catch (error) {
        finish(() => reject(error));
      }
      return true;
    };
    if (look()) return;
    // First what may throw: then there is nothing yet to take back.
    unfollow = object.follow(look, () => fail('STOPPING', 'before the node stopped'));
    signal?.addEventListener('abort', onAbort);
    if (timeoutMs !== undefined) timer = setTimeout(() => fail('OUTCOME_UNKNOWN', `within ${timeoutMs} ms`), timeoutMs);
  });
