// Elements of sets as keys of a Map, each kept once: plain text, numbers and the like are their own key; anything else is kept as one
// text, the same for the same data whatever the order of its keys, from which it is read back.
import { hexOf } from '../wire/octets.ts';
import type { Plain } from './types.ts';

export type ElementKey = string | number | boolean | null;

/** Begins the keys of composed data (and of the texts that happen to begin with it). */
const mark = '\0';

/** JSON in which texts begin with `s` and bytes are texts that begin with `x`. */
const textIn = (value: Plain): string => {
  if (typeof value === 'string') return JSON.stringify(`s${value}`);
  if (value === null || typeof value !== 'object') return String(value === 0 ? 0 : value);
  if (value instanceof Uint8Array) return `"x${hexOf(value)}"`;
  if (Array.isArray(value)) return `[${value.map(textIn).join()}]`;
  const record = value as { readonly [key: string]: Plain };
  const fields = Object.keys(record).sort();
  return `{${fields.map((field) => `${JSON.stringify(field)}:${textIn(record[field]!)}`).join()}}`;
};

export const keyOf = (element: Plain): ElementKey => {
  if (typeof element === 'string') return element.startsWith(mark) ? mark + textIn(element) : element;
  return element === null || typeof element !== 'object' ? element : mark + textIn(element);
};

const revived = (_field: string, value: unknown): unknown => {
  if (typeof value !== 'string') return value;
  return value.startsWith('s')
    ? value.slice(1)
    : Uint8Array.from(value.slice(1).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
};

export const elementOf = (key: ElementKey): Plain =>
  typeof key === 'string' && key.startsWith(mark) ? (JSON.parse(key.slice(1), revived) as Plain) : key;

/** About what it takes, in characters or bytes. */
export const sizeOf = (key: ElementKey): number => (typeof key === 'string' ? key.length : 8);
