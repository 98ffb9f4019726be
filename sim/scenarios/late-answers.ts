// Everything comes so late that leaders, votes and answers are of the past when they are heard of.
import type { Scenario } from './scenario.ts';

export const lateAnswers: Scenario = {
  name: 'late-answers',
  sentence: 'Everything comes so late that leaders, votes and answers are of the past when they are heard of.',
  faults: ['late-network', 'late-hand-over', 'late-cut', 'late-grant', 'forgetful-voter', 'roving-cut', 'roving-crash', 'kill'],
  knobs: (drawn) => ({ everyMs: [50, 800], lastsMs: [50, 3_000], nodes: Math.max(3, drawn.nodes) }),
};
