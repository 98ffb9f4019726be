// Looks closely at a seed: runs it again, which is the same run, and keeps what a report shows.
import { createChronicle } from '../chronicle.ts';
import type { Listen } from '../record.ts';
import { type RunOptions, type RunResult, runSeed } from '../swarm.ts';
import { failingPartOf } from './calls.ts';
import { type ReportData, reportData } from './data.ts';

export type ExamineOptions = Pick<ReportData, 'repeat' | 'shrunkFrom' | 'version'> & {
  /** The run itself, if it is known already. */
  readonly known?: RunResult | null;
  /** Hears everything too. */
  readonly listen?: Listen | null;
  /** `listen` hears every step of every replica too. */
  readonly steps?: boolean;
};

/** Of a wrong answer, a little of what came after it says how it came to be seen. */
const afterFocusMs = 1;

export const examine = (
  seed: number,
  options: RunOptions,
  { known, listen, steps = false, ...texts }: ExamineOptions,
): ReportData => {
  const first = known ?? runSeed(seed, options);
  const part = first.verdict === 'held' ? null : failingPartOf(first.history);
  const isAboutClients = part !== null && first.reason.startsWith(part.explanation);
  const chronicle = createChronicle(isAboutClients ? { focusMs: part.untilMs + afterFocusMs } : {});
  const result = runSeed(seed, {
    ...options,
    steps,
    listen(event) {
      chronicle.listen(event);
      listen?.(event);
    },
  });
  if (result.hash !== first.hash) throw new Error(`seed ${seed} does not repeat itself: --twice shows where`);
  return reportData({ ...texts, result, part, chronicle: chronicle.end() });
};
