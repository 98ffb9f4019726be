// Who leads the groups of this node's replicas, for those who live at a leader (decision 15): a token while this node leads, and whether it
// holds right now by this node's own clock (decision 14). A pause of this process costs the lease for a moment and no more, as long as
// the same leadership goes on: whoever works under the token waits, and nobody else can have had a later one meanwhile.
import { leaderToken, type RaftState, standingOf, tokenUntilMs } from '../machines/raft/index.ts';
import type { FencingToken } from '../machines/register/types.ts';
import type { Leadership } from './actor-api.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { Member } from './raft.ts';

/** What is needed of a group's replica; its actor hands it out, and takes it back when it stops. */
export type LeadingMember = Pick<Member<never>, 'leaderPeer' | 'event' | 'transfer' | 'state'>;

export interface GroupLeadership {
  readonly group: string;
  /** As it is now; the token is null while the lease is not there. */
  now(): Leadership;
  leader(): PeerId | null;
  /** The token of this leadership, whether its lease holds or not. Null: this node does not lead, or not yet. */
  reign(): FencingToken | null;
  /** Cheap: asked before each turn of each actor. */
  holds(token: FencingToken): boolean;
  /** While true the lease is kept up, also when nothing happens. */
  attend(awake: boolean): void;
  /** Null: this node hosts no replica of the group that is a member of it. */
  replica(): RaftState | null;
  /** Hands leadership over; the state says what came of it. */
  transfer(to: string): void;
}

export interface Leaderships {
  of(group: string): GroupLeadership;
  /** Told by the group's actor whenever its replica may have changed; null: it has stopped. */
  tell(group: string, member: LeadingMember | null): void;
  /** A reign began or ended, or another leader is known. Told within the group's own turn: whoever listens does little, and does not throw. */
  onChanged(listener: (group: string) => void): () => void;
}

const same = (a: FencingToken | null, b: FencingToken | null): boolean => a?.term === b?.term && a?.index === b?.index;

/** Calls nothing back: leadership is asked for, never waited for. */
const nobody = (): void => {};

const createLeadership = (group: string, clock: Pick<ClockPort, 'nowMs'>) => {
  let member: LeadingMember | null = null;
  let awake = false;
  /** Until when the lease holds that was last worked out, and of which configuration: a lease of one leadership only grows, or ends. */
  let lease = { term: -1, configurationIndex: -1, untilMs: Number.NEGATIVE_INFINITY };
  let told: { reign: FencingToken | null; leader: PeerId | null } = { reign: null, leader: null };

  const replica = (): RaftState | null => (member === null || standingOf(member.state) === 'outsider' ? null : member.state);
  const reign = (): FencingToken | null => (member === null ? null : leaderToken(member.state));

  const leader = (): PeerId | null => member?.leaderPeer() ?? null;

  const holds = (token: FencingToken): boolean => {
    if (member === null) return false;
    const { state } = member;
    if (state.role !== 'leader' || state.term !== token.term || state.termStartIndex !== token.index) return false;
    if (state.leaseEnded || state.halted || state.applied < token.index) return false;
    const nowMs = clock.nowMs();
    const { term, configurationIndex } = state;
    if (lease.term === term && lease.configurationIndex === configurationIndex && nowMs < lease.untilMs) return true;
    lease = { term, configurationIndex, untilMs: tokenUntilMs(state) };
    return nowMs < lease.untilMs;
  };

  const api: GroupLeadership = {
    group,
    now() {
      const token = reign();
      return { group, token: token !== null && holds(token) ? token : null, leader: leader() };
    },
    ...{ leader, reign, holds, replica },
    attend(wanted) {
      if (awake === wanted) return;
      awake = wanted;
      member?.event({ type: 'attend', awake });
    },
    transfer: (to) => member?.transfer(to, nobody),
  };

  /** True: those who listen shall know. */
  const tell = (now: LeadingMember | null): boolean => {
    if (now !== member) {
      member = now;
      lease = { term: -1, configurationIndex: -1, untilMs: Number.NEGATIVE_INFINITY };
      if (awake) member?.event({ type: 'attend', awake });
    }
    const next = { reign: reign(), leader: leader() };
    if (same(told.reign, next.reign) && told.leader === next.leader) return false;
    told = next;
    return true;
  };
  return { api, tell };
};

export const createLeaderships = (clock: Pick<ClockPort, 'nowMs'>): Leaderships => {
  const groups = new Map<string, ReturnType<typeof createLeadership>>();
  const listeners = new Set<(group: string) => void>();
  const at = (group: string): ReturnType<typeof createLeadership> => {
    const known = groups.get(group) ?? createLeadership(group, clock);
    groups.set(group, known);
    return known;
  };
  return {
    of: (group) => at(group).api,
    tell(group, member) {
      if (at(group).tell(member)) for (const listener of listeners) listener(group);
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
};
