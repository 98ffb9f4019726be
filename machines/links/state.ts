// What a node remembers of its links. Every field says what is always true of it.
import { type RandomState, randomFrom } from '../random.ts';
import {
  type LinkMember,
  type LinksEffect,
  type LinksOptions,
  type PeerId,
  provedMax,
  type Regime,
  strangersMax,
} from './types.ts';

/** Somebody whose addresses are known. */
export type Known = {
  name: string | null;
  /** The last that were said; may be empty. */
  addresses: readonly string[];
  /** `stranger`: no member, or not yet. */
  standing: LinkMember['standing'] | 'stranger';
  /** Who is not live is kept until then, while everybody keeps everybody. */
  lapsesMs: number;
};

export type Open = {
  /** When anything but a beat last went over it, or it was opened. */
  usedMs: number;
  /** This node opened it, so it is this node's to end. */
  ours: boolean;
  /** Ended, if the other end agrees: not asked again before. */
  askMs: number;
};

export type LinksState = {
  readonly self: PeerId;
  readonly options: LinksOptions;
  readonly random: RandomState;
  regime: Regime;
  readonly known: Map<PeerId, Known>;
  /**
   * Addresses at which they answered, though they may not say them themselves: whoever stands behind another's port does not know how
   * others see him. The latest of each peer, of the latest peers.
   */
  readonly proved: Map<PeerId, { address: string; atMs: number }>;
  /** Of those known, the live ones; in the order in which membership told them. */
  live: PeerId[];
  needed: ReadonlySet<PeerId>;
  neededNames: ReadonlySet<string>;
  /** Live, each of them; empty while everybody keeps everybody. */
  readonly neighbours: Set<PeerId>;
  /** All of whom they were drawn: live and with an address. */
  readonly drawnFrom: Set<PeerId>;
  /** What was told to the network, by peer: its addresses in one text. */
  readonly kept: Map<PeerId, string>;
  /** A dial on demand is under way. */
  readonly dialling: Set<PeerId>;
  /** Answered a dial of this node's and is not open yet. */
  readonly expected: Set<PeerId>;
  /** Could not be dialled; not before then again. */
  readonly refused: Map<PeerId, number>;
  readonly open: Map<PeerId, Open>;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;
  /** When idle connections are looked for next. */
  sweepMs: number;
};

export const createLinks = (args: { self: PeerId; options: LinksOptions; seed: number; nowMs: number }): LinksState => ({
  ...{ self: args.self, options: args.options, random: randomFrom(args.seed), regime: 'all' },
  ...{
    known: new Map(),
    proved: new Map(),
    live: [],
    needed: new Set(),
    neededNames: new Set(),
    neighbours: new Set(),
    drawnFrom: new Set(),
  },
  ...{ kept: new Map(), dialling: new Set(), expected: new Set(), refused: new Map(), open: new Map() },
  ...{ deadlineMs: Number.POSITIVE_INFINITY, sweepMs: args.nowMs },
});

export type Turn = { readonly nowMs: number; readonly effects: LinksEffect[] };

/** Of who is no member the addresses are remembered, of so many; the oldest is forgotten for the newest. */
export const rememberStranger = (state: LinksState, peer: PeerId, addresses: readonly string[], nowMs: number): void => {
  const lapsesMs = nowMs + state.options.lapseMs;
  state.known.delete(peer);
  state.known.set(peer, { name: null, addresses, standing: 'stranger', lapsesMs });
  let strangers = 0;
  for (const { standing } of state.known.values()) if (standing === 'stranger') strangers++;
  if (strangers <= strangersMax) return;
  for (const [oldest, { standing }] of state.known)
    if (standing === 'stranger' && !state.needed.has(oldest)) return void state.known.delete(oldest);
};

/** What it says itself first. */
export const addressesOf = (state: LinksState, peer: PeerId): readonly string[] => {
  const said = state.known.get(peer)?.addresses ?? [];
  const proved = state.proved.get(peer)?.address;
  return proved === undefined || said.includes(proved) ? said : [...said, proved];
};

/** It answered there. */
export const prove = (state: LinksState, turn: Turn, peer: PeerId, address: string): void => {
  state.proved.delete(peer);
  state.proved.set(peer, { address, atMs: turn.nowMs });
  if (state.proved.size > provedMax) for (const oldest of state.proved.keys()) return void state.proved.delete(oldest);
};

/** Somebody who lives answered there a moment ago: to ask again who does tells nothing new, for a while. */
export const isProved = (state: LinksState, address: string, nowMs: number): boolean => {
  for (const [peer, proved] of state.proved)
    if (nowMs - proved.atMs < state.options.provedMs && proved.address === `${address}/p2p/${peer}`)
      return state.known.get(peer)?.standing === 'live';
  return false;
};
