// A cluster's boards as the DHT keeps them: coming into the DHT through bootstrap hosts, reading every copy of a board that
// can be had, writing a new one. A copy that no member sealed says nothing, and hides none of the others: who holds part of the DHT
// can withhold boards, not speak on them.
import type { PeerId } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Board, Copies, Note } from '../../machines/rendezvous/index.ts';
import { type DhtHost, dhtLimits } from './dht-host.ts';
import { type BoardKeys, deriveBoard, openNotes, sealNotes, versionMsOf } from './dht-seal.ts';
import { LookupFault } from './source.ts';

/** While others are known, bootstrap hosts are dialled again so often: a DHT that fell into two parts meets there again. */
const rejoinMs = 60_000;
/** What an introduction may take, and how much of it is waited for. */
const introductionMs = 10_000;
const introduceMs = 1_000;
/** What kad-dht numbers so belongs to no path of a search, but to what it does when all are walked. */
const afterPaths = -1;
const copiesPerBoardMax = 64;
const boardsKnownMax = 32;

export type BoardCopies = Copies & {
  all: Note[][];
  /** 0: nothing was there. */
  latestVersionMs: number;
  /** Hosts that answered as a host of the DHT does. */
  answers: number;
};

export class Boards {
  readonly #host: DhtHost;
  readonly #secret: Uint8Array;
  readonly #bootstrap: readonly string[];
  readonly #nowMs: () => number;
  readonly #keys = new Map<string, BoardKeys>();
  readonly #peers = new Map<string, PeerId>();
  #joining: Promise<void> | null = null;
  #joinedAtMs = Number.NEGATIVE_INFINITY;
  /** Nobody answered the last question, though hosts are known: they may all be others by now. */
  #isDeserted = false;

  constructor(host: DhtHost, secret: Uint8Array, bootstrap: readonly string[], nowMs: () => number) {
    this.#host = host;
    this.#secret = secret;
    this.#bootstrap = bootstrap;
    this.#nowMs = nowMs;
  }

  get known(): number {
    return this.#host.known;
  }

  get #isIn(): boolean {
    return this.#host.known > 0 && !this.#isDeserted && this.#host.node.getConnections().length > 0;
  }

  /** Resolves when some host of the DHT is known, or when this one is all there is to it; else rejects with what is wrong. */
  async join(signal: AbortSignal): Promise<void> {
    const isIn = this.#isIn;
    if (isIn && performance.now() - this.#joinedAtMs < rejoinMs) return;
    this.#joining ??= this.#dialBootstrap().finally(() => {
      this.#joining = null;
    });
    if (isIn) {
      this.#joining.catch(() => {});
      return;
    }
    if (!(await hasHappened(this.#joining, signal)))
      throw new LookupFault('SOURCE_TIMED_OUT', 'no host of the DHT answered in time');
  }

  /** Every copy of a board that can be had, told as it comes; ends early, without an error, when `signal` aborts. */
  async read(board: Board, signal: AbortSignal, heard: (notes: Note[]) => void = () => {}): Promise<BoardCopies> {
    const keys = this.#keysOf(board);
    const read: BoardCopies = { latest: [], all: [], latestVersionMs: 0, answers: 0 };
    let latestMs = 0;
    const take = (value: Uint8Array, isOthers: boolean): void => {
      if (read.all.length >= copiesPerBoardMax) return;
      const notes = openNotes(keys, value);
      if (notes === null) return;
      read.all.push(notes);
      read.latestVersionMs = Math.max(read.latestVersionMs, versionMsOf(value));
      if (isOthers && versionMsOf(value) > latestMs) [read.latest, latestMs] = [notes, versionMsOf(value)];
      heard(notes);
    };
    const own = this.#host.store.boardValue(keys.key);
    // What this host itself keeps is found by nobody else, unless it is all there is to the DHT.
    if (own !== null) take(own, this.#host.known === 0);
    if (this.#host.known === 0) return read;
    try {
      for await (const event of this.#host.node.services.kad.get(keys.key, { signal })) {
        // Now kad-dht would bring the latest copy to whoever gave another: that is for who writes.
        if (event.path.index === afterPaths) break;
        if (event.name !== 'PEER_RESPONSE') continue;
        read.answers++;
        if (event.record !== undefined) take(event.record.value, true);
      }
    } catch {
      // Ended: what was read until now stands.
    }
    if (read.answers > 0 || !signal.aborted) this.#isDeserted = read.answers === 0;
    return read;
  }

  /** Writes what stands on a board from now on; how many other hosts keep it. */
  async write(board: Board, notes: readonly Note[], { latestVersionMs }: BoardCopies, signal: AbortSignal): Promise<number> {
    const keys = this.#keysOf(board);
    const value = sealNotes(keys, Math.max(this.#nowMs(), latestVersionMs + 1), notes);
    let kept = 0;
    try {
      for await (const event of this.#host.node.services.kad.put(keys.key, value, { signal }) as AsyncIterable<{
        name: string;
        messageName?: string;
      }>)
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') kept++;
    } catch {
      // Ended, or another member's later value came to this host meanwhile: whoever announces looks again.
    }
    return kept;
  }

  #keysOf(board: Board): BoardKeys {
    const name = `${board.hour} ${board.index}`;
    let keys = this.#keys.get(name);
    if (keys === undefined) {
      if (this.#keys.size >= boardsKnownMax) this.#keys.clear();
      this.#keys.set(name, (keys = deriveBoard(this.#secret, board)));
    }
    return keys;
  }

  /** The first bootstrap host that enters the routing table is enough; the others go on in peace. */
  async #dialBootstrap(): Promise<void> {
    let forget = (): void => {};
    const known = new Promise<void>((resolve) => {
      forget = this.#host.onKnown(resolve);
      if (this.#isIn) resolve();
    });
    try {
      await Promise.race([known, this.#dialAll(known)]);
      this.#joinedAtMs = performance.now();
    } finally {
      forget();
    }
    // Who knows one host alone would write where that host leads; so others are asked for first, but not for long.
    if (this.#host.known > 0) await hasHappened(this.#introduce(), AbortSignal.timeout(introduceMs));
  }

  async #dialAll(known: Promise<void>): Promise<void> {
    const dialled = await Promise.allSettled(this.#bootstrap.map((address) => this.#dial(address)));
    if (this.#bootstrap.length === 0 || this.#host.known > 0) return;
    if (dialled.some(({ status }) => status === 'fulfilled')) {
      if (await hasHappened(known, AbortSignal.timeout(dhtLimits.negotiationMs))) return;
      throw new LookupFault('SOURCE_REFUSED', 'no bootstrap host serves this DHT under an address that may be dialled');
    }
    if (this.#host.hasMetItself) return;
    const reasons = dialled.map(
      (one, at) => `${this.#bootstrap[at]}: ${one.status === 'rejected' ? reasonOf(one.reason) : ''}`,
    );
    throw new LookupFault('SOURCE_UNREACHABLE', `no bootstrap host of the DHT can be reached (${reasons.join('; ')})`);
  }

  async #dial(address: string): Promise<void> {
    const { node } = this.#host;
    const before = this.#peers.get(address);
    if (before !== undefined && node.getConnections(before).length > 0) return;
    const connection = await node.dial(multiaddr(address), { signal: AbortSignal.timeout(dhtLimits.dialMs) });
    this.#peers.set(address, connection.remotePeer);
  }

  /** Who is near us is told to us, and learns of us by being asked. */
  async #introduce(): Promise<void> {
    const { node } = this.#host;
    const signal = AbortSignal.timeout(introductionMs);
    try {
      for await (const _ of node.services.kad.getClosestPeers(node.peerId.toMultihash().bytes, { signal }));
    } catch {
      // Ended: kad-dht looks again every five minutes.
    }
  }
}

/** False: `signal` aborted first. Rejects as `event` does. */
const hasHappened = async (event: Promise<void>, signal: AbortSignal): Promise<boolean> => {
  let end = (): void => {};
  const ended = new Promise<boolean>((resolve) => {
    end = () => resolve(false);
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
  });
  try {
    return await Promise.race([event.then(() => true), ended]);
  } finally {
    signal.removeEventListener('abort', end);
  }
};

const reasonOf = (error: unknown): string => {
  const first = error instanceof AggregateError ? (error.errors as unknown[])[0] : error;
  return (first instanceof Error ? first.message : String(first)).split('\n')[0]!;
};
