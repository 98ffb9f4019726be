// A process that is killed with SIGKILL while it counts, on a real disk.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCounter } from './kill-process.ts';
import { contextOf } from './world.ts';

test('kill -9 loses nothing that was acknowledged', { timeout: 60_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-actors-'));
  try {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kill-process.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let acknowledged = 0;
    child.stdout.on('data', (bytes: Buffer) => {
      acknowledged += bytes.toString().split('\n').length - 1;
      if (acknowledged >= 300) child.kill('SIGKILL');
    });
    await once(child, 'close');
    assert.ok(acknowledged >= 300);
    const { live, stop } = await openCounter(directory);
    const counted = contextOf<number>(live);
    await stop();
    assert.ok(counted >= acknowledged, `${acknowledged} were acknowledged, ${counted} are there`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
