// A state as bytes and as one number in a single walk, without making plain data of it first: most states are plain data as they stand.
// Where one is not (an actor in it, a Date), nothing is formed, and whoever asked goes the long way, which says what is wrong with it.
// The bytes are MessagePack, the number is `valueHash`.
import { mixHashes, textHash } from '../hash.ts';
import { createInk, type Ink, isWellFormed, reserve, utf8Length, writeUtf8 } from '../wire/octets.ts';
import { refMark } from './address.ts';
import { bytesHash, hashBasis, numberHash } from './ledger-digest.ts';

/** Levels of lists and objects, and bytes. Who has more goes the long way. */
const depthMax = 64;
const bytesMax = 2 << 20;
const headerBytesMax = 9;
/** Each character three bytes at worst. */
const bytesOfCharMax = 3;

const ink: Ink = createInk();
const floats = new DataView(new ArrayBuffer(8));
/** Something on the way was no plain data. */
let isOther = false;

const other = (): number => {
  isOther = true;
  return 0;
};

/** A tag and a number of so many bytes behind it, highest first. */
const tagged = (tag: number, bytes: 1 | 2 | 4, value: number): void => {
  reserve(ink, headerBytesMax);
  ink.bytes[ink.at++] = tag;
  for (let shift = 8 * (bytes - 1); shift >= 0; shift -= 8) ink.bytes[ink.at++] = value >>> shift;
};

const byte = (value: number): void => {
  reserve(ink, 1);
  ink.bytes[ink.at++] = value;
};

const sized = (length: number, tags: readonly [byte: number, two: number, four: number]): void => {
  if (length < 0x100) tagged(tags[0], 1, length);
  else if (length < 0x1_0000) tagged(tags[1], 2, length);
  else tagged(tags[2], 4, length);
};

const textTags = [0xd9, 0xda, 0xdb] as const;
const bytesTags = [0xc4, 0xc5, 0xc6] as const;

const formLength = (length: number): void => (length < 0x20 ? byte(0xa0 | length) : sized(length, textTags));

/** As if it were ASCII; what is not begins again. */
const formText = (text: string): number => {
  const start = ink.at;
  const { length } = text;
  if (start + length > bytesMax) return other();
  formLength(length);
  reserve(ink, length);
  const { bytes } = ink;
  let { at } = ink;
  let hash = 0x811c_9dc5;
  for (let read = 0; read < length; read++) {
    const unit = text.charCodeAt(read);
    if (unit >= 0x80) return formWide(text, start);
    bytes[at++] = unit;
    hash = Math.imul(hash ^ unit, 0x0100_0193);
  }
  ink.at = at;
  return hash >>> 0;
};

const formWide = (text: string, start: number): number => {
  if (!isWellFormed(text)) return other();
  ink.at = start;
  formLength(utf8Length(text));
  reserve(ink, bytesOfCharMax * text.length);
  ink.at = writeUtf8(text, ink.bytes, ink.at);
  return textHash(text);
};

const formNumber = (value: number): number => {
  if ((value | 0) === value) {
    if (value >= 0) {
      if (value < 0x80) byte(value);
      else sized(value, [0xcc, 0xcd, 0xce]);
    } else if (value >= -0x20) byte(value & 0xff);
    else if (value >= -0x80) tagged(0xd0, 1, value);
    else if (value >= -0x8000) tagged(0xd1, 2, value);
    else tagged(0xd2, 4, value);
  } else {
    reserve(ink, headerBytesMax);
    floats.setFloat64(0, value);
    ink.bytes[ink.at++] = 0xcb;
    for (let read = 0; read < 8; read++) ink.bytes[ink.at++] = floats.getUint8(read);
  }
  return numberHash(value);
};

const formBytes = (value: Uint8Array): number => {
  if (ink.at + value.byteLength > bytesMax) return other();
  sized(value.byteLength, bytesTags);
  reserve(ink, value.byteLength);
  ink.bytes.set(value, ink.at);
  ink.at += value.byteLength;
  return bytesHash(value);
};

const formList = (list: readonly unknown[], depth: number): number => {
  if (list.length < 0x10) byte(0x90 | list.length);
  else if (list.length < 0x1_0000) tagged(0xdc, 2, list.length);
  else tagged(0xdd, 4, list.length);
  let hash: number = hashBasis.list;
  for (let at = 0; at < list.length; at++) {
    const item = list[at];
    hash = mixHashes(hash, item === undefined ? other() : formAny(item, depth));
    if (isOther) return 0;
  }
  return hash;
};

/** What has no value is left out. */
const formRecord = (record: Record<string, unknown>, depth: number): number => {
  tagged(0xde, 2, 0);
  const header = ink.at;
  let count = 0;
  let hash: number = hashBasis.record;
  // Its own keys (`form` has looked whether there are others), without a list of them.
  for (const key in record) {
    if (key === '__proto__') return other();
    const value = record[key];
    if (value === undefined) continue;
    if (++count >= 0x1_0000) return other();
    const name = formText(key);
    hash = (hash + mixHashes(name, formAny(value, depth))) | 0;
    if (isOther) return 0;
  }
  ink.bytes[header - 2] = count >>> 8;
  ink.bytes[header - 1] = count;
  return hash >>> 0;
};

const formObject = (value: object, depth: number): number => {
  if (depth >= depthMax || ink.at > bytesMax) return other();
  if (Array.isArray(value)) return formList(value, depth + 1);
  if (value instanceof Uint8Array) return formBytes(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  const isBare = prototype === Object.prototype || prototype === null;
  if (!isBare || (value as { [refMark]?: unknown })[refMark] !== undefined) return other();
  return formRecord(value as Record<string, unknown>, depth + 1);
};

const formAny = (value: unknown, depth: number): number => {
  switch (typeof value) {
    case 'string':
      return formText(value);
    case 'number':
      return formNumber(value);
    case 'boolean':
      byte(value ? 0xc3 : 0xc2);
      return value ? hashBasis.true : hashBasis.false;
    case 'object':
      if (value !== null) return formObject(value, depth);
      byte(0xc0);
      return hashBasis.null;
    default:
      return other();
  }
};

/** Somebody gave all objects a property: they are not what they seem. */
const isPolluted = (): boolean => {
  for (const _ in Object.prototype) return true;
  return false;
};

/** Its number, `valueHash` of it; null: it is not plain data all through. Its bytes are to be had until the next one. */
export const form = (value: unknown): number | null => {
  ink.at = 0;
  isOther = false;
  if (isPolluted()) return null;
  try {
    const hash = formAny(value, 0);
    return isOther ? null : hash;
  } catch {
    // A property that throws when it is read.
    return null;
  }
};

export const formedLength = (): number => ink.at;

/** A copy; into `before`, which is of no use any more, if it has room for exactly that. */
export const formedInto = (before: Uint8Array | null): Uint8Array => {
  if (before?.byteLength !== ink.at) return ink.bytes.slice(0, ink.at);
  for (let at = 0; at < ink.at; at++) before[at] = ink.bytes[at]!;
  return before;
};
