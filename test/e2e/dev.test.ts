// `polity dev` as README's first screen has it: five nodes, a write, Ctrl-C, and nothing is left behind.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { launch, polity, written } from '../src/cli/polity.ts';
import { freePorts, isFree } from './cluster.ts';

const httpOffset = 100;
const stopMsMax = 10_000;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** A base port above which the ports of so many nodes are free. */
const freeBase = async (count: number): Promise<number> => {
  for (let attempt = 0; attempt < 20; attempt++) {
    const [base] = (await freePorts(1)) as [number];
    const wanted = Array.from({ length: count }, (_, at) => [base + at + 1, base + httpOffset + at + 1]).flat();
    if ((await Promise.all(wanted.map(isFree))).every(Boolean)) return base;
  }
  throw new Error('no free ports');
};

test('five nodes are ready, serve, and are gone after Ctrl-C', { timeout: 300_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-dev-'));
  const base = await freeBase(5);
  const dev = launch(['dev', '--dir', directory, '--base-port', String(base)]);
  try {
    const [, seconds] = await written(dev, /All 5 nodes are ready after ([\d.]+) s/);
    t.diagnostic(`ready after ${seconds} s`);
    await written(dev, /Try in another terminal/);
    const pids = [...dev.stdout().matchAll(/^n\d .* (\d+)\s+http/gm)].map((match) => Number(match[1]));
    assert.equal(pids.length, 5);
    const at = (node: number): string[] => ['--node', `http://127.0.0.1:${base + httpOffset + node}`];
    assert.equal((await polity(['kv', 'put', 'greeting', 'hello', ...at(1)])).code, 0);
    assert.equal((await polity(['kv', 'get', 'greeting', ...at(5)])).stdout, 'hello\n');
    const stopMs = performance.now();
    dev.child.kill('SIGINT');
    assert.equal((await dev.ended).code, 0);
    assert.ok(performance.now() - stopMs < stopMsMax);
    assert.deepEqual(pids.filter(isAlive), []);
  } finally {
    dev.child.kill('SIGKILL');
    await dev.ended;
    rmSync(directory, { recursive: true, force: true });
  }
});
