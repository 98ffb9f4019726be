// The words of the catalog: who offers what. What is told (events), what is wanted done (effects), and what crosses between two nodes.
import type { Version } from './version.ts';

/** A libp2p peer id, proved by the connection or by the envelope of what is announced. */
export type PeerId = string;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export const offerKinds = ['service', 'function', 'topic', 'queue', 'node'] as const;
export type OfferKind = (typeof offerKinds)[number];

export type Method = {
  /** What it takes and gives, as JSON Schema or whatever else describes it; null: not said. */
  readonly input: Json;
  readonly output: Json;
  /** Twice is the same as once. */
  readonly idempotent: boolean;
};

/** What somebody offers. Never changed in place: a new one replaces it. */
export type Offer = {
  readonly kind: OfferKind;
  readonly name: string;
  /** Semantic Versioning 2.0.0. */
  readonly version: string;
  readonly methods: Readonly<Record<string, Method>>;
  /** Amounts, or words: `{ gpus: 2, disk: 'ssd' }`. */
  readonly resources: Readonly<Record<string, number | string>>;
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
};

/** One owner offers each of these once. */
export type OfferId = Pick<Offer, 'kind' | 'name' | 'version'>;

/** An offer as it is known: the same object as long as it is the same offer. */
export type Entry = {
  readonly offer: Offer;
  readonly version: Version;
  readonly owner: PeerId;
  /** Starts of the owner's process, and the number of this word within it: the highest is the newest. */
  readonly epoch: number;
  readonly sequence: number;
};

/** All that an owner offers after its word of that number, for comparison. */
export type Told = { readonly sequence: number; readonly count: number; readonly hash: number };

// ---------------------------------------------------------------- messages

/** What an owner announces to all. It always says how much it offers in all, so that who missed something knows. */
export type Word =
  | { readonly type: 'offer'; readonly told: Told; readonly offer: Offer }
  | { readonly type: 'withdraw'; readonly told: Told; readonly id: OfferId }
  /** Nothing has changed, and it all still holds. */
  | { readonly type: 'renew'; readonly told: Told };

/** Where a walk over all offers has arrived: behind this one. Holds at every node, for all walk in the same order. */
export type Behind = { readonly owner: PeerId; readonly id: string | null };

/** `offer` null: withdrawn. */
export type Item = { readonly sequence: number; readonly leftMs: number; readonly id: OfferId; readonly offer: Offer | null };

/** All that is known of one owner's offers behind `after`, up to `upTo` or, if that is null, to the end. Ascending by id. */
export type Part = {
  readonly owner: PeerId;
  readonly epoch: number;
  readonly told: Told;
  readonly after: string | null;
  readonly upTo: string | null;
  readonly items: readonly Item[];
};

export type CatalogMessage =
  /** Of one owner, or of all. */
  | { readonly type: 'ask'; readonly owner: PeerId | null; readonly behind: Behind | null }
  | {
      readonly type: 'page';
      readonly owner: PeerId | null;
      readonly parts: readonly Part[];
      readonly next: Behind | null;
      /** Who answers has itself asked for everything: it is no newcomer that knows as little as who asks. */
      readonly settled: boolean;
    };

// ---------------------------------------------------------------- events

export type CatalogEvent =
  /** Time has passed: sent when `state.deadlineMs` is reached; harmless at any other time. */
  | { type: 'wake' }
  /** This node offers it from now on, in place of what it offered under the same id. */
  | { type: 'offer'; offer: Offer }
  | { type: 'withdraw'; id: OfferId }
  /** This node stops: it offers nothing any more, and says so once. */
  | { type: 'leave' }
  /** Its last word could not be announced: what it offers is said again soon, for whoever missed that to ask. */
  | { type: 'unannounced' }
  /** Announced by `source`, whose envelope proves a member; true for `leftMs` more. */
  | { type: 'heard'; source: PeerId; epoch: number; word: Word; leftMs: number }
  /** Over a lane; `from` is the authenticated peer. */
  | { type: 'message'; from: PeerId; message: CatalogMessage }
  /** There is an admitted connection to this peer, which started its process so many times. */
  | { type: 'met'; peer: PeerId; epoch: number }
  | { type: 'lost'; peer: PeerId }
  /** It said itself that it leaves. Whoever only seems to have failed keeps its offers until they end. */
  | { type: 'left'; peer: PeerId }
  | { type: 'evicted'; peer: PeerId }
  /** Who had left or was thrown out is a member. */
  | { type: 'readmitted'; peer: PeerId };

// ---------------------------------------------------------------- effects

export type ChangeReason =
  /** The owner's word. */
  | 'said'
  /** Nobody has heard of it for its time. */
  | 'ended'
  /** The owner's process began anew. */
  | 'restarted'
  | 'left'
  | 'evicted';

/** `before` or `after` null: there is none. */
export type CatalogChange = { readonly before: Entry | null; readonly after: Entry | null; readonly why: ChangeReason };

export type OfferRefusal = 'OFFER_INVALID' | 'OFFER_TOO_LARGE' | 'TOO_MANY_OFFERS' | 'NOT_OFFERED';

export type CatalogRefusal =
  | 'NOT_A_MEMBER'
  /** An epoch that its owner never said, as far as this node can tell. */
  | 'EPOCH_REFUSED'
  | 'OWNER_FULL'
  | 'CATALOG_FULL'
  | 'TOO_MANY_OWNERS'
  /** A page that nobody here asked for. */
  | 'NOT_ASKED'
  | 'ASKS_TOO_MUCH';

export type CatalogEffect =
  /** To all members. */
  | { type: 'announce'; word: Word; ttlMs: number }
  /** May be lost. `to` never names this node. */
  | { type: 'send'; to: PeerId; message: CatalogMessage }
  /** The answers to `offer` and `withdraw`. */
  | { type: 'offered' | 'withdrawn'; sequence: number }
  | { type: 'unoffered'; code: OfferRefusal; message: string }
  /** What the catalog says now is different; `revision` only rises. */
  | { type: 'changed'; revision: number; changes: readonly CatalogChange[] }
  | { type: 'refused'; code: CatalogRefusal; message: string; peer: PeerId };

// ---------------------------------------------------------------- options

export type CatalogOptions = {
  /** An offer that is not heard of for so long has ended (row K1). */
  ttlMs: number;
  /** Its owner says that it holds this often, about. */
  renewMs: number;
  /** Who knows something else than the owner says waits so long for what may be on its way, and then asks. */
  settleMs: number;
  /** Without an answer somebody else is asked after this; twice as long after each time … */
  askMsMin: number;
  /** … up to this. */
  askMsMax: number;
  /** An owner of whom nothing was heard for so long is forgotten. */
  rememberMs: number;
  sweepMs: number;
};

export const catalogDefaults: CatalogOptions = {
  ...{ ttlMs: 120_000, renewMs: 40_000, settleMs: 3_000, askMsMin: 2_000, askMsMax: 60_000 },
  ...{ rememberMs: 600_000, sweepMs: 1_000 },
};
