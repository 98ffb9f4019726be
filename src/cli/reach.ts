// From the options of a command to a client of a cluster.
import { readFileSync } from 'node:fs';
import { type Client, createClient } from '../client/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { parseDuration } from './output.ts';

export const nodeDefault = 'http://127.0.0.1:7501';

export type ReachOptions = {
  /** Comma-separated URLs. */
  node?: string;
  tokenFile?: string;
  timeout?: string;
  group?: string;
  json?: boolean;
};

export const durationOf = (text: string, what: string): number => {
  const ms = parseDuration(text);
  if (ms === null) throw new UsageError(`${what} must be a time like 250ms, 30s or 5m, not '${text}'`);
  return ms;
};

export const countOf = (text: string, what: string): number => {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${what} must be a whole number, not '${text}'`);
  return Number(text);
};

const tokenOf = ({ tokenFile }: ReachOptions): string | undefined => {
  if (tokenFile === undefined) return process.env.POLITY_TOKEN?.trim() || undefined;
  try {
    return readFileSync(tokenFile, 'utf8').trim();
  } catch (error) {
    throw new CommandError(`the token file cannot be read: ${(error as Error).message}`, 'usage');
  }
};

/** Runs `use` with a client and closes it. */
export const withClient = async <Value>(options: ReachOptions, use: (client: Client) => Promise<Value>): Promise<Value> => {
  const urls = (options.node ?? process.env.POLITY_NODE ?? nodeDefault)
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '');
  for (const url of urls)
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new UsageError(`--node '${url}' is not an http(s) URL`);
  if (urls.length === 0) throw new UsageError('--node names no URL');
  const token = tokenOf(options);
  const timeoutMs = options.timeout === undefined ? undefined : durationOf(options.timeout, '--timeout');
  if (timeoutMs !== undefined && timeoutMs > 60_000) throw new UsageError('--timeout is at most 60s');
  const client = createClient({
    // A person who waits wants to hear soon that nobody is there.
    ...{ urls, roundsMax: 3 },
    ...(token === undefined ? {} : { token }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(options.group === undefined ? {} : { group: options.group }),
  });
  try {
    return await use(client);
  } finally {
    client.close();
  }
};
