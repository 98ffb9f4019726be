// `polity lock …` and `polity lease …`.
import { spawn } from 'node:child_process';
import { constants, hostname } from 'node:os';
import type { FencingToken, Lock } from '../client/index.ts';
import { CommandError, UsageError } from './exit.ts';
import { print, printJson } from './output.ts';
import { durationOf, type ReachOptions, withClient } from './reach.ts';

const tokenText = ({ term, index }: FencingToken): string => `${term}.${index}`;

const parseToken = (text: string): FencingToken => {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (match === null) throw new UsageError(`--token must be TERM.INDEX, not '${text}'`);
  return { term: Number(match[1]), index: Number(match[2]) };
};

const ownerDefault = (): string => `${hostname()}:${process.pid}`;

export type LockCommandOptions = ReachOptions & { ttl?: string; owner?: string; lease?: string; wait?: string; token?: string };

export const lockAcquire = (name: string, options: LockCommandOptions): Promise<void> =>
  withClient(options, async (client) => {
    const owner = options.owner ?? ownerDefault();
    const ttlMs = durationOf(options.ttl ?? '30s', '--ttl');
    const lease = options.lease ?? (await client.leases.grant(ttlMs)).lease;
    const token = await client.locks.acquire(name, { lease, owner }).catch(async (error: unknown) => {
      if (options.lease === undefined) await client.leases.revoke(lease).catch(() => {});
      throw error;
    });
    if (options.json === true) printJson({ lock: name, owner, lease, token: tokenText(token) });
    else print(`locked ${name}: token ${tokenText(token)}, lease ${lease} (renew it with: polity lease renew ${lease})`);
  });

export const lockRelease = (name: string, options: LockCommandOptions): Promise<void> => {
  if (options.token === undefined) throw new UsageError('--token TERM.INDEX is needed, as the lock was granted');
  const token = parseToken(options.token);
  return withClient(options, async (client) => {
    await client.locks.release(name, token);
    if (options.json === true) printJson({ lock: name, released: true });
    else print(`released ${name}`);
  });
};

export const lockGet = (name: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const holder = await client.locks.get(name);
    if (options.json === true)
      return printJson({ lock: name, holder: holder === null ? null : { ...holder, token: tokenText(holder.token) } });
    print(
      holder === null
        ? `nobody holds ${name}`
        : `${holder.owner} holds ${name}: token ${tokenText(holder.token)}, lease ${holder.lease}`,
    );
  });

/** The command's own exit code, or 128 + the signal's number as a shell has it. */
const runUnder = (lock: Lock, command: readonly string[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const fence = `${lock.name}:${tokenText(lock.token)}`;
    const child = spawn(command[0]!, command.slice(1), { stdio: 'inherit', env: { ...process.env, POLITY_FENCE: fence } });
    lock.signal.addEventListener('abort', () => child.kill('SIGTERM'));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
    child.once('error', (error) => reject(new CommandError(`${command[0]} cannot be run: ${error.message}`)));
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  });

export const lockRun = (name: string, words: readonly string[], options: LockCommandOptions): Promise<void> => {
  // `lock run NAME -- COMMAND`: the mark between our words and the command's is not the command.
  const command = words[0] === '--' ? words.slice(1) : words;
  if (words[0] !== '--' && words[0]?.startsWith('-') === true)
    throw new UsageError(`options stand before the lock's name: polity lock run ${words[0]} … ${name} -- COMMAND`);
  if (command.length === 0) throw new UsageError('name the command to run under the lock');
  return withClient(options, async (client) => {
    const waitMs = options.wait === undefined ? 0 : durationOf(options.wait, '--wait');
    const ttlMs = durationOf(options.ttl ?? '15s', '--ttl');
    const lock = await client.lock(name, { ttlMs, waitMs, owner: options.owner ?? ownerDefault() });
    const lost = (): boolean => lock.signal.aborted;
    const code = await runUnder(lock, command).catch(async (error: unknown) => {
      // Nothing ran: nobody shall wait for the lease to run out.
      await lock.release().catch(() => {});
      throw error;
    });
    if (lost()) throw new CommandError(`the lock ${name} was lost while ${command[0]} ran, which was stopped`, 'unknown');
    await lock.release();
    process.exitCode = code;
  });
};

const leaseTold = (
  options: ReachOptions,
  done: string,
  fields: { lease: string; expiresAtMs?: number; ttlMs?: number },
): void => {
  if (options.json === true) return printJson(fields);
  const until =
    fields.expiresAtMs === undefined ? '' : `, until ${new Date(fields.expiresAtMs).toISOString()} by the log's clock`;
  print(`${done} ${fields.lease}${until}`);
};

export const leaseGrant = (options: LockCommandOptions): Promise<void> =>
  withClient(options, async (client) => {
    const ttlMs = durationOf(options.ttl ?? '30s', '--ttl');
    leaseTold(
      options,
      'granted',
      await client.leases.grant(ttlMs, options.lease === undefined ? {} : { lease: options.lease }),
    );
  });

export const leaseRenew = (lease: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => leaseTold(options, 'renewed', { lease, ...(await client.leases.renew(lease)) }));

export const leaseRevoke = (lease: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    await client.leases.revoke(lease);
    leaseTold(options, 'revoked', { lease });
  });

export const leaseGet = (lease: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const found = await client.leases.get(lease);
    if (found === null) throw new CommandError(`LEASE_NOT_FOUND: there is no lease '${lease}'`);
    leaseTold(options, 'lease', { lease, ...found });
  });
