// What every source of discovery is (row D1): one small file each, that asks one kind of server where members live, is told of
// changes where that is possible, and tells of this node. It may be as slow, wrong or dead as it likes: lookup.ts gives it a limit, a
// pause after each failure and checks what it says, so a source has no time-outs, retries or caches of its own.
import type { Announcement, Finding, SinkPort } from '../../actors/ports/index.ts';

export type Answer = {
  findings: Finding[];
  /** How long an answer without findings holds (RFC 2308 for DNS). */
  emptyTtlMs: number;
};

/** What a source may know of the node that it works for. */
export type SourceContext = {
  cluster: string;
  /** This node's peer id: what is found of itself is left out by lookup.ts. */
  self: string;
  /** Derives a key of its own for one purpose from the cluster secret (HKDF, RFC 5869). */
  deriveKey(purpose: string): Uint8Array;
  sink: SinkPort;
};

export interface Source {
  /**
   * Asks once. Rejects with a LookupFault that says what is wrong. `signal` ends it: at a stop, and a little before its time is over, so
   * that a source which gathers answers may still resolve with those that it has.
   */
  query(signal: AbortSignal): Promise<Answer>;
  /**
   * Is told of changes: calls `on` with all that is known now, at first and after each change, until `signal` aborts, then resolves.
   * Rejects when it cannot go on; it is begun anew after a pause that grows.
   */
  follow?(on: (answer: Answer) => void, signal: AbortSignal): Promise<void>;
  /**
   * Tells of this node, and keeps it told (renews leases, passes checks) until `signal` aborts; then takes it back and resolves.
   * Rejects when it cannot go on; it is begun anew after a pause that grows. Where addresses change it is aborted and begun anew.
   */
  announce?(self: Announcement, signal: AbortSignal): Promise<void>;
  /** Lets go of what it keeps between calls (a port, connections). Called at most once, after every other call has ended. */
  close?(): Promise<void>;
}

/** A source as the configuration names it, checked but not begun: nothing is opened or loaded before `open`. */
export type SourcePlan = {
  /** For people, logs and metrics: the text of the configuration without secrets. */
  name: string;
  /** Loads the client library and makes the source; rejects with a LookupFault. */
  open(context: SourceContext): Promise<Source>;
};

/** What one kind of source makes of the text behind its scheme; a problem is said in words that end a sentence: `has no port`. */
export type SourceKind = {
  /** Before the first colon. */
  scheme: string;
  /** As in the help: `dns:NAME[?server=IP:PORT]`. */
  form: string;
  parse(text: string): SourcePlan | { problem: string };
};

export type LookupFaultCode =
  /** No connection, or none in time. */
  | 'SOURCE_UNREACHABLE'
  /** It answered with an error of its own. */
  | 'SOURCE_REFUSED'
  /** It answered what cannot be understood, or too much. */
  | 'SOURCE_MALFORMED'
  | 'SOURCE_TIMED_OUT'
  /** A library, a file or a right that it needs is not there. */
  | 'SOURCE_UNAVAILABLE';

/** What went wrong at a source: one code, one sentence, never a secret. */
export class LookupFault extends Error {
  readonly code: LookupFaultCode;

  constructor(code: LookupFaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LookupFault';
    this.code = code;
  }
}

/** What one answer may hold; the rest is cut off with a warning. */
export const sourceLimits = {
  findingsMax: 100,
  addressesMax: 8,
  addressCharsMax: 256,
  /** A body of an HTTP answer or a file. */
  answerBytesMax: 256 << 10,
  /** Less is asked too often, more is believed too long. */
  ttlMinMs: 1_000,
  ttlMaxMs: 3_600_000,
  /** Where a source says no time. */
  ttlDefaultMs: 30_000,
  emptyTtlDefaultMs: 5_000,
} as const;
