// A snapshot between two stores over a network moved by hand: it arrives whole or not at all, whatever the lane, the disks and the
// peers do meanwhile, and it never takes more of a lane than its window.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupKeys } from '../../actors/keyspace.ts';
import type { PeerId, StorageView } from '../../actors/ports/index.ts';
import { createRouter, type Delivery } from '../../actors/router.ts';
import { createSnapshotTransfers, type SnapshotTransfers } from '../../actors/snapshot.ts';
import type { Writer } from '../../actors/writer.ts';
import { parseRaftMessage } from '../../machines/raft/index.ts';
import type { SnapshotMeta } from '../../machines/raft/types.ts';
import { transferTimeoutMs } from '../../machines/snapshot/index.ts';
import { decodeEnvelope, encodeEnvelope } from '../../machines/wire/envelope.ts';
import { limits } from '../../machines/wire/limits.ts';
import { quietSink } from './hand-clock.ts';
import { createHandNetwork, type Letter } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';
import { bytes, entry, formed, group, keyspaceOf, metaAt, type Running } from './raft-store/world.ts';

type Node = Running & {
  transfers: SnapshotTransfers;
  /** Ends of what was sent, and snapshots that came whole. */
  sent: boolean[];
  received: SnapshotMeta[];
  refused: string[];
  openViews: () => number;
};

/** Counts the views that are open. */
const watched = (writer: Writer): { writer: Writer; open: () => number } => {
  const views = new Set<StorageView>();
  const view = (): StorageView => {
    const inner = writer.view();
    const outer: StorageView = {
      read: inner.read,
      close() {
        assert.ok(views.delete(outer), 'a view is closed once');
        inner.close();
      },
    };
    views.add(outer);
    return outer;
  };
  return { writer: { ...writer, view }, open: () => views.size };
};

type Options = { group?: string; relabel?: (meta: SnapshotMeta) => SnapshotMeta; install?: boolean };

const createWorld = (options: { b?: Options } = {}) => {
  const network = createHandNetwork();
  const nodes = new Map<PeerId, Node>();
  let ids = 0;
  const add = (name: PeerId, given: Options = {}): Node => {
    const at = formed();
    const { writer, open } = watched(at.writer);
    const scope = createHandScope(at.clock);
    const refused: string[] = [];
    const sink = { ...quietSink(), log: (_level: string, code: string) => void refused.push(code) };
    const router = createRouter({ network: network.port(name), clock: at.clock, sink });
    const own = given.group ?? group;
    const node: Node = {
      ...at,
      ...{ sent: [], received: [], refused, openViews: open },
      transfers: createSnapshotTransfers({
        ...{ scope, clock: at.clock, sink, router, writer, store: at.store, group: own, replica: `r-${name}` },
        random: { uint32: () => ++ids, bytes: (length) => new Uint8Array(length) },
        offer(peer, body) {
          const parsed = parseRaftMessage(body);
          if (!parsed.ok || parsed.message.type !== 'snapshot') return;
          const { from, meta } = parsed.message;
          const label = given.relabel?.(meta) ?? meta;
          node.transfers.expect(from, peer, label, () => {
            node.received.push(label);
            if (given.install !== false)
              at.write(at.store.persist({ hardState: { term: 9, vote: null }, entries: [], snapshot: label }));
          });
        },
      }),
    };
    const receive = (delivery: Delivery): void => node.transfers.receive(delivery);
    for (const target of [`snapshot/${group}`, 'snapshot/other']) router.on(target, receive);
    network.listen(name, (event) => {
      if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
      if (event.type === 'peer-close') node.transfers.peerClosed(event.peer);
    });
    nodes.set(name, node);
    return node;
  };
  const [a, b] = [add('a'), add('b', options.b)];
  network.connect('a', 'b');
  const settle = (): void => {
    for (const node of nodes.values()) node.clock.pass(30);
  };
  const pass = (ms: number): void => {
    for (const node of nodes.values()) node.clock.pass(ms);
  };
  /** Lets everything happen until nobody has anything to say. */
  const run = (onLetter: (letter: Letter) => 'deliver' | 'lose' = () => 'deliver'): void => {
    settle();
    for (let rounds = 0; network.letters.length > 0; rounds++) {
      assert.ok(rounds < 10_000, 'it comes to an end');
      if (onLetter(network.letters[0]!) === 'deliver') network.deliver();
      else network.lose();
      settle();
    }
  };
  return { network, a, b, add, settle, pass, run };
};

/** Entries 1..`upTo` are in the log and applied; each writes a record. */
const fill = (node: Running, upTo: number, valueAt: (n: number) => string): void => {
  const entries = [...Array(upTo).keys()].map((n) => entry(n + 1, 1, 'x'));
  node.write(node.store.persist({ hardState: { term: 1, vote: null }, entries, snapshot: null }));
  const writes = entries.map(({ index }) => ({
    key: bytes(`k${String(index).padStart(6, '0')}`),
    value: bytes(valueAt(index)),
  }));
  node.write(node.store.stateOperations(writes, upTo, 1_000 + upTo));
};

const start = (from: Node, to: PeerId, index: number, replica = `r-${to}`): void =>
  from.transfers.send(replica, to, metaAt(index, 1), 9, (ok) => from.sent.push(ok));

const typeOf = ({ bytes: letter }: Letter): string => {
  const envelope = decodeEnvelope(letter);
  return 'refused' in envelope ? '' : envelope.type;
};

const stagedKeys = (node: Running): number => {
  const current = Buffer.from(node.store.stateRange().gte).toString('latin1');
  const all = Buffer.from(groupKeys(group).everyGeneration.gte).toString('latin1');
  return [...node.storage.contents().keys()].filter((key) => key.startsWith(all) && !key.startsWith(current)).length;
};

test('a keyspace arrives as it was when the transfer began, whatever is applied meanwhile', () => {
  const { a, b, run, network } = createWorld();
  fill(a, 3_000, (n) => `value ${n} `.repeat(30));
  const before = keyspaceOf(a, a.store);
  start(a, 'b', 3_000);
  network.deliver();
  a.write(a.store.persist({ hardState: null, entries: [entry(3_001, 1)], snapshot: null }));
  a.write(a.store.stateOperations([{ key: bytes('k000001'), value: bytes('changed') }], 3_001, 9_999));
  run();
  assert.deepEqual([a.sent, b.received.map(({ index }) => index)], [[true], [3_000]]);
  assert.deepEqual(keyspaceOf(b, b.store), before);
  assert.deepEqual([a.openViews(), b.openViews(), stagedKeys(b)], [0, 0, 0]);
});

test('an empty keyspace is a snapshot too', () => {
  const { a, b, run } = createWorld();
  start(a, 'b', 5);
  run();
  assert.deepEqual([a.sent, b.received.length, keyspaceOf(b, b.store)], [[true], 1, []]);
});

test('bytes-in-flight: never more than the window, or two large records', () => {
  const { a, b, run, network } = createWorld();
  const sizeOf = (n: number): number => (n % 50 === 0 ? limits.valueBytesMax : n % 7 === 0 ? 40_000 : 300);
  fill(a, 400, (n) => 'x'.repeat(sizeOf(n)));
  start(a, 'b', 400);
  let largest = 0;
  run(() => {
    const chunks = network.letters.filter((letter) => typeOf(letter) === 'chunk');
    const sum = chunks.reduce((total, { bytes: { byteLength } }) => total + byteLength, 0);
    if (chunks.length > 2) largest = Math.max(largest, sum);
    for (const letter of chunks) assert.ok(letter.bytes.byteLength < limits.valueBytesMax + 200);
    return 'deliver';
  });
  assert.ok(largest <= limits.snapshotInflightBytesMax + 8_192, `${largest} bytes and their envelopes`);
  assert.ok(largest > limits.snapshotInflightBytesMax / 2, 'and the window is used');
  assert.deepEqual(a.sent, [true]);
  assert.deepEqual(keyspaceOf(b, b.store), keyspaceOf(a, a.store));
});

test('a receiver that writes slowly slows the sender down', () => {
  const { a, b, network } = createWorld();
  fill(a, 400, () => 'x'.repeat(10_000));
  start(a, 'b', 400);
  // The receiver's disk does nothing, the lane delivers everything at once.
  let chunks = 0;
  for (let turns = 0; turns < 100; turns++) {
    a.clock.pass(1);
    for (; network.letters.length > 0; network.deliver()) if (typeOf(network.letters[0]!) === 'chunk') chunks++;
  }
  assert.ok(chunks * 10_000 <= limits.snapshotInflightBytesMax, `${chunks} chunks without one acknowledged`);
  assert.equal(b.received.length, 0);
});

test('a sender that installs another snapshot meanwhile still sends what it began with', () => {
  const { a, b, run, network } = createWorld();
  fill(a, 500, () => 'old'.repeat(400));
  // What an earlier transfer left behind lies between the generations.
  const broken = a.store.beginStaging();
  a.writer.write(broken.operations([[bytes('leftover'), bytes('x')]]), { durable: false }, () => {});
  const before = keyspaceOf(a, a.store);
  start(a, 'b', 500);
  network.deliver();
  a.clock.settle();
  const staging = a.store.beginStaging();
  a.write(staging.operations([[bytes('k000300'), bytes('new')]]));
  a.store.useStaged(staging.generation);
  a.write(a.store.persist({ hardState: { term: 2, vote: null }, entries: [], snapshot: metaAt(900, 2) }));
  run();
  assert.deepEqual(a.sent, [true]);
  assert.deepEqual(keyspaceOf(b, b.store), before);
});

for (const [what, harm] of [
  ['lost', (network: ReturnType<typeof createHandNetwork>) => void network.lose()],
  [
    'reordered',
    (network: ReturnType<typeof createHandNetwork>) => {
      const [first, second] = network.letters.splice(0, 2);
      network.letters.unshift(second!, first!);
    },
  ],
] as const)
  test(`a transfer with a chunk ${what} ends on both sides, and nothing of it stays`, () => {
    const { a, b, run, network } = createWorld();
    fill(a, 600, () => 'x'.repeat(1_000));
    start(a, 'b', 600);
    let harmed = false;
    run(() => {
      if (!harmed && network.letters.filter((letter) => typeOf(letter) === 'chunk').length > 2) {
        harmed = true;
        harm(network);
      }
      return network.letters.length > 0 ? 'deliver' : 'lose';
    });
    assert.deepEqual([a.sent, b.received.length, stagedKeys(b)], [[false], 0, 0]);
    assert.deepEqual([a.openViews(), b.openViews()], [0, 0]);
    assert.ok(b.refused.includes('SNAPSHOT_ABANDONED'));
    // The next one is none the worse.
    start(a, 'b', 600);
    run();
    assert.deepEqual([a.sent, keyspaceOf(b, b.store)], [[false, true], keyspaceOf(a, a.store)]);
  });

test('a chunk that comes twice does no harm', () => {
  const { a, b, run, network } = createWorld();
  fill(a, 600, () => 'x'.repeat(1_000));
  start(a, 'b', 600);
  run((letter) => {
    if (typeOf(letter) === 'chunk') network.repeat(0);
    return 'deliver';
  });
  assert.deepEqual([a.sent, keyspaceOf(b, b.store)], [[true], keyspaceOf(a, a.store)]);
});

/** The letter with another body. */
const altered = (letter: Letter, alter: (body: unknown[]) => unknown): Letter => {
  const envelope = decodeEnvelope(letter.bytes);
  assert.ok(!('refused' in envelope));
  return { ...letter, bytes: encodeEnvelope({ ...envelope, body: alter(envelope.body as unknown[]) }) };
};

test('what is not exactly what was sent is not installed', () => {
  const alterations: [string, string, (body: unknown[]) => unknown][] = [
    ['a value', 'chunk', ([id, n, records]) => [id, n, (records as unknown[]).with(0, [bytes('k000001'), bytes('forged')])]],
    ['a record less', 'chunk', ([id, n, records]) => [id, n, (records as unknown[]).slice(1)]],
    ['no records', 'chunk', ([id, n]) => [id, n, []]],
    ['no list', 'chunk', ([id, n]) => [id, n, 'records']],
    ['keys that descend', 'chunk', ([id, n, records]) => [id, n, (records as unknown[]).toReversed()]],
    ['a number that is none', 'chunk', ([id, , records]) => [id, '0', records]],
    ['another digest', 'end', ([id, n, digest]) => [id, n, new Uint8Array(digest as Uint8Array).fill(0)]],
    ['no digest', 'end', ([id, n]) => [id, n, null]],
    ['a short digest', 'end', ([id, n, digest]) => [id, n, (digest as Uint8Array).slice(0, 31)]],
    ['another count', 'end', ([id, n, digest]) => [id, (n as number) + 1, digest]],
  ];
  for (const [what, type, alter] of alterations) {
    const { a, b, run, network } = createWorld();
    fill(a, 100, (n) => `v${n}`);
    start(a, 'b', 100);
    run((letter) => {
      if (typeOf(letter) === type) network.letters[0] = altered(letter, alter);
      return 'deliver';
    });
    assert.deepEqual([a.sent, b.received.length, stagedKeys(b)], [[false], 0, 0], what);
  }
});

test('records do not pass under another label, for another group, or as another transfer', () => {
  const others: [string, Options][] = [
    ['another index', { relabel: (meta) => ({ ...meta, index: meta.index + 1 }) }],
    ['another term', { relabel: (meta) => ({ ...meta, term: meta.term + 1 }) }],
    ['another log time', { relabel: (meta) => ({ ...meta, timeMs: meta.timeMs + 1 }) }],
    ['another group', { group: 'other' }],
  ];
  for (const [what, b] of others) {
    const world = createWorld({ b });
    fill(world.a, 50, (n) => `v${n}`);
    start(world.a, 'b', 50);
    // The other group's actor answers under its own address; the test brings its answers to the sender all the same.
    world.run((letter) => {
      const envelope = decodeEnvelope(letter.bytes);
      if (!('refused' in envelope)) letter.bytes = encodeEnvelope({ ...envelope, target: 'snapshot/kv' });
      return 'deliver';
    });
    assert.deepEqual([world.a.sent, world.b.received.length], [[false], 0], what);
  }
});

test('nobody else can add to a transfer, acknowledge it, or end it', () => {
  const { a, b, add, run, network } = createWorld();
  const c = add('c');
  network.connect('c', 'a');
  network.connect('c', 'b');
  fill(a, 300, () => 'x'.repeat(1_000));
  start(a, 'b', 300);
  network.deliver();
  const forge = (to: Node, type: string, body: unknown): void =>
    to.transfers.receive({ peer: 'c', type, body, timeLeftMs: 0, answer: () => {} });
  for (const type of ['ack', 'received', 'refused']) forge(a, type, [1, 9_999]);
  for (const type of ['chunk', 'end']) forge(b, type, [1, 0, [[bytes('forged'), bytes('x')]]]);
  c.clock.settle();
  run();
  assert.deepEqual([a.sent, keyspaceOf(b, b.store)], [[true], keyspaceOf(a, a.store)]);
});

test('a receiver that says it has everything before everything was sent is not believed', () => {
  const { a, network } = createWorld();
  fill(a, 100, (n) => `v${n}`);
  start(a, 'b', 100);
  network.letters.length = 0;
  a.transfers.receive({ peer: 'b', type: 'received', body: [1], timeLeftMs: 0, answer: () => {} });
  assert.deepEqual(a.sent, [false]);
});

test('what makes no sense is refused by name and changes nothing', () => {
  const { a, b, run } = createWorld();
  fill(a, 100, (n) => `v${n}`);
  start(a, 'b', 100);
  for (const body of [null, 'x', [], [Number.NaN], ['1'], [1.5]])
    b.transfers.receive({ peer: 'a', type: 'offer', body, timeLeftMs: 0, answer: () => {} });
  for (const body of [null, 'x', [], [1], [1, 'x'], [1, null]])
    a.transfers.receive({ peer: 'b', type: 'ack', body, timeLeftMs: 0, answer: () => {} });
  for (const type of ['constructor', '', 'chunk', 'end'])
    for (const body of [null, 7, [], [1], {}]) b.transfers.receive({ peer: 'a', type, body, timeLeftMs: 0, answer: () => {} });
  assert.ok(a.refused.includes('MESSAGE_MALFORMED') && b.refused.includes('MESSAGE_MALFORMED'));
  run();
  assert.deepEqual([a.sent, keyspaceOf(b, b.store)], [[true], keyspaceOf(a, a.store)]);
});

test('a transfer that another one to the same replica replaces ends in silence, so that the new one lives', () => {
  const { a, b, run, network } = createWorld();
  fill(a, 300, () => 'x'.repeat(1_000));
  start(a, 'b', 300);
  network.deliver();
  start(a, 'b', 300);
  assert.deepEqual(a.sent, []);
  run();
  assert.deepEqual([a.sent, b.received.length], [[true], 1]);
  start(a, 'b', 300, 'r-old');
  start(a, 'b', 300);
  assert.deepEqual(a.sent, [true, false], 'another replica on that peer is told');
  run();
  assert.equal(a.openViews(), 0);
});

test('a full lane is waited for', () => {
  const { a, b, run, network } = createWorld();
  fill(a, 600, () => 'x'.repeat(1_000));
  let refusals = 0;
  let open = 0;
  network.full = (letter) => letter.lane === 'bulk' && --open < 0 && ++refusals > 0;
  start(a, 'b', 600);
  for (let rounds = 0; rounds < 500 && a.sent.length === 0; rounds++) {
    open = 1;
    a.transfers.drained('b');
    run();
  }
  assert.ok(refusals > 5);
  assert.deepEqual([a.sent, keyspaceOf(b, b.store)], [[true], keyspaceOf(a, a.store)]);
});

test('the end of the connection ends a transfer on both sides, and so does silence', () => {
  const { a, b, network, pass, settle } = createWorld();
  fill(a, 600, () => 'x'.repeat(1_000));
  const begin = (): void => {
    start(a, 'b', 600);
    for (let n = 0; n < 6; n++) {
      network.deliver();
      settle();
    }
  };
  begin();
  network.disconnect('a', 'b');
  settle();
  assert.deepEqual([a.sent, a.openViews(), stagedKeys(b)], [[false], 0, 0]);
  start(a, 'b', 600);
  assert.deepEqual(a.sent, [false, false], 'and there is none without one');
  network.connect('a', 'b');
  begin();
  network.letters.length = 0;
  pass(transferTimeoutMs + 2_000);
  settle();
  assert.deepEqual([a.sent, a.openViews(), stagedKeys(b)], [[false, false, false], 0, 0]);
});

test('a snapshot that came whole and is not wanted any more is deleted', () => {
  const { a, b, run, pass } = createWorld({ b: { install: false } });
  fill(a, 100, (n) => `v${n}`);
  start(a, 'b', 100);
  run();
  pass(1_000);
  assert.deepEqual([b.received.length, stagedKeys(b)], [1, 0]);
});

test('an offer that the machine does not want is refused at once; a sender that stops closes its view', () => {
  const { a, b, network, settle } = createWorld({ b: { relabel: () => metaAt(0, 0) } });
  fill(a, 100, (n) => `v${n}`);
  b.transfers.expect = () => {};
  start(a, 'b', 100);
  network.deliver();
  network.deliver();
  settle();
  assert.deepEqual(a.sent, [false]);
  start(a, 'b', 100);
  assert.equal(a.openViews(), 1);
  a.transfers.stop();
  assert.equal(a.openViews(), 0);
});

test('a store that is no longer used sweeps nothing that its successor stages', () => {
  const { a } = createWorld();
  const staged = a.store.beginStaging();
  a.store.sweep();
  a.store.close();
  // The successor, which found no record of that generation, uses its number again.
  a.writer.write(staged.operations([[bytes('fresh'), bytes('x')]]), { durable: false }, () => {});
  a.clock.pass(1_000);
  assert.equal(stagedKeys(a), 1);
});
