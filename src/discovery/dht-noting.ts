// One member's note on its board, from when it is announced until it is taken back: written while there is room, looked at again,
// renewed, and written anew wherever it was lost. What a note is and where it belongs is decided in machines/rendezvous.
import type { Announcement } from '../../actors/ports/index.ts';
import {
  type Board,
  boardOf,
  lookAgainMs,
  mergeNotes,
  type Note,
  noteBytes,
  place,
  rendezvousLimits,
  withdraw,
} from '../../machines/rendezvous/index.ts';
import type { Boards } from './dht-boards.ts';
import { formRecord } from './record.ts';
import { LookupFault } from './source.ts';

const limits = {
  withdrawMs: 1_500,
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
export class Noting {
  readonly #boards: Boards;
  readonly #self: Announcement;
  readonly #clock: DhtClock;
  readonly #isListening: boolean;
  /** Where the note may stand, with the last board at the end. */
  #written: Board[] = [];
  /** So many other hosts keep it that it need not be written again. */
  #isKept = false;
  #wasKept = false;
  #looked: Looked = 'alone';
  #doubt = new AbortController();

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
      this.#doubt = new AbortController();
      const looked = await this.#look(signal);
      this.#looked = looked;
      refusals = looked === 'refused' ? refusals + 1 : 0;
      if (refusals >= limits.refusalsMax)
        throw new LookupFault('SOURCE_REFUSED', 'no host of the DHT keeps what this node announces');
      settling = looked === 'written' || looked === 'refused' ? settling + 1 : 0;
      const pauseMs = lookAgainMs(settling, this.#clock.nowMs(), this.#clock.chance());
      const pause = AbortSignal.any([signal, this.#doubt.signal]);
      await this.#clock.sleep(looked === 'alone' ? limits.aloneMs : pauseMs, pause);
    }
  }

  /** All boards were read, and the note stands on none: those who kept it may be gone. It is looked at now. */
  missed(): void {
    if (this.#looked === 'listed' || this.#looked === 'written') this.#doubt.abort();
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
