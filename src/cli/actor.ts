// `polity actor …`: an actor from a shell, by its address. Events are JSON; a single word is an event of that type that carries nothing.
import { readFileSync } from 'node:fs';
import type { EventObject } from 'xstate';
import { actorLimits } from '../../actors/actor-api.ts';
import { parseAddress } from '../../machines/entity/address.ts';
import type { ActorClient } from '../client/index.ts';
import { jsonOfValue, valueOfText } from '../service-json.ts';
import { UsageError } from './exit.ts';
import { print, printJson } from './output.ts';
import { durationOf, type ReachOptions, withClient } from './reach.ts';

export type ActorCommandOptions = ReachOptions & { id?: string; select?: string; hard?: boolean };

const eventOf = (word: string): EventObject => {
  if (/^[A-Za-z_][\w.:-]*$/.test(word)) return { type: word };
  let value: unknown;
  try {
    value = valueOfText(word === '-' ? readFileSync(0, 'utf8') : word, 'the event');
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; an event is '{"type":"increment","by":1}', or a word alone: its type`);
  }
  const { type } = (value ?? {}) as { type?: unknown };
  if (typeof type === 'string' && !Array.isArray(value)) return value as EventObject;
  throw new UsageError('an event has a type: \'{"type":"increment","by":1}\'');
};

const withActor = (
  address: string,
  options: ActorCommandOptions,
  use: (actor: ActorClient) => Promise<void>,
): Promise<void> => {
  if (parseAddress(address) === null)
    throw new UsageError(`'${address}' is no address of an actor: TYPE/KEY, or TYPE/KEY@NODE for one of a node`);
  return withClient(options, (client) => use(client.actor(address)));
};

const callOf = ({ timeout, id }: ActorCommandOptions) => ({
  timeoutMs: timeout === undefined ? actorLimits.timeoutMs : durationOf(timeout, '--timeout'),
  ...(id === undefined ? {} : { id }),
});

/** For a person: a text as it is, anything else as JSON with room to read. */
const shown = (value: unknown, { json }: ActorCommandOptions): string => {
  const text = jsonOfValue(value) ?? 'null';
  if (json === true) return text;
  return typeof value === 'string' ? value : JSON.stringify(JSON.parse(text), null, 2);
};

export const send = (address: string, word: string, options: ActorCommandOptions): Promise<void> => {
  const event = eventOf(word);
  return withActor(address, options, async (actor) => {
    const { timeoutMs } = callOf(options);
    await actor.send(event, { timeoutMs });
    if (options.json === true) printJson({ address, sent: true });
    else print(`sent to ${address}; nobody says whether it arrived (deliver does)`);
  });
};

export const deliver = (address: string, word: string, options: ActorCommandOptions): Promise<void> => {
  const event = eventOf(word);
  return withActor(address, options, async (actor) => {
    await actor.deliver(event, callOf(options));
    if (options.json === true) printJson({ address, delivered: true });
    else print(`${address} has handled it`);
  });
};

export const ask = (address: string, word: string, options: ActorCommandOptions): Promise<void> => {
  const event = eventOf(word);
  return withActor(address, options, async (actor) => print(shown(await actor.ask(event, callOf(options)), options)));
};

export const snapshot = (address: string, options: ActorCommandOptions): Promise<void> =>
  withActor(address, options, async (actor) => {
    const { timeoutMs } = callOf(options);
    const { select } = options;
    const value = select === undefined ? await actor.snapshot({ timeoutMs }) : await actor.snapshot({ timeoutMs, select });
    print(shown(value, options));
  });

export const reset = (address: string, options: ActorCommandOptions): Promise<void> =>
  withActor(address, options, async (actor) => {
    const { timeoutMs } = callOf(options);
    await actor.reset({ timeoutMs });
    if (options.json === true) printJson({ address, reset: true });
    else print(`${address} goes on as the leader of its group has it`);
  });

/** One a line, whoever reads it. */
export const watch = (address: string, options: ActorCommandOptions): Promise<void> =>
  withActor(address, options, async (actor) => {
    const { select } = options;
    const values: AsyncGenerator<unknown, { reason: string; output?: unknown }> =
      select === undefined ? actor.watch() : actor.watch({ select });
    for (;;) {
      const next = await values.next();
      if (next.done !== true) {
        print(jsonOfValue(next.value) ?? 'null');
        continue;
      }
      const { reason, output } = next.value;
      if (options.json === true) printJson({ end: reason, ...(output === undefined ? {} : { output }) });
      else print(`it is ${reason}${output === undefined ? '' : `: ${jsonOfValue(output)}`}`);
      return;
    }
  });

export const stop = (address: string, options: ActorCommandOptions): Promise<void> =>
  withActor(address, options, async (actor) => {
    const { timeoutMs } = callOf(options);
    await actor.stop({ timeoutMs, isHard: options.hard === true });
    if (options.json === true) printJson({ address, stopped: true });
    else print(`stopped ${address}`);
  });
