// `polity topic …`: topics from a shell. Values are JSON; a word that is none is a text.
import { readFileSync } from 'node:fs';
import type { Outcome } from '../../actors/api.ts';
import type { TopicDelivery } from '../../actors/topic-api.ts';
import { failure } from '../../machines/errors.ts';
import type { Retention, TopicView } from '../../machines/register/topic/types.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { PolityError } from '../errors.ts';
import { jsonTextOf, plainOf } from '../replica-json.ts';
import { CommandError, UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, durationOf, type ReachOptions, withClient } from './reach.ts';

const deliveries = ['at-least-once', 'quorum', 'fire-and-forget'] as const satisfies readonly TopicDelivery[];

const deliveryOf = (word: string | undefined): TopicDelivery => {
  const delivery = deliveries.find((one) => one === (word ?? 'at-least-once'));
  if (delivery === undefined) throw new UsageError(`--delivery is ${deliveries.join(', ')}, not '${word}'`);
  return delivery;
};

const settled = <Value>(start: (done: (outcome: Outcome<Value>) => void) => void): Promise<Value> =>
  new Promise((resolve, reject) => {
    start((outcome) => (outcome.ok ? resolve(outcome.value) : reject(new PolityError(outcome.failure))));
  });

// ---------------------------------------------------------------- messages

export type PublishCommandOptions = ReachOptions & {
  file?: string;
  delivery?: string;
  id?: string;
  acknowledgements?: string;
};

const wordOf = (word: string | undefined, file: string | undefined): string => {
  if ((word === undefined) === (file === undefined)) throw new UsageError('give a VALUE, - for standard input, or --file FILE');
  try {
    return file !== undefined ? readFileSync(file, 'utf8') : word === '-' ? readFileSync(0, 'utf8') : word!;
  } catch (error) {
    throw new CommandError(`the value cannot be read: ${(error as Error).message}`);
  }
};

const valueOfWord = (word: string): Plain => {
  let value: unknown;
  try {
    value = JSON.parse(word);
  } catch {
    return plainOf(word);
  }
  return plainOf(value);
};

export const publish = (name: string, word: string | undefined, options: PublishCommandOptions): Promise<void> => {
  const value = valueOfWord(wordOf(word, options.file));
  const delivery = deliveryOf(options.delivery);
  const { id, acknowledgements } = options;
  const wanted = {
    ...(id === undefined ? {} : { id }),
    ...(acknowledgements === undefined ? {} : { acknowledgements: countOf(acknowledgements, '--acknowledgements') }),
  };
  return withClient(options, async (client) => {
    const { sequence, acknowledged } = await client.topic(name, { delivery }).publish(value, wanted);
    if (options.json === true) return printJson({ topic: name, sequence, acknowledged });
    const by = acknowledged === null ? '' : `, handled by ${acknowledged}`;
    print(sequence === null ? 'told to whoever listens' : `published message ${sequence}${by}`);
  });
};

export type SubscribeCommandOptions = ReachOptions & {
  subscription?: string;
  from?: string;
  delivery?: string;
  count?: string;
};

const fromOf = (word: string | undefined): 'new' | 'oldest' | number =>
  word === undefined || word === 'new' || word === 'oldest' ? (word ?? 'new') : countOf(word, '--from');

export const subscribe = (name: string, options: SubscribeCommandOptions): Promise<void> => {
  const delivery = deliveryOf(options.delivery);
  const from = fromOf(options.from);
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : countOf(options.count, '--count');
  if (count < 1) throw new UsageError('--count is at least 1');
  const { subscription } = options;
  const isJson = options.json === true;
  return withClient(options, async (client) => {
    let left = count;
    const show = ({ value, sequence, timeMs }: { value: unknown; sequence: number | null; timeMs: number | null }): void => {
      const text = jsonTextOf(value as Plain);
      if (isJson) print(`{"sequence":${sequence},"timeMs":${timeMs},"value":${text}}`);
      else print(sequence === null ? text : `${sequence}  ${text}`);
      left--;
      if (left === 0) void running.stop();
    };
    const running = client.topic(name, { delivery }).subscribe(show, {
      from,
      ...(subscription === undefined ? {} : { subscription }),
      onLost: (lost) => (isJson ? printJson({ lost }) : print(`${lost.count} messages were lost`)),
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void running.stop());
    await running.ended;
  });
};

// ---------------------------------------------------------------- topics

const row = ({ topic, first, next, bytes, subscriptions, retention }: TopicView): string[] => [
  ...[cell(topic), String(next - first), next === first ? '-' : `${first}-${next - 1}`, String(bytes), String(subscriptions)],
  `${retention.messagesMax} messages, ${retention.bytesMax} bytes, ${retention.ageMs} ms`,
];

const pageMax = 1_000;

export const list = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const found: TopicView[] = [];
    for (let after: string | undefined; ; after = found.at(-1)?.topic) {
      const asked = { limit: pageMax, ...(after === undefined ? {} : { after }) };
      const page = await settled<{ topics: TopicView[]; more: boolean }>((done) => client.topics.list(asked, {}, done));
      found.push(...page.topics);
      if (!page.more || page.topics.length === 0) break;
    }
    if (options.json === true) for (const topic of found) printJson(topic);
    else if (found.length > 0)
      print(table(['TOPIC', 'KEPT', 'NUMBERS', 'BYTES', 'SUBSCRIPTIONS', 'KEEPS AT MOST'], found.map(row)));
  });

export const subscriptions = (name: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const whole = await client.topic(name).describe();
    if (whole === null) throw new PolityError(failure('NOT_FOUND', `there is no topic '${name}'`));
    const { view, subscriptions: all } = whole;
    if (options.json === true) for (const one of all) printJson(one);
    else if (all.length > 0) {
      const rows = all.map(({ name: of, next, lost, holder }) => [
        ...[cell(of), String(next), String(view.next - next), String(lost), holder === null ? '-' : cell(holder.node)],
      ]);
      print(table(['SUBSCRIPTION', 'NEXT', 'BEHIND', 'LOST', 'HANDLED AT'], rows));
    }
  });

const told = (options: ReachOptions, fields: Record<string, unknown>, sentence: string): void => {
  if (options.json === true) printJson(fields);
  else print(sentence);
};

export type ConfigureCommandOptions = ReachOptions & { messagesMax?: string; bytesMax?: string; age?: string };

export const configure = (name: string, options: ConfigureCommandOptions): Promise<void> => {
  const { messagesMax, bytesMax, age } = options;
  const retention: Partial<Retention> = {
    ...(messagesMax === undefined ? {} : { messagesMax: countOf(messagesMax, '--messages-max') }),
    ...(bytesMax === undefined ? {} : { bytesMax: countOf(bytesMax, '--bytes-max') }),
    ...(age === undefined ? {} : { ageMs: durationOf(age, '--age') }),
  };
  return withClient(options, async (client) => {
    await client.topic(name).retain(retention);
    told(options, { topic: name, ...retention }, `configured ${name}`);
  });
};

export const skip = (name: string, subscription: string, word: string, options: ReachOptions): Promise<void> => {
  const next = countOf(word, 'NEXT');
  return withClient(options, async (client) => {
    const commit = { token: null, from: next, next };
    await settled<null>((done) => client.topics.commit(name, subscription, commit, {}, done));
    told(options, { topic: name, subscription, next }, `${subscription} goes on with message ${next}`);
  });
};

export const unsubscribe = (name: string, subscription: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    await client.topic(name).unsubscribe(subscription);
    told(options, { topic: name, subscription, removed: true }, `removed ${subscription}`);
  });

export const remove = (name: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    await client.topic(name).delete();
    told(options, { topic: name, deleted: true }, `deleted ${name}`);
  });
