// Queues of a backup, put back through the front door: what was in them is sent anew, in the order in which it was sent. Receipts stay
// behind, like locks: what was out or dead begins a new life.
import {
  decodeMessage,
  decodeQueue,
  decodeSeen,
  type MessageRecord,
  nameOfKey,
  numberOfKey,
  partOf,
  queueKind,
} from '../../machines/queue/records.ts';
import type { QueueOptions } from '../../machines/queue/types.ts';
import type { Client } from '../client/index.ts';
import type { BackupRecord } from './backup.ts';

export const isOfQueues = ({ key }: BackupRecord): boolean => key[0] === queueKind;

/** All but the bodies, read before anything is written: a body does not say what it is of. */
export class QueuesOfBackup {
  readonly #queues = new Map<number, { name: string; options: QueueOptions }>();
  readonly #messages = new Map<number, MessageRecord>();
  readonly #dedups = new Map<number, string>();

  note({ key, value }: BackupRecord): void {
    if (key[1] === partOf.queue) {
      const { id, options } = decodeQueue(value);
      this.#queues.set(id, { name: nameOfKey(key), options });
    }
    if (key[1] === partOf.message) this.#messages.set(numberOfKey(key), decodeMessage(value));
    if (key[1] === partOf.seen) this.#dedups.set(numberOfKey(key), decodeSeen(value).id);
  }

  get count(): number {
    return this.#queues.size;
  }

  async configure(client: Client, group: string): Promise<void> {
    for (const { name, options } of this.#queues.values()) await client.queue(name, { group }).configure(options);
  }

  /** What sends a message again; null for a record that is no body. `inTurn`: what comes after it must wait. */
  sending(
    client: Client,
    group: string,
    { key, value }: BackupRecord,
    timeMs: number,
  ): { send: () => Promise<unknown>; inTurn: boolean } | null {
    if (key[1] !== partOf.body) return null;
    const number = numberOfKey(key);
    const message = this.#messages.get(number);
    const queue = message === undefined ? undefined : this.#queues.get(message.queue);
    if (message === undefined || queue === undefined) return null;
    const { ordering, standing, atMs } = message;
    const dedup = this.#dedups.get(number);
    const options = {
      ...(ordering === null ? {} : { ordering }),
      ...(standing === 'delayed' && atMs > timeMs ? { delayMs: atMs - timeMs } : {}),
      ...(dedup === undefined ? {} : { dedup }),
    };
    const raw = client.queue(queue.name, { group, raw: true });
    return { send: () => raw.send(value, options), inTurn: ordering !== null };
  }
}
