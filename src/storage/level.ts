// The storage port over LevelDB (package `level`): one directory, one process, batches that are whole or not at all.
//
// Every batch is synced, whatever was asked. LevelDB starts a new write-ahead file when its memory table is full and closes the
// old one without a sync (db_impl.cc, MakeRoomForWrite), so after a power cut an unsynced batch at the end of the old file can be
// lost while later, even synced, batches in the new file are there: a hole, not a lost tail, and the state machine's keyspace
// would silently miss an entry that counts as applied (decision 12 relies on losing nothing but a tail). `durable: false` is what
// lets the writer wait and merge; it is not worth a hole.
import { realpathSync } from 'node:fs';
import { Level } from 'level';
import {
  type StorageFailure,
  StorageFault,
  type StoragePort,
  type StorageRange,
  type StorageView,
} from '../../actors/ports/index.ts';
import { makeDirectory } from './directory.ts';
import { migrate } from './format.ts';

type Database = Level<Uint8Array, Uint8Array>;
type Snapshot = ReturnType<Database['snapshot']>;
type Page = [Uint8Array, Uint8Array][];

const writeBufferBytes = 8 << 20;
const fetchEntries = 256;
const fetchBytes = 256 << 10;

const messageOf = (error: unknown): string => {
  const { message, cause } = error as { message?: string; cause?: unknown };
  const inner = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return `${message ?? String(error)}${inner}`;
};

const codesOf = (error: unknown): string[] => {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return [...(code === undefined ? [] : [code]), ...(cause === undefined ? [] : codesOf(cause))];
};

/** LevelDB reports everything as text; what matters is who can do what about it. */
export const failureOf = (error: unknown): StorageFailure => {
  if (error instanceof StorageFault) return error.failure;
  const message = messageOf(error);
  const codes = codesOf(error);
  if (codes.includes('LEVEL_LOCKED')) return { code: 'LOCKED', message };
  if (codes.includes('ENOSPC') || /no space left|disk quota exceeded/i.test(message)) return { code: 'DISK_FULL', message };
  if (codes.includes('LEVEL_CORRUPTION') || /corrupt|checksum mismatch|bad block|not an sstable/i.test(message))
    return { code: 'CORRUPT', message };
  if (/LEVEL_(DATABASE|ITERATOR|SNAPSHOT)_NOT_OPEN/.test(codes.join())) return { code: 'CLOSED', message };
  return { code: 'IO_ERROR', message };
};

const named = (directory: string, error: unknown): StorageFault => {
  const { code, message } = failureOf(error);
  const why = code === 'LOCKED' && !(error instanceof StorageFault) ? 'another process has it open' : message;
  return new StorageFault({ code, message: `the data directory ${directory} cannot be opened: ${why}` });
};

/**
 * Directories that this process has open. LevelDB would refuse a second opening, too, but by closing the lock's file, with which the system
 * takes the lock itself from this process (fcntl), and another process could open what is open here.
 */
const openHere = new Set<string>();

const openDatabase = async (directory: string): Promise<Database> => {
  makeDirectory(directory);
  const path = realpathSync(directory);
  if (openHere.has(path)) throw new StorageFault({ code: 'LOCKED', message: 'this process has it open already' });
  openHere.add(path);
  try {
    const options = { keyEncoding: 'view', valueEncoding: 'view', writeBufferSize: writeBufferBytes } as const;
    const database: Database = new Level(directory, options);
    database.once('closed', () => openHere.delete(path));
    await database.open();
    return database;
  } catch (error) {
    openHere.delete(path);
    throw error;
  }
};

/** One page through an iterator of its own; `fetchBytes` bounds what LevelDB hands over at once. */
const readPage = async (database: Database, range: StorageRange, snapshot: Snapshot | null): Promise<Page> => {
  const { gte, lt, limit, limitBytes = Number.POSITIVE_INFINITY, reverse = false } = range;
  const highWaterMarkBytes = Math.min(limitBytes, fetchBytes);
  const from = snapshot === null ? {} : { snapshot };
  const iterator = database.iterator({ gte, lt, limit, reverse, highWaterMarkBytes, ...from });
  const page: Page = [];
  let bytes = 0;
  try {
    while (page.length < limit && bytes < limitBytes) {
      const entries = await iterator.nextv(Math.min(limit - page.length, fetchEntries));
      if (entries.length === 0) break;
      for (const [key, value] of entries) {
        if (bytes >= limitBytes) break;
        page.push([key, value]);
        bytes += key.byteLength + value.byteLength;
      }
    }
  } finally {
    await iterator.close();
  }
  return page;
};

const closedFailure = (directory: string): StorageFailure => ({
  code: 'CLOSED',
  message: `the data directory ${directory} is closed`,
});

const createPort = (database: Database, directory: string): StoragePort => {
  /** Sticky: after LevelDB refused one write its log may end in half a record, so none is tried again in this process. */
  let failed: StorageFailure | null = null;
  let closed = false;
  /** LevelDB runs batches on several threads: each waits for the one before it, so that none overtakes another. */
  let tail: Promise<unknown> = Promise.resolve();

  const after = (run: () => Promise<void>, done: (why: StorageFailure | null) => void): void => {
    const ended = tail.then(run).then(
      () => null,
      (error: unknown) => failureOf(error),
    );
    tail = ended;
    // What a callback throws is its owner's and must not look like a failed write.
    ended.then((why) => setImmediate(done, why));
  };

  const read = (range: StorageRange, snapshot: Snapshot | null, done: Parameters<StorageView['read']>[1]): void => {
    const page = closed ? Promise.reject(new StorageFault(closedFailure(directory))) : readPage(database, range, snapshot);
    page.then(
      (entries) => setImmediate(done, null, entries),
      (error) => setImmediate(done, failureOf(error), []),
    );
  };

  return {
    write(operations, _options, done) {
      const refused = closed ? closedFailure(directory) : null;
      const batch = operations.map(({ key, value }) =>
        value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
      );
      after(async () => {
        const why = refused ?? failed;
        if (why !== null) throw new StorageFault(why);
        // Nothing is unsynced before an empty batch, so it is durable as it stands.
        if (batch.length === 0) return;
        try {
          await database.batch(batch, { sync: true });
        } catch (error) {
          failed = failureOf(error);
          throw error;
        }
      }, done);
    },
    get(key) {
      try {
        return database.getSync(key);
      } catch (error) {
        throw new StorageFault(failureOf(error));
      }
    },
    read: (range, done) => read(range, null, done),
    view() {
      if (closed) return { read: (range, done) => read(range, null, done), close: () => {} };
      const snapshot = database.snapshot();
      let open = true;
      return {
        read: (range, done) => read(range, snapshot, done),
        close() {
          if (!open) return;
          open = false;
          // Waits for reads under way; fails only when the database is closed already, and the snapshot with it.
          snapshot.close().catch(() => {});
        },
      };
    },
    stop(done) {
      closed = true;
      after(
        () => database.close(),
        () => done(),
      );
    },
  };
};

/** Opens or creates the database in `directory`; throws a StorageFault (LOCKED, CORRUPT, FORMAT_TOO_NEW …) that names it. */
export const openLevelStorage = async (directory: string): Promise<StoragePort> => {
  try {
    const database = await openDatabase(directory);
    const port = createPort(database, directory);
    try {
      await migrate(port);
    } catch (error) {
      await database.close();
      throw error;
    }
    return port;
  } catch (error) {
    throw named(directory, error);
  }
};
