// One step of Raft: an event in, effects out. The order at the end is the contract of decision 2: what must be durable goes
// into one persist effect together with the messages that rely on it.
import {
  becomeFollower,
  campaign,
  countOwnVote,
  onVoteReply,
  onVoteRequest,
  restartElectionTimer,
  wakeUp,
} from './election.ts';
import { onAppend, onHeartbeat, onTimeOutNow } from './follow.ts';
import { checkStep, factsOf } from './invariants.ts';
import { entryBytes } from './log.ts';
import { becomeQuiet, mayBeQuiet, wakeLeader } from './quiet.ts';
import { answerReads, onRead } from './reads.ts';
import { onConfigurationCommitted, onReconfigure, releaseDeparted } from './reconfigure.ts';
import {
  advanceCommit,
  appendOwn,
  broadcastHeartbeats,
  hearsQuorum,
  onAppendReply,
  onHeartbeatReply,
  onReachable,
  onUnreachable,
  sendAppends,
} from './replication.ts';
import { onCompact, onSnapshotOffer, onSnapshotReceived, onSnapshotSent } from './snapshot.ts';
import { createOutput, flushTo, type Output, type RaftState, say } from './state.ts';
import { expireTransfer, hasLostLease, hurryTransfer, onTransfer } from './transfer.ts';
import type { Entry, ProposalRejection, RaftEffect, RaftEvent, RaftMessage, ReplicaId } from './types.ts';

export const step = (state: RaftState, nowMs: number, event: RaftEvent): RaftEffect[] => {
  const before = factsOf(state);
  const out = createOutput();
  state.roleEvents = [];
  if (!state.halted || asksForAnswer(event)) dispatch(state, out, event, nowMs);
  settle(state, out, nowMs);
  checkStep(before, state, out.effects);
  return out.effects;
};

/** All that a halted replica still does is to say no to its own node: whatever it tells others could be a promise. */
const asksForAnswer = ({ type }: RaftEvent): boolean =>
  type === 'propose' || type === 'read' || type === 'reconfigure' || type === 'transfer' || type === 'applied';

const dispatch = (state: RaftState, out: Output, event: RaftEvent, nowMs: number): void => {
  switch (event.type) {
    case 'wake':
      return onWake(state, out, nowMs);
    case 'message':
      return onMessage(state, out, event.message, nowMs);
    case 'propose':
      return onPropose(state, out, event, nowMs);
    case 'read':
      wakeLeader(state, out, nowMs);
      return onRead(state, out, event.ref, event.mode, nowMs);
    case 'reconfigure':
      wakeLeader(state, out, nowMs);
      return onReconfigure(state, out, event.ref, event.target, event.wallMs, nowMs);
    case 'transfer':
      wakeLeader(state, out, nowMs);
      return onTransfer(state, out, event.ref, event.to, nowMs);
    case 'persisted':
      return onPersisted(state, out, event.token, nowMs);
    case 'persist-failed':
      return onPersistFailed(state, out, nowMs);
    case 'unreadable':
      return halt(state, out, nowMs);
    case 'applied':
      state.applied = Math.max(state.applied, Math.min(event.index, state.handed));
      return;
    case 'compact':
      return onCompact(state, out, event.meta);
    case 'snapshot-received':
      return onSnapshotReceived(state, out, event.from, event.meta);
    case 'snapshot-sent':
      return onSnapshotSent(state, out, event.to, event.index, event.ok, nowMs);
    case 'unreachable':
      return onUnreachable(state, event.replica);
    case 'peer-lost':
      return onPeerLost(state, out, event.replica, nowMs);
    case 'peer-found':
      wakeLeader(state, out, nowMs);
      return onReachable(state, out, event.replica);
    case 'attend':
      return onAttend(state, out, event.awake, nowMs);
  }
};

// ---------------------------------------------------------------- messages

const comesFromLeader = (message: RaftMessage): boolean =>
  message.type === 'append' || message.type === 'heartbeat' || message.type === 'snapshot';

/** Settles whose term is newer first (Raft §5.1); true: the message is of our term and may be looked at. */
const meetTerm = (state: RaftState, out: Output, message: RaftMessage, nowMs: number): boolean => {
  if (message.type === 'vote' || message.type === 'pre-vote') return true;
  if (message.type === 'pre-vote-reply' && message.granted) return true;
  if (message.term > state.term) {
    becomeFollower(state, out, message.term, comesFromLeader(message) ? message.from : null, nowMs, 'HIGHER_TERM_SEEN');
    return true;
  }
  if (message.term === state.term) return true;
  // A leader of the past learns the present from any answer.
  if (comesFromLeader(message))
    say(state, out, {
      ...{ type: 'heartbeat-reply', from: state.replica, to: message.from, term: state.term },
      ...{ round: 0, quiet: false, index: state.durable },
    });
  return false;
};

const onMessage = (state: RaftState, out: Output, message: RaftMessage, nowMs: number): void => {
  // Whoever speaks unasked has a reason, unless it belongs to the group no more.
  const unasked = message.type !== 'heartbeat-reply' && message.type !== 'append-reply';
  if (unasked && state.progress.has(message.from)) wakeLeader(state, out, nowMs);
  if (!meetTerm(state, out, message, nowMs)) return;
  if (state.role === 'leader' && comesFromLeader(message)) {
    const what = `${message.from} claims to lead term ${message.term} too`;
    out.effects.push({ type: 'warn', code: 'TWO_LEADERS', message: what });
    return;
  }
  switch (message.type) {
    case 'vote':
    case 'pre-vote':
      return onVoteRequest(state, out, message, nowMs);
    case 'vote-reply':
    case 'pre-vote-reply':
      return onVoteReply(state, out, message, nowMs);
    case 'append':
      return onAppend(state, out, message, nowMs);
    case 'heartbeat':
      return onHeartbeat(state, out, message, nowMs);
    case 'snapshot':
      return onSnapshotOffer(state, out, message, nowMs);
    case 'time-out-now':
      return onTimeOutNow(state, out, message, nowMs);
    case 'append-reply':
      return onAppendReply(state, out, message, nowMs);
    case 'heartbeat-reply':
      onHeartbeatReply(state, out, message, nowMs);
      return becomeQuiet(state, out, nowMs);
  }
};

// ---------------------------------------------------------------- time

const onWake = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role !== 'leader') {
    if (nowMs >= state.electionDeadlineMs) campaign(state, out, nowMs);
    return;
  }
  if (nowMs < state.heartbeatDeadlineMs) return;
  // A process that was held up (a long pause, SIGSTOP) has heard nobody because it did not listen: one more interval.
  const heldUp = nowMs - state.heartbeatMs > state.options.electionTimeoutMinMs;
  state.heartbeatMs = nowMs;
  state.heartbeatDeadlineMs = nowMs + state.options.heartbeatMs;
  if (!heldUp && !hearsQuorum(state, nowMs)) return becomeFollower(state, out, state.term, null, nowMs, 'QUORUM_LOST');
  expireTransfer(state, out, nowMs);
  if (hasLostLease(state)) return leadAnew(state, out, nowMs);
  for (const [id, progress] of state.progress) {
    if (progress.mode === 'probe' && nowMs - progress.heardMs > state.options.electionTimeoutMaxMs) progress.probing = false;
    flushTo(out, id);
  }
  broadcastHeartbeats(state, out, nowMs, mayBeQuiet(state, nowMs));
  becomeQuiet(state, out, nowMs);
};

/** Its followers know it for their leader, and let it go first. */
const leadAnew = (state: RaftState, out: Output, nowMs: number): void => {
  becomeFollower(state, out, state.term, null, nowMs, 'TRANSFER_UNANSWERED');
  state.electionDeadlineMs = nowMs;
};

const onAttend = (state: RaftState, out: Output, awake: boolean, nowMs: number): void => {
  state.awake = awake;
  if (!awake) return;
  if (hasLostLease(state)) return leadAnew(state, out, nowMs);
  if (state.quiet) wakeLeader(state, out, nowMs);
};

/**
 * The peer's connection closed, it restarted or fell silent. If it hosted our leader, the election need not wait for the whole
 * time-out: only for as long as that leader, if it lives after all, may rely on having been heard (its lease), and a little
 * more at random. At once, then, in a group that was quiet.
 */
const onPeerLost = (state: RaftState, out: Output, replica: ReplicaId, nowMs: number): void => {
  if (state.role === 'leader') {
    wakeLeader(state, out, nowMs);
    return onUnreachable(state, replica);
  }
  if (state.leader !== replica || state.role !== 'follower') return;
  wakeUp(state, out);
  const { electionTimeoutMinMs, electionTimeoutMaxMs, heartbeatMs } = state.options;
  // The others heard the leader last within a fraction of a heartbeat of us; asked before, they refuse.
  const votesGrantedMs = Math.max(nowMs, state.heardLeaderMs + electionTimeoutMinMs + heartbeatMs / 10);
  restartElectionTimer(state, nowMs);
  const share = (state.electionDeadlineMs - nowMs - electionTimeoutMinMs) / (electionTimeoutMaxMs - electionTimeoutMinMs);
  state.electionDeadlineMs = votesGrantedMs + Math.floor((share * electionTimeoutMinMs) / 2);
};

// ---------------------------------------------------------------- proposals, disk, compaction

type Proposals = Extract<RaftEvent, { type: 'propose' }>;

/** Null = accepted. */
const rejectionOf = (state: RaftState, data: Uint8Array, size: number, uncommittedBytes: number): ProposalRejection | null => {
  const { entryBytesMax, uncommittedBytesMax } = state.options;
  if (state.role !== 'leader') return 'not-leader';
  if (state.transfer !== null) return 'transferring';
  if (data.byteLength > entryBytesMax) return 'too-large';
  // An empty pipeline takes any single entry, so that a large one is not refused for ever.
  return uncommittedBytes > 0 && uncommittedBytes + size > uncommittedBytesMax ? 'overloaded' : null;
};

const onPropose = (state: RaftState, out: Output, event: Proposals, nowMs: number): void => {
  wakeLeader(state, out, nowMs);
  const accepted: { kind: 'command'; data: Uint8Array }[] = [];
  let { lastIndex } = state.log;
  let bytes = state.uncommittedBytes;
  for (const { ref, data } of event.proposals) {
    const size = entryBytes({ data });
    const reason = rejectionOf(state, data, size, bytes);
    if (reason !== null) {
      out.effects.push({ type: 'proposal-rejected', ref, reason, leader: state.leader });
      continue;
    }
    bytes += size;
    accepted.push({ kind: 'command', data });
    out.effects.push({ type: 'proposed', ref, index: ++lastIndex, term: state.term });
  }
  if (accepted.length > 0) appendOwn(state, out, accepted, event.wallMs);
};

const onPersisted = (state: RaftState, out: Output, token: number, nowMs: number): void => {
  while (state.pending.length > 0 && state.pending[0]!.token <= token) {
    const write = state.pending.shift()!;
    if (write.hardState !== null) state.durableHardState = write.hardState;
    if (write.snapshot !== null) {
      state.durable = Math.max(state.durable, write.snapshot.index);
      state.applied = Math.max(state.applied, write.snapshot.index);
      // How far it is applied is told like a role: perhaps nothing else happens for long.
      out.changed = true;
    }
    state.durable = Math.max(state.durable, write.lastIndex);
  }
  countOwnVote(state, out, nowMs);
};

/** It promises nothing more until it is restarted. */
const halt = (state: RaftState, out: Output, nowMs: number): void => {
  // Followers that sleep on our word are woken with the last one, or they would never miss us: this process lives on.
  if (state.quiet && state.role === 'leader') broadcastHeartbeats(state, out, nowMs, false);
  becomeFollower(state, out, state.term, null, nowMs, 'WRITE_FAILED');
  if (state.roleEvents.length === 0) state.roleEvents.push({ type: 'WRITE_FAILED' });
  state.halted = true;
  out.changed = true;
};

const onPersistFailed = (state: RaftState, out: Output, nowMs: number): void => {
  halt(state, out, nowMs);
  const what = 'the disk refused a write: this replica promises nothing until it is restarted';
  out.effects.push({ type: 'warn', code: 'PERSIST_FAILED', message: what });
};

// ---------------------------------------------------------------- the end of a step

const settle = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role === 'leader') settleLeader(state, out, nowMs);
  if (!state.halted) {
    persist(state, out);
    apply(state, out);
  }
  state.deadlineMs = state.halted ? Number.POSITIVE_INFINITY : Math.min(state.electionDeadlineMs, state.heartbeatDeadlineMs);
  if (out.changed) out.effects.push({ type: 'changed' });
};

const settleLeader = (state: RaftState, out: Output, nowMs: number): void => {
  while (advanceCommit(state)) {
    const { leave } = onConfigurationCommitted(state, out);
    if (!leave) continue;
    // The others learn of the commit before their leader is gone.
    broadcastHeartbeats(state, out, nowMs, false);
    return becomeFollower(state, out, state.term, null, nowMs, 'LEFT');
  }
  releaseDeparted(state, out, nowMs);
  answerReads(state, out);
  hurryTransfer(state, out);
  for (const id of out.flush) sendAppends(state, out, id, nowMs);
  if (out.newRound) broadcastHeartbeats(state, out, nowMs, false);
};

const persist = (state: RaftState, out: Output): void => {
  const { log } = state;
  const entries: Entry[] =
    out.appendedFrom <= log.lastIndex ? log.slice(out.appendedFrom, log.lastIndex, Number.POSITIVE_INFINITY) : [];
  const hardState = out.hardStateChanged ? { term: state.term, vote: state.vote } : null;
  if (entries.length === 0 && hardState === null && out.snapshot === null && out.afterPersist.length === 0) return;
  const token = ++state.lastToken;
  state.pending.push({ token, lastIndex: entries.at(-1)?.index ?? 0, hardState, snapshot: out.snapshot });
  out.effects.push({ type: 'persist', token, hardState, entries, snapshot: out.snapshot, messages: out.afterPersist });
};

/** Committed and on our own disk: what is applied here never has to be taken back, whatever crashes. */
const apply = (state: RaftState, out: Output): void => {
  const upTo = Math.min(state.commit, state.durable);
  if (upTo <= state.handed) return;
  const entries = state.log.slice(state.handed + 1, upTo, Number.POSITIVE_INFINITY);
  state.handed = upTo;
  out.effects.push({ type: 'apply', entries });
};
