// The storage port over LevelDB (package `level`): one directory, one process, batches that are whole or not at all.
import { mkdirSync } from 'node:fs';
import { Level } from 'level';
import { StorageFault, type StorageFailure, type StorageOperation, type StoragePort, type StorageRange, type StorageView } from '../../actors/ports/index.ts';
import { migrate } from './format.ts';

type Database = Level<Uint8Array, Uint8Array>;
type ReadOptions = { snapshot?: ReturnType<Database['snapshot']> };

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
const failureOf = (error: unknown): StorageFailure => {
  const message = messageOf(error);
  const codes = codesOf(error);
  if (codes.includes('LEVEL_LOCKED')) return { code: 'LOCKED', message };
  if (/No space left|ENOSPC|disk full|quota/i.test(message)) return { code: 'DISK_FULL', message };
  if (codes.includes('LEVEL_CORRUPTION') || /corrupt|checksum mismatch|bad block/i.test(message)) return { code: 'CORRUPT', message };
  if (codes.some((code) => code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN')) return { code: 'CLOSED', message };
  return { code: 'IO_ERROR', message };
};

const open = async (directory: string): Promise<Database> => {
  const database: Database = new Level(directory, { keyEncoding: 'view', valueEncoding: 'view', writeBufferSize: 8 << 20 });
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    await database.open();
    return database;
  } catch (error) {
    const failure = failureOf(error);
    const why = failure.code === 'LOCKED' ? 'another process has it open' : failure.message;
    throw new StorageFault({ ...failure, message: `the data directory ${directory} cannot be opened: ${why}` });
  }
};

/** Opens or creates the database in `directory`; throws a StorageFault (LOCKED, CORRUPT, FORMAT_TOO_NEW …) that names it. */
export const openLevelStorage = async (directory: string): Promise<StoragePort> => {
  const database = await open(directory);
  /** Sticky: after LevelDB refused one write, none is tried again until the process restarts. */
  let failed: StorageFailure | null = null;
  let closed = false;

  const readPage = async (range: StorageRange, options: ReadOptions): Promise<[Uint8Array, Uint8Array][]> => {
    const { gte, lt, limit, limitBytes, reverse } = range;
    const iterator = database.iterator({ gte, lt, limit, ...(reverse === true ? { reverse } : {}), ...options });
    const page: [Uint8Array, Uint8Array][] = [];
    let bytes = 0;
    try {
      while (page.length < limit && (limitBytes === undefined || bytes < limitBytes)) {
        const entries = await iterator.nextv(Math.min(limit - page.length, 256));
        if (entries.length === 0) break;
        for (const [key, value] of entries) {
          if (limitBytes !== undefined && bytes >= limitBytes && page.length > 0) break;
          page.push([key, value]);
          bytes += key.byteLength + value.byteLength;
        }
      }
    } finally {
      await iterator.close();
    }
    return page;
  };

  const read = (range: StorageRange, options: ReadOptions, done: Parameters<StorageView['read']>[1]): void => {
    readPage(range, options).then(
      (page) => done(null, page),
      (error) => done(failureOf(error), []),
    );
  };

  const port: StoragePort = {
    write(operations: readonly StorageOperation[], { durable }, done) {
      if (closed || failed !== null) {
        const why: StorageFailure = failed ?? { code: 'CLOSED', message: 'the database is closed' };
        setImmediate(done, why);
        return;
      }
      const batch = operations.map(({ key, value }) =>
        value === null ? ({ type: 'del', key } as const) : ({ type: 'put', key, value } as const),
      );
      database.batch(batch, { sync: durable }).then(
        () => done(null),
        (error) => {
          failed ??= failureOf(error);
          done(failed);
        },
      );
    },
    get(key) {
      try {
        return database.getSync(key);
      } catch (error) {
        throw new StorageFault(failureOf(error));
      }
    },
    read: (range, done) => read(range, {}, done),
    view() {
      const snapshot = database.snapshot();
      let open = true;
      return {
        read: (range, done) => read(range, { snapshot }, done),
        close() {
          if (!open) return;
          open = false;
          snapshot.close().catch(() => undefined);
        },
      };
    },
    stop(done) {
      closed = true;
      database.close().then(done, done);
    },
  };

  try {
    await migrate(port);
  } catch (error) {
    await database.close();
    throw error;
  }
  return port;
};
