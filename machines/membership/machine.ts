// One node's membership: an event and the time in, effects out. First it is seen whether this process was held up, then the event is
// taken in, then whatever is due is done; so each step leaves one deadline.

import { rememberEvicted } from './evicted.ts';
import { beginExchange, exchangeDueMs, exchangeTurn, onBuckets, onDigest, onMet, onPage, onVersions } from './exchange.ts';
import { answering, gossipTurn, spread } from './gossip.ts';
import { forgetTurn, healDueMs, healTurn } from './heal.ts';
import { onLoad, onPersisted, onProfile, prepare, profileDueMs } from './incarnation.ts';
import { beforeOf, checkAll, checkStep } from './invariants.ts';
import { learn, tellSpeaker } from './learn.ts';
import { leaveDueMs, leaveTurn, onEvict, onLeave } from './leave.ts';
import { membershipLimits } from './limits.ts';
import { excuse, onAck, onAsk, onNack, onProbe, onUnreachable, probeDueMs, probeTurn } from './probe.ts';
import { createTurn, factOf, type MembershipState, send, type Turn } from './state.ts';
import type { Fact, MembershipEffect, MembershipEvent, MembershipMessage, PeerId } from './types.ts';

/** Takes in one event. Changes `state`; the effects are to be done in their order. */
export const step = (state: MembershipState, nowMs: number, event: MembershipEvent): MembershipEffect[] => {
  if (state.phase === 'left' || state.phase === 'evicted') return [];
  if (event.type === 'heard') return hear(state, nowMs, event.peer);
  const before = beforeOf(state);
  const turn = createTurn(nowMs);
  const lateMs = nowMs - state.deadlineMs;
  if (state.phase === 'member' && lateMs >= state.options.lateMs && event.type !== 'blocked') excuse(state, turn, lateMs);
  take(state, turn, event);
  doWhatIsDue(state, turn);
  state.deadlineMs = dueMs(state);
  if (turn.changes.length > 0) {
    rememberEvicted(state, turn);
    turn.effects.push({ type: 'changed', changes: turn.changes });
  }
  if (turn.ended !== null) turn.effects.push({ type: turn.ended });
  checkStep(state, before, turn);
  if (state.checkAll) checkAll(state);
  return turn.effects;
};

const hear = (state: MembershipState, nowMs: number, peer: PeerId): MembershipEffect[] => {
  const member = state.table.members.get(peer);
  if (member !== undefined) member.heardMs = nowMs;
  return [];
};

const take = (state: MembershipState, turn: Turn, event: Exclude<MembershipEvent, { type: 'heard' }>): void => {
  switch (event.type) {
    case 'wake':
      return;
    case 'message':
      return onMessage(state, turn, event.from, event.message);
    case 'met':
      return onMet(state, turn, event.peer);
    case 'unreachable':
      return onUnreachable(state, turn, event.peer);
    case 'contacts':
      state.contacts = event.contacts.slice(0, membershipLimits.contactsMax);
      return;
    case 'profile':
      return onProfile(state, turn, event.profile);
    case 'load':
      return onLoad(state, turn, event.load);
    case 'persisted':
      return onPersisted(state, turn, event.incarnation);
    case 'blocked':
      return state.phase === 'member' ? excuse(state, turn, Math.max(0, event.forMs)) : undefined;
    case 'leave':
      return onLeave(state, turn);
    case 'evict':
      return onEvict(state, turn, event.peer);
  }
};

// ---------------------------------------------------------------- messages

const onMessage = (state: MembershipState, turn: Turn, from: PeerId, message: MembershipMessage): void => {
  // Nothing may be said yet. Whoever wants an answer asks again.
  if (from === state.self || state.phase === 'starting') return;
  if (state.table.members.get(from)?.status === 'evicted') return showOut(state, turn, from);
  if ('facts' in message) learnAll(state, turn, from, message);
  if (isOut(state)) return;
  tellSpeaker(state, turn, from);
  answer(state, turn, from, message);
  if (turn.first.length > 0) send(turn, [from], { type: 'gossip', facts: answering(state, turn) });
  // Somebody who is not known speaks to us, or had given us up: he knows something that we do not.
  if (!state.table.members.has(from) || turn.missed) beginExchange(state, turn, from, true);
};

/** Nothing is heard from who was thrown out, and nothing else is said to it. */
const showOut = (state: MembershipState, turn: Turn, from: PeerId): void => {
  const fact = factOf(state, from, false, turn.nowMs);
  if (fact !== null) send(turn, [from], { type: 'gossip', facts: [fact] });
};

const isOut = ({ phase }: MembershipState): boolean => phase === 'evicted';

const learnAll = (state: MembershipState, turn: Turn, from: PeerId, message: MembershipMessage & { facts: Fact[] }): void => {
  // A page tells a newcomer what everybody else knows: that is no news to pass on.
  const way = message.type === 'page' ? 'memory' : 'news';
  const old = way === 'memory' && !state.settled;
  for (const fact of message.facts) {
    const stranger = !state.table.members.has(fact.peer);
    if (learn(state, turn, fact, from, way) && stranger && !old) spread(state, turn, fact.peer, true);
  }
};

const answer = (state: MembershipState, turn: Turn, from: PeerId, message: MembershipMessage): void => {
  switch (message.type) {
    case 'probe':
      return onProbe(state, turn, from, message.sequence);
    case 'ack':
      return onAck(state, turn, from, message.sequence);
    case 'ask':
      return onAsk(state, turn, from, message.sequence, message.target);
    case 'nack':
      return onNack(state, from, message.sequence);
    case 'gossip':
      return;
    case 'digest':
      return onDigest(state, turn, from, message.root);
    case 'buckets':
      return onBuckets(state, turn, from, message.hashes);
    case 'versions':
      return onVersions(state, turn, from, message);
    case 'page':
      return onPage(state, turn, from, message);
  }
};

// ---------------------------------------------------------------- time

const doWhatIsDue = (state: MembershipState, turn: Turn): void => {
  if (state.phase === 'evicted') return;
  prepare(state, turn);
  if (state.phase === 'starting') return;
  probeTurn(state, turn);
  if (state.phase === 'member') {
    exchangeTurn(state, turn);
    healTurn(state, turn);
    forgetTurn(state, turn);
  }
  leaveTurn(state, turn);
  gossipTurn(state, turn);
};

const dueMs = (state: MembershipState): number => {
  if (state.phase !== 'member' && state.phase !== 'leaving') return Number.POSITIVE_INFINITY;
  const alwaysMs = Math.min(probeDueMs(state), state.gossipAtMs, leaveDueMs(state));
  if (state.phase === 'leaving') return alwaysMs;
  return Math.min(alwaysMs, exchangeDueMs(state), healDueMs(state), state.forgetAtMs, profileDueMs(state));
};
