// A node of `polity dev` whose process ends: what is told of it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DevNode, type DevNodeEvent } from '../../../src/cli/dev-node.ts';

test('a node that never answered died in its start, however long that took: its last words are told', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-dev-node-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const main = join(directory, 'main.mjs');
  writeFileSync(main, "console.error('polity: the reason');\nprocess.exitCode = 1;\n");
  let nowMs = 0;
  // A machine so busy that a minute passes between any two looks at the clock.
  t.mock.method(performance, 'now', () => (nowMs += 60_000));
  const plan = {
    name: 'n1',
    listenPort: 1,
    httpPort: 2,
    directory,
    secretFile: '',
    bootstrap: ['n1'],
    groups: ['kv'],
    addresses: [],
  };
  const died = await new Promise<DevNodeEvent>((resolve) => {
    const node = new DevNode(plan, main, (event) => {
      if (event.type === 'started') return;
      void node.stop(0);
      resolve(event);
    });
    node.start();
  });
  assert.deepEqual(died, { type: 'died', reason: 'exit code 1: polity: the reason' });
});
