// Log lines of a node: one JSON object a line on stderr, by pino. Facts are data and reach the line by name; whatever is named like
// a secret is replaced, at any depth that a fact can have, because a line outlives every rotation of a key.
import pino from 'pino';
import type { LogLevel, SinkPort } from '../actors/ports/index.ts';

export type LogOptions = {
  level: LogLevel | 'silent';
  /** Stands in every line. */
  name: string;
  /** Where lines go; stderr when absent. */
  write?: (line: string) => void;
};

const secretName = /secret|token|password|authorization|private.?key|identity$/i;
const hidden = '[hidden]';
const depthMax = 4;
const textCharsMax = 4_096;

/** A copy fit for a line: secrets hidden, bytes as their length, errors as text, nothing deep or endless. */
const plain = (value: unknown, depth: number): unknown => {
  try {
    return copied(value, depth);
  } catch {
    // A handler may throw what throws itself when it is read; the line is written all the same.
    return '[unreadable]';
  }
};

const cut = (text: string): string => (text.length > textCharsMax ? `${text.slice(0, textCharsMax)}…` : text);

const copied = (value: unknown, depth: number): unknown => {
  if (typeof value === 'string') return cut(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (value instanceof Error) return cut(String(value.stack ?? value.message));
  if (depth >= depthMax) return '…';
  if (Array.isArray(value)) return value.slice(0, 64).map((one) => plain(one, depth + 1));
  return withoutSecrets(value as Record<string, unknown>, depth + 1);
};

export const withoutSecrets = (facts: Record<string, unknown>, depth = 0): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, secretName.test(name) ? hidden : plain(value, depth)]),
  );

/** Facts must not pass for the line's own words. */
const reserved = new Set(['level', 'time', 'node', 'code', 'msg']);

const ownNames = (facts: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(facts).map(([name, value]) => [reserved.has(name) ? `fact_${name}` : name, value]));

/** Lines that a stalled reader of stderr may hold back before they are dropped: a log never stops a node. */
const bufferedBytesMax = 4 << 20;

export interface Log {
  readonly log: SinkPort['log'];
  /** Writes what is still buffered; call it before the process ends. */
  flush(): void;
}

export const createLog = (options: LogOptions): Log => {
  const { write } = options;
  const stderr = write === undefined ? pino.destination({ fd: 2, sync: false, maxLength: bufferedBytesMax }) : null;
  const logger = pino(
    {
      level: options.level,
      base: { node: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stderr ?? { write: write! },
  );
  return {
    log(level, code, message, facts) {
      if (!logger.isLevelEnabled(level)) return;
      logger[level]({ code, ...(facts === undefined ? {} : ownNames(withoutSecrets(facts))) }, cut(message));
    },
    flush() {
      try {
        stderr?.flushSync();
      } catch {
        // stderr is closed: there is nobody left to tell.
      }
    },
  };
};
