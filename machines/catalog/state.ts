// What one node remembers of who offers what, and how a step collects what it wants done. Every field says what is always true of it.
import { InvariantBroken } from '../invariant.ts';
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import { catalogLimits as max } from './limits.ts';
import type {
  Behind,
  CatalogChange,
  CatalogEffect,
  CatalogMessage,
  CatalogOptions,
  CatalogRefusal,
  Entry,
  OfferId,
  PeerId,
  Told,
} from './types.ts';

/** An offer, or that it was withdrawn: what is older is not believed any more. */
export type Kept = {
  readonly id: OfferId;
  readonly sequence: number;
  /** Null: withdrawn. */
  readonly entry: Entry | null;
  readonly bytes: number;
  /** Its part of the owner's hash. */
  readonly hash: number;
  /** Heard from the owner itself: no hearsay outdoes it but of a later word. */
  isOwnWord: boolean;
  /** It ends then, or when its owner's do, whichever is later. Withdrawn: it is forgotten then. */
  endsMs: number;
};

export type Owner = {
  readonly peer: PeerId;
  readonly epoch: number;
  /** By the text of their ids; at most `ownerOffersMax` are offers, and as many were withdrawn. */
  readonly kept: Map<string, Kept>;
  /** Of those kept, the offers: how many, and a hash of all. */
  count: number;
  hash: number;
  bytes: number;
  /** Its word with the highest number, or null. */
  told: Told | null;
  /** It was heard from the owner. */
  isOwnWord: boolean;
  /** All that it offers was known here, and held until then by its word. */
  endsMs: number;
  heardMs: number;
  /** Something else is known here than it says: to be asked for then; Infinity: nothing is. */
  askAtMs: number;
  tries: number;
  /** It has left: nothing more is heard of this life of it. */
  hasLeft: boolean;
};

/** All offers of one name, those of the highest version first. */
export type Named = { readonly name: string; readonly entries: Entry[]; revision: number; asked: PlainLookup | null };

/** The last look-up of a name that said nothing else but kind and range, and its key: the same text is found at once. */
export type PlainLookup = { readonly kind: string | undefined; readonly range: string | undefined; readonly key: string };

/** An answer that is awaited. */
export type Asked = { readonly to: PeerId; readonly behind: Behind | null; endMs: number; readonly pages: number };

export type Peer = { readonly peer: PeerId; at: number };

/** What look-ups found; true while the name's revision is the same and nothing of it has ended. */
export type Cached = {
  readonly found: { readonly ok: true; readonly entries: readonly Entry[] };
  readonly revision: number;
  readonly untilMs: number;
};

export type CatalogState = {
  readonly self: PeerId;
  readonly options: CatalogOptions;
  /** Tests and the simulator check the costly invariants too. */
  readonly checkAll: boolean;
  readonly random: RandomState;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;

  readonly owners: Map<PeerId, Owner>;
  /** Names of owners in order, or null when they have to be sorted anew. */
  ownerOrder: readonly PeerId[] | null;
  /** This node as an owner. */
  readonly own: Owner;
  /** Number of its last word; only rises. */
  said: number;
  nextRenewMs: number;

  readonly names: Map<string, Named>;
  /** All names, sorted. */
  readonly nameOrder: string[];
  readonly cached: Map<string, Cached>;
  /** Raised by every change of what is offered. */
  revision: number;
  offers: number;
  bytes: number;

  readonly peers: Map<PeerId, Peer>;
  readonly peerList: Peer[];
  /** Thrown out, oldest first. */
  readonly evicted: Set<PeerId>;

  /** Everything that is offered was asked for once, since the start. */
  hasJoined: boolean;
  joinAtMs: number;
  joinTries: number;
  /** How far that has come. */
  joinBehind: Behind | null;
  /** By owner; under null, all. */
  readonly asked: Map<PeerId | null, Asked>;
  /** Owners whose `askAtMs` is finite. */
  readonly differing: Set<Owner>;
  /** No owner is to be asked for, and no answer is overdue, before. */
  nextAskMs: number;
  /** Pages given in the second that began then. */
  readonly answers: { secondMs: number; all: number; readonly of: Map<PeerId, number> };
  nextSweepMs: number;
};

export type CatalogInput = {
  self: PeerId;
  /** Starts of this process, on its disk. */
  epoch: number;
  /** Number of the last word that this process has said: an earlier one like this, in the same process, ended. */
  said: number;
  options: CatalogOptions;
  seed: number;
  nowMs: number;
  checkAll: boolean;
};

export const createOwner = (peer: PeerId, epoch: number, nowMs: number): Owner => ({
  ...{ peer, epoch, kept: new Map(), count: 0, hash: 0, bytes: 0, told: null, isOwnWord: false },
  ...{ endsMs: Number.NEGATIVE_INFINITY, heardMs: nowMs, askAtMs: Number.POSITIVE_INFINITY, tries: 0, hasLeft: false },
});

const checkInput = ({ self, epoch, said, options }: CatalogInput): void => {
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new InvariantBroken('catalog-input', what);
  };
  demand(self.length > 0 && self.length <= max.peerCharsMax, `this node is called ${self}`);
  demand(Number.isSafeInteger(epoch) && epoch >= 0 && epoch <= max.epochMax, `epoch ${epoch}`);
  demand(Number.isSafeInteger(said) && said >= 0 && said <= max.sequenceMax, `said ${said}`);
  for (const [name, value] of Object.entries(options)) demand(Number.isFinite(value) && value > 0, `${name} is ${value}`);
  demand(2 * options.renewMs <= options.ttlMs, 'an offer ends when one renewal is lost');
  demand(options.askMsMin <= options.askMsMax, 'askMsMin is above askMsMax');
  // Whoever is forgotten could be heard again in an older life.
  demand(options.rememberMs >= 2 * options.ttlMs, 'an owner is forgotten while its word may still be on its way');
};

/** Throws `InvariantBroken` for options that contradict each other. */
export const createCatalog = (input: CatalogInput): CatalogState => {
  checkInput(input);
  const { self, epoch, said, options, seed, nowMs, checkAll } = input;
  const own = createOwner(self, epoch, nowMs);
  own.endsMs = Number.POSITIVE_INFINITY;
  return {
    ...{ self, options, checkAll, random: randomFrom(seed), deadlineMs: nowMs },
    ...{ owners: new Map([[self, own]]), ownerOrder: null, own, said, nextRenewMs: Number.POSITIVE_INFINITY },
    ...{ names: new Map(), nameOrder: [], cached: new Map(), revision: 0, offers: 0, bytes: 0 },
    ...{
      peers: new Map(),
      peerList: [],
      evicted: new Set(),
      hasJoined: false,
      joinAtMs: nowMs,
      joinTries: 0,
      joinBehind: null,
    },
    ...{ asked: new Map(), differing: new Set(), nextAskMs: nowMs },
    ...{ answers: { secondMs: nowMs, all: 0, of: new Map() }, nextSweepMs: nowMs + options.sweepMs },
  };
};

// ---------------------------------------------------------------- a step

export type Turn = { readonly nowMs: number; readonly effects: CatalogEffect[]; readonly changes: CatalogChange[] };

export const send = (turn: Turn, to: PeerId, message: CatalogMessage): void =>
  void turn.effects.push({ type: 'send', to, message });

export const refuse = (turn: Turn, peer: PeerId, code: CatalogRefusal, message: string): void =>
  void turn.effects.push({ type: 'refused', code, message, peer });

/** Between 3/4 and 5/4 of it, so that nodes that began together do not stay in step. */
export const about = ({ random }: CatalogState, ms: number): number => ms * (0.75 + nextBetween(random, 0, 1_024) / 2_048);

// ---------------------------------------------------------------- peers

export const meetPeer = ({ peers, peerList }: CatalogState, peer: PeerId): void => {
  if (peers.has(peer) || peerList.length >= max.peersMax) return;
  const met: Peer = { peer, at: peerList.length };
  peers.set(peer, met);
  peerList.push(met);
};

export const losePeer = ({ peers, peerList }: CatalogState, peer: PeerId): void => {
  const lost = peers.get(peer);
  if (lost === undefined) return;
  peers.delete(peer);
  const last = peerList.pop()!;
  if (last === lost) return;
  peerList[lost.at] = last;
  last.at = lost.at;
};

export const anyPeer = ({ peerList, random }: CatalogState): PeerId | null =>
  peerList.length === 0 ? null : peerList[nextBetween(random, 0, peerList.length)]!.peer;
