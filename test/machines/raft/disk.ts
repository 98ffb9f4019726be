// A disk as decision 12 describes it: writes end in order, a crash keeps a prefix of those under way, each whole.
import type { Entry, HardState, SnapshotMeta } from '../../../machines/raft/types.ts';

export type Kept = { hardState: HardState; snapshot: SnapshotMeta | null; entries: Entry[]; applied: number };

type Write = { change: (kept: Kept) => void; done: () => void };

export class Disk {
  kept: Kept;
  private queue: Write[] = [];
  private busy = false;
  private life = 0;
  private readonly after: (run: () => void) => void;
  failing = false;

  /** `after` runs something when one write may have ended. */
  constructor(kept: Kept, after: (run: () => void) => void) {
    this.kept = kept;
    this.after = after;
  }

  write(change: (kept: Kept) => void, done: () => void = () => {}): void {
    this.queue.push({ change, done });
    this.pump();
  }

  private pump(): void {
    if (this.busy || this.queue.length === 0) return;
    this.busy = true;
    const { life } = this;
    this.after(() => {
      if (life !== this.life) return;
      this.busy = false;
      const write = this.queue.shift()!;
      write.change(this.kept);
      write.done();
      this.pump();
    });
  }

  /** kill -9: `survivors` of the writes under way reach the disk, but nobody hears of it. */
  crash(survivors: (underWay: number) => number): void {
    this.life++;
    this.busy = false;
    for (const { change } of this.queue.slice(0, survivors(this.queue.length))) change(this.kept);
    this.queue = [];
  }
}

export const keepEntries = (kept: Kept, entries: readonly Entry[]): void => {
  const first = entries[0];
  if (first !== undefined) kept.entries = [...kept.entries.filter((entry) => entry.index < first.index), ...entries];
};
