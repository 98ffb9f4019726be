// The leader's side of log replication: what to send to whom, what an acknowledgement means, when an entry is committed
// (Raft §5.3, §5.4.2), and whether a quorum is still there.
import { entryBytes } from './log.ts';
import { quorumValue } from './quorum.ts';
import { appendEntries, type Output, type Progress, type RaftState } from './state.ts';
import type { Entry, RaftMessage, ReplicaId } from './types.ts';

const roundsKept = 64;

export const createProgress = (state: RaftState, nowMs: number): Progress => ({
  ...{ match: 0, next: state.log.lastIndex + 1, mode: 'probe', inflight: [], inflightBytes: 0, probing: false },
  ...{ heardMs: nowMs, advancedMs: nowMs, ackedRound: 0, matchRound: 0, retryAtMs: 0, regressed: false, quiet: false },
});

/** Progress exists for exactly the other members of the configuration. */
export const syncProgress = (state: RaftState, nowMs: number): void => {
  if (state.role !== 'leader') return state.progress.clear();
  const { members } = state.configuration;
  for (const id of state.progress.keys()) if (members[id] === undefined) state.progress.delete(id);
  for (const id of Object.keys(members))
    if (id !== state.replica && !state.progress.has(id)) state.progress.set(id, createProgress(state, nowMs));
};

const toProbe = (progress: Progress): void => {
  progress.mode = 'probe';
  progress.next = progress.match + 1;
  progress.probing = false;
  progress.inflight = [];
  progress.inflightBytes = 0;
};

const windowIsOpen = (state: RaftState, progress: Progress): boolean =>
  progress.inflight.length < state.options.inflightMessagesMax && progress.inflightBytes < state.options.inflightBytesMax;

const append = (state: RaftState, to: ReplicaId, progress: Progress, entries: Entry[]): RaftMessage => ({
  ...{ type: 'append', from: state.replica, to, term: state.term, prevIndex: progress.next - 1 },
  ...{ prevTerm: state.log.termAt(progress.next - 1)!, entries, commit: state.commit, round: state.round },
});

/** Sends what the follower lacks, as far as its mode and window allow. */
export const sendAppends = (state: RaftState, out: Output, to: ReplicaId, nowMs: number): void => {
  const progress = state.progress.get(to);
  if (progress === undefined || progress.regressed || progress.mode === 'snapshot') return;
  if (state.log.termAt(progress.next - 1) === undefined) return beginSnapshot(state, out, to, progress, nowMs);
  const { log, options } = state;
  if (progress.mode === 'probe') {
    if (progress.probing) return;
    progress.probing = true;
    const entries = progress.next > log.lastIndex ? [] : log.slice(progress.next, log.lastIndex, options.appendBytesMax);
    out.effects.push({ type: 'send', message: append(state, to, progress, entries) });
    return;
  }
  while (progress.next <= log.lastIndex && windowIsOpen(state, progress)) {
    const entries = log.slice(progress.next, log.lastIndex, options.appendBytesMax);
    out.effects.push({ type: 'send', message: append(state, to, progress, entries) });
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    progress.next += entries.length;
    progress.inflight.push({ index: progress.next - 1, bytes });
    progress.inflightBytes += bytes;
  }
};

const beginSnapshot = (state: RaftState, out: Output, to: ReplicaId, progress: Progress, nowMs: number): void => {
  if (nowMs < progress.retryAtMs) return;
  progress.mode = 'snapshot';
  out.effects.push({ type: 'send-snapshot', to, minIndex: state.log.base.index });
};

/** Starts a new round: a heartbeat to everybody whose acknowledgement proves that they follow us now. */
export const broadcastHeartbeats = (state: RaftState, out: Output, nowMs: number, quiet: boolean): void => {
  state.round++;
  state.roundSentMs.set(state.round, nowMs);
  state.roundSentMs.delete(state.round - roundsKept);
  for (const [to, progress] of state.progress) {
    const message: RaftMessage = {
      ...{ type: 'heartbeat', from: state.replica, to, term: state.term, round: state.round, quiet },
      commit: Math.min(progress.match, state.commit),
      lastIndex: state.log.lastIndex,
    };
    out.effects.push({ type: 'send', message });
  }
};

const heard = (progress: Progress, round: number, nowMs: number): void => {
  progress.heardMs = nowMs;
  progress.ackedRound = Math.max(progress.ackedRound, round);
};

/** The highest round that a quorum has acknowledged; our own vote is the current one. */
export const quorumRound = (state: RaftState): number =>
  quorumValue(state.configuration, (id) => {
    if (id === state.replica) return state.round;
    const progress = state.progress.get(id);
    return progress === undefined || progress.regressed ? 0 : progress.ackedRound;
  });

/** Advances the commit index to what a quorum has on disk, counting only entries of our own term (Raft §5.4.2, Figure 8). */
export const advanceCommit = (state: RaftState): boolean => {
  if (state.role !== 'leader') return false;
  const reached = quorumValue(state.configuration, (id) => {
    if (id === state.replica) return state.durable;
    const progress = state.progress.get(id);
    return progress === undefined || progress.regressed ? 0 : progress.match;
  });
  if (reached <= state.commit || reached > state.log.lastIndex || state.log.termAt(reached) !== state.term) return false;
  for (let index = state.commit + 1; index <= reached; index++) {
    const entry = state.log.entryAt(index);
    if (entry !== undefined) state.uncommittedBytes = Math.max(0, state.uncommittedBytes - entryBytes(entry));
  }
  state.commit = reached;
  return true;
};

export const onAppendReply = (
  state: RaftState,
  out: Output,
  message: Extract<RaftMessage, { type: 'append-reply' }>,
  nowMs: number,
): void => {
  const progress = state.progress.get(message.from);
  if (progress === undefined || progress.regressed) return;
  heard(progress, message.round, nowMs);
  if (message.conflict !== null) return onRefusal(state, out, message, progress);
  // No follower can hold more than it was sent: a longer acknowledgement is not believed.
  const index = Math.min(message.index, state.log.lastIndex);
  if (index > progress.match) {
    progress.match = index;
    progress.matchRound = state.round;
    progress.advancedMs = nowMs;
  }
  progress.next = Math.max(progress.next, progress.match + 1);
  while (progress.inflight.length > 0 && progress.inflight[0]!.index <= index) progress.inflightBytes -= progress.inflight.shift()!.bytes;
  if (progress.mode === 'probe') {
    toProbe(progress);
    progress.mode = 'replicate';
  } else if (progress.mode === 'snapshot' && progress.match >= state.log.base.index) {
    toProbe(progress);
    progress.mode = 'replicate';
  }
  out.flush.add(message.from);
};

const onRefusal = (
  state: RaftState,
  out: Output,
  message: Extract<RaftMessage, { type: 'append-reply' }>,
  progress: Progress,
): void => {
  // An append at or below match is never refused by a log that kept it: the refusal is older than the acknowledgement.
  if (message.conflict === null || message.index <= progress.match || progress.mode === 'snapshot') return;
  if (progress.mode === 'replicate') toProbe(progress);
  else {
    // A refusal of anything but the one probe under way is stale.
    if (message.index !== progress.next - 1) return;
    const meet = state.log.lastIndexWithTermAtMost(message.conflict.index, message.conflict.term);
    progress.next = Math.max(progress.match + 1, Math.min(message.index, meet + 1));
    progress.probing = false;
  }
  out.flush.add(message.from);
};

export const onHeartbeatReply = (
  state: RaftState,
  out: Output,
  message: Extract<RaftMessage, { type: 'heartbeat-reply' }>,
  nowMs: number,
): void => {
  const progress = state.progress.get(message.from);
  if (progress === undefined || progress.regressed) return;
  // The follower answered a round begun after its acknowledgement was here, and its disk holds less: it lost what it promised.
  if (message.round > progress.matchRound && message.round <= state.round && message.index < progress.match) {
    progress.regressed = true;
    const name = state.configuration.members[message.from]?.name ?? message.from;
    const what = `${name} acknowledged ${progress.match} and now holds ${message.index}; remove it and add it anew`;
    out.effects.push({ type: 'warn', code: 'LOG_REGRESSED', message: what });
    return;
  }
  heard(progress, Math.min(message.round, state.round), nowMs);
  progress.quiet = message.quiet;
  if (progress.match >= state.log.lastIndex) return;
  const stalled = nowMs - progress.advancedMs > 2 * state.options.heartbeatMs;
  if (progress.mode === 'replicate' && progress.inflight.length > 0 && stalled) toProbe(progress);
  if (progress.mode === 'probe') progress.probing = false;
  out.flush.add(message.from);
};

/** The network lost something on the way: what was sent without waiting is sent again, one by one at first. */
export const onUnreachable = (state: RaftState, replica: ReplicaId): void => {
  const progress = state.progress.get(replica);
  if (progress === undefined) return;
  if (progress.mode === 'replicate') toProbe(progress);
};

export const onReachable = (state: RaftState, out: Output, replica: ReplicaId): void => {
  const progress = state.progress.get(replica);
  if (progress === undefined) return;
  if (progress.mode !== 'snapshot') toProbe(progress);
  progress.quiet = false;
  out.flush.add(replica);
};

export const onSnapshotSent = (state: RaftState, out: Output, to: ReplicaId, index: number, ok: boolean, nowMs: number): void => {
  const progress = state.progress.get(to);
  if (progress === undefined || progress.mode !== 'snapshot') return;
  toProbe(progress);
  if (ok) progress.next = Math.max(progress.next, Math.min(index, state.log.lastIndex) + 1);
  else progress.retryAtMs = nowMs + 4 * state.options.heartbeatMs;
  out.flush.add(to);
};

/** Has a majority been heard within the longest election time-out? (Ongaro's dissertation §6.2.) */
export const hearsQuorum = (state: RaftState, nowMs: number): boolean => {
  const sinceMs = quorumValue(state.configuration, (id) => (id === state.replica ? nowMs : (state.progress.get(id)?.heardMs ?? 0)));
  return nowMs - sinceMs <= state.options.electionTimeoutMaxMs;
};

/** The leader's own entries: stamped with its term and a log time that never falls. */
export const appendOwn = (
  state: RaftState,
  out: Output,
  items: readonly { kind: Entry['kind']; data: Uint8Array }[],
  wallMs: number,
): void => {
  let index = state.log.lastIndex;
  const timeMs = Math.max(state.log.lastTimeMs, wallMs);
  const entries = items.map((item): Entry => ({ index: ++index, term: state.term, kind: item.kind, timeMs, data: item.data }));
  for (const entry of entries) state.uncommittedBytes += entryBytes(entry);
  appendEntries(state, out, entries);
  for (const id of state.progress.keys()) out.flush.add(id);
};
