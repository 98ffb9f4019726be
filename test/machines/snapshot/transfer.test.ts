// A transfer over a lane that loses, repeats, reorders and damages: it ends with exactly what was sent, or not at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createDigest,
  createReceiver,
  createSender,
  isRecords,
  onAcknowledged,
  onChunk,
  recordKeyBytesMax,
  type SnapshotRecord,
  wantsPage,
  windowChunks,
} from '../../../machines/snapshot/index.ts';
import { limits } from '../../../machines/wire/limits.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const record = (key: string, value = ''): SnapshotRecord => [bytes(key), bytes(value)];
const hex = (sum: Uint8Array): string => Buffer.from(sum).toString('hex');

test('the window holds the sender back until the receiver has written', () => {
  const state = createSender(0);
  let pages = 0;
  while (wantsPage(state)) {
    state.sent++;
    pages++;
  }
  assert.equal(pages, windowChunks);
  onAcknowledged(state, 2, 5);
  assert.deepEqual([state.acknowledged, state.movedMs, wantsPage(state)], [2, 5, true]);
  state.reading = true;
  assert.equal(wantsPage(state), false);
});

test('an acknowledgement of what was never sent, or that is no number, changes nothing', () => {
  const state = createSender(0);
  state.sent = 3;
  onAcknowledged(state, 2, 1);
  for (const next of [2, 1, 0, -1, 4, 1.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY]) onAcknowledged(state, next, 9);
  assert.deepEqual([state.acknowledged, state.movedMs], [2, 1]);
});

test('a receiver takes the next chunk, shrugs at an old one, and sees a gap', () => {
  const state = createReceiver(0);
  assert.deepEqual(
    [0, 0, 1, 3, -1, 0.5, Number.NaN, 2].map((number) => onChunk(state, number, 1)),
    ['take', 'repeated', 'take', 'gap', 'gap', 'gap', 'gap', 'take'],
  );
});

test('what is no page of a keyspace is refused', () => {
  const big = 'x'.repeat(limits.snapshotChunkBytesMax);
  const pages: [unknown, boolean][] = [
    [[record('a'), record('b', 'x')], true],
    [[record('a', big)], true],
    [[record('a', 'x'), record('b', big)], true],
    [[record('a', big), record('b')], false],
    [[], false],
    [null, false],
    [{ length: 1 }, false],
    [[record('b'), record('a')], false],
    [[record('a'), record('a')], false],
    [[record('a'), record('a\0'), record('b')], true],
    [[record('')], false],
    [[record('k'.repeat(recordKeyBytesMax))], true],
    [[record('k'.repeat(recordKeyBytesMax + 1))], false],
    [[[bytes('a')]], false],
    [[['a', bytes('')]], false],
    [[[bytes('a'), 'value']], false],
    [[...Array(11).keys()].map((n) => record(String.fromCharCode(65 + n))), false],
  ];
  for (const [page, expected] of pages) assert.equal(isRecords(page, 10), expected, String(JSON.stringify(page)).slice(0, 60));
});

test('the digest knows order, borders, contents and what it is bound to', () => {
  const sum = (chunks: SnapshotRecord[][], binding: unknown = ['kv', 7]): string => {
    const digest = createDigest(binding);
    for (const chunk of chunks) digest.add(chunk);
    return hex(digest.end());
  };
  const sums = [
    sum([[record('a', '1'), record('b', '2')]]),
    sum([[record('b', '2'), record('a', '1')]]),
    sum([[record('a', '1')], [record('b', '2')]]),
    sum([[record('a1', ''), record('b', '2')]]),
    sum([[record('a', '1'), record('b', '3')]]),
    sum([[record('a', '1')]]),
    sum([]),
    sum([[record('a', '1'), record('b', '2')]], ['kv', 8]),
    sum([[record('a', '1'), record('b', '2')]], null),
  ];
  assert.equal(new Set(sums).size, sums.length);
  assert.equal(sum([[record('a', '1'), record('b', '2')]]), sums[0]);
});

// ---------------------------------------------------------------- sender, lane and receiver together

const page = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 });
const harm = fc.constantFrom('none', 'none', 'none', 'none', 'lose', 'repeat', 'swap', 'damage');

type Message = { number: number; records: SnapshotRecord[] };

test('what is accepted is what was sent, whatever the lane did', () => {
  fc.assert(
    fc.property(fc.array(page, { maxLength: 12 }), fc.array(harm, { maxLength: 30 }), (pages, harms) => {
      const chunks = pages.map((keys, n) => keys.sort().map((key) => record(key, `v${n}`)));
      const sender = createSender(0);
      const receiver = createReceiver(0);
      const [sum, own] = [createDigest('meta'), createDigest('meta')];
      const written: SnapshotRecord[] = [];
      let lane: Message[] = [];
      let broken = false;
      let nowMs = 0;
      const harmed = harms[Symbol.iterator]();
      const deliver = (message: Message): void => {
        if (broken) return;
        const verdict = onChunk(receiver, message.number, nowMs);
        if (verdict === 'gap') broken = true;
        if (verdict !== 'take') return;
        own.add(message.records);
        written.push(...message.records);
        onAcknowledged(sender, receiver.expected, nowMs);
      };
      for (let rounds = 0; rounds < 50 && !broken; rounds++) {
        nowMs++;
        while (wantsPage(sender)) {
          const records = chunks[sender.sent];
          if (records === undefined) {
            sender.ended = true;
            break;
          }
          sum.add(records);
          lane.push({ number: sender.sent++, records });
          assert.ok(sender.sent - sender.acknowledged <= windowChunks);
        }
        const [first, ...rest] = lane;
        if (first === undefined) break;
        const kind = harmed.next().value ?? 'none';
        if (kind === 'lose') lane = rest;
        else if (kind === 'repeat') deliver(first);
        else if (kind === 'swap') lane = rest.length > 0 ? [rest[0]!, first, ...rest.slice(1)] : lane;
        else {
          const damaged = first.records.map(([key, value]): SnapshotRecord => [key, bytes(`${Buffer.from(value)}!`)]);
          deliver(kind === 'damage' ? { ...first, records: damaged } : first);
          lane = rest;
        }
      }
      const whole = !broken && sender.ended && receiver.expected === sender.sent && hex(sum.end()) === hex(own.end());
      const all = chunks.flat().map(([key, value]) => [hex(key), hex(value)]);
      if (whole)
        assert.deepEqual(
          written.map(([key, value]) => [hex(key), hex(value)]),
          all,
        );
      else
        assert.ok(
          harms.some((kind) => kind !== 'none' && kind !== 'repeat'),
          'it fails only when the lane did harm',
        );
    }),
    { numRuns: 500 },
  );
});
