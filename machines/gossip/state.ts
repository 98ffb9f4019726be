// What one node remembers of all that was announced, and how a step collects what it wants done.
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import { gossipLimits } from './limits.ts';
import { addSource, createSources, know, type Source, type Sources } from './sources.ts';
import { createStore, type Store } from './store.ts';
import type { GossipCounts, GossipEffect, GossipMessage, GossipOptions, PeerId, RefusalCode } from './types.ts';

/** Somebody with whom there is a connection. */
export type Peer = {
  readonly peer: PeerId;
  /** Starts of its process, by its own word. */
  epoch: number;
  /** Place in `peers.list`. */
  at: number;
  /** Answers given to it in the second that began then. */
  secondMs: number;
  answers: number;
};

export type Peers = { readonly of: Map<PeerId, Peer>; readonly list: Peer[] };

export type GossipState = {
  readonly self: PeerId;
  readonly options: GossipOptions;
  /** Tests and the simulator check the costly invariants too. */
  readonly checkAll: boolean;
  readonly random: RandomState;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;

  readonly sources: Sources;
  readonly store: Store;
  /** This node as a source. */
  readonly own: Source;
  /** Number of what it said last; only rises. */
  said: number;

  readonly peers: Peers;
  /** Thrown out, oldest first. */
  readonly evicted: Set<PeerId>;

  nextExchangeMs: number;
  exchangeEveryMs: number;
  /** With whom the last exchange was begun, while it has not answered. */
  awaited: PeerId | null;
  /** Exchanges that may be begun because somebody is met, as of then. */
  greetings: { left: number; atMs: number };
  nextAskMs: number;
  nextSweepMs: number;

  readonly counts: GossipCounts;
};

export type GossipInput = {
  self: PeerId;
  /** Starts of this process, on its disk. */
  epoch: number;
  /** What this process has said already: an earlier one like this, in the same process, ended. */
  said: number;
  options: GossipOptions;
  seed: number;
  nowMs: number;
  checkAll: boolean;
};

export const createGossip = ({ self, epoch, said, options, seed, nowMs, checkAll }: GossipInput): GossipState => {
  const sources = createSources();
  const own = addSource(sources, self, epoch, nowMs);
  know(sources, own, 1, said);
  own.settled = said;
  return {
    ...{ self, options, checkAll, random: randomFrom(seed), deadlineMs: Number.POSITIVE_INFINITY },
    ...{ sources, store: createStore(), own, said, peers: { of: new Map(), list: [] }, evicted: new Set() },
    ...{ nextExchangeMs: Number.POSITIVE_INFINITY, exchangeEveryMs: options.exchangeMinMs, awaited: null },
    ...{ greetings: { left: gossipLimits.greetingsMax, atMs: nowMs }, nextAskMs: Number.POSITIVE_INFINITY },
    nextSweepMs: nowMs + options.rememberMs / 16,
    counts: { published: 0, delivered: 0, duplicates: 0, repaired: 0, late: 0, expired: 0, gaps: 0, evicted: 0 },
  };
};

// ---------------------------------------------------------------- a step

export type Turn = { readonly nowMs: number; readonly effects: GossipEffect[] };

export const send = (turn: Turn, to: PeerId, message: GossipMessage): void =>
  void turn.effects.push({ type: 'send', to, message });

export const refuse = (turn: Turn, peer: PeerId, code: RefusalCode, message: string): void =>
  void turn.effects.push({ type: 'refused', code, message, peer });

/** Between 3/4 and 5/4 of it, so that nodes that began together do not stay in step. */
export const about = ({ random }: GossipState, ms: number): number => ms * (0.75 + nextBetween(random, 0, 1_024) / 2_048);

// ---------------------------------------------------------------- peers

export const meetPeer = ({ of, list }: Peers, peer: PeerId, epoch: number, nowMs: number): void => {
  const known = of.get(peer);
  if (known !== undefined) {
    known.epoch = epoch;
    return;
  }
  if (list.length >= gossipLimits.peersMax) return;
  const met: Peer = { peer, epoch, at: list.length, secondMs: nowMs, answers: 0 };
  of.set(peer, met);
  list.push(met);
};

export const losePeer = ({ of, list }: Peers, peer: PeerId): void => {
  const lost = of.get(peer);
  if (lost === undefined) return;
  of.delete(peer);
  const last = list.pop()!;
  if (last === lost) return;
  list[lost.at] = last;
  last.at = lost.at;
};

export const anyPeer = ({ peers, random }: GossipState): Peer | null =>
  peers.list.length === 0 ? null : peers.list[nextBetween(random, 0, peers.list.length)]!;
