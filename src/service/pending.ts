// A call as a promise. Without a signal it takes one object and the promise itself.
import type { Outcome } from '../../actors/api.ts';
import type { CallEvents, CallHandle, CallsApi, ServiceCall } from '../../actors/service-api.ts';
import { failure, PolityError } from '../../machines/errors.ts';

export const givenUp = ({ service, method }: ServiceCall, signal: AbortSignal): PolityError =>
  new PolityError(failure('CANCELLED', `the call of ${service}.${method} was given up`, { service, method }), {
    cause: signal.reason,
  });

class Pending implements CallEvents {
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** None was asked for. */
  item(): void {}

  end(outcome: Outcome<unknown>): void {
    if (outcome.ok) this.#resolve(outcome.value);
    else this.#reject(new PolityError(outcome.failure));
  }
}

export const ask = (calls: CallsApi, call: ServiceCall, signal?: AbortSignal): Promise<unknown> =>
  signal === undefined
    ? new Promise((resolve, reject) => void calls.call(call, new Pending(resolve, reject)))
    : askUntil(calls, call, signal);

const askUntil = (calls: CallsApi, call: ServiceCall, signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(givenUp(call, signal));
    let handle: CallHandle | null = null;
    const onAbort = (): void => {
      reject(givenUp(call, signal));
      handle?.cancel();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const before =
      <Value>(then: (value: Value) => void) =>
      (value: Value): void => {
        signal.removeEventListener('abort', onAbort);
        then(value);
      };
    handle = calls.call(call, new Pending(before(resolve), before(reject)));
  });
