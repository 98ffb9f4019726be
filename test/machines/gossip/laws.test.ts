// What holds whatever arrives, in whatever order and by whatever way: each is heard once, in the order of its source unless it is
// called late, and two nodes that heard the same know the same. And what a node keeps is bounded, whatever members send.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Delivery,
  type GossipEffect,
  type GossipState,
  gossipDigest,
  gossipLimits as max,
  step,
} from '../../../machines/gossip/index.ts';
import { announcementOf, createNode } from './stage.ts';

type Arrival = { source: string; sequence: number; way: 'published' | 'told'; times: number; waitMs: number };

const deliveriesOf = (effects: readonly GossipEffect[]): Delivery[] => effects.filter((effect) => effect.type === 'deliver');

const arrive = (node: GossipState, nowMs: number, { source, sequence, way }: Arrival): Delivery[] => {
  const announcement = announcementOf(sequence, { leftMs: 600_000, topic: `${source} ${sequence}` });
  const part = { source, epoch: 1, agoMs: 0, gone: [], announcements: [announcement] };
  return deliveriesOf(
    step(
      node,
      nowMs,
      way === 'published'
        ? { type: 'heard', from: source, announcement }
        : {
            type: 'message',
            from: 'm',
            message: { type: 'page', parts: [part], wants: [], urgent: false, more: false },
          },
    ),
  );
};

/** All of 1 to 8 of three sources, some of them more than once, in any order. */
const arrivals = fc
  .tuple(
    fc.array(
      fc.record({ way: fc.constantFrom('published' as const, 'told' as const), times: fc.integer({ min: 1, max: 3 }) }),
      { minLength: 24, maxLength: 24 },
    ),
    fc.array(fc.record({ place: fc.nat(), waitMs: fc.nat(900) }), { minLength: 72, maxLength: 72 }),
  )
  .map(([ways, places]) =>
    ways
      .flatMap(({ way, times }, at) => {
        const one = { source: `s${at % 3}`, sequence: 1 + Math.floor(at / 3), way, times: 1 };
        return Array.from({ length: times }, () => one);
      })
      .map((arrival, at) => ({ ...arrival, ...places[at]! }))
      .sort((a, b) => a.place - b.place),
  );

test('in whatever order they arrive, each is heard once, in its order unless it is late, and all know the same', () => {
  fc.assert(
    fc.property(arrivals, fc.boolean(), (given, slowly) => {
      const node = createNode('n');
      step(node, 0, { type: 'met', peer: 'm', epoch: 1 });
      const heard: Delivery[] = [];
      let nowMs = 0;
      for (const arrival of given) {
        if (slowly) nowMs += arrival.waitMs;
        heard.push(...deliveriesOf(step(node, nowMs, { type: 'wake' })));
        heard.push(...arrive(node, nowMs, arrival));
      }
      assert.equal(heard.length, 24);
      assert.equal(new Set(heard.map(({ topic }) => topic)).size, 24);
      for (const source of ['s0', 's1', 's2']) {
        const inTurn = heard.filter((one) => one.source === source && !one.late).map(({ sequence }) => sequence);
        assert.deepEqual(
          inTurn,
          [...inTurn].sort((a, b) => a - b),
        );
        // Nobody waits for what is there: without time going by nothing is late.
        if (!slowly) assert.equal(inTurn.length, 8);
      }
      const twin = createNode('n');
      for (const source of ['s2', 's1', 's0'])
        for (let sequence = 1; sequence <= 8; sequence++)
          arrive(twin, 0, { source, sequence, way: 'published', times: 1, waitMs: 0 });
      assert.equal(gossipDigest(node), gossipDigest(twin));
    }),
    { numRuns: 150 },
  );
});

test('two nodes that each heard a part know all of it after two exchanges', () => {
  const share = fc.array(fc.boolean(), { minLength: 24, maxLength: 24 });
  fc.assert(
    fc.property(share, share, (ofA, ofB) => {
      const nodes = { a: createNode('a'), b: createNode('b') };
      const heard = { a: [] as Delivery[], b: [] as Delivery[] };
      const fulfil = (name: 'a' | 'b', nowMs: number, effects: readonly GossipEffect[]): void => {
        heard[name].push(...deliveriesOf(effects));
        const other = name === 'a' ? 'b' : 'a';
        for (const effect of effects)
          if (effect.type === 'send' && effect.to === other)
            fulfil(other, nowMs, step(nodes[other], nowMs, { type: 'message', from: name, message: effect.message }));
      };
      for (const [name, of] of [
        ['a', ofA],
        ['b', ofB],
      ] as const)
        for (const [at, has] of of.entries()) {
          const one: Arrival = {
            source: `s${at % 3}`,
            sequence: 1 + Math.floor(at / 3),
            way: 'published',
            times: 1,
            waitMs: 0,
          };
          if (has) heard[name].push(...arrive(nodes[name], 0, one));
        }
      // Who was met is compared with at once, by the first in the alphabet; what arrived just now may be on its way.
      fulfil('b', 600, step(nodes.b, 600, { type: 'met', peer: 'a', epoch: 1 }));
      fulfil('a', 600, step(nodes.a, 600, { type: 'met', peer: 'b', epoch: 1 }));
      for (const nowMs of [2_000, 3_500, 5_000])
        for (const name of ['a', 'b'] as const) fulfil(name, nowMs, step(nodes[name], nowMs, { type: 'wake' }));
      const either = ofA.map((has, at) => has || ofB[at]!);
      for (const name of ['a', 'b'] as const) {
        const topics = heard[name].map(({ source, sequence }) => `${source} ${sequence}`);
        assert.equal(topics.length, new Set(topics).size);
        assert.equal(topics.length, either.filter(Boolean).length);
      }
      assert.equal(gossipDigest(nodes.a), gossipDigest(nodes.b));
    }),
    { numRuns: 150 },
  );
});

// ---------------------------------------------------------------- bounds

const unchecked = (self: string): GossipState => ({ ...createNode(self), checkAll: false });

test('more sources than fit are refused, until one of them has been silent for long enough', () => {
  const node = unchecked('n');
  const say = (nowMs: number, source: string): GossipEffect[] =>
    step(node, nowMs, { type: 'heard', from: source, announcement: announcementOf(1, { leftMs: 1_000 }) });
  for (let at = 1; at < max.sourcesMax; at++) say(at, `s${at}`);
  assert.equal(node.sources.all.size, max.sourcesMax);
  const refusals = say(5_000, 'x').filter((effect) => effect.type === 'refused');
  assert.deepEqual(
    refusals.map(({ code }) => code),
    ['TOO_MANY_SOURCES'],
  );
  assert.equal(deliveriesOf(say(5_000 + max.ttlMsMax, 'x')).length, 1);
  assert.equal(node.sources.all.size, max.sourcesMax);
  assert.ok(!node.sources.all.has('s1') && node.sources.all.has('s2'), 'who was silent longest went');
});

test('one source fills its own share and pushes out nobody else', () => {
  const node = unchecked('n');
  step(node, 0, { type: 'heard', from: 'quiet', announcement: announcementOf(1, { leftMs: 60_000 }) });
  const body = new Uint8Array(max.bodyBytesMax);
  let delivered = 0;
  for (let sequence = 1; sequence <= 3_000; sequence++)
    delivered += deliveriesOf(
      step(node, sequence, { type: 'heard', from: 'loud', announcement: announcementOf(sequence, { leftMs: 60_000, body }) }),
    ).length;
  assert.equal(delivered, 3_000);
  const loud = node.sources.all.get('loud')!;
  assert.ok(loud.keptBytes <= max.sourceBytesMax);
  // Oldest first.
  assert.deepEqual([...loud.kept.keys()].at(-1), 3_000);
  assert.equal([...loud.kept.keys()].at(-1)! - [...loud.kept.keys()][0]!, loud.kept.size - 1);
  assert.equal(node.sources.all.get('quiet')!.kept.size, 1);
  assert.equal(node.counts.evicted, 3_000 - loud.kept.size);
});

test('all together keep no more than the store holds, and what has to go is heard before', () => {
  const node = unchecked('n');
  const body = new Uint8Array(max.bodyBytesMax);
  let heard = 0;
  for (let at = 0; at < 2_400; at++) {
    // Every other number is missing: all are held back.
    const announcement = announcementOf(2 + 2 * Math.floor(at / 24), { leftMs: 60_000, body });
    heard += deliveriesOf(step(node, at / 1_000, { type: 'heard', from: `s${at % 24}`, announcement })).length;
    assert.ok(node.store.bytes <= max.storeBytesMax && node.store.all.size <= max.storeMessagesMax);
  }
  assert.ok(node.counts.evicted > 1_000);
  assert.ok(heard >= node.counts.evicted);
  for (let nowMs = 2_100; nowMs < 400_000; nowMs += 2_100) heard += deliveriesOf(step(node, nowMs, { type: 'wake' })).length;
  assert.equal(heard, 2_400);
});

test('a source that is known in too many pieces has its oldest holes given up', () => {
  const node = createNode('n');
  for (let at = 1; at <= 3 * max.rangesMax; at++)
    step(node, 0, { type: 'heard', from: 's', announcement: announcementOf(2 * at - 1) });
  assert.ok(node.sources.all.get('s')!.known.length <= 2 * max.rangesMax);
  assert.ok(node.sources.all.get('s')!.settled > 0);
});

test('nobody asks more than so often a second', () => {
  const node = createNode('n');
  step(node, 0, { type: 'met', peer: 'p', epoch: 1 });
  const hashes = Array.from({ length: max.buckets }, () => 1);
  let answers = 0;
  let refused = 0;
  for (let at = 0; at < 200; at++)
    for (const effect of step(node, at, { type: 'message', from: 'p', message: { type: 'digest', hashes } })) {
      if (effect.type === 'send' && effect.message.type === 'marks') answers++;
      if (effect.type === 'refused') refused++;
    }
  assert.deepEqual([answers, refused], [max.answersPerSecondMax, 1]);
});

test('what has ended is cleared away, and who is silent for long is forgotten', () => {
  const node = createNode('n');
  step(node, 0, { type: 'heard', from: 's', announcement: announcementOf(1, { leftMs: 10_000 }) });
  for (let nowMs = 0; node.deadlineMs < 20_000; nowMs = node.deadlineMs) step(node, nowMs, { type: 'wake' });
  assert.equal(node.store.all.size, 0);
  assert.equal(node.sources.all.has('s'), true);
  for (let nowMs = 20_000; nowMs <= 2.2 * node.options.rememberMs; nowMs += 60_000) {
    step(node, nowMs, { type: 'wake' });
    if (nowMs < 0.85 * node.options.rememberMs) assert.notEqual(node.sources.all.get('s')!.hash, 0);
  }
  assert.deepEqual([...node.sources.all.keys()], ['n']);
  assert.ok(node.sources.buckets.every((bucket) => bucket === 0));
});
