// An old Node is refused in words, as package.json promises it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { nodeFlags, runtimeProblem } from '../../src/runtime.ts';

test('the oldest Node that will do is the one of package.json', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string };
  };
  assert.match(engines.node, /^>=22\.18$/);
  for (const version of ['22.18.0', '22.20.1', '24.0.0', '26.10.0']) assert.equal(runtimeProblem(version), null, version);
  for (const version of ['22.17.9', '20.20.2', '18.0.0'])
    assert.equal(runtimeProblem(version), `polity needs Node 22.18 or newer, this is ${version}`);
});

test('the command runs Node as the processes of `polity dev` do', () => {
  const [first] = readFileSync(new URL('../../src/cli/main.ts', import.meta.url), 'utf8').split('\n');
  assert.equal(first, `#!/usr/bin/env -S node ${nodeFlags.join(' ')}`);
});
