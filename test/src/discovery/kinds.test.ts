// How a text names a source: schemes, commas and what may be repeated of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { file } from '../../../src/discovery/file.ts';
import { formsOf, parseSource, shownSource, sourceKinds, splitSources } from '../../../src/discovery/kinds.ts';
import type { SourceKind } from '../../../src/discovery/source.ts';
import { peers } from '../../ports/lookup-suite.ts';
import { contextFor } from './scripted.ts';

const kindOf = (scheme: string): SourceKind => ({
  ...{ scheme, form: `${scheme}:X` },
  parse: (text) => (text === 'bad' ? { problem: 'is bad' } : { name: `${scheme}:${text}`, open: () => Promise.reject() }),
});
const kinds = ['dns', 'mdns', 'etcd', 'file', 'http', 'https', 'static'].map(kindOf);

test('the schemes of the table are plain words, each once, and forms begin with them', () => {
  const schemes = sourceKinds.map(({ scheme }) => scheme);
  assert.equal(new Set(schemes).size, schemes.length);
  for (const { scheme, form } of sourceKinds) {
    assert.match(scheme, /^[a-z]+$/);
    assert.ok(form.startsWith(`${scheme}:`), form);
    assert.ok(formsOf().includes(form));
  }
});

test('commas and white space separate before a scheme, and are part of a source elsewhere', () => {
  const cases: [string, string[]][] = [
    ['', []],
    [' , ', []],
    ['mdns:', ['mdns:']],
    ['mdns:,dns:a', ['mdns:', 'dns:a']],
    ['mdns: dns:a\n\tDNS:b', ['mdns:', 'dns:a', 'DNS:b']],
    [',mdns:,, dns:a,', ['mdns:', 'dns:a']],
    ['static:/ip4/1.1.1.1/tcp/1,/ip4/1.1.1.2/tcp/1,mdns:', ['static:/ip4/1.1.1.1/tcp/1,/ip4/1.1.1.2/tcp/1', 'mdns:']],
    ['file:/my dir/a,b.json,dns:x', ['file:/my dir/a,b.json', 'dns:x']],
    ['etcd:http://a:2379,http://b:2379,dns:x', ['etcd:http://a:2379,http://b:2379', 'dns:x']],
    ['etcd:http://a:2379 http://b/', ['etcd:http://a:2379', 'http://b/']],
    ['etcd:a:2379,b:2379', ['etcd:a:2379,b:2379']],
    ['https://a/,https://b/', ['https://a/', 'https://b/']],
    ['dns:a,etcd:https://b,https://c,https://d', ['dns:a', 'etcd:https://b,https://c,https://d']],
    ['nothing,dns:a', ['nothing', 'dns:a']],
    ['mdsn:,dns:a', ['mdsn:', 'dns:a']],
  ];
  for (const [text, expected] of cases) assert.deepEqual(splitSources(text, kinds), expected, text);
});

test('sources as people write them, in one text', () => {
  const texts = [
    'mdns:',
    'dns:_polity._tcp.example.org?server=127.0.0.1:53',
    'dns:nodes.example.org:7400',
    'file:polity.json',
    'etcd:http://127.0.0.1:2379,http://127.0.0.2:2379?prefix=/polity',
    'https://example.org/.well-known/polity',
    'consul:http://127.0.0.1:8500?service=polity',
    'kubernetes:default/polity?port=mesh',
    'dht:?bootstrap=/ip4/192.0.2.1/tcp/7410&lan',
    'static:/ip4/192.0.2.1/tcp/7400,/ip4/192.0.2.2/tcp/7400',
  ];
  const last = texts.pop()!;
  assert.deepEqual(splitSources(`${texts.join(',')}, ${last}`), [...texts, last]);
  const names = new Set<string>();
  for (const text of [...texts, last]) {
    const parsed = parseSource(text);
    assert.ok('plan' in parsed, 'problem' in parsed ? parsed.problem : '');
    names.add(parsed.plan.name);
    assert.ok(parsed.plan.name.length < 200 && !/[\s\p{Cc}]/u.test(parsed.plan.name), parsed.plan.name);
  }
  assert.equal(names.size, texts.length + 1);
});

test('no kind repeats a password, in its name or in what it says is wrong, and none throws at what is no source', () => {
  const bodies = [
    ...[
      '',
      ':',
      '//',
      '?',
      '?=',
      '&',
      '%',
      '%zz',
      '?a=%ff',
      '[::1',
      'x'.repeat(10_000),
      '\u0000',
      'http://',
      'https://[',
      '\ud800',
    ],
    ...[
      'http://user:hunter2@127.0.0.1:1',
      'https://user:hunter2@example.org',
      '//user:hunter2@example.org',
      'user:hunter2@x/y',
    ],
    ...['http://127.0.0.1:1?password=hunter2', 'http://127.0.0.1:1?token=hunter2', 'a/b?token=hunter2', '?token=hunter2'],
    ...['http://hunter2@127.0.0.1:1,http://127.0.0.1:2', 'http://127.0.0.1:1,http://hunter2@127.0.0.1:2'],
  ];
  const told: string[] = [];
  // Behind file: stands a path, whatever it looks like.
  for (const { scheme } of sourceKinds.filter((kind) => kind !== file))
    for (const body of bodies) {
      const parsed = parseSource(`${scheme}:${body}`);
      const said = 'plan' in parsed ? parsed.plan.name : parsed.problem;
      if (said.includes('hunter2') || /\p{Cc}/u.test(said)) told.push(`${scheme}:${body} becomes ${said}`);
    }
  assert.deepEqual(told, []);
});

test('a scheme finds its kind, whatever its case; a problem is a sentence with the form', () => {
  const named = parseSource('DNS:a.example:1', kinds);
  assert.equal('plan' in named && named.plan.name, 'dns:a.example:1');
  assert.deepEqual(parseSource('dns:bad', kinds), { problem: "'dns:bad' is bad (dns:X)" });
  assert.deepEqual(parseSource(`dns:${'x'.repeat(20_000)}`, kinds), {
    problem: `'dns:${'x'.repeat(76)}…' has more than 16384 characters`,
  });
  for (const text of ['', 'dns', ':', 'nsd:x', '/ip4/1.1.1.1/tcp/1', '://', 'constructor:x']) {
    const parsed = parseSource(text, kinds);
    assert.ok('problem' in parsed && parsed.problem.includes(`is no source of discovery; these are: ${formsOf(kinds)}`), text);
  }
});

test('what is repeated of a text holds nothing before an @ and nothing behind a ?', () => {
  for (const [text, shown] of [
    ['etcd:http://u:hunter2@h:1/x?token=hunter2', 'etcd:…@h:1/x?…'],
    ['etcd:u:hun/ter@2?@h', 'etcd:…@h'],
    ['u:hunter2@h', 'u:…@h'],
    ['hunter2@h', '…@h'],
    ['dns:a\u0007b', 'dns:a b'],
    ['x'.repeat(100), `${'x'.repeat(80)}…`],
  ] as const)
    assert.equal(shownSource(text), shown);
});

test('a static list answers one finding a peer, and one for each address without', async () => {
  const [a, b] = peers;
  const addresses = [`/ip4/10.0.0.1/tcp/1/p2p/${a}`, '/dns4/c.example/tcp/1', `/ip4/10.0.0.2/tcp/1/p2p/${a}`];
  const parsed = parseSource(`static:${addresses.join(', ')},/ip4/10.0.0.3/tcp/1/p2p/${b},${addresses[1]}`);
  assert.ok('plan' in parsed);
  const source = await parsed.plan.open(contextFor(b));
  const { findings } = await source.query(new AbortController().signal);
  assert.deepEqual(
    findings.map((finding) => [finding.peer, finding.addresses.length]),
    [
      [a, 2],
      [null, 1],
      [b, 1],
    ],
  );
  assert.equal(source.follow ?? source.announce, undefined);
  const many = parseSource(`static:${Array.from({ length: 17 }, (_, n) => `/ip4/10.0.0.${n}/tcp/1`).join(',')}`);
  assert.ok('problem' in many && many.problem.includes('names more than 16 addresses'));
});
