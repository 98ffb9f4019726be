// The log in memory: everything after the compaction point, durable or not. Indices are dense; (index, term) names one entry
// for ever (Raft §5.3, log matching).
import { InvariantBroken } from './invariants.ts';
import type { Entry, SnapshotMeta } from './types.ts';

/** What an entry costs beside its data: its place in the frame and in the log batch. */
const entryOverheadBytes = 32;

export const entryBytes = ({ data }: Pick<Entry, 'data'>): number => data.byteLength + entryOverheadBytes;

export class RaftLog {
  /** The entry before the first one kept: what the last compaction or snapshot stands for. */
  base: { index: number; term: number; timeMs: number };
  /** The lowest index that was appended or dropped since whoever checks the log set this to Infinity (invariants.ts). */
  changedFrom = 0;
  private entries: Entry[];

  constructor(snapshot: Pick<SnapshotMeta, 'index' | 'term' | 'timeMs'> | null, entries: readonly Entry[]) {
    this.base =
      snapshot === null
        ? { index: 0, term: 0, timeMs: 0 }
        : { index: snapshot.index, term: snapshot.term, timeMs: snapshot.timeMs };
    this.entries = [];
    this.append(entries);
  }

  get firstIndex(): number {
    return this.base.index + 1;
  }

  get lastIndex(): number {
    return this.base.index + this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? this.base.term;
  }

  get lastTimeMs(): number {
    return this.entries.at(-1)?.timeMs ?? this.base.timeMs;
  }

  entryAt(index: number): Entry | undefined {
    return this.entries[index - this.base.index - 1];
  }

  /** Undefined where the log does not reach: before the compaction point or after the end. */
  termAt(index: number): number | undefined {
    return index === this.base.index ? this.base.term : this.entryAt(index)?.term;
  }

  timeAt(index: number): number {
    return index === this.base.index ? this.base.timeMs : (this.entryAt(index)?.timeMs ?? this.base.timeMs);
  }

  matches(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  /** Is a log that ends with (index, term) at least as up-to-date as this one? Raft §5.4.1: term first, then length. */
  isUpToDate(index: number, term: number): boolean {
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);
  }

  /** The largest index ≤ `index` whose term is ≤ `term`: where two logs may agree, skipping whole terms at once. */
  lastIndexWithTermAtMost(index: number, term: number): number {
    let at = Math.min(index, this.lastIndex);
    while (at > this.base.index && this.termAt(at)! > term) at--;
    return at;
  }

  /** Entries from `from` up to `to` inclusive, at least one, as many as fit `bytesMax`. */
  slice(from: number, to: number, bytesMax: number): Entry[] {
    const start = from - this.base.index - 1;
    let end = start;
    const stop = to - this.base.index;
    for (let bytes = 0; end < stop; end++) {
      bytes += entryBytes(this.entries[end]!);
      if (bytes > bytesMax && end > start) break;
    }
    return this.entries.slice(start, end);
  }

  append(added: readonly Entry[]): void {
    this.changedFrom = Math.min(this.changedFrom, this.lastIndex + 1);
    for (const entry of added) {
      if (entry.index !== this.lastIndex + 1)
        throw new InvariantBroken('log-dense', `entry ${entry.index} after ${this.lastIndex}`);
      if (entry.term < this.lastTerm) throw new InvariantBroken('log-terms', `term ${entry.term} after ${this.lastTerm}`);
      this.entries.push(entry);
    }
  }

  /** Drops everything from `index` on. */
  truncateFrom(index: number): void {
    if (index <= this.base.index)
      throw new InvariantBroken('log-truncate', `from ${index}, but ${this.base.index} is compacted`);
    this.entries.length = index - this.base.index - 1;
    this.changedFrom = Math.min(this.changedFrom, index);
  }

  compactTo(index: number): void {
    const term = this.termAt(index);
    if (term === undefined)
      throw new InvariantBroken('log-compact', `to ${index}, outside of ${this.base.index}..${this.lastIndex}`);
    const timeMs = this.timeAt(index);
    this.entries = this.entries.slice(index - this.base.index);
    this.base = { index, term, timeMs };
  }

  reset(meta: SnapshotMeta): void {
    this.entries = [];
    this.base = { index: meta.index, term: meta.term, timeMs: meta.timeMs };
    this.changedFrom = 0;
  }
}
