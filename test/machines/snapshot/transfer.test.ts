// A transfer over a lane that loses, repeats, reorders and damages: it ends with exactly what was sent, or not at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  chunkOf,
  createDigest,
  createReceiver,
  createSender,
  fitsWindow,
  isRecords,
  onAcknowledged,
  onChunk,
  onSent,
  recordKeyBytesMax,
  recordsBytes,
  type SnapshotRecord,
  wantsPage,
} from '../../../machines/snapshot/index.ts';
import { limits } from '../../../machines/wire/limits.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const record = (key: string, value = ''): SnapshotRecord => [bytes(key), bytes(value)];
const hex = (sum: Uint8Array): string => Buffer.from(sum).toString('hex');

test('the window holds the sender back until the receiver has written', () => {
  const state = createSender(0);
  const chunk = limits.snapshotChunkBytesMax;
  while (fitsWindow(state, chunk)) onSent(state, chunk);
  assert.equal(state.inflightBytes, limits.snapshotInflightBytesMax);
  assert.equal(fitsWindow(state, 1), false);
  onAcknowledged(state, 2, 5);
  assert.deepEqual(
    [state.acknowledged, state.movedMs, state.inflightBytes],
    [2, 5, limits.snapshotInflightBytesMax - 2 * chunk],
  );
  assert.deepEqual([fitsWindow(state, 2 * chunk), fitsWindow(state, 2 * chunk + 1)], [true, false]);
  onAcknowledged(state, state.sent, 6);
  assert.deepEqual([state.inflight, state.inflightBytes], [[], 0]);
  for (const fits of [true, true, false]) {
    assert.equal(fitsWindow(state, limits.messageBytesMax), fits, 'of what is larger than the window two travel at a time');
    if (fits) onSent(state, limits.messageBytesMax);
  }
  assert.equal(fitsWindow(state, 1), false);
});

test('one page at a time is read, and none after the last', () => {
  const state = createSender(0);
  assert.equal(wantsPage(state), true);
  assert.equal(wantsPage({ ...state, reading: true }), false);
  assert.equal(wantsPage({ ...state, ended: true }), false);
});

test('a chunk is small, or one record', () => {
  const small = record('a', 'x');
  const large = record('b', 'x'.repeat(limits.snapshotChunkBytesMax));
  assert.deepEqual(
    [[], [small], [small, small], [large], [small, large], [small, small, large]].map((page) => chunkOf(page)),
    [0, 1, 2, 1, 1, 2],
  );
});

test('an acknowledgement of what was never sent, or that is no number, changes nothing', () => {
  const state = createSender(0);
  for (let n = 0; n < 3; n++) onSent(state, 10);
  onAcknowledged(state, 2, 1);
  for (const next of [2, 1, 0, -1, 4, 1.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY]) onAcknowledged(state, next, 9);
  assert.deepEqual([state.acknowledged, state.movedMs, state.inflight, state.inflightBytes], [2, 1, [10], 10]);
});

test('a receiver takes the next chunk, shrugs at an old one, and sees a gap', () => {
  const state = createReceiver(0);
  assert.deepEqual(
    [0, 0, 1, 3, -1, 0.5, Number.NaN, 2].map((number) => onChunk(state, number, [record(`k${number}`)], 1)),
    ['take', 'repeated', 'take', 'gap', 'gap', 'gap', 'gap', 'take'],
  );
});

test('a receiver takes only chunks whose keys follow those before', () => {
  const state = createReceiver(0);
  const verdicts = [[record('b'), record('d')], [record('c')], [record('d')], [], [record('d\0'), record('e')]].map((records) =>
    onChunk(state, state.expected, records, 1),
  );
  assert.deepEqual(verdicts, ['take', 'unordered', 'unordered', 'unordered', 'take']);
  assert.equal(state.expected, 2);
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
      const chunks = pages.map((keys, n) => keys.sort().map((key) => record(`${String(n).padStart(2, '0')}${key}`, `v${n}`)));
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
        const verdict = onChunk(receiver, message.number, message.records, nowMs);
        if (verdict === 'gap' || verdict === 'unordered') broken = true;
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
          // As if each value were large: a few fill the window.
          const bytes = recordsBytes(records) * 10_000;
          if (!fitsWindow(sender, bytes)) break;
          sum.add(records);
          lane.push({ number: onSent(sender, bytes), records });
          assert.ok(sender.inflightBytes <= limits.snapshotInflightBytesMax || sender.inflight.length <= 2);
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
