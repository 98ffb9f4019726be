// The register service's words: the linearizable key-value store that every cluster has (rows C4, C7; design, contracts).
// Requests are what users ask (any node); commands are what the log carries (only writes); results are plain data.
import type { ItemOutcome } from '../entity/ledger-types.ts';
import type { Failure } from '../errors.ts';
import type { QueueRead, QueueResult, QueueWrite } from '../queue/types.ts';
import type { TopicRead, TopicResult, TopicWrite } from './topic/types.ts';

/** Holds a write back unless it is true of the key at the moment of application. */
export type Condition =
  | { kind: 'value'; value: Uint8Array }
  /** `index` of the key's last modification; 0 = must not exist. */
  | { kind: 'index'; index: number };

/** Fencing: the write happens only while this lock is held under exactly this token (term and index compare as a pair). */
export type Fence = { lock: string; token: FencingToken };
export type FencingToken = { term: number; index: number };

export type RegisterWrite =
  | {
      op: 'put';
      key: string;
      value: Uint8Array;
      condition?: Condition;
      fence?: Fence;
      /** The key vanishes when log time passes the entry's time + ttlMs. */
      ttlMs?: number;
      /** The key vanishes with this lease. */
      lease?: string;
    }
  /** Deleting what is not there is KEY_NOT_FOUND unless a condition says otherwise. */
  | { op: 'delete'; key: string; condition?: Condition; fence?: Fence }
  /** A lease that lives is renewed under the new length: asking again after a lost answer does no harm. */
  | { op: 'lease-grant'; lease: string; ttlMs: number }
  | { op: 'lease-renew'; lease: string }
  | { op: 'lease-revoke'; lease: string }
  /** Granted at once or LOCK_HELD; waiting is the caller's (watch, then retry). The lock falls with its lease. */
  | { op: 'lock-acquire'; lock: string; lease: string; owner: string }
  | { op: 'lock-release'; lock: string; token: FencingToken }
  | QueueWrite
  | TopicWrite
  /** The leader's own: what happens to replicated actors (machines/entity/ledger.ts), many of them in one entry. */
  | { op: 'actors'; items: Uint8Array }
  /** The leader's own: from here on entries of this version may follow, for all members of the group read them. */
  | { op: 'entries'; version: number }
  /** Proposed by the leader when the earliest expiry has passed, so that log time moves without other writes. */
  | { op: 'expire' };

/** The same `id` twice has one effect (row C7); `digest` tells another request under the same id (IDEMPOTENCY_CONFLICT). */
export type Session = { id: string };

export type RegisterCommand = { write: RegisterWrite; session?: Session };

export type RegisterRead =
  | { op: 'get'; key: string }
  /** Keys in byte order; `after` continues a page (exclusive); at most `limit`. */
  | { op: 'list'; prefix: string; after?: string; limit: number }
  | { op: 'lock-get'; lock: string }
  | { op: 'lease-get'; lease: string }
  | QueueRead
  | TopicRead;

export type KeyValue = {
  key: string;
  value: Uint8Array;
  index: number;
  term: number;
  createIndex: number;
  version: number;
  expiresAtMs: number | null;
  lease: string | null;
};

export type RegisterResult =
  | { op: 'put' | 'delete'; key: string; index: number; term: number }
  | { op: 'lease-grant' | 'lease-renew' | 'lease-revoke'; lease: string; index: number; term: number; expiresAtMs: number }
  | { op: 'lock-acquire' | 'lock-release'; lock: string; token: FencingToken; index: number; term: number }
  | { op: 'expire'; index: number; term: number }
  /** Of each item; told to who proposed it only. */
  | { op: 'actors'; index: number; term: number; outcomes: readonly ItemOutcome[] }
  /** `version`: what the group uses from here on. */
  | { op: 'entries'; index: number; term: number; version: number }
  | { op: 'get'; found: KeyValue | null; index: number }
  | { op: 'list'; items: KeyValue[]; more: boolean; index: number }
  | { op: 'lock-get'; holder: { owner: string; lease: string; token: FencingToken } | null; index: number }
  | { op: 'lease-get'; lease: { ttlMs: number; expiresAtMs: number } | null; index: number }
  | QueueResult
  | TopicResult;

export type RegisterOutcome = { ok: true; result: RegisterResult } | { ok: false; failure: Failure };

/** What a watcher sees, in log order; `index` is the entry's (several events may share it, e.g. one expiry). */
export type RegisterEvent = {
  type: 'put' | 'delete' | 'expire';
  key: string;
  value: Uint8Array | null;
  index: number;
  term: number;
};

/** One key of the group's keyspace (relative to it) to write, or null to delete. */
export type KeyspaceWrite = { key: Uint8Array; value: Uint8Array | null };

/** Reads the group's keyspace as of all earlier writes (the actor overlays what is not flushed yet). */
export type KeyspaceReader = (key: Uint8Array) => Uint8Array | undefined;
