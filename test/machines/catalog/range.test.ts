// Versions and ranges against npm's own semver, where it is installed, over many drawn ones; and against a table, always.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { isInRange, parseRange } from '../../../machines/catalog/range.ts';
import { compareVersions, parseVersion, type Version } from '../../../machines/catalog/version.ts';

const version = (text: string): Version => {
  const parsed = parseVersion(text);
  assert.ok(parsed !== null, `${text} is a version`);
  return parsed;
};

/** Whether it is in the range; null: that is no range. */
const within = (text: string, range: string): boolean | null => {
  const parsed = parseRange(range);
  return parsed === null ? null : isInRange(parsed, version(text));
};

test('versions: strict, ordered as semver.org §11 says, build metadata left out', () => {
  const order =
    '1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.10.0 2.0.0';
  const versions = order.split(' ').map(version);
  for (const [a, one] of versions.entries())
    for (const [b, other] of versions.entries())
      assert.equal(Math.sign(compareVersions(one, other)), Math.sign(a - b), `${one.text} and ${other.text}`);
  assert.equal(compareVersions(version('1.0.0+a'), version('1.0.0+b.2')), 0);
  assert.ok(compareVersions(version('1.0.0-99999999999999999998'), version('1.0.0-99999999999999999999')) < 0);
  const none = ['', '1', '1.2', 'v1.2.3', '01.2.3', '1.2.3-', '1.2.3-01', '1.2.3+', ' 1.2.3', '1.2.3-a..b', '-1.2.3', '1.2.x'];
  for (const text of [...none, `1.0.0-${'a'.repeat(200)}`, '9999999999999999.0.0', 1, null])
    assert.equal(parseVersion(text), null);
});

test('ranges: the table', () => {
  const table: [range: string, inside: string, outside: string][] = [
    ['^1.2.3', '1.2.3 1.9.0', '1.2.2 2.0.0 2.0.0-rc.1 1.3.0-rc.1'],
    ['^0.2.3', '0.2.3 0.2.9', '0.3.0 0.2.2 1.0.0'],
    ['^0.0.3', '0.0.3', '0.0.4 0.1.0'],
    ['^0.0', '0.0.0 0.0.9', '0.1.0'],
    ['^0', '0.0.0 0.9.9', '1.0.0'],
    ['^0.x', '0.0.0 0.9.9', '1.0.0'],
    ['^1.2.3-rc.2', '1.2.3-rc.2 1.2.3-rc.10 1.2.3 1.4.0', '1.2.3-rc.1 1.2.4-rc.3 1.3.0-rc.2'],
    ['~1.2.3', '1.2.3 1.2.9', '1.3.0 1.2.2'],
    ['~1.2', '1.2.0 1.2.9', '1.3.0'],
    ['~1', '1.0.0 1.9.0', '2.0.0'],
    ['~> 1.2', '1.2.5', '1.3.0'],
    ['>1', '2.0.0', '1.9.9 2.0.0-rc.1'],
    ['>1.2', '1.3.0', '1.2.9'],
    ['<=1.2', '1.2.9 0.1.0', '1.3.0 1.3.0-0'],
    ['<1', '0.9.9', '1.0.0 1.0.0-rc.1'],
    ['>=1.2.3 <2', '1.2.3 1.9.9', '2.0.0 1.2.2 2.0.0-0'],
    ['>= 1.2.3   < 2', '1.2.3', '2.0.0'],
    ['1.x', '1.0.0 1.9.9', '2.0.0 0.9.9'],
    ['1.2.*', '1.2.0', '1.3.0'],
    ['*', '0.0.0 9.9.9', '1.0.0-rc.1'],
    ['', '0.0.0 9.9.9', '1.0.0-rc.1'],
    ['>*', '', '0.0.0 1.0.0 9.9.9'],
    ['1.2 - 2', '1.2.0 2.9.9', '1.1.9 3.0.0'],
    ['1.2.3 - 2.3.4', '1.2.3 2.3.4', '1.2.2 2.3.5'],
    ['^1 || ^3', '1.5.0 3.0.0', '2.0.0 4.0.0'],
    ['=1.2.3', '1.2.3 1.2.3+build', '1.2.4 1.2.3-rc.1'],
    ['>1.2.3-alpha <1.2.3', '1.2.3-beta', '1.2.3 1.2.3-alpha 1.2.2'],
  ];
  for (const [range, inside, outside] of table) {
    for (const text of inside.split(' ').filter(Boolean)) assert.equal(within(text, range), true, `${text} in ${range}`);
    for (const text of outside.split(' ')) assert.equal(within(text, range), false, `${text} not in ${range}`);
  }
});

test('what is no range is refused', () => {
  const none = [
    'a',
    '^',
    '1.2.3.4',
    '1.x.3',
    '*.1',
    '1.2.x-rc',
    '>>1',
    '1,2',
    '^1 |',
    '1 - ',
    '- 1',
    '1.2.3 -2.0.0',
    '01.2',
    '=>1',
  ];
  for (const text of [...none, 'latest', '^'.repeat(500), '1 '.repeat(500), undefined, 1])
    assert.equal(parseRange(text), null, String(text));
});

type Npm = {
  satisfies: (version: string, range: string) => boolean;
  compare: (a: string, b: string) => number;
  validRange: (range: string) => string | null;
};

/** Some development dependency brings it along; nothing of Polity needs it. */
const npm = ((): Npm | null => {
  try {
    return createRequire(import.meta.url)('semver') as Npm;
  } catch {
    return null;
  }
})();

// Small numbers and few words, so that versions and bounds meet often.
const small = fc.integer({ min: 0, max: 3 }).map(String);
const preId = fc.constantFrom('0', '1', '2', '10', 'a', 'rc', '0a', '-');
const pre = fc.array(preId, { minLength: 1, maxLength: 2 }).map((ids) => `-${ids.join('.')}`);
const tail = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 2, arbitrary: pre },
  { weight: 1, arbitrary: fc.constant('+b.1') },
);
const fullText = fc.tuple(small, small, small, tail).map(([a, b, c, end]) => `${a}.${b}.${c}${end}`);
const open = fc.constantFrom('x', 'X', '*');
const partial = fc.oneof(
  ...[fullText, fullText, small, open],
  ...[fc.tuple(small, small).map((parts) => parts.join('.')), fc.tuple(small, open).map((parts) => parts.join('.'))],
  ...[
    fc.tuple(small, small, open).map((parts) => parts.join('.')),
    fc.tuple(small, open, open).map((parts) => parts.join('.')),
  ],
);
const operator = fc.constantFrom('', '', '^', '~', '>', '<', '>=', '<=', '=', '~>');
const comparator = fc.tuple(operator, fc.constantFrom('', '', ' '), partial).map((parts) => parts.join(''));
const alternative = fc.oneof(
  { weight: 4, arbitrary: fc.array(comparator, { minLength: 1, maxLength: 2 }).map((all) => all.join(' ')) },
  { weight: 1, arbitrary: fc.tuple(partial, partial).map(([from, to]) => `${from} - ${to}`) },
);
const rangeText = fc.array(alternative, { minLength: 1, maxLength: 2 }).map((all) => all.join(' || '));

test('as npm means them: drawn ranges', { skip: npm === null }, () => {
  if (npm === null) return;
  let inside = 0;
  fc.assert(
    fc.property(rangeText, fullText, fullText, (range, one, other) => {
      assert.notEqual(npm.validRange(range), null, range);
      assert.equal(within(one, range), npm.satisfies(one, range), `${one} in ${range}`);
      if (within(one, range)) inside++;
      assert.equal(Math.sign(compareVersions(version(one), version(other))), npm.compare(one, other));
    }),
    { numRuns: 1_200 },
  );
  assert.ok(inside > 100, `${inside} were inside`);
});

test('any text is a range, or refused, and never an exception', () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(...'^~<>=|x*.- 0123rcv+'), maxLength: 24 }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const ours = parseRange(text);
      parseVersion(text);
      // What is accepted here npm accepts too.
      if (ours !== null && npm !== null) assert.notEqual(npm.validRange(text), null, text);
    }),
    { numRuns: 1_500 },
  );
});
