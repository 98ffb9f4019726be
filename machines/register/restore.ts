// The in-memory part, rebuilt from the keyspace at a start or after a snapshot's installation. Afterwards the state equals what the
// log would have given.
import { actorKind, nameInHead } from '../entity/ledger-keys.ts';
import { restoreHead } from '../entity/ledger-store.ts';
import { queueKind, restoreQueue } from '../queue/index.ts';
import { decodeEntries, entriesKind } from './entry-version.ts';
import { schedule } from './expiry.ts';
import { requireRegister } from './fault.ts';
import { decodeLease, decodeLock, decodeSession, decodeValue, indexOf, nameOf, recordKind } from './keyspace.ts';
import type { Lease, RegisterState } from './state.ts';
import { topicKind } from './topic/records.ts';
import { restoreMessage, restoreRemnant, restoreSubscription, restoreTopic } from './topic/restore.ts';

/**
 * Takes one page of the keyspace; all pages, in key order, on a fresh state. Throws a RegisterFault on a record that is not ours. False:
 * the group uses entries that this replica does not read, and so may all that follows be.
 */
export const restore = (state: RegisterState, records: readonly (readonly [Uint8Array, Uint8Array])[]): boolean => {
  for (const [key, value] of records) {
    switch (key[0]) {
      case entriesKind:
        state.entries = decodeEntries(value);
        if (state.entries > state.entriesMax) return false;
        break;
      case actorKind: {
        const actor = nameInHead(key);
        if (actor !== null) restoreHead(state.actors.store, actor, value);
        break;
      }
      case recordKind.lease:
        restoreLease(state, nameOf(key), value);
        break;
      case recordKind.lock:
        restoreLock(state, nameOf(key), value);
        break;
      case queueKind:
        restoreQueue(state.queues, key, value);
        break;
      case recordKind.session:
        restoreSession(state, indexOf(key), value);
        break;
      case recordKind.value:
        restoreValue(state, nameOf(key), value);
        break;
      case topicKind.remnant:
        restoreRemnant(state, key, value);
        break;
      case topicKind.topic:
        restoreTopic(state, nameOf(key), value);
        break;
      case topicKind.subscription:
        restoreSubscription(state, key, value);
        break;
      case topicKind.message:
        restoreMessage(state, key, value);
        break;
      default:
        requireRegister(false, 'KEYSPACE_SOUND', `a record of unknown kind ${key[0] ?? 'none'}`);
    }
  }
  return true;
};

const restoreLease = (state: RegisterState, name: string, value: Uint8Array): void => {
  requireRegister(!state.leases.has(name), 'RESTORE_ONCE', `lease '${name}' comes twice`);
  const { ttlMs, expiresAtMs } = decodeLease(value);
  state.leases.set(name, { ttlMs, expiresAtMs, keys: new Set(), locks: new Set() });
  schedule(state.expiries, 'lease', name, expiresAtMs);
};

const leaseOf = (state: RegisterState, lease: string, of: string): Lease => {
  const found = state.leases.get(lease);
  requireRegister(found !== undefined, 'KEYSPACE_SOUND', `${of} is attached to a lease that does not exist`);
  return found;
};

const restoreLock = (state: RegisterState, name: string, value: Uint8Array): void => {
  requireRegister(!state.locks.has(name), 'RESTORE_ONCE', `lock '${name}' comes twice`);
  const lock = decodeLock(value);
  state.locks.set(name, lock);
  leaseOf(state, lock.lease, `lock '${name}'`).locks.add(name);
};

const restoreSession = (state: RegisterState, index: number, value: Uint8Array): void => {
  const { id, timeMs } = decodeSession(value);
  requireRegister(!state.sessions.has(id), 'RESTORE_ONCE', `the session at index ${index} comes twice`);
  state.sessions.set(id, { index, timeMs });
};

const restoreValue = (state: RegisterState, key: string, value: Uint8Array): void => {
  const { expiresAtMs, lease } = decodeValue(value);
  state.keys++;
  if (expiresAtMs !== null) schedule(state.expiries, 'key', key, expiresAtMs);
  if (lease !== null) leaseOf(state, lease, `'${key}'`).keys.add(key);
};
