// A subscription or a watch of an actor, wherever it is: found again when it moves or a connection is lost, until it has ended, which is
// told once. What is between: that it is watched is known from when its node said so; whoever says later that such an actor never lived
// says that it has ended.
import type { ErrorCode, Failure } from '../errors.ts';
import { mayBeAskedAgain, pauseMs, retryAfterOf } from '../rpc/retry.ts';
import { postLimits as max } from './post-limits.ts';
import type { PostEnd } from './post-messages.ts';
import { here, type RequestTarget } from './post-request.ts';

export type FollowState = {
  readonly isWatch: boolean;
  readonly startMs: number;
  phase: 'seeking' | 'following' | 'pausing' | 'over';
  target: RequestTarget | null;
  /** Its node said that it lives. */
  hasLived: boolean;
  /** It outlives its process: who finds nothing of it later finds that it was stopped. */
  isKept: boolean;
  pauses: number;
  readonly visited: RequestTarget[];
};

export type FollowEvent =
  | { type: 'here' }
  | { type: 'at'; peer: string }
  /** `isGone`: it belongs to a node that has failed, left, or was thrown out. */
  | { type: 'nowhere'; failure: Failure; againMs: number; isGone: boolean }
  /** It lives, and is followed. */
  | { type: 'held' }
  | { type: 'unsent' | 'moved' | 'lost' }
  | { type: 'gone'; isGone: boolean }
  | { type: 'refused'; failure: Failure }
  | { type: 'elsewhere'; peer: string }
  | { type: 'ended'; end: PostEnd }
  | { type: 'woke' | 'changed' };

export type FollowNext =
  | { do: 'seek' }
  | { do: 'follow'; target: RequestTarget }
  | { do: 'pause'; ms: number }
  | { do: 'end'; end: PostEnd }
  | null;

export const createFollow = (isWatch: boolean, nowMs: number): FollowState => ({
  ...{ isWatch, startMs: nowMs, phase: 'seeking', target: null, hasLived: false, isKept: false, pauses: 0, visited: [] },
});

const unknownYet: ReadonlySet<ErrorCode> = new Set(['ACTOR_NOT_FOUND', 'MEMBER_NOT_FOUND']);
const unreachable: PostEnd = { reason: 'unreachable', output: null, failure: null };

const end = (state: FollowState, how: PostEnd): FollowNext => {
  state.phase = 'over';
  return { do: 'end', end: how };
};

const pause = (state: FollowState, fraction: number, atLeastMs: number): FollowNext => {
  state.phase = 'pausing';
  return { do: 'pause', ms: pauseMs(state.pauses++, fraction, atLeastMs) };
};

const follow = (state: FollowState, target: RequestTarget): FollowNext => {
  state.phase = 'following';
  state.target = target;
  state.visited.push(target);
  return { do: 'follow', target };
};

const seek = (state: FollowState): FollowNext => {
  state.phase = 'seeking';
  state.visited.length = 0;
  return { do: 'seek' };
};

const refused = (state: FollowState, nowMs: number, fraction: number, why: Failure, againMs: number): FollowNext => {
  const isPatient = !unknownYet.has(why.code) || nowMs - state.startMs < max.patienceMs || state.hasLived;
  // That somebody could not say is no word about an actor.
  const mayTry = mayBeAskedAgain(why.code) || unknownYet.has(why.code) || why.code === 'OUTCOME_UNKNOWN';
  if (isPatient && mayTry) return pause(state, fraction, againMs);
  if (why.code === 'MEMBER_NOT_FOUND') return end(state, { ...unreachable, failure: why });
  return end(state, { reason: 'failed', output: null, failure: why });
};

const ended = (state: FollowState, how: PostEnd): FollowNext => {
  // It did live; how it ended nobody knows who is there now.
  if (how.reason === 'never-lived' && state.hasLived)
    return end(state, state.isKept ? { ...how, reason: 'stopped' } : unreachable);
  return end(state, how);
};

const whileFollowing = (state: FollowState, nowMs: number, fraction: number, event: FollowEvent): FollowNext => {
  switch (event.type) {
    case 'held':
      state.hasLived = true;
      state.pauses = 0;
      return null;
    case 'unsent':
    case 'moved':
    case 'lost':
      return pause(state, fraction, 0);
    case 'gone':
      return event.isGone ? end(state, unreachable) : pause(state, fraction, 0);
    case 'refused':
      return refused(state, nowMs, fraction, event.failure, retryAfterOf(event.failure));
    case 'elsewhere':
      if (state.visited.length > max.hopsMax || state.visited.includes(event.peer)) return pause(state, fraction, 0);
      return follow(state, event.peer);
    case 'ended':
      return ended(state, event.end);
    default:
      return null;
  }
};

/** `fraction` of chance, in [0, 1). Null: nothing is to be done. */
export const stepFollow = (state: FollowState, nowMs: number, fraction: number, event: FollowEvent): FollowNext => {
  switch (state.phase) {
    case 'over':
      return null;
    case 'following':
      return whileFollowing(state, nowMs, fraction, event);
    case 'pausing':
      if (event.type === 'gone' && event.isGone) return end(state, unreachable);
      return event.type === 'woke' || event.type === 'changed' ? seek(state) : null;
    case 'seeking':
      if (event.type === 'here') return follow(state, here);
      if (event.type === 'at') return follow(state, event.peer);
      if (event.type !== 'nowhere') return null;
      return event.isGone ? end(state, unreachable) : refused(state, nowMs, fraction, event.failure, event.againMs);
  }
};
