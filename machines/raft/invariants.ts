// What is always true of a replica, by name. The cheap ones are checked after every step in production too, because a replica
// that breaks its word must stop rather than spread it; the costly ones where `checkAll` is set (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { entryBytes, type RaftLog } from './log.ts';
import { mayCampaign, type RaftState } from './state.ts';
import type { RaftEffect, RaftMessage, Role } from './types.ts';

export { InvariantBroken };

/** The few values of before a step that those of after it are compared with. */
export type Facts = {
  term: number;
  vote: string | null;
  role: Role;
  lastIndex: number;
  commit: number;
  handed: number;
  applied: number;
};

export const factsOf = (state: RaftState): Facts => ({
  term: state.term,
  vote: state.vote,
  role: state.role,
  lastIndex: state.log.lastIndex,
  commit: state.commit,
  handed: state.handed,
  applied: state.applied,
});

// Below, comparisons of numbers stand as `if (!(what holds))`: NaN breaks them instead of slipping through their opposite.
const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

export const checkStep = (before: Facts, state: RaftState, effects: readonly RaftEffect[]): void => {
  checkProgression(before, state);
  checkOrder(state);
  for (const effect of effects) if (effect.type === 'send') checkPromise(state, effect.message);
  if (!state.checkAll) return;
  checkConfigurations(state);
  checkWrites(state);
  checkRole(state);
  checkProgress(state);
};

// ---------------------------------------------------------------- always

const checkProgression = (before: Facts, state: RaftState): void => {
  const sameTerm = state.term === before.term;
  if (!(state.term >= before.term)) broken('term-monotone', `${before.term} → ${state.term}`);
  const keptVote = !sameTerm || before.vote === null || state.vote === before.vote;
  if (!keptVote) broken('one-vote-a-term', `term ${state.term}: ${before.vote} → ${state.vote}`);
  if (!(state.commit >= before.commit)) broken('commit-monotone', `${before.commit} → ${state.commit}`);
  if (!(state.handed >= before.handed)) broken('apply-monotone', `${before.handed} → ${state.handed}`);
  if (!(state.applied >= before.applied)) broken('applied-monotone', `${before.applied} → ${state.applied}`);
  // Older entries are committed along with one of the leader's own term, never by counting (Raft §5.4.2, Figure 8).
  const isOwn = state.role !== 'leader' || state.commit === before.commit || state.log.termAt(state.commit) === state.term;
  if (!isOwn) broken('commits-own-term', `${state.commit} of term ${state.log.termAt(state.commit)} in term ${state.term}`);
  const appended = !sameTerm || before.role !== 'leader' || state.log.lastIndex >= before.lastIndex;
  if (!appended) broken('leader-append-only', `${before.lastIndex} → ${state.log.lastIndex}`);
};

const checkOrder = (state: RaftState): void => {
  const { log } = state;
  if (!(state.commit <= log.lastIndex)) broken('commit-in-log', `${state.commit} > ${log.lastIndex}`);
  if (!(state.handed <= state.commit)) broken('apply-committed', `${state.handed} > ${state.commit}`);
  if (!(state.applied <= state.handed)) broken('applied-handed', `${state.applied} > ${state.handed}`);
  if (!(state.durable <= log.lastIndex)) broken('durable-in-log', `${state.durable} > ${log.lastIndex}`);
  if (!(log.base.index <= state.handed)) broken('compact-applied', `${log.base.index} > ${state.handed}`);
  if (!(log.lastTerm <= state.term)) broken('log-within-term', `${log.lastTerm} > ${state.term}`);
  if (state.role === 'leader' && state.leader !== state.replica) broken('leader-knows-itself', `${state.leader}`);
  if (state.role !== 'leader' && state.progress.size > 0) broken('progress-of-leaders', `${state.role} has progress`);
  if (state.halted && state.role !== 'follower') broken('halted-follows', state.role);
};

/** What leaves at once relies on nothing that is not on the disk (decision 2). */
const checkPromise = (state: RaftState, message: RaftMessage): void => {
  const { term, vote } = state.durableHardState;
  // A pre-vote and its grant name a term that may never be, and promise nothing.
  const supposes = message.type === 'pre-vote' || (message.type === 'pre-vote-reply' && message.granted);
  if (!(supposes || message.term <= term))
    broken('speaks-in-durable-term', `${message.type} of term ${message.term}, on disk ${term}`);
  if (message.type === 'vote-reply' && message.granted)
    if (vote !== message.to || message.term !== term)
      broken('grants-durable-vote', `to ${message.to}, on disk ${vote}@${term}`);
  if (message.type === 'append-reply' && message.conflict === null)
    if (!(message.index <= state.durable)) broken('acknowledges-durable', `${message.index}, on disk ${state.durable}`);
};

// ---------------------------------------------------------------- where everything is checked

/** Where a log's configuration entries lie, as last seen, and how many steps ago all of it was looked at. */
type Seen = { indices: number[]; steps: number };
const seenOf = new WeakMap<RaftLog, Seen>();
/** Mostly what changed is looked at; every so often everything, should the note of what changed be wrong. */
const stepsBetweenScans = 1_024;

/** Configuration entries of the log, oldest first, at a cost of what changed since the last step. */
const configurationEntries = (log: RaftLog): readonly number[] => {
  let seen = seenOf.get(log);
  if (seen === undefined) seenOf.set(log, (seen = { indices: [], steps: 0 }));
  const { indices } = seen;
  if (++seen.steps % stepsBetweenScans === 0) log.changedFrom = 0;
  const from = Math.max(log.changedFrom, log.firstIndex);
  while (indices.length > 0 && indices.at(-1)! >= from) indices.pop();
  while (indices.length > 0 && indices[0]! < log.firstIndex) indices.shift();
  for (let index = from; index <= log.lastIndex; index++) if (log.entryAt(index)!.kind === 'configuration') indices.push(index);
  log.changedFrom = Number.POSITIVE_INFINITY;
  return indices;
};

const checkConfigurations = (state: RaftState): void => {
  const { log, configurations } = state;
  const latest = configurations.at(-1)!;
  const isLatest = latest.configuration === state.configuration && latest.index === state.configurationIndex;
  if (!isLatest) broken('latest-configuration', `in force ${state.configurationIndex}, latest ${latest.index}`);
  const inLog = configurationEntries(log);
  let areRemembered = inLog.length === configurations.length - 1;
  for (let at = 0; at < inLog.length && areRemembered; at++) areRemembered = configurations[at + 1]!.index === inLog[at];
  if (!areRemembered) {
    const remembered = configurations.slice(1).map((one) => one.index);
    broken('configurations-of-log', `log ${inLog.join()}, remembered ${remembered.join()}`);
  }
};

const checkWrites = (state: RaftState): void => {
  const { log, pending } = state;
  let token = 0;
  let installing = false;
  let last = state.durable;
  let { term } = state.durableHardState;
  for (const write of pending) {
    if (!(write.token > token)) broken('writes-in-order', `${token}, ${write.token}`);
    if (!(write.lastIndex <= log.lastIndex)) broken('write-in-log', `${write.lastIndex} > ${log.lastIndex}`);
    token = write.token;
    last = Math.max(last, write.lastIndex);
    if (write.hardState !== null) term = write.hardState.term;
    if (write.snapshot === null) continue;
    installing = true;
    last = Math.max(last, write.snapshot.index);
  }
  if (!installing && !(state.handed <= state.durable)) broken('apply-durable', `${state.handed} > ${state.durable}`);
  if (!state.halted && last !== log.lastIndex) broken('all-is-written', `written ${last}, log ${log.lastIndex}`);
  if (!state.halted && term !== state.term) broken('term-is-written', `written ${term}, now ${state.term}`);
};

const checkRole = (state: RaftState): void => {
  const campaigns = state.role === 'candidate' || state.role === 'pre-candidate';
  if (campaigns && !mayCampaign(state)) broken('voters-campaign', `${state.role}`);
  if (state.role === 'candidate' && state.vote !== state.replica) broken('candidate-votes-for-itself', `${state.vote}`);
  if (campaigns && state.leader !== null) broken('campaigns-without-leader', `${state.leader}`);
  if (state.quiet && (campaigns || state.leader === null)) broken('quiet-under-leader', `${state.role} of ${state.leader}`);
  const rests = state.deadlineMs === Number.POSITIVE_INFINITY;
  if (rests !== (state.quiet || state.halted)) broken('rests-when-quiet', `deadline ${state.deadlineMs}, quiet ${state.quiet}`);
  const waits = state.reads.length + state.readsWaiting.length > 0 || state.transfer !== null || state.reconfiguration !== null;
  if (waits && state.role !== 'leader') broken('leader-owes-answers', `${state.role} has requests that wait`);
  if (state.role !== 'leader') return;
  let bytes = 0;
  for (let index = state.commit + 1; index <= state.log.lastIndex; index++) bytes += entryBytes(state.log.entryAt(index)!);
  if (bytes !== state.uncommittedBytes) broken('uncommitted-counted', `${bytes}, counted ${state.uncommittedBytes}`);
};

const checkProgress = (state: RaftState): void => {
  const { log, options } = state;
  if (state.role === 'leader')
    for (const id in state.configuration.members)
      if (id !== state.replica && !state.progress.has(id)) broken('progress-of-members', `${id} has none`);
  for (const [id, progress] of state.progress) {
    const { match, next, mode, inflight, probing } = progress;
    if (!(match <= log.lastIndex)) broken('match-in-log', `${id}: ${match} > ${log.lastIndex}`);
    if (!(next > match && next <= log.lastIndex + 1))
      broken('next-after-match', `${id}: ${match} < ${next} ≤ ${log.lastIndex + 1}`);
    if (!(inflight.length <= options.inflightMessagesMax)) broken('inflight-bounded', `${id}: ${inflight.length}`);
    if (inflight.length > 0 && mode !== 'replicate') broken('inflight-of-replicate', `${id}: ${mode}`);
    if (probing && mode !== 'probe') broken('probing-of-probe', `${id}: ${mode}`);
    let bytes = 0;
    let after = match;
    for (const one of inflight) {
      const { index } = one;
      bytes += one.bytes;
      if (!(index > after && index < next)) broken('inflight-ascending', `${id}: ${index} after ${after}, next ${next}`);
      after = index;
    }
    if (bytes !== progress.inflightBytes) broken('inflight-counted', `${id}: ${bytes}, counted ${progress.inflightBytes}`);
  }
};
