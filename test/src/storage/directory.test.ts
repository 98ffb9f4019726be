// Making a directory where that is possible, and saying so where it is not.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeDirectory } from '../../../src/storage/directory.ts';

test('a directory is made with those above it, for its owner only; making it again is nothing', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'polity-directory-'));
  t.after(() => rmSync(root, { recursive: true }));
  const deep = join(root, 'a', 'b', 'c');
  makeDirectory(deep);
  makeDirectory(deep);
  for (const one of [deep, join(root, 'a')]) assert.equal(statSync(one).mode & 0o777, 0o700);
  writeFileSync(join(root, 'file'), '');
  assert.throws(() => makeDirectory(join(root, 'file')), { code: 'EEXIST' });
  assert.throws(() => makeDirectory(join(root, 'file', 'x')), { code: 'ENOTDIR' });
});

test('a place that takes no directories is refused instead of tried for ever', { skip: !existsSync('/proc/self') }, () => {
  assert.throws(() => makeDirectory('/proc/no-such-directory/db'), { code: 'ENOENT' });
});
