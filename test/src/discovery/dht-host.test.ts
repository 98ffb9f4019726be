// The DHT's own host among others on loopback: whom it takes into its routing table, what it refuses to dial, keep and read.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { identify } from '@libp2p/identify';
import { type PeerId, serviceCapabilities } from '@libp2p/interface';
import { kadDHT, type SingleKadDHT } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { guardLimits } from '../../../src/discovery/dht-guard.ts';
import { type DhtHost, dhtProtocol } from '../../../src/discovery/dht-host.ts';
import { Reach } from '../../../src/discovery/dht-reach.ts';
import { until } from '../transport/world.ts';
import { addressOf, createMember, startStranger } from './dht-world.ts';

const running: { stop(): unknown }[] = [];
after(async () => {
  await Promise.all(running.map((one) => one.stop()));
});

const start = async (isLan = true, configured: string[] = []): Promise<DhtHost> => {
  const host = await startStranger(new Reach(isLan, configured));
  running.push(host.node);
  return host;
};

/** kad-dht as it comes, but for the name of the protocol. */
const startPlain = async () => {
  const isThere = () => ({ [serviceCapabilities]: ['@libp2p/ping'], ping: async () => 0 });
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: isThere as never,
      kad: kadDHT({ protocol: dhtProtocol, clientMode: false }) as never,
    },
  });
  running.push(node);
  return node;
};

describe('on loopback', () => {
  test('kad-dht’s default mapper leaves the routing table empty, ours with lan does not, ours without lan does', async () => {
    const [seed, plain] = await Promise.all([start(), startPlain()]);
    const address = addressOf(seed);
    const unlan = await start(false, [address]);
    const met: string[] = [];
    const isMet = (peer: PeerId): boolean => met.includes(peer.toString());
    seed.node.addEventListener('peer:identify', ({ detail }) => void met.push(detail.peerId.toString()));
    await Promise.all([plain.dial(multiaddr(address)), unlan.node.dial(multiaddr(address))]);
    await until(() => isMet(plain.peerId) && isMet(unlan.node.peerId), 'both were identified');
    // Who came later is in both tables already when the others might still be on their way there.
    const late = await start();
    await late.node.dial(multiaddr(address));
    await until(() => late.known > 0 && seed.known > 0, 'the late one is known');
    assert.equal((plain.services.kad as SingleKadDHT).routingTable.size, 0);
    assert.equal(unlan.known, 1, 'only whom its operator named');
    assert.equal(
      (await seed.node.peerStore.get(unlan.node.peerId)).addresses.length,
      0,
      'it tells no private address of its own',
    );
  });

  test('without lan no private address is dialled or kept on a stranger’s word', async () => {
    const [host, other] = await Promise.all([start(false), start()]);
    await assert.rejects(host.node.dial(multiaddr(addressOf(other))), { name: 'DialDeniedError' });
    const told = ['/ip4/10.0.0.5/tcp/22', '/ip4/127.0.0.1/tcp/22', '/dns4/intranet/tcp/80', '/ip4/9.9.9.9/tcp/7410'];
    await host.node.peerStore.merge(other.node.peerId, { multiaddrs: told.map((one) => multiaddr(one)) });
    const kept = (await host.node.peerStore.get(other.node.peerId)).addresses.map((one) => one.multiaddr.toString());
    assert.deepEqual(kept, ['/ip4/9.9.9.9/tcp/7410']);
  });

  test('a request that grows without end is cut off, and the next one is served', async () => {
    const [host, other] = await Promise.all([start(), start()]);
    const stream = await other.node.dialProtocol(multiaddr(addressOf(host)), dhtProtocol);
    let isCut = false;
    stream.addEventListener('close', () => {
      isCut = true;
    });
    // A length of two megabytes, and more and more of it.
    stream.send(Uint8Array.of(0x80, 0x80, 0x80, 0x01));
    for (let sent = 0; sent < guardLimits.streamBytesMax * 2 && stream.status === 'open'; sent += 16 << 10) {
      if (!stream.send(new Uint8Array(16 << 10))) await stream.onDrain();
    }
    await until(() => isCut, 'the stream was reset, before kad-dht’s own ten seconds', 8_000);
    await until(() => other.known > 0, 'both know each other');
    let answers = 0;
    for await (const event of other.node.services.kad.getClosestPeers(Buffer.from('anything')))
      if (event.name === 'PEER_RESPONSE') answers++;
    assert.equal(answers, 1);
  });

  test('hosts that agree to talk and then say nothing: questions and announcements end when they are told to', async () => {
    const mute = await start();
    await mute.node.handle(dhtProtocol, () => {}, { force: true });
    const one = await createMember({ text: `?bootstrap=${addressOf(mute)}&lan`, name: 'one', secret: 'any' });
    await assert.rejects(one.findings(1_500), { code: 'SOURCE_TIMED_OUT' });
    one.announce();
    const startMs = performance.now();
    await one.stop();
    assert.ok(performance.now() - startMs < 3_500, `${performance.now() - startMs} ms`);
  });
});
