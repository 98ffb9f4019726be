// One replicated object as a program holds it: read at once, followed by callback or loop, waited for. What it is, and which changes it
// takes, its type says (the other files of this folder).
import type { ReplicaApi } from '../../actors/api.ts';
import { failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';

export type WaitOptions = {
  /** Milliseconds; 1 to 86 400 000. Default: for ever. */
  timeoutMs?: number;
  signal?: AbortSignal;
};

export abstract class ReplicaObject<Value> {
  readonly key: string;
  readonly #api: ReplicaApi;
  readonly #type: string;

  constructor(api: ReplicaApi, type: string, key: string) {
    this.#api = api;
    this.#type = type;
    this.key = key;
  }

  /** As it is at this node now. */
  abstract get(): Value;

  /** What its type reads, or undefined where nothing is known. */
  protected read(): unknown {
    return this.#api.read(this.#type, this.key);
  }

  /** Visible at once; resolves when it is on this node's disk. Rejects with INVALID_REQUEST, OVERLOADED, NOT_READY or STORAGE_FAILED. */
  protected change(change: unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#api.change(this.#type, this.key, change, (outcome) =>
        outcome.ok ? resolve() : reject(new PolityError(outcome.failure)),
      );
    });
  }

  /** Told the value after it changed here, by whomever, once for all changes of a turn. Returns what ends it. */
  subscribe(on: (value: Value) => void): () => void {
    return this.#api.follow(this.#type, this.key, () => on(this.get()));
  }

  /** The value now, and again after each change; a reader that is slow misses values in between, never the last. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Value, void, undefined> {
    let wake = (): void => {};
    let hasChanged = true;
    const end = this.#api.follow(this.#type, this.key, () => {
      hasChanged = true;
      wake();
    });
    try {
      while (true) {
        if (!hasChanged)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        hasChanged = false;
        yield this.get();
      }
    } finally {
      end();
    }
  }

  /** Resolves with the value once it is wanted, now or later; rejects with OUTCOME_UNKNOWN when the time is over, or as `signal` says. */
  waitFor(wanted: (value: Value) => boolean, { timeoutMs, signal }: WaitOptions = {}): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      let timer: NodeJS.Timeout | undefined;
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        end();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal?.reason as Error));
      const look = (): void => {
        try {
          const value = this.get();
          if (wanted(value)) finish(() => resolve(value));
        } catch (error) {
          finish(() => reject(error as Error));
        }
      };
      const end = this.#api.follow(this.#type, this.key, look);
      signal?.addEventListener('abort', onAbort);
      if (timeoutMs !== undefined) {
        const late = failure('OUTCOME_UNKNOWN', `${this.#type} ${this.key} was not what was waited for within ${timeoutMs} ms`);
        timer = setTimeout(() => finish(() => reject(new PolityError(late))), timeoutMs);
      }
      look();
    });
  }
}
