// Who was thrown out stays out when every member has restarted, too: each keeps the latest of them on its disk. It is no more than
// what members remember anyway, so a disk that lost it hears it again from any other.
import { nobody, rememberUntil } from './learn.ts';
import { membershipLimits } from './limits.ts';
import type { MembershipState, Turn } from './state.ts';
import { addMember } from './table.ts';
import type { Evicted } from './types.ts';

/** What the disk is to remember, if this step changed it. */
export const rememberEvicted = (state: MembershipState, turn: Turn): void => {
  if (!turn.changes.some(({ before, after }) => before === 'evicted' || after === 'evicted')) return;
  const evicted: Evicted[] = [];
  for (const { peer, status, incarnation, sinceMs, profile } of state.table.members.values())
    if (status === 'evicted')
      evicted.push({ peer, name: profile.name, incarnation, agoMs: Math.max(0, Math.round(turn.nowMs - sinceMs)) });
  evicted.sort((a, b) => a.agoMs - b.agoMs || (a.peer < b.peer ? -1 : 1));
  turn.effects.push({ type: 'remember', evicted: evicted.slice(0, membershipLimits.evictedKeptMax) });
};

/** What the disk remembered; before the first step. */
export const restoreEvicted = (state: MembershipState, evicted: readonly Evicted[], nowMs: number): void => {
  for (const { peer, name, incarnation, agoMs } of evicted.slice(0, membershipLimits.evictedKeptMax)) {
    if (peer === state.self || state.table.members.has(peer) || agoMs >= state.options.rememberEvictedMs) continue;
    const known = { incarnation, status: 'evicted' as const, profileAt: 0, profile: { ...nobody, name } };
    rememberUntil(state, addMember(state.table, peer, known, nowMs - agoMs), nowMs);
  }
};
