// The group's keyspace as a plain map, for tests: what LevelDB is in the world.
import type { KeyspaceReader, KeyspaceWrite } from '../../../machines/register/index.ts';

export type KeyspaceMap = {
  read: KeyspaceReader;
  write(writes: readonly KeyspaceWrite[]): void;
  records(): [Uint8Array, Uint8Array][];
  range(gte: Uint8Array, lt: Uint8Array, limit: number): [Uint8Array, Uint8Array][];
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const createKeyspaceMap = (): KeyspaceMap => {
  const map = new Map<string, Uint8Array>();
  const records = (): [Uint8Array, Uint8Array][] =>
    [...map]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]): [Uint8Array, Uint8Array] => [new Uint8Array(Buffer.from(key, 'hex')), value]);
  return {
    read: (key) => map.get(hex(key)),
    write(writes) {
      for (const { key, value } of writes) {
        if (value === null) map.delete(hex(key));
        else map.set(hex(key), value);
      }
    },
    records,
    range: (gte, lt, limit) =>
      records()
        .filter(([key]) => hex(key) >= hex(gte) && hex(key) < hex(lt))
        .slice(0, limit),
  };
};
