// The version of what lies on the disk, and the door through which an older one becomes the current one.
import { metaKeys } from '../../actors/keyspace.ts';
import { StorageFault, type StoragePort } from '../../actors/ports/index.ts';

export const formatVersion = 1;

/** `migrations[n]` turns format n + 1 into n + 2; each ends with one durable batch that also writes the new version. */
const migrations: readonly ((storage: StoragePort) => Promise<void>)[] = [];

const write = (storage: StoragePort, version: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const operations = [{ key: metaKeys.format, value: new TextEncoder().encode(String(version)) }];
    storage.write(operations, { durable: true }, (why) => (why === null ? resolve() : reject(new StorageFault(why))));
  });

export const migrate = async (storage: StoragePort): Promise<void> => {
  const stored = storage.get(metaKeys.format);
  if (stored === undefined) return write(storage, formatVersion);
  const version = Number(new TextDecoder().decode(stored));
  if (!Number.isSafeInteger(version) || version < 1)
    throw new StorageFault({ code: 'CORRUPT', message: 'the format version of the data directory is not a number' });
  if (version > formatVersion)
    throw new StorageFault({
      code: 'FORMAT_TOO_NEW',
      message: `the data directory has format ${version}, this version of Polity knows ${formatVersion}: use a newer one`,
    });
  for (let from = version; from < formatVersion; from++) await migrations[from - 1]!(storage);
};
