// Failure detection: one member a turn is probed, in an order drawn anew each round (SWIM §4.3); without an answer others probe it
// too, and say so if they hear nothing either (Lifeguard §IV.A). How long anything may take grows with this node's distrust of
// itself, and time in which this process did nothing counts for nobody's silence.
import { InvariantBroken } from '../invariant.ts';
import { nextBetween } from '../random.ts';
import { answering, piggyback, spread } from './gossip.ts';
import { setKnown } from './learn.ts';
import { membershipLimits } from './limits.ts';
import { drawLive, factAbout, type MembershipState, ownFact, send, type Turn, warn } from './state.ts';
import { suspectAnswered, suspectOwn } from './suspicion.ts';
import type { Member } from './table.ts';
import type { Fact, PeerId } from './types.ts';

/** How much slower than its defaults this node is while it distrusts itself. */
const slowness = ({ health }: MembershipState): number => 1 + health;

const adjustHealth = (state: MembershipState, by: number): void => {
  state.health = Math.max(0, Math.min(membershipLimits.healthMax, state.health + by));
};

/** A probe to somebody who is suspected says so first: an answer that refutes it is worth more than one that does not. */
const probeTo = (state: MembershipState, turn: Turn, peer: PeerId, sequence: number): void => {
  const member = state.table.members.get(peer);
  const first: Fact[] = [];
  if (state.phase === 'leaving') first.push(ownFact(state, false));
  if (member !== undefined && member.status !== 'alive') first.push(factAbout(state, member, false, turn.nowMs));
  send(turn, [peer], { type: 'probe', sequence, facts: piggyback(state, turn, first) });
};

// ---------------------------------------------------------------- whose turn it is

const reshuffle = (state: MembershipState): void => {
  const ring = state.table.live.slice();
  for (let at = ring.length - 1; at > 0; at--) {
    const other = nextBetween(state.random, 0, at + 1);
    const moved = ring[at]!;
    ring[at] = ring[other]!;
    ring[other] = moved;
  }
  state.ring = ring;
  state.ringAt = 0;
};

/** Whom there is a reason to ask now, whatever was heard of it. */
const urgentTarget = (state: MembershipState): Member | null => {
  for (let peer = state.urgent.shift(); peer !== undefined; peer = state.urgent.shift()) {
    const member = state.table.members.get(peer);
    if (member !== undefined && member.at >= 0) return member;
  }
  return null;
};

const nextInRing = (state: MembershipState): Member | null => {
  const { table } = state;
  if (table.live.length === 0) return null;
  for (let round = 0; round < 2; round++) {
    while (state.ringAt < state.ring.length) {
      const member = state.ring[state.ringAt++]!;
      if (member.at >= 0 && table.members.get(member.peer) === member) return member;
    }
    reshuffle(state);
  }
  throw new InvariantBroken('ring-of-live', `${table.live.length} live members, none of them in the ring`);
};

/**
 * Whoever was heard a moment ago would answer: a process whose event loop stands still says nothing on any lane, so that a crash or
 * a pause hides behind what came before it for `heardMs` and no longer. A probe tells more than that nevertheless: that this node is
 * heard too, and that the other's membership answers. So one in `vouchedMs` is real, and every one that has something to say, of
 * which there is any doubt, or by a node that doubts itself.
 */
const isSpared = ({ options, health, updates, phase }: MembershipState, member: Member, nowMs: number): boolean =>
  nowMs - member.heardMs < options.heardMs &&
  nowMs - member.answeredMs < options.vouchedMs &&
  member.status === 'alive' &&
  phase === 'member' &&
  health === 0 &&
  updates.of.size === 0;

const begin = (state: MembershipState, turn: Turn): void => {
  const { options } = state;
  const { nowMs } = turn;
  const urgent = urgentTarget(state);
  const target = urgent ?? nextInRing(state);
  // Not from now on, but from when it was due: a turn does not wander. One that comes very late makes up for half a turn.
  const dueMs = Math.max(state.nextProbeMs, nowMs - options.probeMs / 2);
  state.nextProbeMs = dueMs + options.probeMs * slowness(state);
  if (target === null || (urgent === null && isSpared(state, target, nowMs))) return;
  state.probe = {
    ...{ target: target.peer, sequence: ++state.sequence, helpers: [], nacks: [] },
    askAtMs: nowMs + options.probeTimeoutMs * slowness(state),
    endMs: nowMs + options.probeMs * slowness(state),
  };
  probeTo(state, turn, target.peer, state.probe.sequence);
};

/** Whatever was heard of it before the connection ended. */
export const onUnreachable = (state: MembershipState, turn: Turn, peer: PeerId): void => {
  const member = state.table.members.get(peer);
  if (member !== undefined) member.heardMs = Number.NEGATIVE_INFINITY;
  probeSoon(state, turn, peer);
};

export const probeSoon = (state: MembershipState, turn: Turn, peer: PeerId): void => {
  const member = state.table.members.get(peer);
  if (member === undefined || member.at < 0 || state.urgent.includes(peer)) return;
  if (state.urgent.length >= membershipLimits.urgentMax) return;
  state.urgent.push(peer);
  state.nextProbeMs = Math.min(state.nextProbeMs, turn.nowMs);
};

// ---------------------------------------------------------------- no answer

/** Whoever is suspected himself would hardly help, and his silence would be held against this node: he is asked where nobody else is. */
const drawHelpers = (state: MembershipState, target: PeerId): PeerId[] => {
  const { helpers } = state.options;
  const drawn = drawLive(state, helpers, ({ peer, status }) => peer !== target && status === 'alive');
  if (drawn.length === helpers) return drawn;
  return [...drawn, ...drawLive(state, helpers - drawn.length, ({ peer }) => peer !== target && !drawn.includes(peer))];
};

const askOthers = (state: MembershipState, turn: Turn): void => {
  const probe = state.probe!;
  probe.askAtMs = Number.POSITIVE_INFINITY;
  probe.helpers = drawHelpers(state, probe.target);
  for (const helper of probe.helpers)
    send(turn, [helper], {
      ...{ type: 'ask', sequence: probe.sequence, target: probe.target },
      facts: piggyback(state, turn, []),
    });
};

const giveUp = (state: MembershipState, turn: Turn): void => {
  const { target, helpers, nacks } = state.probe!;
  state.probe = null;
  // Lifeguard §IV.A: helpers that say nothing at all are a sign that it is this node that does not hear.
  adjustHealth(state, helpers.length === 0 ? 0 : helpers.length - nacks.length - 1);
  const member = state.table.members.get(target);
  if (member === undefined || member.at < 0) return;
  suspectOwn(state, turn, target, nacks);
  if (member.status === 'alive')
    setKnown(state, turn, member, { ...knownOf(member), status: 'suspect' }, { why: 'unanswered' });
  spread(state, turn, target, false);
};

const knownOf = ({ incarnation, status, profileAt, profile }: Member) => ({ incarnation, status, profileAt, profile });

/** Own suspicions are tried again until they end, others' are tried once they should have ended long ago. */
const judge = (state: MembershipState, turn: Turn): void => {
  const { nowMs } = turn;
  if (nowMs < state.judgeAtMs) return;
  for (const [peer, suspicion] of state.suspicions) {
    if (nowMs >= suspicion.endMs) {
      if (suspicion.mine) declareFailed(state, turn, peer);
      else {
        suspicion.startedMs = nowMs;
        suspicion.endMs = nowMs + state.options.suspicionFloorMs * state.options.suspicionMaxFactor;
        probeSoon(state, turn, peer);
      }
    } else if (nowMs >= suspicion.tryAtMs) {
      suspicion.tryAtMs = suspicion.mine ? nowMs + state.options.suspicionProbeMs : Number.POSITIVE_INFINITY;
      probeTo(state, turn, peer, ++state.sequence);
    }
  }
  state.judgeAtMs = Number.POSITIVE_INFINITY;
  for (const { endMs, tryAtMs } of state.suspicions.values()) state.judgeAtMs = Math.min(state.judgeAtMs, endMs, tryAtMs);
};

const declareFailed = (state: MembershipState, turn: Turn, peer: PeerId): void => {
  const member = state.table.members.get(peer)!;
  const suspicion = state.suspicions.get(peer)!;
  const suspectedMs = Math.ceil(turn.nowMs - suspicion.startedMs);
  if (!(suspicion.mine && suspectedMs >= state.options.suspicionFloorMs))
    throw new InvariantBroken('failed-after-suspicion', `${peer} after ${suspectedMs} ms`);
  setKnown(state, turn, member, { ...knownOf(member), status: 'failed' }, { why: 'unanswered' });
  spread(state, turn, peer, false);
};

// ---------------------------------------------------------------- what others send

export const onProbe = (state: MembershipState, turn: Turn, from: PeerId, sequence: number): void =>
  send(turn, [from], { type: 'ack', sequence, facts: answering(state, turn) });

export const onAck = (state: MembershipState, turn: Turn, from: PeerId, sequence: number): void => {
  suspectAnswered(state, turn, from);
  const { probe } = state;
  const speaker = state.table.members.get(from);
  if (speaker !== undefined) speaker.answeredMs = turn.nowMs;
  if (probe !== null && probe.sequence === sequence && (from === probe.target || probe.helpers.includes(from))) {
    state.probe = null;
    adjustHealth(state, -1);
    if (from !== probe.target) suspectAnswered(state, turn, probe.target);
    return;
  }
  if (state.leave?.sequences.has(sequence)) state.leave.heardBy.add(from);
  const relay = state.relays.get(sequence);
  if (relay === undefined || relay.target !== from) return;
  state.relays.delete(sequence);
  const answer = { type: 'ack' as const, sequence: relay.sequence, facts: piggyback(state, turn, []) };
  send(turn, [relay.asker], answer);
};

export const onAsk = (state: MembershipState, turn: Turn, from: PeerId, sequence: number, target: PeerId): void => {
  if (target === state.self || target === from || !state.table.members.has(target)) return;
  if (state.relays.size >= membershipLimits.relaysMax) return;
  const endMs = turn.nowMs + state.options.probeTimeoutMs * nackShare;
  state.relays.set(++state.sequence, { asker: from, sequence, target, endMs });
  probeTo(state, turn, target, state.sequence);
};

/** The asker waits a time-out for what it asked: a nack must arrive before. */
const nackShare = 0.8;

export const onNack = (state: MembershipState, from: PeerId, sequence: number): void => {
  const { probe } = state;
  if (probe?.sequence !== sequence || !probe.helpers.includes(from) || probe.nacks.includes(from)) return;
  probe.nacks.push(from);
};

const nackOverdue = (state: MembershipState, turn: Turn): void => {
  for (const [own, { asker, sequence, endMs }] of state.relays) {
    // In order of age: who comes later has more time.
    if (turn.nowMs < endMs) return;
    state.relays.delete(own);
    send(turn, [asker], { type: 'nack', sequence, facts: piggyback(state, turn, []) });
  }
};

// ---------------------------------------------------------------- time

/** Judges nobody for the time in which this process did nothing, and distrusts itself for it. */
export const excuse = (state: MembershipState, turn: Turn, blockedMs: number): void => {
  const { nowMs } = turn;
  const { probeTimeoutMs, probeMs, suspicionFloorMs } = state.options;
  adjustHealth(state, 1 + Math.floor(blockedMs / probeMs));
  warn(state, turn, 'BLOCKED', state.self, `this node did nothing for ${Math.round(blockedMs)} ms`);
  const { probe } = state;
  if (probe !== null) {
    if (probe.askAtMs !== Number.POSITIVE_INFINITY) probe.askAtMs = Math.max(probe.askAtMs, nowMs + probeTimeoutMs);
    probe.endMs = Math.max(probe.endMs + blockedMs, nowMs + probeMs);
  }
  // What the others answered meanwhile, and what they refuted, is only about to be read.
  for (const suspicion of state.suspicions.values()) {
    suspicion.startedMs = Math.max(suspicion.startedMs, nowMs);
    suspicion.endMs = Math.max(suspicion.endMs + blockedMs, nowMs + suspicionFloorMs);
  }
  state.relays.clear();
};

export const probeTurn = (state: MembershipState, turn: Turn): void => {
  const { nowMs } = turn;
  if (state.phase !== 'member') return nackOverdue(state, turn);
  nackOverdue(state, turn);
  if (state.probe !== null && nowMs >= state.probe.endMs) giveUp(state, turn);
  if (state.probe !== null && nowMs >= state.probe.askAtMs) askOthers(state, turn);
  judge(state, turn);
  if (state.probe === null && nowMs >= state.nextProbeMs && state.table.live.length > 0) begin(state, turn);
};

/** When probing wants to be woken. */
export const probeDueMs = (state: MembershipState): number => {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const { endMs } of state.relays.values()) dueMs = Math.min(dueMs, endMs);
  if (state.phase !== 'member') return dueMs;
  if (state.probe !== null) dueMs = Math.min(dueMs, state.probe.askAtMs, state.probe.endMs);
  else if (state.table.live.length > 0) dueMs = Math.min(dueMs, state.nextProbeMs);
  return state.suspicions.size > 0 ? Math.min(dueMs, state.judgeAtMs) : dueMs;
};
