// kill -9 in the middle of writing, and a second process at the same directory.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { StorageFault } from '../../../actors/ports/index.ts';
import { openLevelStorage } from '../../../src/storage/level.ts';

const program = new URL('./writer-process.ts', import.meta.url).pathname;

const start = (directory: string): { child: ChildProcess; lines: AsyncIterator<string> } => {
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() };
};

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
};

test('what was acknowledged survives kill -9, five times over; meanwhile the directory is locked', async () => {
  const parent = mkdtempSync(join(tmpdir(), 'polity-crash-'));
  const directory = join(parent, 'data');
  const acknowledged = new Set<string>();
  try {
    for (const patience of [1, 40, 100, 300, 77]) {
      const { child, lines } = start(directory);
      try {
        assert.equal((await lines.next()).value, 'open');
        await assert.rejects(openLevelStorage(directory), (error: unknown) => {
          assert.ok(error instanceof StorageFault);
          assert.equal(error.failure.code, 'LOCKED');
          assert.match(error.message, new RegExp(`${directory} cannot be opened: another process has it open`));
          return true;
        });
        for (let heard = 0; heard < patience; heard++) acknowledged.add((await lines.next()).value);
      } finally {
        await end(child);
      }
      for (let line = await lines.next(); line.done !== true; line = await lines.next()) acknowledged.add(line.value);

      const storage = await openLevelStorage(directory);
      const lost = [...acknowledged].filter((n) => storage.get(Buffer.from(`batch/${n.padStart(9, '0')}`)) === undefined);
      const companion = Number(Buffer.from(storage.get(Buffer.from('companion'))!).toString());
      await new Promise<void>((resolve) => storage.stop(resolve));
      assert.deepEqual(lost, []);
      assert.ok(companion >= 0 && Number.isInteger(companion));
    }
    assert.ok(acknowledged.size >= 300);
  } finally {
    rmSync(parent, { recursive: true });
  }
});
