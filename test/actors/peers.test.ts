// How messages get to members among many: over connections that are opened for them and ended by agreement, with bounds on whatever
// waits, and with addresses that outlive the process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPeers, type Peers } from '../../actors/peers.ts';
import type { RandomPort } from '../../actors/ports/index.ts';
import { type AskFailure, createRouter, type Delivery, type Router } from '../../actors/router.ts';
import { waitingLimits } from '../../actors/waiting.ts';
import { createWriter } from '../../actors/writer.ts';
import { linksDefaults } from '../../machines/links/index.ts';
import type { MemberView } from '../../machines/membership/index.ts';
import { nextUint32, randomFrom } from '../../machines/random.ts';
import { createMemoryStorage, type MemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandNetwork, type HandPort } from './hand-network.ts';

const links = { ...linksDefaults, linksMax: 4, neighbours: 1, idleMs: 6_000 };

type Mini = {
  peer: string;
  peers: Peers;
  router: Router;
  port: HandPort;
  heard: unknown[];
  ends: (AskFailure | null)[];
  unreachable: string[];
  closes: string[];
  counts: Map<string, number>;
  storage: MemoryStorage;
  ask(to: string, body: unknown): void;
  say(to: string, body: unknown): 'queued' | 'full' | 'unreachable';
  isBusy: boolean;
};

const at = (peer: string): string => `/dns/${peer}/tcp/1/p2p/${peer}`;
const random = (seed: number): RandomPort => {
  const state = randomFrom(seed);
  return {
    uint32: () => nextUint32(state),
    bytes: (length) => Uint8Array.from({ length }, () => nextUint32(state) & 0xff),
  };
};

const view = (peers: readonly string[], status: MemberView['status'] = 'alive'): MemberView[] =>
  peers.map((peer) => ({ peer, name: `name-${peer}`, addresses: [at(peer)], status, self: false }) as unknown as MemberView);

const everybody = Array.from({ length: 20 }, (_, one) => `p${one}`);

const createWorld = () => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const minis = new Map<string, Mini>();
  /** Who answers when he is dialled. */
  const up = new Set<string>();

  const start = (peer: string, contents: ReturnType<MemoryStorage['contents']> = new Map(), seed = 1): Mini => {
    const storage = createMemoryStorage(contents, clock.later);
    const port = network.port(peer);
    const counts = new Map<string, number>();
    const sink = {
      log: () => {},
      count: (name: string, labels: Record<string, string> = {}, by = 1) => {
        const key = [name, ...Object.values(labels)].join(' ');
        counts.set(key, (counts.get(key) ?? 0) + by);
      },
    };
    const unreachable: string[] = [];
    const ports = { clock, network: port, random: random(seed), sink, storage } as never;
    const peers = createPeers({
      ...{ ports, writer: createWriter({ storage, clock, sink }), settings: { join: [], links } },
      ...{ nodeAddress: 'node', beatAddress: 'liveness' },
      router: () => router,
      isBusy: () => mini.isBusy,
      onUnreachable: (lost) => void unreachable.push(lost),
    });
    const router = createRouter({ network: peers, clock, sink });
    const mini: Mini = {
      ...{ peer, peers, router, port, unreachable, counts, storage, heard: [], ends: [], closes: [], isBusy: false },
      ask: (to, body) =>
        router.ask({ peer: to, lane: 'calls', source: 'asker', target: 'service', type: 'q', body, timeoutMs: 60_000 }, (why) =>
          mini.ends.push(why),
        ),
      say: (to, body) => router.send(to, 'control', 'asker', 'service', 'say', body),
    };
    router.on('node', (delivery: Delivery) => peers.onPart(delivery));
    router.on('liveness', () => {});
    router.on('service', (delivery: Delivery) => {
      mini.heard.push(delivery.body);
      if (delivery.body !== 'keep me waiting') delivery.answer('yes');
    });
    network.listen(peer, (event) => {
      if (event.type === 'peer-open') peers.opened({ ...event, addresses: [at(event.peer)] });
      if (event.type === 'peer-close') {
        mini.closes.push(peers.closed(event.peer, event.reason));
        router.peerClosed(event.peer);
      }
      if (event.type === 'message') peers.heard(event.peer, router.receive(event.peer, event.lane, event.bytes));
      if (event.type === 'dialled') peers.dialled(event);
    });
    minis.set(peer, mini);
    up.add(peer);
    return mini;
  };

  const turn = (): void => {
    clock.settle();
    network.answerDials((addresses, from) => {
      const to = addresses[0]!.split('/p2p/')[1]!;
      if (!up.has(to)) return null;
      if (!network.connected(from, to)) network.connect(from, to);
      return to;
    });
    network.deliverAll(clock.settle);
    for (const { peer, port } of minis.values())
      for (const other of port.disconnected.splice(0)) if (network.connected(peer, other)) network.disconnect(peer, other);
    clock.settle();
  };

  return {
    ...{ clock, network, minis, up, start, turn },
    pass(ms: number): void {
      for (let passed = 0; passed < ms; passed += 50) {
        clock.pass(50);
        turn();
      }
    },
    /** Everybody is a member to these; answers one whom neither keeps. */
    acquaint(...of: Mini[]): void {
      for (const { peers, peer } of of) peers.members(() => view(everybody.filter((one) => one !== peer)));
      turn();
    },
  };
};

/** Two among twenty, neither of which is the other's neighbour. */
const strangers = (world: ReturnType<typeof createWorld>): [Mini, Mini] => {
  for (let seed = 1; ; seed++) {
    const [a, b] = [world.start('p1', new Map(), seed), world.start('p2', new Map(), seed + 100)];
    world.acquaint(a, b);
    const isKept = (by: Mini, other: Mini): boolean =>
      by.port.dialled.includes(at(other.peer)) && !by.port.released.includes(other.peer);
    if (!isKept(a, b) && !isKept(b, a)) return [a, b];
  }
};

test('a message for a member without a connection waits for one, and what follows comes behind it', () => {
  const world = createWorld();
  const [a, b] = strangers(world);
  a.ask('p2', 'question');
  for (let n = 0; n < 5; n++) assert.equal(a.say('p2', n), 'queued');
  world.turn();
  assert.deepEqual(b.heard, ['question', 0, 1, 2, 3, 4]);
  assert.deepEqual(a.ends, [null]);
  assert.equal(a.peers.connected().length, 1);
  assert.equal(a.counts.get('messages_unsent_total late'), undefined);
});

test('a member that cannot be dialled: what waits ends at once, surely undone; the next dial is a moment later', () => {
  const world = createWorld();
  const [a] = strangers(world);
  world.up.delete('p2');
  a.ask('p2', 'question');
  a.say('p2', 'news');
  world.turn();
  assert.deepEqual(a.ends, [{ code: 'NO_QUORUM', definite: true }]);
  assert.deepEqual(a.unreachable, ['p2']);
  assert.equal(a.counts.get('messages_unsent_total unreachable'), 2);
  assert.equal(a.say('p2', 'again'), 'unreachable');
  world.pass(links.refusedMs);
  world.up.add('p2');
  assert.equal(a.say('p2', 'again'), 'queued');
  world.turn();
  assert.deepEqual(world.minis.get('p2')!.heard, ['again']);
});

test('what waits is bounded, for one and in all, in number, in bytes and in time', () => {
  const world = createWorld();
  const [a] = strangers(world);
  world.up.clear();
  const others = everybody.filter((peer) => peer !== 'p1' && a.peers.nearby([peer])[0] === peer);
  const kept = new Set(a.port.dialled.filter((address) => !a.port.released.includes(address.split('/p2p/')[1]!)));
  const targets = others.filter((peer) => !kept.has(at(peer)));
  const count = (peer: string, body: unknown): number => {
    let queued = 0;
    while (a.say(peer, body) === 'queued') queued++;
    return queued;
  };
  assert.equal(count(targets[0]!, 'x'), waitingLimits.perPeerMax);
  const large = new Uint8Array(1 << 20);
  assert.ok(count(targets[1]!, large) < waitingLimits.inAllBytesMax >> 20);
  let inAll = 0;
  for (const peer of targets) inAll += count(peer, 'x');
  assert.ok(inAll < waitingLimits.inAllMax);
  // Nobody answers the dials at all, and time passes.
  world.clock.pass(waitingLimits.waitMs);
  assert.ok(a.counts.get('messages_unsent_total late')! > waitingLimits.inAllMax / 2);
  assert.ok(a.counts.get('messages_unsent_total full')! >= targets.length);
});

test('a question that waits in vain for a connection ends as surely undone', () => {
  const world = createWorld();
  const [a] = strangers(world);
  a.ask('p2', 'question');
  world.clock.pass(waitingLimits.waitMs);
  assert.deepEqual(a.ends, [{ code: 'NO_QUORUM', definite: true }]);
});

test('an idle connection ends by agreement, and neither end takes the other for dead; beats are no use', () => {
  const world = createWorld();
  const [a, b] = strangers(world);
  a.say('p2', 'hello');
  world.turn();
  for (let beat = 0; beat < links.idleMs; beat += 500) {
    a.router.send('p2', 'control', 'liveness', 'liveness', 'beat', null);
    world.pass(500);
  }
  world.pass(links.idleMs / 3);
  assert.deepEqual([a.closes, b.closes], [['parted'], ['parted']]);
  assert.deepEqual([a.unreachable, b.unreachable], [[], []]);
  a.say('p2', 'again');
  world.turn();
  assert.deepEqual(b.heard, ['hello', 'again']);
});

test('a connection over which somebody waits for an answer is not idle', () => {
  const world = createWorld();
  const [a, b] = strangers(world);
  a.ask('p2', 'keep me waiting');
  world.turn();
  world.pass(3 * links.idleMs);
  assert.deepEqual([a.closes, b.closes, a.ends], [[], [], []]);
});

test('nor is one over which something else is under way, at whichever end', () => {
  for (const busy of ['p1', 'p2']) {
    const world = createWorld();
    const [a, b] = strangers(world);
    (busy === 'p1' ? a : b).isBusy = true;
    a.say('p2', 'hello');
    world.turn();
    world.pass(3 * links.idleMs);
    assert.deepEqual([a.closes, b.closes], [[], []], `${busy} is busy`);
  }
});

test('who is asked to part and needs the connection keeps it, and what was to be said meanwhile is said', () => {
  const world = createWorld();
  const [a, b] = strangers(world);
  a.say('p2', 'hello');
  world.turn();
  // To b the other is a member of its group from now on.
  b.peers.need(['p1'], []);
  world.clock.pass(links.idleMs + links.idleMs / 6);
  assert.equal(a.say('p2', 'meanwhile'), 'queued');
  world.turn();
  assert.deepEqual(b.heard, ['hello', 'meanwhile']);
  world.pass(3 * links.idleMs);
  assert.deepEqual([a.closes, b.closes], [[], []]);
});

test('what is said while both ends part goes over the next connection', () => {
  const world = createWorld();
  const [a, b] = strangers(world);
  a.say('p2', 'hello');
  world.turn();
  world.clock.pass(links.idleMs + links.idleMs / 6);
  a.ask('p2', 'question');
  world.turn();
  world.turn();
  assert.deepEqual(a.closes, ['parted']);
  assert.deepEqual([b.heard, a.ends], [['hello', 'question'], [null]]);
});

test('addresses outlive the process, those of who was thrown out do not', () => {
  const world = createWorld();
  const a = world.start('p1');
  a.peers.members(() => [...view(['p2', 'p3']), ...view(['p4'], 'evicted')]);
  world.pass(2_000);
  const again = world.start('p1', a.storage.contents());
  again.peers.begin();
  assert.deepEqual([...again.port.dialled].sort(), [at('p2'), at('p3')]);
  // Written at the end, too, if something changed a moment before.
  again.peers.need(['p5'], []);
  again.peers.members(() => view(['p2', 'p5']));
  world.turn();
  again.peers.stop();
  world.pass(50);
  const third = world.start('p1', again.storage.contents());
  third.peers.begin();
  assert.ok(third.port.dialled.includes(at('p5')));
});

test('membership that asks again and again who lives at an address is not followed while who does is known', () => {
  const world = createWorld();
  const a = world.start('p1');
  world.start('p2');
  const dials: string[][] = [];
  a.port.dial = (addresses) => void dials.push([...addresses]);
  const asked = '/dns/behind-a-port/tcp/9';
  a.peers.seek(null, [asked]);
  a.peers.dialled({ type: 'dialled', addresses: [asked], peer: 'p2', reason: null });
  a.peers.seek(null, [asked]);
  assert.equal(dials.length, 2, 'it is no member yet');
  a.peers.members(() => view(['p2']));
  world.turn();
  for (let time = 0; time < 10; time++) a.peers.seek(null, [asked]);
  assert.equal(dials.length, 2);
  a.peers.seek('p2', [at('p2')]);
  a.peers.seek(null, [asked, '/dns/other/tcp/9']);
  assert.equal(dials.length, 4);
  world.clock.pass(links.provedMs);
  a.peers.seek(null, [asked]);
  assert.equal(dials.length, 5);
});

test('names, guides and news find whoever can be reached', () => {
  const world = createWorld();
  const [a] = strangers(world);
  assert.equal(a.peers.named('name-p2'), 'p2', 'a message would open a connection');
  assert.equal(a.peers.named('name-nobody'), null);
  a.say('p2', 'hello');
  world.turn();
  assert.equal(a.peers.nameOf('p2'), 'p2');
  const guides = new Set(Array.from({ length: 200 }, () => a.peers.guide(['p7', 'p1', 'nobody'])));
  assert.deepEqual([...guides].sort(), ['p2', 'p7'], 'mostly one of these, now and then another');
  assert.deepEqual(a.peers.nearby(['p9', 'p2']), ['p9', 'p2'], 'nobody else is near');
  assert.deepEqual(a.peers.nearby(['p9']), ['p2']);
});
