// The follower's side: what a leader's append or heartbeat does to the log, and what may be acknowledged (Raft §5.3).
import { becomeCandidate, becomeFollower, restartElectionTimer, wakeUp } from './election.ts';
import { appendEntries, type Output, type RaftState, say, truncateLog } from './state.ts';
import type { Entry, RaftMessage, ReplicaId } from './types.ts';

type From<Type extends RaftMessage['type']> = Extract<RaftMessage, { type: Type }>;

/** A message of the current term's leader: it is alive, and this replica follows it. */
export const hearLeader = (state: RaftState, out: Output, message: RaftMessage, nowMs: number): void => {
  if (state.role !== 'follower' || state.leader !== message.from)
    becomeFollower(state, out, message.term, message.from, nowMs, 'LEADER_HEARD');
  state.heardLeaderMs = nowMs;
  restartElectionTimer(state, nowMs);
};

/** Learns how far the log is committed, as far as it is known to be the leader's. */
export const learnCommit = (state: RaftState, commit: number): void => {
  state.commit = Math.max(state.commit, commit);
};

/** Says that everything up to `index` is the leader's and on our disk, as soon as that is so. */
export const acknowledge = (state: RaftState, out: Output, to: ReplicaId, index: number, round: number): void =>
  say(state, out, { type: 'append-reply', from: state.replica, to, term: state.term, index, conflict: null, round }, index);

const refuse = (state: RaftState, out: Output, message: From<'append'>): void => {
  const { log } = state;
  // Where the logs may meet: skips all terms later than the one asked for (§5.3, the paragraph on optimising).
  const index = log.lastIndexWithTermAtMost(message.prevIndex, message.prevTerm);
  const conflict = { index, term: log.termAt(index)! };
  const { replica, term } = state;
  const { from, prevIndex, round } = message;
  say(state, out, { type: 'append-reply', from: replica, to: from, term, index: prevIndex, conflict, round });
};

export const onAppend = (state: RaftState, out: Output, message: From<'append'>, nowMs: number): void => {
  hearLeader(state, out, message, nowMs);
  wakeUp(state, out);
  const { log } = state;
  const { prevIndex, prevTerm, entries } = message;
  if (prevIndex >= log.base.index && !log.matches(prevIndex, prevTerm)) return refuse(state, out, message);
  const fresh = withoutKnown(state, entries);
  const first = fresh[0];
  if (first !== undefined && first.index <= state.commit) {
    const what = `the leader of term ${message.term} sends another entry ${first.index}, which is committed here`;
    out.effects.push({ type: 'warn', code: 'COMMITTED_CONFLICT', message: what });
    return;
  }
  if (first !== undefined && first.index <= log.lastIndex) truncateLog(state, out, first.index);
  appendEntries(state, out, fresh);
  // What lies before the compaction point is committed, hence equal; what lies after these entries may be another leader's.
  const equalUpTo = Math.max(log.base.index, prevIndex + entries.length);
  learnCommit(state, Math.min(message.commit, equalUpTo));
  acknowledge(state, out, message.from, equalUpTo, message.round);
};

/** The entries from the first that this log lacks or has otherwise; a suffix that is equal is never truncated. */
const withoutKnown = (state: RaftState, entries: readonly Entry[]): readonly Entry[] => {
  const { log } = state;
  const at = entries.findIndex(({ index, term }) => index >= log.base.index && !log.matches(index, term));
  return at === -1 ? [] : entries.slice(at);
};

export const onHeartbeat = (state: RaftState, out: Output, message: From<'heartbeat'>, nowMs: number): void => {
  hearLeader(state, out, message, nowMs);
  const { log } = state;
  learnCommit(state, Math.min(message.commit, log.lastIndex));
  const settled = log.lastIndex === message.lastIndex && state.commit === log.lastIndex && state.durable === log.lastIndex;
  const quiet = message.quiet && settled;
  if (quiet) state.electionDeadlineMs = Number.POSITIVE_INFINITY;
  if (quiet !== state.quiet) out.changed = true;
  state.quiet = quiet;
  const { replica, term, durable } = state;
  const { from, round } = message;
  say(state, out, { type: 'heartbeat-reply', from: replica, to: from, term, round, quiet, index: durable });
};

/** The leader hands over: no pre-vote, and nobody is asked to wait until the leader is silent (dissertation §3.10). */
export const onTimeOutNow = (state: RaftState, out: Output, message: From<'time-out-now'>, nowMs: number): void => {
  if (state.role === 'follower' && state.leader === message.from) becomeCandidate(state, out, nowMs, 'TOLD_TO_CAMPAIGN');
};
