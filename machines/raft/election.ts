// Who leads: pre-vote, votes, terms, and when a replica stops following or leading (Raft §5.2, dissertation §9.6 pre-vote,
// §4.2.3 stickiness).
import { isVoter, voteResult } from './quorum.ts';
import { rejectReads } from './reads.ts';
import { dropReconfiguration } from './reconfigure.ts';
import { appendOwn, syncProgress } from './replication.ts';
import { hardStateIsDurable, type Output, type RaftState, randomTimeoutMs, say } from './state.ts';
import { endTransfer } from './transfer.ts';
import type { RaftMessage, ReplicaId } from './types.ts';

type VoteRequest = Extract<RaftMessage, { type: 'vote' | 'pre-vote' }>;
type VoteReply = Extract<RaftMessage, { type: 'vote-reply' | 'pre-vote-reply' }>;

export const restartElectionTimer = (state: RaftState, nowMs: number): void => {
  state.electionDeadlineMs = nowMs + randomTimeoutMs(state);
};

/** Follows `leader` (null = nobody known) in `term`; everything that only a leader or candidate has is given up. */
export const becomeFollower = (state: RaftState, out: Output, term: number, leader: ReplicaId | null, nowMs: number): void => {
  if (term > state.term) {
    state.term = term;
    state.vote = null;
    out.hardStateChanged = true;
  }
  const wasLeader = state.role === 'leader';
  if (state.role !== 'follower' || state.leader !== leader || out.hardStateChanged) out.changed = true;
  state.role = 'follower';
  state.leader = leader;
  state.votes.clear();
  state.progress.clear();
  state.heartbeatDeadlineMs = Number.POSITIVE_INFINITY;
  state.quiet = false;
  if (wasLeader) {
    rejectReads(state, out);
    dropReconfiguration(state, out);
    endTransfer(state, out);
    state.uncommittedBytes = 0;
  }
  restartElectionTimer(state, nowMs);
};

const mayCampaign = (state: RaftState): boolean => !state.halted && isVoter(state.configuration, state.replica);

/** Asks first whether a vote could be won, without raising the term, so that a replica cut off disturbs nobody. */
export const campaign = (state: RaftState, out: Output, nowMs: number): void => {
  restartElectionTimer(state, nowMs);
  if (!mayCampaign(state)) return;
  if (nowMs < state.votesFromMs) {
    state.electionDeadlineMs = state.votesFromMs + randomTimeoutMs(state) - state.options.electionTimeoutMinMs;
    return;
  }
  state.quiet = false;
  state.role = 'pre-candidate';
  state.leader = null;
  state.votes = new Map([[state.replica, true]]);
  out.changed = true;
  if (voteResult(state.configuration, state.votes) === 'won') return becomeCandidate(state, out, nowMs, false);
  requestVotes(state, out, 'pre-vote', state.term + 1, false);
};

export const becomeCandidate = (state: RaftState, out: Output, nowMs: number, transfer: boolean): void => {
  restartElectionTimer(state, nowMs);
  if (!mayCampaign(state)) return;
  state.quiet = false;
  state.role = 'candidate';
  state.leader = null;
  state.term++;
  state.vote = state.replica;
  state.votes = new Map();
  state.transferCampaign = transfer;
  out.hardStateChanged = true;
  out.changed = true;
  requestVotes(state, out, 'vote', state.term, transfer);
};

const requestVotes = (state: RaftState, out: Output, type: 'vote' | 'pre-vote', term: number, transfer: boolean): void => {
  const { configuration, log } = state;
  const voters = new Set([...configuration.voters, ...(configuration.outgoing ?? [])]);
  for (const to of voters) {
    if (to === state.replica) continue;
    const message = { type, from: state.replica, to, term, lastIndex: log.lastIndex, lastTerm: log.lastTerm, transfer };
    say(state, out, message);
  }
};

/** Our own vote counts once it is on disk, like everybody's. */
export const countOwnVote = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role !== 'candidate' || state.vote !== state.replica || !hardStateIsDurable(state)) return;
  state.votes.set(state.replica, true);
  decide(state, out, nowMs);
};

const decide = (state: RaftState, out: Output, nowMs: number): void => {
  const result = voteResult(state.configuration, state.votes);
  if (result === 'lost') return becomeFollower(state, out, state.term, null, nowMs);
  if (result !== 'won') return;
  if (state.role === 'pre-candidate') becomeCandidate(state, out, nowMs, false);
  else becomeLeader(state, out, nowMs);
};

const becomeLeader = (state: RaftState, out: Output, nowMs: number): void => {
  state.role = 'leader';
  state.leader = state.replica;
  state.votes.clear();
  state.electionDeadlineMs = Number.POSITIVE_INFINITY;
  state.heartbeatDeadlineMs = nowMs + state.options.heartbeatMs;
  state.heartbeatMs = nowMs;
  state.round = 0;
  state.roundSentMs.clear();
  state.readRound = 0;
  state.leaseEnded = false;
  state.activeMs = nowMs;
  state.uncommittedBytes = 0;
  state.termStartIndex = state.log.lastIndex + 1;
  syncProgress(state, nowMs);
  // An entry of our own term, so that older ones can be committed and reads can be answered (§5.4.2, §8).
  appendOwn(state, out, [{ kind: 'noop', data: new Uint8Array(0) }], 0);
  out.newRound = true;
  out.changed = true;
};

/** True while this replica has reason to believe in a living leader: it disturbs nobody then. */
const hearsLeader = (state: RaftState, nowMs: number): boolean => {
  if (state.role === 'leader') return true;
  if (state.quiet && state.leader !== null) return true;
  return nowMs - state.heardLeaderMs < state.options.electionTimeoutMinMs;
};

export const onVoteRequest = (state: RaftState, out: Output, message: VoteRequest, nowMs: number): void => {
  const replyType = message.type === 'vote' ? 'vote-reply' : 'pre-vote-reply';
  const reply = (granted: boolean, term: number): void =>
    say(state, out, { type: replyType, from: state.replica, to: message.from, term, granted });
  const sticky = !message.transfer && hearsLeader(state, nowMs);
  if (message.term < state.term || sticky || state.halted || nowMs < state.votesFromMs) return reply(false, state.term);
  const upToDate = state.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (message.type === 'pre-vote') {
    const granted = message.term > state.term && upToDate;
    return reply(granted, granted ? message.term : state.term);
  }
  if (message.term > state.term) becomeFollower(state, out, message.term, null, nowMs);
  const free = state.vote === message.from || (state.vote === null && state.leader === null);
  if (!free || !upToDate) return reply(false, state.term);
  if (state.vote === null) {
    state.vote = message.from;
    out.hardStateChanged = true;
  }
  restartElectionTimer(state, nowMs);
  reply(true, state.term);
};

export const onVoteReply = (state: RaftState, out: Output, message: VoteReply, nowMs: number): void => {
  if (message.type === 'pre-vote-reply') {
    if (state.role !== 'pre-candidate') return;
    // A grant names the term asked for; a grant for another campaign is stale.
    if (message.granted && message.term !== state.term + 1) return;
  } else if (state.role !== 'candidate' || message.term !== state.term) return;
  if (!state.votes.has(message.from)) state.votes.set(message.from, message.granted);
  decide(state, out, nowMs);
};
