// Inputs, results and items of streams as bytes. What the wire cannot carry is refused by its path, so that nobody finds out only when
// the service moves to another machine: functions, instances of classes, Map, Date, bigint, what contains itself.
import { type Cursor, createInk, cursorOf, dry, isSpent, isWellFormed, tearOff, turnPage } from '../wire/octets.ts';
import { inkBare, inkPlain, readPlain } from '../wire/plain.ts';
import { rpcLimits as max } from './limits.ts';

/** `code` as in the table of errors; `path` as `.size.width` or `[3]`. */
export type Unfit = { readonly code: 'INVALID_REQUEST' | 'TOO_LARGE'; readonly path: string; readonly message: string };

const nothing = new Uint8Array(0);
const ink = createInk();
const page = createInk();

/** `bytes`: at least so many it takes packed. `holes`: properties that are undefined, and left out as JSON does. */
type Look = { bytes: number; holes: number; what: string; path: string };

const unfit = (look: Look, what: string): false => {
  look.what = what;
  return false;
};

const isBare = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/** What a class, or the language, calls it. */
const kindOf = (value: object): string => {
  const made: unknown = value.constructor;
  return typeof made === 'function' && made.name !== '' ? made.name : 'object without a plain prototype';
};

const lookAtText = (look: Look, text: string): boolean => {
  look.bytes += text.length;
  return look.bytes > max.valueBytesMax || isWellFormed(text) || unfit(look, 'a text that is no Unicode (a lone surrogate)');
};

const lookAtList = (look: Look, list: readonly unknown[], depth: number): boolean => {
  for (let at = 0; at < list.length && look.bytes <= max.valueBytesMax; at++) {
    if (list[at] !== undefined && lookAt(look, list[at], depth)) continue;
    if (list[at] === undefined) look.what = 'undefined in a list';
    look.path = `[${at}]${look.path}`;
    return false;
  }
  return true;
};

const lookAtRecord = (look: Look, record: Record<string, unknown>, depth: number): boolean => {
  for (const key in record) {
    if (!Object.hasOwn(record, key)) continue;
    const value = record[key];
    if (value === undefined) look.holes++;
    else if (key === '__proto__' || !lookAtText(look, key) || !lookAt(look, value, depth)) {
      if (look.what === '') look.what = 'a property that no object may have';
      look.path = `.${key}${look.path}`;
      return false;
    }
    if (look.bytes > max.valueBytesMax) return true;
  }
  return true;
};

/** False: it cannot be carried. It stops where there is too much, so that what is in many places is not looked at for ever. */
const lookAt = (look: Look, value: unknown, depth: number): boolean => {
  look.bytes++;
  if (value === null) return true;
  switch (typeof value) {
    case 'string':
      return lookAtText(look, value);
    case 'number':
    case 'boolean':
      return true;
    case 'object':
      break;
    default:
      return unfit(look, `a ${typeof value}`);
  }
  if (depth > max.valueDepthMax) return unfit(look, `more than ${max.valueDepthMax} levels deep, or part of itself`);
  if (Array.isArray(value)) return lookAtList(look, value, depth + 1);
  if (value instanceof Uint8Array) {
    look.bytes += value.byteLength;
    return true;
  }
  if (!isBare(value)) return unfit(look, `a ${kindOf(value)}`);
  return lookAtRecord(look, value as Record<string, unknown>, depth + 1);
};

const withoutHoles = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withoutHoles);
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutHoles(one)]));
};

const pathCharsMax = 256;

const tooLarge = (): Unfit => ({
  ...{ code: 'TOO_LARGE', path: '', message: `more than ${max.valueBytesMax} bytes as MessagePack` },
});

const packed = (value: unknown): Uint8Array | Unfit => {
  if (value === undefined) return nothing;
  const start = turnPage(page);
  if (inkBare(page, value, start + max.valueBytesMax) && page.at - start <= max.valueBytesMax) return tearOff(page, start);
  page.at = start;
  const look: Look = { bytes: 0, holes: 0, what: '', path: '' };
  if (!lookAt(look, value, 0)) {
    const path = look.path.slice(0, pathCharsMax);
    return { code: 'INVALID_REQUEST', path, message: `${path === '' ? 'it' : path} is ${look.what}, which no message carries` };
  }
  if (look.bytes > max.valueBytesMax) return tooLarge();
  ink.at = 0;
  inkPlain(ink, look.holes === 0 ? value : withoutHoles(value));
  const bytes = dry(ink);
  return bytes.byteLength > max.valueBytesMax ? tooLarge() : bytes;
};

/** Undefined has no bytes at all. What throws when it is read (a getter, a proxy) is refused like anything else that no message carries. */
export const packValue = (value: unknown): Uint8Array | Unfit => {
  try {
    return packed(value);
  } catch {
    return { code: 'INVALID_REQUEST', path: '', message: 'it throws when it is read, so no message carries it' };
  }
};

export const isUnfit = (packed: Uint8Array | Unfit): packed is Unfit => 'code' in packed;

/** Shares nothing with the bytes. Null: they are none of ours. */
export const unpackValue = (bytes: Uint8Array): { readonly value: unknown } | null => {
  if (bytes.byteLength === 0) return { value: undefined };
  const from: Cursor = cursorOf(bytes);
  const value = readPlain(from);
  return isSpent(from) ? { value } : null;
};
