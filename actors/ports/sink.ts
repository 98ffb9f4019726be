// Where a node's log lines and counters go. A line is data; the outside decides on format and level. Secrets never enter.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface SinkPort {
  log(level: LogLevel, code: string, message: string, facts?: Record<string, unknown>): void;
  /** Adds to a counter of the fixed list in machines/metrics. Labels are few and bounded. */
  count(name: string, labels?: Record<string, string>, by?: number): void;
}
