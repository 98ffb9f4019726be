// What a node says on its links, and when, without a network.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import type { Announcement } from '../../../actors/ports/index.ts';
import { Announcer } from '../../../src/discovery/mdns-announcer.ts';
import type { Link } from '../../../src/discovery/mdns-link.ts';
import type { Entry } from '../../../src/discovery/mdns-packet.ts';

const service = '_polity._tcp.local';
const peer = '12D3KooWNokk6QDn6To9Efn6jacUKxtsEe4kQQ61CAYzetQ6dRkT';
const self: Announcement = {
  ...{ name: 'n1', peer, cluster: 'c1', version: '0.1.0' },
  addresses: [`/ip4/192.168.1.5/tcp/7401/p2p/${peer}`, `/ip4/10.1.1.1/tcp/7401/p2p/${peer}`],
};

type Said = { atMs: number; types: string };

suite('announcer', () => {
  let nowMs = 0;
  let logs: string[] = [];

  const linkOf = (address: string, loopback = false): { link: Link; said: Said[]; entries: Entry[] } => {
    const said: Said[] = [];
    const entries: Entry[] = [];
    const respond = async (answers: readonly Entry[]): Promise<void> => {
      const types = answers.map(({ type, ttlSeconds }) => (ttlSeconds === 0 ? `-${type}` : type));
      said.push({ atMs: nowMs, types: types.join(' ') });
      entries.push(...answers);
    };
    const face = { name: address, address, loopback, networks: [], globals: [] };
    return { link: { face, respond } as unknown as Link, said, entries };
  };
  const announcerOf = (announcement: Announcement = self): Announcer =>
    new Announcer({
      ...{ self: announcement, service, nowMs: () => nowMs, random: () => 0 },
      complain: (code, _, facts) => logs.push(`${code} ${String(facts.sender)}`),
    });
  const pass = (milliseconds: number): void => {
    for (let n = 0; n < milliseconds; n += 10) {
      nowMs += 10;
      mock.timers.tick(10);
    }
  };
  const all = 'PTR PTR SRV TXT A A';

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    nowMs = 0;
    logs = [];
  });
  afterEach(() => mock.timers.reset());

  test('says all twice on each link, answers there, and takes it back', async () => {
    const announcer = announcerOf();
    const [one, two] = [linkOf('192.168.1.5'), linkOf('10.1.1.1')];
    announcer.opened(one.link);
    pass(500);
    announcer.opened(two.link);
    announcer.opened(two.link);
    pass(5_000);
    assert.deepEqual(one.said, [
      { atMs: 0, types: all },
      { atMs: 1_000, types: all },
    ]);
    assert.deepEqual(
      two.said.map(({ atMs }) => atMs),
      [500, 1_500],
    );
    const question = { type: 'query' as const, questions: [{ name: service, type: 'PTR' as const }], known: [] };
    announcer.heard(one.link, question, '192.168.1.9');
    pass(200);
    assert.deepEqual(one.said.slice(2), [{ atMs: 5_520, types: 'PTR' }]);
    assert.equal(two.said.length, 2);
    announcer.closed(two.link);
    await announcer.goodbye();
    assert.deepEqual(one.said.slice(3), [{ atMs: 5_700, types: '-PTR -SRV -TXT -A -A' }]);
    assert.equal(two.said.length, 2);
    announcer.heard(one.link, question, '192.168.1.9');
    pass(2_000);
    assert.equal(one.said.length, 4, 'who is gone answers nobody');
    assert.deepEqual(logs, []);
  });

  test('repeats itself where another host speaks under its names, but not against its own other links', () => {
    const announcer = announcerOf();
    const [one, two] = [linkOf('192.168.1.5'), linkOf('10.1.1.1')];
    for (const { link } of [one, two]) announcer.opened(link);
    pass(3_000);
    const lie = one.entries.flatMap((entry): Entry[] =>
      entry.type === 'SRV' ? [{ ...entry, data: { ...entry.data, port: 1 } }] : [],
    );
    announcer.heard(one.link, { type: 'response', entries: lie }, '10.1.1.1');
    pass(1_500);
    assert.deepEqual([one.said.length, logs], [2, []]);
    for (let n = 0; n < 9; n++) {
      announcer.heard(one.link, { type: 'response', entries: lie }, '192.168.1.66');
      pass(1_000);
    }
    assert.deepEqual(one.said.slice(2), [{ atMs: 4_500, types: all }]);
    assert.deepEqual(logs, ['MDNS_CONTESTED 192.168.1.66']);
    assert.equal(two.said.length, 2);
  });

  test('is silent where it cannot be reached from', () => {
    const announcer = announcerOf({ ...self, addresses: [`/ip4/127.0.0.1/tcp/1/p2p/${peer}`] });
    const [lan, lo] = [linkOf('192.168.1.5'), linkOf('127.0.0.1', true)];
    announcer.opened(lan.link);
    pass(3_000);
    assert.deepEqual([lan.said, announcer.isTold], [[], false]);
    announcer.opened(lo.link);
    assert.deepEqual([lo.said, announcer.isTold], [[{ atMs: 3_000, types: 'PTR PTR SRV TXT A' }], true]);
    announcer.closed(lo.link);
  });
});
