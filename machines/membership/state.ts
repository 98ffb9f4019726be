// What one node remembers of all, and how a step collects what it wants done. Every field says what is always true of it.

import { InvariantBroken } from '../invariant.ts';
import { nextBetween, type RandomState, randomFrom } from '../random.ts';
import { membershipLimits } from './limits.ts';
import { messageBytes } from './messages.ts';
import { isGone, type Standing } from './order.ts';
import { profileRefusal, refusalText, withRoom } from './profile.ts';
import { addMember, bucketOf, createTable, digestOf, type Member, rootOf, type Table } from './table.ts';
import type {
  Change,
  Contact,
  Fact,
  MembershipEffect,
  MembershipMessage,
  MembershipOptions,
  MessageLane,
  PeerId,
  Profile,
  WarnCode,
} from './types.ts';
import { createUpdates, type Updates } from './updates.ts';

export type Phase =
  /** Says nothing until its incarnation is durable. */
  | 'starting'
  | 'member'
  /** Has said that it leaves and waits until enough have heard it. */
  | 'leaving'
  | 'left'
  | 'evicted';

/** A probe that waits for its answer. */
export type Probe = {
  target: PeerId;
  sequence: number;
  /** When others are asked; Infinity afterwards. */
  askAtMs: number;
  endMs: number;
  /** Who was asked, and of them who tried in vain. */
  helpers: PeerId[];
  nacks: PeerId[];
};

/** A probe on behalf of another, under a sequence of our own. */
export type Relay = { asker: PeerId; sequence: number; target: PeerId; endMs: number };

export type Suspicion = {
  /** This node has itself failed to reach it. Only who has may declare it failed. */
  mine: boolean;
  /** Who failed to reach it, this node among them if `mine`; each once. */
  accusers: PeerId[];
  startedMs: number;
  /** If `mine`, when it is failed; else, when this node tries for itself. */
  endMs: number;
  /** When it is tried again; Infinity = not by this node. */
  tryAtMs: number;
};

export type Exchange = {
  /** Buckets that differ and are not yet compared; null before the other's digests are known. */
  left: number[] | null;
  attempts: number;
  againAtMs: number;
  /** The other may not know us. */
  introduces: boolean;
  found: boolean;
};

export type Leave = { endMs: number; tryAtMs: number; sequences: Set<number>; heardBy: Set<PeerId>; needed: number };

export type MembershipState = {
  readonly self: PeerId;
  readonly options: MembershipOptions;
  /** Tests and the simulator check the costly invariants too. */
  readonly checkAll: boolean;
  readonly random: RandomState;
  phase: Phase;
  /** When `wake` is wanted; Infinity = never. */
  deadlineMs: number;

  /** ≤ durable, except while starting. */
  incarnation: number;
  profileAt: number;
  profile: Profile;
  /** No incarnation above this is ever said; the disk has it. */
  durable: number;
  /** The highest that the disk was asked to keep; ≥ durable. */
  persisting: number;
  /** The incarnation to take as soon as it is durable, or 0. */
  wanted: number;
  /** What to say of itself with the next incarnation, or null. */
  nextProfile: Profile | null;
  profileFromMs: number;
  /** When a load that differs may be said. */
  loadFromMs: number;

  readonly table: Table;
  readonly updates: Updates;
  /** Lifeguard's local health multiplier, 0 (well) to 8: how far this node distrusts itself. */
  health: number;

  /** Members in the order in which they are probed, drawn anew when all were. */
  ring: Member[];
  ringAt: number;
  urgent: PeerId[];
  nextProbeMs: number;
  sequence: number;
  probe: Probe | null;
  readonly relays: Map<number, Relay>;
  /** Of exactly the members that are suspect. */
  readonly suspicions: Map<PeerId, Suspicion>;
  /** No suspicion ends or is tried again before; so that many of them cost nothing until then. */
  judgeAtMs: number;

  /** When news leaves; Infinity while there is none. */
  gossipAtMs: number;
  gossipedMs: number;

  readonly exchanges: Map<PeerId, Exchange>;
  nextExchangeMs: number;
  exchangeEveryMs: number;
  /** An exchange has been finished: what pages tell from now on is news to others too. */
  settled: boolean;

  contacts: readonly Contact[];
  nextHealMs: number;
  /** No member is to be forgotten, or to fade, before. */
  forgetAtMs: number;
  leave: Leave | null;
  warnedMs: Map<WarnCode, number>;
};

export class ProfileRefused extends Error {
  readonly code: 'PROFILE_TOO_LARGE' | 'PROFILE_MALFORMED';
  constructor(code: 'PROFILE_TOO_LARGE' | 'PROFILE_MALFORMED', profile: Profile) {
    super(`${code}: what this node says of itself would be refused by others: ${refusalText(profile, code)}`);
    this.name = 'ProfileRefused';
    this.code = code;
  }
}

/**
 * `restored` is the incarnation last made durable (0 on an empty disk): the first one said is above it. Throws `ProfileRefused`.
 */
export const createMembership = (args: {
  self: PeerId;
  profile: Profile;
  options: MembershipOptions;
  restored: number;
  seed: number;
  nowMs: number;
  checkAll?: boolean;
}): MembershipState => {
  const { self, options, restored, nowMs } = args;
  const profile = withRoom(args.profile);
  const refusal = profileRefusal(profile);
  if (refusal !== null) throw new ProfileRefused(refusal, profile);
  const room = membershipLimits.incarnationMax - membershipLimits.incarnationJumpMax;
  if (!(Number.isSafeInteger(restored) && restored >= 0 && restored < room))
    throw new InvariantBroken('restored-incarnation', `${restored} is none`);
  const random = randomFrom(args.seed);
  const incarnation = restored + 1;
  const state: MembershipState = {
    ...{ self, options, checkAll: args.checkAll ?? false, random, phase: 'starting', deadlineMs: nowMs },
    ...{ incarnation, profileAt: incarnation, profile, durable: restored, persisting: restored },
    ...{ wanted: incarnation, nextProfile: null, profileFromMs: nowMs, loadFromMs: nowMs },
    ...{ table: createTable(), updates: createUpdates(), health: 0 },
    ...{ ring: [], ringAt: 0, urgent: [], sequence: 0, probe: null, relays: new Map(), suspicions: new Map() },
    judgeAtMs: Number.POSITIVE_INFINITY,
    nextProbeMs: nowMs + nextBetween(random, 0, options.probeMs),
    ...{ gossipAtMs: Number.POSITIVE_INFINITY, gossipedMs: Number.NEGATIVE_INFINITY },
    ...{ exchanges: new Map(), exchangeEveryMs: options.exchangeMinMs, settled: false },
    nextExchangeMs: nowMs + nextBetween(random, 0, options.exchangeMinMs),
    ...{ contacts: [], nextHealMs: nowMs, forgetAtMs: Number.POSITIVE_INFINITY, leave: null, warnedMs: new Map() },
  };
  return state;
};

/** Begins as one of many that know each other already, as after a long quiet time (simulator, tests). */
export const acquaint = (
  state: MembershipState,
  members: readonly { peer: PeerId; incarnation: number; profile: Profile }[],
  nowMs: number,
): void => {
  for (const { peer, incarnation, profile } of members)
    if (peer !== state.self)
      addMember(state.table, peer, { incarnation, status: 'alive', profileAt: incarnation, profile }, nowMs);
  state.settled = true;
  state.exchangeEveryMs = state.options.exchangeMaxMs;
  state.nextExchangeMs = nowMs + nextBetween(state.random, 0, state.options.exchangeMaxMs);
};

// ---------------------------------------------------------------- one step

export type Turn = {
  readonly nowMs: number;
  readonly effects: MembershipEffect[];
  readonly changes: Change[];
  /** What whoever this step hears from must hear before anything else (Lifeguard's buddy system). */
  first: Fact[];
  /** This node was given up by whoever it hears from, and so was told nothing for a while. */
  missed: boolean;
  /** The last effect of all, if this node is a member no longer. */
  ended: 'left' | 'evicted' | null;
};

export const createTurn = (nowMs: number): Turn => ({ nowMs, effects: [], changes: [], first: [], missed: false, ended: null });

export const send = (turn: Turn, to: PeerId[], message: MembershipMessage, lane: MessageLane = 'control'): void => {
  if (to.length > 0) turn.effects.push({ type: 'send', to, lane, message });
};

/** What an exchange says may be as long as a hundred probes: only so much of it goes before them. */
export const sendLong = ({ options }: MembershipState, turn: Turn, to: PeerId, message: MembershipMessage): void =>
  send(turn, [to], message, messageBytes(message) > options.bulkBytes ? 'bulk' : 'control');

const warnEveryMs = 1_000;

/** Of one kind at most one a second: others decide how often. */
export const warn = (state: MembershipState, turn: Turn, code: WarnCode, peer: PeerId | null, message: string): void => {
  if (turn.nowMs < (state.warnedMs.get(code) ?? Number.NEGATIVE_INFINITY) + warnEveryMs) return;
  state.warnedMs.set(code, turn.nowMs);
  turn.effects.push({ type: 'warn', code, message, peer });
};

// ---------------------------------------------------------------- facts and digests

export const ownStanding = ({ phase, incarnation }: MembershipState): Standing => ({
  incarnation,
  status: phase === 'leaving' || phase === 'left' ? 'left' : phase === 'evicted' ? 'evicted' : 'alive',
});

export const ownFact = (state: MembershipState, profile: boolean): Fact => ({
  ...{ peer: state.self, ...ownStanding(state), by: null, agoMs: 0 },
  told: profile ? { profileAt: state.profileAt, profile: state.profile } : null,
});

/** In whose name a suspicion is told on: each in his own, if he has one. */
const accuserOf = ({ suspicions, self }: MembershipState, peer: PeerId): PeerId => {
  const suspicion = suspicions.get(peer);
  return suspicion === undefined || suspicion.mine ? self : (suspicion.accusers.at(-1) ?? self);
};

export const factAbout = (state: MembershipState, member: Member, profile: boolean, nowMs: number): Fact => {
  const { peer, incarnation, status, profileAt, sinceMs } = member;
  return {
    ...{ peer, incarnation, status },
    by: status === 'suspect' ? accuserOf(state, peer) : null,
    agoMs: isGone(status) ? Math.max(0, Math.round(nowMs - sinceMs)) : 0,
    // 0: thrown out before anybody here heard what it says of itself.
    told: profile && profileAt > 0 ? { profileAt, profile: member.profile } : null,
  };
};

export const factOf = (state: MembershipState, peer: PeerId, profile: boolean, nowMs: number): Fact | null => {
  if (peer === state.self) return ownFact(state, profile);
  const member = state.table.members.get(peer);
  return member === undefined ? null : factAbout(state, member, profile, nowMs);
};

/** Digests of all that is known, this node included. */
export const bucketsOf = (state: MembershipState): Uint32Array => {
  const buckets = state.table.buckets.slice();
  const bucket = bucketOf(state.self);
  buckets[bucket] = buckets[bucket]! ^ digestOf(state.self, { ...ownStanding(state), profileAt: state.profileAt });
  return buckets;
};

export const rootDigest = (state: MembershipState): number => rootOf(bucketsOf(state));

// ---------------------------------------------------------------- chance

/** A member that is drawn and not wanted is drawn again, but not for ever. */
const drawsPerMember = 8;

/** Up to `count` live members that are wanted, each once; fewer where most are not. */
export const drawLive = (
  state: MembershipState,
  count: number,
  isWanted: (member: Member) => boolean = () => true,
): PeerId[] => {
  const { live } = state.table;
  const drawn: PeerId[] = [];
  if (live.length <= count + 1) {
    const all = live.filter(isWanted).map(({ peer }) => peer);
    while (all.length > 0 && drawn.length < count) drawn.push(...all.splice(nextBetween(state.random, 0, all.length), 1));
    return drawn;
  }
  for (let draws = 0; drawn.length < count && draws < count * drawsPerMember; draws++) {
    const member = live[nextBetween(state.random, 0, live.length)]!;
    if (isWanted(member) && !drawn.includes(member.peer)) drawn.push(member.peer);
  }
  return drawn;
};

/** About so long: nodes that began together do not stay together. */
export const about = (state: MembershipState, ms: number): number => ms * (0.75 + nextBetween(state.random, 0, 1_000) / 2_000);
