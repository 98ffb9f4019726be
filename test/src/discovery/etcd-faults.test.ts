// The source etcd against servers that answer what a broken, slow or evil one could.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { etcdWithin } from '../../../src/discovery/etcd.ts';
import { until } from '../../e2e/cluster.ts';
import { change, created, etcdTiming, fakeEtcd, kvOf, rangeOf, tell } from './fake-etcd.ts';
import { type Answering, endless, FakeHttp, json } from './fake-http.ts';
import { member, patienceMs, Run } from './source-run.ts';

const kind = etcdWithin(etcdTiming);
const scratch = mkdtempSync(join(tmpdir(), 'polity-etcd-test-'));
const passwordFile = join(scratch, 'password');
writeFileSync(passwordFile, 'correct-horse-battery\n', { mode: 0o600 });
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('an etcd that is not what it should be', { concurrency: true }, () => {
  const faultWith = async (answering: Answering, options = '', limitMs = patienceMs): Promise<string> => {
    await using fake = await FakeHttp.start(answering);
    await using run = await Run.open(kind, `${fake.url}${options}`);
    const { code, message } = await run.fault(limitMs);
    return `${code} ${message.replaceAll(`127.0.0.1:${fake.port}`, 'HOST')}`;
  };

  test('every nonsense is one fault with words', async () => {
    const cases: [Answering, RegExp][] = [
      [
        (_, response) => json(response, { error: 'etcdserver: no leader', code: 14 }, 503),
        /^SOURCE_REFUSED HOST answered 503: etcdserver: no leader$/,
      ],
      [
        (_, response) => json(response, { error: 'who are you?', code: 16 }, 401),
        /^SOURCE_REFUSED HOST answered 401: who are you\?$/,
      ],
      [
        (_, response) => response.writeHead(404).end('Not Found'),
        /^SOURCE_REFUSED HOST has no \/v3\/kv\/range: is it etcd 3\.4 or later\?$/,
      ],
      [(_, response) => response.writeHead(302, { location: 'http://evil/' }).end(), /^SOURCE_REFUSED HOST answered 302$/],
      [(_, response) => response.writeHead(500).end('<h1>\x1b[31moh\n</h1>'), /^SOURCE_REFUSED HOST answered 500$/],
      [(_, response) => response.end('{"header":'), /^SOURCE_MALFORMED HOST answered what is no JSON$/],
      [(_, response) => response.end('[]'), /^SOURCE_MALFORMED HOST answered what is no object$/],
      [(_, response) => json(response, { kvs: [] }), /^SOURCE_MALFORMED etcd answered no range of keys$/],
      [(_, response) => json(response, { ...rangeOf(1), kvs: 7 }), /^SOURCE_MALFORMED etcd answered no range of keys$/],
      [
        (_, response) => json(response, rangeOf(1, { key: 'eA==' })),
        /^SOURCE_MALFORMED etcd answered a key without a value or revision$/,
      ],
      [(_, response) => endless(response, 'x'.repeat(4_096)), /^SOURCE_MALFORMED HOST answered more than 262144 bytes$/],
      [
        (_, response) => response.socket!.end('SSH-2.0-OpenSSH_9.2\r\n'),
        /^SOURCE_MALFORMED HOST does not speak HTTP \(HPE_\w+\)$/,
      ],
      [(_, response) => void response.socket!.destroy(), /^SOURCE_UNREACHABLE no connection to HOST \(ECONNRESET\)$/],
      [
        (_, response) => void response.writeHead(200, { 'content-length': '99' }).write('{', () => response.socket!.destroy()),
        /^SOURCE_UNREACHABLE the connection to HOST was lost \(ECONNRESET\)$/,
      ],
    ];
    for (const [answering, words] of cases) assert.match(await faultWith(answering), words);
  });

  test('who does not answer, or drop by drop, is given up in time', async () => {
    assert.match(await faultWith(() => undefined, '', 100), /^SOURCE_TIMED_OUT HOST did not answer in time$/);
    const drops: Answering = (_, response) => {
      const timer = setInterval(() => response.write(' '), 10);
      response.once('close', () => clearInterval(timer));
    };
    assert.match(await faultWith(drops, '', 200), /^SOURCE_TIMED_OUT HOST did not answer in time$/);
  });

  test('a password and a token stand in no error, though the server repeats them', async () => {
    const token = 'token-of-somebody';
    const echo: Answering = ({ path, headers, body }, response) =>
      path === '/v3/auth/authenticate' && !body.includes('deny')
        ? json(response, { token })
        : json(response, { error: `refused ${headers.authorization} ${body}` }, 403);
    const options = (user: string): string => `?user=${user}&passwordFile=${passwordFile}`;
    assert.equal(await faultWith(echo, options('me')), 'SOURCE_REFUSED HOST answered 403');
    assert.equal(await faultWith(echo, options('deny')), 'SOURCE_REFUSED HOST answered 403');
    assert.match(
      await faultWith((_, response) => json(response, { token: 'a\r\nb' }), options('me')),
      /^SOURCE_MALFORMED HOST gave no token for user 'me'$/,
    );
  });

  test('the next endpoint answers when one is dead, refuses or hangs', async () => {
    await using good = await fakeEtcd({});
    await using bad = await FakeHttp.start((_, response) => json(response, {}, 503));
    await using hangs = await FakeHttp.start(() => undefined);
    const dead = await FakeHttp.start(() => undefined);
    await dead.stop();
    const quick = etcdWithin({ ...etcdTiming, answerMs: 1_500 });
    await using run = await Run.open(quick, [dead, bad, hangs, good].map(({ url }) => url).join(','));
    assert.equal((await run.query()).length, 1);
    assert.equal((await run.query()).length, 1);
    assert.equal(bad.asked.length, 1, 'who answered is asked first from then on');
  });

  test('a watch: changes, words that mean nothing to us, an end, garbage, an error, a line without end', async () => {
    const ends: ((response: ServerResponse) => void)[] = [
      (response) => response.end(),
      (response) => response.write('nonsense\n'),
      (response) => response.write(`${JSON.stringify({ error: { grpc_code: 14, http_code: 503, message: 'no leader' } })}\n`),
      (response) => tell(response, { canceled: true, cancel_reason: 'permission denied' }),
      (response) => tell(response, { events: [{ kv: { key: 'eA==' } }] }),
      (response) => void response.write('x'.repeat(300_000)),
      (response) => response.socket!.destroy(),
    ];
    let watches = 0;
    await using fake = await fakeEtcd({
      '/v3/watch': (_, response) => {
        const end = ends[watches++];
        const two = JSON.stringify({ result: change(8, 'PUT', kvOf(member(2), 8)) });
        tell(response, created(7), { header: {} }, { events: [{ kv: kvOf(member(4, 'c2'), 8) }] });
        response.write(two.slice(0, 40));
        setTimeout(() => {
          response.write(`${two.slice(40)}\n\n`);
          end?.(response);
        }, 20);
      },
    });
    await using run = await Run.open(etcdWithin({ ...etcdTiming, compareMs: 60_000 }), fake.url);
    run.follow();
    await until('all ends', () => watches > ends.length, patienceMs);
    await run.sees('n1', 'n2');
    assert.deepEqual(
      run.faults.map(({ code }) => code),
      [
        ...[
          'SOURCE_UNREACHABLE',
          'SOURCE_MALFORMED',
          'SOURCE_REFUSED',
          'SOURCE_REFUSED',
          'SOURCE_MALFORMED',
          'SOURCE_MALFORMED',
        ],
        'SOURCE_UNREACHABLE',
      ],
    );
  });

  test('a watch that never begins is a fault, one that is half open is found out by comparing', async () => {
    let silent = true;
    let members = 1;
    await using fake = await fakeEtcd({
      '/v3/kv/range': (_, response) =>
        json(response, rangeOf(7, ...Array.from({ length: members }, (__, at) => kvOf(member(at + 1), at + 1)))),
      '/v3/watch': (_, response) => (silent ? undefined : tell(response, created(7))),
    });
    await using run = await Run.open(etcdWithin({ ...etcdTiming, answerMs: 200, compareMs: 100 }), fake.url);
    run.follow();
    await until('it is given up', () => run.faults.length > 0, patienceMs);
    assert.equal(run.faults[0]?.code, 'SOURCE_TIMED_OUT');
    silent = false;
    await run.sees('n1');
    members = 2;
    await run.sees('n1', 'n2');
  });

  test('more members than an answer may hold are cut off, and it is said once', async () => {
    const kvs = Array.from({ length: 150 }, (_, at) => kvOf(member(at), at + 1));
    let limit = '';
    await using fake = await fakeEtcd({
      '/v3/kv/range': ({ body }, response) => {
        limit = (JSON.parse(body) as { limit: string }).limit;
        json(response, rangeOf(200, ...kvs));
      },
      '/v3/watch': (_, response) => tell(response, created(7), ...kvs.map((kv) => change(8, 'PUT', kv))),
    });
    await using run = await Run.open(kind, fake.url);
    assert.equal((await run.query()).length, 100);
    assert.equal(limit, '101');
    run.follow();
    await until('an answer', () => run.answers.length > 1, patienceMs);
    assert.ok(run.answers.every(({ findings }) => findings.length === 100));
    assert.equal(run.lines.length, 1);
  });

  test('a farewell that is not answered holds up no stop', async () => {
    await using fake = await fakeEtcd({ '/v3/lease/revoke': () => undefined });
    await using run = await Run.open(etcdWithin({ ...etcdTiming, farewellMs: 500 }), fake.url);
    run.announce(member(1));
    await until('it is announced', () => fake.asked.some(({ path }) => path === '/v3/kv/put'), patienceMs);
    await run.stop();
    assert.deepEqual(JSON.parse(fake.asked.at(-1)!.body), { ID: '77' });
    assert.deepEqual(
      run.faults.map(({ code }) => code),
      ['SOURCE_TIMED_OUT'],
    );
  });
});
