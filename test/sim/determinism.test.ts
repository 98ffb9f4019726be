// Decision 11: nothing real reaches a trace. What would is planted here, and caught; what XState does of its own (it reads the real
// clock and counts its sessions) is not seen, in whatever process a seed is run and whatever was run there before.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runSeed, runTwice, simulate } from '../../sim/index.ts';
import { ClockSkew } from '../../sim/process.ts';
import { Chance } from '../../sim/world.ts';

const options = { nodes: 3, clients: 2, timeMs: 500, faults: ['kill', 'transfer'] } as const;
const differing = (seed: number): { line: number; first: string; second: string } => {
  const twice = runTwice(seed, options);
  assert.ok(!twice.same, 'the leak was not seen');
  return twice;
};

describe('a leak is caught at its first line', () => {
  test('real chance in the network', (t: TestContext) => {
    t.mock.method(Chance.prototype, 'tail', (least: number, most: number) => least + (most - least) * Math.random());
    const { line, first, second } = differing(3);
    assert.ok(line >= 1);
    assert.notEqual(first, second);
    assert.match(first, /^\d+\.\d{3} /);
  });

  test('real time in a clock', (t: TestContext) => {
    const fromMs = performance.now();
    t.mock.method(ClockSkew.prototype, 'monotonicMs', (nowMs: number) => nowMs + (performance.now() - fromMs) / 100);
    const { first, second } = differing(3);
    assert.notEqual(first, second);
  });

  test('none, without it', () => {
    assert.ok(runTwice(3, options).same);
  });
});

const hashInFreshProcess = async (seed: number, env: Record<string, string>): Promise<string> => {
  const sim = JSON.stringify(new URL('../../sim/index.ts', import.meta.url).href);
  const program = `import { runSeed } from ${sim}; console.log(runSeed(${seed}, ${JSON.stringify(options)}).hash);`;
  const words = ['--input-type=module', '--eval', program];
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, words, { cwd, env: { ...process.env, ...env } });
  return stdout.trim();
};

test('a seed is the same run in a fresh process and in a used one, wherever on earth', { timeout: 60_000 }, async () => {
  const seed = 21;
  const first = runSeed(seed, options).hash;
  // XState counts the sessions of all actors of a process, and its systems; neither may be seen.
  for (let other = 1; other <= 5; other++) runSeed(other, { timeMs: 500 });
  await simulate({ nodes: 1, seeds: 1, faults: [], twice: 'none' }, () => ({ workload: async ({ sleep }) => sleep(10) }));
  assert.equal(runSeed(seed, options).hash, first);
  assert.equal(await hashInFreshProcess(seed, { TZ: 'Asia/Kathmandu', LANG: 'tr_TR.UTF-8' }), first);
});
