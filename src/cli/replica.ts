// `polity replica …`: replicated data from a shell. A change never guesses its type, so that one command line does the same at a node that
// has not heard of a key as at one that has; a read may look what there is.
import { readFileSync } from 'node:fs';
import type {
  Client,
  InsideType,
  Plain,
  ReplicaConflicts,
  ReplicaName,
  ReplicaTree,
  ReplicaType,
  ReplicaValue,
} from '../client/index.ts';
import { insideTypes, isInsideType, isReplicaType, jsonTextOf, replicaTypes } from '../replica-json.ts';
import { CommandError, UsageError } from './exit.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, type ReachOptions, withClient } from './reach.ts';
import { type AnyChange, changeOfWords, usualType, type Verb } from './replica-words.ts';

export type PlaceOptions = ReachOptions & { type?: string; at?: string };
export type ReadOptions = PlaceOptions & { entry?: string; conflicts?: string };
export type ChangeOptions = PlaceOptions & { as: string; index?: string; all?: boolean };

const strategies = ['last-writer', 'highest-node', 'union', 'keep-all'] as const;

// ---------------------------------------------------------------- which

const typeOf = (name: string): ReplicaType => {
  if (isReplicaType(name)) return name;
  throw new UsageError(`there is no type '${name}'; there is ${replicaTypes.join(', ')}`);
};

/** Keys with `/` between them, each as in a URL. */
const stepsOf = ({ at, type }: PlaceOptions): string[] => {
  if (at === undefined) return [];
  if (type === undefined) throw new UsageError('--at needs --type: of what is there');
  if (!isInsideType(typeOf(type))) throw new UsageError(`a ${type} cannot be inside of a tree; ${insideTypes.join(', ')} can`);
  const steps = at.split('/').map((step) => {
    try {
      return decodeURIComponent(step);
    } catch {
      throw new UsageError(`--at '${at}': a % is written as %25, a / in a key as %2F`);
    }
  });
  if (steps.includes('')) throw new UsageError(`--at '${at}' has a step that is empty`);
  return steps;
};

const some = (types: readonly ReplicaType[]): string => types.map((type) => `a ${type}`).join(' and ');

const typesOf = async (client: Client, key: string): Promise<ReplicaType[]> =>
  (await client.replica.list({ key })).map(({ type }) => type);

const typeToRead = async (client: Client, key: string, { type }: PlaceOptions): Promise<ReplicaType> => {
  if (type !== undefined) return typeOf(type);
  const types = await typesOf(client, key);
  if (types.length === 1) return types[0]!;
  if (types.length === 0) throw new CommandError(`KEY_NOT_FOUND: this node knows no '${key}'`);
  throw new UsageError(`'${key}' is ${some(types)}: say which by --type`);
};

/** Without `--type` the verb's own, unless the key is known as something else only: that would be a mistake. */
const typeToChange = async (client: Client, verb: Verb, key: string, { type }: PlaceOptions): Promise<ReplicaType> => {
  if (type !== undefined) return typeOf(type);
  const usual = usualType[verb];
  const types = await typesOf(client, key);
  if (types.length === 0 || types.includes(usual)) return usual;
  const which = types.map((one) => `--type ${one}`).join(' or ');
  throw new UsageError(`'${key}' is ${some(types)} here: say ${which}, or --type ${usual} for a ${usual} of this name`);
};

// ---------------------------------------------------------------- what is shown

const recordJson = <Value>(entries: ReadonlyMap<string, Value>, jsonOfOne: (value: Value) => string): string =>
  `{${Array.from(entries, ([name, value]) => `${JSON.stringify(name)}:${jsonOfOne(value)}`).join()}}`;

/** A value as the gateway wrote it. */
const valueJson = (type: ReplicaType, value: unknown): string => {
  if (type === 'map') return recordJson(value as Map<string, Plain>, jsonTextOf);
  if (type !== 'tree') return jsonTextOf(value as Plain);
  const types = Object.entries(value as ReplicaTree) as [InsideType, Map<string, unknown>][];
  return recordJson(new Map(types.map(([of, keys]) => [of, recordJson(keys, (one) => valueJson(of, one))])), (json) => json);
};

const jsonOf = ({ type, value }: ReplicaValue<ReplicaType>): string => valueJson(type, value);

const objectJson = (object: ReplicaValue<ReplicaType>, at: readonly string[], extra = ''): string => {
  const { type, key, siblings } = object;
  const place = at.length === 0 ? '' : `,"at":${JSON.stringify(at)}`;
  const others = siblings === undefined ? '' : `,"siblings":${jsonTextOf(siblings)}`;
  return `{"type":"${type}","key":${JSON.stringify(key)}${place}${extra},"value":${jsonOf(object)}${others}}`;
};

const lineMax = Number.MAX_SAFE_INTEGER;

/** A text as it is, anything else as JSON. */
const shown = (value: Plain): string => (typeof value === 'string' ? value : jsonTextOf(value));

const shownObject = (object: ReplicaValue<ReplicaType>): string => {
  const { type, value } = object;
  if (type === 'flag' || type === 'off-flag') return value === true ? 'on' : 'off';
  if (type === 'set' || type === 'list') return (value as Plain[]).map((one) => cell(shown(one), lineMax)).join('\n');
  if (type === 'tree') return JSON.stringify(JSON.parse(jsonOf(object)), null, 2);
  if (type !== 'map') return shown(value as Plain);
  return table(
    ['KEY', 'VALUE'],
    [...(value as Map<string, Plain>)].map(([key, one]) => [cell(key), cell(shown(one), lineMax)]),
  );
};

const noteConflict = ({ siblings }: ReplicaValue<ReplicaType>, conflicts: string): void => {
  if (siblings === undefined || conflicts === 'keep-all') return;
  console.error(
    `polity: ${siblings.length} nodes set it, not knowing of each other; shown is ${conflicts} (--conflicts keep-all shows all)`,
  );
};

const conflictsOf = ({ conflicts }: ReadOptions): ReplicaConflicts => {
  const known = strategies.find((one) => one === (conflicts ?? 'last-writer'));
  if (known === undefined) throw new UsageError(`--conflicts must be ${strategies.join(', ')}, not '${conflicts}'`);
  return known;
};

/** A strategy is asked for only of what has one. */
const readingOf = (type: ReplicaType, options: ReadOptions, at: readonly string[]) => {
  const conflicts = conflictsOf(options);
  return { at, ...(options.conflicts !== undefined || type === 'register' ? { conflicts } : {}) };
};

// ---------------------------------------------------------------- commands

const getEntry = async (client: Client, key: string, entry: string, { json }: ReadOptions): Promise<void> => {
  const found = await client.replica.entry(key, entry);
  if (found === null) throw new CommandError(`KEY_NOT_FOUND: this node knows no entry '${entry}' in the map '${key}'`);
  if (json !== true) return print(shown(found.value));
  print(`{"type":"map","key":${JSON.stringify(key)},"entry":${JSON.stringify(entry)},"value":${jsonTextOf(found.value)}}`);
};

export const get = (key: string, options: ReadOptions): Promise<void> => {
  const at = stepsOf(options);
  const conflicts = conflictsOf(options);
  const { entry } = options;
  if (entry !== undefined && (options.type ?? 'map') !== 'map') throw new UsageError('--entry is for maps');
  return withClient(options, async (client) => {
    if (entry !== undefined) return getEntry(client, key, entry, options);
    const type = await typeToRead(client, key, options);
    const object = await client.replica.get(type, key, readingOf(type, options, at));
    if (object === null) throw new CommandError(`KEY_NOT_FOUND: this node knows no ${type} '${[key, ...at].join('/')}'`);
    noteConflict(object, conflicts);
    if (options.json === true) return print(objectJson(object, at));
    const text = shownObject(object);
    if (text !== '' || type === 'text' || type === 'register') print(text);
  });
};

const fromInput = (word: string): string => {
  if (word !== '-') return word;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(0));
  } catch (error) {
    throw new CommandError(`standard input cannot be read as text: ${(error as Error).message}`);
  }
};

/** `--all`, and what stands at a place in a tree: as changes, and where they are made. */
const removalOf = (
  type: ReplicaType,
  at: readonly string[],
  isAll: boolean,
): { of: ReplicaType; at: readonly string[]; change: AnyChange } => {
  if (isAll) {
    if (type !== 'set' && type !== 'tree') throw new UsageError('--all is for sets and trees');
    return { of: type, at, change: { type: 'clear' } };
  }
  if (!isInsideType(type)) throw new UsageError(`a ${type} cannot be inside of a tree`);
  return { of: 'tree', at: at.slice(0, -1), change: { type: 'remove', of: type, key: at.at(-1)! } };
};

export const change = (verb: Verb, key: string, words: readonly string[], options: ChangeOptions): Promise<void> => {
  const at = stepsOf(options);
  const index = options.index === undefined ? undefined : countOf(options.index, '--index');
  const isWhole = verb === 'remove' && (options.all === true || (at.length > 0 && words.length === 0));
  if (options.all === true && words.length > 0) throw new UsageError('--all takes nothing after the key');
  return withClient(options, async (client) => {
    const type = await typeToChange(client, verb, key, options);
    const made = isWhole
      ? removalOf(type, at, options.all === true)
      : { of: type, at, change: changeOfWords(verb, type, words.map(fromInput), { as: options.as, index }) };
    const value = await client.replica.change(made.of, key, made.change, { at: made.at });
    const place = at.length === 0 ? {} : { at };
    if (options.json === true) return printJson({ type, key, ...place, ...(value === undefined ? {} : { value }) });
    const name = `${type} ${[key, ...at].join('/')}`;
    if (value === undefined || isWhole) print(`changed ${name}`);
    else print(`${name} is ${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}`);
  });
};

export const watch = (key: string, options: ReadOptions): Promise<void> => {
  const at = stepsOf(options);
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  return withClient(options, async (client) => {
    const type = await typeToRead(client, key, options);
    try {
      for await (const object of client.replica.watch(type, key, { ...readingOf(type, options, at), signal: end.signal })) {
        const atTime = new Date().toISOString();
        if (options.json === true && object === null)
          printJson({ type, key, ...(at.length === 0 ? {} : { at }), time: atTime });
        else if (options.json === true) print(objectJson(object!, at, `,"time":"${atTime}"`));
        else print(`${atTime}  ${object === null ? '(nothing)' : cell(jsonOf(object), 1_000)}`);
      }
    } catch (error) {
      if (!end.signal.aborted) throw error;
    }
  });
};

const pageMax = 1_000;

async function* everyName(client: Client, wanted: { prefix: string; type?: ReplicaType }, limit: number) {
  let after: ReplicaName | undefined;
  for (let left = limit; left > 0; ) {
    const asked = Math.min(left, pageMax);
    const page = await client.replica.list({ ...wanted, limit: asked, ...(after === undefined ? {} : { after }) });
    yield* page;
    left -= page.length;
    after = page.at(-1);
    if (page.length < asked) return;
  }
}

export const list = (prefix: string, options: ReachOptions & { type?: string; limit?: string }): Promise<void> => {
  const wanted = { prefix, ...(options.type === undefined ? {} : { type: typeOf(options.type) }) };
  const limit = options.limit === undefined ? Number.POSITIVE_INFINITY : countOf(options.limit, '--limit');
  return withClient(options, async (client) => {
    const rows: string[][] = [];
    for await (const name of everyName(client, wanted, limit)) {
      if (options.json === true) printJson(name);
      else rows.push([name.type, cell(name.key)]);
    }
    if (rows.length > 0) print(table(['TYPE', 'KEY'], rows));
  });
};

export const summary = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const fields = await client.replica.summary();
    if (options.json === true) return printJson(fields);
    print(
      table(
        ['WHAT', 'VALUE'],
        Object.entries(fields).map(([name, value]) => [name, cell(shown(value as Plain))]),
      ),
    );
  });
