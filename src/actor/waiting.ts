// What is asked of an actor, as a promise: settled by the door, or by a signal.
import type { Outcome } from '../../actors/api.ts';
import { failure, PolityError } from '../../machines/errors.ts';

/** `begin` returns what ends the waiting, which takes nothing back. Rejects with a PolityError: CANCELLED, whose cause is the signal's reason. */
export const settled = <Value>(
  what: string,
  signal: AbortSignal | undefined,
  begin: (done: (outcome: Outcome<Value>) => void) => (() => void) | undefined,
): Promise<Value> =>
  new Promise((resolve, reject) => {
    const cancelled = (): PolityError =>
      new PolityError(failure('CANCELLED', `${what} was given up`), { cause: signal?.reason });
    if (signal?.aborted === true) return reject(cancelled());
    let end: (() => void) | undefined;
    const onAbort = (): void => {
      reject(cancelled());
      end?.();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    end = begin((outcome) => {
      signal?.removeEventListener('abort', onAbort);
      if (outcome.ok) resolve(outcome.value);
      else reject(new PolityError(outcome.failure));
    });
  });
