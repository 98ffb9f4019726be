// Where messages stand, rebuilt from the records at a start or after a snapshot's installation.
import { requireRegister } from '../register/state.ts';
import { decodeMessage, decodeQueue, decodeSeen, nameOfKey, numberOfKey, partOf } from './records.ts';
import { remember } from './seen.ts';
import { addQueue, enter, type Queue, type Queues } from './state.ts';

/** Takes one record whose key begins as queues' do; all, in the order of keys, on a fresh state. */
export const restoreQueue = (queues: Queues, key: Uint8Array, value: Uint8Array): void => {
  switch (key[1]) {
    case partOf.queue: {
      const { id, options } = decodeQueue(value);
      const isNew = !queues.byId.has(id) && !queues.byName.has(nameOfKey(key));
      requireRegister(isNew, 'RESTORE_ONCE', `queue '${nameOfKey(key)}' comes twice`);
      addQueue(queues, nameOfKey(key), id, options);
      return;
    }
    case partOf.message: {
      const id = numberOfKey(key);
      const { queue, ...record } = decodeMessage(value);
      requireRegister(!queues.messages.has(id), 'RESTORE_ONCE', `message ${id} comes twice`);
      enter(queues, queueOf(queues, queue, `message ${id}`), { id, ...record });
      return;
    }
    case partOf.body:
      return;
    case partOf.seen: {
      const message = numberOfKey(key);
      const { queue, seenMs, id } = decodeSeen(value);
      remember(queues, queueOf(queues, queue, `deduplication id '${id}'`), { id, message, seenMs });
      return;
    }
    default:
      requireRegister(false, 'KEYSPACE_SOUND', `a record of queues of unknown kind ${key[1] ?? 'none'}`);
  }
};

const queueOf = (queues: Queues, id: number, of: string): Queue => {
  const queue = queues.byId.get(id);
  requireRegister(queue !== undefined, 'KEYSPACE_SOUND', `${of} is in a queue that does not exist`);
  return queue;
};
