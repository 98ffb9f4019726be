// What the register keeps in memory: indexes only, never values. All of it can be rebuilt from the keyspace (restore.ts), and two
// replicas that applied the same log hold the same.
import { createLedger, type Ledger, type LedgerHost } from '../entity/ledger.ts';
import { createQueues, dumpQueues, type QueueBounds, type Queues } from '../queue/index.ts';
import { limits } from '../wire/limits.ts';
import { entryVersions } from './entry-version.ts';
import { createExpiries, type Expiries } from './expiry.ts';
import { createTopics, dumpTopics, type Topics } from './topic/state.ts';
import type { FencingToken } from './types.ts';

/** What bounds the memory and the work of one entry. Part of the protocol: replicas that differ here would diverge. */
export type RegisterLimits = {
  sessionsMax: number;
  sessionMs: number;
  leasesMax: number;
  locksMax: number;
  /** Keys with a TTL of their own. */
  expiringKeysMax: number;
  /** Keys and locks on one lease: what one entry may have to remove at once. */
  leaseAttachmentsMax: number;
  /** Removals by log time that one entry does on the side; what is left falls with the next entries, and is treated as gone. */
  removalsPerEntryMax: number;
};

export const registerLimits: RegisterLimits = {
  sessionsMax: limits.sessionsMax,
  sessionMs: limits.sessionMs,
  leasesMax: limits.registerLeasesMax,
  locksMax: limits.registerLocksMax,
  expiringKeysMax: limits.registerExpiringKeysMax,
  leaseAttachmentsMax: limits.registerLeaseAttachmentsMax,
  removalsPerEntryMax: limits.registerRemovalsPerEntryMax,
};

export type Lease = {
  ttlMs: number;
  expiresAtMs: number;
  /** Exactly the keys whose record names this lease. */
  keys: Set<string>;
  /** Exactly the locks held under this lease. */
  locks: Set<string>;
};

export type Lock = { owner: string; lease: string; token: FencingToken };

/** A request that was answered: its record is at `index` in the keyspace. */
export type Seen = { index: number; timeMs: number };

/** What falls when log time passes. */
export type ExpiryKind = 'key' | 'lease' | 'topic' | 'remnant';

export type RegisterState = {
  readonly limits: RegisterLimits;
  /** Version of entries that the group uses, and the newest that this replica reads. */
  entries: number;
  readonly entriesMax: number;
  /** Keys that exist. */
  keys: number;
  leases: Map<string, Lease>;
  /** Every lock's lease exists. */
  locks: Map<string, Lock>;
  /** By session id, oldest first: the order of insertion is the order of the log. */
  sessions: Map<string, Seen>;
  /** Every key with a TTL, every lease, every topic that keeps something, and what is left of those that were deleted. */
  expiries: Expiries<ExpiryKind>;
  readonly queues: Queues;
  topics: Topics;
  readonly actors: Ledger;
};

/** `bounds` is for tests; every replica of a cluster must use the same. */
export const createRegister = (
  bounds: RegisterLimits = registerLimits,
  queueBounds?: QueueBounds,
  actors: LedgerHost | null = null,
  entriesMax: number = entryVersions.newest,
): RegisterState => ({
  limits: bounds,
  entries: entryVersions.oldest,
  entriesMax,
  keys: 0,
  leases: new Map(),
  locks: new Map(),
  sessions: new Map(),
  expiries: createExpiries('key', 'lease', 'topic', 'remnant'),
  queues: createQueues(queueBounds),
  topics: createTopics(),
  actors: createLedger(actors),
});

/** Log time of what is due first (a key, a lease, a message), or Infinity: when the leader should propose `expire`. */
export const nextExpiryMs = (state: RegisterState): number =>
  Math.min(
    state.expiries.heap[0]?.atMs ?? Number.POSITIVE_INFINITY,
    state.queues.timers.heap[0]?.atMs ?? Number.POSITIVE_INFINITY,
  );

export type RegisterCounts = {
  keys: number;
  leases: number;
  locks: number;
  sessions: number;
  expiringKeys: number;
  topics: number;
};

export const countsOf = (state: RegisterState): RegisterCounts => ({
  keys: state.keys,
  leases: state.leases.size,
  locks: state.locks.size,
  sessions: state.sessions.size,
  expiringKeys: state.expiries.of.key.size,
  topics: state.topics.byName.size,
});

const byName = <T>(entries: Iterable<[string, T]>): [string, T][] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

/** The state as plain data with one form, whatever history led to it; for comparison and for a person. */
export const dump = (state: RegisterState): unknown => ({
  keys: state.keys,
  leases: byName(state.leases).map(([name, { ttlMs, expiresAtMs, keys, locks }]) => ({
    ...{ name, ttlMs, expiresAtMs, keys: [...keys].sort(), locks: [...locks].sort() },
  })),
  locks: byName(state.locks).map(([name, { owner, lease, token }]) => ({ name, owner, lease, token: { ...token } })),
  sessions: [...state.sessions].map(([id, { index, timeMs }]) => ({ id, index, timeMs })),
  expiringKeys: byName(state.expiries.of.key).map(([name, { atMs }]) => ({ name, atMs })),
  expiringLeases: byName(state.expiries.of.lease).map(([name, { atMs }]) => ({ name, atMs })),
  queues: dumpQueues(state.queues),
  expiringTopics: byName(state.expiries.of.topic).map(([name, { atMs }]) => ({ name, atMs })),
  topics: dumpTopics(state.topics),
  actors: state.actors.store.actors,
  entries: state.entries,
});

export { RegisterFault, requireRegister } from './fault.ts';
