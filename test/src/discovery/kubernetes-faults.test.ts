// The source Kubernetes against servers that answer what a broken, slow or evil one could.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { kubernetesWithin } from '../../../src/discovery/kubernetes.ts';
import { until } from '../../e2e/cluster.ts';
import { Authority, type Issued, withoutOpenssl } from './certificates.ts';
import { type Answering, endless, json } from './fake-http.ts';
import { FakeKubernetes, kubernetesTiming, pod } from './fake-kubernetes.ts';
import { patienceMs, Run } from './source-run.ts';

describe('an API server that is not what it should be', { skip: withoutOpenssl(), concurrency: true }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'polity-kubernetes-test-'));
  let authority: Authority;
  let issued: Issued;
  before(() => {
    authority = new Authority(scratch);
    issued = authority.issue('server');
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  const opened = (server: FakeKubernetes, timing = kubernetesTiming): Promise<Run> =>
    Run.open(kubernetesWithin(timing), `prod/polity?kubeconfig=${authority.configFor(server.http.url, server.token)}`);

  test('every nonsense is one fault with words, and none has the token', async () => {
    await using server = await FakeKubernetes.start(issued);
    await using run = await opened(server);
    const cases: [Answering, RegExp][] = [
      [
        (_, response) => json(response, { kind: 'Status', message: 'etcdserver: request timed out' }, 500),
        /^SOURCE_REFUSED HOST answered 500: etcdserver: request timed out$/,
      ],
      [
        ({ headers }, response) => json(response, { message: `why ${headers.authorization}` }, 500),
        /^SOURCE_REFUSED HOST answered 500$/,
      ],
      [(_, response) => response.writeHead(502).end('<html>'), /^SOURCE_REFUSED HOST answered 502$/],
      [(_, response) => response.end('{'), /^SOURCE_MALFORMED HOST answered what is no JSON$/],
      [(_, response) => json(response, { items: [] }), /^SOURCE_MALFORMED HOST answered no list of EndpointSlices$/],
      [
        (_, response) => json(response, { metadata: { resourceVersion: '1' }, items: {} }),
        /^SOURCE_MALFORMED HOST answered no list/,
      ],
      [
        (_, response) => json(response, { metadata: { resourceVersion: '1' }, items: [7] }),
        /^SOURCE_MALFORMED HOST told of an EndpointSlice without a name$/,
      ],
      [(_, response) => endless(response, ' '.repeat(65_536)), /^SOURCE_MALFORMED HOST answered more than 1048576 bytes$/],
      [(_, response) => void response.socket!.destroy(), /^SOURCE_UNREACHABLE no connection to HOST \(ECONNRESET\)$/],
    ];
    for (const [answering, words] of cases) {
      server.instead = (asked, response) => void answering(asked, response);
      const { code, message } = await run.fault();
      assert.match(`${code} ${message.replace(`127.0.0.1:${server.http.port}`, 'HOST')}`, words);
    }
    server.instead = () => undefined;
    assert.equal((await run.fault(100)).code, 'SOURCE_TIMED_OUT');
  });

  test('a watch: cut, garbage, an error, an unknown kind, no version, a line without end', async () => {
    await using server = await FakeKubernetes.start(issued);
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1')] });
    const ends: [(response: ServerResponse) => void, string][] = [
      [(response) => response.destroy(), 'SOURCE_UNREACHABLE'],
      [(response) => response.write('garbage\n'), 'SOURCE_MALFORMED'],
      [(response) => response.write('{"type":"ERROR","object":{"code":500}}\n'), 'SOURCE_REFUSED'],
      [(response) => response.write('{"type":"ERROR"}\n'), 'SOURCE_REFUSED'],
      [(response) => response.write('{"type":"NEW","object":{"metadata":{"resourceVersion":"9"}}}\n'), 'SOURCE_MALFORMED'],
      [(response) => response.write('{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n'), 'SOURCE_MALFORMED'],
      [(response) => response.write('{"type":"ADDED","object":{"metadata":{"resourceVersion":"9"}}}\n'), 'SOURCE_MALFORMED'],
      [(response) => response.write('x'.repeat(1_100_000)), 'SOURCE_MALFORMED'],
    ];
    const left = [...ends];
    server.instead = (asked, response) => {
      if (asked.query.get('watch') === 'true' && left.length > 0) {
        response.writeHead(200).flushHeaders();
        return left.shift()![0](response);
      }
      server.answer(asked, response);
    };
    await using run = await opened(server);
    run.follow();
    await until('all ends', () => run.faults.length >= ends.length, patienceMs);
    assert.deepEqual(
      run.faults.map(({ code }) => code),
      ends.map(([, code]) => code),
    );
    server.instead = null;
    server.put('a', { endpoints: [pod('polity-1', '10.0.0.1')] });
    await run.sees('polity-1');
  });

  test('a watch that the server does not end when it was asked to is half open', async () => {
    await using server = await FakeKubernetes.start(issued);
    server.put('a', { endpoints: [pod('polity-0', '10.0.0.1')] });
    let silent = true;
    server.instead = (asked, response) => {
      if (asked.query.get('watch') === 'true' && silent) response.writeHead(200).flushHeaders();
      else server.answer(asked, response);
    };
    await using run = await opened(server, { ...kubernetesTiming, watchSeconds: 0.1, answerMs: 500 });
    run.follow();
    await until('it is given up', () => run.answers.length > 0 && run.faults.length > 0, patienceMs);
    assert.equal(run.faults.at(-1)?.code, 'SOURCE_TIMED_OUT');
    silent = false;
    server.put('a', { endpoints: [pod('polity-1', '10.0.0.1')] });
    await run.sees('polity-1');
  });
});
