// `polity call SERVICE METHOD [JSON]`: a service of the cluster from a shell.
import { readFileSync } from 'node:fs';
import { type StrategyName, strategyNames } from '../../machines/balancer/types.ts';
import type { ServiceCallOptions } from '../client/index.ts';
import { jsonOfValue, valueOfText } from '../service-json.ts';
import { UsageError } from './exit.ts';
import { print } from './output.ts';
import { durationOf, type ReachOptions, withClient } from './reach.ts';

export type CallOptions = Omit<ReachOptions, 'timeout'> & {
  timeout: string;
  version?: string;
  at?: string;
  principal?: string;
  strategy?: string;
  key?: string;
  requestId?: string;
  idempotent?: boolean;
  stream?: boolean;
};

const inputOf = (text: string | undefined): unknown => {
  if (text === undefined) return null;
  try {
    return valueOfText(text === '-' ? readFileSync(0, 'utf8') : text, 'the input');
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; a text is JSON too, with its quotes: '"text"'`);
  }
};

const strategyOf = (name: string): StrategyName =>
  strategyNames.find((one) => one === name) ?? fail(`there is no strategy '${name}'; there is ${strategyNames.join(', ')}`);

const fail = (message: string): never => {
  throw new UsageError(message);
};

const serviceOptionsOf = (options: CallOptions): ServiceCallOptions => {
  const { timeout, version, at, principal, strategy, key, requestId, idempotent } = options;
  const timeoutMs = durationOf(timeout, '--timeout');
  if (timeoutMs > 60_000) throw new UsageError('--timeout is at most 60s');
  return {
    timeoutMs,
    ...(version === undefined ? {} : { version }),
    ...(at === undefined ? {} : { node: at }),
    ...(principal === undefined ? {} : { principal }),
    ...(strategy === undefined ? {} : { strategy: strategyOf(strategy) }),
    ...(key === undefined ? {} : { key }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(idempotent === undefined ? {} : { idempotent }),
  };
};

/** For a person: a text as it is, anything else as JSON with room to read. */
const shown = (value: unknown, isMachine: boolean): string => {
  const json = jsonOfValue(value) ?? 'null';
  if (isMachine) return json;
  return typeof value === 'string' ? value : JSON.stringify(JSON.parse(json), null, 2);
};

export const call = async (service: string, method: string, text: string | undefined, options: CallOptions): Promise<void> => {
  const input = inputOf(text);
  const wanted = serviceOptionsOf(options);
  const isMachine = options.json === true;
  await withClient(options, async (client) => {
    if (options.stream !== true) return print(shown(await client.call(service, method, input, wanted), isMachine));
    // One a line, whoever reads it.
    for await (const item of client.stream(service, method, input, wanted))
      print(typeof item === 'string' && !isMachine ? item : (jsonOfValue(item) ?? 'null'));
  });
};
