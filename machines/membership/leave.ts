// A member that goes says so first, to several who answer, so that nobody has to find out by silence (row N2).
import { piggyback, spread } from './gossip.ts';
import { setKnown } from './learn.ts';
import { drawLive, type MembershipState, ownFact, send, type Turn, warn } from './state.ts';
import type { PeerId } from './types.ts';

/** Said again this often to those who have not answered. */
const triesPerLeave = 5;

export const onLeave = (state: MembershipState, turn: Turn): void => {
  if (state.phase !== 'member' && state.phase !== 'starting') return;
  const { options, table } = state;
  const { nowMs } = turn;
  if (state.phase === 'starting' || table.live.length === 0) return go(state, turn);
  state.phase = 'leaving';
  const needed = Math.min(options.leaveAcks, table.live.length);
  state.leave = { endMs: nowMs + options.leaveMs, tryAtMs: nowMs, sequences: new Set(), heardBy: new Set(), needed };
  spread(state, turn, state.self, false);
};

const go = (state: MembershipState, turn: Turn): void => {
  state.phase = 'left';
  turn.ended = 'left';
};

export const leaveTurn = (state: MembershipState, turn: Turn): void => {
  const { leave, options } = state;
  if (leave === null || state.phase !== 'leaving') return;
  if (leave.heardBy.size >= leave.needed || turn.nowMs >= leave.endMs) return go(state, turn);
  if (turn.nowMs < leave.tryAtMs) return;
  leave.tryAtMs = turn.nowMs + options.leaveMs / triesPerLeave;
  for (const peer of drawLive(state, 2 * options.leaveAcks)) {
    if (leave.heardBy.has(peer)) continue;
    leave.sequences.add(++state.sequence);
    const facts = piggyback(state, turn, [ownFact(state, false)]);
    send(turn, [peer], { type: 'probe', sequence: state.sequence, facts });
  }
};

export const leaveDueMs = ({ leave, phase }: MembershipState): number =>
  leave === null || phase !== 'leaving' ? Number.POSITIVE_INFINITY : Math.min(leave.endMs, leave.tryAtMs);

/** Final for this peer id: whoever is thrown out comes back only as somebody else. */
export const onEvict = (state: MembershipState, turn: Turn, peer: PeerId): void => {
  if (peer === state.self) return warn(state, turn, 'MEMBER_NOT_FOUND', peer, 'a node does not evict itself: it leaves');
  const member = state.table.members.get(peer);
  if (member === undefined) return warn(state, turn, 'MEMBER_NOT_FOUND', peer, 'there is no such member');
  if (member.status === 'evicted') return;
  const { incarnation, profileAt, profile } = member;
  setKnown(state, turn, member, { incarnation, status: 'evicted', profileAt, profile }, { why: 'operator' });
  spread(state, turn, peer, false);
  const fact = { peer, incarnation, status: 'evicted' as const, by: null, agoMs: 0, told: null };
  send(turn, [peer], { type: 'gossip', facts: [fact] });
};
