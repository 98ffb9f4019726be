// `polity discover` as a process: with sources and no node, and what a node knows; what it prints and how it exits.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type DiscoverOptions, discover } from '../../../src/cli/discover.ts';
import { exitOf } from '../../../src/cli/exit.ts';
import { askSources, LookupFault, type SourcePlan } from '../../../src/discovery/index.ts';
import { findingOf, peers } from '../../ports/lookup-suite.ts';
import { contextFor } from '../discovery/scripted.ts';
import { polity } from './polity.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-discover-'));
after(() => rmSync(directory, { recursive: true }));

const near = `/ip4/192.0.2.1/tcp/7400/p2p/${peers[0]}`;
const far = '/dns4/far.example/tcp/7400';

type Said = { peers: Record<string, unknown>[]; sources: Record<string, unknown>[] };

test('sources are asked without a node; who is found is shown, at most as many as wanted', async () => {
  const [found, json, few] = await Promise.all([
    polity(['discover', `static:${near}`, `static:${far}`]),
    polity(['discover', `static:${near}`, `static:${far}`, '--json', '--cluster', 'c1']),
    polity(['discover', `static:${near},${far}`, '--max', '1']),
  ]);
  assert.deepEqual([found.code, found.stderr], [0, '']);
  const lines = found.stdout.trimEnd().split('\n');
  assert.match(lines[0]!, /^PEER\s+NAME\s+SOURCE\s+PRIORITY\s+WEIGHT\s+HEALTHY\s+TTL\s+ADDRESSES$/);
  assert.match(lines[1]!, new RegExp(`^${peers[0]}  -     static:.*  0         0       yes      3600s  ${near}$`));
  assert.ok(lines[2]!.endsWith(far) && lines.length === 3);
  const said = JSON.parse(json.stdout) as Said;
  assert.deepEqual(said.peers[1], {
    ...{ peer: null, name: null, addresses: [far], priority: 0, weight: 0, healthy: true, ttlMs: 3_600_000 },
    source: `static:${far}`,
  });
  assert.deepEqual(said.sources[0], { source: `static:${near}`, findings: 1, cut: 0, invalid: 0 });
  assert.deepEqual([few.code, few.stdout.trimEnd().split('\n').length], [0, 2]);
  assert.match(few.stderr, /^polity: 1 more: --max 2 shows them\n$/);
});

test('what makes no sense is a mistake of the command line, and repeats no secret', async () => {
  const short = join(directory, 'short');
  writeFileSync(short, 'hunter2');
  chmodSync(short, 0o600);
  const cases: [string[], DiscoverOptions, RegExp][] = [
    [['static:'], {}, /'static:' names no address/],
    [['x:http://u:hunter2@h'], {}, /'x:…@h' is no source of discovery; these are: .*static:MULTIADDR/],
    [[`static:${far}`, `static:${far}`], {}, /is named twice/],
    [Array.from({ length: 17 }, (_, n) => `static:/ip4/192.0.2.${n}/tcp/1`), {}, /at most 16 sources/],
    [[`static:${far}`], { max: '0' }, /--max is from 1 to 100/],
    [[`static:${far}`], { max: 'all' }, /--max must be a whole number/],
    [[`static:${far}`], { timeout: '2m' }, /--timeout is at most 60s/],
    [[`static:${far}`], { timeout: 'soon' }, /--timeout must be a time/],
    [[`static:${far}`], { cluster: 'No' }, /--cluster 'No' is no cluster's name/],
    [[`static:${far}`], { secretFile: short }, /the secret has 7 bytes; it needs at least 16/],
    [[`static:${far}`], { secretFile: join(directory, 'none') }, /the secret: .*there is no such file/],
    [[`static:${far}`], { ask: true }, /--ask is for a node/],
    [[], { cluster: 'c1' }, /--cluster and --secret-file are for sources that are named/],
  ];
  for (const [texts, options, expected] of cases)
    await assert.rejects(discover(texts, options), (error: Error) => {
      assert.equal(exitOf(error), 'usage', String(error));
      assert.match(error.message, expected);
      return !error.message.includes('hunter2');
    });
  const { code, stdout, stderr } = await polity(['discover', 'static:']);
  assert.deepEqual([code, stdout, stderr.startsWith("polity: 'static:' names no address")], [2, '', true]);
});

test('one source that fails or hangs hides nothing of the others, and is told with its code', async () => {
  const planOf = (name: string, query: () => Promise<never>): SourcePlan => ({ name, open: async () => ({ query }) });
  const plans = [
    planOf('fails', async () => {
      throw new LookupFault('SOURCE_REFUSED', 'no');
    }),
    planOf('hangs', () => new Promise(() => {})),
    {
      name: 'good',
      open: async () => ({ query: async () => ({ findings: [findingOf('b', peers[1])], emptyTtlMs: 1 }) }),
    },
  ];
  const asked = await askSources(plans, contextFor(''), 100);
  assert.deepEqual(
    asked.map((one) => [one.source, 'fault' in one ? one.fault.code : one.findings.length]),
    [
      ['fails', 'SOURCE_REFUSED'],
      ['hangs', 'SOURCE_TIMED_OUT'],
      ['good', 1],
    ],
  );
});

/** A node that answers this on every path. */
const answering = async (answer: unknown): Promise<{ url: string; close: () => void }> => {
  const server = createServer((request, response) => {
    const isKnown = /^\/v1\/discovery(\/lookup\?max=\d+&timeout-ms=\d+)?$/.test(request.url!);
    response.writeHead(isKnown ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
};

test('without a source: what a node knows, in cells that no word of others can leave', async () => {
  const place = { peer: peers[0], name: 'n1', addresses: [near], state: 'confirmed', sources: ['dns:x', 'exchange'] };
  const common = { priority: 1, weight: 2, healthy: true, forMs: 1_500 };
  const evil = { ...place, ...common, peer: null, name: 'e\u001b[31m\nvil', state: 'lost', sources: [] };
  const sources = [
    { source: 'dns:x', state: 'answered', lastError: null, answeredMsAgo: 250, findings: 1 },
    { source: 'mdns:', state: 'failed', lastError: { code: 'SOURCE_UNREACHABLE', message: 'a\nb' }, answeredMsAgo: null },
  ];
  const [full, lost, odd] = await Promise.all([
    answering({ peers: [{ ...place, ...common }, evil], sources }),
    answering({ peers: [evil], sources }),
    answering({ peers: 5, sources: [null, 'x'] }),
  ]);
  const [shown, json, nobody, nonsense] = await Promise.all([
    polity(['discover', '--node', full.url]),
    polity(['discover', '--node', full.url, '--json', '--max', '1']),
    polity(['discover', '--node', lost.url]),
    polity(['discover', '--node', odd.url, '--json']),
  ]);
  for (const { close } of [full, lost, odd]) close();
  assert.equal(shown.code, 0, shown.stderr);
  const lines = shown.stdout.trimEnd().split('\n');
  assert.match(lines[1]!, new RegExp(`^${peers[0]}  n1 +confirmed  1.5s  dns:x exchange  1         2       yes      ${near}$`));
  assert.match(lines[2]!, /^- +e\\u001b\[31m\\nvil +lost/);
  assert.match(lines[5]!, /^dns:x +answered +0\.3s ago +1 +-$/);
  assert.match(lines[6]!, /^mdns: +failed +never +- +SOURCE_UNREACHABLE: a\\nb$/);
  assert.equal(lines.length, 7);
  const said = JSON.parse(json.stdout) as Said;
  assert.deepEqual([said.peers.length, said.sources], [1, sources]);
  assert.deepEqual([nobody.code, /nobody was found/.test(nobody.stderr)], [1, true]);
  assert.deepEqual([nonsense.code, nonsense.stdout], [1, '{"peers":[],"sources":[]}\n']);
  assert.equal((JSON.parse(nonsense.stderr) as { exit: number }).exit, 1);
});

test('--ask: what the sources of a node say now, and which of them fail', async () => {
  const node = await answering({
    peers: [{ peer: peers[0], name: 'n1', addresses: [near], state: 'found', sources: ['dns:x'], healthy: true }],
    failures: [{ source: 'mdns:', code: 'SOURCE_TIMED_OUT', message: 'it did\nnot answer' }],
  });
  const ran = await polity(['discover', '--ask', '--node', node.url]);
  node.close();
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, new RegExp(`\n${peers[0]}  n1 +found .* dns:x .* ${near}\n$`));
  assert.equal(ran.stderr, 'polity: SOURCE_TIMED_OUT: mdns:: it did\\nnot answer\n');
});
