// What a disk can do to values (decision 12): rot, loss, misdirection. Whatever is noticed is named and costs the vote, and every
// single changed byte is noticed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupKeys } from '../../../actors/keyspace.ts';
import { type StorageFailure, StorageFault } from '../../../actors/ports/index.ts';
import { createMemoryStorage } from '../../ports/memory-storage.ts';
import { bytes, configurationOf, entry, formed, group, metaAt, openOver, reopen, running } from './world.ts';

const keys = groupKeys(group);

/** Five batches of three entries, the first one partly dropped, applied up to 8. */
const grown = () => {
  const at = formed();
  for (let first = 1; first <= 13; first += 3)
    at.write(
      at.store.persist({
        hardState: first === 1 ? { term: 2, vote: 'a' } : null,
        entries: [entry(first, 2), entry(first + 1, 2), entry(first + 2, 2)],
        snapshot: null,
      }),
    );
  at.write(at.store.stateOperations([{ key: bytes('k'), value: bytes('v') }], 8, 1_008), false);
  at.write(at.store.dropLog(metaAt(5, 2)), false);
  return at;
};

const problemAfter = (harm: (storage: ReturnType<typeof createMemoryStorage>) => void): string => {
  const { contents } = grown().storage;
  const { loaded } = openOver((later) => {
    const storage = createMemoryStorage(contents(), later);
    harm(storage);
    return storage;
  });
  if (loaded.ok) return 'nothing noticed';
  assert.equal(loaded.halted, 'LOG_CORRUPT');
  return loaded.message;
};

test('without harm it loads', () => {
  const { restored } = running(reopen(grown().storage.contents()));
  assert.deepEqual([restored.snapshot?.index, restored.entries.length, restored.applied], [5, 10, 8]);
});

test('every changed byte is noticed, in every record of the group', () => {
  const { storage } = grown();
  const guarded = [keys.hard, keys.base, keys.state, keys.log(4), keys.log(7), keys.log(10), keys.log(13)];
  const flips = fc.record({ mask: fc.integer({ min: 1, max: 255 }) });
  for (const key of guarded) {
    const value = storage.get(key)!;
    for (let at = 0; at < value.byteLength; at++) {
      const [{ mask }] = fc.sample(flips, { numRuns: 1, seed: at }) as [{ mask: number }];
      const rotten = new Uint8Array(value);
      rotten[at]! ^= mask;
      const message = problemAfter((disk) => disk.rot(key, rotten));
      assert.match(message, /checksum|cut short|follow/, `byte ${at} of ${Buffer.from(key).toString('latin1')}: ${message}`);
    }
  }
});

test('a value cut short is noticed at every length', () => {
  const value = grown().storage.get(keys.log(7))!;
  for (let length = 0; length < value.byteLength; length++)
    assert.match(
      problemAfter((disk) => disk.rot(keys.log(7), value.slice(0, length))),
      /batch at 7/,
    );
});

const lose = (disk: ReturnType<typeof createMemoryStorage>, ...firsts: number[]): void => {
  for (const first of firsts) disk.rot(keys.log(first), null);
};

test('what is missing or out of place is named', () => {
  const other = grown().storage;
  const cases: [string, RegExp, Parameters<typeof problemAfter>[0]][] = [
    ['no hard state', /term and vote is missing/, (disk) => disk.rot(keys.hard, null)],
    ['no state record', /applied index is missing/, (disk) => disk.rot(keys.state, null)],
    ['no base', /at 4: it should begin at 1/, (disk) => disk.rot(keys.base, null)],
    ['the first batch lost', /at 7: it should begin at 6/, (disk) => disk.rot(keys.log(4), null)],
    ['a batch in the middle lost', /at 13: it should begin at 10/, (disk) => disk.rot(keys.log(10), null)],
    ['applied entries lost', /log ends at 6, but 8/, (disk) => lose(disk, 7, 10, 13)],
    ['one batch under the key of another', /at 10: .*checksum/, (disk) => disk.rot(keys.log(10), other.get(keys.log(7))!)],
    [
      'one record under the key of another',
      /term and vote cannot be read/,
      (disk) => disk.rot(keys.hard, other.get(keys.state)!),
    ],
  ];
  for (const [name, expected, harm] of cases) assert.match(problemAfter(harm), expected, name);
});

test('records that are whole but contradict each other are noticed', () => {
  const { store } = grown();
  const older = formed();
  older.write(older.store.persist({ hardState: { term: 1, vote: null }, entries: [], snapshot: null }));
  assert.match(
    problemAfter((disk) => disk.rot(keys.hard, older.storage.get(keys.hard)!)),
    /ends in term 2, but the replica remembers only term 1/,
  );
  assert.match(
    problemAfter((disk) => disk.rot(keys.state, formed().storage.get(keys.state)!)),
    /begins after 5, but only 0 was applied/,
  );
  // A batch of another log that happens to begin at the same index.
  const twin = formed();
  twin.write(twin.store.persist({ hardState: null, entries: [entry(1, 1), entry(2, 1), entry(3, 1)], snapshot: null }));
  twin.write(twin.store.persist({ hardState: null, entries: [entry(4, 1), entry(5, 1), entry(6, 1)], snapshot: null }));
  twin.write(twin.store.persist({ hardState: null, entries: [entry(7, 1), entry(8, 1), entry(9, 1)], snapshot: null }));
  assert.match(
    problemAfter((disk) => disk.rot(keys.log(7), twin.storage.get(keys.log(7))!)),
    /at 7: it does not follow/,
  );
  assert.ok(store.appliedTimeMs === 1_008);
});

test('rot since the start is not blessed when a batch is cut', () => {
  const at = grown();
  const value = new Uint8Array(at.storage.get(keys.log(13))!);
  value[value.byteLength - 1]! ^= 1;
  at.storage.rot(keys.log(13), value);
  assert.throws(() => at.store.persist({ hardState: null, entries: [entry(14, 3)], snapshot: null }), /checksum/);
});

test('effects that cannot be are refused by name', () => {
  const at = grown();
  const persist =
    (entries: ReturnType<typeof entry>[], snapshot: ReturnType<typeof metaAt> | null = null) =>
    () =>
      at.store.persist({ hardState: null, entries, snapshot });
  assert.throws(persist([entry(17, 2)]), /store-append/);
  assert.throws(persist([entry(5, 2)]), /store-append/);
  assert.throws(persist([entry(16, 2), entry(18, 2)]), /store-dense/);
  assert.throws(persist([], metaAt(20, 2)), /store-staged/);
  assert.throws(() => at.store.dropLog(metaAt(9, 2)), /store-drop/);
  assert.throws(() => at.store.stateOperations([], 7, 0), /store-applied/);
  assert.throws(() => at.store.useStaged(9), /store-staged/);
  assert.throws(() => groupKeys('a/b'), /group-id/);
  assert.throws(() => groupKeys('x'.repeat(64)), /group-id/);
});

test('a fresh replica that waits for a log loads empty, one that was never formed does not', () => {
  const waiting = formed(null);
  assert.deepEqual(waiting.restored, {
    ...{ hardState: { term: 0, vote: null }, snapshot: null, entries: [], applied: 0, restarted: false },
  });
  assert.equal(reopen(new Map()).loaded.ok, false);
  assert.deepEqual(formed().restored.snapshot?.configuration, configurationOf('a', 'b', 'c'));
});

test('a disk that cannot be read today is not taken for one that is damaged', () => {
  const { contents } = grown().storage;
  const failures: [StorageFailure['code'], string][] = [
    ['IO_ERROR', 'LOG_UNREADABLE'],
    ['CORRUPT', 'LOG_CORRUPT'],
  ];
  for (const [code, halted] of failures)
    for (const way of ['get', 'view'] as const) {
      const failure: StorageFailure = { code, message: 'it cannot be read' };
      const { loaded } = openOver((later) => {
        const storage = createMemoryStorage(contents(), later);
        if (way === 'get')
          storage.get = () => {
            throw new StorageFault(failure);
          };
        else storage.view = () => ({ read: (_range, done) => later(() => done(failure, [])), close() {} });
        return storage;
      });
      assert.ok(!loaded.ok);
      assert.equal(loaded.halted, halted);
      assert.match(loaded.message, new RegExp(`cannot be read: ${code}: it cannot be read`));
    }
});
