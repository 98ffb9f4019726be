// One step of Raft: an event in, effects out. The order at the end is the contract of decision 2: what must be durable goes
// into one persist effect together with the messages that rely on it.
import { becomeFollower, campaign, countOwnVote, onVoteReply, onVoteRequest, restartElectionTimer } from './election.ts';
import { onAppend, onHeartbeat, onSnapshotOffer, onSnapshotReceived, onTimeOutNow } from './follow.ts';
import { checkInvariants, watermark } from './invariants.ts';
import { entryBytes } from './log.ts';
import { becomeQuiet, mayBeQuiet, wakeLeader } from './quiet.ts';
import { answerReads, onRead } from './reads.ts';
import { onConfigurationCommitted, onReconfigure } from './reconfigure.ts';
import {
  advanceCommit,
  appendOwn,
  broadcastHeartbeats,
  hearsQuorum,
  onAppendReply,
  onHeartbeatReply,
  onReachable,
  onSnapshotSent,
  onUnreachable,
  sendAppends,
} from './replication.ts';
import { configurationAt, createOutput, type Output, type RaftState, say } from './state.ts';
import { expireTransfer, hurryTransfer, onTransfer } from './transfer.ts';
import type { Entry, RaftEffect, RaftEvent, RaftMessage, ReplicaId, SnapshotMeta } from './types.ts';

export const step = (state: RaftState, nowMs: number, event: RaftEvent): RaftEffect[] => {
  const before = watermark(state);
  const out = createOutput();
  dispatch(state, out, event, nowMs);
  settle(state, out, nowMs);
  checkInvariants(before, state);
  return out.effects;
};

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
    becomeFollower(state, out, message.term, comesFromLeader(message) ? message.from : null, nowMs);
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
  if (state.role === 'leader' && message.type !== 'heartbeat-reply' && message.type !== 'append-reply') wakeLeader(state, out, nowMs);
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
  if (!heldUp && !hearsQuorum(state, nowMs)) return becomeFollower(state, out, state.term, null, nowMs);
  expireTransfer(state, out, nowMs);
  for (const [id, progress] of state.progress) {
    if (progress.mode === 'probe' && nowMs - progress.heardMs > state.options.electionTimeoutMaxMs) progress.probing = false;
    out.flush.add(id);
  }
  broadcastHeartbeats(state, out, nowMs, mayBeQuiet(state, nowMs));
};

/** The peer's connection closed, it restarted or fell silent. If it hosted the leader, nobody waits longer than the lease. */
const onPeerLost = (state: RaftState, out: Output, replica: ReplicaId, nowMs: number): void => {
  if (state.role === 'leader') {
    wakeLeader(state, out, nowMs);
    return onUnreachable(state, replica);
  }
  if (state.leader !== replica || state.role !== 'follower' || state.halted) return;
  if (state.quiet) {
    state.quiet = false;
    out.changed = true;
  }
  const spread = state.options.electionTimeoutMinMs / 2;
  const earliestMs = Math.max(nowMs, state.heardLeaderMs + state.options.electionTimeoutMinMs);
  restartElectionTimer(state, nowMs);
  // The randomised part of the time-out, squeezed: who waits least still has a head start of several round trips.
  const share = (state.electionDeadlineMs - nowMs - state.options.electionTimeoutMinMs) / Math.max(1, state.options.electionTimeoutMaxMs - state.options.electionTimeoutMinMs);
  state.electionDeadlineMs = earliestMs + share * spread;
};

// ---------------------------------------------------------------- proposals, disk, compaction

const onPropose = (state: RaftState, out: Output, event: Extract<RaftEvent, { type: 'propose' }>, nowMs: number): void => {
  wakeLeader(state, out, nowMs);
  const accepted: { kind: 'command'; data: Uint8Array; ref: number }[] = [];
  let bytes = state.uncommittedBytes;
  for (const { ref, data } of event.proposals) {
    const size = entryBytes({ index: 0, term: 0, kind: 'command', timeMs: 0, data });
    const refuse = (reason: 'not-leader' | 'transferring' | 'overloaded' | 'too-large'): void =>
      void out.effects.push({ type: 'proposal-rejected', ref, reason, leader: state.leader });
    if (state.role !== 'leader' || state.halted) refuse('not-leader');
    else if (state.transfer !== null) refuse('transferring');
    else if (data.byteLength > state.options.entryBytesMax) refuse('too-large');
    // An empty pipeline takes any single entry, so that a large one is not refused for ever.
    else if (bytes > 0 && bytes + size > state.options.uncommittedBytesMax) refuse('overloaded');
    else {
      bytes += size;
      accepted.push({ kind: 'command', data, ref });
    }
  }
  let index = state.log.lastIndex;
  for (const { ref } of accepted) out.effects.push({ type: 'proposed', ref, index: ++index, term: state.term });
  if (accepted.length > 0) appendOwn(state, out, accepted, event.wallMs);
};

const onPersisted = (state: RaftState, out: Output, token: number, nowMs: number): void => {
  while (state.pending.length > 0 && state.pending[0]!.token <= token) {
    const write = state.pending.shift()!;
    if (write.hardState !== null) state.durableHardState = write.hardState;
    if (write.snapshot !== null) {
      state.durable = Math.max(state.durable, write.snapshot.index);
      state.applied = Math.max(state.applied, write.snapshot.index);
    }
    state.durable = Math.max(state.durable, write.lastIndex);
  }
  countOwnVote(state, out, nowMs);
};

const onPersistFailed = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.halted) return;
  state.halted = true;
  becomeFollower(state, out, state.term, null, nowMs);
  out.changed = true;
  out.effects.push({ type: 'warn', code: 'PERSIST_FAILED', message: 'the disk refused a write: this replica promises nothing until it is restarted' });
};

const onCompact = (state: RaftState, out: Output, meta: SnapshotMeta): void => {
  const upTo = Math.min(meta.index, state.applied, state.durable) - state.options.retainEntries;
  if (upTo <= state.log.base.index) return;
  const configuration = configurationAt(state, upTo);
  state.log.compactTo(upTo);
  const kept = state.configurations.filter((one) => one.index > upTo);
  state.configurations = [{ index: upTo, configuration }, ...kept];
  if (kept.length === 0) state.configurationIndex = Math.min(state.configurationIndex, upTo);
  const { index, term, timeMs } = state.log.base;
  out.effects.push({ type: 'drop-log', meta: { index, term, timeMs, configuration } });
};

// ---------------------------------------------------------------- the end of a step

const settle = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role === 'leader') settleLeader(state, out, nowMs);
  persist(state, out);
  apply(state, out);
  const soonest = state.halted ? Number.POSITIVE_INFINITY : Math.min(state.electionDeadlineMs, state.heartbeatDeadlineMs);
  state.deadlineMs = soonest;
  if (out.changed) out.effects.push({ type: 'changed' });
};

const settleLeader = (state: RaftState, out: Output, nowMs: number): void => {
  while (advanceCommit(state)) {
    const { leave } = onConfigurationCommitted(state, out, nowMs);
    if (!leave) continue;
    // The others learn of the commit before their leader is gone.
    broadcastHeartbeats(state, out, nowMs, false);
    return becomeFollower(state, out, state.term, null, nowMs);
  }
  answerReads(state, out);
  hurryTransfer(state, out);
  for (const id of out.flush) sendAppends(state, out, id, nowMs);
  if (out.newRound) broadcastHeartbeats(state, out, nowMs, false);
};

const persist = (state: RaftState, out: Output): void => {
  const entries: Entry[] =
    out.appendedFrom <= state.log.lastIndex ? state.log.slice(out.appendedFrom, state.log.lastIndex, Number.POSITIVE_INFINITY) : [];
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
