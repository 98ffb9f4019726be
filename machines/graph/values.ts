// Plain data, copied and weighed as it is walked through: what goes into a call shares nothing with the result that it came from, nor
// with what the caller of the graph keeps, and nobody makes a small graph into a large message.
import { isWellFormed, utf8Length } from '../wire/octets.ts';

export type Part = string | number;
/** Where in a graph or a value, for a person: `steps.charge.input.items[2]`. */
export const placeOf = (path: readonly Part[]): string =>
  path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('');

export type Fields = Readonly<Record<string, unknown>>;

/** An object made by braces, not by a class. */
export const isRecord = (value: unknown): value is Fields => {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
};

/** A part of a value that exists is its own: nobody reaches what a prototype has. */
export const partOf = (value: unknown, part: Part): { found: boolean; value?: unknown } => {
  if (Array.isArray(value)) {
    const isPlace = typeof part === 'number' && part >= 0 && part < value.length;
    return isPlace ? { found: true, value: value[part] as unknown } : { found: false };
  }
  if (!isRecord(value) || typeof part !== 'string' || !Object.hasOwn(value, part)) return { found: false };
  return value[part] === undefined ? { found: false } : { found: true, value: value[part] };
};

export const atPath = (value: unknown, path: readonly Part[]): { found: boolean; value?: unknown } => {
  let now: { found: boolean; value?: unknown } = { found: true, value };
  for (const part of path) {
    now = partOf(now.value, part);
    if (!now.found) return now;
  }
  return now;
};

/** Walks through values; the first thing that is wrong ends the walk. */
export type Walk = {
  /** What all values of this walk may still weigh. */
  bytesLeft: number;
  readonly depthMax: number;
  /** Where it is; the first parts say what is walked through. */
  readonly path: Part[];
  readonly rootParts: number;
  wrong: { path: readonly Part[]; message: string; code: 'INVALID_REQUEST' | 'TOO_LARGE' } | null;
  /** Answers in place of a record, if it wants to. */
  readonly replace: ((record: Fields, walk: Walk) => { value: unknown } | null) | null;
};

export const walkOf = (
  { bytesMax, depthMax, path = [] }: { bytesMax: number; depthMax: number; path?: readonly Part[] },
  replace: Walk['replace'] = null,
): Walk => ({
  ...{ bytesLeft: bytesMax, depthMax, path: [...path], rootParts: path.length, wrong: null, replace },
});

/** Of each value, whatever it is; about what MessagePack takes. */
const valueBytes = 8;

/** Nothing after this is looked at. */
export const stop = (walk: Walk, message: string, code: 'INVALID_REQUEST' | 'TOO_LARGE' = 'INVALID_REQUEST'): null => {
  walk.wrong ??= { path: [...walk.path], message, code };
  return null;
};

const pay = (walk: Walk, bytes: number): void => {
  walk.bytesLeft -= bytes;
  if (walk.bytesLeft < 0) stop(walk, 'is too large', 'TOO_LARGE');
};

/** A copy, of which nothing is right once `walk.wrong` is set. Absent fields are left out. */
export const copy = (walk: Walk, value: unknown): unknown => {
  pay(walk, valueBytes);
  if (walk.wrong !== null) return null;
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return copyText(walk, value);
  if (value instanceof Uint8Array) {
    pay(walk, value.byteLength);
    return walk.wrong === null ? Uint8Array.from(value) : null;
  }
  if (walk.path.length - walk.rootParts >= walk.depthMax)
    return stop(walk, `has more than ${walk.depthMax} lists and records inside each other`);
  if (Array.isArray(value)) return copyList(walk, value as unknown[]);
  if (isRecord(value)) return copyRecord(walk, value);
  return stop(walk, `is no plain data, but ${typeof value === 'object' ? 'an object of a class' : `a ${typeof value}`}`);
};

/** Of what lies in the one where the walk is. */
export const copyPart = (walk: Walk, part: Part, value: unknown): unknown => {
  walk.path.push(part);
  const copied = copy(walk, value);
  walk.path.pop();
  return copied;
};

const copyText = (walk: Walk, text: string): unknown => {
  pay(walk, utf8Length(text));
  return isWellFormed(text) ? text : stop(walk, 'has half a character (a lone surrogate)');
};

const copyList = (walk: Walk, list: readonly unknown[]): unknown => {
  const copied: unknown[] = [];
  for (let at = 0; at < list.length && walk.wrong === null; at++) copied.push(copyPart(walk, at, list[at]));
  return copied;
};

const copyRecord = (walk: Walk, record: Fields): unknown => {
  const replaced = walk.replace?.(record, walk) ?? null;
  if (replaced !== null) return replaced.value;
  const copied: Record<string, unknown> = {};
  for (const name of Object.keys(record)) {
    if (record[name] === undefined) continue;
    if (name === '__proto__') stop(walk, "has a field '__proto__'");
    pay(walk, utf8Length(name));
    if (walk.wrong !== null) return null;
    copied[name] = copyPart(walk, name, record[name]);
  }
  return copied;
};

/** Lists and records inside each other in what comes from a call. */
const resultDepthMax = 100;

/** A result as it is kept, and what it weighs; null: that is more than `bytesMax`, or it is no plain data. */
export const keep = (value: unknown, bytesMax: number): { value: unknown; bytes: number } | null => {
  const walk = walkOf({ bytesMax, depthMax: resultDepthMax });
  const copied = copy(walk, value === undefined ? null : value);
  return walk.wrong === null ? { value: copied, bytes: bytesMax - walk.bytesLeft } : null;
};

/** The same data: lists in their order, records in any. */
export const isSame = (one: unknown, other: unknown): boolean => {
  if (Object.is(one, other)) return true;
  if (one instanceof Uint8Array && other instanceof Uint8Array)
    return one.byteLength === other.byteLength && one.every((byte, at) => byte === other[at]);
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((item, at) => isSame(item, other[at]));
  if (!isRecord(one) || !isRecord(other)) return one === other;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  );
};
