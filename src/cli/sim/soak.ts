// `polity sim --soak`: new seeds for as long as told, on all cores; what fails goes to a file at once, so that nothing is lost when the
// machine is taken away.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { failureKind, type Verdict } from '../../../sim/index.ts';
import { version } from '../../version.ts';
import { print } from '../output.ts';
import { Output } from './files.ts';
import { untilInterrupted } from './interrupt.ts';
import { commandOf, type Plan } from './options.ts';
import { Pool } from './pool.ts';
import { gravest, Progress } from './view.ts';

const gitTimeoutMs = 5_000;

/** Of the checkout that runs; null in an installed package. */
const commit = (): string | null => {
  try {
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    const git = (...words: string[]): string =>
      execFileSync('git', words, { cwd, timeout: gitTimeoutMs, stdio: ['ignore', 'pipe', 'ignore'] })
        .toString()
        .trim();
    const isDirty = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', 'HEAD')}${isDirty ? ' with changes' : ''}`;
  } catch {
    return null;
  }
};

export const soak = async (plan: Plan, soakMs: number, failuresPath: string | null, json: boolean): Promise<Verdict> => {
  const file = failuresPath === null ? null : new Output(failuresPath, 'a');
  const { options, isTwice, workers } = plan;
  const progress = new Progress(plan, json);
  const program = { version, commit: commit() };
  const endMs = performance.now() + soakMs;
  let seed = plan.from;
  let worst: Verdict = 'held';
  const pool = new Pool({
    ...{ options, isTwice, workers },
    next: () => (seed <= plan.to && performance.now() < endMs ? seed++ : null),
    onResult(outcome) {
      progress.add(outcome);
      worst = gravest(worst, outcome.verdict);
      if (outcome.verdict === 'held' || file === null) return;
      const { verdict, reason } = outcome;
      const command = commandOf(outcome.seed, options);
      file.line({ seed: outcome.seed, options, verdict, kind: failureKind(outcome), reason, command, ...program });
      file.flush();
    },
  });
  if (!json) print(`seeds from ${plan.from} on, ${workers} at a time`);
  try {
    const isInterrupted = await untilInterrupted(
      () => pool.stop(),
      () => pool.run(),
    );
    progress.summary(isInterrupted);
    if (!json && file !== null && progress.failed > 0) print(`failures are in ${file.path}`);
  } finally {
    file?.close();
  }
  return worst;
};
