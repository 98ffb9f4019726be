// Members meet in a DHT of strangers on loopback: they find each other, and nobody else finds, hides, forges or brings back anything.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { boardOf, type Note } from '../../../machines/rendezvous/index.ts';
import type { DhtHost } from '../../../src/discovery/dht-host.ts';
import { type BoardKeys, boardValueBytes, deriveBoard, sealNotes } from '../../../src/discovery/dht-seal.ts';
import { until } from '../transport/world.ts';
import {
  addressOf,
  createMember,
  deriveKeyOf,
  eventually,
  type Member,
  type MemberOptions,
  recordOf,
  startStranger,
} from './dht-world.ts';

let strangers: DhtHost[] = [];
const members: Member[] = [];
let bootstrap = '';

/** Each test is a cluster of its own. */
let secret = '';
beforeEach(({ name }) => {
  secret = name;
});

const join = async (name: string, more: Partial<MemberOptions> = {}): Promise<Member> => {
  const created = await createMember({ text: `?bootstrap=${bootstrap}&lan`, name, secret, ...more });
  members.push(created);
  return created;
};

/** The board that this member writes now, as only members can name it. */
const boardFor = ({ self, time }: Member): BoardKeys =>
  deriveBoard(deriveKeyOf(secret)('kad-dht boards of c1'), boardOf(self.peer, Date.now() + time.aheadMs));

const isStored = (one: Member): boolean => strangers.every(({ store }) => store.boardValue(boardFor(one).key) !== null);

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

const joinNoted = async (name: string, more: Partial<MemberOptions> = {}): Promise<Member> => {
  const created = await join(name, more);
  created.announce();
  await eventually(async () => {
    await settled();
    if (!isStored(created)) created.look();
    return String(isStored(created));
  }, 'true');
  return created;
};

/** What a host that obeys no rule sends for storing; true: somebody stored it. */
const force = async (host: DhtHost, key: Uint8Array, value: Uint8Array): Promise<boolean> => {
  const put = host.store.put.bind(host.store);
  host.store.put = (name) => name;
  let isStored = false;
  try {
    const signal = AbortSignal.timeout(3_000);
    const events = host.node.services.kad.put(key, value, { signal }) as AsyncIterable<{ name: string; messageName?: string }>;
    for await (const event of events) isStored ||= event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE';
    return isStored;
  } finally {
    host.store.put = put;
  }
};

/** From now on this host answers so, whatever board it is asked for. */
const serve = (host: DhtHost, key: Uint8Array, value: Uint8Array): (() => void) => {
  const get = host.store.get.bind(host.store);
  host.store.get = (name) => (name.toString().startsWith('/dht/record/') ? recordOf(key, value) : get(name));
  return () => {
    host.store.get = get;
  };
};

before(async () => {
  strangers = await Promise.all([1, 2, 3].map(() => startStranger()));
  const [one, two, three] = strangers as [DhtHost, DhtHost, DhtHost];
  await one.node.dial(multiaddr(addressOf(two)));
  await two.node.dial(multiaddr(addressOf(three)));
  await three.node.dial(multiaddr(addressOf(one)));
  await until(() => strangers.every(({ known }) => known === 2), 'the strangers know each other');
  bootstrap = addressOf(strangers[0]!);
});

after(async () => {
  await Promise.allSettled(members.map((one) => one.stop()));
  await Promise.allSettled(strangers.map(async ({ node }) => node.stop()));
});

describe('members of one cluster', () => {
  test('find each other through strangers who can read nothing; other clusters and other secrets find nothing', async () => {
    const a = await joinNoted('a');
    const [b, other, thief] = await Promise.all([join('b'), join('x', { cluster: 'c2' }), join('y', { secret: 'a guess' })]);
    const found = await b.findings();
    assert.deepEqual(
      found.map(({ name, peer, addresses, healthy }) => ({ name, peer, addresses, healthy })),
      [{ name: 'a', peer: a.self.peer, addresses: a.self.addresses, healthy: true }],
    );
    assert.ok(found[0]!.ttlMs > 60_000 && found[0]!.ttlMs <= 300_000, String(found[0]!.ttlMs));
    assert.equal(await other.find(), '');
    assert.equal(await thief.find(), '');
    for (const { store } of strangers) {
      const value = Buffer.from(store.boardValue(boardFor(a).key)!);
      for (const word of ['c1', a.self.peer, '127.0.0.1', '0.1.0']) assert.ok(!value.includes(word), word);
    }
    await a.stop();
    assert.equal(await b.find(), '', 'taken back');
  });

  test('what has not been renewed for half an hour is not found', async () => {
    const [a, b] = await Promise.all([joinNoted('a'), join('b')]);
    b.time.aheadMs = 29 * 60_000;
    assert.equal(await b.find(), 'a');
    b.time.aheadMs = 31 * 60_000;
    assert.equal(await b.find(), '');
    await a.stop();
  });

  test('who was written over writes again, and both stand', async () => {
    const a = await joinNoted('a');
    const board = boardFor(a);
    const record = { name: 'm', version: '0.1.0', addresses: ['/ip4/127.0.0.1/tcp/7402'] };
    const note: Note = { peer: '12D3KooWJ7VPQgMtYRMzoLMzVn1ZKdbTCTHBVrD1AYbXibRK1kSj', atMs: Date.now(), record };
    assert.ok(await force(strangers[2]!, board.key, sealNotes(board, Date.now() + 5_000, [note])));
    const b = await join('b');
    a.look();
    await eventually(() => b.find(), 'a m');
    await a.stop();
    assert.equal(await b.find(), 'm');
  });

  test('a note with addresses that nobody can dial is refused by name, and hides no other', async () => {
    const [a, bad] = await Promise.all([joinNoted('a'), joinNoted('bad', { addresses: ['/ip4/10.0.0.1/udp/1'] })]);
    const b = await join('b');
    assert.equal(await b.find(), 'a');
    assert.match(b.lines.join('\n'), /warn DHT_NOTE_REFUSED a note on a board has no address that can be dialled/);
    await Promise.all([a.stop(), bad.stop()]);
  });
});

describe('strangers', () => {
  test('who know a board’s name cannot write on it, nor hide what stands there by what they answer', async () => {
    const a = await joinNoted('a');
    const { key } = boardFor(a);
    const evil = strangers[1]!;
    const garbage = Buffer.alloc(boardValueBytes, 1);
    const forged = sealNotes({ ...deriveBoard(new Uint8Array(32), { hour: 1, index: 1 }), key }, Date.now() + 60_000, []);
    for (const value of [garbage, forged, Buffer.from('short')]) assert.equal(await force(evil, key, value), false);
    for (const value of [garbage, forged]) {
      const behave = serve(evil, key, value);
      const b = await join('b');
      assert.equal(await b.find(), 'a');
      behave();
    }
    await a.stop();
  });

  test('cannot bring back what was taken back', async () => {
    const a = await joinNoted('a');
    const { key } = boardFor(a);
    const [honest, evil] = [strangers[1]!, strangers[2]!];
    const before = Uint8Array.from(honest.store.boardValue(key)!);
    await a.stop();
    assert.equal(await force(evil, key, before), false, 'stored by nobody');
    assert.notDeepEqual(Uint8Array.from(honest.store.boardValue(key)!), before);
    const behave = serve(evil, key, before);
    const b = await join('b');
    assert.equal(await b.find(), '');
    behave();
  });

  test('can withhold: then the answer is that there is nobody, not an error', async () => {
    const a = await joinNoted('a');
    const behave = strangers.map((one) => serve(one, boardFor(a).key, Buffer.alloc(boardValueBytes)));
    const b = await join('b');
    assert.deepEqual(await b.source.query(AbortSignal.timeout(5_000)), { findings: [], emptyTtlMs: 15_000 });
    for (const one of behave) one();
    assert.equal(await b.find(), 'a');
    await a.stop();
  });
});

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
};

describe('a DHT of a cluster’s own', () => {
  test('one list of addresses for all: the first is alone without an error, the others come to it', async () => {
    const address = `/ip4/127.0.0.1/tcp/${await freePort()}`;
    const [first, second] = await Promise.all([
      join('first', { text: `?bootstrap=${address}&listen=${address}&lan` }),
      join('second', { text: `?bootstrap=${address}&listen=/ip4/127.0.0.1/tcp/0&lan` }),
    ]);
    first.announce();
    assert.equal(await first.find(), 'first');
    second.announce();
    await eventually(() => second.find(), 'first second');
    await eventually(() => first.find(), 'first second');
    await Promise.all([first.stop(), second.stop()]);
  });

  test('a port that is taken is said, with the reason', async () => {
    const listen = addressOf(strangers[0]!);
    const late = await join('late', { text: `?listen=${listen}&lan` });
    await assert.rejects(late.findings(), { code: 'SOURCE_UNAVAILABLE', message: /EADDRINUSE/ });
    late.announce();
    await assert.rejects(late.announced(), { code: 'SOURCE_UNAVAILABLE' });
  });
});

describe('bootstrap hosts', () => {
  const silent: Server[] = [];
  after(() => {
    for (const server of silent) server.close();
  });

  test('that accept and say nothing delay nobody while another one answers', async () => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createServer((socket) => void sockets.add(socket)).listen(0, '127.0.0.1');
    silent.push(server);
    await new Promise((resolve) => server.once('listening', resolve));
    const mute = `/ip4/127.0.0.1/tcp/${(server.address() as { port: number }).port}`;
    const a = await joinNoted('a');
    const b = await join('b', { text: `?bootstrap=${mute}&bootstrap=${bootstrap}&lan` });
    const startMs = performance.now();
    assert.equal(await b.find(), 'a');
    assert.ok(performance.now() - startMs < 2_900, 'a dial may take 3 s');
    await assert.rejects((await join('c', { text: `?bootstrap=${mute}&lan` })).findings(500), { code: 'SOURCE_TIMED_OUT' });
    for (const socket of sockets) socket.destroy();
    await a.stop();
  });

  test('that are gone are missed by nobody who knows others, and by nobody who has another address', async () => {
    const [a, b] = await Promise.all([joinNoted('a'), join('b')]);
    assert.equal(await b.find(), 'a');
    const gone = bootstrap;
    await strangers.shift()!.node.stop();
    bootstrap = addressOf(strangers[0]!);
    assert.equal(await b.find(), 'a');
    const late = await join('late', { text: `?bootstrap=${gone}&bootstrap=${bootstrap}&lan` });
    assert.equal(await late.find(), 'a');
    const lost = await join('lost', { text: `?bootstrap=${gone}&lan` });
    await assert.rejects(lost.findings(), { code: 'SOURCE_UNREACHABLE', message: new RegExp(`${gone}: .*ECONNREFUSED`) });
    lost.announce();
    await assert.rejects(lost.announced(), { code: 'SOURCE_UNREACHABLE' });
    await a.stop();
  });
});
