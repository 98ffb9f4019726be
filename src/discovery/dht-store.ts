// What the DHT's host remembers, in memory and bounded: strangers decide what is stored here. A board's value replaces only an older
// one (kad-dht itself lets the last writer win, so anybody could put back what was withdrawn), and is forgotten when no member can
// want it any more. Provider records and public keys, which kad-dht would also keep, are refused: nothing here asks for them.
import { boardValueBytes, isLater } from './dht-seal.ts';

type Named = { toString(): string };
type Pair<Key> = { key: Key; value: Uint8Array };
type Question<Key> = {
  prefix?: string;
  filters?: ((pair: Pair<Key>) => boolean)[];
  orders?: ((one: Pair<Key>, other: Pair<Key>) => number)[];
  offset?: number;
  limit?: number;
};

export const storeLimits = {
  /** Boards of all clusters of the world: 10 MB. */
  boardsMax: 4_096,
  boardMsMax: 5_400_000,
  /** What is known of other hosts, least recently told forgotten first. */
  peersMax: 2_048,
  peerBytesMax: 16 << 10,
} as const;

/** kad-dht forgets what it does not find by this name. */
class Missing extends Error {
  constructor() {
    super('not stored here');
    this.name = 'NotFoundError';
  }
}

/** A board's key and value inside a record as kad-dht stores it: protobuf fields 1 and 2 of Libp2pRecord. */
export const boardOfRecord = (record: Uint8Array): { key: Uint8Array; value: Uint8Array } | null => {
  const fields = new Map<number, Uint8Array>();
  let at = 0;
  const count = (): number => {
    let number = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = record[at++] ?? 0;
      number |= (byte & 0x7f) << shift;
      if (byte < 0x80) return number;
    }
    return Number.MAX_SAFE_INTEGER;
  };
  while (at < record.byteLength) {
    const tag = count();
    const length = count();
    // All fields of a record are bytes or text: wire type 2.
    if ((tag & 7) !== 2 || length > record.byteLength - at) return null;
    fields.set(tag >>> 3, record.subarray(at, (at += length)));
  }
  const key = fields.get(1);
  const value = fields.get(2);
  return key === undefined || value?.byteLength !== boardValueBytes ? null : { key, value };
};

type StoredPeer<Key> = Pair<Key>;
type StoredBoard<Key> = Pair<Key> & { atMs: number; board: { key: Uint8Array; value: Uint8Array } };

/** The part of interface-datastore that libp2p uses. */
export class DhtStore<Key extends Named> {
  readonly #nowMs: () => number;
  readonly #boards = new Map<string, StoredBoard<Key>>();
  readonly #peers = new Map<string, StoredPeer<Key>>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get boards(): number {
    return this.#boards.size;
  }

  /** What is stored here of one board. */
  boardValue(key: Uint8Array): Uint8Array | null {
    const sought = Buffer.from(key);
    for (const [name, { board }] of this.#boards)
      if (sought.equals(board.key)) return this.#boardNamed(name)?.board.value ?? null;
    return null;
  }

  put(key: Key, value: Uint8Array): Key {
    const name = key.toString();
    if (name.startsWith('/dht/record/')) this.#putBoard(name, key, value);
    else if (name.startsWith('/peers/')) this.#putPeer(name, key, value);
    else throw new Error('only boards and peers are stored here');
    return key;
  }

  get(key: Key): Uint8Array {
    const found = this.#find(key.toString());
    if (found === undefined) throw new Missing();
    return found.value;
  }

  has(key: Key): boolean {
    return this.#find(key.toString()) !== undefined;
  }

  delete(key: Key): void {
    this.#boards.delete(key.toString());
    this.#peers.delete(key.toString());
  }

  *query({ prefix = '', filters = [], orders = [], offset = 0, limit = Infinity }: Question<Key>): Generator<Pair<Key>> {
    const found = [...this.#boards, ...this.#peers]
      .filter(([name, stored]) => name.startsWith(prefix) && filters.every((keeps) => keeps(stored)))
      .map(([, stored]) => stored);
    for (const order of orders) found.sort(order);
    yield* found.slice(offset, offset + limit);
  }

  *queryKeys(question: Omit<Question<Key>, 'filters' | 'orders'>): Generator<Key> {
    for (const { key } of this.query(question)) yield key;
  }

  batch(): { put(key: Key, value: Uint8Array): void; delete(key: Key): void; commit(): void } {
    const steps: (() => void)[] = [];
    return {
      put: (key, value) => steps.push(() => this.put(key, value)),
      delete: (key) => steps.push(() => this.delete(key)),
      commit: () => {
        for (const step of steps.splice(0)) step();
      },
    };
  }

  #boardNamed(name: string): StoredBoard<Key> | undefined {
    const stored = this.#boards.get(name);
    if (stored === undefined || this.#nowMs() - stored.atMs <= storeLimits.boardMsMax) return stored;
    this.#boards.delete(name);
    return undefined;
  }

  /** Who is asked for is not forgotten soon: this host itself above all. */
  #peerNamed(name: string): StoredPeer<Key> | undefined {
    const stored = this.#peers.get(name);
    if (stored !== undefined && this.#peers.delete(name)) this.#peers.set(name, stored);
    return stored;
  }

  #find(name: string): Pair<Key> | undefined {
    return this.#boardNamed(name) ?? this.#peerNamed(name);
  }

  #putBoard(name: string, key: Key, value: Uint8Array): void {
    const board = boardOfRecord(value);
    if (board === null) throw new Error('no board of ours');
    const known = this.#boardNamed(name);
    if (known !== undefined && isLater(known.board.value, board.value)) throw new Error('a later value is stored here');
    // The same value again is no reason to remember it for longer.
    const atMs = known !== undefined && !isLater(board.value, known.board.value) ? known.atMs : this.#nowMs();
    this.#boards.delete(name);
    while (this.#boards.size >= storeLimits.boardsMax) this.#boards.delete(this.#boards.keys().next().value!);
    this.#boards.set(name, { key, value, atMs, board });
  }

  #putPeer(name: string, key: Key, value: Uint8Array): void {
    if (value.byteLength > storeLimits.peerBytesMax) throw new Error('too much about one peer');
    this.#peers.delete(name);
    while (this.#peers.size >= storeLimits.peersMax) this.#peers.delete(this.#peers.keys().next().value!);
    this.#peers.set(name, { key, value });
  }
}
