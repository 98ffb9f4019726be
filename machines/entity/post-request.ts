// One request to an actor, wherever it is: a delivery, a question, or that it shall stop. Says what is to be done next, until it ends: look
// for the actor, ask where it is, wait and try again, or give up and say whether it may have happened. The rule behind it: what surely had
// no effect is tried again while there is time; what may have had one is tried again only where its id is remembered, at the same process
// or, for actors whose ids are kept with their state, wherever they are.
import { type ErrorCode, errorTable, type Failure, failure } from '../errors.ts';
import { mayBeAskedAgain, pauseMs, retryAfterOf } from '../rpc/retry.ts';
import { postLimits as max } from './post-limits.ts';

/** A peer, or this node. */
export type RequestTarget = string | typeof here;
export const here: unique symbol = Symbol('here');

export type RequestState = {
  readonly startMs: number;
  readonly untilMs: number;
  /** 'pausing' before it is looked for again, or before the same process is asked again; 'placing': until somebody may know where it is. */
  phase: 'seeking' | 'asked' | 'pausing' | 'placing' | 'over';
  /** Who is or was asked last. */
  target: RequestTarget | null;
  /** What was asked last has left this node, or may have. */
  hasLeft: boolean;
  /** An earlier question may have had its effect, and only this process can say; null: none, or ids are kept. */
  doubtAt: RequestTarget | null;
  isInDoubt: boolean;
  /** Ids are kept with the state; false until it is known, which may be at any time. */
  isKept: boolean;
  /** Times that it was asked, and waited. */
  attempts: number;
  pauses: number;
  /** Peers that sent it on since it was looked for the last time, and whom they named; null: none. */
  visited: RequestTarget[] | null;
  last: Failure | null;
};

export type RequestEvent =
  /** Where it is, by what this node knows. */
  | { type: 'here' }
  | { type: 'at'; peer: string }
  | { type: 'nowhere'; failure: Failure; againMs: number }
  /** It waits for a connection, and then it leaves. */
  | { type: 'waits' }
  | { type: 'left' }
  /** It surely never left. */
  | { type: 'unsent'; failure: Failure }
  /** Whoever was asked says that it did not come to an end that way. */
  | { type: 'failed'; failure: Failure }
  | { type: 'elsewhere'; peer: string }
  /** The connection is gone over which it was asked, or the incarnation that did it at this node. */
  | { type: 'lost' }
  /** Whoever was asked is no member any more. */
  | { type: 'gone' }
  /** The pause is over. */
  | { type: 'woke' }
  /** Something may be elsewhere. */
  | { type: 'changed' }
  /** The actor is not where it was asked any more, as far as this node knows: who was asked may be cut off, and never answer. */
  | { type: 'moved' }
  | { type: 'late' }
  | { type: 'stopping'; failure: Failure }
  | { type: 'cancelled' };

export type RequestNext =
  | { do: 'seek' }
  | { do: 'ask'; target: RequestTarget }
  | { do: 'pause'; ms: number }
  | { do: 'end'; failure: Failure }
  | null;

/** One literal: to spread two takes ten times as long, and there are hundreds of thousands a second. */
export const createRequest = (nowMs: number, untilMs: number, isKept: boolean): RequestState => ({
  startMs: nowMs,
  untilMs,
  phase: 'seeking',
  target: null,
  hasLeft: false,
  doubtAt: null,
  isInDoubt: false,
  isKept,
  attempts: 0,
  pauses: 0,
  visited: null,
  last: null,
});

/** What may be different in a moment: news is on its way, or the actor is, to a node that has its code. */
const patience: Partial<Record<ErrorCode, number>> = {
  ...{ ACTOR_NOT_FOUND: max.patienceMs, MEMBER_NOT_FOUND: max.patienceMs, ACTOR_VERSION: max.upgradePatienceMs },
};

const isInDoubt = ({ isInDoubt: before, phase, hasLeft }: RequestState): boolean => before || (phase === 'asked' && hasLeft);

const end = (state: RequestState, why: Failure): RequestNext => {
  const doubt = state.isInDoubt && errorTable[why.code].definite;
  state.phase = 'over';
  if (!doubt) return { do: 'end', failure: why };
  const message = `it may have happened: ${why.message}`;
  return { do: 'end', failure: failure('OUTCOME_UNKNOWN', message, { ...why.details, last: why.code }) };
};

const pause = (state: RequestState, fraction: number, atLeastMs: number, phase: 'pausing' | 'placing'): RequestNext => {
  state.phase = phase;
  return { do: 'pause', ms: pauseMs(state.pauses++, fraction, atLeastMs) };
};

const ask = (state: RequestState, target: RequestTarget): RequestNext => {
  state.phase = 'asked';
  state.target = target;
  state.hasLeft = true;
  state.attempts++;
  return { do: 'ask', target };
};

const seek = (state: RequestState): RequestNext => {
  state.phase = 'seeking';
  state.visited = null;
  return { do: 'seek' };
};

/** Nothing happened, as far as this answer goes; is it of use to ask again? */
const mayTry = (state: RequestState, nowMs: number, { code }: Failure): boolean => {
  const patienceMs = patience[code];
  if (patienceMs !== undefined) return nowMs - state.startMs < patienceMs;
  return mayBeAskedAgain(code) && code !== 'DEADLINE_EXCEEDED';
};

const failed = (state: RequestState, nowMs: number, fraction: number, why: Failure): RequestNext => {
  state.last = why;
  if (why.code === 'OUTCOME_UNKNOWN' && state.isKept) {
    state.isInDoubt = true;
    return pause(state, fraction, 0, 'placing');
  }
  // Whoever was asked knows of no effect of it, which is no word about another process.
  if (!mayTry(state, nowMs, why)) return end(state, why);
  return pause(state, fraction, retryAfterOf(why), why.code === 'MAILBOX_FULL' ? 'pausing' : 'placing');
};

/** It may have happened there. */
const lost = (state: RequestState, fraction: number): RequestNext => {
  const { target } = state;
  state.isInDoubt = true;
  state.last = failure('OUTCOME_UNKNOWN', 'the connection went while it was there');
  if (state.isKept) return pause(state, fraction, 0, 'placing');
  state.doubtAt = target;
  return pause(state, fraction, 0, 'pausing');
};

/** Nobody will ever say what became of it there. */
const neverKnown = (state: RequestState, fraction: number): RequestNext => {
  state.isInDoubt = true;
  if (state.isKept) return pause(state, fraction, 0, 'placing');
  return end(state, failure('OUTCOME_UNKNOWN', 'the process that was asked is gone, and what it knew of it'));
};

/** It says so as the process that was asked before: what it knows of that is all that there is to know. */
const settleDoubt = (state: RequestState): void => {
  if (state.doubtAt === null) return;
  state.doubtAt = null;
  state.isInDoubt = false;
};

const redirected = (state: RequestState, fraction: number, peer: string): RequestNext => {
  state.last = failure('NOT_READY', 'the actor is on its way to another node');
  const { target } = state;
  state.visited ??= target === null ? [] : [target];
  if (state.visited.length > max.hopsMax || state.visited.includes(peer)) return pause(state, fraction, 0, 'placing');
  state.visited.push(peer);
  return ask(state, peer);
};

const whileAsked = (state: RequestState, nowMs: number, fraction: number, event: RequestEvent): RequestNext => {
  switch (event.type) {
    case 'waits':
      state.hasLeft = false;
      return null;
    case 'left':
      state.hasLeft = true;
      return null;
    case 'unsent':
      state.attempts--;
      state.last = event.failure;
      return pause(state, fraction, 0, state.doubtAt === null ? 'placing' : 'pausing');
    case 'failed':
      if (event.failure.code !== 'OUTCOME_UNKNOWN') settleDoubt(state);
      return failed(state, nowMs, fraction, event.failure);
    case 'elsewhere':
      settleDoubt(state);
      return redirected(state, fraction, event.peer);
    case 'moved':
      // Only where ids are kept is it safe to ask elsewhere too.
      if (!state.isKept || state.target === here) return null;
      state.isInDoubt ||= state.hasLeft;
      return seek(state);
    case 'lost':
      return state.hasLeft ? lost(state, fraction) : pause(state, fraction, 0, state.doubtAt === null ? 'placing' : 'pausing');
    case 'gone':
      return state.hasLeft || state.doubtAt !== null ? neverKnown(state, fraction) : pause(state, fraction, 0, 'placing');
    default:
      return null;
  }
};

const whileWaiting = (state: RequestState, fraction: number, event: RequestEvent): RequestNext => {
  switch (event.type) {
    case 'woke':
      return state.doubtAt === null ? seek(state) : ask(state, state.doubtAt);
    case 'changed':
      return state.phase === 'placing' && state.doubtAt === null ? seek(state) : null;
    case 'gone':
      return state.doubtAt === null ? null : neverKnown(state, fraction);
    default:
      return null;
  }
};

const whileSeeking = (state: RequestState, nowMs: number, fraction: number, event: RequestEvent): RequestNext => {
  if (event.type === 'here') return ask(state, here);
  if (event.type === 'at') return ask(state, event.peer);
  if (event.type !== 'nowhere') return null;
  state.last = event.failure;
  return mayTry(state, nowMs, event.failure) ? pause(state, fraction, event.againMs, 'placing') : end(state, event.failure);
};

const late = (state: RequestState): RequestNext => {
  const { last } = state;
  const said = last === null ? '' : `: ${last.message}`;
  if (isInDoubt(state)) {
    state.phase = 'over';
    return { do: 'end', failure: failure('OUTCOME_UNKNOWN', 'no answer came in time; it may have happened') };
  }
  return end(state, failure('DEADLINE_EXCEEDED', `time ran out before anybody took it${said}`, last?.details));
};

/** `fraction` of chance, in [0, 1). Null: nothing is to be done, the event says nothing to it now. */
export const stepRequest = (state: RequestState, nowMs: number, fraction: number, event: RequestEvent): RequestNext => {
  if (state.phase === 'over') return null;
  // It has turned out that others can say it as well.
  if (state.isKept) state.doubtAt = null;
  switch (event.type) {
    case 'late':
      return late(state);
    case 'cancelled':
      return end(state, failure('CANCELLED', 'whoever asked gave up'));
    case 'stopping':
      state.isInDoubt = isInDoubt(state);
      return end(state, event.failure);
    default:
  }
  if (state.phase === 'asked') return whileAsked(state, nowMs, fraction, event);
  if (state.phase === 'seeking') return whileSeeking(state, nowMs, fraction, event);
  return whileWaiting(state, fraction, event);
};
