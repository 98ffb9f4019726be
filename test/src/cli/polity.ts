// Runs the command as a process of its own, as a shell would.
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

export type Ran = { code: number | null; signal: string | null; stdout: string; stderr: string };

export type Running = { child: ChildProcess; stdout: () => string; stderr: () => string; ended: Promise<Ran> };

const cleanEnv = (env: Record<string, string>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('POLITY_') && !name.startsWith('NODE_TEST')),
  ),
  // Many short processes load the same sources.
  NODE_COMPILE_CACHE: join(tmpdir(), 'polity-compile-cache'),
  ...env,
});

export const launch = (
  words: readonly string[],
  { env = {}, input }: { env?: Record<string, string>; input?: string } = {},
): Running => {
  const child = spawn(process.execPath, [main, ...words], { env: cleanEnv(env), stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const ended = new Promise<Ran>((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
  return { child, stdout: () => stdout, stderr: () => stderr, ended };
};

export const polity = (
  words: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Promise<Ran> => launch(words, options).ended;

/** Many command lines in one process, one after the other, which a busy machine starts only once. */
export const many = async (lines: readonly (readonly string[])[], env: Record<string, string>): Promise<Ran[]> => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./many.ts', import.meta.url)), JSON.stringify(lines)], {
    ...{ env: cleanEnv(env), stdio: ['ignore', 'pipe', 'inherit'] },
  });
  let stdout = '';
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(stdout) as Ran[];
};

/** Resolves once the process has written something that matches, or rejects with what it did write. */
export const written = (running: Running, pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((resolve, reject) => {
    const look = (): void => {
      const match = pattern.exec(running.stdout());
      if (match !== null) resolve(match);
    };
    running.child.stdout!.on('data', look);
    void running.ended.then(({ stdout, stderr }) => reject(new Error(`ended without ${pattern}:\n${stdout}\n${stderr}`)));
    look();
  });
