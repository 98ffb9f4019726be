// The actor that forms the cluster: it says nothing before the disk has it, and what an earlier incarnation began it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGenesisActor, type GenesisArguments, genesisAddress } from '../../actors/genesis.ts';
import { readGenesis } from '../../actors/identity.ts';
import { noLookup, type StorageOperation } from '../../actors/ports/index.ts';
import { createRouter, type Delivery } from '../../actors/router.ts';
import { createWriter } from '../../actors/writer.ts';
import type { Genesis } from '../../machines/genesis/index.ts';
import { createMemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock, quietSink } from './hand-clock.ts';
import { envelopeOf } from './hand-cluster.ts';
import { createHandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';

const createWorld = (name: string, bootstrap: string[]) => {
  const clock = createHandClock();
  const storage = createMemoryStorage(new Map(), clock.later);
  const sink = quietSink();
  const network = createHandNetwork();
  const port = network.port(`p-${name}`);
  const router = createRouter({ network: port, clock, sink });
  const writer = createWriter({ storage, clock, sink });
  const formed: Genesis[] = [];
  const lost: boolean[] = [];
  let ids = 0;
  const formOperations = (): StorageOperation[] => [{ key: Uint8Array.of(1), value: Uint8Array.of(++ids) }];
  for (const peer of ['p-n1', 'p-n2', 'p-n3']) network.connect(`p-${name}`, peer);
  const start = (given: Partial<GenesisArguments> = {}) => {
    const scope = createHandScope(clock);
    const actor = createGenesisActor(scope, {
      ...{ cluster: 'c', self: { name, peer: `p-${name}`, replicas: { kv: `r-${name}` } }, bootstrap, groups: ['kv'] },
      ...{ genesis: null, newClusterId: `id-${++ids}`, connected: [] },
      ports: {
        clock,
        lookup: noLookup,
        random: { uint32: () => 0, bytes: (length) => new Uint8Array(length) },
        network: port,
        storage,
        sink,
      },
      ...{ router, writer, formOperations, taken: () => ({}) },
      onFormed: (genesis) => void formed.push(genesis),
      onIdentityLost: (is) => void lost.push(is),
      ...given,
    });
    const tell = (peer: string, type: string, body: unknown): void =>
      actor.receive({ type: 'delivery', delivery: { peer, type, body, timeLeftMs: 0, answer: () => {} } satisfies Delivery });
    return { actor, tell, end: scope.end };
  };
  const sent = (): string[] => network.letters.splice(0).map((letter) => `${envelopeOf(letter).type} ${letter.to}`);
  return { clock, storage, writer, start, formed, lost, sent, sink };
};

const offer = (name: string) => ({ name, bootstrap: ['n1', 'n2'], groups: ['kv'], replicas: { kv: `r-${name}` } });

test('the genesis is told and used once the disk has it, in one batch with its groups', () => {
  const { clock, storage, start, formed, sent } = createWorld('n1', ['n1', 'n2']);
  const { actor, tell } = start();
  actor.receive({ type: 'peer-open', peer: 'p-n2' });
  tell('p-n2', 'offer', offer('n2'));
  tell('p-n3', 'ask', 'n3');
  assert.deepEqual([formed.length, sent()], [0, ['offer p-n2']]);
  clock.settle();
  assert.deepEqual([formed.length, sent()], [1, ['formed p-n2']]);
  assert.equal(storage.batches.length, 1);
  assert.equal(storage.batches[0]!.operations.length, 2);
  assert.equal(storage.batches[0]!.durable, true);
  tell('p-n3', 'ask', 'n3');
  assert.deepEqual(sent(), ['formed p-n3']);
});

test('one incarnation begins, another ends: one genesis, whether or not the disk has it by then', () => {
  for (const settled of [false, true]) {
    const { clock, storage, start, formed, sent } = createWorld('n1', ['n1']);
    start().end();
    if (settled) clock.settle();
    const { tell } = start({ connected: ['p-n2'] });
    tell('p-n2', 'ask', 'n2');
    assert.deepEqual([formed.length, sent()], [0, []], 'not before it is durable');
    clock.settle();
    assert.deepEqual(
      formed.map(({ clusterId }) => clusterId),
      ['id-1'],
    );
    assert.equal(readGenesis(storage)?.clusterId, 'id-1');
    assert.equal(storage.batches.flatMap(({ operations }) => operations).length, 2, 'its groups are made once');
    tell('p-n2', 'ask', 'n2');
    assert.ok(sent().includes('formed p-n2'));
  }
});

test('an incarnation asks those who were connected before it', () => {
  const { clock, start, sent } = createWorld('n2', ['n1', 'n2']);
  start({ connected: ['p-n1', 'p-n3'] });
  assert.deepEqual(sent(), ['offer p-n1', 'offer p-n3']);
  clock.pass(500);
  assert.deepEqual(sent(), ['offer p-n1', 'offer p-n3']);
});

test('a node that knows its genesis says so in a later turn, once', () => {
  const { clock, start, formed } = createWorld('n1', ['n1']);
  const genesis: Genesis = { clusterId: 'id', cluster: 'c', groups: ['kv'], nodes: [] };
  start({ genesis });
  assert.equal(formed.length, 0);
  clock.pass(5_000);
  assert.deepEqual(formed, [genesis]);
});

test('a disk that refuses the genesis is no failure of the actor, and nothing is said', () => {
  const { clock, storage, start, formed, sent, sink } = createWorld('n1', ['n1']);
  storage.failWith({ code: 'DISK_FULL', message: 'no space' });
  start({ connected: ['p-n2'] });
  sent();
  clock.settle();
  assert.deepEqual(
    sink.lines.filter((line) => line.includes('THREW')),
    [],
  );
  assert.deepEqual([formed.length, sent()], [0, []]);
});

test('a name that is lost and found again is told each time; what makes no sense is refused', () => {
  const { start, lost, sink } = createWorld('n2', []);
  const { actor, tell } = start();
  const genesis = { clusterId: 'id', cluster: 'c', groups: ['kv'], nodes: [] };
  tell('p-n1', 'formed', { genesis, taken: { n2: 'p-other' } });
  actor.receive({ type: 'hosted' });
  assert.deepEqual(lost, [true, false]);
  for (const body of [null, 7, {}, { genesis: null, taken: {} }, { genesis, taken: [] }, { genesis, taken: { n2: 7 } }])
    tell('p-n1', 'formed', body);
  for (const type of ['constructor', 'x'.repeat(100_000)]) tell('p-n1', type, null);
  assert.ok(sink.lines.includes('warn MESSAGE_MALFORMED'));
  assert.equal(genesisAddress, 'genesis');
});
