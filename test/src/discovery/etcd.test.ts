// The source etcd against the real server, where there is one; etcd-faults.test.ts has the servers that are not what they should be.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { LookupPort } from '../../../actors/ports/index.ts';
import { etcd, etcdWithin } from '../../../src/discovery/etcd.ts';
import { createLookup, parseSource } from '../../../src/discovery/index.ts';
import { until } from '../../e2e/cluster.ts';
import { Authority, withoutOpenssl } from './certificates.ts';
import { EtcdProcess, withoutEtcd } from './etcd-process.ts';
import { etcdTiming } from './fake-etcd.ts';
import { type Answering, FakeHttp } from './fake-http.ts';
import { member, patienceMs, Run } from './source-run.ts';

const kind = etcdWithin(etcdTiming);
const scratch = mkdtempSync(join(tmpdir(), 'polity-etcd-test-'));
const password = 'correct-horse-battery';
const passwordFile = join(scratch, 'password');
writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('etcd in the configuration', () => {
  const problemOf = (text: string): string => {
    const plan = etcd.parse(text);
    assert.ok('problem' in plan, text);
    return plan.problem;
  };

  test('several endpoints, options, and what is meant by nothing', () => {
    for (const text of [
      '',
      'http://127.0.0.1:2379',
      'http://10.0.0.1:2379,http://10.0.0.2:2379?prefix=/a/b',
      'http://[::1]:1?endpoint=http://e:2',
    ])
      assert.ok('open' in etcd.parse(text), text);
    const plan = etcd.parse('https://e1:2379?user=polity&passwordFile=/run/password&ca=/etc/ca.pem');
    assert.ok('open' in plan);
    assert.equal(plan.name, 'etcd:https://e1:2379?user=polity&passwordFile=/run/password&ca=/etc/ca.pem');
  });

  test('every mistake has words, and a password in a URL is repeated nowhere', () => {
    assert.match(problemOf('localhost:2379'), /not http: or https:/);
    assert.match(problemOf('nonsense'), /no URL/);
    assert.match(problemOf('http://e1:2379/v3'), /more than a host and a port/);
    assert.match(problemOf('http://127.0.0.1:1?prefix=polity'), /prefix/);
    assert.match(problemOf('http://127.0.0.1:1?prefix=/a&prefix=/b'), /names prefix twice/);
    assert.match(problemOf('http://127.0.0.1:1?prefix='), /nothing after prefix=/);
    assert.match(problemOf('http://127.0.0.1:1?user=me'), /user and passwordFile together/);
    assert.match(problemOf('https://e1:1?cert=/c'), /cert and key together/);
    assert.match(problemOf('http://127.0.0.1:1?ca=/c'), /without TLS/);
    assert.match(problemOf('http://e1:2379?user=me&passwordFile=/p'), /everybody on the way would read the secret/);
    assert.match(problemOf(`${'http://e1:1,'.repeat(17)}`), /more than 16 endpoints/);
    for (const text of [`http://me:${password}@127.0.0.1:1`, `http://127.0.0.1:1?password=${password}`])
      assert.ok(!problemOf(text).includes(password));
  });
});

describe('a real etcd', { skip: withoutEtcd(), concurrency: true }, () => {
  const server = withoutEtcd() === false ? EtcdProcess.start() : null;
  after(async () => (await server)?.[Symbol.asyncDispose]());

  test('who is announced is found by a question and told at once, and gone when he takes it back', async () => {
    const { url } = await server!;
    await using one = await Run.open(kind, `${url}?prefix=/simple`);
    await using two = await Run.open(kind, `${url}?prefix=/simple`);
    one.follow();
    await until('the first answer', () => one.answers.length > 0, patienceMs);
    assert.deepEqual(one.answers[0], { findings: [], emptyTtlMs: 5_000 });
    two.announce(member(2));
    await one.sees('n2');
    const { name, peer, addresses } = member(2);
    const found = { name, peer, addresses, priority: 0, weight: 0, healthy: true, ttlMs: 30_000 };
    assert.deepEqual(await two.query(), [found]);
    assert.deepEqual(one.answers.at(-1)?.findings, [found]);
    await two.stop();
    await one.sees();
    assert.deepEqual([...one.faults, ...two.faults, ...one.lines], []);
  });

  test('another cluster and another prefix are not seen; what is foreign is left out with one warning', async () => {
    const { url } = await server!;
    const etcdServer = await server!;
    await using one = await Run.open(kind, `${url}?prefix=/foreign`);
    await using other = await Run.open(kind, `${url}?prefix=/foreign`, 'c10');
    one.follow();
    other.announce(member(3, 'c10'));
    await etcdServer.put('/foreign/c1/note', 'not\x07 json');
    await etcdServer.put('/foreign/c1/12D3KooWLiar', JSON.stringify({ ...member(9) }));
    await etcdServer.put('/foreign/c1/12D3KooWTest4', JSON.stringify({ ...member(4) }));
    await one.sees('n4');
    await until('compared once more', () => one.answers.length > 4, patienceMs);
    assert.deepEqual(
      one.lines.map(({ level, code, message }) => `${level} ${code} ${message}`),
      [
        "warn SOURCE_ENTRY_IGNORED '/foreign/c1/note' is no JSON: it is left out",
        "warn SOURCE_ENTRY_IGNORED '/foreign/c1/12D3KooWLiar' speaks of another peer than its key: it is left out",
      ],
    );
    assert.deepEqual(
      (await other.query()).map((found) => found.name),
      ['n3'],
    );
  });

  test('an announcer that is killed is gone when its lease ends', async () => {
    const { url } = await server!;
    await using watcher = await Run.open(kind, url);
    watcher.follow();
    const script = new URL('./etcd-announcer.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, url, '5'], { stdio: 'ignore' });
    try {
      await watcher.sees('n5');
    } finally {
      child.kill('SIGKILL');
    }
    await watcher.sees();
    assert.deepEqual(watcher.faults, []);
  });

  test('a lease that was lost is taken anew', async () => {
    const etcdServer = await server!;
    await using watcher = await Run.open(kind, `${etcdServer.url}?prefix=/lost`);
    await using one = await Run.open(kind, `${etcdServer.url}?prefix=/lost`);
    watcher.follow();
    one.announce(member(6));
    await watcher.sees('n6');
    const leaseOf = async (): Promise<string | undefined> => {
      const range = { key: btoa('/lost/'), range_end: btoa('/lost0') };
      const { kvs = [] } = (await etcdServer.post('kv/range', range)) as { kvs?: { lease: string }[] };
      return kvs[0]?.lease;
    };
    const lost = await leaseOf();
    await etcdServer.post('lease/revoke', { ID: lost });
    await until('another lease', async () => ![undefined, lost].includes(await leaseOf()), patienceMs);
    await watcher.sees('n6');
    assert.deepEqual(one.faults, []);
  });

  test('history that was compacted away is asked for anew', async () => {
    const etcdServer = await server!;
    // Between the range and the watch, somebody writes and compacts.
    let compacted = false;
    const through: Answering = async (asked, response) => {
      if (asked.path === '/v3/watch' && !compacted) {
        compacted = true;
        for (let times = 0; times < 3; times++)
          await etcdServer.put(`/compact/c1/${member(7).peer}`, JSON.stringify(member(7)));
        const { header } = (await etcdServer.post('kv/range', { key: btoa('/compact') })) as { header: { revision: string } };
        await etcdServer.post('kv/compaction', { revision: header.revision });
        await etcdServer.put(`/compact/c1/${member(8).peer}`, JSON.stringify(member(8)));
      }
      const body = await fetch(`${etcdServer.url}${asked.path}`, { method: 'POST', body: asked.body });
      response.writeHead(body.status);
      for await (const chunk of body.body!) if (!response.write(chunk)) break;
      response.end();
    };
    await using proxy = await FakeHttp.start(through);
    await using one = await Run.open(etcdWithin({ ...etcdTiming, compareMs: 60_000 }), `${proxy.url}?prefix=/compact`);
    one.follow();
    await one.sees('n7', 'n8');
    const watches = (): number => proxy.asked.filter(({ path }) => path === '/v3/watch').length;
    await until('the second watch', () => watches() === 2, patienceMs);
    assert.deepEqual(one.faults, []);
  });

  test('two nodes find each other by the text of their configuration, through the port that the tree uses', async () => {
    const { url } = await server!;
    const text = `etcd:${url}?prefix=/port`;
    const open = (number: number): { port: LookupPort; seen: () => string[] } => {
      const parsed = parseSource(text);
      assert.ok('plan' in parsed);
      const sink = { log: () => undefined, count: () => undefined };
      const context = { cluster: 'c1', self: member(number).peer, deriveKey: () => new Uint8Array(32), sink };
      const port = createLookup({ plans: [parsed.plan], context });
      let seen: string[] = [];
      port.start((event) => {
        if (event.type === 'answered') seen = event.findings.map(({ name }) => String(name));
      });
      port.announce(member(number));
      return { port, seen: () => seen };
    };
    const [one, two] = [open(1), open(2)];
    try {
      await until('each sees the other', () => `${one.seen()} ${two.seen()}` === 'n2 n1', patienceMs);
      one.port.query(text, patienceMs);
      await new Promise<void>((resolve) => two.port.stop(resolve));
      await until('who stopped is gone', () => one.seen().length === 0, patienceMs);
    } finally {
      await Promise.all([one, two].map(({ port }) => new Promise<void>((resolve) => port.stop(resolve))));
    }
  });

  test('etcd is killed and begins again on its port: everybody is back', async () => {
    await using mine = await EtcdProcess.start();
    await using one = await Run.open(kind, mine.url);
    await using two = await Run.open(kind, mine.url);
    for (const [at, run] of [one, two].entries()) {
      run.follow();
      run.announce(member(at + 1));
    }
    await Promise.all([one.sees('n1', 'n2'), two.sees('n1', 'n2')]);
    await mine.kill();
    await until('both say that it is gone', () => [one, two].every((run) => run.faults.length > 1), patienceMs);
    assert.equal(one.faults[0]?.code, 'SOURCE_UNREACHABLE');
    const known = one.answers.length;
    await mine.begin();
    await until('an answer after the restart', () => one.answers.length > known, patienceMs);
    await Promise.all([one.sees('n1', 'n2'), two.sees('n1', 'n2')]);
    await two.stop();
    await one.sees('n1');
  });

  test('with users: a password, a token that etcd forgot, and who may not', async () => {
    await using mine = await EtcdProcess.start();
    for (const [path, body] of [
      ['user/add', { name: 'root', password: 'root' }],
      ['role/add', { name: 'root' }],
      ['user/grant', { user: 'root', role: 'root' }],
      ['role/add', { name: 'polity' }],
      ['role/grant', { name: 'polity', perm: { permType: 'READWRITE', key: btoa('/polity/'), range_end: btoa('/polity0') } }],
      ['user/add', { name: 'polity', password }],
      ['user/grant', { user: 'polity', role: 'polity' }],
      ['user/add', { name: 'poor', password }],
      ['enable', {}],
    ] as const)
      await mine.post(`auth/${path}`, body);
    const withUser = (user: string, file = passwordFile): string => `${mine.url}?user=${user}&passwordFile=${file}`;
    await using one = await Run.open(kind, withUser('polity'));
    one.follow();
    one.announce(member(1));
    await one.sees('n1');
    await using nobody = await Run.open(kind, mine.url);
    await using poor = await Run.open(kind, withUser('poor'));
    const wrongFile = join(scratch, 'wrong');
    writeFileSync(wrongFile, 'wrong-staple', { mode: 0o600 });
    await using wrong = await Run.open(kind, withUser('polity', wrongFile));
    await using missing = await Run.open(kind, withUser('polity', join(scratch, 'missing')));
    for (const [run, words] of [
      [nobody, /^SOURCE_REFUSED .* answered 400: etcdserver: user name is empty$/],
      [poor, /^SOURCE_REFUSED .* answered 403: etcdserver: permission denied$/],
      [wrong, /^SOURCE_REFUSED .* answered 400: etcdserver: authentication failed, invalid user ID or password$/],
      [missing, /^SOURCE_UNAVAILABLE '.*missing' cannot be read: there is no such file$/],
    ] as const) {
      const { code, message } = await run.fault();
      assert.match(`${code} ${message}`, words);
      assert.ok(!message.includes('staple'));
    }
    // Tokens live in the memory of etcd.
    await mine.kill();
    await mine.begin();
    assert.deepEqual(
      (await one.query()).map(({ name }) => name),
      ['n1'],
    );
  });

  test('over TLS, with a certificate on both sides', { skip: withoutOpenssl() }, async () => {
    const authority = new Authority(scratch);
    const { certFile, keyFile } = authority.issue('etcd');
    const mine = authority.issue('client');
    const words = ['--cert-file', certFile, '--key-file', keyFile, '--trusted-ca-file', authority.caFile, '--client-cert-auth'];
    await using server = await EtcdProcess.start('https', words);
    await using one = await Run.open(kind, `${server.url}?ca=${authority.caFile}&cert=${mine.certFile}&key=${mine.keyFile}`);
    one.follow();
    one.announce(member(1));
    await one.sees('n1');
    for (const [options, words] of [
      ['', /^SOURCE_UNREACHABLE no connection to .* \((?:UNABLE|SELF|DEPTH)\w+\)$/],
      [`?ca=${authority.caFile}`, /^SOURCE_UNREACHABLE .*certificate/i],
      [`?ca=${scratch}/nothing`, /^SOURCE_UNAVAILABLE '.*nothing' cannot be read \(ENOENT\)$/],
      [
        `?ca=${authority.caFile}&cert=${mine.certFile}&key=${keyFile}`,
        /^SOURCE_UNAVAILABLE .* cannot be asked with these certificates/,
      ],
    ] as const) {
      await using run = await Run.open(kind, `${server.url}${options}`);
      const { code, message } = await run.fault();
      assert.match(`${code} ${message}`, words);
    }
  });
});
