// The source mDNS between processes, on a network of their own (namespaces.ts), and beside Avahi. Tests share the network and differ
// in the cluster, as two clusters on one link do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Announcement, Finding } from '../../../actors/ports/index.ts';
import { mdnsKind } from '../../../src/discovery/mdns.ts';
import { startAvahi, whyNoAvahi } from './avahi.ts';
import type { NodeOrders } from './mdns-node.ts';
import { Lines, type MdnsNode, type Said, startMdnsNode } from './mdns-process.ts';
import { createNetworks, type Networks, whyNoNamespaces } from './namespaces.ts';

const strangerScript = fileURLToPath(new URL('mdns-stranger.ts', import.meta.url));

const peers = [
  '12D3KooWNokk6QDn6To9Efn6jacUKxtsEe4kQQ61CAYzetQ6dRkT',
  '12D3KooWCLhbJs5MMG5apmjfCRRNQAC6bLZgMnT3N9PRjvT9aXvN',
  '12D3KooWJDY7hVgi9gKtNQ9qT5QfKq2B49QsbjTy1p2YbjaGk4ro',
] as const;

const announcement = (number: 1 | 2 | 3, cluster: string, host: string, port = 7_400 + number): Announcement => {
  const peer = peers[number - 1]!;
  return { name: `n${number}`, peer, cluster, version: '0.1.0', addresses: [`/ip4/${host}/tcp/${port}/p2p/${peer}`] };
};

const orders = (announce: Announcement, ...texts: string[]): NodeOrders => ({
  ...{ texts: texts.length === 0 ? [''] : texts, cluster: announce.cluster, self: announce.peer, follow: true, announce },
});

const knows =
  (...numbers: number[]) =>
  (findings: Finding[]) =>
    JSON.stringify(findings.map(({ name }) => name).toSorted()) === JSON.stringify(numbers.map((number) => `n${number}`));

/** Sockets of the real machine that joined the group of mDNS. */
const joined = (): string =>
  readFileSync('/proc/net/igmp', 'utf8')
    .split('\n')
    .filter((line) => line.includes('FB0000E0'))
    .join();

/** Runs `tests` on a network of their own, which is removed after them. */
const onNetwork = (name: string, tests: (start: Start, networks: () => Networks) => void): void => {
  void suite(name, { concurrency: true }, () => {
    let networks: Networks;
    before(async () => {
      networks = await createNetworks();
    });
    after(() => networks.remove());
    tests(
      (at, given) => startMdnsNode(networks, at, given),
      () => networks,
    );
  });
};

type Start = (at: 0 | 1, given: NodeOrders) => MdnsNode;

suite('mDNS between processes', { skip: whyNoNamespaces() ?? false, concurrency: true }, () => {
  const outside = joined();
  after(() => assert.equal(joined(), outside, 'a socket of the real machine joined the group'));

  onNetwork('who finds whom', (start, networks) => {
    test('three in two namespaces find each other; who goes says so; who comes back elsewhere is found there', async () => {
      const [left, right] = networks().addresses;
      const one = start(0, orders(announcement(1, 'c1', left)));
      const two = start(1, orders(announcement(2, 'c1', right)));
      const three = start(1, orders(announcement(3, 'c1', '0.0.0.0')));
      await one.untilKnows('two others', knows(2, 3));
      const { findings } = await two.untilKnows('two others', knows(1, 3));
      await three.untilKnows('two others', knows(1, 2));

      const found = findings.find(({ name }) => name === 'n1')!;
      assert.deepEqual(
        { ...found, ttlMs: 0 },
        {
          ...{ peer: peers[0], name: 'n1', addresses: [`/ip4/${left}/tcp/7401/p2p/${peers[0]}`] },
          ...{ priority: 0, weight: 0, healthy: true, ttlMs: 0 },
        },
      );
      assert.ok(found.ttlMs > 100_000 && found.ttlMs <= 120_000, `${found.ttlMs}`);

      // Killed, it says nothing; what it says when it is back replaces what was known of it.
      const killed = one.said().length;
      await three.kill();
      const again = start(1, orders(announcement(3, 'c1', '0.0.0.0', 8_001)));
      const at8001 = `/ip4/${right}/tcp/8001/p2p/${peers[2]}`;
      const moved = (all: Finding[]): boolean => knows(2, 3)(all) && all.some(({ addresses }) => addresses.join() === at8001);
      await one.untilKnows('the port of its next life alone', moved, killed);

      one.order('query');
      const asked = await one.until('an answer', ({ event }) => event === 'asked' || event === 'failed', killed);
      assert.ok(moved(asked.findings), JSON.stringify(asked));

      const going = one.said().length;
      await again.stop();
      await one.untilKnows('the goodbye', knows(2), going);
      await Promise.all([one.stop(), two.stop()]);
      for (const node of [one, two, three, again])
        assert.deepEqual(
          node.said().filter(({ event }) => event === 'failed' || event === 'log'),
          [],
        );
    });

    test('a person sees the node with avahi-browse, and the node finds what a person publishes', {
      skip: whyNoAvahi() ?? false,
    }, async () => {
      const [left, right] = networks().addresses;
      const told = announcement(1, 'c2', left);
      const other = `/ip4/${left}/tcp/7999/p2p/${told.peer}`;
      const node = start(0, orders({ ...told, addresses: [...told.addresses, other] }));
      const avahi = await startAvahi(networks(), 1, 'laptop');
      avahi.publish('a printer', '_ipp._tcp', 631, ['txtvers=1']);
      avahi.publish('Node Two', '_polity._tcp', 7_402, ['txtvers=1', 'cluster=c2', 'name=n2', `peer=${peers[1]}`]);
      avahi.publish('Of others', '_polity._tcp', 7_403, ['txtvers=1', 'cluster=c9', 'name=n3', `peer=${peers[2]}`]);
      const { findings } = await node.untilKnows('the published service', knows(2));
      assert.deepEqual(findings[0]!.addresses, [`/ip4/${right}/tcp/7402/p2p/${peers[1]}`]);

      const rows = (await avahi.browse('_polity._tcp')).map((line) => line.split(';'));
      const row = rows.find(([kind, , , name]) => kind === '=' && name === `n1-c2-${told.peer.slice(-10).toLowerCase()}`);
      assert.ok(row !== undefined, JSON.stringify(rows));
      const [, , protocol, , service, domain, host, address, port, texts] = row;
      const wanted = ['IPv4', '_polity._tcp', 'local', `polity-${told.peer.slice(-20).toLowerCase()}.local`, left, '7401'];
      assert.deepEqual([protocol, service, domain, host, address, port], wanted);
      for (const text of [
        'txtvers=1',
        'cluster=c2',
        `peer=${told.peer}`,
        'name=n1',
        'version=0.1.0',
        `addr1=/ip4/${left}/tcp/7999`,
      ])
        assert.ok(texts!.includes(`"${text}"`), texts);

      await node.stop();
      const left2 = (await avahi.browse('_polity._tcp')).filter((line) => line.includes('n1-c2'));
      assert.match(left2.at(-1) ?? '-', /^-/, 'its goodbye was not heard');
      avahi.remove();
    });
  });

  onNetwork('who else is there', (start, networks) => {
    test("libp2p's way beside ours: needs a route and says so; neither ends or fills up in a flood", async () => {
      const [left, right] = networks().addresses;
      const one = start(0, orders(announcement(1, 'c3', left), '', '?libp2p'));
      const fault = await one.until('a fault', ({ event }) => event === 'failed');
      assert.deepEqual([fault.text, fault.code], ['?libp2p', 'SOURCE_UNREACHABLE']);

      // libp2p's service has no choice of interfaces: what it sends goes where the route for multicast leads.
      for (const at of [0, 1] as const) networks().ip(at, 'route', 'add', '224.0.0.0/4', 'dev', networks().cable(at));
      const answers = async (text: string): Promise<Said> => {
        const from = one.said().length;
        one.order('query');
        return one.until(`an answer of mdns:${text}`, (said) => said.event === 'asked' && said.text === text, from);
      };
      const calm = await answers('?libp2p');
      assert.deepEqual(calm.findings, []);
      const stranger = networks().start(1, process.execPath, [strangerScript, right, '1000']);
      await new Lines(stranger).until('the end of the flood', (seen) => seen.find((line) => line === 'done'));

      const two = start(1, orders(announcement(2, 'c3', right), '', '?libp2p'));
      await one.untilKnows('who is honest', (all) => all.some(({ peer }) => peer === peers[1]));
      await two.until(`the other by libp2p's way`, ({ text, event, findings }) => {
        const [first] = event === 'answered' && text === '?libp2p' ? findings : [];
        return first?.peer === peers[0] && first.addresses.join() === `/ip4/${left}/tcp/7401/p2p/${peers[0]}`;
      });
      for (const text of ['', '?libp2p']) {
        const { findings, rssBytes } = await answers(text);
        assert.ok(findings.length <= 100 && findings.some(({ peer }) => peer === peers[1]), text);
        assert.ok(rssBytes < calm.rssBytes + (96 << 20), `${calm.rssBytes} ${rssBytes}`);
      }
      await Promise.all([one.stop(), two.stop()]);
      assert.ok(one.said().filter(({ event }) => event === 'log').length < 5);
    });
  });

  onNetwork('what cannot work', (start, networks) => {
    test('what cannot work says why', async () => {
      const plan = mdnsKind.parse('?interface=203.0.113.99');
      assert.ok('open' in plan);
      const sink = { log: () => {}, count: () => {} };
      const source = await plan.open({ cluster: 'c4', self: peers[0], deriveKey: () => new Uint8Array(32), sink });
      const fault = { code: 'SOURCE_UNREACHABLE', message: 'no interface that is up has the address 203.0.113.99' };
      const { signal } = new AbortController();
      await assert.rejects(source.query(signal), fault);
      await assert.rejects(
        source.follow!(() => {}, signal),
        fault,
      );
      await assert.rejects(source.announce!(announcement(1, 'c4', '127.0.0.1'), signal), fault);

      const lonely = start(0, orders(announcement(1, 'c4', '127.0.0.1'), `?interface=${networks().addresses[0]}`));
      const untold = await lonely.until('a warning', ({ event }) => event === 'log');
      assert.equal(untold.code, 'MDNS_NOT_ANNOUNCED');
      assert.deepEqual((await lonely.until('an empty answer', ({ event }) => event === 'answered')).findings, []);
      networks().ip(0, 'link', 'set', networks().cable(0), 'down');
      const gone = await lonely.until('the loss of its interface', ({ event }) => event === 'failed');
      assert.equal(gone.code, 'SOURCE_UNREACHABLE');
      networks().ip(0, 'link', 'set', networks().cable(0), 'up');
      for (let answer = gone; answer.event !== 'asked'; ) {
        const asked = lonely.said().length;
        lonely.order('query');
        answer = await lonely.until('an answer', ({ event }) => event === 'asked' || event === 'failed', asked);
        assert.ok(Date.now() < gone.atMs + 20_000, 'the interface is up again, but not used');
      }
      await lonely.stop();
    });
  });
});
