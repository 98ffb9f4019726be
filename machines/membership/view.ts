// Who is there, as a node knows it: for `GET /v1/members`, the command line and the dashboard.
import type { MembershipState } from './state.ts';
import { ownStanding } from './state.ts';
import type { MemberStatus, PeerId, Profile } from './types.ts';

export type MemberView = Profile & {
  peer: PeerId;
  status: MemberStatus;
  incarnation: number;
  /** Milliseconds since the status became what it is; null for this node itself. */
  forMs: number | null;
  self: boolean;
};

/** This node first, the others by name. */
export const membersView = (state: MembershipState, nowMs: number): MemberView[] => {
  const { self, incarnation, profile } = state;
  const others = [...state.table.members.values()].map(
    (member): MemberView => ({
      ...member.profile,
      ...{ peer: member.peer, status: member.status, incarnation: member.incarnation },
      ...{ forMs: Math.max(0, nowMs - member.sinceMs), self: false },
    }),
  );
  // By code units: the same order on every machine.
  const key = ({ name, peer }: MemberView): string => `${name} ${peer}`;
  others.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return [{ ...profile, peer: self, status: ownStanding(state).status, incarnation, forMs: null, self: true }, ...others];
};

export type MembershipSummary = { phase: string; live: number; suspect: number; gone: number; health: number; updates: number };

export const membershipSummary = ({ phase, table, suspicions, health, updates }: MembershipState): MembershipSummary => ({
  ...{ phase, live: table.live.length + 1, suspect: suspicions.size, gone: table.gone },
  ...{ health, updates: updates.of.size },
});
