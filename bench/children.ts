// Processes and directories that a benchmark makes. However it ends, by an exception or by Ctrl-C, they end with it, each process
// by its own id.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const running = new Set<ChildProcess>();
const directories = new Set<string>();

export const removeDirectory = (path: string): void => {
  rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  directories.delete(path);
};

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  for (const path of directories) removeDirectory(path);
});
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

/** On the disk that TMPDIR names: it is that disk which is measured. */
export const makeDirectory = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'polity-bench-'));
  directories.add(path);
  return path;
};

/** From now on it ends with this process. */
export const owned = (child: ChildProcess): ChildProcess => {
  running.add(child);
  child.once('exit', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
};

const isOver = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null || child.pid === undefined;

/** To processes of this benchmark that are still there. */
export const signal = (name: 'SIGSTOP' | 'SIGCONT', pids: readonly number[]): void => {
  for (const child of running) if (child.pid !== undefined && pids.includes(child.pid)) child.kill(name);
};

/** Resolves when it is gone; after `patienceMs` it is killed. */
export const gone = (child: ChildProcess, patienceMs: number): Promise<void> =>
  new Promise((resolve) => {
    if (isOver(child)) return resolve();
    const limit = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    child.once('exit', () => {
      clearTimeout(limit);
      resolve();
    });
  });

/** What a program of Node wrote to its standard output; an error if it failed or took longer than `limitMs`. */
export const outputOf = (words: readonly string[], limitMs: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = owned(spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] }));
    let text = '';
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, limitMs);
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(limit);
      if (code === 0) resolve(text);
      else reject(new Error(`node ${words[0]} ${isLate ? `was not done in ${limitMs} ms` : `ended with ${code}`}`));
    });
  });
