// Test files that share one process each group. A process of its own costs each file half a second before its first test (modules are
// loaded, hot code is compiled again), which is more than most of them take: together that was a minute and a half of a run. Files that
// change globals, tell the time from the start of their process, need real peers or start processes keep one of their own. Each is a
// suite, so that its hooks are its own too.
import { globSync } from 'node:fs';
import { describe } from 'node:test';

const tests = new URL('../', import.meta.url);

/** Files of tests, below test/. */
export const groups = {
  nodes: ['src/*.test.ts', 'src/{client,config,gateway,storage,topic}/**/*.test.ts'],
  pure: ['{actors,machines}/**/*.test.ts'],
  simulated: ['sim/**/*.test.ts'],
} as const;

export const filesOf = (group: keyof typeof groups): string[] => globSync(groups[group], { cwd: tests.pathname }).sort();

export const asOne = (group: keyof typeof groups): void => {
  for (const file of filesOf(group)) describe(file, async () => void (await import(new URL(file, tests).href)));
};
