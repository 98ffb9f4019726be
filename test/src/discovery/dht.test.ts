// Members meet in a DHT of strangers on loopback: they find each other, and nobody else finds, hides, forges or brings back anything.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import type { LookupEvent } from '../../../actors/ports/index.ts';
import { boardOf, type Note } from '../../../machines/rendezvous/index.ts';
import type { DhtHost } from '../../../src/discovery/dht-host.ts';
import { type BoardKeys, boardValueBytes, deriveBoard, openNotes, sealNotes } from '../../../src/discovery/dht-seal.ts';
import { createLookup, parseSource, type SourcePlan } from '../../../src/discovery/index.ts';
import { generateIdentity, peerIdOf } from '../../../src/transport/index.ts';
import { countingSink, until } from '../transport/world.ts';
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

const secret = 'a secret that nobody knows';
/** Asks for all; the only one that was there before the test. */
let reader: Member;

const join = async (name: string, more: Partial<MemberOptions> = {}): Promise<Member> => {
  const created = await createMember({ text: `?bootstrap=${bootstrap}&lan`, name, secret, ...more });
  members.push(created);
  return created;
};

type Noted = { self: { peer: string }; time: { aheadMs: number } };

/** The board that this member writes now, as only members can name it. */
const boardFor = ({ self, time }: Noted): BoardKeys =>
  deriveBoard(deriveKeyOf(secret)('kad-dht boards of c1'), boardOf(self.peer, Date.now() + time.aheadMs));

const isNotedBy = (one: Noted, { store }: DhtHost): boolean => {
  const value = store.boardValue(boardFor(one).key);
  const notes = value === null ? null : openNotes(boardFor(one), value);
  return notes?.some(({ peer, record }) => peer === one.self.peer && record !== null) === true;
};

const joinNoted = async (name: string, more: Partial<MemberOptions> = {}): Promise<Member> => {
  const created = await join(name, more);
  created.announce();
  await eventually(async () => {
    const isNoted = strangers.every((stranger) => isNotedBy(created, stranger));
    if (!isNoted) created.look();
    return String(isNoted);
  }, 'true');
  return created;
};

/** What a host that obeys no rule sends for storing; true: somebody stored it. */
const force = async (host: DhtHost, key: Uint8Array, value: Uint8Array): Promise<boolean> => {
  const put = host.store.put.bind(host.store);
  host.store.put = (name) => name;
  let isStored = false;
  try {
    const signal = AbortSignal.timeout(15_000);
    const events = host.node.services.kad.put(key, value, { signal }) as AsyncIterable<{ name: string; messageName?: string }>;
    for await (const event of events) isStored ||= event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE';
    return isStored;
  } finally {
    host.store.put = put;
  }
};

/** From now on this host answers so, whatever board it is asked for; null: as if it knew none. */
const serve = (host: DhtHost, key: Uint8Array, value: Uint8Array | null): (() => void) => {
  const get = host.store.get.bind(host.store);
  host.store.get = (name) => {
    if (!name.toString().startsWith('/dht/record/')) return get(name);
    if (value === null) throw Object.assign(new Error('withheld'), { name: 'NotFoundError' });
    return recordOf(key, value);
  };
  return () => {
    host.store.get = get;
  };
};

before(async () => {
  strangers = await Promise.all([startStranger(), startStranger()]);
  const [one, two] = strangers as [DhtHost, DhtHost];
  await one.node.dial(multiaddr(addressOf(two)));
  await until(() => strangers.every(({ known }) => known === 1), 'the strangers know each other');
  bootstrap = addressOf(one);
  reader = await join('reader');
  members.length = 0;
});

/** Also after a test that failed: what it left would be found by the next. */
afterEach(async () => {
  await Promise.allSettled(members.splice(0).map((one) => one.stop()));
  reader.time.aheadMs = 0;
});

after(async () => {
  await reader.stop();
  await Promise.allSettled(strangers.map(async ({ node }) => node.stop()));
});

describe('members of one cluster', () => {
  test('find each other through strangers who can read nothing; who has another secret finds nothing', async () => {
    const a = await joinNoted('a');
    const found = await reader.findings();
    assert.deepEqual(
      found.map(({ name, peer, addresses, healthy }) => ({ name, peer, addresses, healthy })),
      [{ name: 'a', peer: a.self.peer, addresses: a.self.addresses, healthy: true }],
    );
    assert.ok(found[0]!.ttlMs > 60_000 && found[0]!.ttlMs <= 300_000, String(found[0]!.ttlMs));
    const thief = await join('thief', { secret: 'a guess' });
    assert.equal(await thief.find(), '');
    for (const { store } of strangers) {
      const value = Buffer.from(store.boardValue(boardFor(a).key)!);
      for (const word of [a.self.peer, '127.0.0.1', 'addresses']) assert.ok(!value.includes(word), word);
    }
    reader.time.aheadMs = 31 * 60_000;
    assert.equal(await reader.find(), '', 'not renewed for half an hour');
    reader.time.aheadMs = 0;
    await a.stop();
    assert.equal(await reader.find(), '', 'taken back');
  });

  test('who was written over writes again, and both stand; what nobody can dial is refused by name', async () => {
    const a = await joinNoted('a');
    const board = boardFor(a);
    const noteOf = (peer: string, address: string): Note => ({
      ...{ peer, atMs: Date.now(), record: { name: peer.slice(-1), version: '0.1.0', addresses: [address] } },
    });
    const over = [noteOf('12D3KooWm', '/ip4/127.0.0.1/tcp/7402'), noteOf('12D3KooWn', '/ip4/127.0.0.1/udp/7402')];
    assert.ok(await force(strangers[1]!, board.key, sealNotes(board, Date.now() + 5_000, over)));
    a.look();
    await eventually(() => reader.find(), 'a m');
    assert.match(reader.lines.join('\n'), /SOURCE_ENTRY_IGNORED 'the note of 12D3KooWn' has no address that can be dialled/);
    await a.stop();
    assert.equal(await reader.find(), 'm', 'by no member but its own is a note taken back');
    const gone = over.map((note) => ({ ...note, atMs: note.atMs + 1, record: null }));
    for (const one of strangers) assert.ok(await force(one, board.key, sealNotes(board, Date.now() + 60_000, gone)));
  });
});

describe('strangers', () => {
  test('who know a board’s name can neither write on it nor hide it by what they answer; they can withhold it', async () => {
    const a = await joinNoted('a');
    const { key } = boardFor(a);
    const evil = strangers[1]!;
    const garbage = Buffer.alloc(boardValueBytes, 1);
    const forged = sealNotes({ ...deriveBoard(new Uint8Array(32), { hour: 1, index: 1 }), key }, Date.now() + 60_000, []);
    for (const value of [garbage, forged, Buffer.from('short')]) assert.equal(await force(evil, key, value), false);
    const repent = serve(evil, key, forged);
    assert.equal(await reader.find(), 'a');
    repent();
    let behave = strangers.map((one) => serve(one, key, null));
    const withheld = await reader.source.query(AbortSignal.timeout(15_000));
    assert.deepEqual(withheld, { findings: [], emptyTtlMs: 15_000 }, 'nobody, and no error');
    for (const one of behave) one();
    behave = strangers.map((one) => serve(one, key, garbage));
    await assert.rejects(reader.findings(), { code: 'SOURCE_UNREACHABLE', message: /answers as it should/ });
    for (const one of behave) one();
    assert.equal(await reader.find(), 'a', 'and is asked again');
  });

  test('cannot bring back what was taken back', async () => {
    const a = await joinNoted('a');
    const { key } = boardFor(a);
    const [honest, evil] = [strangers[0]!, strangers[1]!];
    const before = Uint8Array.from(honest.store.boardValue(key)!);
    await a.stop();
    assert.equal(await force(evil, key, before), false, 'stored by nobody');
    assert.notDeepEqual(Uint8Array.from(honest.store.boardValue(key)!), before);
    const behave = serve(evil, key, before);
    assert.equal(await reader.find(), '');
    behave();
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
  });

  test('held by a node: found through the lookup port; at its stop the note is taken back and the host is gone', async () => {
    const { plan } = parseSource(`dht:?bootstrap=${bootstrap}&listen=/ip4/127.0.0.1/tcp/${await freePort()}&lan`) as {
      plan: SourcePlan;
    };
    const self = peerIdOf(await generateIdentity());
    const context = { cluster: 'c1', self, deriveKey: deriveKeyOf(secret), sink: countingSink() };
    const port = createLookup({ plans: [plan], context });
    const events: LookupEvent[] = [];
    port.start((event) => events.push(event));
    port.announce({
      ...{ name: 'node', peer: self, cluster: 'c1', version: '1' },
      addresses: [`/ip4/127.0.0.1/tcp/7409/p2p/${self}`],
    });
    await until(() => strangers.every((one) => isNotedBy({ self: { peer: self }, time: { aheadMs: 0 } }, one)), 'it is noted');
    assert.equal(await reader.find(), 'node');
    port.query(plan.name, 5_000);
    await until(() => events.length > 0, 'it answers');
    assert.deepEqual(events, [{ type: 'answered', source: plan.name, findings: [], emptyTtlMs: 15_000 }], 'itself is left out');
    await until(() => strangers[0]!.node.getConnections().length > 1, 'it is connected');
    await new Promise<void>((resolve) => port.stop(resolve));
    assert.equal(await reader.find(), '');
    const address = plan.name.split('listen=')[1]!.replace('&lan', '');
    await assert.rejects(strangers[0]!.node.dial(multiaddr(address)), /ECONNREFUSED/);
  });

  test('who has no address writes nothing, until it is told to end', async () => {
    const silent = await join('silent', { text: '?listen=/ip4/127.0.0.1/tcp/0&lan', addresses: [] });
    silent.announce();
    assert.equal(await silent.find(), '');
    await silent.stop();
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
    await joinNoted('a');
    const timed = async (text: string): Promise<number> => {
      const asking = await join('b', { text });
      const startMs = performance.now();
      assert.equal(await asking.find(), 'a');
      return performance.now() - startMs;
    };
    const withoutMs = await timed(`?bootstrap=${bootstrap}&lan`);
    const withMs = await timed(`?bootstrap=${mute}&bootstrap=${bootstrap}&lan`);
    assert.ok(withMs < 2 * withoutMs + 2_000, `${withMs} ms, not ${withoutMs}: a dial is given up after 3 s`);
    await assert.rejects((await join('c', { text: `?bootstrap=${mute}&lan` })).findings(500), { code: 'SOURCE_TIMED_OUT' });
    for (const socket of sockets) socket.destroy();
  });

  test('that all died and came back as others, under one of the old addresses: the members meet again', async () => {
    const a = await joinNoted('a');
    assert.equal(await reader.find(), 'a');
    await Promise.all(strangers.map(async ({ node }) => node.stop()));
    strangers = [await startStranger(undefined, [bootstrap]), await startStranger()];
    await strangers[1]!.node.dial(multiaddr(bootstrap));
    await until(() => strangers.every(({ known }) => known === 1), 'the new ones know each other');
    // Its own question tells it that its note is gone, long before it would be renewed.
    const ask = async (asking: Member): Promise<string> => asking.find().catch(({ code }: { code: string }) => code);
    await eventually(async () => `${await ask(a)} ${await ask(reader)}`, 'a a');
  });

  test('that are gone are missed by nobody who knows others, and by nobody who has another address', async () => {
    await joinNoted('a');
    const gone = bootstrap;
    await strangers.shift()!.node.stop();
    bootstrap = addressOf(strangers[0]!);
    assert.equal(await reader.find(), 'a');
    const late = await join('late', { text: `?bootstrap=${gone}&bootstrap=${bootstrap}&lan` });
    assert.equal(await late.find(), 'a');
    const lost = await join('lost', { text: `?bootstrap=${gone}&lan` });
    await assert.rejects(lost.findings(), { code: 'SOURCE_UNREACHABLE', message: new RegExp(`${gone}: .*ECONNREFUSED`) });
    lost.announce();
    await assert.rejects(lost.announced(), { code: 'SOURCE_UNREACHABLE' });
  });
});
