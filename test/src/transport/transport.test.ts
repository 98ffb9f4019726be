// What is wrong is said by name when a transport is made, and what comes in a hello is checked.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import fc from 'fast-check';
import type { NetworkPort } from '../../../actors/ports/index.ts';
import { pack } from '../../../machines/wire/envelope.ts';
import { decodeHello, encodeHello } from '../../../src/transport/hello.ts';
import { createTransport, generateIdentity, peerIdOf, TransportFault } from '../../../src/transport/index.ts';
import { Probe } from '../../ports/network-suite.ts';
import { countingSink, loopback, secret, until } from './world.ts';

const hello = { name: 'n1', epoch: 3, extra: { zone: 'z' }, addresses: ['/ip4/127.0.0.1/tcp/1'], sealKey: new Uint8Array(32) };
const isFault = (code: string) => (error: unknown) => error instanceof TransportFault && error.code === code;

describe('making a transport', () => {
  const running: Probe[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((probe) => probe.stop()));
  });
  const start = (name: string, port: NetworkPort): Probe => {
    const probe = new Probe(name, port);
    running.push(probe);
    probe.start(1);
    return probe;
  };
  const given = async () => ({
    identity: await generateIdentity(),
    ...{ listen: [loopback], cluster: 'c', secret, sink: countingSink() },
  });

  it('refuses a bad identity, address, secret or a port in use', async () => {
    const options = await given();
    await assert.rejects(createTransport({ ...options, identity: new Uint8Array(5) }), isFault('IDENTITY_INVALID'));
    await assert.rejects(createTransport({ ...options, listen: ['localhost:1'] }), isFault('ADDRESS_INVALID'));
    await assert.rejects(createTransport({ ...options, secret: new Uint8Array(15) }), isFault('SECRET_TOO_SHORT'));
    const first = start('first', await createTransport(options));
    await until(() => first.addresses.length > 0, 'it listens');
    const taken = first.addresses[0]!.split('/p2p/')[0]!;
    await assert.rejects(createTransport({ ...(await given()), listen: [taken] }), /LISTEN_FAILED: .*EADDRINUSE/);
    assert.equal(first.port.self, peerIdOf(options.identity));
    await first.stop();
    await first.stop();
  });

  it('leaves out addresses of its own and what is no address', async () => {
    const options = await given();
    const probe = start('self', await createTransport(options));
    await until(() => probe.addresses.length > 0, 'it listens');
    const own = probe.addresses[0]!;
    probe.port.connect([own, own.split('/p2p/')[0]!, 'nonsense']);
    await until(() => options.sink.lines.some((line) => line.includes('ADDRESS_INVALID')), 'nonsense is logged');
    const other = start('other', await createTransport(await given()));
    await until(() => other.addresses.length > 0, 'the other listens');
    probe.port.connect([other.addresses[0]!.split('/p2p/')[0]!]);
    await until(() => probe.isOpenTo(other.port.self), 'an address without a peer id is dialled');
    assert.equal(probe.of('refused').length, 0);
    assert.equal(probe.of('peer-open').length, 1);
  });

  it('says in words that a web server lives where it dials', async () => {
    const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const probe = start('asker', await createTransport(await given()));
    await until(() => probe.addresses.length > 0, 'it listens');
    probe.port.dial([`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`]);
    await until(() => probe.of('dialled').length > 0, 'it is answered');
    server.closeAllConnections();
    server.close();
    const [{ peer, reason } = assert.fail()] = probe.of('dialled');
    assert.equal(peer, null);
    assert.match(reason ?? '', /no node of Polity/);
  });

  it('says that another node lives by now where it dials', async () => {
    const gone = peerIdOf((await given()).identity);
    const options = await given();
    const probe = start('dialler', await createTransport(options));
    const other = start('other', await createTransport(await given()));
    await until(() => other.addresses.length > 0, 'the other listens');
    probe.port.connect([`${other.addresses[0]!.split('/p2p/')[0]!}/p2p/${gone}`]);
    await until(() => probe.of('refused').length > 0, 'it hears whose address it is');
    assert.equal(probe.of('refused')[0]!.code, 'OTHER_PEER');
  });
});

describe('hello', () => {
  it('travels whole; addresses that do not fit are left out', () => {
    assert.deepEqual(decodeHello(encodeHello(hello)), hello);
    const addresses = Array.from({ length: 30 }, (_, index) => `/dns4/${'a'.repeat(150)}.example/tcp/${index + 1}`);
    const decoded = decodeHello(encodeHello({ ...hello, addresses }))!;
    assert.ok(decoded.addresses.length > 2 && decoded.addresses.length < 8);
    assert.throws(() => encodeHello({ ...hello, extra: { long: 'x'.repeat(1_100) } }), /HELLO_TOO_LARGE/);
  });

  it('is null for anything else', () => {
    const fields = [1, 'n', 1, {}, [], Buffer.alloc(32)];
    const change = (at: number, value: unknown): Uint8Array => pack(fields.with(at, value as never));
    assert.notEqual(decodeHello(pack(fields)), null);
    for (const bytes of [
      ...[change(0, 2), change(1, ''), change(1, 'x'.repeat(64)), change(2, -1), change(2, 1.5), change(3, [])],
      ...[change(3, { a: 1 }), change(4, ['nonsense']), change(4, 'x'), change(5, Buffer.alloc(31)), pack(fields.slice(1))],
    ])
      assert.equal(decodeHello(bytes), null);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1_200 }), (bytes) => decodeHello(bytes) === null));
  });
});
