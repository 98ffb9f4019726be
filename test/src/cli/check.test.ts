// `polity check` as scripts use it: exit codes, files of any kind, standard input.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { polity } from './polity.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-check-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const line = (process: number, type: string, f: string, value: unknown, time: number): string =>
  `${JSON.stringify({ process, type, f, key: 'k', value, time })}\n`;

const write = line(0, 'invoke', 'write', 'a', 0) + line(0, 'ok', 'write', 'a', 1);
const read = (value: unknown): string => line(1, 'invoke', 'read', null, 2) + line(1, 'ok', 'read', value, 3);

const fileOf = (name: string, content: string | Buffer): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

test('exit codes tell linearizable, violated, undecided and unreadable apart', async () => {
  const good = await polity(['check', '--model', 'register', fileOf('good.jsonl', write + read('a'))]);
  assert.deepEqual([good.code, good.stdout.split('\n')[0], good.stderr], [0, 'linearizable', '']);
  const bad = await polity(['check', '--model', 'kv', '--json', fileOf('bad.jsonl', write + read(null))]);
  const answer = JSON.parse(bad.stdout);
  assert.deepEqual([bad.code, answer.verdict, answer.key, answer.part.length], [1, 'violated', 'k', 2]);
  // Values that come back again and again, most of them lost: nobody finds an order in a millisecond.
  const hard = Array.from({ length: 400 }, (_, process) => line(process, 'invoke', 'write', process % 7, process)).join('');
  const reads = Array.from({ length: 300 }, (_, at) => {
    const process = 1_000 + at;
    return (
      line(process, 'invoke', 'cas', [at % 7, (at * 3) % 7], 400) + line(process, 'ok', 'cas', [at % 7, (at * 3) % 7], 900)
    );
  }).join('');
  const undecided = await polity(['check', '--model', 'kv', '--timeout', '1ms', fileOf('hard.jsonl', hard + reads)]);
  assert.deepEqual([undecided.code, undecided.stdout.split('\n')[0]], [2, 'undecided']);
  const broken = await polity(['check', '--model', 'kv', fileOf('broken.jsonl', `${write}{"process":`)]);
  assert.deepEqual([broken.code, broken.stdout], [3, 'unreadable\nline 3: not JSON: "{\\"process\\":"\n']);
});

test('standard input, missing files, bytes that are no text, a model that is none', async () => {
  const piped = await polity(['check', '--model', 'register', '-'], { input: write + read('b') });
  assert.deepEqual([piped.code, /should come|nobody|no place/.test(piped.stdout)], [1, true]);
  const missing = await polity(['check', '--model', 'kv', join(directory, 'none.jsonl')]);
  assert.deepEqual([missing.code, /ENOENT/.test(missing.stdout)], [3, true]);
  const bytes = Buffer.concat([Buffer.from(write), Buffer.from([0x22, 0xff, 0x22, 0x0a])]);
  const binary = await polity(['check', '--model', 'kv', fileOf('binary.jsonl', bytes)]);
  assert.deepEqual([binary.code, binary.stdout], [3, 'unreadable\nline 3: not UTF-8\n']);
  const model = await polity(['check', '--model', 'bank', fileOf('empty.jsonl', '')]);
  assert.deepEqual([model.code, /register or kv/.test(model.stderr)], [2, true]);
});
