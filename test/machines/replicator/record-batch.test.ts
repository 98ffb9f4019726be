// What was applied is what is read back from a batch, and what others are told of it is what they lack.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addHeard,
  addOwn,
  addState,
  bytesOfBatch,
  change,
  createObjects,
  createRecordBatch,
  emptyBatch,
  hear,
  isBatchFull,
  nextRecord,
  type Objects,
  packedForm,
  piecesOf,
  type RecordBatch,
  recordBatchLimits,
  replay,
  replicatedTypes,
  unpackOwned,
} from '../../../machines/replicator/index.ts';
import { pack } from '../../../machines/wire/envelope.ts';
import { cursorOf } from '../../../machines/wire/octets.ts';

const nowMs = 1_000_000;

const make = (objects: Objects, batch: RecordBatch, type: string, key: string, given: unknown): number => {
  const changed = change(objects, nowMs, type, key, given);
  assert.ok(changed.ok);
  return changed.record === null ? 0 : addOwn(batch, changed.object, changed.record);
};

const recordsIn = (packed: Uint8Array): unknown[] => {
  const from = cursorOf(packed);
  const records: unknown[] = [];
  for (let record = nextRecord(from); record !== null; record = nextRecord(from)) records.push(record);
  assert.ok(!from.failed);
  return records;
};

const formsOf = ({ all }: Objects): Map<string, string> =>
  new Map([...all.keys()].sort().map((name) => [name, Buffer.from(packedForm(all, name)!).toString('hex')]));

type Step = readonly [type: string, key: string, change: unknown];
const key = fc.constantFrom('a', 'b');
const number = fc.constantFrom(1, 2, 200, 70_000);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom('pn-counter', 'g-counter'), key, fc.record({ type: fc.constant('add'), by: number })),
  fc.tuple(
    fc.constantFrom('register', 'lww-register'),
    key,
    fc.oneof(fc.record({ type: fc.constant('set'), value: number }), fc.constant({ type: 'clear' })),
  ),
  fc.tuple(fc.constantFrom('flag', 'disable-wins-flag'), key, fc.record({ type: fc.constantFrom('enable', 'disable') })),
  fc.tuple(fc.constant('or-set'), key, fc.record({ type: fc.constantFrom('add', 'remove'), element: number })),
  fc.tuple(fc.constant('lww-map'), key, fc.record({ type: fc.constant('put'), key, value: number })),
  fc.tuple(fc.constant('text'), key, fc.constant({ type: 'insert', at: 0, content: 'xy' })),
);

test('read back after a crash it is what it was, and others who are told all become the same', () => {
  const turn = fc.tuple(fc.nat(1), fc.array(step, { maxLength: 12 }), fc.boolean());
  const nodeOf = (id: string) => ({
    objects: createObjects(id, replicatedTypes),
    batch: createRecordBatch(),
    disk: [] as Uint8Array[],
  });
  type Node = ReturnType<typeof nodeOf>;
  /** To the disk, and then told; what is heard lies between own changes. */
  const flush = (author: Node, other: Node): void => {
    author.disk.push(bytesOfBatch(author.batch).slice());
    for (const { bytes, records } of piecesOf(author.batch)) {
      const told = recordsIn(bytes);
      assert.equal(told.length, records);
      for (const record of told) assert.match(String(hear(other.objects, nowMs, record, 1)), /changed|conflict|same/);
      addHeard(other.batch, bytes, records);
    }
    author.batch = emptyBatch(author.batch);
  };
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 12 }), (turns) => {
      const nodes = [nodeOf('left'), nodeOf('right')] as const;
      for (const [at, steps, isFlushed] of turns) {
        const [author, other] = [nodes[at]!, nodes[1 - at]!];
        for (const one of steps) make(author.objects, author.batch, ...one);
        if (isFlushed) flush(author, other);
      }
      flush(nodes[0], nodes[1]);
      flush(nodes[1], nodes[0]);
      flush(nodes[0], nodes[1]);
      assert.deepEqual(formsOf(nodes[0].objects), formsOf(nodes[1].objects));
      for (const { objects, disk } of nodes) {
        const again = createObjects(objects.replica, replicatedTypes);
        for (const value of disk) for (const record of recordsIn(value)) assert.ok(replay(again, new Map(), record, 1));
        assert.deepEqual(formsOf(again), formsOf(objects));
      }
    }),
    { numRuns: 150 },
  );
});

test('a change that says all that came before it takes its place where it takes the same room', () => {
  const objects = createObjects('a', replicatedTypes);
  const batch = createRecordBatch();
  for (let n = 0; n < 1_000; n++) make(objects, batch, 'pn-counter', 'visits', { type: 'add', by: 1 });
  for (let n = 0; n < 50; n++) make(objects, batch, 'or-set', 'set', { type: 'add', element: n });
  const records = recordsIn(bytesOfBatch(batch));
  // One for each length of a number.
  assert.deepEqual(records.slice(0, 3), [
    ['pn-counter', 'visits', ['a', 127, 0]],
    ['pn-counter', 'visits', ['a', 255, 0]],
    ['pn-counter', 'visits', ['a', 1_000, 0]],
  ]);
  assert.equal(records.length, 53);
  assert.equal(batch.changes, 1_050);
});

test('pieces are told whole, and no longer than they may be but for one record', () => {
  const objects = createObjects('a', replicatedTypes);
  const batch = createRecordBatch();
  let made = 0;
  while (!isBatchFull(batch))
    make(objects, batch, 'lww-register', `k${made++}`, { type: 'set', value: 'x'.repeat(made % 3_000) });
  make(objects, batch, 'lww-register', 'long', { type: 'set', value: 'x'.repeat(100_000) });
  const pieces = piecesOf(batch);
  for (const { bytes, records } of pieces) assert.ok(records === 1 || bytes.byteLength <= recordBatchLimits.pieceBytes);
  assert.equal(
    pieces.reduce((sum, { records }) => sum + records, 0),
    made + 1,
  );
  assert.ok(batch.changes <= recordBatchLimits.changesMax + 1);
});

test('states of others lie between changes, and are told to nobody', () => {
  const objects = createObjects('a', replicatedTypes);
  const batch = createRecordBatch();
  make(objects, batch, 'or-set', 's', { type: 'add', element: 1 });
  addState(batch, 'or-set', 't', pack([[], []]));
  make(objects, batch, 'or-set', 's', { type: 'add', element: 2 });
  assert.deepEqual(recordsIn(bytesOfBatch(batch))[1], ['or-set', 't', [[], []], true]);
  assert.deepEqual(
    piecesOf(batch).map(({ records }) => records),
    [1, 1],
  );
});

test('what is no record ends the reading', () => {
  const from = cursorOf(Uint8Array.from([1, 0xc1, 1]));
  assert.equal(nextRecord(from), 1);
  assert.equal(nextRecord(from), null);
  assert.ok(from.failed);
  assert.equal(nextRecord(from), null);
  assert.equal(unpackOwned(Uint8Array.from([1, 1])), undefined);
  assert.equal(unpackOwned(new Uint8Array(0)), undefined);
});
