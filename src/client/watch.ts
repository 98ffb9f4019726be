// A watch that survives the node it hangs on: resumes on any node after the last event it gave, without a gap or a repetition, until
// the history from there is gone (COMPACTED).
import { type WatchEvent, WatchPosition } from '../../machines/register/watching.ts';
import type { Attempts } from './attempts.ts';
import { bytesOfFields, isFields } from './entry.ts';
import type { ServerEvent } from './events.ts';
import { fieldsOfEvent, openEvents } from './stream.ts';

export type { WatchEvent } from '../../machines/register/watching.ts';

export type WatchOptions = {
  group?: string;
  /** First index to tell; absent or 0 = from now on. */
  from?: number;
  /** Also tell how far the log is while nothing happens. */
  progress?: boolean;
  signal?: AbortSignal;
};

const eventOf = (sent: ServerEvent): WatchEvent | null => {
  const { event } = sent;
  const fields = fieldsOfEvent(sent);
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
  const path = (): string =>
    `/v1/watch?${new URLSearchParams({ prefix, from: String(progress.from), ...(group === undefined ? {} : { group }) })}`;
  for await (const sent of openEvents(attempts, { path, onOpened: () => progress.resumed(), signal })) {
    const event = eventOf(sent);
    if (event === null) continue;
    // The last event of an index is the one that carries its id.
    const isNew = progress.take(event, sent.id !== null);
    if (isNew && (event.type !== 'progress' || options.progress === true)) yield event;
  }
}
