// `polity kv …`: the register service from a shell.

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { DeleteOptions, Entry, Fence, Guards, PutOptions, Written } from '../client/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, durationOf, type ReachOptions, withClient } from './reach.ts';

export type GuardOptions = ReachOptions & { ifValue?: string; ifIndex?: string; fence?: string; idempotencyKey?: string };
export type PutCommandOptions = GuardOptions & { ttl?: string; lease?: string; file?: string };
export type ReadCommandOptions = ReachOptions & { consistency?: string; raw?: boolean };

const valueText = (value: Uint8Array): string =>
  isUtf8(value) ? Buffer.from(value).toString('utf8') : `base64:${Buffer.from(value).toString('base64')}`;

const entryJson = ({ key, value, index, term, createIndex, version, expiresAtMs, lease }: Entry): Record<string, unknown> => ({
  key,
  ...(isUtf8(value)
    ? { value: Buffer.from(value).toString('utf8') }
    : { value: Buffer.from(value).toString('base64'), encoding: 'base64' }),
  ...{ index, term, createIndex, version },
  ...(expiresAtMs === null ? {} : { expiresAtMs }),
  ...(lease === null ? {} : { lease }),
});

export const parseFence = (text: string): Fence => {
  const match = /^(.+):(\d{1,15})\.(\d{1,15})$/s.exec(text);
  if (match === null) throw new UsageError(`--fence must be LOCK:TERM.INDEX, not '${text}'`);
  return { lock: match[1]!, token: { term: Number(match[2]), index: Number(match[3]) } };
};

const guardsOf = ({ ifValue, ifIndex, fence, idempotencyKey }: GuardOptions): Guards & { idempotencyKey?: string } => {
  if (ifValue !== undefined && ifIndex !== undefined) throw new UsageError('give --if-value or --if-index, not both');
  return {
    ...(ifValue === undefined ? {} : { ifValue }),
    ...(ifIndex === undefined ? {} : { ifIndex: countOf(ifIndex, '--if-index') }),
    ...(fence === undefined ? {} : { fence: parseFence(fence) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
};

const consistencyOf = ({ consistency }: ReadCommandOptions) => {
  if (consistency === undefined) return {};
  if (consistency === 'linearizable' || consistency === 'lease' || consistency === 'local') return { consistency } as const;
  throw new UsageError(`--consistency must be linearizable, lease or local, not '${consistency}'`);
};

const told = (done: string, written: Written, options: ReachOptions): void => {
  if (options.json === true) printJson(written);
  else print(`${done} ${written.key} at index ${written.index} in term ${written.term}`);
};

/** `-` is standard input; `--file` a file; else the word itself. */
const valueOfArguments = (value: string | undefined, file: string | undefined): string | Uint8Array => {
  if ((value === undefined) === (file === undefined))
    throw new UsageError('give a VALUE, - for standard input, or --file FILE');
  try {
    if (file !== undefined) return readFileSync(file);
    return value === '-' ? readFileSync(0) : value!;
  } catch (error) {
    throw new CommandError(`the value cannot be read: ${(error as Error).message}`);
  }
};

export const put = (key: string, value: string | undefined, options: PutCommandOptions): Promise<void> => {
  const bytes = valueOfArguments(value, options.file);
  const wanted: PutOptions = {
    ...guardsOf(options),
    ...(options.ttl === undefined ? {} : { ttlMs: durationOf(options.ttl, '--ttl') }),
    ...(options.lease === undefined ? {} : { lease: options.lease }),
  };
  return withClient(options, async (client) => told('put', await client.put(key, bytes, wanted), options));
};

export const remove = (key: string, options: GuardOptions): Promise<void> => {
  const wanted: DeleteOptions = guardsOf(options);
  return withClient(options, async (client) => told('deleted', await client.delete(key, wanted), options));
};

export const cas = (key: string, old: string, next: string, options: PutCommandOptions): Promise<void> =>
  withClient(options, async (client) => told('put', await client.cas(key, old, next, guardsOf(options)), options));

export const get = (key: string, options: ReadCommandOptions): Promise<void> => {
  const reading = consistencyOf(options);
  return withClient(options, async (client) => {
    const entry = await client.get(key, reading);
    if (entry === null) throw new CommandError(`KEY_NOT_FOUND: there is no key '${key}'`);
    if (options.raw === true) process.stdout.write(entry.value);
    else if (options.json === true) printJson(entryJson(entry));
    else print(valueText(entry.value));
  });
};

export const list = (prefix: string, options: ReadCommandOptions & { limit?: string; keysOnly?: boolean }): Promise<void> => {
  const limit = options.limit === undefined ? {} : { limit: countOf(options.limit, '--limit') };
  const reading = { ...consistencyOf(options), ...limit };
  return withClient(options, async (client) => {
    const rows: string[][] = [];
    for await (const entry of client.list(prefix, reading)) {
      if (options.json === true) printJson(entryJson(entry));
      else if (options.keysOnly === true) print(entry.key);
      else rows.push([cell(entry.key), String(entry.index), cell(valueText(entry.value))]);
    }
    if (rows.length > 0) print(table(['KEY', 'INDEX', 'VALUE'], rows));
  });
};

export const watch = (prefix: string, options: ReachOptions & { from?: string }): Promise<void> => {
  const from = options.from === undefined ? {} : { from: countOf(options.from, '--from') };
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  return withClient(options, async (client) => {
    try {
      for await (const event of client.watch(prefix, { ...from, signal: end.signal })) {
        if (event.type === 'progress') continue;
        const { type, key, index, term, value } = event;
        if (options.json === true) {
          const shown =
            value === null
              ? {}
              : isUtf8(value)
                ? { value: Buffer.from(value).toString('utf8') }
                : { value: Buffer.from(value).toString('base64'), encoding: 'base64' };
          printJson({ type, key, ...shown, index, term });
        } else print(`${index}  ${type.padEnd(6)}  ${cell(key)}${value === null ? '' : `  ${cell(valueText(value))}`}`);
      }
    } catch (error) {
      if (!end.signal.aborted) throw error;
    }
  });
};
