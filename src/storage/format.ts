// The version of what lies on the disk, and the door through which an older one becomes the current one.
import { metaKeys, prefixEnd } from '../../actors/keyspace.ts';
import { StorageFault, type StorageOperation, type StoragePort, type StorageRange } from '../../actors/ports/index.ts';

/**
 * `migrations[n]` turns format n + 1 into n + 2. Each may run again after a crash in its middle: the new version is written,
 * durably, only when it is done.
 */
export type Migration = (storage: StoragePort) => Promise<void>;

const migrations: readonly Migration[] = [];

export const formatVersion = migrations.length + 1;

export const writeDurably = (storage: StoragePort, operations: readonly StorageOperation[]): Promise<void> =>
  new Promise((resolve, reject) => {
    storage.write(operations, { durable: true }, (why) => (why === null ? resolve() : reject(new StorageFault(why))));
  });

const readPage = (storage: StoragePort, range: StorageRange): Promise<[Uint8Array, Uint8Array][]> =>
  new Promise((resolve, reject) => {
    storage.read(range, (why, page) => (why === null ? resolve(page) : reject(new StorageFault(why))));
  });

const writeVersion = (storage: StoragePort, version: number): Promise<void> =>
  writeDurably(storage, [{ key: metaKeys.format, value: new TextEncoder().encode(String(version)) }]);

/** Only an empty store is given the current version: what else has none is not ours to write into. */
const begin = async (storage: StoragePort, version: number): Promise<void> => {
  const first = await readPage(storage, { gte: Uint8Array.of(0), lt: prefixEnd(Uint8Array.of(0xfe)), limit: 1 });
  if (first.length > 0)
    throw new StorageFault({
      code: 'CORRUPT',
      message: 'it holds data without a format version: not written by Polity, or damaged',
    });
  await writeVersion(storage, version);
};

/** Brings the store to the current format, or throws a StorageFault (CORRUPT, FORMAT_TOO_NEW) that says why it cannot. */
export const migrate = async (storage: StoragePort, through: readonly Migration[] = migrations): Promise<void> => {
  const current = through.length + 1;
  const stored = storage.get(metaKeys.format);
  if (stored === undefined) return begin(storage, current);
  const text = new TextDecoder().decode(stored);
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new StorageFault({ code: 'CORRUPT', message: 'its format version is not a number' });
  const version = Number(text);
  if (version > current)
    throw new StorageFault({
      code: 'FORMAT_TOO_NEW',
      message: `it has format ${version}, this version of Polity knows ${current}: use a newer one`,
    });
  for (let from = version; from < current; from++) {
    await through[from - 1]!(storage);
    await writeVersion(storage, from + 1);
  }
};
