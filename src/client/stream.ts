// A stream of events that survives the node it hangs on: when it breaks, or its node ends it for a reason that passes, it is opened again
// at the next node.
import { failure } from '../../machines/errors.ts';
import { fromProblem, PolityError } from '../errors.ts';
import { type Attempts, backoffMs, failureOfAnswer, jsonOf, sleep } from './attempts.ts';
import { readEvents, type ServerEvent } from './events.ts';
import { collect, NoAnswer } from './http.ts';

export type StreamOptions = {
  /** Where to begin, asked anew for each opening. */
  path: () => string;
  onOpened?: () => void;
  signal: AbortSignal | undefined;
};

const openMs = 5_000;
/** A node says something every 10 s. */
const silenceMs = 30_000;

const lostStream = failure('UNREACHABLE', 'the stream ended without a reason');

const isBroken = (error: unknown): boolean =>
  error instanceof NoAnswer || typeof (error as NodeJS.ErrnoException).code === 'string';

const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const fieldsOfEvent = ({ data }: ServerEvent): unknown => jsonOf(textBytes(data));

/** For ever; rejects with what does not pass, or as `signal` says. */
export async function* openEvents(
  attempts: Attempts,
  { path, onOpened, signal }: StreamOptions,
): AsyncGenerator<ServerEvent, void, undefined> {
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    const { wire } = attempts;
    try {
      const stream = await wire.open({ method: 'GET', path: path() }, openMs, silenceMs, signal);
      try {
        if (stream.statusCode !== 200) {
          const answer = { status: stream.statusCode!, headers: stream.headers, bytes: await collect(stream) };
          throw new PolityError(failureOfAnswer(answer, wire.base.origin));
        }
        onOpened?.();
        for await (const sent of readEvents(stream)) {
          if (sent.event === 'failed') throw new PolityError(fromProblem(fieldsOfEvent(sent)) ?? lostStream);
          round = 0;
          yield sent;
        }
      } finally {
        stream.destroy();
      }
    } catch (error) {
      signal?.throwIfAborted();
      const mayGoOn = error instanceof PolityError ? error.retryable || error.code === 'IDENTITY_LOST' : isBroken(error);
      if (!mayGoOn) throw error;
    }
    attempts.next();
    await sleep(backoffMs(Math.min(round, 5)), signal);
  }
}
