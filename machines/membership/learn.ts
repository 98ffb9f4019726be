// What a statement about a member changes. About itself a node believes nobody: what is said of it is confirmed or refuted. About
// others it believes what outranks what it knows, within reason; what it knows better it tells whoever is concerned.
import { nextBetween } from '../random.ts';
import { spread } from './gossip.ts';
import { isPreparing, raise } from './incarnation.ts';
import { membershipLimits } from './limits.ts';
import { isGone, isPoison, join, type Known, outranks, type Standing } from './order.ts';
import { factAbout, type MembershipState, ownFact, ownStanding, type Turn, warn } from './state.ts';
import { suspectHeard } from './suspicion.ts';
import { addMember, changeMember, type Member, removeMember } from './table.ts';
import type { ChangeReason, Fact, MemberStatus, PeerId, Profile } from './types.ts';

/** The one place where a member's status changes once it is known. */
export const setKnown = (
  state: MembershipState,
  turn: Turn,
  member: Member,
  known: Known,
  { why, agoMs = 0 }: { why: ChangeReason; agoMs?: number },
): void => {
  const before = member.status;
  const wasGone = member.at < 0;
  changeMember(state.table, member, known, turn.nowMs - agoMs);
  turn.changes.push({ peer: member.peer, before, after: known.status, why });
  if (known.status !== 'suspect') state.suspicions.delete(member.peer);
  if (wasGone && member.at >= 0) probeSometime(state, turn, member);
  if (member.at < 0) rememberUntil(state, member, turn.nowMs);
};

/** A new member takes a random place among those who are still to be probed in this round (SWIM §4.3). */
const probeSometime = (state: MembershipState, turn: Turn, member: Member): void => {
  const { ring, ringAt, table, options } = state;
  ring.splice(nextBetween(state.random, ringAt, ring.length + 1), 0, member);
  // The first one: there was nothing to probe before.
  if (table.live.length === 1)
    state.nextProbeMs = Math.max(turn.nowMs, state.nextProbeMs) + nextBetween(state.random, 0, options.probeMs);
};

export const keptMs = ({ options }: MembershipState, status: MemberStatus): number =>
  status === 'failed' ? options.rememberFailedMs : status === 'left' ? options.rememberLeftMs : options.rememberEvictedMs;

/** The share of its time after which what is gone is remembered, but no longer told. */
export const fadingShare = 0.9;

export const rememberUntil = (state: MembershipState, member: Member, nowMs: number): void => {
  const fadesMs = member.sinceMs + keptMs(state, member.status) * fadingShare;
  state.forgetAtMs = Math.min(state.forgetAtMs, Math.max(nowMs, fadesMs));
};

/** What is known of somebody of whom only a name is known, if that. */
export const nobody: Profile = {
  ...{ name: '', version: '', region: '', tags: [], capabilities: [], resources: {}, capacity: 0, load: 0 },
  ...{ state: 'left', addresses: [] },
};

/** Only what a member says of its own life is its own word: an accusation of itself it merely repeats. */
const reasonOf = ({ peer, status }: Fact, from: PeerId): ChangeReason =>
  peer === from && (status === 'alive' || status === 'left') ? 'said' : 'heard';

// ---------------------------------------------------------------- members that are not known yet

/** Who is missed least: gone, not thrown out if there is anybody else, and gone for longest. */
const leastMissed = (state: MembershipState): Member | null => {
  let least: Member | null = null;
  for (const member of state.table.members.values()) {
    if (member.at >= 0) continue;
    const evicted = member.status === 'evicted';
    const spared = least !== null && evicted && least.status !== 'evicted';
    const rather = least !== null && !evicted && least.status === 'evicted';
    if (least === null || rather || (!spared && member.sinceMs < least.sinceMs)) least = member;
  }
  return least;
};

/** Room for one more. */
const makeRoom = (state: MembershipState, turn: Turn): boolean => {
  const { table } = state;
  if (table.members.size < membershipLimits.membersMax) return true;
  const least = table.gone > 0 ? leastMissed(state) : null;
  if (least === null) return false;
  removeMember(table, least);
  turn.changes.push({ peer: least.peer, before: least.status, after: null, why: 'forgotten' });
  return true;
};

export const addKnown = (
  state: MembershipState,
  turn: Turn,
  peer: PeerId,
  known: Known,
  { agoMs, why }: { agoMs: number; why: ChangeReason },
): Member | null => {
  if (!makeRoom(state, turn)) {
    warn(state, turn, 'MEMBERS_FULL', peer, `at most ${membershipLimits.membersMax} members are remembered`);
    return null;
  }
  const member = addMember(state.table, peer, known, turn.nowMs - agoMs);
  turn.changes.push({ peer, before: null, after: known.status, why });
  if (member.at >= 0) probeSometime(state, turn, member);
  else rememberUntil(state, member, turn.nowMs);
  return member;
};

const learnOfStranger = (state: MembershipState, turn: Turn, fact: Fact, from: PeerId): boolean => {
  const why = reasonOf(fact, from);
  const { peer, incarnation, status, told, agoMs } = fact;
  // That somebody failed of whom nothing else is known is of use to nobody; that somebody was thrown out is.
  if (told === null && status !== 'evicted') return false;
  if (isGone(status) && agoMs >= keptMs(state, status) * fadingShare) return false;
  // Of who is gone nobody is forgotten for another who is.
  if (isGone(status) && state.table.members.size >= membershipLimits.membersMax) return false;
  const profile = told?.profile ?? nobody;
  const known = { incarnation, status, profileAt: told?.profileAt ?? 0, profile };
  if (addKnown(state, turn, peer, known, { agoMs, why }) === null) return false;
  if (status === 'suspect') suspectHeard(state, turn, peer, fact.by ?? from, false);
  return true;
};

// ---------------------------------------------------------------- members that are known

const refuse = (state: MembershipState, turn: Turn, { peer, incarnation }: Fact, known: number): boolean => {
  const what = `incarnation ${incarnation} is too far above ${known} to be believed`;
  warn(state, turn, 'INCARNATION_REFUSED', peer, what);
  return false;
};

/** How a fact came here: with a page it is what another remembers, otherwise news. */
export type Way = 'news' | 'memory';

/**
 * Another holds for failed, and has for a while, whom this node holds for alive: they were apart, as after a partition, or remember a
 * life that the member's disk forgot. So it is asked before it is believed: as a suspect it is told so, and answers.
 */
const isDisputed = (state: MembershipState, turn: Turn, member: Member, fact: Fact, way: Way): boolean =>
  fact.status === 'failed' &&
  member.at >= 0 &&
  fact.incarnation >= member.incarnation &&
  (way === 'memory' || fact.agoMs >= state.options.disputeMs) &&
  !wasDoubtedToo(state, turn, fact);

/** This node has suspected it since before it was declared: that is no other view, it only comes late, as where many fail at once. */
const wasDoubtedToo = ({ suspicions }: MembershipState, { nowMs }: Turn, { peer, agoMs }: Fact): boolean => {
  const suspicion = suspicions.get(peer);
  return suspicion !== undefined && nowMs - suspicion.startedMs >= agoMs;
};

/** Whoever spreads that somebody lives of whom this node knows a later end hears of that: an exchange would tell him much later. */
const correct = (state: MembershipState, turn: Turn, member: Member, { status, incarnation }: Fact, from: PeerId): void => {
  if (status !== 'alive' || member.at >= 0 || from === member.peer || incarnation > member.incarnation) return;
  turn.first.push(factAbout(state, member, true, turn.nowMs));
};

const learnOfMember = (state: MembershipState, turn: Turn, member: Member, fact: Fact, from: PeerId, way: Way): boolean => {
  const why = reasonOf(fact, from);
  const firstHand = why === 'said';
  if (!firstHand && isPoison(fact.incarnation, member.incarnation)) return refuse(state, turn, fact, member.incarnation);
  // Its own word against hearsay that no honest life explains.
  const misheard = firstHand && member.status !== 'evicted' && isPoison(member.incarnation, fact.incarnation);
  const base: Known = misheard ? { ...member, incarnation: 0, status: 'alive', profileAt: 0 } : member;
  if (way === 'news') correct(state, turn, member, fact, from);
  const disputed = isDisputed(state, turn, member, fact, way);
  const said: Known = {
    ...{ incarnation: fact.incarnation, status: disputed ? 'suspect' : fact.status },
    ...{ profileAt: fact.told?.profileAt ?? 0, profile: fact.told?.profile ?? base.profile },
  };
  const known = join(base, said);
  const standingChanged = outranks(known, base) || misheard;
  const profileChanged = known.profileAt !== member.profileAt;
  if (standingChanged || profileChanged) {
    if (known.status === 'suspect' && standingChanged) {
      state.suspicions.delete(member.peer);
      suspectHeard(state, turn, member.peer, fact.by ?? from, disputed);
    }
    setKnown(state, turn, member, known, { why, agoMs: isGone(known.status) ? fact.agoMs : 0 });
    spread(state, turn, member.peer, profileChanged);
    return true;
  }
  const sameSuspicion = said.status === 'suspect' && member.status === 'suspect' && fact.incarnation === member.incarnation;
  if (!sameSuspicion || !suspectHeard(state, turn, member.peer, fact.by ?? from, disputed)) return false;
  spread(state, turn, member.peer, false);
  return true;
};

// ---------------------------------------------------------------- this node itself

type SaidOfSelf = Standing & { by?: PeerId | null; profileAt?: number };

/** Somebody else has a view of this node. The member itself decides, with an incarnation that outbids it (SWIM §4.2). */
export const hearOfSelf = (state: MembershipState, turn: Turn, said: SaidOfSelf): void => {
  const own = ownStanding(state);
  if (said.status === 'evicted') {
    state.phase = 'evicted';
    turn.ended = 'evicted';
    return;
  }
  const profileAt = said.profileAt ?? 0;
  const isBelievable = !isPoison(Math.max(said.incarnation, profileAt), Math.max(own.incarnation, state.durable));
  // Of a life that this disk has forgotten: whatever was said in it, its address above all, must be said anew.
  if (isBelievable && (said.incarnation > own.incarnation || profileAt > state.profileAt)) {
    state.nextProfile ??= state.profile;
    raise(state, turn, Math.max(said.incarnation, own.incarnation) + 1);
  }
  // News of an earlier time; who spreads it will hear better.
  if (said.status === 'alive' && said.incarnation <= own.incarnation) return;
  if (said.status === own.status && said.incarnation === own.incarnation) return;
  if (!isBelievable) {
    const what = `incarnation ${said.incarnation} is too far above this node's own, ${own.incarnation}`;
    warn(state, turn, 'INCARNATION_REFUSED', state.self, what);
  } else if (outranks(said, own)) {
    const accused = said.status === 'suspect' || said.status === 'failed';
    if (accused && !isPreparing(state)) {
      state.health = Math.min(membershipLimits.healthMax, state.health + 1);
      warn(state, turn, 'ACCUSED', said.by ?? null, `taken for ${said.status}: this node or its network is slow`);
    }
    if (said.status === 'failed') turn.missed = true;
    raise(state, turn, said.incarnation + 1);
    // Until that is durable there is nothing to say.
    if (outranks(said, ownStanding(state))) return;
  }
  // Who speaks of an earlier life cannot know what this one says of itself, its address above all.
  turn.first.push(ownFact(state, said.incarnation < state.profileAt));
};

// ---------------------------------------------------------------- the door

/** True if it was news. `from` is whose message says so. */
export const learn = (state: MembershipState, turn: Turn, fact: Fact, from: PeerId, way: Way): boolean => {
  if (fact.peer === state.self) {
    const { incarnation, status, by, told } = fact;
    hearOfSelf(state, turn, { incarnation, status, by, profileAt: told?.profileAt ?? 0 });
    return false;
  }
  const member = state.table.members.get(fact.peer);
  return member === undefined ? learnOfStranger(state, turn, fact, from) : learnOfMember(state, turn, member, fact, from, way);
};

/** Whoever speaks is told first if he is thought to be suspect or gone, so that he can refute it (Lifeguard §IV.C). */
export const tellSpeaker = (state: MembershipState, turn: Turn, from: PeerId): void => {
  const member = state.table.members.get(from);
  if (member === undefined || member.status === 'alive') return;
  turn.first.push(factAbout(state, member, false, turn.nowMs));
};
