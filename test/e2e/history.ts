// What clients saw, as they saw it: when they asked, what they were told, and what they were not told. The lines are those of
// `polity check` (design, contracts), so that a history that fails here can be given to the command as it is.
import { writeFileSync } from 'node:fs';

/** A register's value; null = the key does not exist. */
export type Value = string | null;

export type HistoryEvent = {
  process: number;
  type: 'invoke' | 'ok' | 'fail' | 'info';
  f: 'read' | 'write' | 'cas';
  key: string;
  /** A cas: `[old, new]`. An invoked read: null. */
  value: Value | [Value, Value];
  /** Nanoseconds of a monotonic clock. */
  time: number;
};

export type Outcome =
  | { type: 'ok'; value: Value }
  /** It surely did not happen. */
  | { type: 'fail'; code: string }
  /** It may have happened, may happen yet, or never. */
  | { type: 'info'; code: string };

export class History {
  readonly events: HistoryEvent[] = [];
  readonly #startNs = process.hrtime.bigint();
  #processes = 0;

  nowNs(): number {
    return Number(process.hrtime.bigint() - this.#startNs);
  }

  /** A client, or what comes after one whose last operation has no known end: such a one never speaks again. */
  newProcess(): number {
    return this.#processes++;
  }

  add(event: Omit<HistoryEvent, 'time'>): void {
    this.events.push({ ...event, time: this.nowNs() });
  }

  save(file: string): void {
    writeFileSync(file, this.events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }
}
