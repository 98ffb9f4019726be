// The parts that face strangers, each by itself: whom to dial, what to remember, what a connection may cost, what the configuration
// may say.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDhtConfig } from '../../../src/discovery/dht-config.ts';
import { guardLimits, guardStreams, InboundGate } from '../../../src/discovery/dht-guard.ts';
import { Reach, reachOf } from '../../../src/discovery/dht-reach.ts';
import { deriveBoard, sealNotes } from '../../../src/discovery/dht-seal.ts';
import { boardOfRecord, DhtStore, storeLimits } from '../../../src/discovery/dht-store.ts';
import { recordOf } from './dht-world.ts';

describe('whom to dial', () => {
  test('where an IP address leads', () => {
    const isAll = (reach: string, addresses: string[]): void => {
      for (const address of addresses) assert.equal(reachOf(address), reach, address);
    };
    isAll('public', ['1.1.1.1', '172.15.0.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00::1']);
    isAll('lan', [
      '127.0.0.1',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      '100.64.0.1',
      '198.18.0.1',
      '::1',
      'fd00::1',
    ]);
    isAll('never', ['0.0.0.0', '0.1.2.3', '169.254.169.254', '224.0.0.1', '255.255.255.255', '::', 'fe80::1', 'ff02::1']);
    // Private IPv4 in IPv6's clothes.
    isAll('never', ['::ffff:10.0.0.1', '::ffff:7f00:1', '::10.0.0.1', '64:ff9b::10.0.0.1', '2002:0a00:0001::1', '2001::1']);
    isAll('never', ['', 'localhost', '1.2.3', '1.2.3.4.5', 'fe80::1%eth0']);
  });

  const anyWhere = new Reach(false, ['/dns4/seed.example/tcp/7410', '/ip4/10.9.9.9/tcp/7410/p2p/12D3KooWA']);
  const onLan = new Reach(true, []);

  test('only addresses of the public internet, as numbers; with lan also private ones', () => {
    for (const address of ['/ip4/1.1.1.1/tcp/80', '/ip6/2606:4700::1111/tcp/80/p2p/12D3KooWB']) {
      assert.ok(anyWhere.allows(address), address);
      assert.ok(onLan.allows(address), address);
    }
    for (const address of ['/ip4/10.0.0.5/tcp/80', '/ip4/127.0.0.1/tcp/80', '/ip6/::1/tcp/80']) {
      assert.ok(!anyWhere.allows(address), address);
      assert.ok(onLan.allows(address), address);
    }
  });

  test('never a name, another transport, a relay, no port, or nonsense', () => {
    const bad = ['/dns4/db.internal/tcp/5432', '/dns/a/tcp/1', '/dnsaddr/a', '/ip4/1.1.1.1/udp/80', '/ip4/1.1.1.1/tcp/0'];
    const worse = [
      '/ip4/1.1.1.1/tcp/80/ws',
      '/ip4/1.1.1.1/tcp/80/p2p/12D3KooWB/p2p-circuit',
      '/ip4/1.1.1.1',
      '/unix/a',
      'x',
      '',
    ];
    for (const address of [...bad, ...worse]) for (const reach of [anyWhere, onLan]) assert.ok(!reach.allows(address), address);
  });

  test('what the operator wrote, whoever repeats it', () => {
    assert.ok(anyWhere.allows('/dns4/seed.example/tcp/7410/p2p/12D3KooWB'));
    assert.ok(anyWhere.allows('/ip4/10.9.9.9/tcp/7410'));
    assert.ok(!anyWhere.allows('/ip4/10.9.9.9/tcp/7411'));
  });
});

describe('what is remembered', () => {
  const board = deriveBoard(new Uint8Array(32), { hour: 1, index: 0 });
  const at = (versionMs: number): Uint8Array => recordOf(board.key, sealNotes(board, versionMs, []));
  const open = () => {
    const time = { nowMs: 0 };
    return { store: new DhtStore<string>(() => time.nowMs), time };
  };

  test('a board’s value gives way to a later one, and to nothing else', () => {
    const { store } = open();
    const [first, second] = [at(1_000), at(2_000)];
    store.put('/dht/record/a', first);
    store.put('/dht/record/a', second);
    assert.throws(() => store.put('/dht/record/a', first), /later value/);
    store.put('/dht/record/a', second);
    assert.deepEqual(store.get('/dht/record/a'), second);
    assert.deepEqual(Buffer.from(store.boardValue(board.key)!), Buffer.from(boardOfRecord(second)!.value));
  });

  test('and is forgotten, also when somebody brings the same one again and again', () => {
    const { store, time } = open();
    const value = at(1_000);
    store.put('/dht/record/a', value);
    time.nowMs = storeLimits.boardMsMax - 1;
    store.put('/dht/record/a', value);
    assert.ok(store.has('/dht/record/a'));
    time.nowMs = storeLimits.boardMsMax + 1;
    assert.equal(store.boardValue(board.key), null);
    assert.throws(() => store.get('/dht/record/a'), { name: 'NotFoundError' });
  });

  test('nothing but boards and peers, and no more than so many', () => {
    const { store } = open();
    for (const name of ['/dht/provider/a/b', '/dht/recordx', '/pkcs8/self', '/'])
      assert.throws(() => store.put(name, at(1)), /only boards and peers/, name);
    for (const bytes of ['', 'x', '\n\u0001k', '\u0012\u0001v', '\u0008\u0001', '\n\u00ff\u00ff\u00ff\u00ff\u00ff'])
      assert.throws(() => store.put('/dht/record/a', Buffer.from(bytes, 'latin1')), /no board/, JSON.stringify(bytes));
    assert.throws(() => store.put('/peers/a', new Uint8Array(storeLimits.peerBytesMax + 1)), /too much/);
    const value = at(1);
    for (let one = 0; one <= storeLimits.boardsMax; one++) store.put(`/dht/record/${one}`, value);
    assert.equal(store.boards, storeLimits.boardsMax);
    assert.ok(!store.has('/dht/record/0') && store.has('/dht/record/1'));
  });

  test('of peers, those nobody asks for are forgotten first: not this host itself', () => {
    const { store } = open();
    store.put('/peers/self', Uint8Array.of(1));
    for (let one = 0; one < storeLimits.peersMax * 2; one++) {
      store.put(`/peers/${one}`, Uint8Array.of(2));
      if (one % 100 === 0) store.get('/peers/self');
    }
    assert.equal([...store.queryKeys({ prefix: '/peers/' })].length, storeLimits.peersMax);
    assert.ok(store.has('/peers/self'));
  });

  test('asked for as libp2p asks', () => {
    const { store } = open();
    for (const one of ['b', 'a', 'c']) store.put(`/peers/${one}`, Buffer.from(one));
    const order = (one: { key: string }, other: { key: string }): number => (one.key < other.key ? -1 : 1);
    const found = [
      ...store.query({ prefix: '/peers/', orders: [order], filters: [({ key }) => key !== '/peers/b'], offset: 1, limit: 5 }),
    ];
    assert.deepEqual(
      found.map(({ key }) => key),
      ['/peers/c'],
    );
    const batch = store.batch();
    batch.put('/peers/d', Buffer.from('d'));
    batch.delete('/peers/a');
    assert.ok(store.has('/peers/a'));
    batch.commit();
    assert.ok(!store.has('/peers/a') && store.has('/peers/d'));
  });
});

describe('what a stranger may cost', () => {
  const connection = (address: string) => {
    const closing: (() => void)[] = [];
    return {
      remoteAddr: { toString: () => `/ip4/${address}/tcp/4000` },
      addEventListener: (_: 'close', run: () => void) => void closing.push(run),
      close: () => closing.splice(0).forEach((run) => void run()),
    };
  };

  test('few connections from one address, not many in all, and a closed one counts no more', () => {
    const gate = new InboundGate(false);
    const mine = Array.from({ length: guardLimits.inboundPerAddressMax }, () => connection('1.1.1.1'));
    for (const one of mine) assert.ok(!gate.denies(one));
    assert.ok(gate.denies(connection('1.1.1.1')));
    mine[0]!.close();
    assert.ok(!gate.denies(connection('1.1.1.1')));
    for (let one = 0; gate.inbound < guardLimits.inboundMax; one++) assert.ok(!gate.denies(connection(`2.0.0.${one}`)));
    assert.ok(gate.denies(connection('3.0.0.1')));
    mine[1]!.close();
    assert.ok(!gate.denies(connection('3.0.0.1')));
  });

  test('many from one address with lan', () => {
    const gate = new InboundGate(true);
    for (let one = 0; one < guardLimits.inboundPerLanAddressMax; one++) assert.ok(!gate.denies(connection('10.0.0.1')));
    assert.ok(gate.denies(connection('10.0.0.1')));
  });

  const stream = (direction: string) => {
    const seen = { bytes: 0, aborted: '' };
    const it = {
      direction,
      abort: ({ message }: Error) => void (seen.aborted = message),
      onData: ({ byteLength }: { byteLength: number }) => void (seen.bytes += byteLength),
    };
    return { it, seen };
  };

  test('so many bytes on a stream, in either direction', () => {
    for (const direction of ['inbound', 'outbound']) {
      const { it, seen } = stream(direction);
      guardStreams(() => 0)(it, null, () => {});
      it.onData({ byteLength: guardLimits.streamBytesMax });
      assert.deepEqual(seen, { bytes: guardLimits.streamBytesMax, aborted: '' });
      it.onData({ byteLength: 1 });
      assert.deepEqual(seen, { bytes: guardLimits.streamBytesMax, aborted: 'too many bytes on one stream' });
    }
  });

  test('so many requests a second; own questions are not counted', () => {
    let nowMs = 0;
    const guard = guardStreams(() => nowMs);
    for (let one = 0; one < guardLimits.requestsBurstMax; one++) guard(stream('inbound').it, null, () => {});
    assert.throws(() => guard(stream('inbound').it, null, () => {}), /too many requests/);
    guard(stream('outbound').it, null, () => {});
    nowMs += 1_000;
    for (let one = 0; one < guardLimits.requestsPerSecondMax; one++) guard(stream('inbound').it, null, () => {});
    assert.throws(() => guard(stream('inbound').it, null, () => {}), /too many requests/);
  });

  test('a stream whose bytes cannot be counted is not served', () => {
    assert.throws(() => guardStreams(() => 0)({ direction: 'outbound', abort: () => {} }, null, () => {}), /cannot be counted/);
  });
});

describe('the configuration', () => {
  const problemOf = (text: string): string | null => {
    const config = parseDhtConfig(text);
    return 'problem' in config ? config.problem : null;
  };

  test('lists of addresses and one word', () => {
    assert.deepEqual(
      parseDhtConfig('?bootstrap=/dns4/a.example/tcp/7410&bootstrap=/ip4/1.1.1.1/tcp/1&listen=/ip4/0.0.0.0/tcp/7410&lan'),
      {
        ...{
          bootstrap: ['/dns4/a.example/tcp/7410', '/ip4/1.1.1.1/tcp/1'],
          listen: ['/ip4/0.0.0.0/tcp/7410'],
          announce: [],
          isLan: true,
        },
      },
    );
    assert.equal(problemOf('?listen=/ip4/192.168.1.2/tcp/7410&announce=/ip4/8.8.8.8/tcp/7410'), null);
    assert.equal(problemOf('?listen=/ip4/0.0.0.0/tcp/7410'), null);
  });

  for (const [text, problem] of [
    ['', /neither bootstrap= nor listen=/],
    ['?', /neither/],
    ['?lan', /neither/],
    ['bootstrap=/ip4/1.1.1.1/tcp/1', /must go on with \?/],
    ['?bootstrap=1.1.1.1:7410', /is not a multiaddr/],
    ['?bootstrap=/ip4/1.1.1.1/udp/1', /\/tcp/],
    ['?bootstrap=', /is not a multiaddr|must begin/],
    ['?bootstrap=/ip4/1.1.1.1/tcp/1&lan=yes', /takes none/],
    ['?bootstrap=/ip4/1.1.1.1/tcp/1&secret=x', /unknown parameter secret/],
    ['?bootstrap=/ip4/1.1.1.1/tcp/1&announce=/ip4/1.1.1.1/tcp/1', /no listen=/],
    ['?listen=/dns4/a.example/tcp/1', /must begin with \/ip4 or \/ip6/],
    ['?listen=/ip4/127.0.0.1/tcp/1', /private addresses only/],
    ['?listen=/ip4/0.0.0.0/tcp/1/p2p/12D3KooWJ7VPQgMtYRMzoLMzVn1ZKdbTCTHBVrD1AYbXibRK1kSj', /new peer id/],
    [`?${Array.from({ length: 9 }, (_, at) => `bootstrap=/ip4/1.1.1.1/tcp/${at + 1}`).join('&')}`, /more than 8/],
  ] as const)
    test(`says what is wrong with ${text.slice(0, 70) || 'nothing'}`, () =>
      assert.match(problemOf(text) ?? 'nothing', problem));
});
