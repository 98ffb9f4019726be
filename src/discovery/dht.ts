// Members find each other in a distributed hash table of strangers (kad-dht): no server of one's own, and no word about the cluster
// to anybody. Each hour has four boards whose names only members can compute; on each stand up to eight notes that only members can
// read and write (machines/rendezvous, dht-seal.ts). Off unless configured, on a host of its own (dht-host.ts).
// A DHT tells nobody of changes, so there is nothing to follow: this source is asked.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Announcement, Finding } from '../../actors/ports/index.ts';
import {
  type Board,
  boardOf,
  boardsToRead,
  lookAgainMs,
  mergeNotes,
  type Note,
  noteBytes,
  place,
  rendezvousLimits,
  withdraw,
} from '../../machines/rendezvous/index.ts';
import { type BoardCopies, Boards } from './dht-boards.ts';
import { type DhtConfig, parseDhtConfig } from './dht-config.ts';
import { loadDht, startDhtHost } from './dht-host.ts';
import { Reach } from './dht-reach.ts';
import { type LeaveOut, leaveOut } from './left-out.ts';
import { formRecord, parseRecord } from './record.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind } from './source.ts';

const limits = {
  /** After the first member is found, so long for more of them. */
  patienceMs: 700,
  /** A finding is believed so long before the boards are read again. */
  ttlMs: 300_000,
  emptyTtlMs: 15_000,
  withdrawMs: 1_500,
  /** How long the host stays up for the next call. */
  lingerMs: 60_000,
  /** A host that listens and knows no other looks for bootstrap hosts so often. */
  aloneMs: 5_000,
  /** Other hosts that keep a note, where there are so many. */
  keptMin: 3,
  /** So often in a row nobody in the DHT may keep a note. */
  refusalsMax: 3,
  /** What one look at the own board may take. */
  lookMs: 15_000,
} as const;

/** As long as a timer can wait. */
const neverMs = 2 ** 31 - 1;

/** Time and chance; tests give their own. */
export type DhtClock = {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** In [0, 1). */
  chance(): number;
  /** Ends early, without an error, when `signal` aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

const realClock: DhtClock = {
  nowMs: Date.now,
  chance: Math.random,
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
};

/** This node's note: its record without what readers know anyway, and as many addresses as fit. */
const noteOf = (self: Announcement, atMs: number): Note => {
  const { cluster: _, peer, addresses, ...rest } = formRecord(self) as ReturnType<typeof formRecord> & { addresses: string[] };
  const short = addresses.map((address) => address.replace(`/p2p/${self.peer}`, ''));
  const note = (count: number): Note => ({ peer: self.peer, atMs, record: { ...rest, addresses: short.slice(0, count) } });
  let count = short.length;
  while (count > 1 && noteBytes(note(count)) > rendezvousLimits.noteBytesMax) count--;
  return note(count);
};

type Looked = 'written' | 'listed' | 'full' | 'alone' | 'refused';

/** Keeps one member's note on its board, until it is told to take it back. */
class Noting {
  readonly #boards: Boards;
  readonly #self: Announcement;
  readonly #clock: DhtClock;
  readonly #isListening: boolean;
  /** Where the note may stand, with the last board at the end. */
  #written: Board[] = [];
  /** So many other hosts keep it that it need not be written again. */
  #isKept = false;
  #wasKept = false;

  constructor(boards: Boards, self: Announcement, clock: DhtClock, isListening: boolean) {
    this.#boards = boards;
    this.#self = self;
    this.#clock = clock;
    this.#isListening = isListening;
  }

  async run(signal: AbortSignal): Promise<void> {
    // Who can be dialled nowhere has nothing to say.
    if (this.#self.addresses.length === 0) return this.#clock.sleep(neverMs, signal);
    let settling = 0;
    let refusals = 0;
    while (!signal.aborted) {
      const looked = await this.#look(signal);
      refusals = looked === 'refused' ? refusals + 1 : 0;
      if (refusals >= limits.refusalsMax)
        throw new LookupFault('SOURCE_REFUSED', 'no host of the DHT keeps what this node announces');
      settling = looked === 'written' || looked === 'refused' ? settling + 1 : 0;
      const pauseMs = lookAgainMs(settling, this.#clock.nowMs(), this.#clock.chance());
      await this.#clock.sleep(looked === 'alone' ? limits.aloneMs : pauseMs, signal);
    }
  }

  /** Whoever reads an older copy is told by the withdrawn note; whoever gets neither forgets after half an hour. */
  async takeBack(): Promise<void> {
    const signal = AbortSignal.timeout(limits.withdrawMs);
    const isTakenBack = async (board: Board): Promise<boolean> => {
      const read = await this.#boards.read(board, AbortSignal.any([signal, AbortSignal.timeout(limits.withdrawMs / 2)]));
      const notes = withdraw(read, this.#self.peer, this.#clock.nowMs());
      return notes === null || (await this.#boards.write(board, notes, read, signal)) > 0;
    };
    const isAllTakenBack = (await Promise.all(this.#written.map(isTakenBack))).every((isBack) => isBack);
    if (!isAllTakenBack && this.#wasKept)
      throw new LookupFault('SOURCE_UNREACHABLE', 'what was announced could not be taken back: it is found for half an hour');
  }

  async #look(signal: AbortSignal): Promise<Looked> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(limits.lookMs)]);
    try {
      await this.#boards.join(within);
    } catch (fault) {
      // Who listens may be the one whom the others come to.
      if (!this.#isListening && !signal.aborted) throw fault;
    }
    const nowMs = this.#clock.nowMs();
    const board = boardOf(this.#self.peer, nowMs);
    const read = await this.#boards.read(board, within);
    if (signal.aborted) return 'alone';
    const placed = place(read, noteOf(this.#self, nowMs), nowMs);
    if (placed.type === 'full' || (placed.type === 'listed' && this.#isKept)) return placed.type;
    const isAlone = this.#boards.known === 0;
    // Nothing new to say, and still nobody to say it to.
    if (placed.type === 'listed' && isAlone) return 'alone';
    this.#remember(board);
    const notes = placed.type === 'write' ? placed.notes : mergeNotes(read.all, nowMs);
    const kept = await this.#boards.write(board, notes, read, within);
    this.#isKept = kept >= Math.min(limits.keptMin, this.#boards.known);
    this.#wasKept ||= kept > 0;
    return kept > 0 ? 'written' : isAlone ? 'alone' : 'refused';
  }

  #remember(board: Board): void {
    const others = this.#written.filter((one) => one.hour !== board.hour || one.index !== board.index);
    this.#written = [...others, board].slice(-2);
  }
}

type Opened = { boards: Boards; stop(): Promise<void> };

class DhtSource implements Source {
  readonly #config: DhtConfig;
  readonly #context: SourceContext;
  readonly #clock: DhtClock;
  readonly #secret: Uint8Array;
  readonly #leaveOut: LeaveOut;
  #opened: Promise<Opened> | null = null;
  #closing: Promise<void> = Promise.resolve();
  #uses = 0;
  #linger: NodeJS.Timeout | undefined;

  constructor(config: DhtConfig, context: SourceContext, clock: DhtClock, name: string) {
    this.#config = config;
    this.#context = context;
    this.#clock = clock;
    this.#secret = context.deriveKey(`kad-dht boards of ${context.cluster}`);
    this.#leaveOut = leaveOut(context.sink, name);
  }

  query(signal: AbortSignal): Promise<Answer> {
    return this.#use(async (boards) => {
      const fault = await boards.join(signal).then(
        () => null,
        (error: unknown) => error,
      );
      const read = await this.#readAll(boards, signal);
      const notes = mergeNotes(
        read.flatMap(({ all }) => all),
        this.#clock.nowMs(),
      );
      const findings = notes.flatMap((note) => this.#findingOf(note));
      if (findings.length > 0) return { findings, emptyTtlMs: limits.emptyTtlMs };
      if (fault !== null) throw fault;
      if (signal.aborted) throw new LookupFault('SOURCE_TIMED_OUT', 'the DHT was not searched in the time given');
      if (boards.known > 0 && read.every(({ answers }) => answers === 0))
        throw new LookupFault('SOURCE_UNREACHABLE', 'no host of the DHT answers as it should');
      return { findings, emptyTtlMs: limits.emptyTtlMs };
    });
  }

  announce(self: Announcement, signal: AbortSignal): Promise<void> {
    return this.#use(async (boards) => {
      const noting = new Noting(boards, self, this.#clock, this.#config.listen.length > 0);
      await noting.run(signal);
      await noting.takeBack();
    });
  }

  async #readAll(boards: Boards, signal: AbortSignal): Promise<BoardCopies[]> {
    const patience = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const heard = (notes: readonly Note[]): void => {
      if (timer === undefined && notes.some(({ peer, record }) => record !== null && peer !== this.#context.self))
        timer = setTimeout(() => patience.abort(), limits.patienceMs);
    };
    const within = AbortSignal.any([signal, patience.signal]);
    const read = await Promise.all(boardsToRead(this.#clock.nowMs()).map((board) => boards.read(board, within, heard)));
    clearTimeout(timer);
    return read;
  }

  #findingOf({ peer, atMs, record }: Note): Finding[] {
    if (record === null) return [];
    const ttlMs = Math.min(limits.ttlMs, atMs + rendezvousLimits.lifeMs - this.#clock.nowMs());
    const { cluster } = this.#context;
    const finding = parseRecord({ ...record, peer, cluster }, cluster, ttlMs);
    if (finding !== null && !('problem' in finding)) return [finding];
    this.#leaveOut(`the note of ${peer}`, finding?.problem ?? 'is of another cluster');
    return [];
  }

  async close(): Promise<void> {
    clearTimeout(this.#linger);
    const opened = this.#opened;
    this.#opened = null;
    const stop = async (): Promise<void> => (await opened)?.stop();
    this.#closing = this.#closing.then(stop).catch(() => {});
    await this.#closing;
  }

  async #use<T>(run: (boards: Boards) => Promise<T>): Promise<T> {
    clearTimeout(this.#linger);
    this.#uses++;
    try {
      this.#opened ??= this.#open();
      return await run((await this.#opened).boards);
    } finally {
      if (--this.#uses === 0) this.#linger = setTimeout(() => this.close(), limits.lingerMs).unref();
    }
  }

  async #open(): Promise<Opened> {
    try {
      // The port that it listens on may be the one that was just in use.
      await this.#closing;
      const { bootstrap, listen, announce, isLan } = this.#config;
      const { nowMs } = this.#clock;
      const reach = new Reach(isLan, [...bootstrap, ...announce]);
      const host = await startDhtHost({ listen, announce, isLan, reach, nowMs });
      return { boards: new Boards(host, this.#secret, bootstrap, nowMs), stop: async () => host.node.stop() };
    } catch (error) {
      this.#opened = null;
      throw error;
    }
  }
}

/** `dht:` with a clock of one's own, for tests. */
export const createDhtKind = (clock: DhtClock): SourceKind => ({
  scheme: 'dht',
  form: 'dht:?bootstrap=MULTIADDR[&bootstrap=…][&listen=/ip4/0.0.0.0/tcp/7410][&announce=MULTIADDR][&lan]',
  parse: (text) => {
    const config = parseDhtConfig(text);
    if ('problem' in config) return config;
    const name = `dht:${text}`;
    return {
      name,
      open: async (context) => {
        await loadDht();
        return new DhtSource(config, context, clock, name);
      },
    };
  },
});

export const dhtKind: SourceKind = createDhtKind(realClock);
