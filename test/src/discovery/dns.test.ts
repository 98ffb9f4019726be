// Members by DNS: from a real server where there is one, and from a scripted one that says what no good server says.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { dns } from '../../../src/discovery/dns.ts';
import { createDnsClient, parseServer, systemServers } from '../../../src/discovery/dns-client.ts';
import { LookupFault, type LookupFaultCode } from '../../../src/discovery/source.ts';
import { type Asked, bytesOf, reply, type Script, soa, startScripted } from './dns-scripted.ts';
import { type DnsServerProcess, dnsmasqPath, startDnsServer } from './dns-server.ts';
import { askSource, createContext, openSource } from './source-context.ts';

const service = '_polity._tcp.example.org';
const peers = ['12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X', '12D3KooWRBhwfeP2Y4TCx1SM6s9rUoHhR5STiGwxBhgFRcw3UERE'];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const fault = (code: LookupFaultCode, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof LookupFault, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, words);
  return true;
};

describe('the text of a configuration', () => {
  const problem = (text: string): string => {
    const plan = dns.parse(text);
    return 'problem' in plan ? plan.problem : `is ${plan.name}`;
  };

  test('good ones', () => {
    for (const text of [
      service,
      '_polity._tcp.example.org.',
      'nodes.example.org:7400',
      'localhost:1',
      'n_1.svc.cluster.local:65535',
      `${service}?server=127.0.0.1`,
      `${service}?server=127.0.0.1:5353&server=[::1]:53&server=::1&tcp`,
    ])
      assert.equal(problem(text), `is dns:${text}`);
  });

  test('bad ones are named', () => {
    assert.match(problem('nodes.example.org'), /has no port/);
    assert.match(problem('nodes.example.org:0'), /has a port that is no number from 1 to 65535/);
    assert.match(problem('nodes.example.org:70000'), /has a port that is no number/);
    assert.match(problem('nodes.example.org:http'), /has a port that is no number/);
    assert.match(problem('10.0.0.1:7400'), /is an address and no name/);
    assert.match(problem(`${service}:7400`), /has a port, but the records of a service name their own/);
    assert.match(problem('_polity._udp.example.org'), /is no service over TCP/);
    assert.match(problem('_polity._tcp'), /is no service over TCP in a domain/);
    for (const name of ['', '.', 'a..b', '-a', 'a-', 'ä.org', 'a b', `${'a'.repeat(64)}.org`, 'a.'.repeat(130)])
      assert.match(problem(`${name}:1`), /has no name that DNS knows/, name);
    assert.match(problem(`${service}?server=ns.example.org`), /has the server 'ns.example.org', which is no IP:PORT/);
    assert.match(problem(`${service}?server=1.2.3.4:0`), /which is no IP:PORT/);
    assert.match(problem(`${service}?sever=1.2.3.4`), /has the option 'sever', which is none of/);
    assert.match(problem(`${service}?tcp=no`), /has the option 'tcp'/);
    assert.match(problem(`${service}?${Array(9).fill('server=127.0.0.1').join('&')}`), /names more than 8 servers/);
  });

  test('servers', () => {
    assert.deepEqual(parseServer('10.0.0.1'), { host: '10.0.0.1', port: 53 });
    assert.deepEqual(parseServer('[fe80::1]:5353'), { host: 'fe80::1', port: 5353 });
    assert.deepEqual(parseServer('fe80::1'), { host: 'fe80::1', port: 53 });
    for (const bad of ['', 'a', '10.0.0.1:', '[10.0.0.1]:53', '10.0.0.1:99999', '[::1', ':53'])
      assert.equal(parseServer(bad), null, bad);
    assert.ok(Array.isArray(systemServers()));
  });
});

const path = dnsmasqPath();
describe('a real server', { skip: path === null ? "Debian's dnsmasq-base is not installed" : false }, () => {
  let server: DnsServerProcess;
  const ask = (text: string, more = '') => askSource(dns, `${text}?server=${server.host}:${server.port}${more}`);

  before(async () => {
    const many = Array.from({ length: 60 }, (_, index) => index);
    server = await startDnsServer(path!, {
      domain: 'example.org',
      ttlSeconds: 60,
      services: [
        { name: service, target: 'n1.example.org', port: 7401, priority: 10, weight: 5 },
        { name: service, target: 'n2.example.org', port: 7402, priority: 1, weight: 65_535 },
        { name: '_browse._tcp.example.org', target: 'n2.example.org', port: 7402 },
        { name: 'n1._browse._tcp.example.org', target: 'n1.example.org', port: 7401 },
        { name: 'n2._browse._tcp.example.org', target: 'n2.example.org', port: 7402, priority: 3, weight: 4 },
        { name: 'n3._browse._tcp.example.org', target: 'n1.example.org', port: 7403 },
        { name: '_other._tcp.example.org', target: 'n1.example.org', port: 7401 },
        ...many.map((index) => ({ name: '_many._tcp.example.org', target: `m${index}.example.org`, port: 7400 })),
      ],
      hosts: [
        { name: 'n1.example.org', addresses: ['10.0.0.1', 'fd00::1'], ttlSeconds: 20 },
        { name: 'n2.example.org', addresses: ['10.0.0.2'] },
        { name: 'nodes.example.org', addresses: ['10.0.0.7', 'fd00::7'], ttlSeconds: 9 },
        ...many.map((index) => ({ name: `m${index}.example.org`, addresses: [`10.1.0.${index}`] })),
      ],
      texts: [
        {
          name: 'n1._browse._tcp.example.org',
          texts: ['txtvers=1', 'cluster=c1', `PEER=${peers[0]}`, 'name=first', 'name=second'],
        },
        { name: 'n3._browse._tcp.example.org', texts: ['cluster=c2'] },
        { name: '_other._tcp.example.org', texts: ['v=spf1 -all', 'cluster=c2'] },
      ],
      pointers: ['n1', 'n2', 'n3'].map((name) => ({
        name: '_browse._tcp.example.org',
        target: `${name}._browse._tcp.example.org`,
      })),
      aliases: [{ name: 'alias.example.org', target: 'nodes.example.org' }],
    });
  });
  after(() => server?.stop());

  const both = [
    {
      ...{ peer: null, name: null, addresses: ['/ip4/10.0.0.2/tcp/7402'], priority: 1, weight: 65_535 },
      ...{ healthy: true, ttlMs: 60_000 },
    },
    {
      ...{ peer: null, name: null, addresses: ['/ip4/10.0.0.1/tcp/7401', '/ip6/fd00::1/tcp/7401'], priority: 10, weight: 5 },
      ...{ healthy: true, ttlMs: 20_000 },
    },
  ];

  test('SRV records with priority, weight, both kinds of addresses and the shortest time', async () => {
    assert.deepEqual((await ask(service)).findings, both);
  });

  test('over TCP', async () => {
    assert.deepEqual((await ask(service, '&tcp')).findings, both);
  });

  test('instances with what their TXT records say; another cluster is left out; what stands there twice is one', async () => {
    assert.deepEqual((await ask('_browse._tcp.example.org')).findings, [
      {
        ...{ peer: peers[0], name: 'first', priority: 0, weight: 0, healthy: true, ttlMs: 20_000 },
        addresses: [`/ip4/10.0.0.1/tcp/7401/p2p/${peers[0]}`, `/ip6/fd00::1/tcp/7401/p2p/${peers[0]}`],
      },
      { peer: null, name: 'n2', addresses: ['/ip4/10.0.0.2/tcp/7402'], priority: 3, weight: 4, healthy: true, ttlMs: 60_000 },
    ]);
  });

  test('a service whose own TXT record names another cluster', async () => {
    assert.deepEqual((await ask('_other._tcp.example.org')).findings, []);
  });

  test('addresses of a name, each a member; through an alias too', async () => {
    const addresses = ['/ip4/10.0.0.7/tcp/7400', '/ip6/fd00::7/tcp/7400'];
    for (const name of ['nodes.example.org', 'alias.example.org']) {
      const { findings } = await ask(`${name}:7400`);
      assert.deepEqual(findings.flatMap((finding) => finding.addresses).sort(), addresses);
      assert.deepEqual(new Set(findings.map(({ ttlMs }) => ttlMs)), new Set([9_000]));
    }
  });

  test('more than fits a datagram comes over TCP', async () => {
    const { findings } = await ask('_many._tcp.example.org');
    assert.equal(findings.length, 60);
    assert.equal(new Set(findings.map(({ addresses }) => addresses[0])).size, 60);
  });

  test('no such name, and nothing of that type: nobody', async () => {
    assert.deepEqual(await ask('none.example.org:7400'), { findings: [], emptyTtlMs: 5_000 });
    assert.deepEqual(await ask('_none._tcp.example.org'), { findings: [], emptyTtlMs: 5_000 });
  });

  test('what it must not say is a fault', async () => {
    await assert.rejects(ask('nodes.example.com:7400'), fault('SOURCE_REFUSED', /^127\.0\.0\.1:\d+ answered REFUSED$/));
  });

  test('stopped for a while: no answer in time; what was asked again meanwhile is answered when it goes on', async () => {
    const text = 'nodes.example.org:7400';
    process.kill(server.pid, 'SIGSTOP');
    try {
      const over = askSource(dns, `${text}?server=${server.host}:${server.port}`, { patienceMs: 200 });
      await assert.rejects(over, fault('SOURCE_TIMED_OUT', /^no answer in time from 127\.0\.0\.1:\d+$/));
      const asking = ask(text);
      await pause(50);
      process.kill(server.pid, 'SIGCONT');
      assert.equal((await asking).findings.length, 2);
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
  });

  test('killed: unreachable; back on its port: answers', async () => {
    const one = await startDnsServer(path!, {
      domain: 'example.org',
      hosts: [{ name: 'a.example.org', addresses: ['10.0.0.1'] }],
    });
    const text = `a.example.org:7400?server=127.0.0.1:${one.port}`;
    assert.equal((await askSource(dns, text)).findings.length, 1);
    await one.stop('SIGKILL');
    await assert.rejects(askSource(dns, text), fault('SOURCE_UNREACHABLE', /cannot be reached \(ECONNREFUSED\)/));
    const again = await startDnsServer(
      path!,
      { domain: 'example.org', hosts: [{ name: 'a.example.org', addresses: ['10.0.0.2'] }] },
      one.port,
    );
    try {
      assert.deepEqual((await askSource(dns, text)).findings[0]?.addresses, ['/ip4/10.0.0.2/tcp/7400']);
    } finally {
      await again.stop();
    }
  });
});

const question = { labels: ['a', 'example', 'org'], type: 'A' } as const;

const host = (name: string, address: string, ttl = 60): Answer => ({ type: 'A', name, ttl, class: 'IN', data: address });
const srv = (target: string, port = 7400, more: { name?: string; priority?: number; ttl?: number } = {}): Answer => {
  const { name = service, priority = 0, ttl = 60 } = more;
  return { type: 'SRV', name, ttl, class: 'IN', data: { target, port, priority, weight: 0 } };
};
const alias = (name: string, data: string, ttl = 60): Answer => ({ type: 'CNAME', name, ttl, class: 'IN', data });

/** A server that holds these records and nothing else. */
const holds =
  (...records: Answer[]): Script =>
  (asked) =>
    reply(
      asked,
      records.filter(({ type, name }) => type === asked.type && name.toLowerCase() === asked.name.toLowerCase()),
    );

const withServers = async (
  scripts: Script[],
  work: (servers: Awaited<ReturnType<typeof startScripted>>[], query: string) => Promise<void>,
) => {
  const servers = await Promise.all(scripts.map(startScripted));
  try {
    await work(servers, `?${servers.map(({ port }) => `server=127.0.0.1:${port}`).join('&')}`);
  } finally {
    await Promise.all(servers.map(({ stop }) => stop()));
  }
};

describe('a scripted server', () => {
  test('ids and ports are new for every question', async () => {
    await withServers([holds()], async ([server], query) => {
      for (let times = 0; times < 4; times += 1) await askSource(dns, `a.example.org:7400${query}`);
      const { asked } = server!;
      assert.equal(asked.length, 8);
      assert.ok(new Set(asked.map(({ port }) => port)).size > 4);
      assert.ok(new Set(asked.map(({ id }) => id)).size > 4);
      assert.ok(asked.every(({ edns }) => edns));
    });
  });

  test('addresses that come beside the answer are not asked for', async () => {
    const script: Script = (asked) =>
      asked.type === 'SRV'
        ? reply(asked, [srv('n1.example.org')], { additionals: [host('n1.example.org', '10.0.0.1')] })
        : reply(asked, []);
    await withServers([script], async ([server], query) => {
      const { findings } = await askSource(dns, `${service}${query}`);
      assert.deepEqual(findings[0]?.addresses, ['/ip4/10.0.0.1/tcp/7400']);
      assert.deepEqual(server!.asked.map(({ type, name }) => `${type} ${name.split('.')[0]}`).sort(), [
        'AAAA n1',
        'PTR _polity',
        'SRV _polity',
        'TXT _polity',
      ]);
    });
  });

  test('one host behind two services is asked for once', async () => {
    await withServers(
      [holds(srv('n1.example.org', 1), srv('n1.example.org', 2), host('n1.example.org', '10.0.0.1'))],
      async ([server], query) => {
        assert.equal((await askSource(dns, `${service}${query}`)).findings.length, 2);
        assert.equal(server!.asked.filter(({ type }) => type === 'A').length, 1);
      },
    );
  });

  test('target "." says that there is nobody, for as long as it lives (RFC 2782); port 0 is nowhere', async () => {
    await withServers([holds(srv('.', 7400, { ttl: 3 }))], async (_, query) => {
      assert.deepEqual(await askSource(dns, `${service}${query}`), { findings: [], emptyTtlMs: 3_000 });
    });
    await withServers([holds(srv('n1.example.org', 0), host('n1.example.org', '10.0.0.1'))], async (_, query) => {
      assert.deepEqual((await askSource(dns, `${service}${query}`)).findings, []);
    });
  });

  test('how long there is nobody: the minimum of the SOA (RFC 2308)', async () => {
    const nothing: Script = (asked) => reply(asked, [], { code: 3, authorities: [soa(17)] });
    await withServers([nothing], async (_, query) => {
      assert.deepEqual(await askSource(dns, `a.example.org:7400${query}`), { findings: [], emptyTtlMs: 17_000 });
      assert.deepEqual(await askSource(dns, `${service}${query}`), { findings: [], emptyTtlMs: 17_000 });
    });
  });

  test('aliases: the shortest time of the chain; circles and chains without end are faults', async () => {
    const chain = [
      alias('a.example.org', 'b.example.org', 8),
      alias('b.example.org', 'c.example.net', 30),
      host('c.example.net', '10.0.0.1'),
    ];
    const script: Script = (asked) => reply(asked, asked.type === 'A' ? chain : chain.slice(0, 2));
    await withServers([script], async (_, query) => {
      const { findings } = await askSource(dns, `a.example.org:7400${query}`);
      assert.deepEqual(
        findings.map(({ addresses, ttlMs }) => [addresses[0], ttlMs]),
        [['/ip4/10.0.0.1/tcp/7400', 8_000]],
      );
    });
    const circle = [alias('a.example.org', 'b.example.org'), alias('b.example.org', 'a.example.org')];
    const long = Array.from({ length: 20 }, (_, index) => alias(index === 0 ? 'a.example.org' : `x${index}`, `x${index + 1}`));
    for (const answers of [circle, long])
      await withServers([(asked) => reply(asked, answers)], async (_, query) => {
        await assert.rejects(
          askSource(dns, `a.example.org:7400${query}`),
          fault('SOURCE_MALFORMED', /aliases of a\.example\.org lead nowhere/),
        );
      });
  });

  test('SERVFAIL, a refusal and a referral: the next server is asked', async () => {
    const servfail: Script = (asked) => reply(asked, [], { code: 2 });
    const refused: Script = (asked) => reply(asked, [], { code: 5 });
    const referral: Script = (asked) =>
      reply(asked, [], { authorities: [{ type: 'NS', name: 'org', ttl: 60, data: 'ns.org' }] });
    const good = holds(host('a.example.org', '10.0.0.1'));
    await withServers([servfail, refused, referral, good], async (servers) => {
      // A patience that nobody has: the next is asked because one failed.
      const client = createDnsClient({ codec: dnsPacket, servers, tcp: false, retryAfterMs: 600_000 });
      assert.equal((await client.ask(question, AbortSignal.timeout(20_000))).records.length, 1);
      assert.deepEqual(
        servers.map(({ asked }) => asked.length),
        [1, 1, 1, 1],
      );
    });
    await withServers([servfail, referral], async (servers, query) => {
      const words = /^127\.0\.0\.1:\d+ answered SERVFAIL; 127\.0\.0\.1:\d+ does not look up names for others$/;
      await assert.rejects(askSource(dns, `a.example.org:7400${query}`), fault('SOURCE_REFUSED', words));
      assert.deepEqual(
        servers.map(({ asked }) => asked.length),
        [2, 2],
        'who failed is not asked again',
      );
    });
  });

  test('a server from before extensions is asked without them', async () => {
    const old: Script = (asked) =>
      asked.edns ? { ...reply(asked, [], { code: 1 }), questions: [] } : holds(host('a.example.org', '10.0.0.1'))(asked);
    await withServers([old], async (_, query) => {
      assert.equal((await askSource(dns, `a.example.org:7400${query}`)).findings.length, 1);
    });
  });

  test('truncated: over TCP, whatever the datagram held', async () => {
    const script: Script = (asked) =>
      asked.via === 'udp'
        ? reply(asked, [], { flags: dnsPacket.TRUNCATED_RESPONSE })
        : holds(host('a.example.org', '10.0.0.1'))(asked);
    await withServers([script], async (_, query) => {
      assert.equal((await askSource(dns, `a.example.org:7400${query}`)).findings.length, 1);
    });
    const cut: Script = (asked) =>
      asked.via === 'udp' ? reply(asked, [], { flags: dnsPacket.TRUNCATED_RESPONSE }) : Buffer.alloc(20);
    await withServers([cut], async (_, query) => {
      await assert.rejects(
        askSource(dns, `a.example.org:7400${query}`),
        fault('SOURCE_MALFORMED', /over TCP what is no answer/),
      );
    });
  });

  test('answers to other questions, with other ids and garbage count as silence; the good one after them counts', async () => {
    const other = (asked: Asked) => ({
      ...reply(asked, [host('b.example.org', '10.6.6.6')]),
      questions: [{ type: 'A', name: 'b.example.org' }] as const,
    });
    const spoofs = (asked: Asked): Buffer[] => [
      bytesOf({ ...reply(asked, [host(asked.name, '10.6.6.6')]), id: asked.id ^ 1 }),
      bytesOf({ ...other(asked), questions: [{ type: 'A', name: 'b.example.org' }] }),
      Buffer.from('garbage'),
      Buffer.alloc(0),
      Buffer.alloc(5_000, 1),
    ];
    const good = holds(host('a.example.org', '10.0.0.1'));
    await withServers([(asked) => [...spoofs(asked), bytesOf(good(asked) as never)]], async (_, query) => {
      assert.deepEqual(
        (await askSource(dns, `a.example.org:7400${query}`)).findings.map(({ addresses }) => addresses[0]),
        ['/ip4/10.0.0.1/tcp/7400'],
      );
    });
    await withServers([spoofs], async ([server], query) => {
      const rejected = askSource(dns, `a.example.org:7400${query}`, { patienceMs: 300 });
      await assert.rejects(rejected, fault('SOURCE_TIMED_OUT', /^no answer in time from 127\.0\.0\.1:\d+$/));
      assert.ok(server!.asked.length <= 2);
    });
    const flood: Script = () => Array.from({ length: 150 }, () => Buffer.from('flood'));
    await withServers([flood], async (_, query) => {
      await assert.rejects(
        askSource(dns, `a.example.org:7400${query}`),
        fault('SOURCE_MALFORMED', /sent 100 datagrams that are no answer/),
      );
    });
  });

  test('what another address sends is not heard', async () => {
    const forger = createSocket('udp4').bind(0, '127.0.0.1');
    await once(forger, 'listening');
    const script: Script = async (asked) => {
      const forged = bytesOf(reply(asked, [host(asked.name, '10.6.6.6')]));
      await new Promise((resolve) => forger.send(forged, asked.port, '127.0.0.1', resolve));
      return holds(host('a.example.org', '10.0.0.1'))(asked);
    };
    try {
      await withServers([script], async (_, query) => {
        assert.deepEqual(
          (await askSource(dns, `a.example.org:7400${query}`)).findings.map(({ addresses }) => addresses[0]),
          ['/ip4/10.0.0.1/tcp/7400'],
        );
      });
    } finally {
      forger.close();
    }
  });

  test('one type that fails does not hide the other; only empty answers and a fault are a fault', async () => {
    const six: Script = (asked) =>
      asked.type === 'AAAA' ? reply(asked, [], { code: 2 }) : holds(host('a.example.org', '10.0.0.1'))(asked);
    await withServers([six], async (_, query) => {
      assert.equal((await askSource(dns, `a.example.org:7400${query}`)).findings.length, 1);
      await assert.rejects(askSource(dns, `b.example.org:7400${query}`), fault('SOURCE_REFUSED', /SERVFAIL/));
    });
    const noTexts: Script = (asked) =>
      asked.type === 'TXT' || asked.type === 'PTR'
        ? reply(asked, [], { code: 2 })
        : holds(srv('n1.example.org'), host('n1.example.org', '10.0.0.1'))(asked);
    await withServers([noTexts], async (_, query) => {
      assert.equal((await askSource(dns, `${service}${query}`)).findings.length, 1);
    });
    const noPointers: Script = (asked) => reply(asked, [], { code: asked.type === 'PTR' ? 2 : 0 });
    await withServers([noPointers], async (_, query) => {
      await assert.rejects(askSource(dns, `${service}${query}`), fault('SOURCE_REFUSED', /SERVFAIL/));
    });
  });

  test('a member whose addresses cannot be looked up now stays a name; if none can be, that is a fault', async () => {
    const script: Script = (asked) =>
      asked.name === 'n2.example.org'
        ? reply(asked, [], { code: 2 })
        : holds(srv('n1.example.org'), srv('n2.example.org'), host('n1.example.org', '10.0.0.1'))(asked);
    await withServers([script], async (_, query) => {
      const { findings } = await askSource(dns, `${service}${query}`);
      assert.deepEqual(
        findings.map(({ addresses, ttlMs }) => [addresses[0], ttlMs]),
        [
          ['/ip4/10.0.0.1/tcp/7400', 60_000],
          ['/dns/n2.example.org/tcp/7400', 5_000],
        ],
      );
    });
    const none: Script = (asked) =>
      asked.name === service ? holds(srv('n1.example.org'))(asked) : reply(asked, [], { code: 2 });
    await withServers([none], async (_, query) => {
      await assert.rejects(askSource(dns, `${service}${query}`), fault('SOURCE_REFUSED', /SERVFAIL/));
    });
  });

  test('instances: dots in labels, foreign names, peers that are none, records of others', async () => {
    const below = (label: string): string => `${label}.${service}`;
    const pointer = (data: string): Answer => ({ type: 'PTR', name: service, ttl: 30, class: 'IN', data });
    const txt = (label: string, ...data: string[]): Answer => ({ type: 'TXT', name: below(label), ttl: 40, class: 'IN', data });
    const records = [
      ...['n1', 'n2', 'n3', 'n4'].map((label) => pointer(below(label))),
      pointer('n5._polity._tcp.example.com'),
      srv('h1.example.org', 7401, { name: below('n1') }),
      txt('n1', `peer=${peers[1]}`, 'cluster=c1'),
      srv('h1.example.org', 7402, { name: below('n2') }),
      txt('n2', 'peer=no peer'),
      srv('h1.example.org', 7403, { name: below('n3') }),
      txt('n3', 'cluster=c9'),
      host('h1.example.org', '10.0.0.1'),
    ];
    const context = createContext();
    await withServers([holds(...records)], async ([server], query) => {
      const source = await openSource(dns, `${service}${query}`, context);
      await source.query(AbortSignal.timeout(20_000));
      const { findings } = await source.query(AbortSignal.timeout(20_000));
      assert.deepEqual(
        findings.map(({ name, peer, addresses, ttlMs }) => ({ name, peer, addresses, ttlMs })),
        [{ name: 'n1', peer: peers[1], addresses: [`/ip4/10.0.0.1/tcp/7401/p2p/${peers[1]}`], ttlMs: 30_000 }],
      );
      assert.ok(
        server!.asked.every(({ name }) => name.endsWith('example.org')),
        'nothing is asked for what stands elsewhere',
      );
    });
    assert.deepEqual(
      context.logged.map(({ code, message }) => [code, message]),
      [['SOURCE_ENTRY_IGNORED', "'h1.example.org' has a peer that is no peer id: it is left out"]],
      'once',
    );
  });

  test('an instance may have a dot in its label, and is asked for with that very label', async () => {
    // dns-packet cannot write such a label: it is written with an X that becomes a dot in the bytes.
    const instance = `n1Xeast.${service}`;
    const good = holds(
      { type: 'PTR', name: service, ttl: 60, class: 'IN', data: instance },
      srv('h1.example.org', 7401, { name: instance }),
      { type: 'TXT', name: instance, ttl: 60, class: 'IN', data: ['name=n1'] },
      host('h1.example.org', '10.0.0.1'),
    );
    const dotted = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('latin1').replaceAll('n1Xeast', 'n1.east'), 'latin1');
    const script: Script = async (asked) => {
      const name = asked.name.replace('n1.east', 'n1Xeast');
      const questions = asked.query.questions?.map((question) => ({ ...question, name }));
      const said = await good({ ...asked, name, query: { ...asked.query, ...(questions === undefined ? {} : { questions }) } });
      return dotted(bytesOf(said as Packet));
    };
    await withServers([script], async ([server], query) => {
      const { findings } = await askSource(dns, `${service}${query}`);
      assert.deepEqual(
        findings.map(({ name, addresses }) => [name, ...addresses]),
        [['n1', '/ip4/10.0.0.1/tcp/7401']],
      );
      const asked = server!.asked.find(({ name, type }) => type === 'SRV' && name.startsWith('n1'));
      assert.equal(asked?.label, 'n1.east');
    });
  });

  test('addresses that nobody can dial are left out', async () => {
    const bad = ['0.0.0.0', '224.0.0.1', '255.255.255.255'].map((address) => host('a.example.org', address));
    const six = ['fe80::1', 'ff02::1', '::', '2001:db8::1'].map(
      (data): Answer => ({ type: 'AAAA', name: 'a.example.org', ttl: 60, class: 'IN', data }),
    );
    await withServers([holds(...bad, ...six)], async (_, query) => {
      assert.deepEqual(
        (await askSource(dns, `a.example.org:7400${query}`)).findings.map(({ addresses }) => addresses[0]),
        ['/ip6/2001:db8::1/tcp/7400'],
      );
    });
  });

  test('no more than a hundred members, those of the lowest priority, and no more than so many questions at once', async () => {
    const records = Array.from({ length: 300 }, (_, index) => srv(`h${index}.example.org`, 7400, { priority: 300 - index }));
    let open = 0;
    let most = 0;
    const script: Script = async (asked) => {
      most = Math.max(most, (open += 1));
      await pause(2);
      open -= 1;
      return asked.type === 'A' ? reply(asked, [host(asked.name, '10.0.0.1')]) : holds(...records)(asked);
    };
    await withServers([script], async ([server], query) => {
      const { findings } = await askSource(dns, `${service}${query}&tcp`);
      assert.deepEqual(
        findings.map(({ priority }) => priority),
        Array.from({ length: 100 }, (_, index) => index + 1),
      );
      assert.equal(server!.asked.length, 3 + 200);
      assert.ok(most <= 16, `${most}`);
    });
  });
});

describe('time', () => {
  const good = holds(host('a.example.org', '10.0.0.1'));
  const silent: Script = () => null;
  test('a lost question is asked again, and a silent server does not hide the next', async () => {
    for (const scripts of [[(asked: Asked) => (asked === first(asked) ? null : good(asked))], [silent, good]] as Script[][])
      await withServers(scripts, async (servers) => {
        const client = createDnsClient({ codec: dnsPacket, servers, tcp: false, retryAfterMs: 50 });
        assert.equal((await client.ask(question, AbortSignal.timeout(20_000))).records.length, 1);
      });
  });
  let seen: Asked | null = null;
  const first = (asked: Asked): Asked => (seen ??= asked);

  test('a slow server is still listened to while others are asked', async () => {
    const slow: Script = async (asked) => {
      await pause(300);
      return good(asked);
    };
    await withServers([slow, silent], async (servers) => {
      const client = createDnsClient({ codec: dnsPacket, servers, tcp: false, retryAfterMs: 20 });
      assert.equal((await client.ask(question, AbortSignal.timeout(20_000))).records.length, 1);
      assert.ok(servers[0]!.asked.length + servers[1]!.asked.length <= 4, 'attempts have a limit');
    });
  });

  test('the signal ends everything at once: before, while asked by UDP, by TCP, and waiting in line', async () => {
    await withServers([silent], async (servers, query) => {
      await assert.rejects(
        askSource(dns, `a.example.org:7400${query}`, { patienceMs: 0 }),
        fault('SOURCE_TIMED_OUT', /no answer in time/),
      );
      for (const tcp of [false, true]) {
        const client = createDnsClient({ codec: dnsPacket, servers, tcp });
        const ending = new AbortController();
        const asking = Array.from({ length: 40 }, () => client.ask(question, ending.signal));
        const ended = Promise.allSettled(asking);
        for (let tries = 0; tries < 2_000 && servers[0]!.asked.length === 0; tries += 1) await pause(5);
        ending.abort();
        assert.ok((await ended).every((result) => result.status === 'rejected' && result.reason instanceof LookupFault));
      }
    });
  });

  test('ended in the moment in which it begins, it leaves nothing open', async () => {
    await withServers([silent], async (servers) => {
      const open = (): number => process.getActiveResourcesInfo().filter((kind) => /UDP|TCPSocket/.test(kind)).length;
      const before = open();
      for (const tcp of [false, true])
        for (const wait of [() => undefined, () => Promise.resolve(), () => new Promise((resolve) => setImmediate(resolve))]) {
          const ending = new AbortController();
          const asking = createDnsClient({ codec: dnsPacket, servers, tcp }).ask(question, ending.signal);
          const ended = assert.rejects(asking, fault('SOURCE_TIMED_OUT', /no answer in time/));
          await wait();
          ending.abort();
          await ended;
        }
      for (let tries = 0; tries < 400 && open() > before; tries += 1) await pause(5);
      assert.ok(open() <= before);
    });
  });

  test('when the time is over, what is known by then is the answer', async () => {
    const script: Script = (asked) =>
      asked.name === 'n2.example.org'
        ? null
        : holds(srv('n1.example.org'), srv('n2.example.org'), host('n1.example.org', '10.0.0.1'))(asked);
    await withServers([script], async ([server], query) => {
      const over = new AbortController();
      const asking = (await openSource(dns, `${service}${query}`)).query(over.signal);
      const questions = (): number => new Set(server!.asked.map(({ name, type }) => name + type)).size;
      for (let tries = 0; tries < 2_000 && questions() < 7; tries += 1) await pause(5);
      // What was sent is read before the time is over.
      await pause(200);
      for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      over.abort();
      assert.deepEqual(
        (await asking).findings.map(({ addresses }) => addresses[0]),
        ['/ip4/10.0.0.1/tcp/7400', '/dns/n2.example.org/tcp/7400'],
      );
    });
  });

  test('nobody to ask', async () => {
    const client = createDnsClient({ codec: dnsPacket, servers: [], tcp: false });
    await assert.rejects(client.ask(question, AbortSignal.timeout(1_000)), fault('SOURCE_UNAVAILABLE', /names no DNS server/));
  });
});
