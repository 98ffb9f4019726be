// The promises of Raft, judged from outside: fed by the tap of every replica (actors/observe.ts), after every event.
import type { Observation } from '../../actors/observe.ts';

export type RaftPromise =
  | 'election-safety'
  | 'one-vote-a-term'
  | 'term-monotone'
  | 'leader-append-only'
  | 'log-matching'
  | 'leader-completeness'
  | 'state-machine-safety'
  | 'commit-monotone'
  | 'applied-in-order'
  | 'durable-before-said'
  | 'durable-kept';

export type RaftViolation = { promise: RaftPromise; group: string; replica: string; message: string };

export type RaftJudge = {
  /** Feed it everything, from all replicas of all groups, in the order in which it happens. Returns what this one breaks. */
  observe(observation: Observation): readonly RaftViolation[];
  /** The process of this replica ended: commit, applied and role start anew; what was durable must still be there. */
  restarted(replica: string): void;
  /** Something beyond what a disk may do was done to this replica's disk: it may have lost what was durable. */
  damaged(replica: string): void;
  /** All so far, oldest first; the first is the one to look at. */
  readonly violations: readonly RaftViolation[];
};
