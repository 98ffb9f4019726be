// What goes over the wire comes back as it was; anything else becomes a named refusal, and nothing that parses makes a node throw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Announcement,
  formAnnouncement,
  formGossipMessage,
  type GossipMessage,
  gossipLimits as max,
  parseAnnouncement,
  parseGossipMessage,
  step,
} from '../../../machines/gossip/index.ts';
import { withNumbers } from '../../../machines/gossip/ranges.ts';
import type { Part, Ranges } from '../../../machines/gossip/types.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { announcementOf, createNode } from './stage.ts';

const peer = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const epoch = fc.constantFrom(0, 1, 2, max.epochMax);
const sequence = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(max.sequenceMax));
const topic = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }).filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text));
const body = fc.uint8Array({ maxLength: 40 });
const leftMs = fc.constantFrom(1, 400, 5_000, max.ttlMsMax);
const count = fc.oneof(fc.nat(10_000_000), fc.constant(0));

const ranges: fc.Arbitrary<Ranges> = fc.uniqueArray(sequence, { maxLength: 6 }).map((numbers) => {
  let all: Ranges = [];
  for (const number of numbers) all = withNumbers(all, number, number);
  return all;
});

export const announcements: fc.Arbitrary<Announcement> = fc
  .record({ epoch, sequence, floor: fc.nat(12), topic, leftMs, body })
  .map((given) => ({ ...given, floor: Math.min(given.floor, given.sequence) }));

const part = fc
  .record({
    ...{ source: peer, epoch, agoMs: count, gone: ranges },
    announcements: fc.uniqueArray(fc.record({ sequence, topic, leftMs, body }), {
      maxLength: 4,
      selector: ({ sequence }) => sequence,
    }),
  })
  .map((given) => ({
    ...given,
    announcements: given.announcements
      .sort((a, b) => a.sequence - b.sequence)
      .map((one) => ({ epoch: given.epoch, floor: 0, ...one })),
  }));

const any: fc.Arbitrary<GossipMessage> = fc.oneof(
  fc.record({
    type: fc.constant('digest' as const),
    hashes: fc.array(fc.nat(0xffff_ffff), { minLength: max.buckets, maxLength: max.buckets }),
  }),
  fc.record({
    type: fc.constant('marks' as const),
    buckets: fc.uniqueArray(fc.nat(max.buckets - 1)).map((numbers) => numbers.sort((a, b) => a - b)),
    marks: fc.array(fc.record({ source: peer, epoch, known: ranges, agoMs: count }), { maxLength: 5 }),
  }),
  fc.record({
    ...{
      type: fc.constant('page' as const),
      parts: fc.array(part, { maxLength: 4 }),
      urgent: fc.boolean(),
      more: fc.boolean(),
    },
    wants: fc.array(fc.record({ source: peer, epoch, numbers: ranges }), { maxLength: 4 }),
  }),
);

/** With the prototypes that a parser gives. */
const messages = any.map((message) => structuredClone(message));

test('what is said is what is heard', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const parsed = parseGossipMessage(unpack(pack(formGossipMessage(message))));
      assert.ok(parsed.ok, JSON.stringify(message));
      assert.deepEqual(parsed.message, message);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(announcements, (announcement) => {
      const parsed = parseAnnouncement(unpack(pack(formAnnouncement(announcement))));
      assert.ok(parsed.ok, JSON.stringify(announcement));
      assert.deepEqual(parsed.announcement, structuredClone(announcement));
    }),
  );
});

test('anything else is refused by name, never by an exception', () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), (value) => {
      for (const parsed of [parseGossipMessage(value), parseAnnouncement(value)])
        if (!parsed.ok) assert.equal(parsed.refused, 'GOSSIP_MALFORMED');
    }),
    { numRuns: 1_000 },
  );
});

/** Replaces one value anywhere in it. */
const damaged = (value: unknown, path: number, by: unknown): unknown => {
  if (!Array.isArray(value) || value.length === 0) return by;
  const copy = [...(value as unknown[])];
  const at = path % copy.length;
  copy[at] = damaged(copy[at], Math.floor(path / copy.length), by);
  return copy;
};

test('a message with one wrong field is refused or is another message', () => {
  const wrong = fc.oneof(fc.anything(), fc.constantFrom(-1, 1.5, Number.NaN, 2 ** 53, '', 'x'.repeat(200), null, [], {}));
  fc.assert(
    fc.property(messages, announcements, fc.nat(), wrong, (message, announcement, path, by) => {
      const parsed = parseGossipMessage(damaged(formGossipMessage(message), path, by));
      if (parsed.ok) parseGossipMessage(formGossipMessage(parsed.message));
      const one = parseAnnouncement(damaged(formAnnouncement(announcement), path, by));
      if (one.ok) parseAnnouncement(formAnnouncement(one.announcement));
    }),
    { numRuns: 1_000 },
  );
});

test('whatever parses, from whomever, breaks no invariant of a node', () => {
  const events = fc.oneof(
    fc.record({ type: fc.constant('message' as const), from: peer, message: messages }),
    fc.record({ type: fc.constant('heard' as const), from: peer, announcement: announcements }),
    fc.record({ type: fc.constant('met' as const), peer, epoch }),
    fc.record({ type: fc.constantFrom('lost' as const, 'evicted' as const), peer }),
    fc.record({ type: fc.constant('publish' as const), topic, body, ttlMs: leftMs }),
    fc.constant({ type: 'wake' as const }),
  );
  const steps = fc.array(fc.record({ event: events, waitMs: fc.nat(1_500) }), { maxLength: 40 });
  // The numbers of a life begin anew: one page that tells of two of them is in order.
  const lifeOf = (epoch: number): Part => {
    const said = { epoch, sequence: 1, floor: 0, topic: 't', leftMs: 400, body: new Uint8Array() };
    return { source: 'e', epoch, agoMs: 0, gone: [], announcements: [said] };
  };
  const page: GossipMessage = { type: 'page', parts: [lifeOf(0), lifeOf(1)], urgent: false, more: false, wants: [] };
  const twoLives = [{ event: { type: 'message' as const, from: 'c' as const, message: page }, waitMs: 0 }];
  fc.assert(
    fc.property(steps, (said) => {
      const node = createNode('a', { options: { rememberMs: 20_000 } });
      for (const name of ['b', 'c']) step(node, 0, { type: 'met', peer: name, epoch: 1 });
      let nowMs = 0;
      for (const { event, waitMs } of said) {
        nowMs += waitMs;
        step(node, nowMs, event);
      }
    }),
    { numRuns: 500, examples: [[twoLives]] },
  );
});

test('every list, text and number has a maximum', () => {
  const refused = (given: Partial<Announcement>): void =>
    assert.equal(parseAnnouncement(formAnnouncement(announcementOf(1, given))).ok, false, JSON.stringify(given));
  assert.ok(parseAnnouncement(formAnnouncement(announcementOf(1))).ok);
  refused({ epoch: max.epochMax + 1 });
  refused({ sequence: max.sequenceMax + 1 });
  refused({ sequence: 0 });
  refused({ floor: 2 });
  refused({ leftMs: 0 });
  refused({ leftMs: max.ttlMsMax + 1 });
  refused({ body: new Uint8Array(max.bodyBytesMax + 1) });
  for (const topic of ['', 'x'.repeat(max.topicCharsMax + 1), 'two\nlines', '\u001b[2J', '\ud800']) refused({ topic });
  const pageRefused = (given: Partial<Extract<GossipMessage, { type: 'page' }>>): void => {
    const page: GossipMessage = { type: 'page', parts: [], wants: [], urgent: false, more: false, ...given };
    assert.equal(parseGossipMessage(formGossipMessage(page)).ok, false);
  };
  const source = 'x';
  const pieces = (count: number): number[] => Array.from({ length: 2 * count }, (_, at) => 1 + 2 * Math.floor(at / 2));
  const one = { source, epoch: 1, agoMs: 0, gone: [], announcements: [] };
  pageRefused({ parts: Array.from({ length: max.partsMax + 1 }, () => one) });
  pageRefused({ parts: [{ ...one, gone: pieces(max.gonePiecesMax + 1) }] });
  pageRefused({ parts: [{ ...one, announcements: [announcementOf(2), announcementOf(1)] }] });
  pageRefused({ wants: Array.from({ length: max.wantsMax + 1 }, () => ({ source, epoch: 1, numbers: [1, 1] })) });
  pageRefused({ wants: [{ source, epoch: 1, numbers: pieces(4 * max.rangesMax) }] });
  const marks = Array.from({ length: max.marksMax + 1 }, () => ({ source, epoch: 1, known: [1, 1], agoMs: 0 }));
  assert.equal(parseGossipMessage(formGossipMessage({ type: 'marks', buckets: [0], marks })).ok, false);
});
