// What can be wrong with a data directory, and that a person is told which and what.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type StorageFailure, StorageFault, type StorageOperation, type StoragePort } from '../../../actors/ports/index.ts';
import { failureOf, openLevelStorage } from '../../../src/storage/level.ts';

const write = (storage: StoragePort, operations: StorageOperation[], durable = true): Promise<StorageFailure | null> =>
  new Promise((resolve) => storage.write(operations, { durable }, resolve));
const stop = (storage: StoragePort): Promise<void> => new Promise((resolve) => storage.stop(resolve));
const put = (key: string, value: Uint8Array | string): StorageOperation => ({
  key: Buffer.from(key),
  value: Buffer.from(value),
});

const inDirectory = async (run: (directory: string) => Promise<void>): Promise<void> => {
  const parent = mkdtempSync(join(tmpdir(), 'polity-faults-'));
  try {
    await run(join(parent, 'data'));
  } finally {
    rmSync(parent, { recursive: true });
  }
};

const refusal = async (directory: string): Promise<StorageFailure> => {
  try {
    await stop(await openLevelStorage(directory));
  } catch (error) {
    assert.ok(error instanceof StorageFault, String(error));
    assert.ok(error.message.includes(`the data directory ${directory} cannot be opened: `), error.message);
    return error.failure;
  }
  return assert.fail('it opened');
};

test('a second opening in the same process is LOCKED, and the first goes on', () =>
  inDirectory(async (directory) => {
    const storage = await openLevelStorage(directory);
    const { code, message } = await refusal(directory);
    assert.equal(code, 'LOCKED');
    assert.match(message, /this process has it open already/);
    // The refusal must not have cost the first its lock.
    const opening = `import { openLevelStorage } from '${new URL('../../../src/storage/level.ts', import.meta.url)}';
      await openLevelStorage(process.argv[1]).catch((error) => console.log(error.message));`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', opening, directory], { encoding: 'utf8' });
    assert.match(said, /another process has it open/);
    assert.equal(await write(storage, [put('a', '1')]), null);
    await stop(storage);
  }));

test('a damaged manifest is CORRUPT', () =>
  inDirectory(async (directory) => {
    await stop(await openLevelStorage(directory));
    const manifest = readdirSync(directory).find((name) => name.startsWith('MANIFEST'))!;
    const bytes = readFileSync(join(directory, manifest));
    bytes.fill(0x55, 8);
    writeFileSync(join(directory, manifest), bytes);
    assert.equal((await refusal(directory)).code, 'CORRUPT');
  }));

test('a missing table file is CORRUPT', () =>
  inDirectory(async (directory) => {
    const storage = await openLevelStorage(directory);
    await write(storage, [put('a', '1')]);
    await stop(storage);
    // The second start turns the log of the first into a table.
    await stop(await openLevelStorage(directory));
    for (const name of readdirSync(directory)) if (/\.(ldb|sst)$/.test(name)) rmSync(join(directory, name));
    assert.equal((await refusal(directory)).code, 'CORRUPT');
  }));

test('a file in the place of the directory is an IO_ERROR that says so', () =>
  inDirectory(async (directory) => {
    writeFileSync(directory, 'not a directory');
    const { code, message } = await refusal(directory);
    assert.equal(code, 'IO_ERROR');
    assert.match(message, /EEXIST|ENOTDIR|exists|not a directory/i);
  }));

test('what LevelDB says is told apart', () => {
  const said = (message: string, code?: string): string =>
    failureOf(Object.assign(new Error('wrapped'), { cause: Object.assign(new Error(message), { code }) })).code;
  assert.equal(said('IO error: /x/000012.log: No space left on device'), 'DISK_FULL');
  assert.equal(said('write failed', 'ENOSPC'), 'DISK_FULL');
  assert.equal(said('IO error: Disk quota exceeded'), 'DISK_FULL');
  assert.equal(said('Corruption: block checksum mismatch'), 'CORRUPT');
  assert.equal(said('lock held', 'LEVEL_LOCKED'), 'LOCKED');
  assert.equal(said('closed', 'LEVEL_DATABASE_NOT_OPEN'), 'CLOSED');
  assert.equal(said('IO error: Input/output error'), 'IO_ERROR');
});

/** Runs on a small file system of its own; skipped where mounting one is not allowed. */
const onSmallDisk = async (t: TestContext, bytes: number, run: (mount: string) => Promise<void>): Promise<void> => {
  const parent = mkdtempSync(join(tmpdir(), 'polity-full-'));
  const mount = join(parent, 'small');
  mkdirSync(mount);
  try {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', mount], { stdio: 'ignore' });
    } catch {
      return t.skip('mounting a small tmpfs is not permitted here');
    }
    try {
      await run(mount);
    } finally {
      // Lazily: a test that failed in the middle may still have files open there.
      execFileSync('umount', ['--lazy', mount]);
    }
  } finally {
    rmSync(parent, { recursive: true });
  }
};

test('a full disk is DISK_FULL, at once and for good; what was acknowledged before is there after a restart', (t) =>
  onSmallDisk(t, 2 << 20, async (mount) => {
    const directory = join(mount, 'data');
    const storage = await openLevelStorage(directory);
    const acknowledged: number[] = [];
    let why: StorageFailure | null = null;
    for (let n = 0; n < 100 && why === null; n++) {
      why = await write(storage, [put(`k${n}`, new Uint8Array(64 << 10).fill(n))]);
      if (why === null) acknowledged.push(n);
    }
    assert.equal(why?.code, 'DISK_FULL');
    assert.ok(acknowledged.length > 5 && acknowledged.length < 40);
    // There is room for this one, but the log may end in half a record.
    assert.equal((await write(storage, [put('small', '1')]))?.code, 'DISK_FULL');
    for (const n of acknowledged) assert.equal(storage.get(Buffer.from(`k${n}`))![0], n);
    await stop(storage);

    execFileSync('mount', ['-o', 'remount,size=64m', mount]);
    const again = await openLevelStorage(directory);
    for (const n of acknowledged) assert.equal(again.get(Buffer.from(`k${n}`))![0], n, `k${n} was acknowledged`);
    assert.equal(again.get(Buffer.from('small')), undefined);
    assert.equal(await write(again, [put('small', '1')]), null);
    await stop(again);
  }));

test('a disk that is full at the start says so', (t) =>
  onSmallDisk(t, 1 << 20, async (mount) => {
    try {
      writeFileSync(join(mount, 'filler'), new Uint8Array(2 << 20));
    } catch {
      // Full, as intended.
    }
    assert.equal((await refusal(join(mount, 'data'))).code, 'DISK_FULL');
  }));
