// Membership changes by joint consensus (Raft §6, dissertation §4.3): the configuration of the log's latest configuration
// entry counts, committed or not; a change of voters goes through a joint phase that the leader ends by itself.
import { encodeConfiguration, isMemberOf, parseConfiguration } from './configuration.ts';
import { addProgress } from './progress.ts';
import { appendOwn } from './replication.ts';
import { flushTo, type Output, type RaftState } from './state.ts';
import type { Configuration, ReconfigureRejection, ReconfigureTarget, ReplicaId } from './types.ts';

/** A new voter may lack this many entries at most: the joint phase must not wait for a long catching up. */
const promoteLagEntriesMax = 1_000;

const sameSet = (a: readonly ReplicaId[], b: readonly ReplicaId[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id));

const finalOf = (target: ReconfigureTarget): Configuration => ({
  voters: [...target.voters],
  outgoing: null,
  learners: [...target.learners],
  learnersNext: [],
  members: { ...target.members },
});

/** Both majorities count; voters on their way out stay members, those that become learners wait for the end. */
const jointOf = (current: Configuration, final: Configuration): Configuration => ({
  voters: final.voters,
  outgoing: [...current.voters],
  learners: final.learners.filter((id) => !current.voters.includes(id)),
  learnersNext: final.learners.filter((id) => current.voters.includes(id)),
  members: {
    ...Object.fromEntries(current.voters.map((id) => [id, current.members[id]!])),
    ...final.members,
  },
});

type Problem = { reason: ReconfigureRejection; message: string };

/** It has acknowledged something in this term, and was heard a moment ago. */
const answers = (state: RaftState, id: ReplicaId, nowMs: number): boolean => {
  if (id === state.replica) return true;
  const progress = state.progress.get(id);
  if (progress === undefined || progress.regressed) return false;
  return progress.match >= state.termStartIndex && nowMs - progress.heardMs <= state.options.electionTimeoutMaxMs;
};

/**
 * A change that must be decided by voters of whom too few are there would never end, and nothing else could be decided meanwhile: who
 * takes a healthy voter out while another is down loses the group when that one does not come back.
 */
const silenceOf = (state: RaftState, { voters, members }: Configuration, nowMs: number): Problem | null => {
  const silent = voters.filter((id) => !answers(state, id, nowMs));
  if (2 * (voters.length - silent.length) > voters.length) return null;
  const names = (ids: readonly ReplicaId[]): string => ids.map((id) => members[id]!.name).join(', ');
  return {
    reason: 'unheard',
    message: `it would leave the voters ${names(voters)}, and of these ${names(silent)} cannot be counted on now`,
  };
};

const problemOf = (state: RaftState, final: Configuration, nowMs: number): Problem | null => {
  if (final.voters.length === 0) return { reason: 'invalid', message: 'the last voter cannot be removed' };
  if (parseConfiguration(final) === null)
    return { reason: 'invalid', message: 'voters, learners and members do not fit together' };
  for (const [id, member] of Object.entries(final.members)) {
    const known = state.configuration.members[id];
    if (known !== undefined && known.peer !== member.peer)
      return { reason: 'invalid', message: `replica ${id} lives on ${known.peer}, not on ${member.peer}` };
  }
  for (const id of final.voters) {
    if (id === state.replica || state.configuration.voters.includes(id)) continue;
    const progress = state.progress.get(id);
    const match = progress === undefined || progress.regressed ? 0 : progress.match;
    if (match === 0 || match + promoteLagEntriesMax < state.commit)
      return { reason: 'not-caught-up', message: `${final.members[id]!.name} holds the log up to ${match} of ${state.commit}` };
  }
  return sameSet(final.voters, state.configuration.voters) ? null : silenceOf(state, final, nowMs);
};

export const onReconfigure = (
  state: RaftState,
  out: Output,
  ref: number,
  target: ReconfigureTarget,
  wallMs: number,
  nowMs: number,
): void => {
  const refuse = (reason: ReconfigureRejection, message: string): void =>
    void out.effects.push({ type: 'reconfigure-rejected', ref, reason, message });
  if (state.role !== 'leader') return refuse('not-leader', 'this replica does not lead');
  // One change at a time, and none before an entry of our own term is committed (the bug of single-server changes, 2015).
  const busy =
    state.reconfiguration !== null || state.configuration.outgoing !== null || state.configurationIndex > state.commit;
  if (busy || state.commit < state.termStartIndex || state.transfer !== null)
    return refuse('pending', 'another change is under way');
  const final = finalOf(target);
  const problem = problemOf(state, final, nowMs);
  if (problem !== null) return refuse(problem.reason, problem.message);
  const direct = sameSet(final.voters, state.configuration.voters);
  const next = direct ? final : jointOf(state.configuration, final);
  appendOwn(state, out, [{ kind: 'configuration', data: encodeConfiguration(next) }], wallMs);
  state.reconfiguration = { ref, final: direct, index: state.log.lastIndex, target: final };
  addProgress(state, nowMs);
  for (const id of state.progress.keys()) flushTo(out, id);
};

/** What a joint configuration ends in; members that are named nowhere any more are forgotten. */
const leaveJoint = (joint: Configuration): Configuration => {
  const learners = [...joint.learners, ...joint.learnersNext];
  const kept = [...joint.voters, ...learners];
  const members = Object.fromEntries(kept.map((id) => [id, joint.members[id]!]));
  return { voters: joint.voters, outgoing: null, learners, learnersNext: [], members };
};

/** After the commit index moved: ends a joint phase, reports the change, and says whether this leader has to go. */
export const onConfigurationCommitted = (state: RaftState, out: Output): { leave: boolean } => {
  if (state.role !== 'leader' || state.configurationIndex > state.commit) return { leave: false };
  if (state.configuration.outgoing !== null) {
    const final = leaveJoint(state.configuration);
    const pending = state.reconfiguration;
    appendOwn(state, out, [{ kind: 'configuration', data: encodeConfiguration(final) }], 0);
    state.reconfiguration = { ref: pending?.ref ?? null, final: true, index: state.log.lastIndex, target: final };
    return { leave: false };
  }
  const done = state.reconfiguration;
  if (done?.final && done.index <= state.commit) {
    state.reconfiguration = null;
    if (done.ref !== null) out.effects.push({ type: 'reconfigured', ref: done.ref, index: done.index });
    out.changed = true;
  }
  return { leave: !state.configuration.voters.includes(state.replica) };
};

/**
 * Who is no member any more is still told so: the entry by which it leaves, then that this is committed, so that it rests. Who
 * does not answer is let go, and refused as an outsider if it asks for votes one day.
 */
export const releaseDeparted = (state: RaftState, out: Output, nowMs: number): void => {
  const { commit, configuration, configurationIndex, log, options, replica, round, term } = state;
  if (configurationIndex > commit) return;
  for (const [to, { match, heardMs, regressed }] of state.progress) {
    if (isMemberOf(configuration, to)) continue;
    if (!regressed && match < configurationIndex && nowMs - heardMs <= options.electionTimeoutMaxMs) continue;
    state.progress.delete(to);
    const known = { commit: Math.min(match, commit), lastIndex: log.lastIndex };
    out.effects.push({
      type: 'send',
      message: { type: 'heartbeat', from: replica, to, term, round, quiet: false, ...known },
    });
  }
};

/** Leadership is lost: whether the change happens is the next leader's. */
export const dropReconfiguration = (state: RaftState, out: Output): void => {
  const pending = state.reconfiguration;
  state.reconfiguration = null;
  if (pending === null || pending.ref === null) return;
  out.effects.push({
    type: 'reconfigure-rejected',
    ref: pending.ref,
    reason: 'lost',
    message: 'leadership was lost meanwhile; it may still happen',
  });
};
