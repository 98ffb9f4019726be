// The judges of one run: Raft's promises while it goes on, linearizability of what clients saw at its end.
import type { Observation } from '../actors/observe.ts';
import { createRaftJudge, type HistoryEvent, judgeHistory, registerModel } from './checkers/index.ts';

export type Judge = {
  observe(node: string, observation: Observation): void;
  /** A new process begins on this node's disk. */
  restarted(node: string): void;
  /** What was on this replica's disk is not what it was: what it does is not held against it. */
  damaged(replica: string): void;
  /** The first promise that was broken, in words. */
  violation(): string | null;
  history(events: readonly HistoryEvent[]): string | null;
};

const historySteps = 5_000_000;

export const judgeRun = (): Judge => {
  const raft = createRaftJudge();
  return {
    observe: (_node, observation) => void raft.observe(observation),
    // The tap itself tells what a new process finds on its disk.
    restarted() {},
    damaged: (replica) => raft.damaged(replica),
    violation() {
      const first = raft.violations[0];
      return first === undefined ? null : `${first.promise} of '${first.group}': ${first.message}`;
    },
    history(events) {
      // One recorder saw all events in their order.
      const verdict = judgeHistory(registerModel, events, { stepsMax: historySteps, order: 'place' });
      return verdict.type === 'violated' || verdict.type === 'unreadable' ? verdict.explanation : null;
    },
  };
};
