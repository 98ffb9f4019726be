// Topics in the log of a register group (row K4): messages in one order, kept for a while, and named subscriptions that remember how
// far they are. Everything here is decided when an entry is applied, so every replica knows the same.
import type { FencingToken } from '../types.ts';

/** What is kept of a topic; the oldest go first. All three hold at once. */
export type Retention = { messagesMax: number; bytesMax: number; ageMs: number };

/** Who handles the messages of a named subscription. */
export type Holder = {
  /** Name of its node. */
  node: string;
  peer: string;
  /** Starts of its process: a later one takes over from an earlier one. */
  epoch: number;
  /** One of several in a process. */
  consumer: string;
};

export type TopicWrite =
  /**
   * Makes the topic if there is none. What is not said is as it was, of a new one the default (limits.ts). What is over the new retention
   * goes at once or with the next entries.
   */
  | { op: 'topic-configure'; topic: string; retention: Partial<Retention> }
  /** Makes the topic if there is none. NO_QUORUM, and nothing is published, where fewer than so many subscriptions are registered. */
  | { op: 'topic-publish'; topic: string; subscriptionsMin: number; body: Uint8Array }
  /**
   * Registers the subscription if there is none, `from`: 0 what comes from now on, 1 all that is kept, or a message's number; and makes
   * `holder` the one who handles it. LOCK_HELD while another does, unless that is an earlier process of the same peer, or the one that
   * holds it under the token `instead`. Null: nobody shall, it is only to be there.
   */
  | {
      op: 'topic-subscribe';
      topic: string;
      subscription: string;
      from: number;
      holder: Holder | null;
      instead: FencingToken | null;
    }
  /**
   * Messages `from` up to `next` without it are handled; what lies between the last such and `from` is given up for lost. FENCED under
   * another token than the holder's; null only while nobody holds it.
   */
  | { op: 'topic-commit'; topic: string; subscription: string; token: FencingToken | null; from: number; next: number }
  | { op: 'topic-release'; topic: string; subscription: string; token: FencingToken }
  /** For good: nobody waits for its acknowledgements any more. */
  | { op: 'topic-unsubscribe'; topic: string; subscription: string }
  /** With all its messages and subscriptions. */
  | { op: 'topic-delete'; topic: string };

export type TopicRead =
  /**
   * Messages from number `from` on; 0: none, only where the topic ends. Waits up to `waitMs` while there is nothing to tell. `id`: only of
   * that topic, 0 of whichever has the name now. `since`: a replica that has not applied that much has nothing to tell. `held`: tells too when the subscription is held otherwise than under this token.
   */
  | {
      op: 'topic-read';
      topic: string;
      id: number;
      from: number;
      limit: number;
      waitMs: number;
      since: number;
      held?: { subscription: string; token: FencingToken | null };
    }
  /** Waits up to `waitMs` until so many of the subscriptions that were there before `index` have handled it; 0: the most of them. */
  | { op: 'topic-acknowledged'; topic: string; sequence: number; published: number; needed: number; waitMs: number }
  | { op: 'topic-get'; topic: string }
  | { op: 'topic-list'; after?: string; limit: number };

export type TopicMessage = {
  /** Its number in the topic: 1, 2, 3 … without gaps. */
  sequence: number;
  /** Log time of its entry. */
  timeMs: number;
  body: Uint8Array;
};

export type TopicSubscription = {
  name: string;
  /** The first message that is not handled. */
  next: number;
  /** How many it never got, because they were kept no longer. */
  lost: number;
  holder: Holder | null;
  token: FencingToken | null;
};

export type TopicView = {
  topic: string;
  /** Index of the entry that made it. */
  id: number;
  /** The oldest message that is kept, or `next`. */
  first: number;
  next: number;
  bytes: number;
  retention: Retention;
  subscriptions: number;
};

type At = { index: number; term: number };

export type TopicResult =
  | ({ op: 'topic-configure' | 'topic-delete'; topic: string } & At)
  /** `subscriptions`: how many were registered. */
  | ({ op: 'topic-publish'; topic: string; sequence: number; subscriptions: number } & At)
  /** `id` and `next` as in TopicView and TopicSubscription. */
  | ({
      op: 'topic-subscribe';
      topic: string;
      subscription: string;
      id: number;
      next: number;
      token: FencingToken | null;
    } & At)
  | ({ op: 'topic-commit' | 'topic-release' | 'topic-unsubscribe'; topic: string; subscription: string } & At)
  | {
      op: 'topic-read';
      /** 0: there is no topic of this name. */
      id: number;
      first: number;
      next: number;
      messages: TopicMessage[];
      /** Under which the subscription of `held` is held. */
      token: FencingToken | null;
      index: number;
    }
  | {
      op: 'topic-acknowledged';
      acknowledged: number;
      needed: number;
      of: number;
      /** Who did not, in the order of names; not all if there are many. */
      missing: string[];
      index: number;
    }
  | { op: 'topic-get'; found: { view: TopicView; subscriptions: TopicSubscription[] } | null; index: number }
  | { op: 'topic-list'; items: TopicView[]; more: boolean; index: number };
