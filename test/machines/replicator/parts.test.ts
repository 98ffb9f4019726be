import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createParts,
  forgetParts,
  formPart,
  onPart,
  onPartAck,
  type PartSend,
  parsePart,
  partsDueMs,
  partsTurn,
  sendInParts,
} from '../../../machines/replicator/parts.ts';
import { repairLimits as max } from '../../../machines/replicator/repair-limits.ts';

const bytesOf = (length: number, seed: number): Uint8Array => new Uint8Array(length).map((_, at) => (at * 31 + seed) & 0xff);

/** Two sides, a lane in order; `loses` says which message is lost. */
const pair = (loses: (count: number) => boolean = () => false) => {
  const [a, b] = [createParts(), createParts()];
  const got: Uint8Array[] = [];
  let count = 0;
  let underWayMax = 0;
  const settle = (first: PartSend[], nowMs = 0): void => {
    const lane = first.map((send) => ({ send, atB: true }));
    while (lane.length > 0) {
      underWayMax = Math.max(underWayMax, lane.filter(({ atB }) => atB).length);
      const { send, atB } = lane.shift()!;
      if (loses(count++)) continue;
      const message = parsePart(formPart(send.message))!;
      assert.ok(message !== null);
      if (message.type === 'part-ack') {
        assert.ok(!atB);
        lane.push(...onPartAck(a, nowMs, 'b', message).map((each) => ({ send: each, atB: true })));
        continue;
      }
      const { sends, whole } = onPart(b, nowMs, 'a', message);
      if (whole !== null) got.push(whole);
      lane.push(...sends.map((each) => ({ send: each, atB: false })));
    }
  };
  return { a, b, got, settle, underWay: () => underWayMax };
};

test('long messages come whole, in their order, few parts at a time', () => {
  const { a, b, got, settle, underWay } = pair();
  const given = [3 * max.partBytes + 1, 1, 9 * max.partBytes, max.partBytes].map(bytesOf);
  settle(given.flatMap((bytes) => sendInParts(a, 0, 'b', bytes)));
  assert.deepEqual(got, given);
  assert.ok(underWay() <= max.partsUnderWay);
  assert.deepEqual([a.outgoing.size, b.incoming.size], [0, 0]);
});

test('whatever is lost: what comes is what was sent, nothing is kept, and the next message comes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 6 }), fc.integer({ min: 1, max: 6 }), (lost, length) => {
      const { a, b, got, settle } = pair((count) => lost.includes(count));
      const given = [bytesOf(length * max.partBytes, 1), bytesOf(max.partBytes + 5, 2)];
      settle(given.flatMap((bytes) => sendInParts(a, 0, 'b', bytes)));
      for (let nowMs = max.exchangeTimeoutMs; nowMs <= 3 * max.exchangeTimeoutMs; nowMs += max.exchangeTimeoutMs) {
        assert.ok(a.outgoing.size === 0 || partsDueMs(a) <= nowMs);
        partsTurn(b, nowMs);
        settle(partsTurn(a, nowMs), nowMs);
      }
      for (const bytes of got) assert.ok(given.some((one) => Buffer.compare(one, bytes) === 0));
      assert.deepEqual([a.outgoing.size, b.incoming.size], [0, 0]);
      lost.length = 0;
      const last = bytesOf(2 * max.partBytes, 3);
      settle(sendInParts(a, 0, 'b', last));
      assert.deepEqual(got.at(-1), last);
    }),
    { numRuns: 60 },
  );
});

test('a limit for what waits and for what comes; who goes is forgotten', () => {
  const { a, b } = pair();
  assert.deepEqual(sendInParts(a, 0, 'b', { byteLength: max.wholeBytesMax + 1 } as Uint8Array), []);
  for (let n = 0; n < max.wholesPerPeerMax + 2; n++) sendInParts(a, 0, 'b', bytesOf(2 * max.partBytes, n));
  assert.equal(a.outgoing.get('b')!.length, max.wholesPerPeerMax);
  forgetParts(a, 'b');
  assert.equal(a.outgoing.size, 0);
  const first = (from: string) =>
    onPart(b, 0, from, { type: 'part', id: 1, total: max.wholeBytesMax, at: 0, bytes: new Uint8Array(8) }).sends.length;
  assert.deepEqual([first('x'), first('y')], [1, 0]);
  forgetParts(b, 'x');
  assert.equal(first('y'), 1);
});

test('what is no part is none; a part that does not follow, or of another message, changes nothing', () => {
  const bytes = new Uint8Array(4);
  const none = [
    ...[
      null,
      {},
      [],
      [1],
      [1, 0],
      [1, 2, 3],
      [-1, 4, 0, bytes],
      [1, 4, 1, bytes],
      [1, 5, 0, bytes],
      [1, 2 ** 24, 0, new Uint8Array(max.partBytesMin - 1)],
      [1, 4, 4, new Uint8Array()],
      [1, 4, 0, 'text'],
      [1, 4, 0, new Uint8Array()],
    ],
    ...[
      [1, max.wholeBytesMax + 1, 0, bytes],
      [1, 2 ** 24, 0, new Uint8Array(max.partBytes + 1)],
      [1.5, 4, 0, bytes],
      [1, 4, 0, bytes, 1],
    ],
  ];
  for (const value of none) assert.equal(parsePart(value), null);
  const { a, b } = pair();
  const part = (id: number, at: number) => onPart(b, 0, 'a', { type: 'part', id, total: 12, at, bytes });
  for (const taken of [part(1, 4), part(1, 0), part(1, 0), part(1, 8), part(2, 4)].slice(3)) assert.deepEqual(taken.sends, []);
  assert.equal(part(1, 4).sends.length, 1);
  assert.equal(part(1, 8).whole!.byteLength, 12);
  sendInParts(a, 0, 'b', new Uint8Array(9 * max.partBytes));
  for (const [id, here] of [
    [2, 4],
    [1, 10 * max.partBytes],
  ] as const)
    assert.deepEqual(onPartAck(a, 0, 'b', { type: 'part-ack', id, here }), []);
  assert.equal(onPartAck(a, 0, 'b', { type: 'part-ack', id: 1, here: max.partBytes }).length, 1);
});
