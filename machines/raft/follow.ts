// The follower's side: what a leader's append, heartbeat or snapshot does to the log, and what may be acknowledged (Raft §5.3).
import { becomeCandidate, becomeFollower, restartElectionTimer } from './election.ts';
import { appendEntries, type Output, type RaftState, say, truncateLog } from './state.ts';
import type { Entry, RaftMessage, SnapshotMeta } from './types.ts';

type From<Type extends RaftMessage['type']> = Extract<RaftMessage, { type: Type }>;

/** A message of the current term's leader: it is alive, and this replica follows it. */
const hearLeader = (state: RaftState, out: Output, message: RaftMessage, nowMs: number): void => {
  if (state.role !== 'follower' || state.leader !== message.from) becomeFollower(state, out, message.term, message.from, nowMs);
  state.heardLeaderMs = nowMs;
  restartElectionTimer(state, nowMs);
};

const wakeFollower = (state: RaftState, out: Output): void => {
  if (!state.quiet) return;
  state.quiet = false;
  out.changed = true;
};

const advanceTo = (state: RaftState, commit: number): void => {
  state.commit = Math.max(state.commit, commit);
};

export const onAppend = (state: RaftState, out: Output, message: From<'append'>, nowMs: number): void => {
  hearLeader(state, out, message, nowMs);
  wakeFollower(state, out);
  if (state.halted) return;
  const { log } = state;
  const reply = (index: number, conflict: { index: number; term: number } | null, reliesOn: number): void =>
    say(
      state,
      out,
      { ...{ type: 'append-reply', from: state.replica, to: message.from, term: state.term }, index, conflict, round: message.round },
      reliesOn,
    );
  // What lies before the compaction point is committed, hence equal.
  const compacted = message.prevIndex < log.base.index;
  const entries = compacted ? message.entries.filter((entry) => entry.index > log.base.index) : message.entries;
  const prevIndex = compacted ? log.base.index : message.prevIndex;
  if (!compacted && !log.matches(prevIndex, message.prevTerm)) {
    const meet = log.lastIndexWithTermAtMost(Math.min(message.prevIndex, log.lastIndex), message.prevTerm);
    return reply(message.prevIndex, { index: meet, term: log.termAt(meet)! }, 0);
  }
  const fresh = withoutKnown(state, entries);
  const first = fresh[0];
  if (first !== undefined) {
    if (first.index <= state.commit) {
      const what = `the leader of term ${message.term} sends another entry ${first.index}, which is committed here`;
      out.effects.push({ type: 'warn', code: 'COMMITTED_CONFLICT', message: what });
      return;
    }
    if (first.index <= log.lastIndex) truncateLog(state, out, first.index);
    appendEntries(state, out, fresh);
  }
  const lastNew = prevIndex + entries.length;
  advanceTo(state, Math.min(message.commit, lastNew));
  reply(lastNew, null, lastNew);
};

/** The entries from the first that this log lacks or has otherwise; a matching suffix is never truncated. */
const withoutKnown = (state: RaftState, entries: readonly Entry[]): readonly Entry[] => {
  const at = entries.findIndex((entry) => !state.log.matches(entry.index, entry.term));
  return at === -1 ? [] : entries.slice(at);
};

export const onHeartbeat = (state: RaftState, out: Output, message: From<'heartbeat'>, nowMs: number): void => {
  hearLeader(state, out, message, nowMs);
  if (state.halted) return;
  advanceTo(state, Math.min(message.commit, state.log.lastIndex));
  const { log } = state;
  const settled = log.lastIndex === message.lastIndex && state.commit === log.lastIndex && state.durable === log.lastIndex;
  const quiet = message.quiet && settled;
  if (quiet) state.electionDeadlineMs = Number.POSITIVE_INFINITY;
  if (quiet !== state.quiet) out.changed = true;
  state.quiet = quiet;
  say(state, out, {
    ...{ type: 'heartbeat-reply', from: state.replica, to: message.from, term: state.term },
    ...{ round: message.round, quiet, index: state.durable },
  });
};

export const onSnapshotOffer = (state: RaftState, out: Output, message: From<'snapshot'>, nowMs: number): void => {
  hearLeader(state, out, message, nowMs);
  wakeFollower(state, out);
  if (state.halted) return;
  if (message.meta.index > state.commit) {
    out.effects.push({ type: 'expect-snapshot', from: message.from, meta: message.meta });
    return;
  }
  acknowledge(state, out, message.from, state.commit);
};

const acknowledge = (state: RaftState, out: Output, to: string, index: number): void =>
  say(
    state,
    out,
    { type: 'append-reply', from: state.replica, to, term: state.term, index, conflict: null, round: 0 },
    index,
  );

/** A whole snapshot lies staged: install it unless the log has come so far by itself meanwhile. */
export const onSnapshotReceived = (state: RaftState, out: Output, from: string, meta: SnapshotMeta): void => {
  if (state.halted || state.role !== 'follower' || state.leader !== from) return;
  if (meta.index <= state.commit) return acknowledge(state, out, from, state.commit);
  if (state.log.matches(meta.index, meta.term)) {
    advanceTo(state, meta.index);
    return acknowledge(state, out, from, meta.index);
  }
  state.log.reset(meta);
  for (const pending of state.pending) pending.lastIndex = 0;
  state.durable = Math.min(state.durable, meta.index);
  state.commit = meta.index;
  state.handed = meta.index;
  state.configurations = [{ index: meta.index, configuration: meta.configuration }];
  state.configuration = meta.configuration;
  state.configurationIndex = meta.index;
  out.appendedFrom = Number.POSITIVE_INFINITY;
  out.snapshot = meta;
  out.changed = true;
  const reply = { type: 'append-reply' as const, from: state.replica, to: from, term: state.term, index: meta.index, conflict: null, round: 0 };
  out.afterPersist.push(reply);
};

export const onTimeOutNow = (state: RaftState, out: Output, message: From<'time-out-now'>, nowMs: number): void => {
  if (state.role !== 'follower' || state.leader !== message.from || state.halted) return;
  becomeCandidate(state, out, nowMs, true);
};
