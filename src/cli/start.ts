// `polity start`: one node in the foreground. One line of JSON on stdout when it takes part, logs on stderr, an orderly end on a
// signal within five seconds.
import { type Assembly, assemble, settledStatus } from '../assembly.ts';
import {
  attributeOf,
  options as configOptions,
  maskedConfig,
  type NodeConfig,
  readConfigFile,
  resolveConfig,
} from '../config/index.ts';
import { PolityError } from '../errors.ts';
import { createLog, type Log } from '../log.ts';
import { CommandError } from './exit.ts';

export type StartOptions = { config?: string; check?: boolean; json?: boolean } & Record<string, unknown>;

const httpDefault = '127.0.0.1:7501';
/** A node of a cluster that is still forming says that it is there, not that it serves. */
const readyMsMax = 3_000;
const stopMsMax = 4_500;
/** What a stop takes after calls of services have ended. */
const closingMs = 2_500;
/** npm and a terminal both send the one Ctrl-C: the second signal counts from here on. */
const sameSignalMs = 400;

const resolve = (options: StartOptions): NodeConfig | null => {
  const path = options.config ?? process.env.POLITY_CONFIG;
  const read = path === undefined || path === '' ? null : readConfigFile(path);
  if (read !== null && 'problem' in read) throw new CommandError(read.problem, 'usage');
  const flags = Object.fromEntries(configOptions.map(({ flag }) => [attributeOf(flag), options[attributeOf(flag)]]));
  const sources = { defaults: { http: httpDefault }, env: process.env, flags, ...(read === null ? {} : { file: read.file }) };
  const resolution = resolveConfig(sources);
  for (const warning of resolution.warnings) console.error(`polity: note: ${warning}`);
  if (!resolution.ok) {
    const list = resolution.problems.map((problem) => `  ${problem}`).join('\n');
    throw new CommandError(`this configuration cannot work:\n${list}`, 'usage');
  }
  if (options.check !== true) return resolution.config;
  const origins = Object.fromEntries([...resolution.origins].filter(([, origin]) => !origin.startsWith('the default')));
  process.stdout.write(`${JSON.stringify({ ...maskedConfig(resolution.config), setBy: origins }, null, 2)}\n`);
  return null;
};

/** Resolves with why this process shall end. */
const untilAsked = (onSecond: () => never): Promise<string> =>
  new Promise((done) => {
    let firstAtMs: number | null = null;
    const ask = (why: string): void => {
      if (firstAtMs === null) {
        firstAtMs = performance.now();
        done(why);
      } else if (performance.now() - firstAtMs > sameSignalMs) onSecond();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ask(signal));
    // Started by a parent with a channel (polity dev): its end is ours, however it ended.
    if (process.send !== undefined) process.on('disconnect', () => ask('the parent is gone'));
    // Listening for its end must not keep a process alive that could not start.
    process.channel?.unref();
  });

const announce = async ({ api, http }: Assembly): Promise<void> => {
  const { name, peerId, listen, state, version } = await settledStatus(
    api,
    (status) => status.state !== 'created' && status.state !== 'joining',
    readyMsMax,
  );
  if (state === 'draining' || state === 'left') return;
  process.stdout.write(`${JSON.stringify({ ready: true, name, peerId, listen, http, state, version, pid: process.pid })}\n`);
};

const exitNow = (log: Log, code: number): never => {
  log.flush();
  process.exit(code);
};

export const start = async (options: StartOptions): Promise<void> => {
  const config = resolve(options);
  if (config === null) return;
  const log = createLog({ level: config.log.level, name: config.name });
  const fatal = (kind: string) => (error: unknown) => {
    log.log('error', 'FATAL', `${kind}: this process cannot be trusted any more and ends`, { error });
    exitNow(log, 1);
  };
  process.on('uncaughtException', fatal('an uncaught exception'));
  process.on('unhandledRejection', fatal('an unhandled rejection'));
  const asked = untilAsked(() => {
    log.log('warn', 'STOP_FORCED', 'a second signal: ending without a goodbye');
    return exitNow(log, 1);
  });

  const { startTree } = await import('../node.ts');
  const assembly = await assemble(config, { log: log.log, startTree }).catch((error: unknown) => {
    log.flush();
    const isUsage = error instanceof PolityError && error.code === 'INVALID_REQUEST';
    throw new CommandError(`${config.name} cannot start: ${(error as Error).message}`, isUsage ? 'usage' : 'failed');
  });
  log.log('info', 'STARTED', `${config.name} started`, { http: assembly.http, data: config.data });
  void announce(assembly).catch(fatal('the status cannot be told'));

  const why = await asked;
  log.log('info', 'STOPPING', `stopping: ${why}`);
  const limitMs = Math.max(stopMsMax, config.calls.graceMs + closingMs);
  const limit = setTimeout(() => {
    log.log('error', 'STOP_OVERDUE', `not stopped after ${limitMs} ms: ending all the same`);
    exitNow(log, 1);
  }, limitMs);
  await assembly.stop();
  clearTimeout(limit);
  log.log('info', 'STOPPED', `${config.name} stopped`);
  exitNow(log, 0);
};
