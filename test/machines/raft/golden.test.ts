// Plays every script of test/golden/raft and compares what happens with what is written there; UPDATE_GOLDEN=1 rewrites them.
// A script is blocks of commands, each followed by `----`, what happened, and an empty line; `#` begins a comment.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Script } from './script.ts';

const folder = new URL('../../golden/raft/', import.meta.url);

const play = (text: string): string => {
  const script = new Script();
  return text
    .split(/\n{2,}/)
    .filter((block) => block.trim() !== '')
    .map((block) => {
      const lines = block.trimEnd().split('\n');
      const end = lines.indexOf('----');
      const asked = end === -1 ? lines : lines.slice(0, end);
      const commands = asked.filter((line) => !line.startsWith('#'));
      if (commands.length === 0) return asked.join('\n');
      return [...asked, '----', ...commands.map((command) => script.run(command))].join('\n');
    })
    .join('\n\n')
    .concat('\n');
};

for (const name of readdirSync(folder).sort()) {
  test(`golden ${name}`, () => {
    const file = new URL(name, folder);
    const written = readFileSync(file, 'utf8');
    const played = play(written);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, played);
    else assert.equal(played, written);
  });
}
