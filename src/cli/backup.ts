// `polity backup` and `polity restore`. A backup is JSON lines as the gateway sends them, checked before it is called one and again
// before anything of it is written back. A restore goes through the front door: it puts keys and messages into an empty group.
// Locks and sessions stay behind on purpose: a fencing token of the old log must not pass in the new one. So do replicated actors, whose
// effects would have ids again that the world outside has seen: whoever restores must have said that he goes on without them.
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { actorKind, nameInHead } from '../../machines/entity/ledger-keys.ts';
import { decodeHead } from '../../machines/entity/ledger-records.ts';
import { isReserved } from '../../machines/register/index.ts';
import { decodeLease, decodeValue, nameOf, recordKind } from '../../machines/register/keyspace.ts';
import type { Client } from '../client/index.ts';
import { isOfQueues, QueuesOfBackup } from './backup-queues.ts';
import { CommandError } from './exit.ts';
import { print, printJson } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

const formatVersion = 1;
const atOnceMax = 64;

export type BackupHeader = { cluster: string; group: string; index: number; term: number; timeMs: number };

export type BackupRecord = { key: Uint8Array; value: Uint8Array };

type Line = Record<string, unknown>;

const parseLine = (line: string, number: number): Line => {
  try {
    const value = JSON.parse(line) as unknown;
    if (typeof value === 'object' && value !== null) return value as Line;
  } catch {
    // Told below.
  }
  throw new CommandError(`line ${number} of the backup is not a JSON object: it is damaged or cut off`);
};

const headerOf = (line: Line): BackupHeader => {
  if (line.format !== 'polity-backup') throw new CommandError('this is not a backup of Polity');
  if (line.version !== formatVersion)
    throw new CommandError(`this backup has format ${String(line.version)}; this version reads ${formatVersion}`);
  const { cluster, group, index, term, timeMs } = line;
  return { cluster: String(cluster), group: String(group), index: Number(index), term: Number(term), timeMs: Number(timeMs) };
};

/** Reads a backup line by line; throws unless it is whole, down to the last byte. */
export const readBackup = async (
  file: string,
  onRecord: (record: BackupRecord, header: BackupHeader) => Promise<void> | void,
): Promise<{ header: BackupHeader; records: number }> => {
  const hash = createHash('sha256');
  let header: BackupHeader | null = null;
  let records = 0;
  let number = 0;
  let isWhole = false;
  const stream = createReadStream(file);
  const opened = new Promise<never>((_resolve, reject) =>
    stream.once('error', (error) => reject(new CommandError(`${file}: ${error.message}`))),
  );
  opened.catch(() => {});
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  for (;;) {
    const { value: text, done } = await Promise.race([lines.next(), opened]);
    if (done === true) break;
    number++;
    if (isWhole) throw new CommandError(`line ${number} comes after the end of the backup`);
    const line = parseLine(text, number);
    if (header === null) header = headerOf(line);
    else if (line.end === true) {
      if (line.records !== records || line.sha256 !== hash.digest('hex'))
        throw new CommandError('the backup is damaged: its checksum does not match');
      isWhole = true;
      continue;
    } else if (line.failed !== undefined)
      throw new CommandError('the backup ended with a failure of the node and is not whole');
    else {
      records++;
      const [key, value] = [Buffer.from(String(line.k), 'base64'), Buffer.from(String(line.v), 'base64')];
      await onRecord({ key: new Uint8Array(key), value: new Uint8Array(value) }, header);
    }
    hash.update(`${text}\n`);
  }
  if (header === null || !isWhole) throw new CommandError('the backup is cut off: its last line is missing');
  return { header, records };
};

/** Writes to a file beside the target and renames it once it is checked: FILE is a whole backup or not there. */
export const backup = (file: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const group = options.group ?? 'kv';
    const partial = `${file}.partial`;
    try {
      const target = openSync(partial, 'w', 0o600);
      try {
        for await (const chunk of client.groups.backup(group))
          for (let at = 0; at < chunk.byteLength; ) at += writeSync(target, chunk, at);
        fsyncSync(target);
      } finally {
        closeSync(target);
      }
      const { header, records } = await readBackup(partial, () => {});
      renameSync(partial, file);
      if (options.json === true) printJson({ file, ...header, records });
      else print(`${file}: ${records} records of ${header.group} as of index ${header.index}`);
    } catch (error) {
      rmSync(partial, { force: true });
      const { code, message } = error as NodeJS.ErrnoException;
      throw typeof code === 'string' && code.startsWith('E') ? new CommandError(`${file}: ${message}`) : error;
    }
  });

const isOfActors = ({ key }: BackupRecord): boolean => key[0] === actorKind;

/** What is left of a removed one is none. */
const isActor = ({ key, value }: BackupRecord): boolean => {
  const name = nameInHead(key);
  return name !== null && decodeHead(name, value).record.presence !== 'gone';
};

type Restored = {
  keys: number;
  leases: number;
  queues: number;
  messages: number;
  expired: number;
  left: number;
  actors: number;
};

/** Tasks side by side, at most so many at once; the first failure ends it. */
class Side {
  readonly #running = new Set<Promise<void>>();
  #failed: unknown = null;

  async add(task: () => Promise<unknown>): Promise<void> {
    while (this.#running.size >= atOnceMax) await Promise.race(this.#running);
    if (this.#failed !== null) throw this.#failed;
    const run: Promise<void> = task().then(
      () => void this.#running.delete(run),
      (error: unknown) => {
        this.#failed ??= error ?? new Error('a task failed');
        this.#running.delete(run);
      },
    );
    this.#running.add(run);
  }

  async done(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failed !== null) throw this.#failed;
  }
}

const restoreRecord = async (
  client: Client,
  group: string,
  { key, value }: BackupRecord,
  { timeMs }: BackupHeader,
  side: Side,
  so: Restored,
): Promise<void> => {
  if (key[0] === recordKind.lease) {
    // Keys that come later hang on it. It begins its life anew.
    await client.leases.grant(decodeLease(value).ttlMs, { lease: nameOf(key), group });
    so.leases++;
    return;
  }
  if (key[0] !== recordKind.value || isReserved(nameOf(key))) {
    so.left++;
    return;
  }
  const record = decodeValue(value);
  const leftMs = record.expiresAtMs === null ? null : record.expiresAtMs - timeMs;
  if (leftMs !== null && leftMs < 1) {
    so.expired++;
    return;
  }
  so.keys++;
  const options = {
    group,
    ifIndex: 0,
    ...(leftMs === null ? {} : { ttlMs: leftMs }),
    ...(record.lease === null ? {} : { lease: record.lease }),
  };
  await side.add(() => client.put(nameOf(key), record.value, options));
};

export const restore = async (file: string, options: ReachOptions & { leaveActors?: boolean }): Promise<void> => {
  const queues = new QueuesOfBackup();
  let actors = 0;
  // All of it is checked before any of it is written.
  const { header } = await readBackup(file, (record) => {
    if (isOfQueues(record)) queues.note(record);
    if (isOfActors(record) && isActor(record)) actors++;
  });
  if (actors > 0 && options.leaveActors !== true)
    throw new CommandError(
      `the backup has ${actors} replicated actors, which cannot be put back: --leave-actors restores all else, without them`,
    );
  const group = options.group ?? header.group;
  await withClient({ ...options, timeout: options.timeout ?? '30s' }, async (client) => {
    const { items } = await client.page('', { limit: 1, group });
    if (items.length > 0)
      throw new CommandError(
        `group ${group} is not empty (it has '${items[0]!.key}'): restore goes into an empty cluster only`,
      );
    const [queue] = (await client.queue.list({ limit: 1, group })).queues;
    if (queue !== undefined)
      throw new CommandError(
        `group ${group} is not empty (it has the queue '${queue.queue}'): restore goes into an empty cluster only`,
      );
    const so: Restored = { keys: 0, leases: 0, queues: queues.count, messages: 0, expired: 0, left: 0, actors };
    await queues.configure(client, group);
    const side = new Side();
    await readBackup(file, async (record, of) => {
      if (isOfActors(record)) return;
      if (!isOfQueues(record)) return restoreRecord(client, group, record, of, side, so);
      const sending = queues.sending(client, group, record, of.timeMs);
      if (sending === null) return;
      so.messages++;
      if (sending.inTurn) await sending.send();
      else await side.add(sending.send);
    });
    await side.done();
    if (options.json === true) return printJson({ file, group, from: header, ...so });
    print(
      `${so.keys} keys, ${so.leases} leases and ${so.messages} messages of ${so.queues} queues restored into ${group} (a backup of ${header.cluster} as of index ${header.index})`,
    );
    print(
      `left behind: ${actors} actors, receipts, ${so.left} locks, sessions and records of topics, ${so.expired} keys that had expired; indices begin anew, so watchers must too`,
    );
  });
};
