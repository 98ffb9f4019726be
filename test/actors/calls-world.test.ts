// Calls in a world that loses connections, processes and patience: whatever happens in whatever order, what is not idempotent is executed
// at most once, what was answered exactly once, a definite failure never, each call ends once and in time, and nothing is left in the end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noBreakers } from '../../actors/call-breakers.ts';
import { callingDefaults } from '../../actors/call-options.ts';
import { type CallsCore, type CallsEvent, createCalls } from '../../actors/calls.ts';
import { directly, rpcAddress } from '../../actors/calls-post.ts';
import { createRouter } from '../../actors/router.ts';
import type { CallHandle } from '../../actors/service-api.ts';
import type { Component } from '../../actors/supervise.ts';
import { errorTable, failure } from '../../machines/errors.ts';
import { nextUint32, randomFrom } from '../../machines/random.ts';
import { type CallMemory, callTypes, createMemory, parseCall } from '../../machines/rpc/index.ts';
import { createHandClock, quietSink } from './hand-clock.ts';
import { envelopeOf } from './hand-cluster.ts';
import { createHandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';
import { createHandCatalog, createHandServices, type HandMethod } from './hand-services.ts';

const peers = ['p-n0', 'p-n1', 'p-n2'] as const;
type Peer = (typeof peers)[number];
const others = (peer: Peer): Peer[] => peers.filter((one) => one !== peer);

type Mini = { epoch: number; core: CallsCore; component: Component<CallsEvent>; end: () => void; memory: CallMemory };
type Made = {
  method: string;
  deadlineMs: number;
  from: Peer;
  epoch: number;
  executions: string[];
  items: unknown[];
  asked: number;
  outcome: string | null;
  value: unknown;
  endedMs: number;
  handle: CallHandle;
};

const createWorld = () => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const catalog = createHandCatalog();
  const nodes = new Map<Peer, Mini>();
  const epochs = new Map<Peer, number>(peers.map((peer) => [peer, 0]));
  const calls: Made[] = [];
  /** Executions that may be ended, each with the process in which it runs. */
  let running: { peer: Peer; epoch: number; end: () => void }[] = [];
  const broken: unknown[] = [];

  const methodOf = (peer: Peer, epoch: number, name: string): HandMethod => ({
    ...{ idempotent: name !== 'once', isStream: name === 'items' },
    invoke(input, _context, on) {
      const made = calls[input as number]!;
      const execution = `${peer} ${epoch} ${made.executions.length}`;
      made.executions.push(execution);
      const one = { peer, epoch, end: () => on.end({ ok: true, value: execution }) };
      running.push(one);
      let next = 0;
      return {
        more(items) {
          for (let item = 0; item < items; item++) on.item(next++);
        },
        cancel: () => void (running = running.filter((other) => other !== one)),
      };
    },
  });

  const start = (peer: Peer): void => {
    const epoch = epochs.get(peer)! + 1;
    epochs.set(peer, epoch);
    catalog.withdraw(peer);
    const methods = Object.fromEntries(['once', 'again', 'items'].map((name) => [name, methodOf(peer, epoch, name)]));
    // The first one calls only.
    const services = createHandServices(peer, catalog, peer === 'p-n0' ? {} : { jobs: methods });
    const scope = createHandScope(clock);
    const random = randomFrom(epoch * 7 + peers.indexOf(peer));
    const port = network.port(peer);
    const sink = quietSink();
    const router = createRouter({ network: port, clock, sink, epoch });
    const known = new Map<string, number>();
    let core: CallsCore | null = null;
    const memory = createMemory();
    const component = createCalls(scope, {
      ...{ name: peer.slice(2), region: '', epoch, router, carrier: directly(router, rpcAddress), options: callingDefaults },
      ports: { clock, network: port, sink, random: { uint32: () => nextUint32(random) } } as never,
      ...{ host: services.host, find: catalog.find, breakers: noBreakers, members: () => [], connected: [], memory },
      ...{ isConnected: (other) => known.has(other), epochOf: (other) => known.get(other) ?? 0, isStraight: () => true },
      ...{ nameOf: (other) => other.slice(2), peerNamed: (name) => `p-${name}`, lastNumber: epoch * 2 ** 32 },
      ...{ hasForgotten: false, onLastNumber: () => {}, isStraight: () => true },
      onCore: (now) => void (core = now),
    });
    router.on(rpcAddress, (delivery) => core!.receive(delivery));
    network.listen(peer, (event) => {
      if (event.type === 'message') router.receive(event.peer, event.lane, event.bytes);
      if (event.type === 'peer-open') {
        known.set(event.peer, event.epoch);
        component.receive({ type: 'peer-open', peer: event.peer, epoch: event.epoch });
      }
      if (event.type === 'peer-close') {
        known.delete(event.peer);
        component.receive({ type: 'peer-close', peer: event.peer });
      }
      if (event.type === 'drain') component.receive({ type: 'drain', peer: event.peer });
    });
    nodes.set(peer, { epoch, core: core!, component, end: scope.end, memory });
    for (const other of others(peer)) if (nodes.has(other)) join(peer, other);
  };

  const join = (a: Peer, b: Peer): void => {
    if (network.connected(a, b)) return;
    network.connect(a, b, { [a]: { epoch: epochs.get(a)! }, [b]: { epoch: epochs.get(b)! } });
  };
  const cut = (a: Peer, b: Peer): void => {
    if (network.connected(a, b)) network.disconnect(a, b);
  };

  const crash = (peer: Peer): void => {
    const { epoch, end } = nodes.get(peer)!;
    end();
    nodes.delete(peer);
    network.listen(peer, () => {});
    for (const other of others(peer)) cut(peer, other);
    running = running.filter((one) => one.peer !== peer || one.epoch !== epoch);
    start(peer);
  };

  /** One letter; of two between the same nodes the first is the first. */
  const deliver = (which: number): void => {
    const { letters } = network;
    if (letters.length === 0) return;
    const { from, to } = letters[which % letters.length]!;
    network.deliver(letters.findIndex((letter) => letter.from === from && letter.to === to));
    clock.settle();
  };

  /** Whoever carries it gives a call back that he could not hand on. */
  const undeliver = (which: number): void => {
    const { letters } = network;
    const asked = letters.filter((letter) => envelopeOf(letter).type === callTypes.call);
    const letter = asked[which % Math.max(1, asked.length)];
    if (letter === undefined) return;
    network.lose(letters.indexOf(letter));
    const { number } = parseCall(envelopeOf(letter).body)!;
    const why = failure('UNREACHABLE', 'nobody could hand it on');
    nodes.get(letter.from as Peer)!.component.receive({ type: 'undelivered', peer: letter.to, number, why });
    clock.settle();
  };

  const call = (from: Peer, method: string, timeoutMs: number, asks: number, node: Peer | null): void => {
    const nowMs = clock.nowMs();
    const made = { method, from, epoch: epochs.get(from)!, deadlineMs: nowMs + timeoutMs, executions: [], items: [], asked: 0 };
    const one: Made = { ...made, outcome: null, value: null, endedMs: 0, handle: { cancel() {}, more() {} } };
    const input = calls.push(one) - 1;
    one.handle = nodes.get(from)!.core.call(
      { service: 'jobs', method, input, timeoutMs, strategy: 'round-robin', ...(node === null ? {} : { node: node.slice(2) }) },
      {
        item(value) {
          assert.equal(one.outcome, null, 'an item after the end');
          assert.equal(value, one.items.length, 'items in their order');
          one.items.push(value);
          assert.ok(one.items.length <= one.asked, 'no more than were asked for');
        },
        end(outcome) {
          assert.equal(one.outcome, null, 'a call ends once');
          one.outcome = outcome.ok ? 'ok' : outcome.failure.code;
          one.value = outcome.ok ? outcome.value : null;
          one.endedMs = clock.nowMs();
          if (!outcome.ok && outcome.failure.code === 'INTERNAL') broken.push(outcome.failure);
        },
      },
    );
    if (method === 'items' && one.outcome === null) {
      one.asked += asks;
      one.handle.more(asks);
    }
    clock.settle();
  };

  for (const peer of peers) start(peer);
  return {
    ...{ clock, network, nodes, calls, epochs, broken, call, deliver, undeliver, crash, join, cut },
    endOne(which: number): void {
      const one = running.splice(which % Math.max(1, running.length), 1)[0];
      one?.end();
      clock.settle();
    },
    get running() {
      return running;
    },
  };
};

type World = ReturnType<typeof createWorld>;

const peerIn = fc.constantFrom(...peers);
const pairs: readonly (readonly [Peer, Peer])[] = [
  ['p-n0', 'p-n2'],
  ['p-n0', 'p-n1'],
  ['p-n1', 'p-n2'],
];
const pairIn = fc.constantFrom(...pairs);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), which: fc.nat(40), count: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant('call' as const), from: fc.constantFrom('p-n0' as const, 'p-n1' as const) },
      ...{
        method: fc.constantFrom('once', 'once', 'again', 'items'),
        timeoutMs: fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 500, max: 30_000 })),
      },
      ...{ asks: fc.integer({ min: 1, max: 40 }), node: fc.constantFrom(null, 'p-n2' as const) },
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 4_000 })),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'join' as const, 'blink' as const, 'blink' as const),
      pair: pairIn,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('undeliver' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), peer: peerIn }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(20) }) },
);

const doStep = (world: World, one: typeof step extends fc.Arbitrary<infer S> ? S : never): void => {
  const { clock, calls } = world;
  switch (one.do) {
    case 'deliver':
      for (let count = 0; count < one.count; count++) world.deliver(one.which);
      return;
    case 'call':
      return world.call(one.from, one.method, one.timeoutMs, one.asks, one.node);
    case 'end':
      return world.endOne(one.which);
    case 'pass':
      return clock.pass(one.ms);
    case 'undeliver':
      return world.undeliver(one.which);
    case 'cut':
    case 'join':
      world[one.do](one.pair[0], one.pair[1]);
      return clock.settle();
    case 'blink':
      world.cut(one.pair[0], one.pair[1]);
      clock.settle();
      world.join(one.pair[0], one.pair[1]);
      return clock.settle();
    case 'crash':
      world.crash(one.peer);
      return clock.settle();
    case 'cancel':
      calls[one.which % Math.max(1, calls.length)]?.handle.cancel();
      return clock.settle();
  }
};

/** Everybody is there, and all time passes. */
const epilogue = (world: World): void => {
  for (const a of peers) for (const b of peers) if (a < b) world.join(a, b);
  for (let round = 0; round < 40; round++) {
    for (let letters = 0; world.network.letters.length > 0 && letters < 10_000; letters++) world.deliver(0);
    if (round > 20) while (world.running.length > 0) world.endOne(0);
    world.clock.pass(500);
  }
};

/** The bound of `deadlines`: late by a slot at most. */
const lateMsMax = 51;

const judge = (world: World): void => {
  assert.deepEqual(world.broken, []);
  for (const made of world.calls) {
    // A process that is gone tells nobody anything.
    const isDead = world.epochs.get(made.from) !== made.epoch;
    const { outcome, executions, method } = made;
    if (method === 'once') assert.ok(executions.length <= 1, `executed ${executions.length} times: ${executions}`);
    if (isDead) continue;
    assert.ok(outcome !== null, `a call of ${made.from} never ended: ${method} until ${made.deadlineMs}, ${executions}`);
    assert.ok(made.endedMs <= made.deadlineMs + lateMsMax, `it ended ${made.endedMs - made.deadlineMs} ms late`);
    if (outcome === 'ok') assert.ok(executions.includes(made.value as string), 'its answer is of its own execution');
    else if (errorTable[outcome as keyof typeof errorTable].definite)
      assert.deepEqual(executions, [], `${outcome} says that nothing happened`);
  }
  for (const [peer, { core, memory }] of world.nodes) {
    assert.deepEqual(core.counts(), { local: 0, outgoing: 0, incoming: 0 }, `${peer} is at rest`);
    assert.equal(memory.count, memory.ended.size);
  }
};

test('at most once, exactly once if answered, never if refused; each ends once and in time; nothing is left', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const world = createWorld();
      for (const one of steps) doStep(world, one);
      epilogue(world);
      judge(world);
    }),
    { numRuns: 100 },
  );
});
