// Where a configuration comes from: file, environment, flags and code, later ones over earlier ones, leaf by leaf; lists are replaced,
// not joined. Each leaf remembers who set it, so that a complaint names the very word that somebody wrote.
import { readFileSync } from 'node:fs';
import { splitSources } from '../discovery/kinds.ts';
import { attributeOf, type Option, options, otherVariables } from './options.ts';
import { didYouMean } from './suggest.ts';

export type Tree = { [name: string]: unknown };

/** `file`: path and text of a JSON file. `defaults` are below everything. */
export type Sources = {
  defaults?: Tree;
  file?: { path: string; text: string };
  env?: Readonly<Record<string, string | undefined>>;
  /** By attribute: `{ name: 'n1', secretFile: 'f' }`; values as typed, lists as arrays of texts. */
  flags?: Readonly<Record<string, unknown>>;
  code?: Tree;
};

export type MergedSources = {
  tree: Tree;
  /** Path of a leaf → who set it, in words. */
  origins: Map<string, string>;
  problems: string[];
  warnings: string[];
};

/** A secret and its file are two ways to say one thing: the stronger source replaces both. */
const alternatives: readonly (readonly [string, string])[] = [
  ['secret', 'secretFile'],
  ['token', 'tokenFile'],
];

export const readPath = (tree: Tree, path: string): unknown =>
  path.split('.').reduce<unknown>((at, name) => (typeof at === 'object' && at !== null ? (at as Tree)[name] : undefined), tree);

const writePath = (tree: Tree, path: string, value: unknown): void => {
  const names = path.split('.');
  const leaf = names.pop()!;
  let at = tree;
  for (const name of names) at = (at[name] ??= {}) as Tree;
  at[leaf] = value;
};

const deletePath = (tree: Tree, path: string): void => {
  const names = path.split('.');
  const leaf = names.pop()!;
  const at = names.length === 0 ? tree : readPath(tree, names.join('.'));
  if (typeof at === 'object' && at !== null) delete (at as Tree)[leaf];
};

/** `cpus=8,disk=ssd`; anything else stays the text that it is. */
const pairsOf = (text: string, parts: readonly string[], number: (part: string) => unknown): unknown => {
  const pairs = new Map<string, unknown>();
  for (const part of parts) {
    const at = part.indexOf('=');
    const name = part.slice(0, Math.max(0, at)).trim();
    if (at < 0 || name === '' || pairs.has(name)) return text;
    pairs.set(name, number(part.slice(at + 1).trim()));
  }
  return Object.fromEntries(pairs);
};

/** Text from the environment or a flag as what the option holds; a text that is none is left for the schema to name. */
const valueOfText = (option: Option, text: string): unknown => {
  const trimmed = text.trim();
  const parts = trimmed.split(',').map((part) => part.trim());
  const number = (part: string): unknown => (/^\d{1,15}$/.test(part) ? Number(part) : part);
  switch (option.kind) {
    case 'list':
      return trimmed === '' ? [] : parts.filter((part) => part !== '');
    case 'sources':
      return splitSources(trimmed);
    case 'count':
      return number(trimmed);
    case 'range':
      return parts.map(number);
    case 'pairs': {
      const decimal = (part: string): unknown => (/^\d{1,15}(\.\d{1,15})?$/.test(part) ? Number(part) : part);
      return pairsOf(
        trimmed,
        parts.filter((part) => part !== ''),
        decimal,
      );
    }
    case 'switch':
      return trimmed === 'on' ? true : trimmed === 'off' ? false : trimmed;
    case 'text':
      return option.secret === true ? text : trimmed;
  }
};

class Merge {
  readonly result: MergedSources = { tree: {}, origins: new Map(), problems: [], warnings: [] };
  readonly #setBy = new Map<string, number>();

  set(path: string, value: unknown, origin: string, rank: number): void {
    const { tree, origins, problems } = this.result;
    for (const pair of alternatives) {
      const other = pair[0] === path ? pair[1] : pair[1] === path ? pair[0] : null;
      if (other === null || !origins.has(other)) continue;
      if (this.#setBy.get(other) === rank) problems.push(`${origin}: give this or ${origins.get(other)}, not both`);
      deletePath(tree, other);
      origins.delete(other);
    }
    writePath(tree, path, value);
    origins.set(path, origin);
    this.#setBy.set(path, rank);
  }

  /** Leaves of a tree of objects; lists, bytes and nulls are leaves. */
  setTree(tree: Tree, prefix: string, origin: (path: string) => string, rank: number): void {
    for (const [name, value] of Object.entries(tree)) {
      if (value === undefined) continue;
      const path = prefix === '' ? name : `${prefix}.${name}`;
      const isBranch = options.some((option) => option.path.startsWith(`${path}.`));
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
      if (isBranch && isObject) this.setTree(value as Tree, path, origin, rank);
      else if (isBranch || options.some((option) => option.path === path)) this.set(path, value, origin(path), rank);
      else this.result.problems.push(`${origin(path)}: there is no such option${didYouMean(path, optionPaths)}`);
    }
  }
}

const optionPaths = options.map((option) => option.path);

const mergeFile = (merge: Merge, file: NonNullable<Sources['file']>, rank: number): void => {
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch (error) {
    merge.result.problems.push(`${file.path}: is not JSON: ${(error as Error).message}`);
    return;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    merge.result.problems.push(`${file.path}: must hold one JSON object`);
    return;
  }
  merge.setTree(value as Tree, '', (path) => `${file.path}: ${path}`, rank);
};

/** Kubernetes sets these for a service called `polity`. */
const fromOrchestrator = /^POLITY_(SERVICE|PORT)(_|$)/;

const mergeEnvironment = (merge: Merge, env: NonNullable<Sources['env']>, rank: number): void => {
  for (const option of options) {
    const text = env[option.env];
    // An empty variable is how a shell says "not set".
    if (text !== undefined && text.trim() !== '') merge.set(option.path, valueOfText(option, text), option.env, rank);
  }
  const known: readonly string[] = [...options.map((option) => option.env), ...otherVariables];
  for (const name of Object.keys(env)) {
    if (!name.startsWith('POLITY_') || known.includes(name) || fromOrchestrator.test(name)) continue;
    const meant = didYouMean(name, known);
    // Other programs have variables too; one letter off is a mistake.
    if (meant === '') merge.result.warnings.push(`${name}: is no variable of Polity's and is ignored`);
    else merge.result.problems.push(`${name}: there is no such variable${meant}`);
  }
};

const mergeFlags = (merge: Merge, flags: NonNullable<Sources['flags']>, rank: number): void => {
  for (const option of options) {
    const given = flags[attributeOf(option.flag)];
    if (given === undefined) continue;
    const texts = (Array.isArray(given) ? given : [given]).map(String);
    const value =
      option.kind === 'list' || option.kind === 'sources'
        ? texts.flatMap((text) => valueOfText(option, text) as string[])
        : valueOfText(option, option.kind === 'pairs' ? texts.join(',') : texts.at(-1)!);
    merge.set(option.path, value, option.flag, rank);
  }
};

export const mergeSources = ({ defaults, file, env, flags, code }: Sources): MergedSources => {
  const merge = new Merge();
  if (defaults !== undefined) merge.setTree(defaults, '', (path) => `the default of ${path}`, 0);
  if (file !== undefined) mergeFile(merge, file, 1);
  if (env !== undefined) mergeEnvironment(merge, env, 2);
  if (flags !== undefined) mergeFlags(merge, flags, 3);
  if (code !== undefined) merge.setTree(code, '', (path) => `config.${path}`, 4);
  return merge.result;
};

/** Reads a file of configuration, or says why not. */
export const readConfigFile = (path: string): { file: { path: string; text: string } } | { problem: string } => {
  try {
    return { file: { path, text: readFileSync(path, 'utf8') } };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { problem: `${path}: ${code === 'ENOENT' ? 'there is no such file' : message}` };
  }
};
