// What is kept of what strangers on the link say, for how long, and what is told of it.
import assert from 'node:assert/strict';
import { mock, suite, test } from 'node:test';
import type { Packet } from 'dns-packet';
import dns from 'dns-packet';
import { Browser, Teller } from '../../../src/discovery/mdns-browser.ts';
import { cacheLimits, LinkCache } from '../../../src/discovery/mdns-cache.ts';
import type { Link } from '../../../src/discovery/mdns-link.ts';
import { type Asked, decodeMessage, type Entry } from '../../../src/discovery/mdns-packet.ts';

const service = '_polity._tcp.local';
const peerTwo = '12D3KooWCLhbJs5MMG5apmjfCRRNQAC6bLZgMnT3N9PRjvT9aXvN';

const entriesOf = (packet: Packet): Entry[] => {
  const message = decodeMessage(dns, dns.encode({ ...packet, type: 'response' }));
  assert.equal(message?.type, 'response');
  return message.type === 'response' ? message.entries : [];
};

type Known = Partial<{ ttl: number; port: number; texts: string[]; address: string; name: string; flush: boolean }>;

/** All records of one instance, as its host sends them. */
const told = ({ ttl = 120, port = 7_402, texts, address = '192.168.1.6', name = 'two', flush = true }: Known = {}): Entry[] => {
  const instance = `${name}.${service}`;
  const target = `${name}.local`;
  const data = texts ?? ['txtvers=1', 'cluster=c1', `peer=${peerTwo}`, 'name=n2'];
  return entriesOf({
    answers: [
      { type: 'PTR', name: service, data: instance, ttl },
      { type: 'SRV', name: instance, data: { port, target, priority: 1, weight: 2 }, ttl, flush },
      { type: 'TXT', name: instance, data: [...data], ttl, flush },
      { type: 'A', name: target, data: address, ttl, flush },
    ],
  });
};

suite('cache', () => {
  const complaints: string[] = [];
  const cacheOf = (loopback = false): LinkCache => {
    complaints.length = 0;
    return new LinkCache({
      service,
      spread: 0,
      cluster: 'c1',
      loopback,
      leaveOut: (name, problem) => complaints.push(`${name} ${problem}`),
    });
  };
  const addresses = (cache: LinkCache, nowMs: number): string[] =>
    cache.findings(nowMs).flatMap((finding) => finding.addresses);

  test('a finding is what its records say, for as long as the shortest of them', () => {
    const cache = cacheOf();
    cache.apply(told(), '192.168.1.6', 1_000);
    assert.deepEqual(cache.findings(31_000), [
      {
        ...{ peer: peerTwo, name: 'n2', addresses: [`/ip4/192.168.1.6/tcp/7402/p2p/${peerTwo}`] },
        ...{ priority: 1, weight: 2, healthy: true, ttlMs: 90_000 },
      },
    ]);
    assert.deepEqual(cache.findings(121_000), []);
    assert.deepEqual(cache.size, { instances: 0, hosts: 0 });
  });

  test('names in another case are the same names', () => {
    const cache = cacheOf();
    cache.apply(
      told().map((entry) => ({ ...entry, name: entry.name.toUpperCase() })),
      's',
      0,
    );
    assert.equal(cache.findings(0).length, 1);
  });

  test('what is missing is asked for, less and less often; what grows old is asked for at 80 %', () => {
    const cache = cacheOf();
    cache.apply(told().slice(0, 1), 's', 0);
    assert.deepEqual([cache.findings(0), cache.questions(0), cache.nextMs()], [[], [], 120]);
    const missing = [
      { name: `two.${service}`, type: 'SRV' },
      { name: `two.${service}`, type: 'TXT' },
    ];
    assert.deepEqual([cache.questions(120), cache.nextMs()], [missing, 1_120]);
    assert.deepEqual([cache.questions(1_120), cache.nextMs()], [missing, 4_120]);
    cache.apply(told().slice(1, 3), 's', 2_000);
    const host = ['A', 'AAAA'].map((type) => ({ name: 'two.local', type }));
    assert.deepEqual([cache.questions(4_120), cache.nextMs()], [host, 13_120]);
    cache.apply(told().slice(3), 's', 5_000);
    assert.equal(cache.findings(5_000).length, 1);
    assert.equal(cache.nextMs(), 96_000);
    assert.deepEqual(cache.questions(96_000), [{ name: service, type: 'PTR' }]);
    assert.deepEqual(cache.questions(98_000), missing);
    assert.deepEqual(cache.questions(101_000), [host[0]]);
    cache.apply(told(), 's', 101_500);
    assert.equal(cache.nextMs(), 101_500 + 96_000);
  });

  test('a goodbye ends it after a second; an address that is replaced is gone after a second too', () => {
    const cache = cacheOf();
    cache.apply(told(), 's', 0);
    cache.apply(told({ port: 9_000, address: '192.168.1.7' }), 's', 60_000);
    const now = [`/ip4/192.168.1.6/tcp/9000/p2p/${peerTwo}`, `/ip4/192.168.1.7/tcp/9000/p2p/${peerTwo}`];
    assert.deepEqual(addresses(cache, 60_000), now);
    assert.deepEqual(addresses(cache, 61_000), now.slice(1));
    cache.apply(told({ ttl: 0, port: 9_000, address: '192.168.1.7' }), 's', 70_000);
    assert.equal(cache.findings(70_999).length, 1);
    assert.deepEqual([cache.findings(71_000), cache.size.instances], [[], 0]);
  });

  test('a goodbye that is repeated holds up nothing, and nothing that ends is asked for', () => {
    const cache = cacheOf();
    cache.apply(told(), 's', 0);
    cache.apply(told({ ttl: 0 }), 's', 1_000);
    cache.apply(told({ ttl: 0 }), 's', 1_900);
    assert.deepEqual([cache.nextMs(), cache.questions(1_990)], [2_000, []]);
    assert.deepEqual(cache.findings(2_000), []);
    cache.apply(told(), 's', 3_000);
    cache.apply(
      told({ ttl: 0 }).filter(({ type }) => type === 'TXT'),
      's',
      3_000,
    );
    assert.deepEqual([cache.findings(3_999).length, cache.findings(4_000).length], [1, 0]);
  });

  test('addresses that come one by one within a second are all of them', () => {
    const cache = cacheOf();
    cache.apply(told(), 's', 0);
    cache.apply(told({ address: '192.168.1.7' }).slice(3), 's', 900);
    assert.equal(addresses(cache, 5_000).length, 2);
  });

  test('texts have keys in any case, the first of each counts, and values hold what they hold', () => {
    const cache = cacheOf();
    cache.apply(told({ texts: ['CLUSTER=c1', 'cluster=c2', `Peer=${peerTwo}`, '=x', 'name'] }), 's', 0);
    assert.deepEqual(cache.findings(0), []);
    cache.apply(told({ texts: ['CLUSTER=c1', 'cluster=c2', `Peer=${peerTwo}`, '=x'] }), 's', 0);
    assert.equal(cache.findings(0)[0]?.peer, peerTwo);
    cache.apply(told({ texts: ['cluster=c1=x'] }), 's', 0);
    assert.deepEqual(cache.findings(0), []);
  });

  test('names that cannot be asked for are not kept, nor are other classes', () => {
    const cache = cacheOf();
    cache.apply(told({ name: 'two\uFFFD' }), 's', 0);
    assert.deepEqual(cache.size, { instances: 0, hosts: 0 });
    const away = told().map((entry) =>
      entry.type === 'SRV' ? { ...entry, data: { ...entry.data, target: 'x\uFFFD.local' } } : entry,
    );
    cache.apply(away, 's', 0);
    assert.deepEqual(cache.questions(200), [{ name: `two.${service}`, type: 'SRV' }]);
    assert.deepEqual(entriesOf({ answers: [{ type: 'PTR', name: service, data: `x.${service}`, ttl: 1, class: 'CH' }] }), []);
  });

  test('addresses of hosts at which nobody is are not kept', () => {
    const cache = cacheOf();
    cache.apply(told(), 's', 0);
    for (let n = 0; n < 50; n++) cache.apply(told({ name: `other-${n}` }).slice(3), 's', 0);
    assert.deepEqual(cache.size, { instances: 1, hosts: 1 });
    cache.apply(told({ ttl: 0 }).slice(0, 1), 's', 0);
    cache.expire(1_000);
    assert.deepEqual(cache.size, { instances: 0, hosts: 0 });
  });

  test('what is known for less than half its time is asked for again', () => {
    const cache = cacheOf();
    cache.apply(told(), 's', 0);
    assert.deepEqual(
      [60_000, 60_001].map((nowMs) => cache.known(nowMs).map(({ ttlSeconds }) => ttlSeconds)),
      [[60], []],
    );
  });

  test('a full table is shared until nobody gains, and then stays', () => {
    const cache = cacheOf();
    const send = (sender: string, count: number): void => {
      for (let n = 0; n < count; n++) cache.apply(told({ name: `${sender}-${n}` }), sender, 0);
    };
    const shares = (): number[] =>
      ['a', 'b', 'c'].map((sender) => cache.known(0).filter(({ data }) => String(data).startsWith(sender)).length);
    send('a', 100);
    send('b', 60);
    assert.deepEqual(shares(), [50, 50, 0]);
    send('c', 60);
    const settled = shares();
    assert.deepEqual([settled.toSorted(), settled[2]], [[33, 33, 34], 33]);
    for (const sender of ['a', 'b', 'c']) send(sender, 60);
    assert.deepEqual(shares(), settled);
  });

  test('what is not ours, not complete or not to be dialled is no finding', () => {
    const cases: [string, Entry[]][] = [
      ['another cluster', told({ texts: ['cluster=c2', `peer=${peerTwo}`] })],
      ['another version of the texts', told({ texts: ['txtvers=2', 'cluster=c1', `peer=${peerTwo}`] })],
      ['a port of nothing', told({ port: 0 })],
      ['this machine itself', told({ address: '127.0.0.1' })],
      ['everybody', told({ address: '255.255.255.255' })],
      [
        'this machine in the clothes of IPv6',
        told().map((entry) => (entry.type === 'A' ? { ...entry, type: 'AAAA', data: '::ffff:127.0.0.1' } : entry)),
      ],
      [
        'this machine, spelt at length',
        told().map((entry) => (entry.type === 'A' ? { ...entry, type: 'AAAA', data: '0:0:0:0:0:0:0:1' } : entry)),
      ],
      ['a group', told({ address: '224.0.0.251' })],
      ['no address', told().slice(0, 3)],
      ['an address of another host', told().map((entry) => (entry.type === 'A' ? { ...entry, name: 'other.local' } : entry))],
      ['another service', told().map((entry) => (entry.type === 'PTR' ? { ...entry, name: '_ipp._tcp.local' } : entry))],
      [
        'addresses in texts',
        told({ port: 0, texts: ['addr1=/ip4/127.0.0.1/tcp/1', 'addr2=/unix/x', 'addr3=', 'addr4=/ip4/0.0.0.0/tcp/1'] }),
      ],
    ];
    for (const [what, entries] of cases) {
      const cache = cacheOf();
      cache.apply(entries, 's', 0);
      assert.deepEqual(cache.findings(0), [], what);
    }
    const cache = cacheOf();
    cache.apply(told({ texts: ['cluster=c1', 'name=Not A Name'] }), 's', 0);
    assert.deepEqual([cache.findings(0), complaints.length], [[], 1]);
    const here = cacheOf(true);
    here.apply(told({ address: '127.0.0.1' }), '127.0.0.1', 0);
    assert.equal(here.findings(0).length, 1);
  });

  test('a flood fills what it may and no more, and leaves room for others', () => {
    const cache = cacheOf();
    for (let n = 0; n < 2_000; n++) cache.apply(told({ name: `flood-${n}` }), '192.168.1.66', n);
    assert.equal(cache.size.instances, cacheLimits.instancesMax);
    for (let n = 0; n < 40; n++) cache.apply(told({ name: `honest-${n}` }), '192.168.1.7', 5_000);
    assert.equal(cache.size.instances, cacheLimits.instancesMax);
    const names = cache.known(5_000).map(({ data }) => String(data));
    assert.equal(names.filter((name) => name.startsWith('honest')).length, 40);
    assert.ok(cache.questions(100_000).length <= cacheLimits.questionsMax);
    const many = cacheOf();
    for (let n = 0; n < 300; n++) many.apply(told({ address: `192.168.${n >> 8}.${n & 255 || 1}`, flush: false }), 's', 0);
    assert.equal(addresses(many, 0).length, cacheLimits.addressesMax);
  });

  test('times to live are held within bounds', () => {
    const cache = cacheOf();
    cache.apply(told({ ttl: 4_294_967_295 }), 's', 0);
    assert.equal(cache.findings(0)[0]!.ttlMs, 3_600_000);
    assert.equal(cache.findings(cacheLimits.ttlMaxMs).length, 0);
  });
});

test('a change is told at once, a confirmation before what was told runs out', () => {
  let nowMs = 0;
  const toldMs: number[] = [];
  const cache = new LinkCache({ service, cluster: 'c1', loopback: false, spread: 0, leaveOut: () => {} });
  const teller = new Teller(
    () => cache.findings(nowMs),
    () => toldMs.push(nowMs),
    () => nowMs,
  );
  const hear = (atMs: number, entries: Entry[]): void => {
    nowMs = atMs;
    cache.apply(entries, 's', nowMs);
    teller.look();
  };
  hear(0, []);
  assert.deepEqual(toldMs, [], 'that nobody is there is not said before all were asked');
  hear(100, told());
  hear(10_000, told());
  hear(59_000, told());
  assert.deepEqual(toldMs, [100]);
  hear(97_000, told());
  assert.deepEqual(toldMs, [100, 97_000]);
  nowMs = 97_000 + 61_000;
  teller.look();
  assert.deepEqual(toldMs, [100, 97_000], 'nothing new is known');
  hear(159_000, told({ port: 1 }));
  hear(159_100, [...told({ ttl: 0, port: 1 })]);
  hear(160_200, []);
  assert.deepEqual(toldMs, [100, 97_000, 159_000, 160_200]);
  teller.stop();
});

suite('questions', () => {
  const question: Asked = { name: service, type: 'PTR' };

  /** A browser on one link, and the seconds at which it asked for the service. */
  const browse = (t: { after: (done: () => void) => void }) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    let nowMs = 0;
    const asked: number[] = [];
    const link = {
      face: { address: '192.168.1.5', loopback: false },
      query: async (questions: readonly Asked[]) => {
        if (questions.some(({ type }) => type === 'PTR')) asked.push(Math.round(nowMs / 1_000));
      },
    } as unknown as Link;
    const browser = new Browser({ service, cluster: 'c1', self: 'self', leaveOut: () => {}, nowMs: () => nowMs });
    t.after(() => {
      browser.stop();
      mock.timers.reset();
    });
    browser.opened(link);
    const pass = (seconds: number, each: () => void = () => {}): void => {
      for (let n = 0; n < seconds * 10; n++) {
        nowMs += 100;
        mock.timers.tick(100);
        if (n % 10 === 0) each();
      }
    };
    return { browser, link, asked, pass };
  };

  test('come less and less often, and begin anew when somebody wants to know', (t) => {
    const { browser, asked, pass } = browse(t);
    pass(12);
    assert.deepEqual(asked.slice(0, 3), [0, 1, 4]);
    pass(290);
    assert.ok(asked.length >= 8 && asked.length <= 11, asked.join());
    const before = asked.length;
    browser.ask();
    browser.ask();
    assert.equal(asked.length, before + 1);
    pass(4);
    assert.equal(asked.length, before + 3);
  });

  test('are asked on every link; what both know is one finding, and what is known of oneself is none', (t) => {
    const { browser, link } = browse(t);
    const other = { ...link, face: { address: '10.0.0.5', loopback: false } } as unknown as Link;
    browser.opened(other);
    browser.heard(link, { type: 'response', entries: told({ ttl: 100 }) }, '192.168.1.6');
    browser.heard(other, { type: 'response', entries: told({ address: '10.0.0.6', ttl: 50 }) }, '10.0.0.6');
    const own = told({ name: 'own', texts: ['peer=self'], address: '192.168.1.5' });
    browser.heard(link, { type: 'response', entries: own }, '192.168.1.5');
    const [finding, ...rest] = browser.findings();
    assert.deepEqual([finding?.peer, finding?.addresses.length, finding?.ttlMs, rest.length], [peerTwo, 2, 50_000, 0]);
    browser.closed(other);
    assert.deepEqual([browser.findings()[0]?.addresses.length, browser.findings()[0]?.ttlMs], [1, 100_000]);
  });

  test('of others spare ours, if they know nothing that we do not', (t) => {
    const { browser, link, asked, pass } = browse(t);
    const hear =
      (known: Entry[], sender = '192.168.1.9') =>
      () =>
        browser.heard(link, { type: 'query', questions: [question], known }, sender);
    pass(5);
    assert.equal(asked.length, 3);
    pass(300, hear([]));
    assert.equal(asked.length, 3, 'spared');
    pass(140, hear([], link.face.address));
    const own = asked.length;
    assert.ok(own >= 4, 'what we ask ourselves spares nobody');
    pass(140, hear(told().slice(0, 1)));
    assert.ok(asked.length > own, 'he knows somebody whom we do not, who will not answer him');
    browser.heard(link, { type: 'response', entries: told({ ttl: 4_500 }) }, '192.168.1.6');
    const complete = asked.length;
    pass(200, hear(told().slice(0, 1)));
    assert.equal(asked.length, complete);
  });
});
