// Linearizable reads without a log entry: ReadIndex (dissertation §6.4) and the leader's lease (§6.4.1).
import { decidesAlone } from './configuration.ts';
import { quorumRound } from './replication.ts';
import type { Output, RaftState } from './state.ts';

const reject = (out: Output, ref: number, reason: 'not-leader' | 'overloaded', leader: string | null): void =>
  void out.effects.push({ type: 'read-rejected', ref, reason, leader });

/** A leader knows what is committed only after an entry of its own term is (dissertation §6.4, step 1). */
const knowsCommit = (state: RaftState): boolean => state.commit >= state.termStartIndex;

/** Time until which no other leader can have been elected: a quorum heard us when the round was *sent* and grants no vote since. */
export const leaseUntilMs = (state: RaftState): number => {
  if (state.role !== 'leader' || state.leaseEnded) return Number.NEGATIVE_INFINITY;
  const round = quorumRound(state);
  const sentMs = state.roundSentMs.get(round);
  if (sentMs === undefined) return Number.NEGATIVE_INFINITY;
  return sentMs + state.options.electionTimeoutMinMs * (1 - state.options.leaseDriftRatio);
};

export const onRead = (state: RaftState, out: Output, ref: number, mode: 'read-index' | 'lease', nowMs: number): void => {
  if (state.role !== 'leader') return reject(out, ref, 'not-leader', state.leader);
  if (state.reads.length + state.readsWaiting.length >= state.options.pendingReadsMax)
    return reject(out, ref, 'overloaded', null);
  const immediate =
    knowsCommit(state) &&
    (decidesAlone(state.configuration, state.replica) || (mode === 'lease' && nowMs < leaseUntilMs(state)));
  if (immediate) return void out.effects.push({ type: 'read-ready', ref, index: state.commit });
  state.readsWaiting.push(ref);
  startReads(state, out);
};

/** One round at a time carries all reads that came before it; those that come meanwhile wait for the next. */
export const startReads = (state: RaftState, out: Output): void => {
  if (state.readsWaiting.length === 0 || state.reads.length > 0 || !knowsCommit(state)) return;
  const round = state.round + 1;
  for (const ref of state.readsWaiting) state.reads.push({ ref, round, index: state.commit });
  state.readsWaiting = [];
  out.newRound = true;
};

/** Answers the reads whose round, or a later one, a quorum has acknowledged. */
export const answerReads = (state: RaftState, out: Output): void => {
  if (state.role !== 'leader') return;
  if (state.reads.length > 0) {
    const round = quorumRound(state);
    const waiting: RaftState['reads'] = [];
    for (const read of state.reads) {
      if (read.round <= round) out.effects.push({ type: 'read-ready', ref: read.ref, index: read.index });
      else waiting.push(read);
    }
    state.reads = waiting;
  }
  startReads(state, out);
};

export const rejectReads = (state: RaftState, out: Output): void => {
  for (const { ref } of state.reads) reject(out, ref, 'not-leader', null);
  for (const ref of state.readsWaiting) reject(out, ref, 'not-leader', null);
  state.reads = [];
  state.readsWaiting = [];
};
