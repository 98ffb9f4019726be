// To look on (row N7): which actors live where, what each is, and what happens to them. Everything here is plain data, bounded, with what
// is secret left out (actors/inspect-shown.ts); it may be shown to whoever may look on at all.
import type { ActorAddress } from '../machines/entity/address.ts';
import type { Failure } from '../machines/errors.ts';
import type { ActorView } from './actor-api.ts';
import type { Outcome } from './api.ts';
import type { Chart } from './inspect-chart.ts';

/** A snapshot as XState has it, shown. Of a chart `value` is its state. */
export type ShownSnapshot = {
  readonly status: string;
  readonly value?: unknown;
  readonly context?: unknown;
  readonly output?: unknown;
  readonly error?: unknown;
};

export type ListedActor = Omit<ActorView, 'address'> & {
  /** As text. */
  readonly address: string;
  /** Where this copy lives. */
  readonly node: string;
  /** The state of its chart; null: it has none. */
  readonly value: unknown;
};

export type InspectQuery = {
  type?: string;
  /** Of the key. */
  prefix?: string;
  /** An address as text: what comes behind it. */
  after?: string;
  /** 1 to 1 000, default 100. */
  limit?: number;
};

/** Somebody who was asked and did not say. */
export type SilentNode = { readonly node: string; readonly failure: Failure };

export type ActorPage = {
  /** By address. */
  readonly actors: readonly ListedActor[];
  /** There are others behind the last. */
  readonly more: boolean;
  readonly silent: readonly SilentNode[];
};

export type ShownChild = {
  readonly path: string;
  readonly src: string;
  /** The name of its chart in `charts`, as far as there is room for it there; null: its logic is no chart. */
  readonly chart: string | null;
  readonly snapshot: ShownSnapshot;
};

/** What happened lately. */
export type RecentSeen = Extract<InspectItem, { type: 'event' | 'snapshot' | 'actor' | 'ended' }>;

export type ActorDescription = {
  readonly view: ListedActor;
  /** Null: its logic is no chart. */
  readonly definition: Chart | null;
  readonly snapshot: ShownSnapshot;
  readonly children: readonly ShownChild[];
  /** Of the children. */
  readonly charts: Readonly<Record<string, Chart>>;
  /** The last of what happened since somebody looked on, if that is no longer ago than a minute; at most 50. */
  readonly recent: readonly RecentSeen[];
};

type Seen = {
  /** As text; `node` is where it was seen, on whose wall clock `atMs` is. */
  readonly address: string;
  readonly node: string;
  /** Of a child, the ids that lead to it, joined by '/'; '' is the actor itself. */
  readonly path: string;
  readonly atMs: number;
};

export type InspectItem =
  /** Followed from now on, or a child that was made. `chart`: the name of its chart in `charts` of this batch or an earlier one. */
  | (Seen & { readonly type: 'actor'; readonly src: string; readonly chart: string | null; readonly snapshot: ShownSnapshot })
  | (Seen & {
      readonly type: 'event';
      readonly event: unknown;
      /** Who sent it: an address as text, or a node's name; '' where nobody knows. */
      readonly source: string;
      readonly correlation: string;
    })
  /** After an event; `event` null: nobody knows after which. */
  | (Seen & {
      readonly type: 'snapshot';
      readonly snapshot: ShownSnapshot;
      readonly event: unknown;
      readonly correlation: string;
    })
  | (Seen & { readonly type: 'ended'; readonly reason: string })
  /** A node that is followed, too, or that is not (any more) and why. */
  | { readonly type: 'node'; readonly node: string; readonly atMs: number; readonly failure: Failure | null };

export type InspectBatch = {
  readonly items: readonly InspectItem[];
  readonly charts: Readonly<Record<string, Chart>>;
  /** Items that were more than `perSecond` since the batch before. */
  readonly leftOut: number;
};

export type FollowWanted = {
  /** At most 64. One without a node is followed wherever it lives, and while it moves; one of the runtime's at this node. */
  readonly addresses?: readonly ActorAddress[];
  /** All actors of these types: at most 16; of all that are wanted, 256 at a node. */
  readonly types?: readonly string[];
  /** Actors of `types` at this node only (the default), or at every member. */
  readonly scope?: 'node' | 'cluster';
  /** Only events with this correlation, and what they lead to. */
  readonly correlation?: string;
  /** Of each node, 1 to 5 000, default 500. */
  readonly perSecond?: number;
};

export interface InspectApi {
  /** The actors of this node, the runtime's own (type `polity`) among them. */
  list(query: InspectQuery): Outcome<ActorPage>;
  /** Those of all members, or of one by its name, asked side by side; who did not answer in time is named. */
  listAll(query: InspectQuery & { node?: string; timeoutMs?: number }, done: (outcome: Outcome<ActorPage>) => void): void;
  /** Wherever it lives. ACTOR_NOT_FOUND: it lives nowhere that could be asked. */
  describe(address: ActorAddress, options: { timeoutMs?: number }, done: (outcome: Outcome<ActorDescription>) => void): void;
  /**
   * What happens from now on, first what is there: batches, at most 20 a second. A reader must take what he is given, or end. `ended` once,
   * unless he ended it. Returns what ends it.
   */
  follow(wanted: FollowWanted, on: (batch: InspectBatch) => void, ended: (why: Failure) => void): () => void;
}

export const inspectLimits = {
  listDefault: 100,
  listMax: 1_000,
  addressesMax: 64,
  typesMax: 16,
  /** Followed by one reader at one node. */
  actorsMax: 256,
  perSecond: 500,
  perSecondMax: 5_000,
  correlationCharsMax: 128,
  flushMs: 50,
  recentMax: 50,
  recentMs: 60_000,
  /** Actors of which what happens is kept for those who ask again. */
  watchedMax: 256,
  followsMax: 64,
  childrenMax: 64,
  /** Of a description, as JSON. */
  childChartsCharsMax: 256 << 10,
  membersMax: 256,
  timeoutMs: 5_000,
  timeoutMsMax: 60_000,
} as const;
