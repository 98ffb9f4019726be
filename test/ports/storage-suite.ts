// What every implementation of the storage port does, real or simulated (actors/ports/storage.ts). `open` gives a fresh store
// and, asked again with the same place, the one that was closed there.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type StorageFailure,
  StorageFault,
  type StorageOperation,
  type StoragePort,
  type StorageRange,
  type StorageView,
} from '../../actors/ports/index.ts';

export interface StorageWorld {
  /** Opens the store of this place; what was written there before is there again. */
  open(place: string): Promise<StoragePort>;
  /** Lets callbacks come; a simulated world runs itself here. */
  settle?(): Promise<void>;
  close(): Promise<void>;
}

type Page = [string, string][];
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1');
/** A store has keys of its own (the format version): the suite's lie all behind one letter. */
const keyOf = (name: string): Uint8Array => bytes(`t${name}`);
const put = (key: string, value: string): StorageOperation => ({ key: keyOf(key), value: bytes(value) });
const del = (key: string): StorageOperation => ({ key: keyOf(key), value: null });
const everything = { gte: bytes('t'), lt: bytes('u'), limit: 10_000 };

export const storageSuite = (name: string, createWorld: () => StorageWorld | Promise<StorageWorld>): void => {
  describe(name, () => {
    let places = 0;
    const withWorld = (run: (world: StorageWorld, storage: StoragePort, place: string) => Promise<void>) => async () => {
      const world = await createWorld();
      const place = `place-${places++}`;
      try {
        await run(world, await world.open(place), place);
      } finally {
        await world.close();
      }
    };
    const settled = <Value>(world: StorageWorld, start: (done: (value: Value) => void) => void): Promise<Value> => {
      const answer = new Promise<Value>((resolve) => start(resolve));
      return world.settle === undefined ? answer : world.settle().then(() => answer);
    };
    const write = (world: StorageWorld, storage: StoragePort, operations: StorageOperation[], durable = true) =>
      settled<StorageFailure | null>(world, (done) => storage.write(operations, { durable }, done));
    const read = async (world: StorageWorld, from: Pick<StorageView, 'read'>, range: StorageRange): Promise<Page> => {
      const [why, page] = await settled<[StorageFailure | null, [Uint8Array, Uint8Array][]]>(world, (done) =>
        from.read(range, (failure, entries) => done([failure, entries])),
      );
      assert.equal(why, null);
      return page.map(([key, value]) => [text(key).slice(1), text(value)]);
    };
    const stop = (world: StorageWorld, storage: StoragePort) =>
      settled<undefined>(world, (done) => storage.stop(() => done(undefined)));

    it(
      'gives back what was written, and undefined for what was not',
      withWorld(async (world, storage) => {
        assert.equal(storage.get(keyOf('a')), undefined);
        assert.equal(await write(world, storage, [put('a', '1'), put('b', '')]), null);
        assert.equal(text(storage.get(keyOf('a'))!), '1');
        assert.equal(storage.get(keyOf('b'))!.byteLength, 0);
        await write(world, storage, [del('a'), del('never there')], false);
        assert.equal(storage.get(keyOf('a')), undefined);
      }),
    );

    it(
      'applies a batch in order: the last operation on a key wins',
      withWorld(async (world, storage) => {
        await write(world, storage, [put('a', '1'), del('a'), put('a', '2'), put('b', '1'), del('b')]);
        assert.deepEqual(await read(world, storage, everything), [['a', '2']]);
      }),
    );

    it(
      'answers writes in a later turn and in order of calls, durable or not, empty or not',
      withWorld(async (world, storage) => {
        const order: number[] = [];
        await settled<undefined>(world, (done) => {
          for (let n = 0; n < 40; n++)
            storage.write(n % 5 === 0 ? [] : [put('same', String(n))], { durable: n % 3 === 0 }, (why) => {
              assert.equal(why, null);
              order.push(n);
              if (order.length === 40) done(undefined);
            });
          assert.equal(order.length, 0);
        });
        assert.deepEqual(order, [...Array(40).keys()]);
        assert.equal(text(storage.get(keyOf('same'))!), '39');
      }),
    );

    it(
      'keeps everything over a clean stop, durable or not',
      withWorld(async (world, storage, place) => {
        await write(world, storage, [put('durable', '1')]);
        await write(world, storage, [put('other', '2')], false);
        await stop(world, storage);
        const again = await world.open(place);
        assert.deepEqual(await read(world, again, everything), [
          ['durable', '1'],
          ['other', '2'],
        ]);
      }),
    );

    it(
      'stops after pending writes and then fails with CLOSED',
      withWorld(async (world, storage) => {
        const order: string[] = [];
        await settled<undefined>(world, (done) => {
          storage.write([put('a', '1')], { durable: true }, (why) => order.push(`written ${why?.code ?? 'well'}`));
          storage.stop(() => {
            order.push('stopped');
            done(undefined);
          });
          storage.write([put('b', '1')], { durable: true }, (why) => order.push(`late ${why?.code}`));
        });
        assert.equal((await write(world, storage, [put('c', '1')]))?.code, 'CLOSED');
        assert.deepEqual(order.toSorted(), ['late CLOSED', 'stopped', 'written well']);
        assert.ok(order.indexOf('written well') < order.indexOf('stopped'));
        const range = { ...everything };
        const codes = [
          await settled(world, (done: (code: unknown) => void) => storage.read(range, (why) => done(why?.code))),
          await settled(world, (done: (code: unknown) => void) => storage.view().read(range, (why) => done(why?.code))),
        ];
        assert.deepEqual(codes, ['CLOSED', 'CLOSED']);
      }),
    );

    it(
      'orders keys by bytes and takes them up to 1280 bytes, values up to 4 MiB',
      withWorld(async (world, storage) => {
        const keys = ['\x01', '\x7f', '\x80', '\xfe', '\xff', '\xff\x00', '\xff\xfe', 'a', 'a\x00', 'b', 'k'.repeat(1279)];
        await write(
          world,
          storage,
          keys.toReversed().map((key) => put(key, 'v')),
        );
        const sorted = keys.toSorted((a, b) => Buffer.compare(keyOf(a), keyOf(b)));
        assert.deepEqual(
          (await read(world, storage, everything)).map(([key]) => key),
          sorted,
        );
        const big = 'x'.repeat(4 << 20);
        await write(world, storage, [put('big', big)]);
        assert.equal(storage.get(keyOf('big'))!.byteLength, 4 << 20);
      }),
    );

    it(
      'ends pages at their limit of entries or bytes, with at least one entry',
      withWorld(async (world, storage) => {
        const records = [...Array(700).keys()].map((n) => put(`k${String(n).padStart(4, '0')}`, 'v'.repeat(100)));
        await write(world, storage, records);
        const range = { gte: keyOf('k'), lt: keyOf('l'), limit: 300 };
        assert.equal((await read(world, storage, range)).length, 300);
        assert.equal((await read(world, storage, { ...range, gte: keyOf('k0650') })).length, 50);
        const some = await read(world, storage, { ...range, limitBytes: 1_000 });
        assert.ok(some.length >= 9 && some.length <= 12, `${some.length} entries for 1000 bytes`);
        assert.equal((await read(world, storage, { ...range, limitBytes: 1 })).length, 1);
        assert.equal((await read(world, storage, { ...range, gte: keyOf('l'), lt: keyOf('k') })).length, 0);
        const back = await read(world, storage, { ...range, limit: 2, reverse: true });
        assert.deepEqual(
          back.map(([key]) => key),
          ['k0699', 'k0698'],
        );
      }),
    );

    it(
      'freezes a view, reads on while others write, and survives a close with a read under way',
      withWorld(async (world, storage) => {
        await write(world, storage, [put('a', '1'), put('b', '1'), put('c', '1')]);
        const view = storage.view();
        await write(world, storage, [put('a', '2'), del('b'), put('d', '2')]);
        const frozen: Page = [
          ['a', '1'],
          ['b', '1'],
          ['c', '1'],
        ];
        assert.deepEqual(await read(world, view, everything), frozen);
        assert.deepEqual(await read(world, view, { ...everything, reverse: true }), frozen.toReversed());
        const answered = settled(world, (done: (value: null) => void) => {
          view.read(everything, () => done(null));
          view.close();
          view.close();
        });
        await answered;
        assert.deepEqual(await read(world, storage, everything), [
          ['a', '2'],
          ['c', '1'],
          ['d', '2'],
        ]);
      }),
    );

    it(
      'does not look at its arguments again after the call',
      withWorld(async (world, storage) => {
        const key = keyOf('a');
        const value = bytes('1');
        const operations: StorageOperation[] = [{ key, value }];
        const why = await settled<StorageFailure | null>(world, (done) => {
          storage.write(operations, { durable: true }, done);
          operations.length = 0;
        });
        assert.equal(why, null);
        const got = storage.get(keyOf('a'))!;
        got.fill(0);
        assert.equal(text(storage.get(keyOf('a'))!), '1');
      }),
    );

    it('equals a plain map under random batches and ranges', async () => {
      const key = fc.string({ unit: fc.constantFrom('a', 'b', '\xff', '\x00'), minLength: 1, maxLength: 4 });
      const operation = fc.record({ key, value: fc.option(fc.string({ maxLength: 6 }), { freq: 3 }) });
      const range = fc.record({ gte: key, lt: key, limit: fc.integer({ min: 1, max: 6 }), reverse: fc.boolean() });
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(operation, { maxLength: 6 }), { maxLength: 8 }),
          fc.array(range),
          (batches, ranges) =>
            withWorld(async (world, storage) => {
              const twin = new Map<string, string>();
              for (const batch of batches) {
                const operations = batch.map(({ key: k, value }) =>
                  value === null ? del(k) : put(k, Buffer.from(value).toString('latin1')),
                );
                await write(world, storage, operations, batch.length % 2 === 0);
                for (const { key: k, value } of operations) {
                  if (value === null) twin.delete(text(k).slice(1));
                  else twin.set(text(k).slice(1), text(value));
                }
              }
              for (const { gte, lt, limit, reverse } of ranges) {
                const inside = [...twin].filter(([k]) => k >= gte && k < lt).sort(([a], [b]) => (a < b ? -1 : 1));
                const expected = (reverse ? inside.reverse() : inside).slice(0, limit);
                assert.deepEqual(await read(world, storage, { gte: keyOf(gte), lt: keyOf(lt), limit, reverse }), expected);
              }
            })(),
        ),
        { numRuns: 25 },
      );
    });

    it('tells failures as plain data inside a StorageFault', () => {
      const fault = new StorageFault({ code: 'DISK_FULL', message: 'no room' });
      assert.deepEqual([fault.failure.code, fault.message], ['DISK_FULL', 'DISK_FULL: no room']);
    });
  });
};
