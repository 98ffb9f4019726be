// Strangers at the door (decision 7): each is refused by name, learns nothing, and members do not notice.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { afterEach, describe, it } from 'node:test';
import type { ConnectionEncrypter, MessageStream, Stream } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';
import { deriveKeys } from '../../../machines/admission/index.ts';
import { admission, admissionProtocol } from '../../../src/transport/admission.ts';
import { encodeHello } from '../../../src/transport/hello.ts';
import { createTransport, generateIdentity, type TransportLimits } from '../../../src/transport/index.ts';
import { Probe } from '../../ports/network-suite.ts';
import { countingSink, loopback, secret, until } from './world.ts';

type Member = Probe & { sink: ReturnType<typeof countingSink> };
type Script = (stream: MessageStream) => void;

const framed = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([bytes.byteLength >>> 8, bytes.byteLength & 255]), bytes]);

describe('admission', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()));
  });

  const member = async (
    name: string,
    options: { secret?: Uint8Array; cluster?: string; limits?: Partial<TransportLimits> } = {},
  ): Promise<Member> => {
    const sink = countingSink();
    const port = await createTransport({
      identity: await generateIdentity(),
      listen: [loopback],
      cluster: options.cluster ?? 'c1',
      secret: options.secret ?? secret,
      sink,
      limits: options.limits ?? {},
    });
    const probe = Object.assign(new Probe(name, port), { sink });
    closing.push(() => probe.stop());
    probe.start(1);
    await until(() => probe.addresses.length > 0, `${name} listens`);
    return probe;
  };

  const stranger = async (encrypter: (components: never) => ConnectionEncrypter): Promise<Libp2p> => {
    const node = await createLibp2p({
      addresses: { listen: [loopback] },
      transports: [tcp()],
      connectionEncrypters: [encrypter as never],
      streamMuxers: [yamux()],
      connectionManager: { reconnectRetries: 0 },
    });
    closing.push(async () => node.stop());
    return node;
  };

  /** Speaks Noise under our protocol's name and then whatever the script says, in either role. */
  const scripted =
    (script: Script) =>
    (components: never): ConnectionEncrypter => {
      const inner = noise()(components);
      const secure = async (secured: Promise<{ connection: MessageStream }>): Promise<never> => {
        const { connection } = await secured;
        script(connection);
        await new Promise((resolve) => connection.addEventListener('close', resolve));
        throw new Error('closed');
      };
      const plain = { skipStreamMuxerNegotiation: true };
      return {
        protocol: admissionProtocol,
        secureOutbound: (raw, options) => secure(inner.secureOutbound(raw, { ...options, ...plain })),
        secureInbound: (raw, options) => secure(inner.secureInbound(raw, { ...options, ...plain })),
      };
    };

  const socket = (probe: Probe): Promise<net.Socket> =>
    new Promise((resolve, reject) => {
      const { port } = tcpOf(probe);
      const client = net.connect(port, '127.0.0.1', () => resolve(client));
      client.on('error', reject);
      closing.push(async () => client.destroy());
    });
  const tcpOf = (probe: Probe): { port: number } => ({ port: Number(probe.addresses[0]!.split('/')[4]) });

  const refusedCodes = (probe: Probe): string[] => probe.of('refused').map((event) => event.code);
  const refused = async (probe: Member, code: string): Promise<void> => {
    await until(() => refusedCodes(probe).includes(code), `${probe.name} refuses with ${code}, had ${refusedCodes(probe)}`);
    assert.ok((probe.sink.counts.get(`admission_refused_total ${code}`) ?? 0) > 0, 'it is counted');
    assert.equal(probe.of('peer-open').length, 0);
  };

  it('refuses another secret; the stranger is not told why', async () => {
    const a = await member('a');
    const b = await member('b', { secret: new Uint8Array(32).fill(8) });
    b.port.connect(a.addresses);
    await refused(a, 'WRONG_SECRET');
    await refused(b, 'REFUSED');
    const hex = Buffer.from(secret).toString('hex');
    assert.ok(![...a.sink.lines, ...b.sink.lines].some((line) => line.includes(hex)), 'no secret in the log');
  });

  it('refuses a member of another cluster with the same secret', async () => {
    const a = await member('a');
    const b = await member('b', { cluster: 'c2' });
    b.port.connect(a.addresses);
    await refused(a, 'OTHER_CLUSTER');
    await refused(b, 'REFUSED');
  });

  it('refuses plain Noise: no muxer, no protocol, no connection', async () => {
    const a = await member('a');
    const node = await stranger(noise());
    await assert.rejects(node.dial(multiaddr(a.addresses[0])));
    await refused(a, 'NO_PROOF');
    assert.equal(node.getConnections().length, 0);
  });

  it('closes on who connects and says nothing, before and after Noise', async () => {
    const a = await member('a', { limits: { admissionMs: 250 } });
    const client = await socket(a);
    const closed = new Promise((resolve) => client.on('close', resolve));
    client.on('error', () => {});
    await refused(a, 'TIMED_OUT');
    await closed;
    const before = refusedCodes(a).length;
    const node = await stranger(scripted(() => {}));
    await assert.rejects(node.dial(multiaddr(a.addresses[0])));
    await until(() => refusedCodes(a).length > before, 'the second is refused too');
    assert.equal(refusedCodes(a).at(-1), 'TIMED_OUT');
  });

  it('refuses oversized, malformed and empty handshake frames', async () => {
    for (const [bytes, code] of [
      [Buffer.from([0xff, 0xff, 1, 2, 3]), 'TOO_LARGE'],
      // Not the first byte of a message that there is: one in 256 random ones would be.
      [framed(Buffer.from([0xee, ...randomBytes(199)])), 'NO_PROOF'],
      [framed(new Uint8Array(0)), 'NO_PROOF'],
      [framed(Buffer.from([1, 99, ...randomBytes(32)])), 'VERSION_UNKNOWN'],
    ] as const) {
      const a = await member('a');
      const node = await stranger(scripted((stream) => stream.send(bytes)));
      await assert.rejects(node.dial(multiaddr(a.addresses[0])));
      await refused(a, code);
    }
  });

  it('refuses a proof that was recorded from a member', async () => {
    const a = await member('a');
    const b = await member('b');
    // The stranger listens; b dials it, thinking it a member, and proves itself. The stranger keeps what b said …
    const recorded: Buffer[] = [];
    const recorder = await stranger(
      scripted((stream) => {
        stream.addEventListener('message', (event) => {
          const data = event.data;
          recorded.push(Buffer.from(data instanceof Uint8Array ? data : data.subarray()));
        });
        stream.send(framed(Buffer.from([1, 1, ...randomBytes(32)])));
      }),
    );
    b.port.connect(recorder.getMultiaddrs().map(String));
    await until(() => Buffer.concat(recorded).byteLength > 36 + 64, 'b challenges and proves');
    // … and plays it to a.
    const node = await stranger(scripted((stream) => stream.send(Buffer.concat(recorded))));
    await assert.rejects(node.dial(multiaddr(a.addresses[0])));
    await refused(a, 'WRONG_SECRET');
  });

  it('refuses a recorded connection, byte for byte', async () => {
    const a = await member('a', { limits: { admissionMs: 500 } });
    const b = await member('b');
    const recorded: Buffer[] = [];
    const proxy = net.createServer((client) => {
      const server = net.connect(tcpOf(a).port, '127.0.0.1');
      client.on('data', (data) => recorded.push(data));
      client.pipe(server).pipe(client);
      for (const end of [client, server]) end.on('error', () => {});
      closing.push(async () => [client, server].map((end) => end.destroy()));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    closing.push(async () => proxy.close());
    b.port.connect([`/ip4/127.0.0.1/tcp/${(proxy.address() as net.AddressInfo).port}`]);
    await until(() => a.isOpenTo(b.port.self), 'the recorded connection is a member');
    const client = await socket(a);
    client.on('error', () => {});
    client.write(Buffer.concat(recorded));
    await until(() => refusedCodes(a).length > 0, 'the recording is refused');
    assert.ok(['NO_PROOF', 'TIMED_OUT'].includes(refusedCodes(a)[0]!), refusedCodes(a)[0]);
    assert.equal(a.of('peer-open').length, 1);
  });

  it('refuses malformed and oversized frames of a member by name, and closes on him alone', async () => {
    const a = await member('a');
    const c = await member('c');
    c.port.connect(a.addresses);
    await until(() => a.isOpenTo(c.port.self), 'a and c are open');
    for (const [bytes, code] of [
      [Buffer.from([0x7f, 0xff, 0xff, 0xff, 0]), 'FRAME_TOO_LARGE'],
      [Buffer.from([0, 0, 0, 6, 0, 0, 0, 9, 1, 1]), 'FRAME_MALFORMED'],
    ] as const) {
      const rogue = await rogueMember();
      const connection = await rogue.dial(multiaddr(a.addresses[0]));
      await until(() => rogue.getConnections().length === 1, 'the rogue is connected');
      const stream = await connection.newStream('/polity/control/1');
      await until(() => a.isOpenTo(rogue.peerId.toString()), 'the rogue is a member');
      stream.send(bytes);
      await until(() => refusedCodes(a).includes(code), `a refuses with ${code}, had ${refusedCodes(a)}`);
      await until(() => !a.isOpenTo(rogue.peerId.toString()), 'a closes on the rogue');
    }
    assert.ok(a.isOpenTo(c.port.self), 'c stays');
    assert.equal(c.of('peer-close').length, 0);
  });

  /** Holds the secret, but is not our code. */
  const rogueMember = async (): Promise<Libp2p> => {
    const identity = await createLibp2p({ start: false });
    const self = identity.peerId.toString();
    const sealKey = randomBytes(32);
    const hello = encodeHello({ name: 'rogue', epoch: 1, extra: {}, addresses: [], sealKey });
    const node = await createLibp2p({
      privateKey: (identity as unknown as { components: { privateKey: never } }).components.privateKey,
      transports: [tcp()],
      connectionEncrypters: [
        admission({
          keys: deriveKeys(secret, 'c1'),
          cluster: 'c1',
          self,
          timeLimitMs: 3_000,
          nonce: () => new Uint8Array(randomBytes(32)),
          hello: () => hello,
          onAdmitted: () => {},
          onRefused: () => {},
        }) as never,
      ],
      streamMuxers: [yamux()],
    });
    await node.handle('/polity/control/1', (_stream: Stream) => {});
    closing.push(async () => node.stop());
    return node;
  };

  it('lets members talk undisturbed through a flood of 200 connections, and new ones in afterwards', async () => {
    const limits = { pendingMax: 32, pendingPerAddressMax: 16, inboundBurstMax: 60, inboundPerSecondMax: 20, admissionMs: 600 };
    const a = await member('a', { limits });
    const b = await member('b', { limits });
    b.port.connect(a.addresses);
    await until(() => a.isOpenTo(b.port.self) && b.isOpenTo(a.port.self), 'a and b are open');
    const sockets: net.Socket[] = [];
    for (let number = 0; number < 200; number++) {
      const client = net.connect(tcpOf(a).port, '127.0.0.1');
      client.on('error', () => {});
      sockets.push(client);
      if (number % 2 === 0) client.write(randomBytes(64));
    }
    closing.push(async () => sockets.map((client) => client.destroy()));
    for (let number = 0; number < 200; number++) {
      assert.equal(b.port.send(a.port.self, 'control', Buffer.from(`${number}`)), 'queued');
      await until(() => a.texts('control').length === number + 1, `message ${number} arrives during the flood`, 1_000);
    }
    const counted = (code: string): number => a.sink.counts.get(`admission_refused_total ${code}`) ?? 0;
    await until(() => counted('TOO_MANY_PENDING') + counted('RATE_LIMITED') > 100, 'most of the flood is refused at once');
    assert.ok(a.of('refused').length <= 60, `${a.of('refused').length} events: a flood does not flood the log`);
    assert.equal(a.of('peer-close').length, 0);
    const late = await member('late');
    late.port.connect(a.addresses);
    await until(() => late.isOpenTo(a.port.self), 'a new member is let in');
  });
});
