// Records read or written lately, so that a key that is written again and again is not looked up on the disk each time: LevelDB's
// lookup was two fifths of a follower's work (docs/internals/raft.md). Two generations instead of a list: whatever was not used
// while the young one filled up is forgotten with the old one.

/** What a record costs beside its bytes: a view of a shared backing store, its name and a place in the map, with Node 24 on 64 bits. */
const recordOverheadBytes = 200;

export interface RecentRecords {
  /** Undefined: not known here. Null: there is no such record. */
  get(name: string): Uint8Array | null | undefined;
  set(name: string, record: Uint8Array | null): void;
  /** Forgets what was not used lately if there is too much. Until this is called everything set is kept. */
  age(): void;
  clear(): void;
}

/** Keeps about `bytesMax`, names and overhead included. */
export const createRecentRecords = (bytesMax: number): RecentRecords => {
  let young = new Map<string, Uint8Array | null>();
  let old: typeof young = new Map();
  let youngBytes = 0;

  const keep = (name: string, record: Uint8Array | null): void => {
    const before = young.get(name);
    if (before === undefined) youngBytes += recordOverheadBytes + name.length;
    youngBytes += (record?.byteLength ?? 0) - (before?.byteLength ?? 0);
    young.set(name, record);
  };

  return {
    get(name) {
      const found = young.get(name);
      if (found !== undefined) return found;
      const older = old.get(name);
      // A copy: what lives on must not keep alive the neighbours in its backing store.
      if (older !== undefined) keep(name, older === null ? null : older.slice());
      return older;
    },
    set: keep,
    age() {
      if (youngBytes < bytesMax / 2) return;
      old = young;
      young = new Map();
      youngBytes = 0;
    },
    clear() {
      young = new Map();
      old = new Map();
      youngBytes = 0;
    },
  };
};
