// What both sides of a repair keep and count. Who is asked keeps nothing but a list of whom it answers: each ask holds all that its
// answer needs.
import { nextUint32, type RandomState } from '../random.ts';
import { digestOf, type Path, type Place, saltBytes, sameBytes } from './places.ts';
import { repairLimits as max } from './repair-limits.ts';
import type { Ask, Item, RepairMessage, StateRecord } from './repair-messages.ts';
import type { Trie } from './trie.ts';

export type PeerId = string;

/** What repair needs of the objects. */
export type RepairStore = {
  /** Of all objects, with the forms that `formOf` answers. */
  readonly trie: Trie;
  /** The canonical bytes of an object as it is now, with its type; null: there is none. Not to be changed by anybody. */
  formOf(key: string): Uint8Array | null;
  /**
   * Joins a state, checked, and tells the trie; keeps no part of `form` itself. 'refused': it is none, or of another type than the
   * object has here. 'unwanted': it was removed for good, so that nothing of it is to come back.
   */
  join(key: string, form: Uint8Array): 'joined' | 'unwanted' | 'refused';
};

export type RepairCounts = {
  asks: number;
  /** States that were joined here, and states that were sent to be joined there. */
  received: number;
  given: number;
  /** Of those received: not the one that was promised, because the object changed meanwhile or the peer lies. Joined all the same. */
  unpromised: number;
  /** Objects that were still not the same on both sides after they had gone to and fro. */
  unequal: number;
  /** Objects that came though they were removed for good. */
  unwanted: number;
  /** States that were none for this node, or for the peer: a type that differs, or damage. The others are repaired all the same. */
  refused: number;
  /** Objects that are too large to travel. */
  oversized: number;
  /** Objects that were asked for and did not come: there they are too large, or gone. */
  withheld: number;
};

/**
 * `same`: there was nothing to do. `repaired`: what each had at the start the other has now. `yielded`: the peer began one too, which
 * goes on instead. `busy`: not now. `silent`: no answer in time. `refused`: the peer said what cannot be true. `cut`: a limit was
 * reached. After any but the first two, what came is joined and the rest is found by the next exchange.
 */
export type Outcome = 'same' | 'repaired' | 'yielded' | 'busy' | 'silent' | 'refused' | 'cut';

export type RepairTurn = {
  readonly nowMs: number;
  readonly sends: { to: PeerId; message: RepairMessage }[];
  readonly ended: { peer: PeerId; outcome: Outcome; counts: RepairCounts }[];
};

/** `promised` stands for the states that the peer said it has; null: it said nothing. */
export type Want = { place: Place; promised: readonly Uint8Array[] | null; hops: number };
export type Give = { key: string; hops: number };
/** Whatever is here under a path, but what the other has too. */
export type Giving = { path: Path; except: readonly Item[] };

export type UnderWay = { paths: Path[]; wants: Want[]; gives: Give[] };

export type Exchange = {
  readonly id: number;
  readonly salt: Uint8Array;
  /** Nothing of what is here is given. */
  readonly takesOnly: boolean;
  /** Turns in which digests may still be made before the first ask. */
  patience: number;
  /** Branches to be compared: the last first, so that few are remembered. */
  readonly paths: Path[];
  readonly giving: Giving[];
  readonly gives: Give[];
  readonly wants: Want[];
  readonly underWay: Map<number, UnderWay>;
  readonly counts: RepairCounts;
  /** The roots were not the same. */
  differs: boolean;
  /** When the peer was last heard. */
  movedMs: number;
};

export type RepairState = {
  readonly self: PeerId;
  readonly store: RepairStore;
  readonly random: RandomState;
  readonly exchanges: Map<PeerId, Exchange>;
  /** Peers that are answered, and when each last asked. */
  readonly served: Map<PeerId, number>;
  /** First asks that wait until digests are made, of peers that are served, and the turns in which they may still be made for each. */
  readonly waiting: Map<PeerId, { ask: Ask; patience: number }>;
};

export type RepairOptions = { self: PeerId; store: RepairStore; random: RandomState };

export const createRepair = ({ self, store, random }: RepairOptions): RepairState => ({
  ...{ self, store, random, exchanges: new Map(), served: new Map(), waiting: new Map() },
});

export const createTurn = (nowMs: number): RepairTurn => ({ nowMs, sends: [], ended: [] });

const randomBytes = (random: RandomState, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => nextUint32(random) >>> 24);

/** Twice what it takes if nothing changes meanwhile; a node that is written to faster than that compares what digests it has. */
export const patienceOf = ({ store: { trie } }: RepairState): number => 2 + 2 * Math.ceil(trie.size / max.renewedPerTurnMax);

export const createExchange = (state: RepairState, nowMs: number, takesOnly = false): Exchange => ({
  takesOnly,
  id: nextUint32(state.random),
  salt: randomBytes(state.random, saltBytes),
  patience: patienceOf(state),
  ...{ paths: [], giving: [], gives: [], wants: [], underWay: new Map() },
  counts: { asks: 0, received: 0, given: 0, unpromised: 0, unequal: 0, unwanted: 0, refused: 0, oversized: 0, withheld: 0 },
  differs: false,
  movedMs: nowMs,
});

/** Makes some of the digests that are missing; true: none is left. */
export const prepare = ({ store: { trie } }: RepairState): boolean => trie.renew(max.renewedPerTurnMax);

export const recordBytes = ([key, form]: StateRecord): number => 3 * key.length + form.byteLength + 16;

/** The digest of the object as it is here; null: there is none. Always made of what is here, never taken from what a peer says. */
export const digestHere = ({ store: { trie } }: RepairState, key: string, place: Place): Uint8Array | null => {
  const slot = trie.slotsAt(place).find((each) => trie.keyOf(each) === key);
  return slot === undefined ? null : trie.freshDigest(slot);
};

export type JoinedState = {
  end: 'joined' | 'unwanted' | 'refused';
  /** Of what came. */
  came: Uint8Array;
  /** Of the object here afterwards; a view, for the moment. */
  here: Uint8Array | null;
  isEqual: boolean;
};

/** Joins a state that came, and looks what the object is here afterwards. */
export const joinState = (state: RepairState, [key, form]: StateRecord, place: Place): JoinedState => {
  const came = digestOf(key, form);
  const end = state.store.join(key, form);
  const here = digestHere(state, key, place);
  return { end, came, here, isEqual: here !== null && sameBytes(here, came) };
};
