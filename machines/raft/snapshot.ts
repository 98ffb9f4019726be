// Snapshots in the protocol: when a follower needs one, how it replaces a log, and what may be dropped after one (Raft §7).
// The bytes travel apart (actors); here a snapshot is its label: index, term, log time and configuration.

import { wakeUp } from './election.ts';
import { acknowledge, hearLeader, learnCommit } from './follow.ts';
import { entryBytes } from './log.ts';
import { type Progress, toProbe } from './progress.ts';
import { flushTo, type Output, type RaftState } from './state.ts';
import type { RaftMessage, ReplicaId, SnapshotMeta } from './types.ts';

const retryHeartbeats = 4;
/** Large entries are not kept in memory for the sake of followers that lag; those get a snapshot. */
const retainBytesMax = 32 << 20;

// ---------------------------------------------------------------- the leader's side

export const beginSnapshot = (state: RaftState, out: Output, to: ReplicaId, progress: Progress, nowMs: number): void => {
  if (nowMs < progress.retryAtMs) return;
  toProbe(progress);
  progress.mode = 'snapshot';
  out.effects.push({ type: 'send-snapshot', to, minIndex: state.log.base.index });
};

/** Sent or not, one append finds out what the follower has now; if it is still too far behind, the next snapshot waits a while. */
export const onSnapshotSent = (
  state: RaftState,
  out: Output,
  to: ReplicaId,
  index: number,
  ok: boolean,
  nowMs: number,
): void => {
  const progress = state.progress.get(to);
  if (progress === undefined || progress.mode !== 'snapshot') return;
  toProbe(progress);
  if (ok) progress.next = Math.max(progress.next, Math.min(index, state.log.lastIndex) + 1);
  else progress.retryAtMs = nowMs + retryHeartbeats * state.options.heartbeatMs;
  flushTo(out, to);
};

// ---------------------------------------------------------------- the follower's side

export const onSnapshotOffer = (
  state: RaftState,
  out: Output,
  message: Extract<RaftMessage, { type: 'snapshot' }>,
  nowMs: number,
): void => {
  hearLeader(state, out, message, nowMs);
  wakeUp(state, out);
  if (message.meta.index <= state.commit) return acknowledge(state, out, message.from, state.commit, 0);
  out.effects.push({ type: 'expect-snapshot', from: message.from, meta: message.meta });
};

/** A whole snapshot lies staged: install it unless the log has come so far by itself meanwhile. */
export const onSnapshotReceived = (state: RaftState, out: Output, from: ReplicaId, meta: SnapshotMeta): void => {
  if (state.role !== 'follower' || state.leader !== from || meta.term > state.term) return;
  if (meta.index <= state.commit) return acknowledge(state, out, from, state.commit, 0);
  if (state.log.matches(meta.index, meta.term)) {
    learnCommit(state, meta.index);
    return acknowledge(state, out, from, meta.index, 0);
  }
  replaceLog(state, out, meta);
  acknowledge(state, out, from, meta.index, 0);
};

/** Nothing of the old log survives, not even what lies behind the snapshot: it contradicts it, or it was not there. */
const replaceLog = (state: RaftState, out: Output, meta: SnapshotMeta): void => {
  state.log.reset(meta);
  // The snapshot itself is durable only with its own write. Until then the old log stands on the disk or is on its way there,
  // and what was acknowledged of it agrees with the snapshot.
  state.durable = Math.min(state.durable, meta.index - 1);
  for (const pending of state.pending) pending.lastIndex = Math.min(pending.lastIndex, meta.index - 1);
  state.commit = meta.index;
  state.handed = meta.index;
  state.configurations = [{ index: meta.index, configuration: meta.configuration }];
  state.configuration = meta.configuration;
  state.configurationIndex = meta.index;
  out.snapshot = meta;
  out.changed = true;
};

// ---------------------------------------------------------------- compaction

/** The last index that may go: applied, on our disk, and old enough that followers seldom need it. */
const dropUpTo = (state: RaftState, index: number): number => {
  const { log, options } = state;
  let upTo = Math.min(index, state.applied, state.durable);
  const oldest = Math.max(log.base.index, upTo - options.retainEntries);
  for (let bytes = 0; upTo > oldest; upTo--) {
    bytes += entryBytes(log.entryAt(upTo)!);
    if (bytes > retainBytesMax) break;
  }
  return upTo;
};

/** The label is made of our own log, whatever the caller's says: a snapshot under a wrong label would poison its receiver. */
export const onCompact = (state: RaftState, out: Output, meta: SnapshotMeta): void => {
  const upTo = dropUpTo(state, meta.index);
  if (upTo <= state.log.base.index) return;
  state.log.compactTo(upTo);
  // The configuration in force at the base stays: it is part of the label (a configuration must survive compaction).
  state.configurations.splice(
    0,
    state.configurations.findLastIndex((one) => one.index <= upTo),
  );
  const { configuration } = state.configurations[0]!;
  out.effects.push({ type: 'drop-log', meta: { ...state.log.base, configuration } });
};
