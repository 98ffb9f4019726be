// Replicated data as JSON, the same for the gateway, the client and the command line: what the types are called outside, and how bytes
// are written, which JSON does not have.
import { failure, PolityError } from '../machines/errors.ts';
import { replicatorLimits } from '../machines/replicator/limits.ts';
import type { Plain } from '../machines/replicator/types.ts';
import { isWellFormed } from '../machines/wire/octets.ts';

/** By the name that they have outside. */
export const machineTypes = {
  register: 'register',
  latest: 'lww-register',
  counter: 'pn-counter',
  tally: 'g-counter',
  flag: 'flag',
  'off-flag': 'disable-wins-flag',
  set: 'or-set',
  map: 'lww-map',
  tree: 'or-map',
  list: 'list',
  text: 'text',
} as const;

export type ReplicaType = keyof typeof machineTypes;

export const replicaTypes = Object.keys(machineTypes) as readonly ReplicaType[];

/** What a tree may hold. */
export const insideTypes = ['register', 'latest', 'counter', 'tally', 'flag', 'off-flag', 'set', 'tree'] as const;

export type InsideType = (typeof insideTypes)[number];

const namesOutside = new Map<string, ReplicaType>(replicaTypes.map((name) => [machineTypes[name], name]));

export const replicaTypeOf = (machineType: string): ReplicaType | undefined => namesOutside.get(machineType);

export const isReplicaType = (name: unknown): name is ReplicaType =>
  typeof name === 'string' && Object.hasOwn(machineTypes, name);

export const isInsideType = (name: unknown): name is InsideType => insideTypes.some((one) => one === name);

/** Bytes are a record of one such field. A record of the user's that looks like it has one `$` more, which is taken off again. */
const bytesField = '$base64';
const looksLikeBytes = /^\$+base64$/;

export const base64Of = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** Not by `JSON.stringify` alone: bytes may be a Buffer, which would write itself as a list of numbers. */
export const jsonTextOf = (value: Plain): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof Uint8Array) return `{"${bytesField}":"${base64Of(value)}"}`;
  if (Array.isArray(value)) return `[${value.map(jsonTextOf).join()}]`;
  const fields = Object.entries(value as { readonly [name: string]: Plain });
  const isLike = fields.length === 1 && looksLikeBytes.test(fields[0]![0]);
  return `{${fields.map(([name, one]) => `${JSON.stringify(isLike ? `$${name}` : name)}:${jsonTextOf(one)}`).join()}}`;
};

const refuse = (message: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', message));
};

const bytesOf = (text: unknown): Uint8Array => {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64') : null;
  // Buffer leaves out what is no base64; what is written again as it came was some.
  if (bytes === null || bytes.toString('base64') !== text) return refuse(`"${bytesField}" holds no base64`);
  return new Uint8Array(bytes);
};

/** What `JSON.parse` made, as data that can be replicated; throws INVALID_REQUEST for what cannot. */
export const plainOf = (value: unknown, depth = 0): Plain => {
  if (typeof value === 'string') return isWellFormed(value) ? value : refuse('a text has half a character (a lone surrogate)');
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value !== 'object') return refuse('a value is missing');
  const { depthMax } = replicatorLimits;
  if (depth >= depthMax) return refuse(`lists and objects are at most ${depthMax} inside each other`);
  if (Array.isArray(value)) return value.map((one) => plainOf(one, depth + 1));
  const fields = Object.entries(value);
  const [only] = fields;
  const isLike = fields.length === 1 && looksLikeBytes.test(only![0]);
  if (isLike && only![0] === bytesField) return bytesOf(only![1]);
  const record: Record<string, Plain> = {};
  for (const [name, one] of fields) {
    if (name === '__proto__') return refuse("no field can be named '__proto__'");
    if (!isWellFormed(name)) return refuse('the name of a field has half a character (a lone surrogate)');
    record[isLike ? name.slice(1) : name] = plainOf(one, depth + 1);
  }
  return record;
};
