// From unanswered to failed. A suspicion ends soon if several could not reach the member and late if only one could not (Lifeguard
// §IV.B), and it is told to the suspect before anybody else, again and again, because the suspect alone can refute it. Stricter than
// the papers in one rule: nobody is declared failed on hearsay. Whoever declares it has failed to reach it himself, and has tried
// until the end; who only heard of a suspicion and never of its end tries for himself.
import { membershipLimits } from './limits.ts';
import type { MembershipState, Suspicion, Turn } from './state.ts';
import type { PeerId } from './types.ts';

/** Milliseconds from suspicion to failure among `members` nodes, of whom `accusers` besides this one could not reach the suspect. */
export const suspicionMs = (
  options: MembershipState['options'],
  { members, accusers }: { members: number; accusers: number },
): number => {
  const { suspicionFloorMs, suspicionFactor, probeMs, suspicionMaxFactor, confirmations } = options;
  const shortest = Math.max(suspicionFloorMs, probeMs * suspicionFactor * Math.log10(members));
  // Nobody can be asked to confirm but the others who are there.
  const needed = Math.min(confirmations, members - 2);
  if (needed < 1) return shortest;
  const longest = shortest * suspicionMaxFactor;
  const shortened = longest - (longest - shortest) * (Math.log(accusers + 1) / Math.log(needed + 1));
  return Math.max(shortest, shortened);
};

const durationMs = (state: MembershipState, suspicion: Suspicion): number => {
  const members = state.table.live.length + 1;
  const accusers = suspicion.mine ? suspicion.accusers.length - 1 : 0;
  return suspicionMs(state.options, { members, accusers });
};

const measure = (state: MembershipState, suspicion: Suspicion): void => {
  suspicion.endMs = suspicion.startedMs + durationMs(state, suspicion);
  state.judgeAtMs = Math.min(state.judgeAtMs, suspicion.endMs, suspicion.tryAtMs);
};

/** This node could not reach it, nor could those `others` whom it asked. */
export const suspectOwn = (state: MembershipState, turn: Turn, peer: PeerId, others: readonly PeerId[]): void => {
  const { nowMs } = turn;
  const before = state.suspicions.get(peer);
  const accusers = new Set([state.self, ...(before?.accusers ?? []), ...others]);
  const suspicion: Suspicion = {
    ...{ mine: true, accusers: [...accusers].slice(0, membershipLimits.accusersMax) },
    // What was only heard begins anew as one's own: the suspect has not been asked from here before.
    ...{ startedMs: before?.mine ? before.startedMs : nowMs, endMs: nowMs, tryAtMs: nowMs },
  };
  measure(state, suspicion);
  state.suspicions.set(peer, suspicion);
};

/** Another says that it could not reach it. True if that is news. With `asks` the suspect is asked at once. */
export const suspectHeard = (state: MembershipState, turn: Turn, peer: PeerId, by: PeerId, asks: boolean): boolean => {
  const suspicion = state.suspicions.get(peer);
  if (suspicion === undefined) {
    const heard: Suspicion = {
      ...{ mine: false, accusers: by === state.self ? [] : [by], startedMs: turn.nowMs, endMs: turn.nowMs },
      tryAtMs: asks ? turn.nowMs : Number.POSITIVE_INFINITY,
    };
    measure(state, heard);
    state.suspicions.set(peer, heard);
    return true;
  }
  // More accusers than count shorten nothing; telling them on would only be noise.
  const full = suspicion.accusers.length > state.options.confirmations;
  if (full || by === state.self || suspicion.accusers.includes(by)) return false;
  suspicion.accusers.push(by);
  measure(state, suspicion);
  return true;
};

/** It answered although it has not yet refuted: its time begins again. */
export const suspectAnswered = (state: MembershipState, turn: Turn, peer: PeerId): void => {
  const suspicion = state.suspicions.get(peer);
  if (suspicion === undefined) return;
  suspicion.startedMs = turn.nowMs;
  measure(state, suspicion);
};
