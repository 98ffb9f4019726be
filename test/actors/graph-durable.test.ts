// Durable runs over whole nodes moved by hand: they go on when the node that makes their calls is lost, or whoever asked for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphActorType } from '../../actors/graph-durable.ts';
import { durableGraphLimits } from '../../machines/graph/index.ts';
import { methods, order, shop } from './durable-shop.ts';
import type { HandNode } from './hand-cluster.ts';
import { createHandCatalog, createHandServices, type HandServices } from './hand-services.ts';
import { createReplicaWorld } from './replica-world.ts';

test('a durable run goes through its steps like any other, is told from anywhere, and is forgotten after a while', () => {
  const { n1, n2, run, attach, called, pass, all } = shop();
  const first = run(n1, order);
  const reserve = called('reserve');
  assert.deepEqual(reserve.input, { sku: 'chair', note: { $ref: 'no/reference', data: Uint8Array.of(1, 2) } });
  reserve.answer({ price: 7, $ref: 'neither/this' });
  const charge = called('charge');
  assert.deepEqual(charge.input, { amount: 7 });
  const second = run(n2, order);
  charge.answer(null);
  called('ship').answer('parcel');
  pass(300);
  assert.deepEqual(first.told, ['reserve done', 'charge done', 'ship done']);
  assert.equal(first.outcome.failure, null);
  assert.equal(first.outcome.steps.ship!.result, 'parcel');
  assert.equal(first.outcome.steps.reserve!.node, 'n3');
  assert.deepEqual(second.told, first.told, 'who asks for the same under the same id joins');
  assert.equal(all.length, 3);
  const late = attach(n2);
  pass(300);
  assert.deepEqual([late.told, late.code], [first.told, 'ok']);
  pass(6_000);
  const never = attach(n2);
  pass(300);
  assert.equal(never.code, 'NOT_FOUND');
  assert.equal(attachAfterwards(n1).length, 0, 'who asked for what is not there left nothing behind');
});

const attachAfterwards = (node: HandNode) =>
  node.api.actors.list({ limit: 10, type: graphActorType }).filter(({ state }) => state === 'running');

test('its leader is killed: what is idempotent is called again under the same id, the rest goes on', () => {
  const { world, n1, n2, n3, run, called, all, pass } = shop(['n3']);
  world.lead(n1);
  const seen = run(n2, order);
  called('reserve').answer({ price: 7 });
  called('charge').answer(null);
  const ship = called('ship');
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  world.cluster.until(() => all.filter(({ method }) => method === 'ship').length === 2);
  const again = called('ship');
  assert.equal(again.requestId, ship.requestId);
  again.answer('parcel');
  pass(1_500);
  assert.equal(seen.code, 'ok');
  assert.deepEqual(seen.told, ['reserve done', 'charge done', 'ship done']);
  assert.equal(all.length, 4, 'nothing else was called again');
  assert.ok(n3);
});

test('its leader is killed in the middle of what is not idempotent: nobody knows whether it happened, and it is undone, the last first', () => {
  const { world, n1, n2, run, called, all, pass } = shop(['n3']);
  world.lead(n1);
  const seen = run(n2, order);
  called('reserve').answer({ price: 7 });
  called('charge');
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  called('refund').answer(null);
  called('release').answer(null);
  pass(1_500);
  assert.equal(seen.code, 'OUTCOME_UNKNOWN');
  assert.deepEqual(seen.told, ['reserve done', 'charge failed', 'ship skipped', '~charge done', '~reserve done']);
  assert.deepEqual(
    all.map(({ method }) => method),
    ['reserve', 'charge', 'refund', 'release'],
  );
});

test('who asked for it is killed: it goes on, and somebody else sees how it ended', () => {
  const { world, n1, n2, run, attach, called, pass } = shop(['n3']);
  world.lead(n2);
  run(n1, order);
  called('reserve').answer({ price: 7 });
  world.cluster.kill(n1);
  called('charge').answer(null);
  const seen = attach(n2);
  called('ship').answer('parcel');
  pass(500);
  assert.deepEqual([seen.told, seen.code], [['reserve done', 'charge done', 'ship done'], 'ok']);
});

test('all nodes begin anew from their disks: the run goes on where it was', () => {
  const catalog = createHandCatalog();
  const made: { method: string; end(): void }[] = [];
  const services = (name: string): HandServices =>
    createHandServices(`p-${name}`, catalog, {
      shop: Object.fromEntries(
        methods.map((method) => [
          method,
          {
            idempotent: true,
            invoke(_input: unknown, _context: unknown, on: { end(outcome: { ok: true; value: unknown }): void }) {
              made.push({ method, end: () => on.end({ ok: true, value: { price: 1 } }) });
              return undefined;
            },
          },
        ]),
      ),
    } as never);
  const world = createReplicaWorld(() => [], { durableGraphs: true });
  const begin = (contents: (name: string) => ReturnType<HandNode['storage']['contents']>) => {
    const nodes = ['n1', 'n2', 'n3'].map((name) => world.start(name, { services: services(name), contents: contents(name) }));
    world.cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready') && world.leader() !== null);
    return nodes;
  };
  const first = begin(() => new Map());
  first[0]!.api.graph.run(order, { durable: { id: 'x' } }, { step() {}, compensated() {}, end() {} });
  world.cluster.until(() => made.length === 1);
  made[0]!.end();
  world.cluster.until(() => made.length === 2);
  const disks = new Map(first.map((node) => [node.name, world.cluster.kill(node)]));
  for (const name of ['n1', 'n2', 'n3']) catalog.withdraw(`p-${name}`);
  const second = begin((name) => disks.get(name)!);
  world.cluster.until(() => made.length === 3);
  assert.deepEqual(
    made.map(({ method }) => method),
    ['reserve', 'charge', 'charge'],
  );
  made[2]!.end();
  world.cluster.until(() => made.length === 4);
  made[3]!.end();
  const told: string[] = [];
  let failed: unknown = 'it runs';
  second[1]!.api.graph.attach('x', {
    step: ({ step }) => void told.push(step),
    compensated() {},
    end(end) {
      failed = end.ok ? end.value.failure : end.failure;
    },
  });
  world.cluster.until(() => failed !== 'it runs');
  assert.deepEqual([failed, told], [null, ['reserve', 'charge', 'ship']]);
});

test('cancelled: what runs is given up and undone; who leaves cancels nothing', () => {
  const { n1, n2, run, attach, called, pass, calling } = shop();
  const seen = run(n1, order);
  seen.handle.leave();
  called('reserve').answer({ price: 7 });
  called('charge');
  const other = attach(n2);
  pass(300);
  const ends: unknown[] = [];
  n2.api.graph.cancelDurable('order-1', (outcome) => void ends.push(outcome.ok));
  called('refund').answer(null);
  called('release').answer(null);
  pass(500);
  assert.deepEqual(ends, [true]);
  assert.equal(other.code, 'CANCELLED');
  assert.deepEqual(calling, []);
  assert.deepEqual([seen.told, seen.ends], [[], []], 'who has left is told nothing');
  const none: unknown[] = [];
  n2.api.graph.cancelDurable('another', (outcome) => void none.push(outcome.ok ? 'ok' : outcome.failure.code));
  pass(500);
  assert.deepEqual(none, ['NOT_FOUND']);
});

test('its time is over while nobody leads: it ends by its times all the same', () => {
  const { world, n1, n2, run, called, pass } = shop(['n3']);
  world.lead(n1);
  const seen = run(n2, { ...order, timeoutMs: 3_000, compensateMs: 2_000 });
  called('reserve').answer({ price: 7 });
  called('charge');
  world.cluster.kill(n1);
  world.cluster.until(() => world.leader() !== null);
  pass(9_000);
  assert.equal(seen.ends.length, 1);
  assert.deepEqual(seen.outcome.notUndone, ['reserve', 'charge']);
});

test('another graph under the same id, or for somebody else; ids, options, inputs and results that do not fit', () => {
  const { n1, n2, run, called, pass } = shop();
  run(n1, order);
  called('reserve');
  const other = run(n2, { steps: { ship: { service: 'shop', method: 'ship' } } });
  const another = run(n2, order, 'order-1', { principal: 'eve' });
  const noId = run(n1, order, '');
  const noKeep = run(n1, order, 'x', { durable: { id: 'x', keepMs: -1 } });
  const large = run(n1, { steps: { ship: { service: 'shop', method: 'ship', input: 'a'.repeat(200_000) } } }, 'large');
  const nobody = run(n1, { steps: { ship: { service: 'nowhere', method: 'ship' } } }, 'nobody');
  const wide = run(n1, { steps: { ship: { service: 'shop', method: 'ship', input: 'a'.repeat(40_000) } } }, 'wide');
  const heavy = run(n1, { steps: { ship: { service: 'shop', method: 'ship' } } }, 'heavy');
  called('ship').answer('b'.repeat(durableGraphLimits.resultsBytesMax));
  pass(500);
  assert.deepEqual(
    [other, another, noId, noKeep, large, nobody, wide, heavy].map(({ code }) => code),
    [
      ...['IDEMPOTENCY_CONFLICT', 'IDEMPOTENCY_CONFLICT', 'INVALID_REQUEST', 'INVALID_REQUEST', 'TOO_LARGE'],
      ...['SERVICE_NOT_FOUND', 'TOO_LARGE', 'GRAPH_FAILED'],
    ],
  );
  assert.equal(heavy.outcome.steps.ship!.happened, 'unknown');
});

test('what is said to its actor from outside is neither a result nor the time', () => {
  const { n1, run, called, pass } = shop();
  const seen = run(n1, order);
  called('reserve');
  const codes: unknown[] = [];
  const events = [
    { type: 'ended', kind: 'step', step: 'reserve', attempt: 1, ok: true, packed: Uint8Array.of(1), node: null, attempts: 1 },
    ...[{ type: 'wake' }, { type: 'forget' }, { type: 'polity.interrupted', src: 'call', id: 'step.reserve.1' }],
    ...[
      { type: 'begin' },
      { type: 'begin', graph: Uint8Array.of(0xc1), idempotent: [], principal: null, keepMs: 1, nonce: 'n' },
    ],
  ];
  for (const event of events)
    n1.api.actors.deliver({ type: graphActorType, key: 'order-1', node: null }, event, {}, (outcome) =>
      codes.push(outcome.ok ? 'ok' : outcome.failure.code),
    );
  pass(500);
  assert.deepEqual(codes, Array(6).fill('INVALID_REQUEST'));
  assert.deepEqual(seen.told, []);
});

test('nobody keeps durable runs: who asks for one is told what to do', () => {
  const { n1, run, pass } = shop(['n3'], false);
  const seen = run(n1, order);
  pass(12_000);
  assert.equal(seen.code, 'ACTOR_NOT_FOUND');
  assert.match((seen.ends[0] as { failure: { message: string } }).failure.message, /--durable-graphs/);
});
