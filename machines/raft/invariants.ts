// What is always true of a replica, by name; checked in production after every step (the cheap ones) and everywhere in tests.
import type { RaftState } from './state.ts';

/** A promise of our own code is broken: the replica stops rather than spread it. Never thrown for what a peer sends. */
export class InvariantBroken extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'InvariantBroken';
    this.invariant = invariant;
  }
}

/** The few values that later steps are compared with. */
export type Watermark = { term: number; vote: string | null; commit: number; applied: number; handed: number };

export const watermark = (state: RaftState): Watermark => ({
  term: state.term,
  vote: state.vote,
  commit: state.commit,
  applied: state.applied,
  handed: state.handed,
});

const hold = (holds: boolean, invariant: string, message: () => string): void => {
  if (!holds) throw new InvariantBroken(invariant, message());
};

export const checkInvariants = (before: Watermark, state: RaftState): void => {
  const { log } = state;
  hold(state.term >= before.term, 'term-monotone', () => `${before.term} → ${state.term}`);
  hold(
    state.term > before.term || before.vote === null || state.vote === before.vote,
    'one-vote-a-term',
    () => `term ${state.term}: ${before.vote} → ${state.vote}`,
  );
  hold(state.commit >= before.commit, 'commit-monotone', () => `${before.commit} → ${state.commit}`);
  hold(state.handed >= before.handed, 'apply-monotone', () => `${before.handed} → ${state.handed}`);
  hold(state.commit <= log.lastIndex, 'commit-in-log', () => `${state.commit} > ${log.lastIndex}`);
  hold(state.handed <= state.commit, 'apply-committed', () => `${state.handed} > ${state.commit}`);
  hold(state.applied <= state.handed, 'applied-handed', () => `${state.applied} > ${state.handed}`);
  hold(state.durable <= log.lastIndex, 'durable-in-log', () => `${state.durable} > ${log.lastIndex}`);
  hold(log.base.index <= state.handed, 'compact-applied', () => `${log.base.index} > ${state.handed}`);
  hold(state.role !== 'leader' || state.leader === state.replica, 'leader-knows-itself', () => `${state.leader}`);
  hold(state.role === 'leader' || state.progress.size === 0, 'progress-of-leaders', () => `${state.role} has progress`);
  for (const [replica, progress] of state.progress) {
    hold(progress.match <= log.lastIndex, 'match-in-log', () => `${replica}: ${progress.match} > ${log.lastIndex}`);
    hold(progress.next > progress.match, 'next-after-match', () => `${replica}: ${progress.next} ≤ ${progress.match}`);
  }
};
