// Leadership transfer (dissertation §3.10): stop taking proposals, bring the target up to date, tell it to campaign at once.
import { isVoter } from './configuration.ts';
import { flushTo, type Output, type RaftState } from './state.ts';
import type { ReplicaId } from './types.ts';

export const onTransfer = (state: RaftState, out: Output, ref: number, to: ReplicaId, nowMs: number): void => {
  const refuse = (reason: 'not-leader' | 'not-a-voter'): void =>
    void out.effects.push({ type: 'transfer-rejected', ref, reason });
  if (state.role !== 'leader') return refuse('not-leader');
  if (!isVoter(state.configuration, to)) return refuse('not-a-voter');
  if (to === state.replica) return void out.effects.push({ type: 'transferred', ref });
  giveUp(state, out, 'superseded');
  state.transfer = { ref, to, deadlineMs: nowMs + state.options.electionTimeoutMaxMs, sent: false };
  flushTo(out, to);
  hurryTransfer(state, out);
};

/** As soon as the target has everything, it may take over; from then on our lease is worth nothing. */
export const hurryTransfer = (state: RaftState, out: Output): void => {
  const { transfer } = state;
  if (transfer === null || transfer.sent || state.progress.get(transfer.to)?.match !== state.log.lastIndex) return;
  transfer.sent = true;
  state.leaseEnded = true;
  out.effects.push({ type: 'send', message: { type: 'time-out-now', from: state.replica, to: transfer.to, term: state.term } });
};

export const expireTransfer = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.transfer !== null && nowMs >= state.transfer.deadlineMs) giveUp(state, out, 'timed-out');
};

/**
 * Somebody was told to campaign, and has not. He may do so whenever he hears of it, so this leadership has no lease any more. Where
 * somebody lives by it, it ends for another of the same leader, in whose term that word is an old one.
 */
export const hasLostLease = (state: RaftState): boolean =>
  state.awake && state.role === 'leader' && state.leaseEnded && state.transfer === null;

/** Whoever was told to campaign may still do so: then nobody knows yet how it ends. */
const giveUp = (state: RaftState, out: Output, reason: 'superseded' | 'timed-out'): void => {
  const { transfer } = state;
  if (transfer === null) return;
  out.effects.push({ type: 'transfer-rejected', ref: transfer.ref, reason: transfer.sent ? 'unanswered' : reason });
  state.transfer = null;
};

/** This leadership ends: a transfer that was under way has done its work, or is moot. */
export const endTransfer = (state: RaftState, out: Output): void => {
  const { transfer } = state;
  if (transfer === null) return;
  state.transfer = null;
  if (transfer.sent) out.effects.push({ type: 'transferred', ref: transfer.ref });
  else out.effects.push({ type: 'transfer-rejected', ref: transfer.ref, reason: 'not-leader' });
};

/** The voter that needs least to take over: heard lately and furthest along. Null if there is none. */
export const successorOf = (state: RaftState, nowMs: number): ReplicaId | null => {
  let best: { id: ReplicaId; match: number } | null = null;
  for (const [id, progress] of state.progress) {
    const lately = state.quiet || nowMs - progress.heardMs <= state.options.electionTimeoutMaxMs;
    if (!isVoter(state.configuration, id) || progress.regressed || !lately) continue;
    if (best === null || progress.match > best.match) best = { id, match: progress.match };
  }
  return best?.id ?? null;
};
