// The programs in the guide run as they are printed, against the build of the package.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const guide = readFileSync(`${root}docs/guides/simulating.md`, 'utf8');
const programs = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

const run = async (program: string): Promise<string> => {
  const words = ['--input-type=module-typescript', '--eval', program];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  try {
    await promisify(execFile)(process.execPath, words, { cwd: root, env });
    return '';
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return `${stdout}${stderr}`;
  }
};

test('they hold', { timeout: 60_000 }, async () => {
  assert.equal(programs.length, 2);
  for (const program of programs) assert.equal(await run(program), '');
});

test('without its condition the counter is found to lose additions', { timeout: 60_000 }, async () => {
  const careless = programs[0]!.replace(', { ifIndex: seen?.index ?? 0 }', '');
  assert.notEqual(careless, programs[0]);
  assert.match(
    await run(careless),
    /SimulationFailed: seed \d+: correctness[\s\S]*Repeat it with: simulate\(\{ …, seeds: \d+ \}/,
  );
});
