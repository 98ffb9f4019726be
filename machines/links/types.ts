// The words of links: to whom a node keeps a connection, to whom it opens one when there is something to say, and which of those it
// ends again (decision 3: direct lanes, opened on demand and bounded per node).

export type PeerId = string;

/** What membership says of somebody; whom it thinks failed or gone is not live. */
export type LinkMember = {
  peer: PeerId;
  name: string;
  addresses: readonly string[];
  standing: 'live' | 'gone' | 'evicted';
};

export type LinksOptions = {
  /** Up to so many live members everybody keeps everybody. */
  linksMax: number;
  /** How many are kept, at random, when there are more; so that everybody is connected to everybody over a few others. */
  neighbours: number;
  /** Who is gone, or was known before membership began, is kept for so long, while everybody keeps everybody. */
  lapseMs: number;
  /** A connection that is not kept, and over which nothing but beats went for so long, is ended. */
  idleMs: number;
  /** A member that could not be dialled on demand is not dialled again for so long. */
  refusedMs: number;
  /** Where a live member answered nobody else is looked for, for so long. */
  provedMs: number;
};

export const linksDefaults: LinksOptions = {
  ...{ linksMax: 48, neighbours: 12, lapseMs: 60_000, idleMs: 30_000, refusedMs: 500, provedMs: 60_000 },
};

/** Addresses are remembered of so many that are no members (yet). */
export const strangersMax = 1_000;
export const provedMax = 256;

/** Everybody keeps everybody again when so few are left: between the two nothing changes. */
export const linksLow = ({ linksMax }: LinksOptions): number => Math.floor((linksMax * 5) / 6);

/** Connections in all, those of others among them; more are ended by agreement, those first that were used least recently. */
export const openMax = ({ linksMax }: LinksOptions): number => 4 * linksMax;

/** `all`: few enough that everybody keeps everybody. `some`: groups, neighbours, and whoever is needed at the moment. */
export type Regime = 'all' | 'some';

export type LinksEvent =
  /** Time has passed. */
  | { type: 'wake' }
  /** Everybody that membership knows now, this node left out. */
  | { type: 'members'; members: readonly LinkMember[] }
  /** Addresses of somebody who may be no member: from the disk, or from the connection itself. */
  | { type: 'told'; peer: PeerId; addresses: readonly string[] }
  /** It answered at this address, which may be none that it says. */
  | { type: 'proved'; peer: PeerId; address: string }
  /** Members of this node's groups, and names of those with whom it forms a cluster. */
  | { type: 'needed'; peers: readonly PeerId[]; names: readonly string[] }
  | { type: 'opened' | 'closed'; peer: PeerId }
  /** There is something to say to a member without a connection. */
  | { type: 'wanted'; peer: PeerId }
  /** A dial of this node's, on demand or not, found this peer; or one on demand did not. */
  | { type: 'dialled'; peer: PeerId; ok: boolean }
  /** Asked to end a connection, the other end would rather not: it is the other's from now on. */
  | { type: 'stays'; peer: PeerId };

export type LinksEffect =
  /** Keep a connection to this peer; again when its addresses change. */
  | { type: 'keep'; peer: PeerId; addresses: readonly string[] }
  /** Keep it no longer; what is open stays open. */
  | { type: 'release'; peer: PeerId }
  /** Try once; `dialled` is the answer. */
  | { type: 'dial'; peer: PeerId; addresses: readonly string[] }
  /** End the connection if the other end agrees; `closed` or `stays` is the answer. */
  | { type: 'part'; peer: PeerId }
  /** End the connection and forget the peer. */
  | { type: 'disconnect'; peer: PeerId };
