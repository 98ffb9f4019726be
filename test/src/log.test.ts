// Log lines: one JSON object each, with the facts and without the secrets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../../src/log.ts';

const lines = (
  level: 'debug' | 'info' | 'silent',
  use: (log: ReturnType<typeof createLog>['log']) => void,
): Record<string, unknown>[] => {
  const written: string[] = [];
  use(createLog({ level, name: 'n1', write: (line) => written.push(line) }).log);
  return written.map((line) => JSON.parse(line) as Record<string, unknown>);
};

test('a line has level, time, node, code and message', () => {
  const [line] = lines('info', (log) => log('warn', 'PEER_CLOSED', 'n2 is gone', { peer: 'p', rtt: 1 }));
  const { level, node, code, msg, peer, rtt, time } = line!;
  assert.deepEqual(
    { level, node, code, msg, peer, rtt },
    { level: 'warn', node: 'n1', code: 'PEER_CLOSED', msg: 'n2 is gone', peer: 'p', rtt: 1 },
  );
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
});

test('levels below the wanted one are left out', () => {
  assert.equal(lines('info', (log) => log('debug', 'X', 'x')).length, 0);
  assert.equal(lines('silent', (log) => log('error', 'X', 'x')).length, 0);
});

test('what throws when it is read, and what is endless, does not stop a line', () => {
  const wicked = {
    get a() {
      throw new Error('no');
    },
  };
  const long = new Error('x'.repeat(100_000));
  const [line] = lines('info', (log) => log('error', 'X', long.message, { wicked, long, fine: 1 }));
  assert.deepEqual([line!.wicked, line!.fine], ['[unreadable]', 1]);
  assert.ok(JSON.stringify(line).length < 10_000);
});

test('secrets, bytes and depths stay out, facts cannot pass for the line itself', () => {
  const facts = {
    ...{ secret: 'abc', clusterSecret: 'abc', headers: { authorization: 'Bearer abc', accept: 'x' }, privateKey: 'abc' },
    ...{
      level: 'mine',
      msg: 'mine',
      bytes: new Uint8Array(3),
      deep: { a: { b: { c: { d: { e: 1 } } } } },
      error: new Error('boom'),
    },
  };
  const [line] = lines('info', (log) => log('info', 'X', 'x', facts));
  const text = JSON.stringify(line);
  assert.ok(!text.includes('abc'));
  assert.deepEqual([line!.level, line!.msg, line!.fact_msg, line!.bytes], ['info', 'x', 'mine', '3 bytes']);
  assert.match(text, /"accept":"x"/);
  assert.match(text, /boom/);
});
