// One entry being applied: what it sees, what it writes, what watchers will hear. Removals go through here, so that memory,
// keyspace and events can not disagree. What is past its time is treated as gone from here on, even where the sweep has not yet
// come to it (the sweep does a bounded number of removals an entry).
import { sweepQueues } from '../queue/index.ts';
import { earliest, schedule, unschedule } from './expiry.ts';
import { requireRegister } from './fault.ts';
import { decodeValue, leaseKey, lockKey, sessionKey, type ValueRecord, valueKey } from './keyspace.ts';
import type { ExpiryKind, Lease, Lock, RegisterState } from './state.ts';
import { sweepRemnant, trimDue } from './topic/retention.ts';

import type { KeyspaceReader, KeyspaceWrite, RegisterEvent } from './types.ts';

export type Turn = {
  readonly state: RegisterState;
  readonly read: KeyspaceReader;
  readonly index: number;
  readonly term: number;
  /** Log time. */
  readonly timeMs: number;
  readonly writes: KeyspaceWrite[];
  readonly events: RegisterEvent[];
  /** Keys that this entry removed; `read` still has them. */
  removed: Set<string> | null;
  /** Names under which somebody may wait: they look again once the entry is applied. */
  touched: Set<string> | null;
};

/** Whoever waits under this name looks again once the entry is applied. */
export const touch = (turn: Turn, name: string): void => {
  turn.touched ??= new Set();
  turn.touched.add(name);
};

type Ending = 'expire' | 'delete';

/** Forgets what memory knows of a key that is about to be overwritten or removed. */
export const detachKey = (turn: Turn, key: string, record: ValueRecord): void => {
  if (record.expiresAtMs !== null) unschedule(turn.state.expiries, 'key', key);
  if (record.lease === null) return;
  const lease = turn.state.leases.get(record.lease);
  requireRegister(lease !== undefined, 'KEY_LEASE_EXISTS', `'${key}' is attached to a lease that does not exist`);
  lease.keys.delete(key);
};

const dropKey = (turn: Turn, key: string, ending: Ending): void => {
  turn.state.keys--;
  turn.removed ??= new Set();
  turn.removed.add(key);
  turn.writes.push({ key: valueKey(key), value: null });
  turn.events.push({ type: ending, key, value: null, index: turn.index, term: turn.term });
};

export const removeKey = (turn: Turn, key: string, record: ValueRecord, ending: Ending): void => {
  detachKey(turn, key, record);
  dropKey(turn, key, ending);
};

export const removeLock = (turn: Turn, name: string, lock: Lock): void => {
  turn.state.locks.delete(name);
  turn.state.leases.get(lock.lease)?.locks.delete(name);
  turn.writes.push({ key: lockKey(name), value: null });
};

/** Ends a lease with all that hangs on it, in the order of names. Returns how much was removed. */
export const removeLease = (turn: Turn, name: string, lease: Lease, ending: Ending): number => {
  const { state } = turn;
  const removals = 1 + lease.keys.size + lease.locks.size;
  for (const key of [...lease.keys].sort()) {
    unschedule(state.expiries, 'key', key);
    dropKey(turn, key, ending);
  }
  for (const lock of [...lease.locks].sort()) {
    state.locks.delete(lock);
    turn.writes.push({ key: lockKey(lock), value: null });
  }
  state.leases.delete(name);
  unschedule(state.expiries, 'lease', name);
  turn.writes.push({ key: leaseKey(name), value: null });
  return removals;
};

export const removeSession = (turn: Turn, id: string, index: number): void => {
  turn.state.sessions.delete(id);
  turn.writes.push({ key: sessionKey(index), value: null });
};

// ---------------------------------------------------------------- what is alive at this entry's time

/** The record of a key, or null if there is none or its time or its lease's time has passed. */
export const liveKey = (turn: Turn, key: string): ValueRecord | null => {
  if (turn.removed?.has(key)) return null;
  const bytes = turn.read(valueKey(key));
  if (bytes === undefined) return null;
  const record = decodeValue(bytes);
  if (record.lease !== null && liveLease(turn, record.lease) === null) return null;
  if (record.expiresAtMs === null || record.expiresAtMs > turn.timeMs) return record;
  removeKey(turn, key, record, 'expire');
  return null;
};

export const liveLease = (turn: Turn, name: string): Lease | null => {
  const lease = turn.state.leases.get(name);
  if (lease === undefined) return null;
  if (lease.expiresAtMs > turn.timeMs) return lease;
  removeLease(turn, name, lease, 'expire');
  return null;
};

export const liveLock = (turn: Turn, name: string): Lock | null => {
  const lock = turn.state.locks.get(name);
  return lock === undefined || liveLease(turn, lock.lease) === null ? null : lock;
};

/** Sets or moves the end of a lease. */
export const extendLease = (turn: Turn, name: string, lease: Lease): void => {
  lease.expiresAtMs = turn.timeMs + lease.ttlMs;
  schedule(turn.state.expiries, 'lease', name, lease.expiresAtMs);
};

// ---------------------------------------------------------------- the sweep

/** Removes what log time has passed, earliest first, then messages of queues, sessions last; at most a bounded number of removals. */
export const sweep = (turn: Turn): void => {
  const { state, timeMs } = turn;
  let left = state.limits.removalsPerEntryMax;
  for (;;) {
    const due = earliest(state.expiries);
    if (due === undefined || due.atMs > timeMs || left <= 0) break;
    left -= fall[due.kind](turn, due.name, left);
  }
  left = sweepQueues(turn, left);
  if (state.sessions.size === 0) return;
  for (const [id, seen] of state.sessions) {
    if (left-- <= 0 || timeMs - seen.timeMs < state.limits.sessionMs) return;
    removeSession(turn, id, seen.index);
  }
};

/** What falls at its time: how much was removed, at most about `left` where it can be done in parts. */
const fall: Record<ExpiryKind, (turn: Turn, name: string, left: number) => number> = {
  key: (turn, key) => expireKey(turn, key),
  lease: (turn, lease) => removeLease(turn, lease, leaseDue(turn.state, lease), 'expire'),
  topic: trimDue,
  remnant: sweepRemnant,
};

const expireKey = (turn: Turn, key: string): number => {
  const bytes = turn.read(valueKey(key));
  requireRegister(bytes !== undefined, 'EXPIRING_KEY_EXISTS', `'${key}' should expire now but is not in the keyspace`);
  removeKey(turn, key, decodeValue(bytes), 'expire');
  return 1;
};

const leaseDue = (state: RegisterState, name: string): Lease => {
  const lease = state.leases.get(name);
  requireRegister(lease !== undefined, 'EXPIRING_LEASE_EXISTS', `lease '${name}' should expire now but does not exist`);
  return lease;
};
