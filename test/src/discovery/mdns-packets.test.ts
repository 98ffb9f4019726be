// What strangers on the link may send and what this node says there, without a network.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import dns from 'dns-packet';
import type { Announcement, SinkPort } from '../../../actors/ports/index.ts';
import { mdnsKind } from '../../../src/discovery/mdns.ts';
import { chooseFaces, type Face, isOnLink } from '../../../src/discovery/mdns-faces.ts';
import { tagOf } from '../../../src/discovery/mdns-libp2p.ts';
import { createComplaints, ReadingBudget } from '../../../src/discovery/mdns-link.ts';
import { decodeMessage, type Entry, encodeQuery, encodeResponse, isWritable } from '../../../src/discovery/mdns-packet.ts';
import { labelOf, metaName, recordsOn } from '../../../src/discovery/mdns-records.ts';
import { defendMs, Responder } from '../../../src/discovery/mdns-responder.ts';

const service = '_polity._tcp.local';
const peer = '12D3KooWNokk6QDn6To9Efn6jacUKxtsEe4kQQ61CAYzetQ6dRkT';
const peerTwo = '12D3KooWCLhbJs5MMG5apmjfCRRNQAC6bLZgMnT3N9PRjvT9aXvN';
const face: Face = {
  ...{ name: 'eth0', address: '192.168.1.5', loopback: false, globals: ['fd00::5'] },
  networks: [{ address: 0xc0a80105, mask: -256 }],
};
const self: Announcement = {
  ...{ name: 'n1', peer, cluster: 'c1', version: '0.1.0' },
  addresses: [`/ip4/192.168.1.5/tcp/7401/p2p/${peer}`],
};

suite('packets', () => {
  test('what this node says is read as it was said', () => {
    const entries = recordsOn(face, self, service).filter(({ type }) => type !== 'NSEC');
    const message = decodeMessage(dns, encodeResponse(dns, entries.slice(0, 2), entries.slice(2)));
    assert.deepEqual(message, { type: 'response', entries });
    const question = { name: service, type: 'PTR' } as const;
    assert.deepEqual(decodeMessage(dns, encodeQuery(dns, [question], entries.slice(0, 1))), {
      ...{ type: 'query', questions: [question], known: entries.slice(0, 1) },
    });
  });

  test('garbage, lies about counts, loops and oversize are no message and throw nothing', () => {
    const header = (flags: number, ...counts: number[]): Buffer => {
      const bytes = Buffer.alloc(12);
      for (const [index, value] of [0, flags, ...counts].entries()) bytes.writeUInt16BE(value, index * 2);
      return bytes;
    };
    const response = 0x8400;
    const bad = [
      Buffer.alloc(0),
      Buffer.alloc(11),
      header(response, 0, 65_535, 65_535, 65_535),
      header(response, 65_535, 0, 0, 0),
      Buffer.concat([header(response, 0, 1, 0, 0), Buffer.from([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 1, 0, 0])]),
      Buffer.concat([header(response, 0, 1, 0, 0), Buffer.from([0xff, 0xff, 0, 12, 0, 1, 0, 0, 0, 1, 0, 2, 0xc0, 12])]),
      Buffer.concat([header(response, 0, 1, 0, 0), Buffer.from([0, 0, 16, 0, 1, 0, 0, 0, 1, 0, 9, 255, 1, 2])]),
      Buffer.concat([header(response, 0, 0, 0, 0), Buffer.alloc(9_000)]),
    ];
    for (const bytes of bad) assert.equal(decodeMessage(dns, bytes), null, bytes.subarray(0, 32).toString('hex'));
    const empty = Buffer.from([0, 0, 10, 0, 1, 0, 0, 0, 1, 0, 0]);
    const many = (count: number): Buffer => Buffer.concat([header(response, 0, count, 0, 0), ...Array(count).fill(empty)]);
    assert.deepEqual([decodeMessage(dns, many(512))?.type, decodeMessage(dns, many(513))], ['response', null]);
    const good = dns.encode({ type: 'response', answers: [{ type: 'PTR', name: service, data: `x.${service}`, ttl: 1 }] });
    assert.notEqual(decodeMessage(dns, good), null);
    for (const flags of [0x8401, 0x8c00]) {
      const failing = Buffer.from(good);
      failing.writeUInt16BE(flags, 2);
      assert.equal(decodeMessage(dns, failing), null, 'an error or another opcode');
    }
    let random = 7;
    for (let round = 0; round < 3_000; round++) {
      const bytes = Buffer.from(good);
      for (let n = 0; n < 4; n++) {
        random = (random * 1_103_515_245 + 12_345) % 2_147_483_648;
        bytes[random % bytes.length] = (random >> 8) & 255;
      }
      decodeMessage(dns, bytes);
    }
  });

  test('a question that wants a unicast answer is a question', () => {
    const bytes = dns.encode({ type: 'query', questions: [{ type: 'PTR', name: service }] });
    bytes.writeUInt16BE(0x8001, bytes.length - 2);
    const message = decodeMessage(dns, bytes);
    assert.deepEqual(message, { type: 'query', questions: [{ type: 'PTR', name: service }], known: [] });
  });

  test('names that would be written otherwise than they were read are not written', () => {
    assert.ok(isWritable(`Node Two (2).${service}`));
    for (const name of [
      '',
      '.',
      'a..b',
      `${'x'.repeat(64)}.local`,
      `${'ü'.repeat(40)}.local`,
      'a\uFFFD.local',
      `${'abc.'.repeat(70)}d`,
    ])
      assert.equal(isWritable(name), false, name);
  });

  test('a packet keeps within a frame', () => {
    const known = Array.from({ length: 100 }, (_, n): Entry => {
      return { type: 'PTR', name: service, flush: false, ttlSeconds: 4_500, data: `node-number-${n}-of-many.${service}` };
    });
    const bytes = encodeQuery(dns, [{ name: service, type: 'PTR' }], known);
    assert.ok(bytes.length <= 1_440 && bytes.length > 1_200, `${bytes.length}`);
    const response = encodeResponse(dns, known.slice(0, 3), known.slice(3));
    assert.ok(response.length <= 1_440 && response.length > 1_200, `${response.length}`);
  });
});

suite('records', () => {
  test('what a person reads is short and of plain letters, whatever the names', () => {
    assert.equal(labelOf(self), 'n1-c1-yzetq6drkt');
    const long = labelOf({ ...self, name: 'n'.repeat(63), cluster: 'c'.repeat(63) });
    assert.ok(long.length <= 63 && isWritable(`${long}.${service}`));
    assert.notEqual(labelOf(self), labelOf({ ...self, peer: peerTwo }));
  });

  const hostsOf = (addresses: string[], on: Face = face): string[] =>
    recordsOn(on, { ...self, addresses }, service).flatMap((entry) => {
      if (entry.type === 'A' || entry.type === 'AAAA') return [entry.data];
      if (entry.type === 'TXT') return entry.data.filter((text) => text.startsWith('addr'));
      return entry.type === 'SRV' ? [`:${entry.data.port}`] : [];
    });

  test('each link is told the addresses that mean something there', () => {
    assert.deepEqual(hostsOf(['/ip4/0.0.0.0/tcp/1']), [':1', '192.168.1.5']);
    assert.deepEqual(hostsOf(['/ip6/::/tcp/1']), [':1', 'fd00::5']);
    assert.deepEqual(hostsOf(['/ip4/127.0.0.1/tcp/1', '/ip4/192.168.1.5/tcp/2', '/ip4/10.0.0.1/tcp/2']), [
      ...[':2', '192.168.1.5', '10.0.0.1'],
    ]);
    assert.deepEqual(hostsOf(['/ip4/192.168.1.5/tcp/1', '/ip4/192.168.1.5/tcp/2', `/dns/a.example/tcp/3/p2p/${peer}`]), [
      ...[':1', 'addr1=/ip4/192.168.1.5/tcp/2', 'addr2=/dns/a.example/tcp/3', '192.168.1.5'],
    ]);
    assert.deepEqual(hostsOf([`/dns/a.example/tcp/3/p2p/${peer}`]), [':3', 'addr1=/dns/a.example/tcp/3']);
    assert.deepEqual(hostsOf(['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip4/224.0.0.1/tcp/1']), []);
    const lo: Face = { name: 'lo', address: '127.0.0.1', loopback: true, globals: [], networks: [] };
    assert.deepEqual(hostsOf(['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1'], lo), [':1', '127.0.0.1', '::1']);
  });

  test('texts stay small', () => {
    const addresses = Array.from({ length: 8 }, (_, n) => `/dns/${`${'x'.repeat(60)}.`.repeat(3)}example/tcp/${n + 1}`);
    const texts = recordsOn(face, { ...self, version: 'v'.repeat(300), addresses }, service).find(({ type }) => type === 'TXT');
    assert.ok(texts?.type === 'TXT');
    assert.ok(texts.data.join(' ').length < 1_000 && texts.data.some((text) => text.startsWith('addr')));
    assert.ok(texts.data.every((text) => text.length <= 255));
    const long = `/dns/${'x.'.repeat(120)}y/tcp/1`;
    assert.deepEqual(hostsOf(['/ip4/192.168.1.5/tcp/2', long]), [':2', '192.168.1.5']);
  });
});

suite('interfaces', () => {
  const four = (address: string, netmask: string, internal = false) => ({
    ...{ family: 'IPv4' as const, address, netmask, internal, mac: '00:00:00:00:00:00', cidr: null },
  });
  const interfaces = {
    lo: [four('127.0.0.1', '255.0.0.0', true)],
    eth0: [four('203.0.113.9', '255.255.255.0')],
    eth1: [four('203.0.113.10', '255.255.255.0'), four('192.168.1.5', '255.255.255.0')],
    docker0: [four('172.17.0.1', '255.255.0.0')],
    wlan0: [four('172.32.0.1', '255.255.0.0')],
  };

  test('by default loopback and private addresses; a public one by name', () => {
    assert.deepEqual(
      chooseFaces(interfaces, null).map(({ address }) => address),
      ['127.0.0.1', '192.168.1.5', '172.17.0.1'],
    );
    assert.deepEqual(
      chooseFaces(interfaces, '203.0.113.9').map(({ name }) => name),
      ['eth0'],
    );
    assert.deepEqual(chooseFaces(interfaces, '198.51.100.1'), []);
    assert.deepEqual(chooseFaces({}, null), []);
    const bridges = Array.from({ length: 300 }, (_, n) => [`br${n}`, [four(`10.${n >> 8}.${n & 255}.1`, '255.255.255.0')]]);
    assert.equal(chooseFaces(Object.fromEntries(bridges), null).length, 16);
  });

  test('who sends from another network is not on the link', () => {
    const [lo, eth1] = chooseFaces(interfaces, null);
    assert.ok(isOnLink(eth1!, '192.168.1.77') && isOnLink(eth1!, '203.0.113.77') && isOnLink(lo!, '127.0.0.1'));
    for (const sender of ['192.168.2.1', '127.0.0.1', '8.8.8.8', 'fe80::1', '']) assert.ok(!isOnLink(eth1!, sender), sender);
  });
});

suite('responder', () => {
  const entries = recordsOn(face, self, service);
  const typesOf = (said: readonly Entry[] | undefined): string[] => (said ?? []).map(({ type }) => type);
  const ask = (name: string, type: 'PTR' | 'SRV' | 'TXT' | 'A' | 'AAAA' | 'ANY', known: Entry[] = []) => {
    return { type: 'query' as const, questions: [{ name, type }], known };
  };
  const responderOf = (): Responder => new Responder(entries, () => 0.5);

  test('a shared record waits a little and brings the others along', () => {
    const responder = responderOf();
    responder.asked(ask(service.toUpperCase(), 'PTR'), 1_000);
    assert.deepEqual([responder.nextMs(), responder.due(1_069)], [1_070, null]);
    const said = responder.due(1_070)!;
    assert.deepEqual([typesOf(said.answers), typesOf(said.additionals)], [['PTR'], ['SRV', 'TXT', 'A']]);
    assert.equal(responder.nextMs(), Number.POSITIVE_INFINITY);
  });

  test('a record of this host alone is said at once, and that there is none as well', () => {
    const responder = responderOf();
    const instance = `${labelOf(self)}.${service}`;
    responder.asked(ask(instance, 'SRV'), 0);
    const said = responder.due(0)!;
    assert.deepEqual([typesOf(said.answers), typesOf(said.additionals)], [['SRV'], ['A']]);
    const host = said.additionals[0]!.name;
    responder.asked(ask(host, 'AAAA'), 2_000);
    assert.deepEqual(typesOf(responder.due(2_000)?.answers), ['NSEC']);
    responder.asked(ask('laptop.local', 'ANY'), 4_000);
    responder.asked(ask('_ipp._tcp.local', 'PTR'), 4_000);
    assert.equal(responder.due(9_000), null);
  });

  test('what the asker knows is not said again, unless it is old', () => {
    const responder = responderOf();
    const pointer = entries[0]!;
    responder.asked(ask(service, 'PTR', [{ ...pointer, ttlSeconds: 2_250 }]), 0);
    assert.equal(responder.nextMs(), Number.POSITIVE_INFINITY);
    responder.asked(ask(service, 'PTR', [{ ...pointer, ttlSeconds: 2_249 }]), 0);
    assert.equal(responder.nextMs(), 70);
  });

  test('what was said along with something else need not be said again within a second', () => {
    const responder = responderOf();
    const instance = `${labelOf(self)}.${service}`;
    responder.asked(ask(service, 'PTR'), 0);
    responder.asked(ask(instance, 'TXT'), 10);
    assert.deepEqual(typesOf(responder.due(10)?.answers), ['PTR', 'TXT']);
    assert.equal(responder.nextMs(), Number.POSITIVE_INFINITY);
    responder.asked(ask(instance, 'SRV'), 20);
    assert.deepEqual([responder.nextMs(), responder.due(1_009)], [1_010, null]);
    assert.deepEqual(typesOf(responder.due(1_010)?.answers), ['SRV']);
  });

  test('however much is asked, a record is said once a second', () => {
    const responder = responderOf();
    let said = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 5) {
      responder.asked(ask(service, 'PTR'), nowMs);
      responder.asked(ask(metaName, 'PTR'), nowMs);
      if (responder.due(nowMs) !== null) said++;
    }
    assert.ok(said <= 20, `${said}`);
  });

  test('a start is announced twice, a second apart; an end takes back all but the type of service', () => {
    const responder = responderOf();
    responder.announce(0);
    const all = ['PTR', 'PTR', 'SRV', 'TXT', 'A'];
    assert.deepEqual(typesOf(responder.due(0)?.answers), all);
    assert.deepEqual([responder.due(999), responder.nextMs()], [null, 1_000]);
    assert.deepEqual(typesOf(responder.due(1_000)?.answers), all);
    assert.equal(responder.nextMs(), Number.POSITIVE_INFINITY);
    const goodbye = responder.goodbye();
    assert.ok(goodbye.every(({ ttlSeconds, name }) => ttlSeconds === 0 && name !== metaName));
    assert.deepEqual(typesOf(goodbye), ['PTR', 'SRV', 'TXT', 'A']);
  });

  test('who speaks under our names is answered, at a pace', () => {
    const responder = responderOf();
    const liar = entries.flatMap((entry): Entry[] => (entry.type === 'A' ? [{ ...entry, data: '192.168.1.66' }] : []));
    assert.equal(responder.contested(entries, 0), false, 'what we say ourselves');
    const others = recordsOn(face, { ...self, name: 'n2', peer: peerTwo }, service);
    assert.equal(responder.contested(others, 0), false, 'what others say of themselves');
    const meta = entries.filter(({ name }) => name === metaName).map((entry) => ({ ...entry, ttlSeconds: 0 }));
    assert.equal(responder.contested(meta, 0), false, 'that others offer no such service any more');
    assert.equal(responder.contested(liar, 0), true);
    assert.deepEqual(typesOf(responder.due(0)?.answers), ['PTR', 'PTR', 'SRV', 'TXT', 'A']);
    assert.equal(responder.contested(responder.goodbye(), defendMs - 1), false);
    responder.asked(ask(service, 'PTR'), defendMs - 370);
    assert.notEqual(responder.due(defendMs - 300), null);
    assert.equal(responder.contested(responder.goodbye(), defendMs), true);
    assert.equal(responder.nextMs(), defendMs + 700);
  });
});

test('a kind of trouble is told once a minute', () => {
  let nowMs = 0;
  const codes: string[] = [];
  const sink: SinkPort = { log: (_, code) => codes.push(code), count: () => {} };
  const complain = createComplaints(sink, () => nowMs);
  for (; nowMs < 120_000; nowMs += 100) complain(nowMs % 200 === 0 ? 'A' : 'B', '', {});
  assert.deepEqual(codes.toSorted(), ['A', 'A', 'B', 'B']);
});

test('reading takes its part of the processor and no more, however long a packet is to read', () => {
  for (const packetMs of [0, 0.05, 3, 40]) {
    const budget = new ReadingBudget(0);
    let readMs = 0;
    let read = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 0.5)
      if (budget.allows(nowMs)) {
        budget.spend(packetMs);
        readMs += packetMs;
        read++;
      }
    assert.ok(readMs <= 250 + 60_000 * 0.05 + packetMs, `${packetMs}: ${readMs}`);
    assert.ok(read >= Math.min(120_000, 3_000 / Math.max(packetMs, 0.02)), `${packetMs}: ${read}`);
  }
});

test('the configuration', () => {
  const nameOf = (text: string): string => {
    const plan = mdnsKind.parse(text);
    return 'problem' in plan ? plan.problem : plan.name;
  };
  assert.equal(nameOf(''), 'mdns:');
  assert.equal(nameOf('?interface=192.168.1.5&service=_Other._tcp'), 'mdns:?interface=192.168.1.5&service=_other._tcp');
  assert.equal(nameOf('?libp2p'), 'mdns:?libp2p');
  assert.equal(nameOf('?libp2p=_p2p._udp'), 'mdns:?libp2p=_p2p._udp');
  const problems = [
    'x',
    '?port=1',
    '?interface=eth0',
    '?interface=::1',
    '?interface=224.0.0.1',
    '?service=polity',
    '?service=_x._udp',
  ];
  for (const text of [...problems, '?service=_a&service=_b', '?libp2p=x', '?libp2p&interface=10.0.0.1', '?service=_-a._tcp'])
    assert.ok('problem' in mdnsKind.parse(text), text);
  assert.match(tagOf('c1'), /^_[a-z0-9-]{15}\._udp\.local$/);
});
