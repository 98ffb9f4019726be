// The door through which data of other versions comes, or does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metaKeys } from '../../../actors/keyspace.ts';
import { StorageFault } from '../../../actors/ports/index.ts';
import { formatVersion, type Migration, migrate, writeDurably } from '../../../src/storage/format.ts';
import { contentsAfter, createMemoryStorage, type MemoryStorage } from '../../ports/memory-storage.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const storing = (...pairs: [Uint8Array, string][]): MemoryStorage =>
  createMemoryStorage(
    contentsAfter(new Map(), [{ operations: pairs.map(([key, value]) => ({ key, value: bytes(value) })), durable: true }]),
  );
const versionOf = (storage: MemoryStorage): string => new TextDecoder().decode(storage.get(metaKeys.format));

const refused = (storage: MemoryStorage, through?: Migration[]): Promise<string> =>
  migrate(storage, through).then(
    () => 'accepted',
    (error: unknown) => {
      assert.ok(error instanceof StorageFault);
      return `${error.failure.code} ${error.failure.message}`;
    },
  );

test('an empty store is given the current version, durably, once', async () => {
  const storage = storing();
  await migrate(storage);
  await migrate(storage);
  assert.equal(versionOf(storage), String(formatVersion));
  assert.deepEqual(
    storage.batches.map(({ durable }) => durable),
    [true],
  );
});

test('what is newer, no number or not ours is refused and left alone', async () => {
  for (const [storage, expected] of [
    [storing([metaKeys.format, '99']), /^FORMAT_TOO_NEW it has format 99.*use a newer one/],
    [storing([metaKeys.format, 'one']), /^CORRUPT/],
    [storing([metaKeys.format, '0']), /^CORRUPT/],
    [storing([metaKeys.format, '']), /^CORRUPT/],
    [storing([bytes('somebody else'), 'x']), /^CORRUPT it holds data without a format version/],
  ] as const) {
    assert.match(await refused(storage), expected);
    assert.equal(storage.batches.length, 0);
  }
});

test('an older store goes through every migration in order, and through the rest after a crash', async () => {
  const steps: string[] = [];
  const through: Migration[] = ['1-2', '2-3', '3-4'].map((name) => async (storage) => {
    steps.push(name);
    if (steps.length === 2) throw new StorageFault({ code: 'IO_ERROR', message: 'power cut' });
    await writeDurably(storage, [{ key: bytes(name), value: bytes('done') }]);
  });
  const storage = storing([metaKeys.format, '1']);
  assert.match(await refused(storage, through), /power cut/);
  assert.equal(versionOf(storage), '2');
  await migrate(storage, through);
  assert.deepEqual(steps, ['1-2', '2-3', '2-3', '3-4']);
  assert.equal(versionOf(storage), '4');
  await migrate(storage, through);
  assert.equal(steps.length, 4);
});
