// What is printed, and what words of a command line mean.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../machines/errors.ts';
import { devTable, hintLines, noteLines } from '../../../src/cli/dev-view.ts';
import { CommandError, describeError, exitOf, UsageError } from '../../../src/cli/exit.ts';
import { parseFence } from '../../../src/cli/kv.ts';
import { cell, parseDuration, table } from '../../../src/cli/output.ts';
import { PolityError } from '../../../src/errors.ts';

test('a table is as wide as its widest cells', () => {
  assert.equal(
    table(
      ['A', 'LONG'],
      [
        ['one', 'x'],
        ['b', 'yy'],
      ],
    ),
    'A    LONG\none  x\nb    yy',
  );
  assert.equal(table(['A'], []), 'A');
  // What takes two places of a terminal, and what takes none.
  const rows = ['日本', 'é', 'e\u0301', '👍'].map((text) => [text, '|']);
  assert.equal(table(['A', 'B'], rows), 'A     B\n日本  |\né     |\ne\u0301     |\n👍    |');
});

test('a cell stays on its line', () => {
  assert.equal(cell('a\nb"c\u001b[0m'), 'a\\nb"c\\u001b[0m');
  assert.equal(cell('x'.repeat(80), 10), 'xxxxxxxxx…');
});

test('times', () => {
  for (const [text, ms] of [
    ['250', 250],
    ['250ms', 250],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0', null],
    ['-1s', null],
    ['soon', null],
    ['1w', null],
    ['', null],
  ] as const)
    assert.equal(parseDuration(text), ms, text);
});

test('a fence holds a lock with any name', () => {
  assert.deepEqual(parseFence('a:b/c:7.42'), { lock: 'a:b/c', token: { term: 7, index: 42 } });
  for (const text of ['', ':1.2', 'a:1', 'a', 'a:1.2.3x']) assert.throws(() => parseFence(text), UsageError);
});

test('how a command ends', () => {
  const ended = (code: Parameters<typeof failure>[0]) => exitOf(new PolityError(failure(code, 'x')));
  assert.deepEqual(
    [ended('KEY_NOT_FOUND'), ended('NO_QUORUM'), ended('UNREACHABLE'), ended('OUTCOME_UNKNOWN'), ended('STORAGE_FAILED')],
    ['failed', 'failed', 'unreachable', 'unknown', 'unknown'],
  );
  assert.deepEqual(
    [exitOf(new UsageError('x')), exitOf(new CommandError('x')), exitOf(new Error('x'))],
    ['usage', 'failed', 'failed'],
  );
  assert.equal(describeError(new CommandError('no such file'), false), 'polity: no such file');
  const json = JSON.parse(describeError(new PolityError(failure('FENCED', 'late')), true)) as Record<string, unknown>;
  assert.deepEqual([json.code, json.status, json.definite], ['FENCED', 412, true]);
});

const row = (name: string, changes: Partial<Parameters<typeof devTable>[0][number]> = {}) => ({
  ...{ name, state: 'ready', role: 'follower', term: '2', leader: 'n1', commit: '5', applied: '5', pid: '11' },
  ...{ http: `http://127.0.0.1:750${name.slice(1)}`, isLeader: false, isDown: false, ...changes },
});

test('the hints of a cluster name what is really there', () => {
  const rows = [row('n1', { role: 'leader', isLeader: true, pid: '10' }), row('n2'), row('n3', { isDown: true, pid: '-' })];
  assert.deepEqual(hintLines(rows, 'http://127.0.0.1:7501').slice(1), [
    '  npx polity kv put greeting hello',
    '  npx polity kv get greeting --node http://127.0.0.1:7502',
    '  kill -9 10    # n1, the leader: watch another lead within a second',
  ]);
  const starting = row('n4', { state: 'starting' });
  assert.deepEqual(hintLines([...rows, starting], 'http://127.0.0.1:7501'), hintLines(rows, 'http://127.0.0.1:7501'));
  assert.deepEqual(hintLines([row('n1', { state: 'joining' }), row('n2')], 'http://127.0.0.1:7501'), []);
  assert.match(devTable(rows), /^NODE\s+STATE\s+ROLE\s+TERM\s+LEADER\s+COMMIT\s+APPLIED\s+PID\s+HTTP\nn1 /);
});

test('a cluster that misses something says what, and what helps', () => {
  const at = (rows: ReturnType<typeof row>[], voters: string[]) => noteLines(rows, voters, 'http://127.0.0.1:7501');
  const led = [row('n1', { isLeader: true, role: 'leader' }), row('n2'), row('n3')];
  assert.deepEqual(at(led, ['n1', 'n2', 'n3']), []);
  assert.deepEqual(at([row('n1', { state: 'joining' }), row('n2', { isDown: true })], ['n1', 'n2', 'n3', 'n4', 'n5']), [
    'No quorum: 1 of 5 voters run (n1, n2, n3, n4, n5), and 3 are needed.',
  ]);
  const outside = row('n4', { role: 'none' });
  assert.deepEqual(at([...led, outside], ['n1', 'n2', 'n3']), [
    'Not members of kv: n4. To add one: npx polity group add kv n4',
  ]);
  assert.deepEqual(at([row('n1', { state: 'joining', role: 'none' })], ['n1']), []);
});
