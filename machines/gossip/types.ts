// The words of gossip: small announcements that one member makes and all members hear, each of them once, in the order of their
// source where that can be had. What is told (events), what is wanted done (effects), and what crosses between two nodes.

/** A libp2p peer id, proved by the connection or by the envelope of what is published. */
export type PeerId = string;

/** Whole numbers from the first to the last, one behind the other: [1, 5, 7, 7] is 1 to 5 and 7. Ascending, never touching. */
export type Ranges = readonly number[];

/** What is said once, without whose word it is. Never changed in place. */
export type Announcement = {
  /** Starts of the source's process. A new one ends all that the one before said. */
  readonly epoch: number;
  /** 1, 2, 3 … within the epoch. */
  readonly sequence: number;
  /** What the source said before this number has ended already; at most `sequence`. */
  readonly floor: number;
  readonly topic: string;
  /** Milliseconds that it stays true; relative, so that no two clocks need agree. */
  readonly leftMs: number;
  readonly body: Uint8Array;
};

/** How much of one source is known, for comparison. */
export type Mark = {
  source: PeerId;
  epoch: number;
  /** Heard, or known to be gone. */
  known: Ranges;
  /** Since the newest was said. */
  agoMs: number;
};

export type Want = { source: PeerId; epoch: number; numbers: Ranges };

/** What one node tells another of one source. */
export type Part = {
  source: PeerId;
  epoch: number;
  agoMs: number;
  /** Of what was asked, what has ended: nobody needs to wait for it. */
  gone: Ranges;
  /** Ascending by sequence; `floor` is 0. */
  announcements: Announcement[];
};

// ---------------------------------------------------------------- messages

export type GossipMessage =
  /** Hashes of all that is known, by bucket of sources: begins an exchange. */
  | { type: 'digest'; hashes: number[] }
  /** What is known of the sources in the buckets that differ; none if nothing does. */
  | { type: 'marks'; buckets: number[]; marks: Mark[] }
  /** What the other lacks, and what is lacking here. `urgent`: it holds up what follows, so what is fresh is wanted too. */
  | { type: 'page'; parts: Part[]; wants: Want[]; urgent: boolean; more: boolean };

export type GossipMessageType = GossipMessage['type'];

// ---------------------------------------------------------------- events

export type GossipEvent =
  /** Time has passed: sent when `state.deadlineMs` is reached; harmless at any other time. */
  | { type: 'wake' }
  | { type: 'publish'; topic: string; body: Uint8Array; ttlMs: number }
  /** Published by `from`, whose envelope proves a member. */
  | { type: 'heard'; from: PeerId; announcement: Announcement }
  /** Over a lane; `from` is the authenticated peer. */
  | { type: 'message'; from: PeerId; message: GossipMessage }
  /** There is an admitted connection to this peer, which started its process so many times. */
  | { type: 'met'; peer: PeerId; epoch: number }
  | { type: 'lost'; peer: PeerId }
  /** Thrown out for good: what it said is forgotten, what it says is not heard. */
  | { type: 'evicted'; peer: PeerId }
  /** Nobody remembers that it was: it is a stranger like any other. */
  | { type: 'readmitted'; peer: PeerId };

// ---------------------------------------------------------------- effects

export type PublishRefusal = 'TOPIC_INVALID' | 'BODY_INVALID' | 'BODY_TOO_LARGE' | 'TTL_INVALID' | 'OVERLOADED';

export type RefusalCode =
  | 'NOT_A_MEMBER'
  /** An epoch that its source never said, as far as this node can tell. */
  | 'EPOCH_REFUSED'
  /** More sources than can be kept apart. */
  | 'TOO_MANY_SOURCES'
  /** One peer asks more than it may. */
  | 'ASKS_TOO_MUCH';

export type Delivery = {
  source: PeerId;
  epoch: number;
  sequence: number;
  topic: string;
  body: Uint8Array;
  /** Milliseconds that it stays true, above 0. */
  leftMs: number;
  /** What its source said after it was delivered before it: it was waited for, in vain. */
  late: boolean;
};

export type GossipEffect =
  /** To all, by way of what loses now and then. */
  | { type: 'push'; announcement: Announcement }
  /** May be lost. `to` never names this node. */
  | { type: 'send'; to: PeerId; message: GossipMessage }
  /** To whoever listens here; each once in the life of this state. */
  | ({ type: 'deliver' } & Delivery)
  /** The answers to `publish`. */
  | { type: 'published'; sequence: number }
  | { type: 'unpublished'; code: PublishRefusal; message: string }
  | { type: 'refused'; code: RefusalCode; message: string; peer: PeerId };

/** What happened to announcements since the start, each count only rising. */
export type GossipCounts = {
  published: number;
  delivered: number;
  /** Heard again. */
  duplicates: number;
  /** Of those delivered, how many came by an exchange and not by being published. */
  repaired: number;
  /** Of those delivered, how many came after what follows them. */
  late: number;
  /** Ended before they could be delivered here. */
  expired: number;
  /** Times that what follows was delivered without what was missing. */
  gaps: number;
  /** Left to make room, before their time. */
  evicted: number;
};

// ---------------------------------------------------------------- options

export type GossipOptions = {
  /** With a random peer: this soon after an exchange that found something, … */
  exchangeMinMs: number;
  /** … no later than this after something was announced, … */
  exchangeNewsMs: number;
  /** … and, doubling while nothing is found, this seldom. */
  exchangeMaxMs: number;
  /** What arrived within this may still be on its way to others: it is no difference. */
  freshMs: number;
  /** What is missing is waited for this long before what follows is delivered. */
  gapMs: number;
  /** It is asked for first after this and then again every so often. */
  askFirstMs: number;
  askMs: number;
  /** A source that said nothing for so long is forgotten; everything it said has ended long before. */
  rememberMs: number;
  /** What has ended is cleared away this often. */
  sweepMs: number;
};

export const gossipDefaults: GossipOptions = {
  ...{ exchangeMinMs: 1_000, exchangeNewsMs: 2_000, exchangeMaxMs: 30_000, freshMs: 500 },
  ...{ gapMs: 2_000, askFirstMs: 100, askMs: 250, rememberMs: 7_200_000, sweepMs: 1_000 },
};
