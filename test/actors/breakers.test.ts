// The breakers of a node: every call asks, every end is told, one timer wakes those that are due, and a person may hold any of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BreakerChange, type BreakersDoor, createBreakers } from '../../actors/breakers.ts';
import { type BreakerOptions, breakerDefaults } from '../../machines/breaker/index.ts';
import { createHandClock, type HandClock } from './hand-clock.ts';

type World = {
  clock: HandClock;
  door: BreakersDoor;
  changes: string[];
  lines: string[];
  counts: Map<string, number>;
  timers: () => number;
};

const names = new Map([
  ['p1', 'n1'],
  ['p2', 'n2'],
]);

const makeWorld = (options: Partial<BreakerOptions> = {}, breakersMax?: number): World => {
  const hand = createHandClock();
  let timers = 0;
  const clock: HandClock = {
    ...hand,
    after(delayMs, wake) {
      timers++;
      return hand.after(delayMs, wake);
    },
  };
  const [changes, lines, counts]: [string[], string[], Map<string, number>] = [[], [], new Map()];
  const door = createBreakers({
    ...{ options: { ...breakerDefaults, jitter: 0, ...options }, identity: 'p0 1', clock },
    nameOf: (peer) => names.get(peer) ?? null,
    peerCalled: (node) => [...names].find((pair) => pair.includes(node))?.[0] ?? null,
    sink: {
      log: (level, code, message) => void lines.push(`${level} ${code} ${message}`),
      count(name, labels = {}) {
        const series = [name, ...Object.values(labels)].join(' ');
        counts.set(series, (counts.get(series) ?? 0) + 1);
      },
    },
    ...(breakersMax === undefined ? {} : { breakersMax }),
  });
  door.onChanged(({ peer, service, to, why }: BreakerChange) => void changes.push(`${peer} ${service} ${to} ${why}`));
  return { clock, door, changes, lines, counts, timers: () => timers };
};

const fail = ({ door }: World, peer: string, service: string, times = 5): void => {
  for (let n = 0; n < times; n++) door.settle(peer, service, door.admit(peer, service), 'UNREACHABLE', 1);
};

test('five failures of a service at a peer close the door to that one only, for a minute', () => {
  const world = makeWorld();
  const { door, clock } = world;
  fail(world, 'p1', 'a', 4);
  assert.deepEqual(door.at('p1', 'a'), { breaker: 'closed', probes: 0 });
  fail(world, 'p1', 'a', 1);
  assert.deepEqual(door.at('p1', 'a'), { breaker: 'open', probes: 0 });
  assert.equal(door.admit('p1', 'a'), 0);
  for (const [peer, service] of [
    ['p1', 'b'],
    ['p2', 'a'],
  ] as const)
    assert.ok(door.admit(peer, service) > 0);
  assert.deepEqual(door.refusal('p1', 'a'), {
    ...{ code: 'BREAKER_OPEN', message: "'a' at n1 failed too often and is left alone" },
    details: { node: 'n1', service: 'a', retryAfterMs: 60_000 },
  });
  clock.pass(59_999);
  assert.equal(door.at('p1', 'a').breaker, 'open');
  clock.pass(1);
  assert.deepEqual(world.changes, ['p1 a open FAILED_TOO_OFTEN', 'p1 a half-open WAITED'], 'by its own timer');
  assert.deepEqual(door.at('p1', 'a'), { breaker: 'half-open', probes: 1 });
});

test('half-open lets its probe through, and no other call until that one has ended', () => {
  const world = makeWorld({ probes: 2 });
  const { door, clock } = world;
  fail(world, 'p1', 'a');
  clock.pass(60_000);
  const probes = [door.admit('p1', 'a'), door.admit('p1', 'a')] as const;
  assert.ok(probes[0] > 0 && probes[1] > probes[0]);
  assert.deepEqual(door.at('p1', 'a'), { breaker: 'half-open', probes: 0 });
  assert.equal(door.admit('p1', 'a'), 0);
  assert.match(door.refusal('p1', 'a').message, /is being tried/);
  door.settle('p1', 'a', probes[0], 'OVERLOADED', 1);
  assert.deepEqual(door.at('p1', 'a'), { breaker: 'half-open', probes: 1 }, 'it says nothing and gives its place back');
  door.settle('p1', 'a', probes[1], null, 1);
  door.settle('p1', 'a', door.admit('p1', 'a'), 'KEY_NOT_FOUND', 1);
  assert.equal(door.at('p1', 'a').breaker, 'closed');
  assert.deepEqual([world.counts.get('breaker_refused_total'), world.counts.get('breaker_changes_total closed')], [1, 1]);
});

test('a probe that nobody settles gives its place back when its time is over', () => {
  const world = makeWorld();
  fail(world, 'p1', 'a');
  world.clock.pass(60_000);
  const lost = world.door.admit('p1', 'a');
  world.clock.pass(34_999);
  assert.equal(world.door.admit('p1', 'a'), 0);
  world.clock.pass(1);
  const next = world.door.admit('p1', 'a');
  assert.ok(next > lost);
  world.door.settle('p1', 'a', lost, null, 35_001);
  assert.equal(world.door.at('p1', 'a').breaker, 'half-open', 'too late');
  world.door.settle('p1', 'a', next, null, 1);
  assert.equal(world.door.at('p1', 'a').breaker, 'closed');
});

test('many that open at different times are each woken at their own, by one timer', () => {
  const world = makeWorld();
  for (let n = 0; n < 20; n++) {
    fail(world, 'p1', `s${n % 10}-${n}`);
    world.clock.pass(100);
  }
  assert.equal(world.timers(), 1);
  world.changes.length = 0;
  for (let n = 0; n < 20; n++) {
    world.clock.pass(n === 0 ? 60_000 - 2_000 : 100);
    assert.equal(world.changes.length, n + 1);
  }
  assert.ok(world.timers() <= 21, `${world.timers()}`);
});

test('a person opens, closes and resets one service or all of a node', () => {
  const world = makeWorld();
  const { api, admit, at } = world.door;
  fail(world, 'p1', 'a');
  assert.deepEqual(api.commandBreaker({ node: 'n1', service: null }, 'close'), { ok: true, value: 1 });
  assert.ok(admit('p1', 'a') > 0);
  fail(world, 'p1', 'a', 20);
  assert.equal(at('p1', 'a').breaker, 'closed', 'it is held');
  assert.deepEqual(
    api.commandBreaker({ node: 'p1', service: 'b' }, 'open'),
    { ok: true, value: 1 },
    'one that was never called',
  );
  world.clock.pass(10_000_000);
  assert.equal(admit('p1', 'b'), 0);
  assert.equal(world.door.refusal('p1', 'b').details?.retryAfterMs, null);
  assert.deepEqual(
    api.breakers().map(({ node, service, status, isForced, refused }) => [node, service, status, isForced, refused]),
    [
      ['n1', 'a', 'forced-closed', true, 0],
      ['n1', 'b', 'forced-open', true, 1],
    ],
  );
  assert.deepEqual(api.commandBreaker({ node: 'n1', service: null }, 'reset'), { ok: true, value: 2 });
  assert.deepEqual([at('p1', 'b').breaker, world.door.notable()], ['closed', []]);
});

test('what is wrong with a command is said', () => {
  const { api } = makeWorld({}, 4).door;
  const codeOf = (node: unknown, service: unknown, what: unknown): string => {
    const outcome = api.commandBreaker({ node, service } as never, what as never);
    return outcome.ok ? 'ok' : outcome.failure.code;
  };
  assert.equal(codeOf('n9', null, 'open'), 'MEMBER_NOT_FOUND');
  for (const node of ['', 7, 'n'.repeat(129), undefined]) assert.equal(codeOf(node, null, 'open'), 'INVALID_REQUEST');
  for (const service of ['', 7, 's'.repeat(129), 'a\nb', undefined])
    assert.equal(codeOf('n1', service, 'open'), 'INVALID_REQUEST');
  for (const what of ['half-open', '', undefined, 'constructor']) assert.equal(codeOf('n1', 'a', what), 'INVALID_REQUEST');
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((service) => codeOf('n1', service, 'open')),
    ['ok', 'ok', 'ok', 'OVERLOADED'],
    'one place is left for all others',
  );
  assert.equal(codeOf('n1', null, 'reset'), 'ok');
});

test('the table is bounded, and what a breaker that was given up admitted concerns nobody', () => {
  const world = makeWorld({}, 8);
  const { door } = world;
  const early = door.admit('p1', 'early');
  fail(world, 'p1', 'early');
  for (let n = 0; n < 100; n++) fail(world, 'p2', `s${n}`);
  assert.equal(door.api.breakers().length, 8);
  assert.equal(door.at('p1', 'early').breaker, 'closed', 'it was given up');
  door.settle('p1', 'early', early, 'UNREACHABLE', 1);
  door.admit('p1', 'early');
  for (let n = 0; n < 5; n++) door.settle('p1', 'early', early, 'UNREACHABLE', 1);
  assert.equal(door.at('p1', 'early').breaker, 'closed', 'late');
  world.clock.pass(60_000);
  assert.equal(door.notable().filter(({ status }) => status === 'open').length, 0);
});

test('who is not coming back is forgotten, but for what is held', () => {
  const world = makeWorld();
  for (const service of ['a', 'b']) fail(world, 'p1', service);
  fail(world, 'p2', 'a');
  world.door.api.commandBreaker({ node: 'n1', service: 'b' }, 'open');
  const change = { before: 'alive', why: 'said' } as const;
  world.door.members([
    { ...change, peer: 'p1', after: 'left' },
    { ...change, peer: 'p2', after: 'failed' },
  ]);
  assert.deepEqual(
    world.door.notable().map(({ node, service, status }) => [node, service, status]),
    [
      ['n1', 'b', 'forced-open'],
      ['n2', 'a', 'open'],
    ],
  );
});

test('a peer that fails in all that it offers is one line of the log', () => {
  const world = makeWorld();
  for (let n = 0; n < 50; n++) fail(world, 'p1', `s${n}`);
  assert.deepEqual(world.lines, ["warn BREAKER_OPEN 's0' at n1 is not called for 60000 ms"]);
});

test('after the end no timer is left', () => {
  const world = makeWorld();
  fail(world, 'p1', 'a');
  world.door.stop();
  fail(world, 'p1', 'b');
  world.clock.pass(100_000);
  assert.deepEqual(world.changes, ['p1 a open FAILED_TOO_OFTEN', 'p1 b open FAILED_TOO_OFTEN']);
});

test('whatever is called and however it ends, what `at` says is what `admit` does', () => {
  const call = fc.record({
    peer: fc.constantFrom('p1', 'p2'),
    service: fc.constantFrom('a', 'b'),
    code: fc.constantFrom(null, 'UNREACHABLE' as const, 'OVERLOADED' as const),
    heldMs: fc.constantFrom(0, 0, 10, 40_000),
    afterMs: fc.constantFrom(0, 1, 5_000, 61_000),
  });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 120 }), fc.integer({ min: 1, max: 3 }), (calls, probes) => {
      const { door, clock } = makeWorld({ probes, failuresMax: 2 }, 3);
      for (const { peer, service, code, heldMs, afterMs } of calls) {
        const { breaker, probes: free } = door.at(peer, service);
        const ticket = door.admit(peer, service);
        assert.equal(ticket > 0, breaker === 'closed' || free > 0);
        if (breaker === 'half-open') assert.equal(door.at(peer, service).probes, Math.max(0, free - 1));
        const end = (): void => door.settle(peer, service, ticket, code, heldMs);
        if (ticket > 0) clock.after(heldMs, end);
        clock.pass(afterMs);
      }
    }),
    { numRuns: 200, seed: 11 },
  );
});
