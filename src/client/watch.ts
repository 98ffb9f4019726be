// A watch that survives the node it hangs on: resumes on any node after the last event it gave, without a gap or a repetition, until
// the history from there is gone (COMPACTED).
import { failure } from '../../machines/errors.ts';
import { type WatchEvent, WatchPosition } from '../../machines/register/watching.ts';
import { fromProblem, PolityError } from '../errors.ts';
import { type Attempts, backoffMs, failureOfAnswer, jsonOf, sleep } from './attempts.ts';
import { bytesOfFields, isFields } from './entry.ts';
import { readEvents, type ServerEvent } from './events.ts';
import { collect, NoAnswer } from './http.ts';

export type { WatchEvent } from '../../machines/register/watching.ts';

export type WatchOptions = {
  group?: string;
  /** First index to tell; absent or 0 = from now on. */
  from?: number;
  /** Also tell how far the log is while nothing happens. */
  progress?: boolean;
  signal?: AbortSignal;
};

const openMs = 5_000;
/** A node says something every 10 s. */
const silenceMs = 30_000;

const eventOf = ({ event, data }: ServerEvent): WatchEvent | null => {
  const fields = jsonOf(new TextEncoder().encode(data));
  if (!isFields(fields)) return null;
  const index = Number(fields.index);
  if (event === 'progress') return { type: 'progress', index };
  const at = { key: String(fields.key), index, term: Number(fields.term) };
  if (event === 'put') return { type: event, ...at, value: bytesOfFields(fields) };
  return event === 'delete' || event === 'expire' ? { type: event, ...at, value: null } : null;
};

export async function* watch(
  attempts: Attempts,
  prefix: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  const { signal, group } = options;
  const progress = new WatchPosition(options.from ?? 0);
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    const query = new URLSearchParams({ prefix, from: String(progress.from), ...(group === undefined ? {} : { group }) });
    const { wire } = attempts;
    try {
      const stream = await wire.open({ method: 'GET', path: `/v1/watch?${query}` }, openMs, silenceMs, signal);
      try {
        if (stream.statusCode !== 200) {
          const bytes = await collect(stream);
          throw new PolityError(
            failureOfAnswer({ status: stream.statusCode!, headers: stream.headers, bytes }, wire.base.origin),
          );
        }
        progress.resumed();
        for await (const sent of readEvents(stream)) {
          if (sent.event === 'failed')
            throw new PolityError(fromProblem(jsonOf(new TextEncoder().encode(sent.data))) ?? lostStream);
          const event = eventOf(sent);
          if (event === null) continue;
          round = 0;
          // The last event of an index is the one that carries its id.
          const isNew = progress.take(event, sent.id !== null);
          if (isNew && (event.type !== 'progress' || options.progress === true)) yield event;
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

const lostStream = failure('UNREACHABLE', 'the stream ended without a reason');

const isBroken = (error: unknown): boolean =>
  error instanceof NoAnswer || typeof (error as NodeJS.ErrnoException).code === 'string';
