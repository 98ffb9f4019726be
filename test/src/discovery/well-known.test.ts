// Members from a document of a web server: also of one that redirects, caches, lies about lengths or never ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createRawServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LookupFault, type LookupFaultCode, type SourceKind } from '../../../src/discovery/source.ts';
import { freshnessOf, wellKnown, wellKnownPlain } from '../../../src/discovery/well-known.ts';
import { Authority, withoutOpenssl } from './certificates.ts';
import { askSource, createContext, openSource } from './source-context.ts';

const member = { addresses: ['/ip4/10.0.0.1/tcp/7400'] };
const finding = { peer: null, name: null, addresses: member.addresses, priority: 0, weight: 0, healthy: true };
const text = JSON.stringify({ members: [member] });
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

const fault = (code: LookupFaultCode, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof LookupFault, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

/** A web server on loopback for as long as `work` runs. */
const serving = async (
  listener: RequestListener,
  work: (host: string, asked: IncomingMessage[]) => Promise<void>,
): Promise<void> => {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    return listener(request, response);
  });
  const port = await listening(server);
  try {
    await work(`//127.0.0.1:${port}`, asked);
  } finally {
    server.closeAllConnections();
    server.close();
  }
};

/** A server that writes these bytes to whoever connects, and then ends the connection if `ends`. */
const saying = async (bytes: string, ends: boolean, work: (host: string) => Promise<void>): Promise<void> => {
  const server = createRawServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => (ends ? socket.end(bytes) : socket.write(bytes)));
    socket.once('close', () => socket.destroy());
  });
  const port = await listening(server);
  try {
    await work(`//127.0.0.1:${port}`);
  } finally {
    server.close();
  }
};

const give = (response: ServerResponse, headers: Record<string, string> = {}, body = text): void => {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body);
};

describe('the text of a configuration', () => {
  const read = (kind: SourceKind, url: string): string => {
    const plan = kind.parse(url);
    return 'problem' in plan ? plan.problem : plan.name;
  };

  test('a place by default, and what is shown of the rest', () => {
    assert.equal(read(wellKnown, '//example.org'), 'https://example.org/.well-known/polity');
    assert.equal(read(wellKnown, '//example.org:443/'), 'https://example.org/.well-known/polity');
    assert.equal(read(wellKnown, '//example.org:8443/members.json'), 'https://example.org:8443/members.json');
    assert.equal(
      read(wellKnown, '//example.org?token=hunter2&ca=/etc/ca.pem'),
      'https://example.org/.well-known/polity?token=…&ca=/etc/ca.pem',
    );
    for (const host of ['//127.0.0.1:1', '//127.9.9.9', '//localhost:80', '//[::1]:80'])
      assert.match(read(wellKnownPlain, host), /^http:.*polity$/);
  });

  test('bad ones are named, and nothing of a secret', () => {
    for (const url of ['', 'example.org', '/example.org', '//', '///x', '//a b', '//host:99999'])
      assert.match(read(wellKnown, url), /is no URL/, url);
    assert.match(read(wellKnown, '//user:hunter2@example.org'), /^has a user or a password in it, which everybody would see$/);
    assert.match(read(wellKnown, '//example.org#x'), /has a fragment/);
    assert.match(read(wellKnown, '//example.org?ca='), /has a ca that is no path/);
    assert.match(read(wellKnown, '//example.org?ca=a&ca=b'), /has a ca that is no path/);
    assert.match(read(wellKnown, `//example.org/${'x'.repeat(2_048)}`), /has more than 2048 characters/);
    for (const host of ['//example.org', '//10.0.0.1', '//127.0.0.1.example.org', '//[::2]'])
      assert.match(read(wellKnownPlain, host), /is plain HTTP to another machine/);
    assert.match(read(wellKnownPlain, '//127.0.0.1?ca=x'), /has a ca, but is plain HTTP/);
  });
});

test('how long an answer may be believed (RFC 9111)', () => {
  const fresh = (control: string | undefined, age?: string): number | null =>
    freshnessOf({ ...(control === undefined ? {} : { 'cache-control': control }), ...(age === undefined ? {} : { age }) });
  assert.equal(fresh('max-age=60'), 60_000);
  assert.equal(fresh('public, Max-Age="60" , must-revalidate', '20'), 40_000);
  for (const none of [
    undefined,
    '',
    'max-age',
    'max-age=-1',
    'max-age=x',
    'max-age=0',
    's-maxage=9',
    'no-cache, max-age=60',
    'no-store',
  ])
    assert.equal(fresh(none), null, none);
  assert.equal(fresh('max-age=60', '60'), null);
  assert.equal(fresh('max-age=60', 'nonsense'), 60_000);
});

describe('a web server', () => {
  test('members; the query goes along, what is sent says nothing of the node', async () => {
    await serving(
      (_, response) => give(response),
      async (host, asked) => {
        assert.deepEqual(await askSource(wellKnownPlain, `${host}?token=a%20b`), {
          findings: [{ ...finding, ttlMs: 30_000 }],
          emptyTtlMs: 5_000,
        });
        assert.equal(asked[0]?.url, '/.well-known/polity?token=a%20b');
        assert.deepEqual(asked[0]?.headers, {
          ...{ accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'polity' },
          ...{ host: host.slice(2), connection: 'close' },
        });
      },
    );
  });

  test('times: of the document, else of the server, else thirty seconds', async () => {
    const ttl = async (headers: Record<string, string>, body = text): Promise<(number | undefined)[]> => {
      let times: (number | undefined)[] = [];
      await serving(
        (_, response) => give(response, headers, body),
        async (host) => {
          const { findings, emptyTtlMs } = await askSource(wellKnownPlain, host);
          times = [findings[0]?.ttlMs, emptyTtlMs];
        },
      );
      return times;
    };
    assert.deepEqual(await ttl({ 'cache-control': 'max-age=120', age: '20' }), [100_000, 5_000]);
    assert.deepEqual(await ttl({ 'cache-control': 'max-age=2' }), [2_000, 2_000]);
    assert.deepEqual(
      await ttl({ 'cache-control': 'max-age=120' }, JSON.stringify({ members: [member], ttlSeconds: 7 })),
      [7_000, 7_000],
    );
    assert.deepEqual(await ttl({ 'cache-control': 'no-store' }), [30_000, 5_000]);
  });

  test('asked for again only if it changed', async () => {
    let etag = '"one"';
    let body = text;
    const listener: RequestListener = (request, response) => {
      if (request.headers['if-none-match'] === etag) response.writeHead(304, { 'cache-control': 'max-age=9' }).end();
      else give(response, { etag, 'cache-control': 'max-age=5' }, body);
    };
    await serving(listener, async (host, asked) => {
      const source = await openSource(wellKnownPlain, host);
      assert.equal((await source.query(soon())).findings[0]?.ttlMs, 5_000);
      assert.deepEqual((await source.query(soon())).findings, [{ ...finding, ttlMs: 9_000 }]);
      etag = 'W/"two"';
      body = JSON.stringify({ members: [] });
      assert.deepEqual((await source.query(soon())).findings, []);
      assert.deepEqual((await source.query(soon())).findings, []);
      assert.deepEqual(
        asked.map(({ headers }) => headers['if-none-match']),
        [undefined, '"one"', '"one"', 'W/"two"'],
      );
    });
  });

  test('an answer that is broken leaves nothing behind; a mark that cannot be sent back is not kept; 304 to no condition is a fault', async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => give(response, { etag: '"good"' }),
      (response) => give(response, { etag: '"bad"' }, '{'),
      (response) => give(response, { etag: 'no mark' }),
      (response) => response.writeHead(304).end(),
    ];
    await serving(
      (_, response) => answers.shift()!(response),
      async (host, asked) => {
        const source = await openSource(wellKnownPlain, host);
        await source.query(soon());
        await assert.rejects(
          source.query(soon()),
          fault('SOURCE_MALFORMED', /^the document of 127\.0\.0\.1:\d+ is not JSON: look at line 1$/),
        );
        await source.query(soon());
        await assert.rejects(source.query(soon()), fault('SOURCE_REFUSED', /answered 304 Not Modified$/));
        assert.deepEqual(
          asked.map(({ headers }) => headers['if-none-match']),
          [undefined, '"good"', '"good"', undefined],
        );
      },
    );
  });

  test('members of another cluster are not ours, and a bad one is named', async () => {
    const body = JSON.stringify({ members: [{ ...member, cluster: 'c2' }] });
    await serving(
      (_, response) => give(response, {}, body),
      async (host) => {
        assert.deepEqual((await askSource(wellKnownPlain, host)).findings, []);
        assert.equal((await askSource(wellKnownPlain, host, { context: createContext('c2') })).findings.length, 1);
      },
    );
    await serving(
      (_, response) => give(response, {}, JSON.stringify({ members: [member, {}] })),
      async (host) => {
        await assert.rejects(
          askSource(wellKnownPlain, host),
          fault('SOURCE_MALFORMED', /: members\[1\] has no list of addresses$/),
        );
      },
    );
  });

  test('statuses by their names', async () => {
    for (const [status, words] of [
      [404, /answered 404 Not Found$/],
      [503, /answered 503 Service Unavailable$/],
      [204, /answered 204 No Content$/],
      [799, /answered 799$/],
    ] as const)
      await serving(
        (_, response) => response.writeHead(status, 'hunter2').end('hunter2'),
        async (host) => {
          await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_REFUSED', words));
        },
      );
  });

  test('redirections: within the server and a few of them', async () => {
    const to = (location: string | null) => (request: IncomingMessage, response: ServerResponse) =>
      request.url === '/there' ? give(response) : response.writeHead(302, location === null ? {} : { location }).end();
    await serving(to('/there'), async (host) => {
      assert.equal((await askSource(wellKnownPlain, host)).findings.length, 1);
    });
    const refusals: [string | null, RegExp][] = [
      [null, /answered 302 and does not say where to$/],
      ['http://', /answered 302 and does not say where to$/],
      ['http://127.0.0.1:1/x', /answered 302 and leads to another server: name that one instead$/],
      ['https://example.org/', /leads to another server/],
      ['/round', /redirected more than 3 times$/],
    ];
    for (const [location, words] of refusals)
      await serving(to(location), async (host, asked) => {
        await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_REFUSED', words));
        assert.ok(asked.length <= 4);
      });
  });

  test('too much, however it says so', async () => {
    const large = /answered more than 262144 bytes$/;
    await serving(
      (_, response) => response.writeHead(200, { 'content-length': '999999' }).write('{'),
      async (host) => {
        await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_MALFORMED', large));
      },
    );
    let written = 0;
    const endless: RequestListener = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(10_000))) written += 10_000;
      };
      response.on('drain', more);
      more();
    };
    await serving(endless, async (host) => {
      await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_MALFORMED', large));
    });
    assert.ok(written < 50_000_000, 'it is not read on');
    await serving(
      (_, response) => give(response, { 'content-encoding': 'gzip' }),
      async (host) => {
        await assert.rejects(
          askSource(wellKnownPlain, host),
          fault('SOURCE_MALFORMED', /answered compressed, which it was not asked for$/),
        );
      },
    );
  });

  test('broken off, no HTTP at all, nobody there', async () => {
    await saying('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"members"', true, async (host) => {
      await assert.rejects(
        askSource(wellKnownPlain, host),
        fault('SOURCE_UNREACHABLE', /broke off in the middle of its answer/),
      );
    });
    await saying('SSH-2.0-OpenSSH\r\n', true, async (host) => {
      await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_MALFORMED', /answered what is not HTTP \(HPE_/));
    });
    await saying(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, true, async (host) => {
      await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_MALFORMED', /HPE_HEADER_OVERFLOW/));
    });
    await saying('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', false, async (host) => {
      await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_UNREACHABLE', /127\.0\.0\.1/));
    });
    await saying('', true, async (host) => {
      await assert.rejects(askSource(wellKnownPlain, host), fault('SOURCE_UNREACHABLE', /cannot be reached \(ECONNRESET\)$/));
    });
    let gone = '';
    await saying('', true, async (host) => {
      gone = host;
    });
    await assert.rejects(
      askSource(wellKnownPlain, gone),
      fault('SOURCE_UNREACHABLE', /^127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)$/),
    );
  });

  test('the signal ends it: before, without an answer, and in the middle of one', async () => {
    const late = fault('SOURCE_TIMED_OUT', /^127\.0\.0\.1:\d+ did not answer in time$/);
    await serving(
      () => undefined,
      async (host) => {
        await assert.rejects(askSource(wellKnownPlain, host, { patienceMs: 0 }), late);
        await assert.rejects(askSource(wellKnownPlain, host, { patienceMs: 100 }), late);
      },
    );
    await serving(
      (_, response) => void response.writeHead(200).write('{"members":'),
      async (host) => {
        await assert.rejects(askSource(wellKnownPlain, host, { patienceMs: 200 }), late);
      },
    );
  });
});

const skip = withoutOpenssl();
describe('over TLS', { skip }, () => {
  let folder = '';
  let port = 0;
  let ca = '';
  let stop = (): unknown => undefined;
  const asked: (string | undefined)[] = [];
  const path = (name: string): string => join(folder, name);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'polity-tls-'));
    const authority = new Authority(folder);
    ca = authority.caFile;
    const { cert, key } = authority.issue('server');
    const server = createTlsServer({ cert, key }, (request, response) => {
      asked.push(request.url);
      give(response);
    });
    port = await listening(server);
    stop = () => server.close();
  });
  after(async () => {
    stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('with an authority of its own, of which the server is told nothing', async () => {
    assert.equal((await askSource(wellKnown, `//127.0.0.1:${port}?a=1&ca=${ca}&b=2`)).findings.length, 1);
    assert.deepEqual(asked, ['/.well-known/polity?a=1&b=2']);
  });

  test('who is not known is not trusted, and neither is who is somebody else', async () => {
    const distrusted = (code: string) =>
      fault('SOURCE_UNREACHABLE', new RegExp(`^the certificate of .* is not trusted \\(${code}\\)$`));
    await assert.rejects(askSource(wellKnown, `//127.0.0.1:${port}`), distrusted('UNABLE_TO_VERIFY_LEAF_SIGNATURE'));
    const other = new Authority(folder, 'other').caFile;
    await assert.rejects(
      askSource(wellKnown, `//127.0.0.1:${port}?ca=${other}`),
      distrusted('UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
    );
    await assert.rejects(askSource(wellKnown, `//localhost:${port}?ca=${ca}`), distrusted('ERR_TLS_CERT_ALTNAME_INVALID'));
  });

  test('a server without TLS, and files that hold no authority', async () => {
    await serving(
      (_, response) => give(response),
      async (plain) => {
        await assert.rejects(askSource(wellKnown, plain), fault('SOURCE_UNREACHABLE', /cannot be reached/));
      },
    );
    await writeFile(path('empty.pem'), '');
    await writeFile(path('rot.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    for (const name of ['empty.pem', 'rot.pem', 'ca.key'])
      await assert.rejects(
        askSource(wellKnown, `//127.0.0.1:${port}?ca=${path(name)}`),
        fault('SOURCE_UNAVAILABLE', /holds no certificate \(PEM\)$/),
      );
    await assert.rejects(
      askSource(wellKnown, `//127.0.0.1:${port}?ca=${path('none.pem')}`),
      fault('SOURCE_UNAVAILABLE', /none\.pem does not exist$/),
    );
  });
});
