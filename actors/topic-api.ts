// What a node offers of topics (row K4): publishing with one of three promises, and feeds of what was published. Plain data and callbacks.
import type { Failure } from '../machines/errors.ts';
import type { FencingToken, Retention, TopicSubscription, TopicView } from '../machines/register/index.ts';
import type { CallOptions, Outcome, WriteOptions } from './api.ts';

/**
 * 'fire-and-forget': told to whoever listens now, at most once, nothing kept. 'at-least-once': in the log of a group, kept for a while,
 * handed to each named subscription in order until it says that it is handled. 'quorum': the same, and the publisher hears of it when
 * enough subscriptions have handled it.
 */
export type TopicDelivery = 'fire-and-forget' | 'at-least-once' | 'quorum';

export type Publication = {
  /** 1 to 120 bytes of UTF-8. */
  topic: string;
  /** At most 16 KiB for 'fire-and-forget', else 1 MiB. */
  body: Uint8Array;
  delivery: TopicDelivery;
  /** 1 to 128 printable characters: the same id of a topic twice is one message (kept ten minutes of log time). Not for 'fire-and-forget'. */
  id?: string;
  /** For 'quorum': how many subscriptions; the most of those registered when it is published if absent. */
  acknowledgements?: number;
};

export type Published = {
  /** Its number in the topic; null for 'fire-and-forget'. */
  sequence: number | null;
  /** How many subscriptions handled it before this was told; null unless asked for. */
  acknowledged: number | null;
};

export type FeedWanted = {
  topic: string;
  /** Group of the register service that has the topic; 'kv' when absent. */
  group?: string;
  delivery: TopicDelivery;
  /** A durable subscription: remembers how far it is, and one feed in the cluster handles it at a time. Not for 'fire-and-forget'. */
  subscription?: string;
  /** Where to begin: a message's number, 'oldest' that is kept, or 'new', the default. A named subscription only when it is registered. */
  from?: 'new' | 'oldest' | number;
};

export type FeedEvent =
  /** `sequence` null and `source` a peer: fire-and-forget. */
  | { type: 'message'; sequence: number | null; timeMs: number | null; source: string | null; body: Uint8Array }
  /** So many messages were kept no longer, or there was no room for them here; `from` is the first's number, or null. */
  | { type: 'lost'; from: number | null; count: number }
  /** This feed handles the named subscription from now on. The token is for who commits by other ways (HTTP). */
  | { type: 'active'; token: FencingToken; next: number }
  /** Another one does, at this node. */
  | { type: 'standby'; node: string }
  /** The end. */
  | { type: 'failed'; failure: Failure };

/** Never throws, and calls back in a later turn. */
export interface Feed {
  /** Gives the next event when there is one; one call at a time. Nothing is read ahead of it but a page. */
  next(on: (event: FeedEvent) => void): void;
  /** All messages up to this one are handled: a named subscription goes on after it, whoever handles it then. */
  handled(sequence: number): void;
  /** Lets go of a named subscription after what was handled is in the log, or cannot be brought there; `done` then. */
  end(done?: () => void): void;
}

/** A feed as the node that has it knows it. */
export interface HostedFeed extends Feed {
  /** Ends it with this for its reader. */
  fail(why: Failure): void;
}

export type TopicWhole = { view: TopicView; subscriptions: TopicSubscription[] };

/** Topics that have a log are those of one group; whoever asks for another group's sees others. */
export interface TopicsApi {
  /**
   * Fails with TOO_LARGE, NO_QUORUM, OVERLOADED, OUTCOME_UNKNOWN (it may be published), or NOT_ACKNOWLEDGED: it is published and stays so,
   * but too few have handled it in time; `details.missing` names those who have not.
   */
  publish(publication: Publication, options: CallOptions, done: (outcome: Outcome<Published>) => void): void;
  feed(wanted: FeedWanted): Feed;
  /** What is kept of it; makes the topic if there is none. */
  configure(topic: string, retention: Partial<Retention>, options: WriteOptions, done: (outcome: Outcome<null>) => void): void;
  /** Null: there is no such topic. */
  describe(topic: string, options: CallOptions, done: (outcome: Outcome<TopicWhole | null>) => void): void;
  /** By name; at most `limit`, 1 to 1000, after that name. */
  list(
    page: { after?: string; limit: number },
    options: CallOptions,
    done: (outcome: Outcome<{ topics: TopicView[]; more: boolean }>) => void,
  ): void;
  /** Registers a named subscription that nobody handles yet. */
  register(
    topic: string,
    subscription: string,
    from: 'new' | 'oldest' | number,
    options: WriteOptions,
    done: (outcome: Outcome<{ next: number }>) => void,
  ): void;
  /** Messages up to this one are handled: under the token of who handles it, or null while nobody does (an operator who passes over one). */
  commit(
    topic: string,
    subscription: string,
    commit: { token: FencingToken | null; from: number; next: number },
    options: WriteOptions,
    done: (outcome: Outcome<null>) => void,
  ): void;
  /** For good: it remembers nothing, and nobody waits for it. */
  unsubscribe(topic: string, subscription: string, options: WriteOptions, done: (outcome: Outcome<null>) => void): void;
  /** With all messages and subscriptions. */
  delete(topic: string, options: WriteOptions, done: (outcome: Outcome<null>) => void): void;
}
