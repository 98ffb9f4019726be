// The source Consul against a server that speaks Consul's documented HTTP API, and against ones that do not.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { consul, consulWithin } from '../../../src/discovery/consul.ts';
import { until } from '../../e2e/cluster.ts';
import { consulTiming, FakeConsul } from './fake-consul.ts';
import { type Answering, endless, FakeHttp, json } from './fake-http.ts';
import { member, patienceMs, Run } from './source-run.ts';

const kind = consulWithin(consulTiming);
const scratch = mkdtempSync(join(tmpdir(), 'polity-consul-test-'));
const tokenFile = join(scratch, 'token');
const write = (token: string): void => writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
after(() => rmSync(scratch, { recursive: true, force: true }));

const idOf = (number: number): string => `polity-${member(number).peer}`;

test('every mistake in the configuration has words, and no secret is repeated', () => {
  const problemOf = (text: string): string => {
    const plan = consul.parse(text);
    assert.ok('problem' in plan, text);
    return plan.problem;
  };
  for (const text of [
    '',
    'https://consul:8501?service=mesh&tokenFile=/t&datacenter=dc1&ca=/ca.pem',
    'http://localhost:8500?tokenFile=/t',
  ])
    assert.ok('open' in consul.parse(text), text);
  assert.match(problemOf('http://a:1,http://b:1'), /more than one URL/);
  assert.match(problemOf('http://consul:8500?tokenFile=/t'), /everybody on the way would read the secret/);
  assert.match(problemOf('http://127.0.0.1:8500?service=a/b'), /a service that is not/);
  assert.match(problemOf('http://127.0.0.1:8500?datacenter=-'), /a datacenter that is not/);
  assert.match(problemOf('http://127.0.0.1:8500?token=hunter2'), /^has an option that is none of service, tokenFile/);
  assert.match(problemOf('http://u:hunter2@127.0.0.1:8500'), /^has a user or password inside its URL/);
});

describe('Consul as documented', { concurrency: true }, () => {
  test('who is announced is found by a question and told at once, and gone when he takes it back', async () => {
    await using server = await FakeConsul.start();
    await using one = await Run.open(kind, server.url);
    await using two = await Run.open(kind, server.url);
    one.follow();
    await until('the first answer', () => one.answers.length > 0, patienceMs);
    const many = Array.from(
      { length: 8 },
      (_, at) => `/ip6/2001:db8:85a3:8d3:1319:8a2e:370:73${at}0/tcp/7402/p2p/${member(2).peer}`,
    );
    const { name, peer, addresses } = { ...member(2), addresses: [...member(2).addresses, ...many] };
    two.announce({ ...member(2), addresses });
    await one.sees('n2');
    const found = { name, peer, addresses: addresses.slice(0, 8), priority: 0, weight: 1, healthy: true, ttlMs: 10_000 };
    assert.deepEqual(await two.query(), [found]);
    assert.deepEqual(one.answers.at(-1), { findings: [found], emptyTtlMs: 5_000 });
    const { service } = server.services.get(idOf(2))!;
    assert.deepEqual([service.Address, service.Port, service.Meta?.version], ['127.0.0.1', 7402, '1.2.3']);
    await two.stop();
    await one.sees();
    assert.deepEqual([...one.faults, ...two.faults, ...one.lines], []);
  });

  test('the check is passed while it lives; who stops passing is found as not working', async () => {
    await using server = await FakeConsul.start();
    await using one = await Run.open(kind, server.url);
    await using two = await Run.open(consulWithin({ ...consulTiming, passMs: 60_000 }), server.url);
    one.follow();
    one.announce(member(1));
    two.announce(member(2));
    await one.sees('n1', 'n2');
    await one.sees('n1', 'n2!');
    server.set(idOf(2), 'warning');
    await one.sees('n1', 'n2!');
    server.set(idOf(2), 'passing');
    await one.sees('n1', 'n2');
  });

  test('an agent that forgot the service is told of it again', async () => {
    await using server = await FakeConsul.start();
    await using one = await Run.open(kind, server.url);
    one.follow();
    one.announce(member(1));
    await one.sees('n1');
    server.forget();
    await until('it registers again', () => server.asked('PUT', '/v1/agent/service/register').length === 2, patienceMs);
    await one.sees('n1');
    assert.deepEqual(one.faults, []);
  });

  test('a blocking query that nothing answers is asked again with the same index; an index that went backwards begins anew', async () => {
    await using server = await FakeConsul.start();
    server.add({ ID: 'x', Name: 'polity', Port: 7_400, Meta: { name: 'n1' } });
    await using one = await Run.open(consulWithin({ ...consulTiming, waitMs: 100 }), server.url);
    one.follow();
    await until('three answers', () => one.answers.length > 3, patienceMs);
    const indexes = server.asked('GET', '/v1/health').map(({ query }) => query.get('index'));
    assert.deepEqual(indexes.slice(0, 4), [null, '41', '41', '41']);
    server.goBack(3);
    await until('it began anew', () => server.asked('GET', '/v1/health').at(-1)?.query.get('index') === '3', patienceMs);
    const after = server.asked('GET', '/v1/health').map(({ query }) => query.get('index'));
    assert.equal(after[after.indexOf('3') - 1], null);
    server.goBack(0);
    await until('0 is never asked for', () => server.asked('GET', '/v1/health').at(-1)?.query.get('index') === '1', patienceMs);
    assert.deepEqual(one.faults, []);
  });

  test("other clusters are not seen; others' services are taken by their address; nonsense is said once", async () => {
    await using server = await FakeConsul.start();
    server.add({ ID: 'by-hand', Name: 'polity', Address: 'n3.example.org', Port: 7_403, Meta: { cluster: 'c1', name: 'n3' } });
    server.add({ ID: 'of-node', Name: 'polity', Port: 7_404 });
    server.add({ ID: 'v6', Name: 'polity', Address: '::1', Port: 7_405 });
    server.add({ ID: 'other', Name: 'polity', Address: '::1', Port: 7_405, Meta: { cluster: 'c2' } });
    server.add({ ID: 'bad\n', Name: 'polity', Address: 'nowhere' });
    server.add({ ID: 'worse', Name: 'polity', Meta: { peer: '../..', addresses: '/ip4/1.1.1.1/tcp/1' } });
    server.add({ ID: 'elsewhere', Name: 'web', Port: 80 });
    await using one = await Run.open(kind, server.url);
    const found = await one.query();
    await one.query();
    assert.deepEqual(
      found.map(({ name, peer, addresses }) => [name, peer, ...addresses]),
      [
        ['n3', null, '/dns/n3.example.org/tcp/7403'],
        [null, null, '/ip4/10.1.10.12/tcp/7404'],
        [null, null, '/ip6/::1/tcp/7405'],
      ],
    );
    assert.deepEqual(
      one.lines.map(({ message }) => message),
      [
        "'service bad?' has no address that can be dialled (/ip4, /ip6 or /dns, then /tcp): it is left out",
        "'service worse' has a peer that is no peer id: it is left out",
      ],
    );
  });

  test('a token is sent, read anew when it was rotated, and stands in no error; a datacenter is asked for', async () => {
    await using server = await FakeConsul.start();
    server.token = 'first-secret';
    write('first-secret');
    await using one = await Run.open(kind, `${server.url}?tokenFile=${tokenFile}&datacenter=dc2`);
    one.follow();
    one.announce(member(1));
    await one.sees('n1');
    assert.equal(server.asked('GET', '/v1/health')[0]?.query.get('dc'), 'dc2');
    assert.equal(server.asked('PUT', '/v1/agent')[0]?.query.get('dc'), null);
    server.token = 'second-secret';
    await until('it is refused', () => one.faults.length > 0, patienceMs);
    const { code, message } = one.faults[0]!;
    assert.match(
      `${code} ${message}`,
      /^SOURCE_REFUSED 127\.0\.0\.1:\d+ answered 403: Permission denied: token with AccessorID/,
    );
    write('second-secret');
    const passed = server.asked('PUT', '/v1/agent/check').length;
    await until('it passes again', () => server.asked('PUT', '/v1/agent/check').length > passed + 1, patienceMs);
    server.broken = { status: 500, text: 'no second-secret here' };
    assert.equal((await one.fault()).message, `127.0.0.1:${server.http.port} answered 500`);
    server.broken = null;
    rmSync(tokenFile);
    assert.equal((await one.fault()).code, 'SOURCE_UNAVAILABLE');
    write('second-secret');
  });

  test('an agent that is killed, refuses or hangs: a fault in time, and everything is back after it', async () => {
    const server = await FakeConsul.start();
    await using one = await Run.open(consulWithin({ ...consulTiming, waitMs: 200, answerMs: 200 }), server.url);
    one.follow();
    one.announce(member(1));
    await one.sees('n1');
    const { port } = server.http;
    await server[Symbol.asyncDispose]();
    const has = (code: string): Promise<unknown> =>
      until(code, () => one.faults.some((fault) => fault.code === code), patienceMs);
    await has('SOURCE_UNREACHABLE');
    await using again = await FakeConsul.start(port);
    await one.sees('n1');
    again.broken = { status: 500, text: 'No cluster leader' };
    await has('SOURCE_REFUSED');
    assert.match(one.faults.find(({ code }) => code === 'SOURCE_REFUSED')!.message, /answered 500: No cluster leader$/);
    again.broken = null;
    const known = one.answers.length;
    await until('it answers again', () => one.answers.length > known, patienceMs);
    // As a connection that is half open: the blocking query is never answered.
    again.hangs = true;
    await has('SOURCE_TIMED_OUT');
    again.hangs = false;
    await one.sees('n1');
  });
});

describe('what is no Consul', { concurrency: true }, () => {
  const faultWith = async (answering: Answering, limitMs = patienceMs): Promise<string> => {
    await using fake = await FakeHttp.start(answering);
    await using run = await Run.open(kind, fake.url);
    const { code, message } = await run.fault(limitMs);
    return `${code} ${message.replaceAll(`127.0.0.1:${fake.port}`, 'HOST')}`;
  };
  const index = { 'x-consul-index': '7' };

  test('every nonsense is one fault with words', async () => {
    const cases: [Answering, RegExp][] = [
      [(_, response) => json(response, {}, 200, index), /^SOURCE_MALFORMED HOST answered no list of services$/],
      [(_, response) => json(response, []), /^SOURCE_MALFORMED HOST answered without X-Consul-Index: is it Consul\?$/],
      [
        (_, response) => json(response, [], 200, { 'x-consul-index': '-1' }),
        /^SOURCE_MALFORMED HOST answered without X-Consul-Index/,
      ],
      [(_, response) => response.writeHead(200, index).end('{{'), /^SOURCE_MALFORMED HOST answered what is no JSON$/],
      [(_, response) => endless(response, '['.repeat(65_536)), /^SOURCE_MALFORMED HOST answered more than 2097152 bytes$/],
      [(_, response) => response.writeHead(301, { location: '/v1/x' }).end(), /^SOURCE_REFUSED HOST answered 301$/],
      [
        (_, response) => response.writeHead(429).end('rate limit reached'),
        /^SOURCE_REFUSED HOST answered 429: rate limit reached$/,
      ],
      [(_, response) => void response.socket!.destroy(), /^SOURCE_UNREACHABLE no connection to HOST \(ECONNRESET\)$/],
    ];
    for (const [answering, words] of cases) assert.match(await faultWith(answering), words);
    assert.match(await faultWith(() => undefined, 100), /^SOURCE_TIMED_OUT HOST did not answer in time$/);
  });

  test('entries of every wrong kind are left out', async () => {
    const wrong = [
      null,
      7,
      [],
      {},
      { Service: 3 },
      { Service: { Port: '7' } },
      { Service: { ID: 'a', Port: 1, Address: 'a b' } },
    ];
    await using fake = await FakeHttp.start((_, response) => json(response, wrong, 200, index));
    await using run = await Run.open(kind, fake.url);
    assert.deepEqual(await run.query(), []);
    assert.equal(run.lines.length, 3);
  });

  test('more members than an answer may hold: those that work come first', async () => {
    const entries = Array.from({ length: 150 }, (_, at) => ({
      Service: { ID: `s${at}`, Port: 1_000 + at, Address: '10.0.0.1' },
      Checks: [{ Status: at < 60 ? 'critical' : 'passing' }],
    }));
    const filtered = { ...index, 'x-consul-results-filtered-by-acls': 'true' };
    await using fake = await FakeHttp.start((_, response) => json(response, entries, 200, filtered));
    await using run = await Run.open(kind, fake.url);
    const found = await run.query();
    assert.equal(found.filter(({ healthy }) => healthy).length, 90);
    assert.equal(found.length, 100);
    assert.deepEqual(
      run.lines.map(({ message }) => message.replace(/:\d+/, '')),
      [
        "'the catalog' has more than 100 members; what is beyond: it is left out",
        "'127.0.0.1' shows not every service to this node's token; what it hides: it is left out",
      ],
    );
  });

  test('an agent that answers every blocking query at once is not asked in a loop', async () => {
    await using fake = await FakeHttp.start((_, response) => json(response, [], 200, index));
    await using run = await Run.open(consulWithin({ ...consulTiming, gapMs: 200 }), fake.url);
    const startMs = performance.now();
    run.follow();
    await until('four answers', () => run.answers.length >= 4, patienceMs);
    assert.ok(performance.now() - startMs >= 590);
  });

  test('a farewell that is not answered holds up no stop', async () => {
    await using fake = await FakeHttp.start(({ path }, response) =>
      path.includes('deregister') ? undefined : void response.end(),
    );
    await using run = await Run.open(consulWithin({ ...consulTiming, farewellMs: 500 }), fake.url);
    run.announce(member(1));
    await until('it is registered', () => fake.asked.length > 0, patienceMs);
    await run.stop();
    assert.equal(fake.asked.at(-1)?.path, `/v1/agent/service/deregister/${idOf(1)}`);
    assert.deepEqual(
      run.faults.map(({ code }) => code),
      ['SOURCE_TIMED_OUT'],
    );
  });
});
