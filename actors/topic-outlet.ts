// The end of a feed at which its reader asks: gives one event for each question, in a turn of its own, so that a reader that throws or
// asks again at once does so on nobody else's stack.
import type { SinkPort } from './ports/index.ts';
import type { FeedEvent } from './topic-api.ts';

export interface FeedOutlet {
  /** Somebody asks and nothing is there. */
  readonly isWanted: boolean;
  readonly waiting: number;
  offer(event: FeedEvent): void;
  next(on: (event: FeedEvent) => void): void;
  /** Forgets what was offered and not given. */
  clear(): void;
  /** The last event; nothing comes after it. */
  fail(event: Extract<FeedEvent, { type: 'failed' }>): void;
  close(): void;
}

/** `onWanted`: somebody asks and nothing is there. */
export const createFeedOutlet = (args: {
  soon: (run: () => void) => void;
  sink: SinkPort;
  onWanted: () => void;
}): FeedOutlet => {
  const { soon, sink, onWanted } = args;
  let events: FeedEvent[] = [];
  let asked: ((event: FeedEvent) => void) | null = null;
  let isClosed = false;
  let isEnding = false;
  let isDue = false;

  const tell = (on: (event: FeedEvent) => void, event: FeedEvent): void => {
    try {
      on(event);
    } catch (error) {
      sink.count('topic_readers_threw_total');
      sink.log('error', 'TOPIC_READER_THREW', error instanceof Error ? error.message : String(error));
    }
  };

  const give = (): void => {
    isDue = false;
    const event = events[0];
    if (isClosed || asked === null || event === undefined) return;
    events.shift();
    const on = asked;
    asked = null;
    if (event.type === 'failed') isClosed = true;
    tell(on, event);
  };

  const giveSoon = (): void => {
    if (isDue || asked === null || events.length === 0) return;
    isDue = true;
    soon(give);
  };

  return {
    get isWanted() {
      return !isClosed && asked !== null && events.length === 0;
    },
    get waiting() {
      return events.length;
    },
    offer(event) {
      if (isClosed || isEnding) return;
      events.push(event);
      giveSoon();
    },
    next(on) {
      asked = on;
      if (events.length > 0) giveSoon();
      else if (!isClosed) onWanted();
    },
    clear() {
      events = [];
    },
    fail(event) {
      if (isClosed || isEnding) return;
      isEnding = true;
      events.push(event);
      giveSoon();
    },
    close() {
      isClosed = true;
      events = [];
    },
  };
};
