import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  createDiscovery,
  type DiscoveryEvent,
  discoveryDefaults,
  discoveryLimits,
  formMemory,
  parseMemory,
  step,
} from '../../../machines/discovery/index.ts';
import { finding, Stage } from './stage.ts';

const queries = (stage: Stage): string[] => stage.take('query').map(({ source }) => source);
const dialled = (stage: Stage): string[] => stage.take('dial').map(({ addresses }) => addresses.join(' '));

describe('sources', () => {
  test('all are asked side by side, and one that fails hides nothing of the others', () => {
    const stage = new Stage(['dns', 'consul', 'mdns']);
    assert.deepEqual(queries(stage), ['dns', 'consul', 'mdns']);
    stage.failed('dns');
    stage.answered('consul', [finding('b')]);
    assert.deepEqual(stage.places, ['b:found']);
    assert.deepEqual(
      stage.view.sources.map(({ source, state }) => `${source}:${state}`),
      ['dns:failed', 'consul:answered', 'mdns:asking'],
    );
  });

  test('one that never answers has timed out, and is asked again', () => {
    const stage = new Stage(['dns'], { options: { queryTimeoutMs: 2_000 } });
    stage.take('query');
    stage.pass(3_000);
    assert.deepEqual(stage.view.sources[0]!.lastError?.code, 'SOURCE_TIMED_OUT');
    stage.pass(1_000);
    assert.deepEqual(queries(stage), ['dns']);
  });

  test('is asked again before the shortest time to live has run out', () => {
    const stage = new Stage(['dns']);
    stage.met('x');
    stage.take('query');
    stage.answered('dns', [finding('b', { ttlMs: 60_000 }), finding('c', { ttlMs: 20_000 })]);
    stage.pass(11_000);
    assert.deepEqual(queries(stage), []);
    stage.pass(5_000);
    assert.deepEqual(queries(stage), ['dns']);
    assert.deepEqual(stage.places, ['b:found', 'c:found', 'x:confirmed']);
  });

  test('fails: the pauses double to a minute, and its failure is told once', () => {
    const stage = new Stage(['dns']);
    stage.met('x');
    const asked: number[] = [];
    for (let times = 0; times < 12; times++) {
      assert.equal(queries(stage).length, 1, `question ${times}`);
      asked.push(stage.nowMs);
      stage.failed('dns');
      while (!stage.effects.some(({ type }) => type === 'query')) stage.pass(stage.state.deadlineMs - stage.nowMs);
    }
    const pauses = asked.slice(1).map((atMs, at) => atMs - asked[at]!);
    assert.ok(pauses[0]! >= 750 && pauses[0]! <= 1_000, `${pauses[0]}`);
    assert.ok(pauses.at(-1)! >= 45_000 && pauses.at(-1)! <= 60_000, `${pauses.at(-1)}`);
    assert.equal(stage.take('source').length, 1);
    stage.answered('dns', []);
    assert.deepEqual(stage.take('source'), [{ type: 'source', source: 'dns', failure: null }]);
  });

  test('an empty answer holds for its own time (negative cache)', () => {
    const stage = new Stage(['dns']);
    stage.met('x');
    stage.take('query');
    stage.answered('dns', [], 40_000);
    stage.send({ type: 'lookup', id: 1, timeoutMs: 5_000, resultsMax: 10 });
    assert.deepEqual(queries(stage), []);
    assert.equal(stage.take('looked-up').length, 1);
    stage.pass(23_000);
    assert.deepEqual(queries(stage), []);
    stage.pass(10_000);
    assert.deepEqual(queries(stage)[0], 'dns');
  });

  test('who is connected to nobody does not wait until an answer runs out', () => {
    const stage = new Stage(['dns']);
    stage.take('query');
    stage.answered('dns', [finding('b', { ttlMs: 3_600_000 })]);
    stage.pass(5_000);
    assert.deepEqual(queries(stage), ['dns']);
  });

  test('what an unknown source says is nothing', () => {
    const stage = new Stage(['dns']);
    stage.answered('consul', [finding('b')]);
    stage.failed('consul');
    assert.deepEqual(stage.places, []);
  });
});

describe('places', () => {
  test('found, confirmed by admission alone, stale, found again, lost, forgotten', () => {
    const stage = new Stage(['dns'], { options: { staleMs: 100_000, lostMs: 50_000 } });
    stage.answered('dns', [finding('b')]);
    assert.deepEqual(stage.places, ['b:found']);
    stage.met('b');
    assert.deepEqual(stage.places, ['b:confirmed']);
    stage.answered('dns', []);
    assert.deepEqual(stage.places, ['b:confirmed'], 'a connection says more than a source');
    stage.send({ type: 'parted', peer: 'b' });
    assert.deepEqual(stage.places, ['b:stale']);
    stage.answered('dns', [finding('b')]);
    assert.deepEqual(stage.places, ['b:found'], 'proved before is not proved now');
    stage.answered('dns', []);
    stage.pass(99_000);
    assert.deepEqual(stage.places, ['b:stale']);
    stage.pass(1_000);
    assert.deepEqual(stage.places, ['b:lost']);
    stage.pass(50_000);
    assert.deepEqual(stage.places, []);
  });

  test('a place that two sources name is gone when neither does', () => {
    const stage = new Stage(['dns', 'consul']);
    stage.answered('dns', [finding('b', { addresses: ['/dns/one/tcp/1'], priority: 7 })]);
    stage.answered('consul', [finding('b', { addresses: ['/dns/two/tcp/2'], priority: 3 })]);
    const [place] = stage.view.peers;
    assert.deepEqual(place!.addresses, ['/dns/two/tcp/2', '/dns/one/tcp/1'], 'of the best priority first');
    assert.equal(place!.priority, 3);
    assert.deepEqual(place!.sources, ['consul', 'dns']);
    stage.answered('consul', []);
    assert.deepEqual(stage.view.peers[0]!.addresses, ['/dns/one/tcp/1']);
    stage.answered('dns', []);
    assert.deepEqual(stage.places, ['b:stale']);
    assert.deepEqual(stage.view.peers[0]!.addresses, ['/dns/one/tcp/1'], 'served while stale');
  });

  test('its time to live runs out while its source is silent: stale, and still served', () => {
    const stage = new Stage(['dns']);
    stage.answered('dns', [finding('b', { ttlMs: 10_000 })]);
    stage.take('contacts');
    stage.pass(10_000);
    assert.deepEqual(stage.places, ['b:stale']);
    assert.deepEqual(stage.take('contacts'), [], 'membership keeps it');
  });

  test('without a peer id: whoever answers there is who lives there, until somebody else does', () => {
    const stage = new Stage(['dns']);
    const addresses = ['/dns/any/tcp/7400'];
    stage.answered('dns', [finding(null, { addresses })]);
    assert.deepEqual(dialled(stage), ['/dns/any/tcp/7400']);
    stage.send({ type: 'dialled', addresses, peer: 'b' });
    assert.deepEqual(stage.places, ['b:confirmed']);
    stage.pass(25_000);
    stage.answered('dns', [finding(null, { addresses })]);
    assert.deepEqual(stage.places, ['b:confirmed'], 'still claimed');
    stage.pass(1_000);
    assert.deepEqual(dialled(stage).slice(0, 1), ['/dns/any/tcp/7400'], 'alone: tried again');
    stage.send({ type: 'dialled', addresses, peer: 'c' });
    assert.deepEqual(stage.places, ['c:confirmed']);
  });

  test('without a peer id, and whoever lives there connects by itself: confirmed, and one to whoever looks', () => {
    const stage = new Stage(['file']);
    stage.answered('file', [finding(null, { addresses: ['/dns/b/tcp/7400'], priority: 4 })]);
    stage.send({ type: 'dialled', addresses: ['/dns/b/tcp/7400'], peer: null });
    stage.send({ type: 'met', peer: 'b', name: 'n-b', addresses: ['/dns/b/tcp/7400/p2p/b'] });
    assert.deepEqual(
      stage.view.peers.map(({ peer, name, state, sources, healthy }) => ({ peer, name, state, sources, healthy })),
      [{ peer: 'b', name: 'n-b', state: 'confirmed', sources: ['connection', 'file'], healthy: true }],
    );
    stage.send({ type: 'met', peer: 'c', name: 'n-c', addresses: ['/dns/b/tcp/7400/p2p/c'] });
    assert.deepEqual(
      stage.places,
      ['b:confirmed', 'c:confirmed'],
      'a word about the place of another who was proved there is none',
    );
  });

  test('this node is no place: by its peer id, and by an address at which it answers itself', () => {
    const stage = new Stage(['dns']);
    stage.answered('dns', [finding('me'), finding(null)]);
    assert.deepEqual(dialled(stage), ['/dns/somebody/tcp/7400']);
    stage.send({ type: 'dialled', addresses: ['/dns/somebody/tcp/7400'], peer: 'me' });
    assert.deepEqual(stage.places, []);
    stage.answered('dns', [finding(null)]);
    assert.deepEqual(stage.places, []);
    assert.deepEqual(dialled(stage), []);
  });

  test('who was evicted is not served again, whoever names it', () => {
    const stage = new Stage(['dns']);
    stage.answered('dns', [finding('b'), finding('c'), finding(null)]);
    stage.send({ type: 'evicted', peer: 'b' });
    stage.answered('dns', [finding('b'), finding('c'), finding(null)]);
    stage.send({ type: 'told', peer: 'b', name: 'b', addresses: ['/dns/b/tcp/1'] });
    stage.met('b');
    stage.send({ type: 'dialled', addresses: ['/dns/somebody/tcp/7400'], peer: 'b' });
    assert.deepEqual(stage.places, ['c:found', 'null:found']);
  });

  test('at most a hundred: unhealthy first, then the lowest priority, then the newest', () => {
    const stage = new Stage(['dns', 'consul'], { options: { placesMax: 4 } });
    stage.answered('dns', [finding('a', { priority: 9 }), finding('b', { priority: 5 }), finding('c', { healthy: false })]);
    stage.met('x');
    assert.deepEqual(stage.places, ['a:found', 'b:found', 'c:found', 'x:confirmed']);
    stage.answered('consul', [finding('d', { priority: 5 })]);
    assert.deepEqual(stage.places, ['a:found', 'b:found', 'd:found', 'x:confirmed']);
    stage.answered('consul', [finding('d', { priority: 5 }), finding('e', { priority: 9 })]);
    assert.deepEqual(stage.places, ['a:found', 'b:found', 'd:found', 'x:confirmed'], 'equal: the newer goes');
    stage.answered('consul', [finding('d', { priority: 5 }), finding('f', { priority: 1 })]);
    assert.deepEqual(stage.places, ['b:found', 'd:found', 'f:found', 'x:confirmed']);
  });

  test('what members tell is kept behind what was configured, and taken back', () => {
    const stage = new Stage([]);
    stage.send({ type: 'told', peer: 'b', name: 'n-b', addresses: ['/dns/b/tcp/1'] });
    assert.deepEqual(stage.view.peers[0]!.sources, ['exchange']);
    stage.send({ type: 'untold', peer: 'b' });
    stage.send({ type: 'untold', peer: 'nobody' });
    assert.deepEqual(stage.places, ['b:stale']);
  });
});

describe('dialling', () => {
  test('each new place once, at most so many at once; best first', () => {
    const stage = new Stage(['dns'], { options: { dialsMax: 2 } });
    stage.met('x');
    stage.answered('dns', [finding('c', { priority: 3 }), finding('a', { priority: 1 }), finding('b', { priority: 2 })]);
    assert.deepEqual(dialled(stage), ['/dns/a/tcp/7400', '/dns/b/tcp/7400']);
    stage.send({ type: 'dialled', addresses: ['/dns/a/tcp/7400'], peer: null });
    assert.deepEqual(dialled(stage), ['/dns/c/tcp/7400']);
    stage.pass(20_000);
    assert.deepEqual(dialled(stage), [], 'the rest is left to membership');
  });

  test('again and again while alone, with pauses that grow to five seconds', () => {
    const stage = new Stage(['dns']);
    stage.answered('dns', [finding('b', { ttlMs: 3_600_000 })]);
    let dials = 0;
    for (; stage.nowMs < 60_000; stage.pass(500)) {
      for (const { addresses } of stage.take('dial')) {
        dials++;
        stage.send({ type: 'dialled', addresses, peer: null });
      }
    }
    assert.ok(dials >= 12 && dials <= 20, `${dials} dials in a minute`);
    assert.equal(stage.view.peers[0]!.healthy, false);
    stage.met('x');
    stage.take('dial');
    stage.pass(60_000);
    assert.deepEqual(dialled(stage), []);
  });

  test('a place that moved is tried at once', () => {
    const stage = new Stage(['dns']);
    stage.met('x');
    stage.answered('dns', [finding('b', { addresses: ['/dns/old/tcp/1'] })]);
    assert.deepEqual(dialled(stage), ['/dns/old/tcp/1']);
    stage.send({ type: 'dialled', addresses: ['/dns/old/tcp/1'], peer: null });
    stage.answered('dns', [finding('b', { addresses: ['/dns/new/tcp/2'] })]);
    assert.deepEqual(dialled(stage), ['/dns/new/tcp/2']);
  });
});

describe('look-ups', () => {
  test('answered when all have answered, with at most so many places and every failure', () => {
    const stage = new Stage(['dns', 'consul', 'mdns']);
    stage.send({ type: 'lookup', id: 7, timeoutMs: 5_000, resultsMax: 2 });
    stage.answered('dns', [finding('a', { priority: 2 }), finding('b', { priority: 1 }), finding('c', { priority: 3 })]);
    stage.failed('consul');
    assert.deepEqual(stage.take('looked-up'), []);
    stage.answered('mdns', []);
    const [{ id, places, failures } = assert.fail()] = stage.take('looked-up');
    assert.equal(id, 7);
    assert.deepEqual(
      places.map(({ peer }) => peer),
      ['b', 'a'],
    );
    assert.deepEqual(failures, [{ source: 'consul', code: 'SOURCE_UNREACHABLE', message: 'no route' }]);
  });

  test('at its end those who have not answered have timed out', () => {
    const stage = new Stage(['dns', 'consul']);
    stage.send({ type: 'lookup', id: 1, timeoutMs: 500, resultsMax: 10 });
    stage.answered('dns', [finding('a')]);
    stage.pass(500);
    const [{ places, failures } = assert.fail()] = stage.take('looked-up');
    assert.equal(places.length, 1);
    assert.deepEqual(
      failures.map(({ source, code }) => `${source} ${code}`),
      ['consul SOURCE_TIMED_OUT'],
    );
  });

  test('among equal priorities weight decides how often one is first (RFC 2782)', () => {
    const stage = new Stage(['dns']);
    stage.answered('dns', [finding('light', { weight: 10 }), finding('heavy', { weight: 90 }), finding('none')]);
    const first: Record<string, number> = {};
    for (let id = 0; id < 2_000; id++) {
      stage.send({ type: 'lookup', id, timeoutMs: 5_000, resultsMax: 1 });
      const [{ places } = assert.fail()] = stage.take('looked-up');
      first[places[0]!.peer!] = (first[places[0]!.peer!] ?? 0) + 1;
    }
    assert.ok(first.heavy! > 1_650 && first.heavy! < 1_900, JSON.stringify(first));
    assert.ok((first.none ?? 0) > 0 && first.none! < 100, JSON.stringify(first));
  });

  test('too many at once are answered with what is known', () => {
    const stage = new Stage(['dns']);
    for (let id = 0; id < discoveryLimits.lookupsMax + 1; id++)
      stage.send({ type: 'lookup', id, timeoutMs: 5_000, resultsMax: 10 });
    const [{ id, failures } = assert.fail()] = stage.take('looked-up');
    assert.equal(id, discoveryLimits.lookupsMax);
    assert.equal(failures[0]!.code, 'SOURCE_TIMED_OUT');
  });
});

describe('memory', () => {
  test('what the disk remembers is served as stale, tried, and written again only when it changed', () => {
    const remembered = [{ peer: 'b', name: 'n-b', addresses: ['/dns/b/tcp/1'], priority: 0, weight: 0 }];
    const stage = new Stage([], { remembered });
    assert.deepEqual(stage.places, ['b:stale']);
    assert.deepEqual(dialled(stage), ['/dns/b/tcp/1']);
    stage.pass(5_000);
    assert.deepEqual(stage.take('persist'), []);
    stage.send({ type: 'met', peer: 'c', name: 'n-c', addresses: ['/dns/c/tcp/1'] });
    stage.pass(999);
    assert.deepEqual(stage.take('persist'), []);
    stage.pass(1);
    const [{ places } = assert.fail()] = stage.take('persist');
    assert.deepEqual(
      places.map(({ peer }) => peer),
      ['b', 'c'],
    );
    assert.deepEqual(parseMemory(formMemory(places)), places);
  });

  test('damaged memory is none, and damaged places are left out', () => {
    for (const value of [undefined, null, 3, [], [2, []], [1], [1, 'x'], { 0: 1 }]) assert.equal(parseMemory(value), null);
    const good = [null, null, ['/dns/b/tcp/1'], 0, 65_535];
    const bad = [
      [],
      7,
      ['', null, ['/x'], 0, 0],
      ['p', null, [], 0, 0],
      ['p', null, ['/x'], -1, 0],
      ['p', 'n'.repeat(99), ['/x'], 0, 0],
    ];
    assert.equal(parseMemory([1, [...bad, good]])?.length, 1);
  });
});

test('whatever happens in whatever order, what must be true is true, and it sleeps in between', () => {
  const peer = fc.constantFrom('a', 'b', 'c', 'd', 'me');
  const address = fc.constantFrom('/dns/a/tcp/1', '/dns/b/tcp/1', '/dns/c/tcp/1', '/dns/d/tcp/1');
  const addresses = fc.uniqueArray(address, { minLength: 1, maxLength: 3 });
  const found = fc.record({
    ...{
      peer: fc.option(peer),
      name: fc.constant(null),
      addresses,
      priority: fc.nat(3),
      weight: fc.nat(2),
      healthy: fc.boolean(),
    },
    ttlMs: fc.constantFrom(1_000, 20_000),
  });
  const source = fc.constantFrom('one', 'two', 'three');
  const name = fc.constant('n');
  const event: fc.Arbitrary<DiscoveryEvent> = fc.oneof(
    fc.record({
      type: fc.constant('answered' as const),
      source,
      findings: fc.array(found, { maxLength: 4 }),
      emptyTtlMs: fc.constant(2_000),
    }),
    fc.record({ type: fc.constant('failed' as const), source, code: fc.constant('X'), message: name }),
    fc.record({ type: fc.constant('met' as const), peer, name, addresses }),
    fc.record({ type: fc.constant('parted' as const), peer }),
    fc.record({ type: fc.constant('told' as const), peer, name, addresses }),
    fc.record({ type: fc.constant('untold' as const), peer }),
    fc.record({ type: fc.constant('evicted' as const), peer: fc.constantFrom('d', 'e') }),
    fc.record({ type: fc.constant('dialled' as const), addresses, peer: fc.option(peer) }),
    fc.record({ type: fc.constant('lookup' as const), id: fc.nat(), timeoutMs: fc.constant(3_000), resultsMax: fc.nat(3) }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(8_000)), { maxLength: 60 }), fc.integer(), (events, seed) => {
      const options = { ...discoveryDefaults, placesMax: 4, dialsMax: 2, staleMs: 20_000, lostMs: 10_000 };
      const state = createDiscovery({ self: 'me', options, sources: ['one', 'two'], remembered: [], seed, nowMs: 0 });
      let nowMs = 0;
      const dials: string[][] = [];
      const run = (what: DiscoveryEvent): void => {
        for (const effect of step(state, nowMs, what)) if (effect.type === 'dial') dials.push(effect.addresses);
        assert.ok(state.deadlineMs > nowMs, `wants to wake at ${state.deadlineMs}, at ${nowMs}`);
      };
      for (const [what, afterMs] of events) {
        run(what.type === 'dialled' && dials.length > 0 ? { ...what, addresses: dials.shift()! } : what);
        const endMs = nowMs + afterMs;
        while (state.deadlineMs <= endMs) {
          nowMs = state.deadlineMs;
          run({ type: 'wake' });
        }
        nowMs = endMs;
      }
    }),
    { numRuns: 300 },
  );
});
