// The storage port as a plain map: the dumb twin of LevelDB, which passes the same suite, and a recorder for tests that crash
// between batches. Batches count as durable when asked for; `crash` gives back what a power cut would leave.
import type { StorageFailure, StorageOperation, StoragePort, StorageRange, StorageView } from '../../actors/ports/index.ts';

type Record = [Uint8Array, Uint8Array];
type Contents = ReadonlyMap<string, Record>;

export type WrittenBatch = { operations: readonly StorageOperation[]; durable: boolean };

export type MemoryStorage = StoragePort & {
  /** Every batch that was written, oldest first. */
  readonly batches: readonly WrittenBatch[];
  contents(): Contents;
  /** The next write and all that follow fail with this. */
  failWith(failure: StorageFailure): void;
  /** Changes one value behind everybody's back, as rot does. */
  rot(key: Uint8Array, value: Uint8Array | null): void;
};

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');
const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** What a map holds after these batches, in order. */
export const contentsAfter = (start: Contents, batches: readonly WrittenBatch[]): Map<string, Record> => {
  const contents = new Map(start);
  for (const { operations } of batches)
    for (const { key, value } of operations) {
      if (value === null) contents.delete(nameOf(key));
      else contents.set(nameOf(key), [copy(key), copy(value)]);
    }
  return contents;
};

const pageOf = (contents: Contents, { gte, lt, limit, limitBytes, reverse }: StorageRange): Record[] => {
  const [from, to] = [nameOf(gte), nameOf(lt)];
  // Latin-1 strings compare by code unit, hence as the bytes do.
  const names = [...contents.keys()].filter((name) => name >= from && name < to).sort((a, b) => (a < b ? -1 : 1));
  if (reverse === true) names.reverse();
  const page: Record[] = [];
  let bytes = 0;
  for (const name of names) {
    if (page.length === limit || (limitBytes !== undefined && bytes >= limitBytes)) break;
    const [key, value] = contents.get(name)!;
    page.push([copy(key), copy(value)]);
    bytes += key.byteLength + value.byteLength;
  }
  return page;
};

export const createMemoryStorage = (
  start: Contents = new Map(),
  later: (run: () => void) => void = setImmediate,
): MemoryStorage => {
  let contents = new Map(start);
  const batches: WrittenBatch[] = [];
  let failed: StorageFailure | null = null;
  let closed = false;
  const closedFailure: StorageFailure = { code: 'CLOSED', message: 'the memory storage is closed' };

  const viewOf = (frozen: () => Contents): StorageView => {
    let open = true;
    return {
      read(range, done) {
        const shut = closed || !open;
        const page = shut ? [] : pageOf(frozen(), range);
        later(() => done(shut ? closedFailure : null, page));
      },
      close() {
        open = false;
      },
    };
  };
  const current = viewOf(() => contents);

  return {
    batches,
    contents: () => contents,
    failWith(failure) {
      failed = failure;
    },
    rot(key, value) {
      contents = contentsAfter(contents, [{ operations: [{ key, value }], durable: true }]);
    },
    write(operations, { durable }, done) {
      const why = closed ? closedFailure : failed;
      const batch = {
        operations: operations.map(({ key, value }) => ({ key: copy(key), value: value && copy(value) })),
        durable,
      };
      later(() => {
        if (why === null) {
          batches.push(batch);
          contents = contentsAfter(contents, [batch]);
        }
        done(why);
      });
    },
    get(key) {
      const value = contents.get(nameOf(key))?.[1];
      return value === undefined ? undefined : copy(value);
    },
    read: current.read,
    view() {
      const frozen = contents;
      return viewOf(() => frozen);
    },
    stop(done) {
      closed = true;
      later(done);
    },
  };
};
