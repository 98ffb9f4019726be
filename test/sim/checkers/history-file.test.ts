// Histories as files: each thing that can be wrong with a line has its number and its words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkHistory, createCheck } from '../../../sim/checkers/check.ts';
import { historyLimits } from '../../../sim/checkers/history-file.ts';

const options = { timeLimitMs: 10_000, nowMs: () => 0 };
const register = { ...options, model: 'register' } as const;
const kv = { ...options, model: 'kv' } as const;

const invoke = { process: 0, type: 'invoke', f: 'write', value: 1, time: 0 };
const ok = { ...invoke, type: 'ok', time: 1 };

const text = (...lines: (object | string)[]): string =>
  lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');

test('what is wrong with a line is said, with its number', () => {
  const cases: [RegExp, ...(object | string)[]][] = [
    [/^line 2: not JSON: "\{"/, invoke, '{'],
    [/^line 1: not JSON/, 'process 0 invoke write 1'],
    [/^line 1: not an object, but \[\]/, '[]'],
    [/^line 1: process must be a whole number/, { ...invoke, process: 'nemesis' }],
    [/^line 1: process must be a whole number/, { ...invoke, process: -1 }],
    [/^line 1: type must be .* not "start"/, { ...invoke, type: 'start' }],
    [/^line 1: f must be a text, not nothing/, { ...invoke, f: undefined }],
    [/^line 1: f must be read, write or cas, not "delete"/, { ...invoke, f: 'delete' }],
    [/^line 1: key must be a text/, { ...invoke, key: 7 }],
    [/^line 1: time must be a number of nanoseconds, not "0"/, { ...invoke, time: '0' }],
    [/^line 1: time must be a number of nanoseconds, not nothing/, { ...invoke, time: undefined }],
    [/^line 1: a write needs a value/, { ...invoke, value: undefined }],
    [/^line 1: a cas's value must be the pair/, { ...invoke, f: 'cas' }],
    [/^line 1: a cas's value must be the pair/, { ...invoke, f: 'cas', value: [1, 2, 3] }],
    [/^line 1: ok of process 0 without an invoke/, ok],
    [/^line 3: fail of process 0 without an invoke/, invoke, ok, { ...ok, type: 'fail' }],
    [/^line 3: ok of process 0 without an invoke/, invoke, { ...ok, type: 'info' }, ok],
    [/^line 2: process 0 calls again, but its write of line 1/, invoke, { ...invoke, time: 1 }],
    [/^line 2: time goes back within process 0: -1 after 0/, invoke, { ...ok, time: -1 }],
    [/^line 2: ok of process 0 says read, but line 1 calls write/, invoke, { ...ok, f: 'read' }],
    [/^line 2: ok of process 0 says key "b", but line 1 says key "a"/, { ...invoke, key: 'a' }, { ...ok, key: 'b' }],
    [/^line 2: ok of process 0 says key "b", but line 1 says no key/, invoke, { ...ok, key: 'b' }],
    [/^line 2: the ok of a write repeats its value, 1, or has none, but says 2/, invoke, { ...ok, value: 2 }],
    [/^line 2: a read's ok must say what was read/, { ...invoke, f: 'read' }, { ...ok, f: 'read', value: undefined }],
    [/^line 2: a history has keys or it has none: line 2 has one, line 1/, invoke, { ...invoke, process: 1, key: 'k' }],
    [/^line 2: the line is longer than/, '', `"${'x'.repeat(historyLimits.lineCharsMax)}"`],
    [/^line 1: key is longer than/, { ...invoke, key: 'k'.repeat(historyLimits.keyCharsMax + 1) }],
  ];
  for (const [pattern, ...lines] of cases) {
    const { verdict, explanation } = checkHistory(text(...lines), register);
    assert.equal(verdict, 'unreadable', `${pattern}: ${verdict}`);
    assert.match(explanation, pattern);
  }
  assert.match(checkHistory(text(invoke), kv).explanation, /^line 1: model kv needs a key/);
});

test('what is unusual but clear is accepted', () => {
  const accepted = [
    '',
    '\n \n',
    `${text(invoke, ok)}\r\n\r\n`,
    text({ ...invoke, index: 3, error: 'x' }, { ...ok, value: undefined }),
    text(invoke, { ...ok, type: 'info' }, { ...invoke, time: 5 }, { ...ok, time: 5 }),
    text({ ...invoke, key: 'k' }, { process: 0, type: 'ok', f: 'write', time: 4 }),
    text({ ...invoke, value: { a: [1, null], b: 'x' } }, { ...ok, value: { b: 'x', a: [1, null] } }),
    text({ ...ok, process: 1, type: 'invoke' }, invoke, ok),
    text(invoke),
  ];
  for (const history of accepted) assert.equal(checkHistory(history, register).verdict, 'linearizable', history);
});

test('in a kv, null is a key that is not there: written to delete, read, expected', () => {
  const event = (process: number, f: string, value: unknown, time: number, key = 'k') =>
    `${text({ process, type: 'invoke', f, value, time, key }, { process, type: 'ok', f, value, time: time + 1, key })}\n`;
  const create = event(0, 'cas', [null, 'a'], 0);
  const remove = event(0, 'write', null, 10);
  const kvOf = (...events: string[]): string => checkHistory(events.join(''), kv).verdict;
  assert.equal(kvOf(create, remove, event(1, 'read', null, 20), event(1, 'cas', [null, 'b'], 30)), 'linearizable');
  assert.equal(kvOf(create, event(1, 'cas', [null, 'b'], 30)), 'violated');
  assert.equal(kvOf(create, event(1, 'read', null, 20)), 'violated');
  assert.equal(kvOf(create, event(1, 'read', null, 20, 'other')), 'linearizable');
});

test('a violation comes with its key, its part and its words; size is told', () => {
  const other = { ...invoke, key: 'fine' };
  const lines = [other, { ...other, type: 'ok' }, { ...invoke, key: 'k', time: 2 }, { ...ok, key: 'k', time: 3 }];
  const read = { process: 1, type: 'invoke', f: 'read', key: 'k', time: 4 };
  const answer = checkHistory(text(...lines, read, { ...read, type: 'ok', value: null, time: 5 }), kv);
  assert.deepEqual(answer.part, [
    { process: 0, operation: 'write 1', callLine: 3, callNs: 2, returnLine: 4, returnNs: 3 },
    { process: 1, operation: 'read nothing', callLine: 5, callNs: 4, returnLine: 6, returnNs: 5 },
  ]);
  assert.deepEqual([answer.verdict, answer.key, answer.operations, answer.objects], ['violated', 'k', 3, 2]);
  assert.equal(
    answer.explanation,
    [
      'Key "k" is not linearizable.',
      'These 2 operations have no order in which every answer is right, beginning with nothing:',
      '  process 0  write 1       |-|         lines 3 and 4, 0.000 to 0.000 ms',
      '  process 1  read nothing      |-|     lines 5 and 6, 0.000 to 0.000 ms',
      'The longest order: write 1 of process 0. Then read nothing of process 1 should come, but the key then holds 1.',
    ].join('\n'),
  );
});

test('a line that is no text ends the history; time that is over leaves it undecided', () => {
  const check = createCheck(register);
  check.line(JSON.stringify(invoke));
  check.unreadableLine('not UTF-8');
  check.line('{');
  assert.deepEqual(check.end(), { verdict: 'unreadable', explanation: 'line 2: not UTF-8' });
  let now = 0;
  const late = createCheck({ ...kv, timeLimitMs: 5, nowMs: () => now });
  for (const process of [0, 1])
    for (const [type, time] of [
      ['invoke', 0],
      ['ok', 9],
    ] as const)
      late.line(JSON.stringify({ process, type, f: 'write', key: 'k', value: process, time }));
  const read = { process: 2, f: 'read', key: 'k' };
  late.line(JSON.stringify({ ...read, type: 'invoke', time: 1 }));
  late.line(JSON.stringify({ ...read, type: 'ok', value: 1, time: 2 }));
  now = 6;
  const answer = late.end();
  assert.equal(answer.verdict, 'undecided');
  assert.match(answer.explanation, /No order was found for "k" in the time given/);
});
