// Plain data: what may be replicated, whether two of it are the same, and one text for each that sorts and compares.
import { hexOf, isWellFormed, utf8Length } from '../wire/octets.ts';
import type { Unfit } from './crdt.ts';
import { replicatorLimits as max } from './limits.ts';
import type { Plain } from './types.ts';

/**
 * Numbers are finite: what is not cannot be compared, nor shown as JSON. Minus zero is zero. What the wire would change is refused, or
 * its author alone would have it otherwise: half characters, holes in lists, and the one name that no decoder takes.
 */
export const isPlain = (value: unknown, depth = 0): value is Plain => {
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value === 'string') return isWellFormed(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth >= max.depthMax) return false;
  if (value instanceof Uint8Array) return true;
  if (Array.isArray(value)) return !value.includes(undefined) && value.every((item) => isPlain(item, depth + 1));
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.entries(value).every(([key, item]) => key !== '__proto__' && isWellFormed(key) && isPlain(item, depth + 1));
};

/** About what it takes, packed; all nodes count the same. */
const bytesOf = (value: Plain): number => {
  if (typeof value === 'string') return utf8Length(value) + 1;
  if (value === null || typeof value !== 'object') return 9;
  if (value instanceof Uint8Array) return value.byteLength + 1;
  if (Array.isArray(value)) return (value as readonly Plain[]).reduce<number>((bytes, item) => bytes + bytesOf(item), 1);
  return Object.entries(value).reduce((bytes, [key, item]) => bytes + utf8Length(key) + 1 + bytesOf(item), 1);
};

/** Why it can be no value of a register or a map; null: it can. */
export const unfitValue = (value: unknown): Unfit | null => {
  if (!isPlain(value)) return { unfit: 'holds what is no plain data' };
  return bytesOf(value) <= max.valueBytesMax ? null : { unfit: `holds a value of more than ${max.valueBytesMax} bytes` };
};

export const isValue = (value: unknown): value is Plain => unfitValue(value) === null;

/** The same for the same data whatever the order of its keys, and different for different data. */
export const textOf = (value: Plain): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === null || typeof value !== 'object') return String(value === 0 ? 0 : value);
  if (value instanceof Uint8Array) return `x${hexOf(value)}`;
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  const record = value as { readonly [key: string]: Plain };
  const keys = Object.keys(record).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${textOf(record[key]!)}`).join()}}`;
};
