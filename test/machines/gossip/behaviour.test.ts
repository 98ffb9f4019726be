// What a node refuses, whom it believes, and how much it tells at a time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type GossipEffect,
  type GossipState,
  gossipLimits as max,
  type Part,
  step,
  stillTrue,
} from '../../../machines/gossip/index.ts';
import { announcementOf, bodyOf, createNode, Stage } from './stage.ts';

const codesOf = (effects: readonly GossipEffect[]): string[] =>
  effects.flatMap((effect) => (effect.type === 'refused' || effect.type === 'unpublished' ? [effect.code] : []));

const told = (node: GossipState, nowMs: number, from: string, parts: Part[]): GossipEffect[] =>
  step(node, nowMs, { type: 'message', from, message: { type: 'page', parts, wants: [], urgent: false, more: false } });

const partOf = (source: string, epoch: number, given: Partial<Part> = {}): Part => ({
  ...{ source, epoch, agoMs: 0, gone: [], announcements: [announcementOf(1, { epoch })], ...given },
});

test('what cannot be announced is refused by name, and takes no number', () => {
  const node = createNode('a');
  const publish = (topic: string, body: Uint8Array, ttlMs: number): string[] =>
    codesOf(step(node, 0, { type: 'publish', topic, body, ttlMs }));
  assert.deepEqual(publish('', bodyOf('x'), 1_000), ['TOPIC_INVALID']);
  assert.deepEqual(publish('a\u0000b', bodyOf('x'), 1_000), ['TOPIC_INVALID']);
  assert.deepEqual(publish('t', new Uint8Array(max.bodyBytesMax + 1), 1_000), ['BODY_TOO_LARGE']);
  for (const ttlMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, max.ttlMsMax + 1])
    assert.deepEqual(publish('t', bodyOf('x'), ttlMs), ['TTL_INVALID']);
  assert.equal(node.said, 0);
  assert.deepEqual(publish('t', new Uint8Array(max.bodyBytesMax), max.ttlMsMax), []);
  assert.equal(node.said, 1);
});

test('a node that has said too much that still holds must wait until some of it ends', () => {
  const node: GossipState = { ...createNode('a'), checkAll: false };
  const publish = (nowMs: number): string[] =>
    codesOf(step(node, nowMs, { type: 'publish', topic: 't', body: bodyOf('x'), ttlMs: 10_000 }));
  for (let at = 0; at < max.sourceMessagesMax; at++) assert.deepEqual(publish(at), []);
  assert.deepEqual(publish(2_000), ['OVERLOADED']);
  assert.deepEqual(publish(10_001), [], 'the first has ended');
});

test('hearsay of a start that its source cannot have made is refused, its own word is not', () => {
  const node = createNode('a');
  for (const peer of ['b', 'm']) step(node, 0, { type: 'met', peer, epoch: 3 });
  assert.deepEqual(codesOf(told(node, 1, 'm', [partOf('b', 4)])), ['EPOCH_REFUSED'], 'b is connected and started 3 times');
  assert.deepEqual(codesOf(told(node, 2, 'm', [partOf('b', 3)])), []);
  assert.deepEqual(codesOf(told(node, 3, 'm', [partOf('c', 5)])), [], 'of c nothing else is known');
  assert.deepEqual(codesOf(told(node, 4, 'm', [partOf('c', 6 + max.epochJumpMax)])), ['EPOCH_REFUSED']);
  const own = announcementOf(1, { epoch: 7 + max.epochJumpMax });
  assert.deepEqual(codesOf(step(node, 5, { type: 'heard', from: 'c', announcement: own })), []);
  assert.equal(node.sources.all.get('c')!.epoch, 7 + max.epochJumpMax);
});

test('who is met says itself how often it started: a higher lie is forgotten', () => {
  const node = createNode('a');
  step(node, 0, { type: 'met', peer: 'm', epoch: 1 });
  told(node, 1, 'm', [partOf('b', 900)]);
  step(node, 2, { type: 'met', peer: 'b', epoch: 2 });
  const heard = step(node, 3, { type: 'heard', from: 'b', announcement: announcementOf(1, { epoch: 2 }) });
  assert.equal(heard.filter(({ type }) => type === 'deliver').length, 1);
});

test('who holds that this node said more than it did is outbid', () => {
  const stage = new Stage();
  stage.begin('a', 'b');
  stage.tell('b', {
    ...{ type: 'message', from: 'a' },
    message: {
      ...{ type: 'page', wants: [], urgent: false, more: false },
      parts: [{ source: 'a', epoch: 1, agoMs: 0, gone: [1, 40], announcements: [] }],
    },
  });
  stage.say('a', 'unheard');
  stage.pass(10_000);
  stage.say('a', 'heard');
  stage.pass(1_000);
  assert.equal(stage.topics('b'), 'heard');
});

test('what was said in an earlier life is heard from nobody any more', () => {
  const node = createNode('a');
  step(node, 0, { type: 'met', peer: 'm', epoch: 1 });
  told(node, 1, 'm', [partOf('b', 2)]);
  const earlier = [announcementOf(1, { epoch: 1 }), announcementOf(2, { epoch: 1 })];
  const effects = [
    ...told(node, 2, 'm', [partOf('b', 1, { announcements: earlier })]),
    ...step(node, 3, { type: 'heard', from: 'b', announcement: announcementOf(3, { epoch: 1 }) }),
  ];
  assert.deepEqual(
    effects.filter(({ type }) => type === 'deliver'),
    [],
  );
  assert.equal(node.sources.all.get('b')!.epoch, 2);
});

test('a delivery tells how long it stays true: what is left of what its source said, less what it waited here', () => {
  const node = createNode('a');
  const leftOf = (effects: readonly GossipEffect[]): number[] =>
    effects.flatMap((effect) => (effect.type === 'deliver' ? [effect.leftMs] : []));
  const first = announcementOf(1, { topic: 't', leftMs: 60_000 });
  assert.deepEqual(leftOf(step(node, 0, { type: 'heard', from: 'b', announcement: first })), [60_000]);
  const third = announcementOf(3, { topic: 't', leftMs: 60_000 });
  assert.deepEqual(leftOf(step(node, 1_000, { type: 'heard', from: 'b', announcement: third })), [], 'the second is missing');
  assert.deepEqual(leftOf(step(node, 3_000, { type: 'wake' })), [58_000]);
  assert.deepEqual(
    stillTrue(node, 10_000, 't').map(({ sequence, leftMs }) => [sequence, leftMs]),
    [
      [1, 50_000],
      [3, 51_000],
    ],
  );
});

test('who was thrown out is told nothing, and is refused by name whoever speaks of it', () => {
  const node = createNode('a');
  for (const peer of ['b', 'm']) step(node, 0, { type: 'met', peer, epoch: 1 });
  step(node, 1, { type: 'evicted', peer: 'b' });
  const digest = { type: 'digest' as const, hashes: Array.from({ length: max.buckets }, () => 1) };
  const effects = step(node, 2, { type: 'message', from: 'b', message: digest });
  assert.deepEqual(codesOf(effects), ['NOT_A_MEMBER']);
  assert.deepEqual(
    effects.filter(({ type }) => type === 'send'),
    [],
  );
  assert.deepEqual(codesOf(told(node, 3, 'm', [partOf('b', 1)])), ['NOT_A_MEMBER']);
  assert.deepEqual(codesOf(step(node, 4, { type: 'met', peer: 'b', epoch: 1 })), []);
  assert.equal(node.peers.of.has('b'), false);
});

test('a source in its last days as a memory is told to nobody, and is taken from nobody', () => {
  const node = createNode('a');
  const { rememberMs } = node.options;
  told(node, 0, 'm', []);
  step(node, 0, { type: 'met', peer: 'm', epoch: 1 });
  told(node, 1, 'm', [partOf('old', 1, { agoMs: 0.95 * rememberMs }), partOf('young', 1, { agoMs: 0.85 * rememberMs })]);
  assert.deepEqual([node.sources.all.has('old'), node.sources.all.has('young')], [false, true]);
  // What it said has ended by then; half a sixteenth later nobody is told of it.
  for (let nowMs = 1; nowMs < 0.12 * rememberMs; nowMs += 30_000) step(node, nowMs, { type: 'wake' });
  const hashes = Array.from({ length: max.buckets }, () => 1);
  const told64 = step(node, 0.12 * rememberMs, { type: 'message', from: 'm', message: { type: 'digest', hashes } });
  const marks = told64.flatMap((effect) =>
    effect.type === 'send' && effect.message.type === 'marks' ? effect.message.marks : [],
  );
  assert.deepEqual(
    marks.map(({ source }) => source),
    [],
  );
  assert.equal(node.sources.all.has('young'), true, 'it still knows what it heard');
});

test('nobody tells a node what it said itself', () => {
  const node = createNode('a');
  step(node, 0, { type: 'met', peer: 'm', epoch: 1 });
  assert.deepEqual(
    told(node, 1, 'm', [partOf('a', 1)]).filter(({ type }) => type === 'deliver'),
    [],
  );
  assert.deepEqual(step(node, 2, { type: 'heard', from: 'a', announcement: announcementOf(1) }).length, 0);
  assert.equal(node.own.kept.size, 0);
});

test('a node that meets somebody all the time does not compare itself with all of them', () => {
  const node = createNode('a', { options: { exchangeMinMs: 600_000, exchangeNewsMs: 600_000, exchangeMaxMs: 600_000 } });
  let digests = 0;
  for (let at = 0; at < 600; at++) {
    const peer = `b${at % 50}`;
    const effects = step(node, 100 * at, { type: 'met', peer, epoch: 1 });
    digests += effects.filter((effect) => effect.type === 'send').length;
    step(node, 100 * at + 50, { type: 'lost', peer });
  }
  assert.equal(digests, max.greetingsMax + 60_000 / max.greetingEveryMs - 1);
});

test('an earlier one of the same process has said so much already', () => {
  const stage = new Stage();
  stage.begin('a', 'b');
  stage.say('a', 'first');
  stage.say('a', 'second');
  stage.pass(100);
  stage.nodes.set('a', createNode('a', { said: stage.state('a').said, nowMs: stage.nowMs }));
  stage.meet('a', 'b');
  stage.say('a', 'third');
  stage.pass(3_000);
  assert.equal(stage.topics('b'), 'first second third');
});

test('what was let go before its time is not called gone', () => {
  const node: GossipState = { ...createNode('a'), checkAll: false };
  step(node, 0, { type: 'met', peer: 'm', epoch: 1 });
  for (let sequence = 1; sequence <= max.sourceMessagesMax + 10; sequence++)
    step(node, 0, { type: 'heard', from: 's', announcement: announcementOf(sequence, { leftMs: 30_000 }) });
  const ask = (nowMs: number): Part[] => {
    const message = {
      ...{ type: 'page' as const, parts: [], urgent: true, more: false },
      wants: [{ source: 's', epoch: 1, numbers: [1, 10] }],
    };
    return step(node, nowMs, { type: 'message', from: 'm', message }).flatMap((effect) =>
      effect.type === 'send' && effect.message.type === 'page' ? effect.message.parts : [],
    );
  };
  assert.deepEqual(ask(1_000), [], 'somebody else may have it');
  assert.deepEqual(
    ask(40_000).map(({ gone }) => gone),
    [[1, 10]],
    'by now it has ended everywhere',
  );
});

test('much is told in pages, until all of it is', () => {
  const stage = new Stage();
  stage.start('a');
  const body = new Uint8Array(8_000);
  for (let at = 0; at < 200; at++) stage.tell('a', { type: 'publish', topic: 't', body, ttlMs: 600_000 });
  stage.pass(1_000);
  let pages = 0;
  stage.isTold = (effect) => {
    if (effect.type !== 'send' || effect.message.type !== 'page' || effect.message.parts.length === 0) return false;
    const bytes = effect.message.parts.flatMap(({ announcements }) => announcements.map((one) => one.body.byteLength));
    assert.ok(bytes.reduce((sum, length) => sum + length, 0) <= max.pageBytesMax);
    pages++;
    return false;
  };
  stage.start('b');
  stage.meet('a', 'b');
  stage.pass(2_000);
  assert.equal(stage.heard.get('b')!.length, 200);
  assert.ok(pages >= 13, `${pages} pages`);
});

test('who begins to listen later hears what still holds', () => {
  const node = createNode('a');
  for (const [sequence, leftMs] of [
    [1, 1_000],
    [2, 60_000],
    [4, 60_000],
  ] as const)
    step(node, 0, { type: 'heard', from: 'b', announcement: announcementOf(sequence, { leftMs }) });
  step(node, 0, { type: 'heard', from: 'b', announcement: announcementOf(3, { topic: 'other' }) });
  step(node, 0, { type: 'heard', from: 'c', announcement: announcementOf(2) });
  assert.deepEqual(
    stillTrue(node, 1_500, 't').map(({ source, sequence }) => `${source} ${sequence}`),
    ['b 2', 'b 4'],
    'not what has ended, nor what waits for its turn',
  );
});
