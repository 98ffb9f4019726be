// What is asked of an actor, as a promise: settled by the door, or by a signal.
import type { Outcome } from '../../actors/api.ts';
import { failure, PolityError } from '../../machines/errors.ts';

const invalid = (why: string): PolityError => new PolityError(failure('INVALID_REQUEST', why));

/** Throws INVALID_REQUEST. */
export const optionsOf = <Options extends object>(given: Options | undefined, known: readonly string[]): Options => {
  if (given === undefined) return {} as Options;
  if (typeof given !== 'object' || given === null) throw invalid('options are an object');
  for (const name of Object.keys(given))
    if (!known.includes(name)) throw invalid(`there is no option '${name.slice(0, 32)}'; there is ${known.join(', ')}`);
  const { signal } = given as { signal?: unknown };
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal must be an AbortSignal');
  return given;
};

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
