// A node's own incarnation. It outbids whatever is said of the node, so it must never be said twice: not again after a restart, for
// which the disk keeps a number that none said was above. Numbers are reserved in advance; a refutation waits for no disk.

import { spread } from './gossip.ts';
import { membershipLimits } from './limits.ts';
import { profileRefusal, refusalText, withRoom } from './profile.ts';
import { about, type MembershipState, type Turn, warn } from './state.ts';
import type { Told } from './types.ts';

/** Asks for the next reserve when less than this share of one is left. */
const reserveShare = 0.25;

const reserve = (state: MembershipState, turn: Turn): void => {
  const { incarnationsReserved } = state.options;
  const needed = Math.max(state.wanted, state.incarnation + Math.ceil(incarnationsReserved * reserveShare));
  if (state.persisting >= needed) return;
  state.persisting = Math.min(
    membershipLimits.incarnationMax,
    Math.max(state.wanted, state.incarnation) + incarnationsReserved,
  );
  turn.effects.push({ type: 'persist', incarnation: state.persisting });
};

/** Takes the incarnation that is wanted if it is durable, and a profile that waits for one with it. */
const take = (state: MembershipState, turn: Turn): void => {
  if (state.wanted === 0 || state.wanted > state.durable) return;
  state.incarnation = state.wanted;
  state.wanted = 0;
  const profile = state.nextProfile;
  if (profile !== null) {
    state.profile = profile;
    state.profileAt = state.incarnation;
    state.nextProfile = null;
    state.profileFromMs = turn.nowMs + state.options.profileMs;
    turn.changes.push({ peer: state.self, before: 'alive', after: 'alive', why: 'said' });
  }
  const begins = state.phase === 'starting';
  if (begins) state.phase = 'member';
  spread(state, turn, state.self, begins || profile !== null);
};

/** An incarnation is wanted that the disk has not yet confirmed. */
export const isPreparing = ({ wanted }: MembershipState): boolean => wanted > 0;

export const raise = (state: MembershipState, turn: Turn, to: number): void => {
  if (to > membershipLimits.incarnationMax) return;
  state.wanted = Math.max(state.wanted, to);
  take(state, turn);
  reserve(state, turn);
};

export const onPersisted = (state: MembershipState, turn: Turn, incarnation: number): void => {
  state.durable = Math.max(state.durable, Math.min(incarnation, state.persisting));
  take(state, turn);
  reserve(state, turn);
};

export const onProfile = (state: MembershipState, turn: Turn, told: Told): void => {
  const { load } = state.nextProfile ?? state.profile;
  const profile = withRoom({ ...told, load });
  const refusal = profileRefusal(profile);
  if (refusal === null) state.nextProfile = profile;
  else {
    const what = `what this node says of itself stays what it was: ${refusalText(profile, refusal)}`;
    warn(state, turn, refusal, state.self, what);
  }
};

/**
 * Everybody hears of it, so it is said only where it makes a difference, and the more seldom the more members there are: what all of
 * them say of their loads costs each node the same, however many they are.
 */
export const onLoad = (state: MembershipState, turn: Turn, load: number): void => {
  const { options, table, profile, nextProfile } = state;
  if (!(load >= 0 && load <= 1)) return;
  // A hair above or below counts: 0.3 - 0.2 is not quite 0.1.
  if (Math.abs(load - profile.load) < options.loadStep - 1e-9 || turn.nowMs < state.loadFromMs) return;
  state.nextProfile = { ...(nextProfile ?? profile), load: Math.round(load * 100) / 100 };
  const everyMs = about(state, options.loadMsPerMember * (table.live.length + 1));
  state.loadFromMs = turn.nowMs + Math.max(options.profileMs, everyMs);
};

/** When a profile that waits may be said; Infinity if none does. */
export const profileDueMs = (state: MembershipState): number =>
  state.nextProfile === null || state.wanted > 0 || state.phase !== 'member' ? Number.POSITIVE_INFINITY : state.profileFromMs;

/** The incarnation of the start, or that of a profile whose time has come. */
export const prepare = (state: MembershipState, turn: Turn): void => {
  if (turn.nowMs >= profileDueMs(state)) raise(state, turn, state.incarnation + 1);
  else if (state.phase === 'starting') reserve(state, turn);
};
