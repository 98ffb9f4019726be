// What actors with a log of their own were delivered before they were stopped: kept for as long as ids of the living are, so that what
// one handled is not done once more by the next of its name. On the disk alone, by when it may be forgotten, and swept by one timer.
import { historyLimits } from './actor-history.ts';
import { buriedRange, deliveredKeyOf, keyAfter, untilOf } from './keyspace.ts';
import type { ClockPort, StorageOperation, Timer } from './ports/index.ts';
import type { Writer } from './writer.ts';

const pageEntries = 256;
/** Not for each: what is over by then goes together. */
const sweepMsMin = 10_000;

export class Burials {
  readonly #clock: ClockPort;
  readonly #writer: Writer;
  #timer: Timer | null = null;
  #hasBegun = false;
  #isOver = false;

  constructor(clock: ClockPort, writer: Writer) {
    this.#clock = clock;
    this.#writer = writer;
  }

  /** What an earlier process left is looked through. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#sweep(buriedRange.gte);
  }

  /** One more is buried, for as long as any. */
  note(): void {
    this.#lookIn(historyLimits.idsKeptMs);
  }

  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #lookIn(ms: number): void {
    if (this.#isOver || this.#timer !== null) return;
    this.#timer = this.#clock.after(Math.max(sweepMsMin, Math.min(ms, historyLimits.idsKeptMs)), () => {
      this.#timer = null;
      this.#sweep(buriedRange.gte);
    });
  }

  #sweep(gte: Uint8Array): void {
    let view: ReturnType<Writer['view']>;
    try {
      view = this.#writer.view();
    } catch {
      return this.#lookIn(historyLimits.idsKeptMs);
    }
    view.read({ gte, lt: buriedRange.lt, limit: pageEntries }, (why, page) => {
      view.close();
      if (this.#isOver) return;
      if (why !== null) return this.#lookIn(historyLimits.idsKeptMs);
      const nowMs = this.#clock.wallMs();
      const next = page.find(([key]) => untilOf(key) > nowMs);
      const over = next === undefined ? page : page.slice(0, page.indexOf(next));
      const gone = over.flatMap(([key]): StorageOperation[] => [
        { key, value: null },
        { key: deliveredKeyOf(key), value: null },
      ]);
      if (gone.length > 0) this.#writer.write(gone, { durable: false }, () => {});
      const last = page.at(-1);
      if (next !== undefined) this.#lookIn(untilOf(next[0]) - nowMs);
      else if (last !== undefined) this.#sweep(keyAfter(last[0]));
    });
  }
}
