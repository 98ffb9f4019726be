// The writer against a map that simply has every write at once, and its promises one by one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StorageFailure, StorageOperation, StorageView } from '../../../actors/ports/index.ts';
import { createWriter, type Writer, writerLimits } from '../../../actors/writer.ts';
import { createMemoryStorage } from '../../ports/memory-storage.ts';
import { createHandClock, quietSink } from '../hand-clock.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');
const put = (key: string, value = ''): StorageOperation => ({ key: bytes(key), value: bytes(value) });
const del = (key: string): StorageOperation => ({ key: bytes(key), value: null });

const open = () => {
  const clock = createHandClock();
  const storage = createMemoryStorage(new Map(), clock.later);
  const sink = quietSink();
  return { clock, storage, sink, writer: createWriter({ storage, clock, sink }) };
};

const keysOf = (storage: ReturnType<typeof createMemoryStorage>): string[][] =>
  storage.batches.map(({ operations }) => operations.map(({ key }) => text(key)));

test('while a batch is under way, everything that arrives becomes the next one', () => {
  const { clock, storage, writer } = open();
  const order: number[] = [];
  writer.write([put('first')], { durable: true }, () => order.push(0));
  clock.turn();
  for (let n = 1; n <= 100; n++)
    writer.write([put(`k${n}`)], { durable: n === 50 }, (why) => order.push(why === null ? n : -1));
  clock.settle();
  assert.deepEqual(
    storage.batches.map(({ operations, durable }) => [operations.length, durable]),
    [
      [1, true],
      [100, true],
    ],
  );
  assert.deepEqual(order, [...Array(101).keys()]);
  assert.equal(writer.pendingBytes, 0);
});

test('of the operations on one key in a batch only the last is written', () => {
  const { clock, storage, writer } = open();
  for (let n = 0; n < 10; n++) writer.write([put('same', String(n)), put(`k${n}`), del(`k${n}`)], { durable: true }, () => {});
  clock.settle();
  assert.equal(storage.batches.length, 1);
  assert.equal(storage.batches[0]!.operations.length, 11);
  assert.equal(text(storage.get(bytes('same'))!), '9');
});

test('what need not be durable waits for what must be, or for its time', () => {
  const { clock, storage, writer } = open();
  writer.write([put('a')], { durable: false }, () => {});
  clock.pass(writerLimits.patienceMs - 1);
  assert.equal(storage.batches.length, 0);
  assert.ok(writer.get(bytes('a')) !== undefined);
  writer.write([put('b')], { durable: true }, () => {});
  clock.settle();
  assert.deepEqual(keysOf(storage), [['a', 'b']]);
  assert.equal(storage.batches[0]!.durable, true);

  writer.write([put('c')], { durable: false }, () => {});
  clock.pass(writerLimits.patienceMs);
  assert.deepEqual(keysOf(storage), [['a', 'b'], ['c']]);
  assert.equal(storage.batches[1]!.durable, false);
});

test('much at once, or much in all, does not wait', () => {
  const { clock, storage, writer } = open();
  writer.write([put('large', 'x'.repeat(writerLimits.lonelyBytes))], { durable: false }, () => {});
  clock.settle();
  assert.equal(storage.batches.length, 1);
  for (let n = 0; n < 9; n++) writer.write([put(`m${n}`, 'x'.repeat(32 << 10))], { durable: false }, () => {});
  clock.settle();
  assert.equal(storage.batches.length, 2);
});

test('batches end at their limits of bytes and operations', () => {
  const { clock, storage, writer } = open();
  const value = 'x'.repeat(1 << 20);
  for (let n = 0; n < 20; n++) writer.write([put(`k${n}`, value)], { durable: true }, () => {});
  assert.ok(writer.pendingBytes > 20 << 20);
  clock.settle();
  assert.deepEqual(
    storage.batches.map(({ operations }) => operations.length),
    [8, 8, 4],
  );
  const many = [...Array(writerLimits.batchOperationsMax).keys()].map((n) => put(`n${n}`));
  writer.write(many, { durable: true }, () => {});
  writer.write([put('one more')], { durable: true }, () => {});
  clock.settle();
  assert.deepEqual(
    storage.batches.slice(3).map(({ operations }) => operations.length),
    [writerLimits.batchOperationsMax, 1],
  );
  assert.equal(writer.pendingBytes, 0);
});

test('after the disk refuses once, everybody is told in order, once, and for good', () => {
  const { clock, storage, writer } = open();
  const told: string[] = [];
  const tell = (who: string) => (why: StorageFailure | null) => void told.push(`${who} ${why?.code ?? 'well'}`);
  writer.onFailure(tell('listener'));
  writer.write([put('a', '1')], { durable: true }, tell('a'));
  clock.settle();
  storage.failWith({ code: 'DISK_FULL', message: 'no room' });
  writer.write([put('a', '2')], { durable: true }, tell('b'));
  clock.turn();
  writer.write([put('c', '1')], { durable: true }, tell('c'));
  writer.write([del('c'), put('d', '1')], { durable: false }, tell('d'));
  clock.settle();
  writer.write([put('e', '1')], { durable: true }, tell('e'));
  clock.settle();
  assert.deepEqual(told, ['a well', 'listener DISK_FULL', 'b DISK_FULL', 'c DISK_FULL', 'd DISK_FULL', 'e DISK_FULL']);
  assert.equal(storage.batches.length, 1);
  assert.equal(writer.pendingBytes, 0);
  // What was seen once is not taken back: an actor that has not heard of the failure must not answer from an older state.
  assert.deepEqual(
    ['a', 'c', 'd', 'e'].map((key) => writer.get(bytes(key))).map((value) => value && text(value)),
    ['2', undefined, '1', '1'],
  );
});

test('beyond what is kept of refused writes, reads are refused rather than wrong', () => {
  const { clock, storage, writer } = open();
  storage.failWith({ code: 'IO_ERROR', message: 'gone' });
  const value = bytes('x'.repeat(writerLimits.refusedBytesMax / 2));
  for (const key of ['a', 'b', 'c']) writer.write([{ key: bytes(key), value }], { durable: true }, () => {});
  clock.settle();
  assert.throws(() => writer.get(bytes('a')), /IO_ERROR/);
  assert.throws(() => writer.view(), /IO_ERROR/);
});

test('a callback that throws takes nothing from the others', () => {
  const { clock, sink, writer } = open();
  let called = 0;
  writer.write([put('a')], { durable: true }, () => {
    throw new Error('mine alone');
  });
  writer.write([put('b')], { durable: true }, () => called++);
  clock.settle();
  writer.write([put('c')], { durable: true }, () => called++);
  clock.settle();
  assert.equal(called, 2);
  assert.deepEqual(sink.lines, ['error WRITE_CALLBACK_THREW']);
});

test('stop writes what waits, then answers; later writes are refused', () => {
  const { clock, storage, writer } = open();
  const told: string[] = [];
  writer.write([put('a')], { durable: false }, () => told.push('a'));
  writer.stop(() => told.push('stopped'));
  writer.write([put('b')], { durable: true }, (why) => told.push(`b ${why?.code}`));
  clock.settle();
  assert.deepEqual(told.toSorted(), ['a', 'b CLOSED', 'stopped']);
  assert.ok(told.indexOf('a') < told.indexOf('stopped'));
  assert.deepEqual(keysOf(storage), [['a']]);
  writer.stop(() => told.push('again'));
  clock.settle();
  assert.equal(told.at(-1), 'again');
});

// ---------------------------------------------------------------- against the dumb twin

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const operation = fc.tuple(key, fc.option(fc.constantFrom('1', '22', '333'), { freq: 2 }));
const step = fc.oneof(
  fc.record({ do: fc.constant('write' as const), operations: fc.array(operation, { maxLength: 4 }), durable: fc.boolean() }),
  fc.record({ do: fc.constant('turn' as const), turns: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ do: fc.constant('view' as const) }),
);
const range = fc.record({
  gte: key,
  lt: fc.constantFrom('c', 'e', 'z'),
  limit: fc.integer({ min: 1, max: 4 }),
  limitBytes: fc.constantFrom(1, 5, 1_000),
  reverse: fc.boolean(),
});

type Pairs = [string, string][];

/** All pages of a range, one by one; each must keep its limits. */
const readAll = (
  view: Pick<StorageView, 'read'>,
  settle: () => void,
  wanted: { gte: string; lt: string; limit: number; limitBytes: number; reverse: boolean },
): Pairs => {
  const all: Pairs = [];
  let { gte, lt } = { gte: bytes(wanted.gte), lt: bytes(wanted.lt) };
  for (;;) {
    const pages: [Uint8Array, Uint8Array][][] = [];
    view.read({ gte, lt, limit: wanted.limit, limitBytes: wanted.limitBytes, reverse: wanted.reverse }, (why, page) => {
      assert.equal(why, null);
      pages.push(page);
    });
    settle();
    const [page] = pages;
    assert.equal(pages.length, 1);
    const last = page!.at(-1);
    if (last === undefined) return all;
    assert.ok(page!.length <= wanted.limit);
    const before = page!.slice(0, -1).reduce((sum, [k, v]) => sum + k.byteLength + v.byteLength, 0);
    assert.ok(before < wanted.limitBytes, 'a page goes on after its limit of bytes');
    all.push(...page!.map(([k, v]): [string, string] => [text(k), text(v)]));
    if (wanted.reverse) lt = last[0];
    else gte = bytes(`${text(last[0])}\0`);
  }
};

const expectedOf = (twin: Map<string, string>, wanted: { gte: string; lt: string; reverse: boolean }): Pairs => {
  const inside = [...twin].filter(([k]) => k >= wanted.gte && k < wanted.lt).sort(([a], [b]) => (a < b ? -1 : 1));
  return wanted.reverse ? inside.reverse() : inside;
};

const checkReads = (writer: Writer, twin: Map<string, string>): void => {
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
    const value = writer.get(bytes(name));
    assert.equal(value === undefined ? undefined : text(value), twin.get(name));
  }
};

test('reads see every earlier write at once, views stay frozen, answers come in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(range, { minLength: 1, maxLength: 4 }), (steps, ranges) => {
      const { clock, storage, writer } = open();
      const twin = new Map<string, string>();
      const views: { view: StorageView; frozen: Map<string, string> }[] = [];
      const answered: number[] = [];
      let writes = 0;
      for (const one of steps) {
        if (one.do === 'turn') for (let n = 0; n < one.turns; n++) clock.turn();
        if (one.do === 'pass') clock.pass(one.ms);
        if (one.do === 'view') views.push({ view: writer.view(), frozen: new Map(twin) });
        if (one.do === 'write') {
          const number = writes++;
          const after = new Map(twin);
          for (const [k, value] of one.operations) value === null ? after.delete(k) : after.set(k, value);
          writer.write(
            one.operations.map(([k, value]) => (value === null ? del(k) : put(k, value))),
            { durable: one.durable },
            () => {
              answered.push(number);
              if (one.durable) assert.equal(storage.batches.at(-1)!.durable, true);
            },
          );
          twin.clear();
          for (const [k, value] of after) twin.set(k, value);
        }
        checkReads(writer, twin);
      }
      for (const { view, frozen } of [...views, { view: writer.view(), frozen: twin }])
        for (const wanted of ranges) assert.deepEqual(readAll(view, clock.settle, wanted), expectedOf(frozen, wanted));
      clock.pass(writerLimits.patienceMs);
      assert.deepEqual(answered, [...Array(writes).keys()]);
      assert.deepEqual(new Map([...storage.contents().values()].map(([k, v]) => [text(k), text(v)])), twin);
      for (const { view, frozen } of views)
        for (const wanted of ranges) assert.deepEqual(readAll(view, clock.settle, wanted), expectedOf(frozen, wanted));
    }),
    { numRuns: 300 },
  );
});

test('a page that ends early on the disk holds back what is laid over beyond it', () => {
  for (const limits of [
    { limit: 1, limitBytes: 1_000 },
    { limit: 10, limitBytes: 1 },
  ])
    for (const reverse of [false, true]) {
      const { clock, writer } = open();
      writer.write([put('b', '1'), put('c', '1'), put('d', '1')], { durable: true }, () => {});
      clock.settle();
      writer.write([del('b'), del('d'), put('a', '2'), put('e', '2')], { durable: false }, () => {});
      const expected: Pairs = [
        ['a', '2'],
        ['c', '1'],
        ['e', '2'],
      ];
      const all = readAll(writer.view(), clock.settle, { gte: 'a', lt: 'z', reverse, ...limits });
      assert.deepEqual(all, reverse ? expected.reverse() : expected);
    }
});
