// One entry of the log becomes an outcome, writes to the keyspace and events for watchers. A function of the log alone: the same
// entries give the same bytes on every replica (Schneider 1990, state machine replication).
import { applyItems } from '../entity/ledger.ts';
import { type Failure, failure } from '../errors.ts';
import { executeQueue, isQueueWrite } from '../queue/index.ts';
import { decodeCommand } from './command.ts';
import { encodeEntries, entriesKey, entryVersionOf } from './entry-version.ts';
import { schedule } from './expiry.ts';
import { requireRegister } from './fault.ts';
import { encodeLease, encodeLock, encodeValue, leaseKey, lockKey, type ValueRecord, valueKey } from './keyspace.ts';
import { once } from './sessions.ts';
import type { Lease, RegisterState } from './state.ts';
import { applyTopicWrite } from './topic/apply.ts';
import { isTopicWrite } from './topic/command.ts';
import {
  detachKey,
  extendLease,
  liveKey,
  liveLease,
  liveLock,
  removeKey,
  removeLease,
  removeLock,
  sweep,
  type Turn,
} from './turn.ts';
import type {
  Condition,
  Fence,
  FencingToken,
  KeyspaceReader,
  KeyspaceWrite,
  RegisterEvent,
  RegisterOutcome,
  RegisterResult,
  RegisterWrite,
} from './types.ts';

export type AppliedEntry = { index: number; term: number; timeMs: number; data: Uint8Array };
/** `touched`: what may be news to whoever waits for it, by the names of `touch`. */
export type Applied = {
  outcome: RegisterOutcome;
  writes: KeyspaceWrite[];
  events: RegisterEvent[];
  touched: ReadonlySet<string>;
};

type Write<Op extends RegisterWrite['op']> = Extract<RegisterWrite, { op: Op }>;

const none: ReadonlySet<string> = new Set();

/** No clock is right beyond this; with the largest TTL added it is still a whole number. */
const timeMsMax = 2 ** 52;

/**
 * Applies one command. First removes what log time has passed. `read` sees the keyspace as of all earlier entries; `writes` are one
 * batch, in order (a later one on the same key wins). A malformed command changes nothing and is INVALID_REQUEST.
 */
export const apply = (state: RegisterState, entry: AppliedEntry, read: KeyspaceReader): Applied => {
  const { index, term } = entry;
  requireRegister(Number.isSafeInteger(index) && index > 0, 'ENTRY_INDEX_SOUND', `an entry has index ${index}`);
  requireRegister(Number.isSafeInteger(term) && term > 0, 'ENTRY_TERM_SOUND', `an entry has term ${term}`);
  requireRegister(!Number.isNaN(entry.timeMs), 'ENTRY_TIME_SOUND', `entry ${index} has no time`);
  const version = entryVersionOf(entry.data);
  requireRegister(version <= state.entriesMax, 'ENTRY_READABLE', `entry ${index} is of version ${version}`);
  const command = decodeCommand(entry.data);
  if (command === null) return untaken(failure('INVALID_REQUEST', `the command at index ${index} is malformed`));
  if (version > state.entries && command.write.op !== 'entries') {
    const message = `the command at index ${index} is of version ${version}, the group uses version ${state.entries}`;
    return untaken(failure('INVALID_REQUEST', message));
  }
  const timeMs = Math.min(Math.max(0, Math.floor(entry.timeMs)), timeMsMax);
  const turn: Turn = { state, read, index, term, timeMs, writes: [], events: [], removed: null, touched: null };
  sweep(turn);
  const { write, session, digest } = command;
  const outcome =
    session === undefined || digest === null
      ? execute(turn, write)
      : once(turn, { id: session.id, digest, write }, () => execute(turn, write));
  return { outcome, writes: turn.writes, events: turn.events, touched: turn.touched ?? none };
};

/** Nothing has happened, and log time has not passed. */
const untaken = (why: Failure): Applied => ({ outcome: refused(why), writes: [], events: [], touched: none });

const execute = (turn: Turn, write: RegisterWrite): RegisterOutcome => {
  if (isQueueWrite(write)) return executeQueue(turn, write);
  if (isTopicWrite(write)) return applyTopicWrite(turn, write);
  switch (write.op) {
    case 'put':
      return put(turn, write);
    case 'delete':
      return remove(turn, write);
    case 'lease-grant':
      return grant(turn, write);
    case 'lease-renew':
      return renew(turn, write);
    case 'lease-revoke':
      return revoke(turn, write);
    case 'lock-acquire':
      return acquire(turn, write);
    case 'lock-release':
      return release(turn, write);
    case 'expire':
      return done({ op: 'expire', index: turn.index, term: turn.term });
    case 'entries':
      return enable(turn, write.version);
    case 'actors': {
      const outcomes = applyItems(turn.state.actors, write.items, turn);
      if (outcomes === null) return refused(failure('INVALID_REQUEST', `the items at index ${turn.index} are malformed`));
      return done({ op: 'actors', index: turn.index, term: turn.term, outcomes });
    }
  }
};

const done = (result: RegisterResult): RegisterOutcome => ({ ok: true, result });
const refused = (why: Failure): RegisterOutcome => ({ ok: false, failure: why });

/** A version only rises: a leader that lags may ask for one that is in use. */
const enable = ({ state, writes, index, term }: Turn, version: number): RegisterOutcome => {
  if (version > state.entries) {
    state.entries = version;
    writes.push({ key: entriesKey, value: encodeEntries(version) });
  }
  return done({ op: 'entries', version: state.entries, index, term });
};

const namedCharsMax = 100;
/** A name as a message shows it. */
const shown = (name: string): string => {
  const points = name.length > namedCharsMax ? `${[...name].slice(0, namedCharsMax).join('')}…` : name;
  return `'${points}'`;
};

// ---------------------------------------------------------------- keys

const put = (turn: Turn, write: Write<'put'>): RegisterOutcome => {
  const { state, index, term, timeMs } = turn;
  const { key, ttlMs } = write;
  const current = liveKey(turn, key);
  const why = guard(turn, key, current, write);
  if (why !== null) return refused(why);
  const lease = write.lease === undefined ? null : liveLease(turn, write.lease);
  if (write.lease !== undefined && lease === null) return refused(noLease(write.lease));
  const crowded = roomFor(state, key, ttlMs, lease);
  if (crowded !== null) return refused(crowded);

  if (current === null) state.keys++;
  else detachKey(turn, key, current);
  const expiresAtMs = ttlMs === undefined ? null : timeMs + ttlMs;
  if (expiresAtMs !== null) schedule(state.expiries, 'key', key, expiresAtMs);
  lease?.keys.add(key);
  const record = encodeValue({
    index,
    term,
    createIndex: current?.createIndex ?? index,
    version: (current?.version ?? 0) + 1,
    expiresAtMs,
    lease: write.lease ?? null,
    value: write.value,
  });
  turn.writes.push({ key: valueKey(key), value: record });
  // The record is an array of its own, the entry's data may be a view of a large frame: watchers keep the smaller one alive.
  const value = record.subarray(record.byteLength - write.value.byteLength);
  turn.events.push({ type: 'put', key, value, index, term });
  return done({ op: 'put', key, index, term });
};

const remove = (turn: Turn, write: Write<'delete'>): RegisterOutcome => {
  const { index, term } = turn;
  const { key } = write;
  const current = liveKey(turn, key);
  const why = guard(turn, key, current, write);
  if (why !== null) return refused(why);
  if (current !== null) removeKey(turn, key, current, 'delete');
  // "Must not exist" holds: deleting nothing is what was asked for.
  else if (write.condition === undefined) return refused(failure('KEY_NOT_FOUND', `there is no key ${shown(key)}`));
  return done({ op: 'delete', key, index, term });
};

type Guards = { condition?: Condition; fence?: Fence };

/** Why the write must not happen, or null. A lost lock comes before a lost race: who is fenced off should not learn values. */
const guard = (turn: Turn, key: string, current: ValueRecord | null, { condition, fence }: Guards): Failure | null => {
  if (fence !== undefined) {
    const token = liveLock(turn, fence.lock)?.token ?? null;
    if (token === null || !isSameToken(token, fence.token)) return fenced(fence.lock, fence.token, token);
  }
  return condition === undefined ? null : mismatch(key, current, condition);
};

const mismatch = (key: string, current: ValueRecord | null, condition: Condition): Failure | null => {
  const index = current?.index ?? 0;
  if (condition.kind === 'index') {
    if (index === condition.index) return null;
    const wanted = condition.index === 0 ? 'it must not exist' : `index ${condition.index} was expected`;
    return failure('CAS_MISMATCH', `${shown(key)} is at index ${index}, ${wanted}`, { index });
  }
  if (current !== null && isSameBytes(current.value, condition.value)) return null;
  const state = current === null ? 'does not exist' : 'has another value';
  return failure('CAS_MISMATCH', `${shown(key)} ${state}`, { index });
};

const isSameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.byteLength !== b.byteLength) return false;
  for (let at = 0; at < a.byteLength; at++) if (a[at] !== b[at]) return false;
  return true;
};

const roomFor = (state: RegisterState, key: string, ttlMs: number | undefined, lease: Lease | null): Failure | null => {
  const { expiries, limits } = state;
  if (ttlMs !== undefined && expiries.of.key.size >= limits.expiringKeysMax && !expiries.of.key.has(key))
    return failure('OVERLOADED', `there are ${expiries.of.key.size} keys with a TTL already`);
  return lease === null || lease.keys.has(key) ? null : roomOn(state, lease);
};

const roomOn = (state: RegisterState, lease: Lease): Failure | null => {
  const attached = lease.keys.size + lease.locks.size;
  if (attached < state.limits.leaseAttachmentsMax) return null;
  return failure('OVERLOADED', `the lease carries ${attached} keys and locks already; use more leases`);
};

// ---------------------------------------------------------------- leases

const noLease = (lease: string): Failure => failure('LEASE_NOT_FOUND', `there is no lease ${shown(lease)}, or it has expired`);

/** Granting a lease that lives renews it under the new TTL: who asks again after a lost answer gets what he wanted. */
const grant = (turn: Turn, { lease: name, ttlMs }: Write<'lease-grant'>): RegisterOutcome => {
  const { state } = turn;
  let lease = liveLease(turn, name);
  if (lease === null) {
    if (state.leases.size >= state.limits.leasesMax)
      return refused(failure('OVERLOADED', `there are ${state.leases.size} leases already`));
    lease = { ttlMs, expiresAtMs: 0, keys: new Set(), locks: new Set() };
    state.leases.set(name, lease);
  }
  lease.ttlMs = ttlMs;
  return extended(turn, 'lease-grant', name, lease);
};

const renew = (turn: Turn, { lease: name }: Write<'lease-renew'>): RegisterOutcome => {
  const lease = liveLease(turn, name);
  return lease === null ? refused(noLease(name)) : extended(turn, 'lease-renew', name, lease);
};

const extended = (turn: Turn, op: 'lease-grant' | 'lease-renew', name: string, lease: Lease): RegisterOutcome => {
  extendLease(turn, name, lease);
  turn.writes.push({ key: leaseKey(name), value: encodeLease(lease) });
  return done({ op, lease: name, index: turn.index, term: turn.term, expiresAtMs: lease.expiresAtMs });
};

const revoke = (turn: Turn, { lease: name }: Write<'lease-revoke'>): RegisterOutcome => {
  const lease = liveLease(turn, name);
  if (lease === null) return refused(noLease(name));
  removeLease(turn, name, lease, 'delete');
  return done({ op: 'lease-revoke', lease: name, index: turn.index, term: turn.term, expiresAtMs: turn.timeMs });
};

// ---------------------------------------------------------------- locks

const isSameToken = (a: FencingToken, b: FencingToken): boolean => a.term === b.term && a.index === b.index;

/** As people write it: in `fence` of HTTP and of the command line. */
const shownToken = ({ term, index }: FencingToken): string => `${term}.${index}`;

const fenced = (lock: string, token: FencingToken, current: FencingToken | null): Failure => {
  const state = current === null ? 'is held by nobody' : `is held under ${shownToken(current)}`;
  const details = { term: current?.term ?? null, index: current?.index ?? null };
  return failure('FENCED', `lock ${shown(lock)} ${state}, not under ${shownToken(token)}`, details);
};

const acquire = (turn: Turn, { lock: name, lease: leaseName, owner }: Write<'lock-acquire'>): RegisterOutcome => {
  const { state, index, term } = turn;
  const lease = liveLease(turn, leaseName);
  if (lease === null) return refused(noLease(leaseName));
  const held = liveLock(turn, name);
  if (held !== null) {
    if (held.owner === owner && held.lease === leaseName)
      return done({ op: 'lock-acquire', lock: name, token: held.token, index, term });
    return refused(failure('LOCK_HELD', `lock ${shown(name)} is held by ${shown(held.owner)}`, { owner: held.owner }));
  }
  if (state.locks.size >= state.limits.locksMax)
    return refused(failure('OVERLOADED', `there are ${state.locks.size} locks already`));
  const crowded = roomOn(state, lease);
  if (crowded !== null) return refused(crowded);
  const lock = { owner, lease: leaseName, token: { term, index } };
  state.locks.set(name, lock);
  lease.locks.add(name);
  turn.writes.push({ key: lockKey(name), value: encodeLock(lock) });
  return done({ op: 'lock-acquire', lock: name, token: lock.token, index, term });
};

const release = (turn: Turn, { lock: name, token }: Write<'lock-release'>): RegisterOutcome => {
  const held = liveLock(turn, name);
  if (held === null || !isSameToken(held.token, token)) return refused(fenced(name, token, held?.token ?? null));
  removeLock(turn, name, held);
  return done({ op: 'lock-release', lock: name, token: held.token, index: turn.index, term: turn.term });
};
