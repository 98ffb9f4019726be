// The leader's side of log replication: what to send to whom, what an acknowledgement means, when an entry is committed
// (Raft §5.3, §5.4.2), and whether a quorum is still there.
import { entryBytes } from './log.ts';
import { counted, freeInflight, type Progress, toProbe, toReplicate, windowIsOpen } from './progress.ts';
import { quorumValue } from './quorum.ts';
import { beginSnapshot } from './snapshot.ts';
import { appendEntries, flushTo, type Output, type RaftState } from './state.ts';
import type { Entry, RaftMessage, ReplicaId } from './types.ts';

type Reply<Type extends 'append-reply' | 'heartbeat-reply'> = Extract<RaftMessage, { type: Type }>;

/** Rounds whose sending time is remembered, for leases: a quorum answers within so many or the lease has run out. */
const roundsKept = 64;

const append = (state: RaftState, to: ReplicaId, progress: Progress, entries: Entry[]): RaftMessage => ({
  type: 'append',
  from: state.replica,
  to,
  term: state.term,
  prevIndex: progress.next - 1,
  prevTerm: state.log.termAt(progress.next - 1)!,
  entries,
  commit: state.commit,
  round: state.round,
});

/** Sends what the follower lacks, as far as its mode and window allow. */
export const sendAppends = (state: RaftState, out: Output, to: ReplicaId, nowMs: number): void => {
  const progress = state.progress.get(to);
  if (progress === undefined || progress.regressed || progress.mode === 'snapshot') return;
  const { log, options } = state;
  if (log.termAt(progress.next - 1) === undefined) return beginSnapshot(state, out, to, progress, nowMs);
  if (progress.mode === 'probe') {
    if (progress.probing) return;
    progress.probing = true;
    progress.movedMs = nowMs;
    const entries = progress.next > log.lastIndex ? [] : log.slice(progress.next, log.lastIndex, options.appendBytesMax);
    out.effects.push({ type: 'send', message: append(state, to, progress, entries) });
    return;
  }
  while (progress.next <= log.lastIndex && windowIsOpen(options, progress)) {
    const entries = log.slice(progress.next, log.lastIndex, options.appendBytesMax);
    out.effects.push({ type: 'send', message: append(state, to, progress, entries) });
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    if (progress.inflight.length === 0) progress.movedMs = nowMs;
    progress.next += entries.length;
    progress.inflight.push({ index: progress.next - 1, bytes });
    progress.inflightBytes += bytes;
  }
};

/** Starts a new round: a heartbeat to everybody whose acknowledgement proves that they follow us now. */
export const broadcastHeartbeats = (state: RaftState, out: Output, nowMs: number, quiet: boolean): void => {
  state.round++;
  state.roundSentMs.set(state.round, nowMs);
  state.roundSentMs.delete(state.round - roundsKept);
  if (!quiet) state.quietRound = Number.POSITIVE_INFINITY;
  else if (state.quietRound === Number.POSITIVE_INFINITY) state.quietRound = state.round;
  for (const [to, progress] of state.progress) {
    const message: RaftMessage = {
      type: 'heartbeat',
      from: state.replica,
      to,
      term: state.term,
      round: state.round,
      quiet,
      commit: Math.min(progress.match, state.commit),
      lastIndex: state.log.lastIndex,
    };
    out.effects.push({ type: 'send', message });
  }
};

const hear = (state: RaftState, progress: Progress, round: number, nowMs: number): void => {
  progress.heardMs = nowMs;
  // Nobody can answer a round that has not begun.
  progress.ackedRound = Math.max(progress.ackedRound, Math.min(round, state.round));
};

/** The highest round that a quorum has acknowledged; our own vote is the current one. */
export const quorumRound = (state: RaftState): number =>
  quorumValue(
    state.configuration,
    counted(state, state.round, (progress) => progress.ackedRound),
  );

/** Advances the commit index to what a quorum has on disk, counting only entries of our own term (Raft §5.4.2, Figure 8). */
export const advanceCommit = (state: RaftState): boolean => {
  const { log } = state;
  if (state.commit >= log.lastIndex) return false;
  const reached = quorumValue(
    state.configuration,
    counted(state, state.durable, (progress) => progress.match),
  );
  if (reached <= state.commit || reached > log.lastIndex || log.termAt(reached) !== state.term) return false;
  for (let index = state.commit + 1; index <= reached; index++) state.uncommittedBytes -= entryBytes(log.entryAt(index)!);
  state.commit = reached;
  return true;
};

export const onAppendReply = (state: RaftState, out: Output, message: Reply<'append-reply'>, nowMs: number): void => {
  const progress = state.progress.get(message.from);
  if (progress === undefined || progress.regressed) return;
  hear(state, progress, message.round, nowMs);
  if (message.conflict !== null) return onRefusal(state, out, message, message.conflict, progress);
  // No follower can hold more than it was sent: a longer acknowledgement is not believed.
  const index = Math.min(message.index, state.log.lastIndex);
  if (index > progress.match) {
    progress.match = index;
    progress.matchRound = state.round;
  }
  progress.next = Math.max(progress.next, progress.match + 1);
  freeInflight(progress, index, nowMs);
  const meets = progress.mode === 'probe' || (progress.mode === 'snapshot' && progress.match >= state.log.base.index);
  if (meets) toReplicate(progress);
  flushTo(out, message.from);
};

/** The logs do not meet where we thought: go back to where they may, whole terms at a time. */
const onRefusal = (
  state: RaftState,
  out: Output,
  message: Reply<'append-reply'>,
  conflict: { index: number; term: number },
  progress: Progress,
): void => {
  // An append at or below match is never refused by a log that kept it: the refusal is older than the acknowledgement.
  if (message.index <= progress.match || progress.mode === 'snapshot') return;
  if (progress.mode === 'replicate') toProbe(progress);
  else {
    // A refusal of anything but the one probe under way is stale.
    if (message.index !== progress.next - 1) return;
    const meet = state.log.lastIndexWithTermAtMost(conflict.index, conflict.term);
    progress.next = Math.max(progress.match + 1, Math.min(message.index, meet + 1));
    progress.probing = false;
  }
  flushTo(out, message.from);
};

/** The follower answered a round begun after its acknowledgement was here, and its disk holds less: it lost what it promised. */
const hasRegressed = (state: RaftState, progress: Progress, message: Reply<'heartbeat-reply'>): boolean =>
  message.round > progress.matchRound && message.round <= state.round && message.index < progress.match;

export const onHeartbeatReply = (state: RaftState, out: Output, message: Reply<'heartbeat-reply'>, nowMs: number): void => {
  const progress = state.progress.get(message.from);
  if (progress === undefined || progress.regressed) return;
  if (hasRegressed(state, progress, message)) {
    progress.regressed = true;
    toProbe(progress);
    const name = state.configuration.members[message.from]?.name ?? message.from;
    const what = `${name} acknowledged ${progress.match} and now holds ${message.index}; remove it and add it anew`;
    out.effects.push({ type: 'warn', code: 'LOG_REGRESSED', message: what });
    return;
  }
  hear(state, progress, message.round, nowMs);
  if (message.round >= state.quietRound) progress.quiet = message.quiet;
  if (progress.match >= state.log.lastIndex) return;
  // It lives, and yet what it was sent stays without an answer: taken for lost.
  const silentMs = nowMs - progress.movedMs;
  if (progress.inflight.length > 0 && silentMs > 2 * state.options.heartbeatMs) toProbe(progress);
  if (progress.probing && silentMs >= state.options.heartbeatMs) progress.probing = false;
  flushTo(out, message.from);
};

/** The network lost something on the way: what was sent without waiting is sent again, one append at first. */
export const onUnreachable = (state: RaftState, replica: ReplicaId): void => {
  const progress = state.progress.get(replica);
  if (progress?.mode === 'replicate') toProbe(progress);
};

export const onReachable = (state: RaftState, out: Output, replica: ReplicaId): void => {
  const progress = state.progress.get(replica);
  if (progress === undefined) return;
  if (progress.mode !== 'snapshot') toProbe(progress);
  progress.quiet = false;
  flushTo(out, replica);
};

/** Has a majority been heard within the longest election time-out? (Dissertation §6.2.) */
export const hearsQuorum = (state: RaftState, nowMs: number): boolean => {
  const sinceMs = quorumValue(
    state.configuration,
    counted(state, nowMs, (progress) => progress.heardMs),
  );
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
  for (const id of state.progress.keys()) flushTo(out, id);
};
