// What a node is asked to be ready by is a time, or the caller is told so.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createNode, PolityError } from '../../src/index.ts';

test('what is no time to be ready in is refused, also of a node that is ready', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-ready-'));
  const node = await createNode({
    ...{
      name: 'n1',
      cluster: 'ready',
      data: directory,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      secret: randomBytes(32).toString('hex'),
    },
    ...{ bootstrap: ['n1'], log: { level: 'error' } },
  });
  try {
    await node.ready();
    for (const time of [{ timeoutMs: 1_000 }, '1000', null, Number.NaN, -1, 2 ** 31, Number.POSITIVE_INFINITY])
      await assert.rejects(node.ready(time as number), (error) => {
        assert.ok(error instanceof PolityError);
        assert.equal(error.code, 'INVALID_REQUEST');
        assert.match(error.message, /timeoutMs is a number of milliseconds, 0 to 2147483647/);
        return true;
      });
    assert.equal((await node.ready(0)).state, 'ready');
  } finally {
    await node.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});
