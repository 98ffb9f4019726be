// Who leads: pre-vote, votes, terms, and when a replica stops following or leading (Raft §5.2, §5.4.1; dissertation §9.6 for
// pre-vote, §4.2.3 for stickiness).
import type { RoleEvent } from './chart.ts';
import { isMemberOf, isVoter } from './configuration.ts';
import { entryBytes } from './log.ts';
import { addProgress } from './progress.ts';
import { voteResult } from './quorum.ts';
import { rejectReads } from './reads.ts';
import { dropReconfiguration } from './reconfigure.ts';
import { appendOwn } from './replication.ts';
import { hardStateIsDurable, mayCampaign, type Output, type RaftState, randomTimeoutMs, say, takeRole } from './state.ts';
import { endTransfer } from './transfer.ts';
import type { RaftMessage, ReplicaId } from './types.ts';

type VoteRequest = Extract<RaftMessage, { type: 'vote' | 'pre-vote' }>;
type VoteReply = Extract<RaftMessage, { type: 'vote-reply' | 'pre-vote-reply' }>;

export const restartElectionTimer = (state: RaftState, nowMs: number): void => {
  state.electionDeadlineMs = nowMs + randomTimeoutMs(state);
};

/** Whoever leads or follows quietly starts to watch again; its timers are the caller's. */
export const wakeUp = (state: RaftState, out: Output): void => {
  if (!state.quiet) return;
  state.quiet = false;
  out.changed = true;
};

/** Follows `leader` (null = nobody known) in `term`; everything that only a leader or candidate has is given up. */
export const becomeFollower = (
  state: RaftState,
  out: Output,
  term: number,
  leader: ReplicaId | null,
  nowMs: number,
  why: RoleEvent['type'],
): void => {
  if (term > state.term) {
    state.term = term;
    state.vote = null;
    out.hardStateChanged = true;
    out.changed = true;
  }
  const wasLeader = state.role === 'leader';
  if (state.leader !== leader) out.changed = true;
  state.leader = leader;
  if (state.role !== 'follower') takeRole(state, out, 'follower', why);
  state.votes.clear();
  state.progress.clear();
  state.heartbeatDeadlineMs = Number.POSITIVE_INFINITY;
  wakeUp(state, out);
  if (wasLeader) {
    rejectReads(state, out);
    dropReconfiguration(state, out);
    endTransfer(state, out);
    state.uncommittedBytes = 0;
  }
  restartElectionTimer(state, nowMs);
};

/** Asks first whether a vote could be won, without raising the term, so that a replica cut off disturbs nobody. */
export const campaign = (state: RaftState, out: Output, nowMs: number): void => {
  restartElectionTimer(state, nowMs);
  if (!mayCampaign(state)) return;
  if (nowMs < state.votesFromMs) {
    // What it may not grant to others it may not grant to itself.
    state.electionDeadlineMs += state.votesFromMs - nowMs - state.options.electionTimeoutMinMs;
    return;
  }
  wakeUp(state, out);
  takeRole(state, out, 'pre-candidate', 'ELECTION_DUE');
  state.leader = null;
  state.votes = new Map([[state.replica, true]]);
  requestVotes(state, out, 'pre-vote', state.term + 1, false);
  decide(state, out, nowMs);
};

export const becomeCandidate = (
  state: RaftState,
  out: Output,
  nowMs: number,
  why: 'PRE_VOTE_WON' | 'TOLD_TO_CAMPAIGN',
): void => {
  restartElectionTimer(state, nowMs);
  if (!mayCampaign(state)) return;
  wakeUp(state, out);
  takeRole(state, out, 'candidate', why);
  state.leader = null;
  state.term++;
  state.vote = state.replica;
  state.votes.clear();
  out.hardStateChanged = true;
  requestVotes(state, out, 'vote', state.term, why === 'TOLD_TO_CAMPAIGN');
};

const requestVotes = (state: RaftState, out: Output, type: 'vote' | 'pre-vote', term: number, transfer: boolean): void => {
  const { configuration, log } = state;
  for (const to of new Set([...configuration.voters, ...(configuration.outgoing ?? [])])) {
    if (to === state.replica) continue;
    say(state, out, { type, from: state.replica, to, term, lastIndex: log.lastIndex, lastTerm: log.lastTerm, transfer });
  }
};

/** Our own vote counts once it is on disk, like everybody's. */
export const countOwnVote = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role !== 'candidate' || !hardStateIsDurable(state)) return;
  state.votes.set(state.replica, true);
  decide(state, out, nowMs);
};

const decide = (state: RaftState, out: Output, nowMs: number): void => {
  const result = voteResult(state.configuration, state.votes);
  if (result === 'lost') return becomeFollower(state, out, state.term, null, nowMs, 'VOTE_LOST');
  if (result !== 'won') return;
  if (state.role === 'pre-candidate') becomeCandidate(state, out, nowMs, 'PRE_VOTE_WON');
  // A leader speaks in its term at once, so its term is on its disk, whoever else has voted for it.
  else if (hardStateIsDurable(state)) becomeLeader(state, out, nowMs);
};

const becomeLeader = (state: RaftState, out: Output, nowMs: number): void => {
  const { log, options } = state;
  takeRole(state, out, 'leader', 'VOTE_WON');
  state.leader = state.replica;
  state.votes.clear();
  state.electionDeadlineMs = Number.POSITIVE_INFINITY;
  state.heartbeatDeadlineMs = nowMs + options.heartbeatMs;
  state.heartbeatMs = nowMs;
  state.round = 0;
  state.roundSentMs.clear();
  state.quietRound = Number.POSITIVE_INFINITY;
  state.leaseEnded = false;
  state.activeMs = nowMs;
  state.termStartIndex = log.lastIndex + 1;
  const uncommitted = log.slice(state.commit + 1, log.lastIndex, Number.POSITIVE_INFINITY);
  state.uncommittedBytes = uncommitted.reduce((sum, entry) => sum + entryBytes(entry), 0);
  addProgress(state, nowMs);
  // An entry of our own term, so that older ones can be committed and reads can be answered (§5.4.2, §8).
  appendOwn(state, out, [{ kind: 'noop', data: new Uint8Array(0) }], 0);
  out.newRound = true;
};

/** True while this replica has reason to believe in a living leader: it disturbs nobody then. */
const hearsLeader = (state: RaftState, nowMs: number): boolean =>
  state.role === 'leader' ||
  (state.quiet && state.leader !== null) ||
  nowMs - state.heardLeaderMs < state.options.electionTimeoutMinMs;

/**
 * The leader itself asks for a vote in a later term: it leads no more, and whatever lease it had is over with it. Nobody who
 * asks for a later term can still win an earlier one, so this is never an old message.
 */
const forgetLeader = (state: RaftState, out: Output, nowMs: number): void => {
  state.heardLeaderMs = Number.NEGATIVE_INFINITY;
  becomeFollower(state, out, state.term, null, nowMs, 'LEADER_HEARD');
};

export const onVoteRequest = (state: RaftState, out: Output, message: VoteRequest, nowMs: number): void => {
  const replyType = message.type === 'vote' ? 'vote-reply' : 'pre-vote-reply';
  const reply = (granted: boolean, term: number): void =>
    say(state, out, { type: replyType, from: state.replica, to: message.from, term, granted });
  if (message.from === state.leader && message.term > state.term) forgetLeader(state, out, nowMs);
  const sticky = !message.transfer && hearsLeader(state, nowMs);
  if (state.quiet && state.role === 'follower' && isMemberOf(state.configuration, message.from)) {
    // Refused as long as the leader is believed in, but watched from now on: it may have died unnoticed.
    wakeUp(state, out);
    restartElectionTimer(state, nowMs);
  }
  if (message.term < state.term || sticky || nowMs < state.votesFromMs) return reply(false, state.term);
  const upToDate = state.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (message.type === 'pre-vote') {
    const granted = message.term > state.term && upToDate && givesWay(state, out, message, nowMs);
    return reply(granted, granted ? message.term : state.term);
  }
  if (message.term > state.term) becomeFollower(state, out, message.term, null, nowMs, 'HIGHER_TERM_SEEN');
  const free = state.vote === message.from || (state.vote === null && state.leader === null);
  if (!free || !upToDate) return reply(false, state.term);
  if (state.role === 'pre-candidate') becomeFollower(state, out, state.term, null, nowMs, 'GAVE_WAY');
  if (state.vote === null) {
    state.vote = message.from;
    out.hardStateChanged = true;
  }
  restartElectionTimer(state, nowMs);
  reply(true, state.term);
};

/**
 * Two replicas that campaign at once would split the vote. Of two pre-candidates the one with the better log, or else the
 * greater id, goes first; a follower that would grant leaves time for it. Neither is a promise: pre-votes bind nobody.
 */
const givesWay = (state: RaftState, out: Output, message: VoteRequest, nowMs: number): boolean => {
  if (state.role === 'pre-candidate') {
    const { lastIndex, lastTerm } = state.log;
    const equal = message.lastTerm === lastTerm && message.lastIndex === lastIndex;
    if (equal && message.from < state.replica) return false;
    becomeFollower(state, out, state.term, null, nowMs, 'GAVE_WAY');
  }
  if (state.role === 'follower')
    state.electionDeadlineMs = Math.max(state.electionDeadlineMs, nowMs + state.options.electionTimeoutMinMs / 2);
  return true;
};

export const onVoteReply = (state: RaftState, out: Output, message: VoteReply, nowMs: number): void => {
  if (message.type === 'pre-vote-reply') {
    if (state.role !== 'pre-candidate') return;
    // A grant names the term asked for; a grant for another campaign is stale.
    if (message.granted && message.term !== state.term + 1) return;
  } else if (state.role !== 'candidate' || message.term !== state.term) return;
  if (!isVoter(state.configuration, message.from)) return;
  // A refusal may be older than a grant; a grant is never taken back.
  state.votes.set(message.from, message.granted || state.votes.get(message.from) === true);
  decide(state, out, nowMs);
};
