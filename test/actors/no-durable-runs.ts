// In place of durable runs, where a test has no actors.
import type { DurableRuns } from '../../actors/graph-runs.ts';

const none = (): never => {
  throw new Error('there are no durable runs in this test');
};

export const noDurableRuns: DurableRuns = { run: none, attach: none, cancel: none };
