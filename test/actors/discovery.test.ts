// Discovery's actor: what it asks of the look-up port, what it tells others, and what its disk keeps.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDiscoveryActor, type Found } from '../../actors/discovery.ts';
import { placesOperation, readPlaces } from '../../actors/identity.ts';
import type { Announcement, Finding, LookupPort } from '../../actors/ports/index.ts';
import { createWriter } from '../../actors/writer.ts';
import { type DiscoveryView, discoveryDefaults } from '../../machines/discovery/index.ts';
import { createMemoryStorage, type MemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';

const place = (peer: string, given: Partial<Finding> = {}): Finding => ({
  ...{ peer, name: peer, addresses: [`/dns/${peer}/tcp/1/p2p/${peer}`], priority: 0, weight: 0, healthy: true, ttlMs: 30_000 },
  ...given,
});

type Contents = ReturnType<MemoryStorage['contents']>;

const start = (contents: Contents = new Map()) => {
  const clock = createHandClock();
  const asked: string[] = [];
  const announced: Announcement[] = [];
  const lookup: LookupPort = {
    sources: ['dns', 'consul'],
    start() {},
    query: (source) => void asked.push(source),
    announce: (self) => void announced.push(self),
    stop: (done) => done(),
  };
  const storage = createMemoryStorage(contents, clock.later);
  const lines: string[] = [];
  const sink = { log: (level: string, code: string) => void lines.push(`${level} ${code}`), count() {} };
  const ports = {
    ...{ clock, lookup, storage, sink, network: createHandNetwork().port('me') },
    random: { uint32: () => 7, bytes: (length: number) => new Uint8Array(length) },
  };
  const dials: string[] = [];
  let contacts: string[] = [];
  let view: () => DiscoveryView = assert.fail;
  const scope = createHandScope(clock);
  const actor = createDiscoveryActor(scope, {
    ...{ options: discoveryDefaults, ports, writer: createWriter({ storage, clock, sink }), connected: [] },
    ...{ remembered: () => readPlaces(storage, sink), memoryOperation: placesOperation },
    onDial: (addresses) => void dials.push(addresses.join(' ')),
    onContacts(now) {
      contacts = now.map(({ peer, addresses }) => `${peer} ${addresses.join(' ')}`);
    },
    onView(now) {
      view = now;
    },
  });
  const answer = (source: string, findings: Finding[]): void =>
    actor.receive({ type: 'lookup-event', event: { type: 'answered', source, findings, emptyTtlMs: 5_000 } });
  const states = (): string[] => view().peers.map(({ peer, state }) => `${peer}:${state}`);
  return { ...{ clock, asked, dials, lines, storage, actor, answer, states }, contacts: () => contacts, view: () => view() };
};

test('asks every source at the start, dials what is found, and tells membership where members may live', () => {
  const { asked, dials, answer, states, contacts, actor } = start();
  assert.deepEqual(asked, ['dns', 'consul']);
  answer('dns', [place('b')]);
  assert.deepEqual(dials, ['/dns/b/tcp/1/p2p/b']);
  assert.deepEqual(contacts(), ['b /dns/b/tcp/1/p2p/b']);
  actor.receive({ type: 'dialled', addresses: ['/dns/b/tcp/1/p2p/b'], peer: 'b' });
  actor.receive({ type: 'met', peer: 'b', name: 'b', addresses: ['/dns/b/tcp/1/p2p/b'] });
  assert.deepEqual(states(), ['b:confirmed']);
});

test('a place that cannot be reached is told of with the reason, once and then now and then', () => {
  const { actor, answer, clock, dials, lines } = start();
  answer('dns', [place('b')]);
  for (let at = 0; at < 200; at++) {
    actor.receive({ type: 'dialled', addresses: ['/dns/b/tcp/1/p2p/b'], peer: null, reason: 'connect ECONNREFUSED' });
    for (let waited = 0; waited < 100 && dials.length < at + 2; waited++) {
      clock.pass(1_000);
      answer('dns', [place('b')]);
    }
  }
  assert.deepEqual(
    lines.filter((line) => line.startsWith('info DIAL_FAILED')),
    ['info DIAL_FAILED', 'info DIAL_FAILED'],
  );
});

test('what it knew outlives the process, and a damaged memory is told of', () => {
  const first = start();
  first.answer('dns', [place('b')]);
  first.clock.pass(2_000);
  const contents = first.storage.contents();
  const second = start(contents);
  assert.deepEqual(second.states(), ['b:stale']);
  assert.deepEqual(second.dials, ['/dns/b/tcp/1/p2p/b']);
  const damaged = [...contents].map(([name, record]) => [name, [record[0], new Uint8Array([0xc1, 7])]] as const);
  const third = start(new Map<string, [Uint8Array, Uint8Array]>(damaged as never));
  assert.deepEqual(third.states(), []);
  assert.ok(third.lines.includes('warn PLACES_DAMAGED'));
});

test('a look-up is answered once: by its sources, or when the actor ends', () => {
  const { actor, answer, clock } = start();
  const found: Found[] = [];
  actor.receive({ type: 'lookup', timeoutMs: 2_000, resultsMax: 5, done: (one) => found.push(one) });
  answer('dns', [place('b')]);
  assert.equal(found.length, 0);
  clock.pass(2_000);
  assert.deepEqual(
    found.map(({ places, failures }) => [places.map(({ peer }) => peer), failures.map(({ source }) => source)]),
    [[['b'], ['consul']]],
  );
  actor.receive({ type: 'lookup', timeoutMs: 2_000, resultsMax: 5, done: (one) => found.push(one) });
  actor.stop(null);
  assert.equal(found.length, 2);
});

test('a source that fails is told of once, and again when it answers', () => {
  const { actor, answer, lines } = start();
  const fail = (): void =>
    actor.receive({ type: 'lookup-event', event: { type: 'failed', source: 'dns', code: 'SOURCE_REFUSED', message: 'no' } });
  fail();
  fail();
  answer('dns', []);
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('debug')),
    ['warn SOURCE_REFUSED', 'info SOURCE_ANSWERS'],
  );
});
