// The sockets of mDNS without a network: whom they hear, what they bear, and that they come and go with interfaces and users.
import assert from 'node:assert/strict';
import type { RemoteInfo, Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, mock, suite, test } from 'node:test';
import dns from 'dns-packet';
import type { Interfaces } from '../../../src/discovery/mdns-faces.ts';
import { type Link, linkLimits } from '../../../src/discovery/mdns-link.ts';
import { Links, type LinkUser } from '../../../src/discovery/mdns-links.ts';
import type { DnsCodec } from '../../../src/discovery/mdns-packet.ts';

const code = (text: string): Error => Object.assign(new Error(text), { code: text });

/** A socket of no network: what it is told, and what happens when it sends. */
class FakeSocket extends EventEmitter {
  static all: FakeSocket[] = [];
  static onBind: Error | null = null;
  static onJoin: Error | null = null;
  static onSend: Error | null = null;
  static echoes = true;
  readonly calls: string[] = [];
  sent = 0;
  address = '';
  isClosed = false;

  constructor() {
    super();
    FakeSocket.all.push(this);
  }
  bind(options: { port: number; address: string }, done: () => void): void {
    this.calls.push(`bind ${options.address}:${options.port}`);
    const { onBind } = FakeSocket;
    setImmediate(() => (onBind === null ? done() : this.emit('error', onBind)));
  }
  addMembership(group: string, address: string): void {
    if (FakeSocket.onJoin !== null) throw FakeSocket.onJoin;
    this.calls.push(`join ${group} ${address}`);
    this.address = address;
  }
  setMulticastInterface(address: string): void {
    this.calls.push(`send by ${address}`);
  }
  setMulticastTTL(ttl: number): void {
    this.calls.push(`ttl ${ttl}`);
  }
  setMulticastLoopback(on: boolean): void {
    this.calls.push(`loop ${on}`);
  }
  send(bytes: Buffer, port: number, group: string, done: (error: Error | null) => void): void {
    assert.deepEqual([port, group, this.isClosed], [5353, '224.0.0.251', false]);
    this.sent++;
    setImmediate(() => {
      done(FakeSocket.onSend);
      if (FakeSocket.onSend === null && FakeSocket.echoes) this.receive(bytes, this.address);
    });
  }
  receive(bytes: Buffer, address: string, port = 5353): void {
    const from: RemoteInfo = { address, port, family: 'IPv4', size: bytes.length };
    this.emit('message', bytes, from);
  }
  close(): void {
    assert.equal(this.isClosed, false);
    this.isClosed = true;
  }
}

const four = (address: string, internal = false) => ({
  ...{ family: 'IPv4' as const, address, netmask: internal ? '255.0.0.0' : '255.255.255.0', internal, mac: '', cidr: null },
});
const both: Interfaces = { lo: [four('127.0.0.1', true)], eth0: [four('192.168.1.5')] };
const answer = dns.encode({ type: 'response', answers: [{ type: 'A', name: 'a.local', data: '10.0.0.1' }] });

/** What one user is told, in short words. */
const listener = (): LinkUser & { told: string[]; links: Link[] } => {
  const told: string[] = [];
  const links: Link[] = [];
  return {
    ...{ told, links },
    opened(link) {
      links.push(link);
      told.push(`+${link.face.name}`);
    },
    closed: (link) => told.push(`-${link.face.name}`),
    heard: (link, message, sender) => told.push(`${link.face.name} ${message.type} ${sender}`),
  };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (): Promise<void> => {
  for (let n = 0; n < 12; n++) await turn();
};

suite('links', () => {
  let nowMs = 0;
  let interfaces: Interfaces = both;
  let logs: string[] = [];
  const create = (wanted: string | null = null, codec: DnsCodec = dns): Links =>
    new Links({
      ...{ codec, wanted, nowMs: () => nowMs, interfaces: () => interfaces },
      sink: { log: (_, what) => logs.push(what), count: () => {} },
      createSocket: () => new FakeSocket() as unknown as Socket,
    });
  /** The next look at the interfaces, `afterMs` from now. */
  const look = async (afterMs: number = linkLimits.lookAgainMs): Promise<void> => {
    nowMs += afterMs;
    mock.timers.tick(linkLimits.lookAgainMs);
    await turns();
  };
  const open = (): FakeSocket[] => FakeSocket.all.filter(({ isClosed }) => !isClosed);

  beforeEach(() => {
    mock.timers.enable({ apis: ['setInterval'] });
    Object.assign(FakeSocket, { all: [], onBind: null, onJoin: null, onSend: null, echoes: true });
    nowMs = 0;
    interfaces = both;
    logs = [];
  });
  afterEach(() => mock.timers.reset());

  test('one socket an interface, in the group and by that interface', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    assert.deepEqual(user.told, ['+lo', '+eth0']);
    assert.deepEqual(open()[1]!.calls, [
      ...['bind 224.0.0.251:5353', 'join 224.0.0.251 192.168.1.5', 'send by 192.168.1.5', 'ttl 255', 'loop true'],
    ]);
    links.leave(user);
    assert.equal(open().length, 0);
  });

  test('heard is who sends from the port and from the network of the interface, and makes sense', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    const eth0 = open()[1]!;
    user.told.length = 0;
    eth0.receive(answer, '192.168.1.77');
    eth0.receive(answer, '192.168.2.77');
    eth0.receive(answer, '127.0.0.1');
    eth0.receive(answer, '192.168.1.77', 53);
    eth0.receive(Buffer.from('no such thing'), '192.168.1.77');
    assert.deepEqual(user.told, ['eth0 response 192.168.1.77']);
    links.leave(user);
  });

  test('what is long to read is dropped unread after a while, and said once', async () => {
    let read = 0;
    const slow = (bytes: Buffer) => {
      read++;
      const before = process.cpuUsage();
      while (process.cpuUsage(before).user < 40_000);
      return dns.decode(bytes);
    };
    const user = listener();
    const links = create(null, { encode: dns.encode, decode: slow });
    await links.join(user);
    for (let n = 0; n < 100; n++) open()[1]!.receive(answer, '192.168.1.77');
    assert.ok(read > 0 && read <= 7, `${read}`);
    assert.deepEqual(logs, ['MDNS_FLOOD']);
    nowMs += 10_000;
    open()[1]!.receive(answer, '192.168.1.77');
    assert.equal(user.told.length, 2 + read, 'it reads again');
    links.leave(user);
  });

  test('opened by the first, closed by the last, also while it opens', async () => {
    const [one, two] = [listener(), listener()];
    const links = create();
    await Promise.all([links.join(one), links.join(two)]);
    assert.deepEqual([one.told, two.told, open().length], [['+lo', '+eth0'], ['+lo', '+eth0'], 2]);
    links.leave(one);
    assert.equal(open().length, 2);
    links.leave(two);
    assert.equal(open().length, 0);
    await links.join(one);
    interfaces = { ...both, wlan0: [four('10.1.1.1')] };
    mock.timers.tick(linkLimits.lookAgainMs);
    await turn();
    links.leave(one);
    await turns();
    assert.deepEqual([FakeSocket.all.length, open().length], [5, 0]);
    const hasty = links.join(one);
    links.leave(one);
    await assert.rejects(hasty, { code: 'SOURCE_UNREACHABLE' });
    assert.equal(open().length, 0);
  });

  test('interfaces come and go', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    const over = assert.rejects(links.untilOver(new AbortController().signal), { code: 'SOURCE_UNREACHABLE' });
    const six = { ...four('fd00::5'), family: 'IPv6' as const, scopeid: 0 };
    interfaces = { lo: both.lo!, eth0: [...both.eth0!, six] };
    await look();
    assert.deepEqual(user.told, ['+lo', '+eth0']);
    interfaces = { lo: both.lo!, wlan0: [four('10.1.1.1')] };
    await look();
    assert.deepEqual(user.told, ['+lo', '+eth0', '-eth0', '+wlan0']);
    interfaces = {};
    await look();
    await over;
    assert.deepEqual([user.told.slice(4), open().length], [['-lo', '-wlan0'], 0]);
    links.leave(user);
  });

  test('where only loopback is left, that is said once', async () => {
    interfaces = { lo: both.lo!, eth0: [four('203.0.113.9')] };
    const user = listener();
    const links = create();
    for (let n = 0; n < 2; n++) {
      await links.join(user);
      links.leave(user);
    }
    assert.deepEqual([user.told, logs], [['+lo', '+lo'], ['MDNS_ALONE']]);
    const named = create('203.0.113.9');
    await named.join(user);
    named.leave(user);
    assert.deepEqual([user.told.at(-1), logs.length], ['+eth0', 1]);
  });

  test('whoever stops waiting is not told any more', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    const stop = new AbortController();
    const over = links.untilOver(stop.signal);
    stop.abort();
    await over;
    await links.untilOver(stop.signal);
    interfaces = {};
    await look();
    links.leave(user);
  });

  test('an interface that cannot be opened is named where no other can', async () => {
    const links = create();
    for (const [fault, words] of [
      ['EADDRINUSE', 'another program holds UDP port 5353'],
      ['EACCES', 'may not use'],
    ] as const) {
      FakeSocket.onBind = code(fault);
      await assert.rejects(
        links.join(listener()),
        (error: Error) => error.message.includes(`lo: `) && error.message.includes(words),
      );
    }
    FakeSocket.onBind = null;
    FakeSocket.onJoin = code('ENODEV');
    await assert.rejects(links.join(listener()), /eth0: there is no multicast on it/);
    assert.equal(open().length, 0);
    FakeSocket.onJoin = null;
    interfaces = {};
    await assert.rejects(links.join(listener()), /no interface with a private IPv4 address/);
    await assert.rejects(create('10.9.9.9').join(listener()), /no interface that is up has the address 10.9.9.9/);
    const blind = new Links({
      ...{
        codec: dns,
        wanted: null,
        sink: { log: () => {}, count: () => {} },
        createSocket: () => new FakeSocket() as unknown as Socket,
      },
      interfaces: () => {
        throw new Error('EACCES');
      },
    });
    await assert.rejects(blind.join(listener()), /the system does not list them/);
  });

  test('where nothing comes back, that is said', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    FakeSocket.echoes = false;
    for (const link of user.links) await link.query([{ name: 'a.local', type: 'A' }], []);
    assert.equal(links.isDeaf(), false, 'too early to tell');
    nowMs += linkLimits.echoMs;
    assert.equal(links.isDeaf(), true);
    assert.match(links.fault().message, /lo: what is sent to 224.0.0.251 does not come back/);
    await look();
    assert.deepEqual(logs, ['MDNS_DEAF']);
    for (let n = 0; n < 9; n++) await look();
    assert.equal(FakeSocket.all.length, 2, 'what never worked is not opened again and again');
    open()[1]!.receive(answer, '192.168.1.77');
    assert.equal(links.isDeaf(), false);
    FakeSocket.onSend = code('ENETUNREACH');
    await user.links[1]!.respond([], []);
    assert.match(links.fault().message, /eth0: there is no multicast on it/);
    links.leave(user);
  });

  test('a socket that worked and does not any more is opened anew, but not for a moment of silence', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    const ask = async (): Promise<void> => {
      for (const link of links.all) await link.query([], []);
      await turns();
    };
    await ask();
    FakeSocket.echoes = false;
    await ask();
    await look(linkLimits.lostMs);
    assert.equal(FakeSocket.all.length, 2);
    for (const socket of open()) socket.receive(answer, socket.address);
    await look();
    assert.equal(FakeSocket.all.length, 2, 'it was only late');
    await ask();
    await look(linkLimits.lostMs);
    await look();
    assert.deepEqual([FakeSocket.all.length, open().length], [4, 2]);
    links.leave(user);
  });

  test('trouble of a socket ends nothing, and who sends too late sends nothing', async () => {
    const user = listener();
    const links = create();
    await links.join(user);
    const [, eth0] = open();
    eth0!.emit('error', code('ENOBUFS'));
    assert.ok(logs.includes('MDNS_SEND_FAILED'));
    links.leave(user);
    const sent = eth0!.sent;
    await user.links[1]!.query([], []);
    assert.equal(eth0!.sent, sent);
    eth0!.receive(answer, '192.168.1.77');
    assert.equal(user.told.includes('eth0 response 192.168.1.77'), false);
  });
});
