// `polity queue …`: work queues from a shell.
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Client, Queue, QueueOptions, QueueStats } from '../client/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, durationOf, type ReachOptions, withClient } from './reach.ts';

const rawQueue = (client: Client, name: string): Queue<Uint8Array> => client.queue(name, { raw: true });

const bodyText = (body: Uint8Array): string =>
  isUtf8(body) ? Buffer.from(body).toString('utf8') : `base64:${Buffer.from(body).toString('base64')}`;

const bodyFields = (body: Uint8Array): Record<string, string> =>
  isUtf8(body)
    ? { body: Buffer.from(body).toString('utf8') }
    : { body: Buffer.from(body).toString('base64'), encoding: 'base64' };

const timeText = (ms: number | null): string => (ms === null ? '-' : new Date(ms).toISOString());

// ---------------------------------------------------------------- messages

export type SendCommandOptions = ReachOptions & { file?: string; delay?: string; ordering?: string; dedup?: string };

/** `-` is standard input; `--file` a file; else the word itself. */
const bodyOf = (body: string | undefined, file: string | undefined): Uint8Array => {
  if ((body === undefined) === (file === undefined)) throw new UsageError('give a BODY, - for standard input, or --file FILE');
  try {
    if (file !== undefined) return readFileSync(file);
    return body === '-' ? readFileSync(0) : new TextEncoder().encode(body);
  } catch (error) {
    throw new CommandError(`the body cannot be read: ${(error as Error).message}`);
  }
};

export const send = (name: string, word: string | undefined, options: SendCommandOptions): Promise<void> => {
  const body = bodyOf(word, options.file);
  const wanted = {
    ...(options.delay === undefined ? {} : { delayMs: durationOf(options.delay, '--delay') }),
    ...(options.ordering === undefined ? {} : { ordering: options.ordering }),
    ...(options.dedup === undefined ? {} : { dedup: options.dedup }),
  };
  return withClient(options, async (client) => {
    const { id, duplicate } = await rawQueue(client, name).send(body, wanted);
    if (options.json === true) printJson({ queue: name, message: id, duplicate });
    else print(duplicate ? `message ${id} was sent under this id before` : `sent message ${id}`);
  });
};

export type ReceiveCommandOptions = ReachOptions & {
  max?: string;
  wait?: string;
  visibility?: string;
  ack?: boolean;
  raw?: boolean;
};

export const receive = (name: string, options: ReceiveCommandOptions): Promise<void> => {
  const wanted = {
    ...(options.max === undefined ? {} : { max: countOf(options.max, '--max') }),
    ...(options.wait === undefined ? {} : { waitMs: durationOf(options.wait, '--wait') }),
    ...(options.visibility === undefined ? {} : { visibilityMs: durationOf(options.visibility, '--visibility') }),
  };
  return withClient(options, async (client) => {
    const deliveries = await rawQueue(client, name).receive(wanted);
    if (deliveries.length === 0 && options.json !== true) throw new CommandError(`there is nothing to be had of ${name}`);
    for (const delivery of deliveries) {
      const { id, value, receipt, ordering, sentMs, deliveries: times, visibleMs } = delivery;
      if (options.ack === true) await delivery.ack();
      if (options.raw === true) process.stdout.write(value);
      else if (options.json === true)
        printJson({ message: id, receipt, ...bodyFields(value), ordering, sentMs, deliveries: times, visibleMs });
      else print(`${bodyText(value)}\n  message ${id}, delivery ${times}, receipt ${receipt}, until ${timeText(visibleMs)}`);
    }
  });
};

export const ack = (name: string, receipt: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    await rawQueue(client, name).held(receipt).ack();
    if (options.json === true) printJson({ queue: name, receipt, acknowledged: true });
    else print('done, it will not be given out again');
  });

export const nack = (
  name: string,
  receipt: string,
  options: ReachOptions & { delay?: string; reason?: string },
): Promise<void> => {
  const wanted = {
    ...(options.delay === undefined ? {} : { delayMs: durationOf(options.delay, '--delay') }),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  };
  return withClient(options, async (client) => {
    const { dead } = await rawQueue(client, name).held(receipt).nack(wanted);
    if (options.json === true) printJson({ queue: name, receipt, dead });
    else print(dead ? 'given back for the last time: it is a dead letter' : 'given back');
  });
};

export const extend = (name: string, receipt: string, time: string, options: ReachOptions): Promise<void> => {
  const visibilityMs = durationOf(time, 'TIME');
  return withClient(options, async (client) => {
    const { visibleMs } = await rawQueue(client, name).held(receipt).extend(visibilityMs);
    if (options.json === true) printJson({ queue: name, receipt, visibleMs });
    else print(`out of sight until ${timeText(visibleMs)}`);
  });
};

// ---------------------------------------------------------------- queues

const statsRow = ({ queue, ready, delayed, out, dead, bytes, oldestMs }: QueueStats): string[] => [
  ...[cell(queue), String(ready), String(delayed), String(out), String(dead), String(bytes), timeText(oldestMs)],
];
const statsTable = (queues: readonly QueueStats[]): string =>
  table(['QUEUE', 'READY', 'DELAYED', 'OUT', 'DEAD', 'BYTES', 'OLDEST'], queues.map(statsRow));

export const list = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const found: QueueStats[] = [];
    for (let after: string | undefined; ; after = found.at(-1)?.queue) {
      const page = await client.queue.list(after === undefined ? {} : { after });
      found.push(...page.queues);
      if (!page.more) break;
    }
    if (options.json === true) for (const queue of found) printJson(queue);
    else if (found.length > 0) print(statsTable(found));
  });

const optionsText = (options: QueueOptions): string =>
  Object.entries(options)
    .map(([name, value]) => `${name} ${value ?? 'none'}`)
    .join(', ');

export const stats = (name: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const found = await rawQueue(client, name).stats();
    if (options.json === true) printJson(found);
    else print(`${statsTable([found])}\n${optionsText(found.options)}`);
  });

export type ConfigureCommandOptions = ReachOptions & {
  visibility?: string;
  maxDeliveries?: string;
  dedup?: string;
  retention?: string;
  messagesMax?: string;
};

export const configure = (name: string, options: ConfigureCommandOptions): Promise<void> => {
  const { visibility, maxDeliveries, dedup, retention, messagesMax } = options;
  const wanted: Partial<QueueOptions> = {
    ...(visibility === undefined ? {} : { visibilityMs: durationOf(visibility, '--visibility') }),
    ...(maxDeliveries === undefined ? {} : { maxDeliveries: countOf(maxDeliveries, '--max-deliveries') }),
    ...(dedup === undefined ? {} : { dedupMs: durationOf(dedup, '--dedup') }),
    ...(retention === undefined ? {} : { retentionMs: retention === 'none' ? null : durationOf(retention, '--retention') }),
    ...(messagesMax === undefined ? {} : { messagesMax: countOf(messagesMax, '--messages-max') }),
  };
  return withClient(options, async (client) => {
    const now = await rawQueue(client, name).configure(wanted);
    if (options.json === true) printJson({ queue: name, options: now });
    else print(`${name}: ${optionsText(now)}`);
  });
};

export const remove = (name: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    await rawQueue(client, name).delete();
    if (options.json === true) printJson({ queue: name, deleted: true });
    else print(`deleted ${name}`);
  });

// ---------------------------------------------------------------- dead letters

export const dead = (name: string, options: ReachOptions & { limit?: string; after?: string }): Promise<void> => {
  const wanted = {
    ...(options.limit === undefined ? {} : { limit: countOf(options.limit, '--limit') }),
    ...(options.after === undefined ? {} : { after: countOf(options.after, '--after') }),
  };
  return withClient(options, async (client) => {
    const { letters, more } = await rawQueue(client, name).dead(wanted);
    if (options.json === true)
      for (const { id, body, ordering, sentMs, deliveries, reason } of letters)
        printJson({ message: id, ...bodyFields(body), ordering, sentMs, deliveries, reason });
    else if (letters.length > 0) {
      const rows = letters.map(({ id, deliveries, reason, body }) => [
        ...[String(id), String(deliveries), cell(reason ?? '-', 40), cell(bodyText(body))],
      ]);
      print(table(['MESSAGE', 'DELIVERIES', 'REASON', 'BODY'], rows));
      if (more) print(`there are more: --after ${letters.at(-1)!.id}`);
    }
  });
};

const idsOf = (words: readonly string[]): number[] | undefined =>
  words.length === 0 ? undefined : words.map((word) => countOf(word, 'MESSAGE'));

const told = (options: ReachOptions, name: string, done: string, count: number): void => {
  if (options.json === true) printJson({ queue: name, count });
  else print(`${done} ${count} message${count === 1 ? '' : 's'}`);
};

export const redrive = (name: string, words: readonly string[], options: ReachOptions): Promise<void> => {
  const ids = idsOf(words);
  return withClient(options, async (client) => {
    told(options, name, 'gave a new life to', await rawQueue(client, name).redrive(ids));
  });
};

export const purge = (
  name: string,
  words: readonly string[],
  options: ReachOptions & { dead?: boolean; all?: boolean },
): Promise<void> => {
  if ((options.dead === true) === (options.all === true)) throw new UsageError('give --dead or --all');
  if (options.all === true && words.length > 0) throw new UsageError('messages can be named with --dead only');
  const ids = idsOf(words);
  return withClient(options, async (client) => {
    const queue = rawQueue(client, name);
    told(options, name, 'removed', options.all === true ? await queue.purge() : await queue.purgeDead(ids));
  });
};
