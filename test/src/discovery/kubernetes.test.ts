// The source Kubernetes against a server that speaks the documented API over TLS, with lists, watches and tokens.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { kubernetes, kubernetesWithin } from '../../../src/discovery/kubernetes.ts';
import { until } from '../../e2e/cluster.ts';
import { Authority, type Issued, kubeconfig, withoutOpenssl } from './certificates.ts';
import { FakeKubernetes, kubernetesTiming, pod } from './fake-kubernetes.ts';
import { patienceMs, Run } from './source-run.ts';

const kind = kubernetesWithin(kubernetesTiming);
const scratch = mkdtempSync(join(tmpdir(), 'polity-kubernetes-test-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

describe('Kubernetes in the configuration', () => {
  test('every mistake has words', () => {
    const problemOf = (text: string): string => {
      const plan = kubernetes.parse(text);
      assert.ok('problem' in plan, text);
      return plan.problem;
    };
    for (const text of ['default/polity', 'prod/polity?port=mesh', 'prod/polity?port=7400&kubeconfig=/k&context=east'])
      assert.ok('open' in kubernetes.parse(text), text);
    for (const text of ['', 'polity', 'a/b/c', 'A/b', '../x', `${'a'.repeat(64)}/b`])
      assert.match(problemOf(text), /^is not NAMESPACE\/SERVICE/);
    assert.match(problemOf('a/b?port=0'), /not 1 to 65535/);
    assert.match(problemOf('a/b?port=m%20e'), /neither a number nor a name/);
    assert.match(problemOf('a/b?context=c'), /context without a kubeconfig/);
    assert.match(problemOf('a/b?token=hunter2'), /^has an option that is none of port, kubeconfig, context$/);
    assert.match(problemOf('a/b?port=1&port=2'), /names port twice/);
    assert.match(problemOf('a/b?kubeconfig='), /nothing after kubeconfig=/);
  });

  const unavailable = async (text: string, words: RegExp): Promise<void> => {
    await using run = await Run.open(kind, text);
    const { code, message } = await run.fault();
    assert.match(`${code} ${message}`, words);
    assert.ok(!message.includes('hunter2'), message);
  };

  test('without the client, without a pod around, without a kubeconfig that can be used', async () => {
    const missing = kubernetesWithin(kubernetesTiming, () => import(`${'@kubernetes'}/no-such-client`));
    await assert.rejects(Run.open(missing, 'prod/polity'), {
      ...{ name: 'LookupFault', code: 'SOURCE_UNAVAILABLE' },
      message: "Kubernetes' own client is not installed: npm install @kubernetes/client-node (and not --omit=peer)",
    });
    await unavailable('prod/polity', /^SOURCE_UNAVAILABLE this is no pod of Kubernetes \(KUBERNETES_SERVICE_HOST/);
    const file = join(scratch, 'broken');
    const named = `prod/polity?kubeconfig=${file}`;
    const cases: [string, RegExp, string?][] = [
      ['token: hunter2: [', /broken' is no kubeconfig$/],
      ['hunter2', /broken' (?:is no kubeconfig|names no cluster to ask.*)$/],
      ['clusters: []\ncontexts: []\nusers: []\n', /broken' names no cluster to ask \(no current-context\?\)$/],
      ['clusters: []\ncontexts: []\nusers: []\n', /broken' has no context 'east'$/, '&context=east'],
      [kubeconfig('http://127.0.0.1:1', 'token: hunter2'), /broken' has a server without TLS/],
      [kubeconfig('https://me:hunter2@127.0.0.1:1', 'token: x'), /broken' has a user or password inside its server's URL$/],
      [kubeconfig('nonsense', 'token: x'), /broken' has a server that is no URL$/],
      [
        kubeconfig('https://127.0.0.1:1', 'exec: {apiVersion: v1, command: /no/such/program, args: [hunter2]}'),
        /a file or program of theirs failed/,
      ],
      [
        kubeconfig('https://127.0.0.1:1', 'client-certificate: /no/such/file'),
        /a file or program of theirs failed \(ENOENT\)$/,
      ],
    ];
    for (const [text, words, more = ''] of cases) {
      writeFileSync(file, text, { mode: 0o600 });
      await unavailable(`${named}${more}`, words);
    }
    chmodSync(file, 0o644);
    await unavailable(named, /broken' is open to every user of this machine \(mode 644\): chmod 600 it$/);
    rmSync(file);
    await unavailable(named, /broken' cannot be read: there is no such file$/);
  });
});

describe('an API server', { skip: withoutOpenssl(), concurrency: true }, () => {
  let authority: Authority;
  let issued: Issued;
  before(() => {
    authority = new Authority(scratch);
    issued = authority.issue('server');
  });

  const opened = (server: FakeKubernetes, options = ''): Promise<Run> =>
    Run.open(kind, `prod/polity?kubeconfig=${authority.configFor(server.http.url, server.token)}${options}`);

  test('pods are found by a list and told by a watch; conditions say who works', async () => {
    await using server = await FakeKubernetes.start(issued);
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1'), pod('polity-1', '10.0.0.2', { ready: null })] });
    await using run = await opened(server, '&port=mesh');
    const about = { peer: null, priority: 0, weight: 0, healthy: true, ttlMs: 1_000 };
    assert.deepEqual(await run.query(), [
      { ...about, name: 'polity-0', addresses: ['/ip4/10.0.0.1/tcp/7400'] },
      { ...about, name: 'polity-1', addresses: ['/ip4/10.0.0.2/tcp/7400'] },
    ]);
    run.follow();
    await run.sees('polity-0', 'polity-1');
    const terminating = pod('polity-0', '10.0.0.1', { ready: false, serving: true, terminating: true });
    const notReady = pod('polity-1', '10.0.0.2', { ready: true, serving: false });
    server.put('a', { endpoints: [terminating, notReady, pod('polity-2', '10.0.0.3', {})] });
    await run.sees('polity-0!', 'polity-1!', 'polity-2');
    server.put('b', { endpoints: [pod('polity-3', '10.0.1.1')] });
    await run.sees('polity-0!', 'polity-1!', 'polity-2', 'polity-3');
    server.delete('a');
    await run.sees('polity-3');
    assert.deepEqual([...run.faults, ...run.lines], []);
  });

  test('a watch that the server ends goes on where it was, thanks to bookmarks', async () => {
    await using server = await FakeKubernetes.start(issued);
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1')] });
    await using run = await opened(server);
    run.follow();
    await until('a second watch', () => server.watches.length === 2, patienceMs);
    server.put('b', { endpoints: [pod('polity-1', '10.0.0.2')] });
    await run.sees('polity-0', 'polity-1');
    const [first, second] = server.watches;
    assert.deepEqual(
      ['resourceVersion', 'timeoutSeconds', 'allowWatchBookmarks', 'labelSelector'].map((name) => second!.query.get(name)),
      ['1001', '0.4', 'true', 'kubernetes.io/service-name=polity'],
    );
    assert.equal(first!.headers.authorization, 'Bearer token-one');
    assert.equal(server.lists.length, 1);
    // Only bookmarks told of what happened elsewhere meanwhile: without them this would be too old.
    server.compact();
    const watches = server.watches.length;
    await until('two more watches', () => server.watches.length > watches + 1, patienceMs);
    assert.equal(server.lists.length, 1);
    assert.deepEqual(run.faults, []);
  });

  test('a version that is forgotten is listed anew, also between two pages', async () => {
    await using server = await FakeKubernetes.start(issued);
    for (let at = 0; at < 25; at++) server.put(`s${at}`, { endpoints: [pod(`polity-${at}`, `10.0.0.${at + 1}`)] });
    await using run = await opened(server);
    let pages = 0;
    server.instead = (asked, response) => {
      if (++pages === 2) server.compact();
      server.answer(asked, response);
    };
    assert.equal((await run.query()).length, 25);
    assert.equal(server.lists.length, 2 + 3);
    // The watch begins after the memory was compacted.
    server.instead = (asked, response) => {
      if (asked.query.get('watch') === 'true' && server.watches.length === 1) {
        server.put('late', { endpoints: [pod('polity-late', '10.0.9.9')] });
        server.compact();
      }
      server.answer(asked, response);
    };
    run.follow();
    await until('who came late', () => run.names.includes('polity-late'), patienceMs);
    assert.deepEqual(run.faults, []);
  });

  test('both address families of a pod are one finding; what cannot be used is left out with one warning', async () => {
    await using server = await FakeKubernetes.start(issued);
    const { targetRef: _, ...bare } = pod('x', '10.0.0.9');
    server.put('v4', {
      endpoints: [pod('polity-0', '10.0.0.1'), bare, pod('Not_A_Node', '10.0.0.8'), { addresses: ['host'] }],
    });
    server.put('v6', { addressType: 'IPv6', endpoints: [pod('polity-0', 'fd00::1')] });
    server.put('again', { endpoints: [pod('polity-0', '10.0.0.1', { ready: false })] });
    server.put('fqdn', { addressType: 'FQDN', endpoints: [{ addresses: ['n1.example.org'] }] });
    server.put('udp', { ports: [{ name: 'mesh', port: 1, protocol: 'UDP' }], endpoints: [pod('polity-7', '10.0.0.7')] });
    server.put('empty', { addressType: 'FQDN', endpoints: null, ports: null });
    await using run = await opened(server, '&port=mesh');
    await run.query();
    assert.deepEqual(
      (await run.query()).map(({ name, addresses, healthy }) => [name, healthy, ...addresses]),
      [
        ['polity-0', true, '/ip4/10.0.0.1/tcp/7400', '/ip6/fd00::1/tcp/7400'],
        [null, true, '/ip4/10.0.0.9/tcp/7400'],
        [null, true, '/ip4/10.0.0.8/tcp/7400'],
      ],
    );
    assert.deepEqual(
      run.lines.map(({ message }) => message),
      [
        "'EndpointSlice v4' has an endpoint without an IP address: it is left out",
        "'EndpointSlice fqdn' has addresses of type FQDN: it is left out",
        "'EndpointSlice udp' has no TCP port named 'mesh': it is left out",
      ],
    );
  });

  test('a port by number, the only one, and one of several that was not named', async () => {
    await using server = await FakeKubernetes.start(issued);
    const ports = [
      { name: 'http', port: 80 },
      { name: 'mesh', port: 7_400 },
    ];
    server.put('a', { ports, endpoints: [pod('polity-0', '10.0.0.1')] });
    const addressesWith = async (options: string): Promise<string[]> => {
      await using run = await opened(server, options);
      const found = (await run.query()).flatMap(({ addresses }) => addresses);
      return [...found, ...run.lines.map(({ message }) => message)];
    };
    assert.deepEqual(await addressesWith('&port=99'), ['/ip4/10.0.0.1/tcp/99']);
    assert.deepEqual(await addressesWith('&port=http'), ['/ip4/10.0.0.1/tcp/80']);
    assert.deepEqual(await addressesWith(''), [
      "'EndpointSlice a' has several TCP ports: say which with ?port=: it is left out",
    ]);
    server.put('a', { ports: [{ name: '', port: 7_401 }], endpoints: [pod('polity-0', '10.0.0.1')] });
    assert.deepEqual(await addressesWith(''), ['/ip4/10.0.0.1/tcp/7401']);
  });

  test('inside a pod: the service account, whose token is rotated', async () => {
    await using server = await FakeKubernetes.start(issued);
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1')] });
    const root = join(scratch, 'pod');
    const account = join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, 'ca.crt'), authority.ca);
    writeFileSync(join(account, 'token'), 'token-one\n');
    process.env.KUBERNETES_SERVICE_HOST = '127.0.0.1';
    process.env.KUBERNETES_SERVICE_PORT = String(server.http.port);
    after(() => {
      delete process.env.KUBERNETES_SERVICE_HOST;
      delete process.env.KUBERNETES_SERVICE_PORT;
    });
    await using run = await Run.open(kubernetesWithin(kubernetesTiming, undefined, root), 'prod/polity');
    run.follow();
    await run.sees('polity-0');
    server.token = 'token-two';
    const { code, message } = await run.fault();
    assert.equal(`${code} ${message}`, `SOURCE_REFUSED 127.0.0.1:${server.http.port} answered 401: Unauthorized`);
    writeFileSync(join(account, 'token'), 'token-two\n');
    assert.equal((await run.query()).length, 1);
    server.put('a', { endpoints: [pod('polity-9', '10.0.0.1')] });
    await run.sees('polity-9');
  });

  test('who may not, an authority that is not known, and a client certificate', async () => {
    await using server = await FakeKubernetes.start(issued);
    const file = join(scratch, 'other');
    const faultOf = async (text: string, path = 'prod/polity'): Promise<string> => {
      writeFileSync(file, text, { mode: 0o600 });
      await using run = await Run.open(kind, `${path}?kubeconfig=${file}`);
      const { code, message } = await run.fault();
      return `${code} ${message.replace(`127.0.0.1:${server.http.port}`, 'HOST')}`;
    };
    const { url } = server.http;
    assert.match(
      await faultOf(kubeconfig(url, 'token: token-one', authority.caFile), 'dev/polity'),
      /^SOURCE_REFUSED HOST answered 403: endpointslices is forbidden: User "polity" cannot list here$/,
    );
    assert.match(
      await faultOf(kubeconfig(url, 'token: token-one')),
      /^SOURCE_UNREACHABLE no connection to HOST \(UNABLE_TO_VERIFY/,
    );
    const stranger = new Authority(scratch, 'stranger');
    assert.match(
      await faultOf(kubeconfig(url, 'token: token-one', stranger.caFile)),
      /^SOURCE_UNREACHABLE no connection to HOST/,
    );
    const { certFile, keyFile } = authority.issue('client');
    const user = `client-certificate: '${certFile}', client-key: '${keyFile}', token: token-one`;
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1')] });
    writeFileSync(file, kubeconfig(url, user, authority.caFile), { mode: 0o600 });
    await using run = await Run.open(kind, `prod/polity?kubeconfig=${file}`);
    assert.equal((await run.query()).length, 1);
  });

  test('a server that is killed and begins again; more pods than an answer may hold', async () => {
    const server = await FakeKubernetes.start(issued);
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1')] });
    await using run = await opened(server);
    run.follow();
    await run.sees('polity-0');
    const { port } = server.http;
    await server[Symbol.asyncDispose]();
    await until('it is unreachable', () => run.faults.some(({ code }) => code === 'SOURCE_UNREACHABLE'), patienceMs);
    await using again = await FakeKubernetes.start(issued, port);
    const pods = Array.from({ length: 150 }, (_, at) => pod(`polity-${at}`, `10.0.1.${at + 1}`, { ready: at >= 60 }));
    again.put('a', { endpoints: pods });
    await until('a hundred', () => run.answers.at(-1)?.findings.length === 100, patienceMs);
    assert.equal(run.answers.at(-1)?.findings.filter(({ healthy }) => healthy).length, 90);
    assert.equal(run.lines.length, 1);
  });
});
