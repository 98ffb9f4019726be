// Lists of members that people write, and the mistakes that they make.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { brokenLine, parseDocument } from '../../../src/discovery/document.ts';
import { LookupFault } from '../../../src/discovery/source.ts';

const peer = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X';
const parse = (value: unknown) =>
  parseDocument(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), 'it', 'c1');

const refused = (value: unknown, words: RegExp): void => {
  assert.throws(
    () => parse(value),
    (error) => {
      assert.ok(error instanceof LookupFault);
      assert.equal(error.code, 'SOURCE_MALFORMED');
      assert.match(error.message, words);
      return true;
    },
  );
};

test('members, with what is left out filled in; those of another cluster are not ours', () => {
  const { answer, ttlMs } = parse({
    members: [
      { addresses: ['/ip4/10.0.0.1/tcp/7400'] },
      { name: 'n2', peer, cluster: 'c1', addresses: ['/dns/n2/tcp/7400'], priority: 3, weight: 9, healthy: false, more: [] },
      { cluster: 'c2', addresses: ['/ip4/10.0.0.3/tcp/7400'] },
    ],
    ttlSeconds: 90,
    comment: 'unknown words are left alone',
  });
  assert.equal(ttlMs, 90_000);
  assert.deepEqual(answer, {
    findings: [
      { peer: null, name: null, addresses: ['/ip4/10.0.0.1/tcp/7400'], priority: 0, weight: 0, healthy: true, ttlMs: 90_000 },
      { peer, name: 'n2', addresses: [`/dns/n2/tcp/7400/p2p/${peer}`], priority: 3, weight: 9, healthy: false, ttlMs: 90_000 },
    ],
    emptyTtlMs: 90_000,
  });
});

test('times: a default, at least a second, at most an hour', () => {
  assert.deepEqual(parse({ members: [] }), { answer: { findings: [], emptyTtlMs: 5_000 }, ttlMs: null });
  assert.equal(parse({ members: [{ addresses: ['/ip4/10.0.0.1/tcp/1'] }] }).answer.findings[0]?.ttlMs, 30_000);
  assert.equal(parse({ members: [], ttlSeconds: 0 }).ttlMs, 1_000);
  assert.equal(parse({ members: [], ttlSeconds: 1e300 }).ttlMs, 3_600_000);
  assert.deepEqual(parse('\ufeff{"members":[]}').ttlMs, null, 'a byte order mark');
});

test('what is wrong is named with its place', () => {
  refused('', /^it is not JSON: look at line 1$/);
  refused('{\n "members": [\n  {"addresses": [}\n ]\n}', /look at line 3$/);
  refused([], /^it is no object$/);
  refused('null', /^it is no object$/);
  refused({}, /^it has no list of members$/);
  refused({ members: {} }, /^it has no list of members$/);
  refused({ members: [], ttlSeconds: '5' }, /^it has a ttlSeconds that is no number from 0$/);
  refused({ members: [], ttlSeconds: -1 }, /^it has a ttlSeconds/);
  refused({ members: [{ addresses: ['/ip4/10.0.0.1/tcp/1'] }, 'n2'] }, /^it: members\[1\] is no object$/);
  refused({ members: [{ addresses: ['10.0.0.1:7400'] }] }, /^it: members\[0\] has no address that can be dialled/);
  refused({ members: [{ addresses: ['/ip4/10.0.0.1/tcp/1'], weight: -1 }] }, /^it: members\[0\] has a priority or weight/);
  assert.throws(() => parseDocument(Buffer.from([0x7b, 0xff]), 'it', 'c1'), /^LookupFault: it is not UTF-8$/);
});

test('no word of a text that is no document is repeated: it may be a secret', () => {
  for (const text of [
    'hunter2',
    '{"members":[hunter2]}',
    '{"members":["hunter2"]}',
    '{"members":[{"name":"hunter2"}]}',
    '"hunter2"',
  ])
    refused(text, /^(?!.*hunter2)/);
});

test('the line of a mistake', () => {
  const lines: [string, number][] = [
    ['{"a":1,}', 1],
    ['{"a":1,\n}', 2],
    ['[1,\n2\n3]', 3],
    ['{"a"\n\n:\n\n nul}', 5],
    ['{"a": "x\ny"}', 1],
    ['{"a": 01}', 1],
    ['[1]\n\n[2]', 3],
    ['{\n"a": [1, 2\n', 3],
    ['[}\n', 1],
    ['{"a":1]\n', 1],
    ["\n{'a':1}", 2],
    ['[1,\n// comment\n2]', 2],
    ['{\n1\n:\n2}', 2],
  ];
  for (const [text, line] of lines) assert.equal(brokenLine(text), line, text);
});

test('what JSON.parse takes has no mistake, and what it does not take has one at its end at the latest', () => {
  const ended = (text: string): boolean => brokenLine(`${text}\n\u0000`) === text.split('\n').length + 1;
  fc.assert(
    fc.property(fc.json(), (text) => assert.ok(ended(text), text)),
    { seed: 4 },
  );
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.constantFrom(',', ']', '}', '"', 'x', '', '1', '[', '\\'), (text, at, more) => {
      const cut = at % (text.length + 1);
      const changed = text.slice(0, cut) + more + text.slice(cut + 1);
      let good = true;
      try {
        JSON.parse(changed);
      } catch {
        good = false;
      }
      // One mark on a line of its own: the mistake is before it if and only if the text was one.
      const found = brokenLine(`${changed}\n\u0000`);
      if (good) assert.equal(found, changed.split('\n').length + 1);
      else assert.ok(found <= changed.split('\n').length + 1);
    }),
    { seed: 4 },
  );
});

test('the longest text costs little', () => {
  const began = process.cpuUsage();
  for (const text of [`"${'a'.repeat(250_000)}`, `${'['.repeat(250_000)}`, `"${'\\"'.repeat(120_000)}`, ' '.repeat(250_000)])
    brokenLine(text);
  assert.ok(process.cpuUsage(began).user < 1_500_000);
});
