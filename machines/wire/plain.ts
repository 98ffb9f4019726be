// Plain data as msgpack, many values one behind the other in one piece of bytes: what is packed by the hundred thousand a second goes
// straight to where it is sent from, and what is read keeps nothing of the bytes alive. The library behind `pack` makes an array for
// each value, and texts that are parts of the text of a whole message. Both read what the other wrote.
import { pack, unpack } from './envelope.ts';
import {
  type Cursor,
  type Ink,
  inkByte,
  inkRaw,
  isWellFormed,
  readByte,
  readRaw,
  readUtf8,
  reserve,
  utf8Length,
  writeUtf8,
} from './octets.ts';

/** Of lists and objects inside each other; deeper ones are refused. */
const depthMax = 100;

/** Units of a text. From here on the library is faster, which leaves it to what is outside of the language. */
const longMin = 512;

const word = new DataView(new ArrayBuffer(8));
const wordBytes = new Uint8Array(word.buffer);

/** Tags of msgpack by the bytes that their length or number takes: 1, 2 or 4. */
type Tags = readonly [number, number, number];
const textTags: Tags = [0xd9, 0xda, 0xdb];
const bytesTags: Tags = [0xc4, 0xc5, 0xc6];
const countTags: Tags = [0xcc, 0xcd, 0xce];
/** These have no form of one byte. */
const listTags: Tags = [0xdc, 0xdc, 0xdd];
const recordTags: Tags = [0xde, 0xde, 0xdf];

const inkTagged = (ink: Ink, tags: Tags, count: number): void => {
  reserve(ink, 5);
  const { bytes } = ink;
  if (count <= 0xff && tags[0] !== tags[1]) {
    bytes[ink.at++] = tags[0];
  } else if (count <= 0xffff) {
    bytes[ink.at++] = tags[1];
    bytes[ink.at++] = count >>> 8;
  } else {
    bytes[ink.at++] = tags[2];
    bytes[ink.at++] = count >>> 24;
    bytes[ink.at++] = count >>> 16;
    bytes[ink.at++] = count >>> 8;
  }
  bytes[ink.at++] = count;
};

/** All that is below 0x80 behind its tag. False: something is not, and nothing has happened. */
const inkAscii = (ink: Ink, text: string): boolean => {
  const { length } = text;
  reserve(ink, length + 3);
  const { bytes } = ink;
  const start = ink.at + (length < 32 ? 1 : length <= 0xff ? 2 : 3);
  for (let from = 0; from < length; from++) {
    const unit = text.charCodeAt(from);
    if (unit > 0x7f) return false;
    bytes[start + from] = unit;
  }
  if (length < 32) bytes[ink.at] = 0xa0 | length;
  else inkTagged(ink, textTags, length);
  ink.at = start + length;
  return true;
};

const inkText = (ink: Ink, text: string): void => {
  if (text.length >= longMin) return inkRaw(ink, pack(text));
  if (inkAscii(ink, text)) return;
  const size = utf8Length(text);
  if (size < 32) inkByte(ink, 0xa0 | size);
  else inkTagged(ink, textTags, size);
  reserve(ink, size);
  ink.at = writeUtf8(text, ink.bytes, ink.at);
};

const inkNumber = (ink: Ink, number: number): void => {
  if (number >= 0 && number <= 0xffff_ffff && Number.isInteger(number)) {
    if (number < 0x80) inkByte(ink, number);
    else inkTagged(ink, countTags, number);
    return;
  }
  if (number < 0 && number >= -32 && Number.isInteger(number)) return inkByte(ink, number & 0xff);
  inkByte(ink, 0xcb);
  word.setFloat64(0, number);
  reserve(ink, 8);
  const { bytes } = ink;
  // One by one: to copy so few in one go takes longer.
  for (let at = 0; at < 8; at++) bytes[ink.at++] = wordBytes[at]!;
};

const inkList = (ink: Ink, length: number): void => {
  if (length < 16) inkByte(ink, 0x90 | length);
  else inkTagged(ink, listTags, length);
};

const inkRecord = (ink: Ink, size: number): void => {
  if (size < 16) inkByte(ink, 0x80 | size);
  else inkTagged(ink, recordTags, size);
};

const inkIn = (ink: Ink, value: unknown, depth: number): void => {
  if (typeof value === 'string') return inkText(ink, value);
  if (typeof value === 'number') return inkNumber(ink, value);
  if (value === null) return inkByte(ink, 0xc0);
  if (typeof value === 'boolean') return inkByte(ink, value ? 0xc3 : 0xc2);
  if (typeof value !== 'object' || depth >= depthMax) throw new TypeError(`a ${typeof value} that is no plain data`);
  if (value instanceof Uint8Array) {
    inkTagged(ink, bytesTags, value.byteLength);
    return inkRaw(ink, value);
  }
  if (Array.isArray(value)) {
    inkList(ink, value.length);
    for (let at = 0; at < value.length; at++) inkIn(ink, value[at], depth + 1);
    return;
  }
  const keys = Object.keys(value);
  inkRecord(ink, keys.length);
  for (const key of keys) {
    inkText(ink, key);
    inkIn(ink, (value as Record<string, unknown>)[key], depth + 1);
  }
};

/** Throws a TypeError at what is no plain data; the ink then holds a part of it. */
export const inkPlain = (ink: Ink, value: unknown): void => inkIn(ink, value, 0);

/** Nearly everything is flatter. */
const bareDepthMax = 16;

const inkBareText = (ink: Ink, text: string, bytesMax: number): boolean => {
  const { length } = text;
  if (length < longMin && inkAscii(ink, text)) return true;
  if (ink.at + length > bytesMax || !isWellFormed(text)) return false;
  inkText(ink, text);
  return true;
};

const inkBareRecord = (ink: Ink, record: Record<string, unknown>, bytesMax: number, depth: number): boolean => {
  const prototype: unknown = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const keys = Object.keys(record);
  inkRecord(ink, keys.length);
  for (let at = 0; at < keys.length; at++) {
    const key = keys[at]!;
    if (key === '__proto__' || !inkBareText(ink, key, bytesMax)) return false;
    if (!inkBareIn(ink, record[key], bytesMax, depth)) return false;
  }
  return true;
};

const inkBareIn = (ink: Ink, value: unknown, bytesMax: number, depth: number): boolean => {
  if (ink.at > bytesMax) return false;
  if (typeof value === 'string') return inkBareText(ink, value, bytesMax);
  if (typeof value === 'number') inkNumber(ink, value);
  else if (value === null) inkByte(ink, 0xc0);
  else if (typeof value === 'boolean') inkByte(ink, value ? 0xc3 : 0xc2);
  else if (typeof value !== 'object' || depth >= bareDepthMax) return false;
  else if (Array.isArray(value)) {
    inkList(ink, value.length);
    for (let at = 0; at < value.length; at++) if (!inkBareIn(ink, value[at], bytesMax, depth + 1)) return false;
  } else if (value instanceof Uint8Array) {
    if (ink.at + value.byteLength > bytesMax) return false;
    inkTagged(ink, bytesTags, value.byteLength);
    inkRaw(ink, value);
  } else return inkBareRecord(ink, value as Record<string, unknown>, bytesMax, depth + 1);
  return true;
};

/**
 * Looks at it and writes it in one go, for that is what calls take most. False: it may be no plain data, or too much of it, and has to be
 * looked at closely; the ink then holds a part of it.
 */
export const inkBare = (ink: Ink, value: unknown, bytesMax: number): boolean => inkBareIn(ink, value, bytesMax, 0);

// ---------------------------------------------------------------- reading

const shortMax = 32;
const shortTextsKept = 2_048;
/** Short texts come again and again: types, replicas, keys. Each is found by its bytes, where nothing else was read meanwhile. */
const shortTexts: string[] = new Array<string>(shortTextsKept).fill('');
const units: number[][] = Array.from({ length: shortMax + 1 }, (_, length) => new Array<number>(length).fill(0));

const isText = (text: string, bytes: Uint8Array, at: number, length: number): boolean => {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) if (text.charCodeAt(index) !== bytes[at + index]) return false;
  return true;
};

/** Null: it is not ASCII. */
const shortText = (bytes: Uint8Array, at: number, length: number): string | null => {
  let hash = length;
  for (let index = 0; index < length; index++) {
    const byte = bytes[at + index]!;
    if (byte > 0x7f) return null;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const place = (hash ^ (hash >>> 13)) & (shortTextsKept - 1);
  const known = shortTexts[place]!;
  if (isText(known, bytes, at, length)) return known;
  const list = units[length]!;
  for (let index = 0; index < length; index++) list[index] = bytes[at + index]!;
  const text = String.fromCharCode.apply(null, list);
  shortTexts[place] = text;
  return text;
};

const failed = (from: Cursor): undefined => {
  from.failed = true;
};

/** With its tag. Null: it may be no text; the library puts this mark in place of what is none. */
const longText = (bytes: Uint8Array): string | null => {
  const text = unpack(bytes) as string;
  return text.includes('\ufffd') ? null : text;
};

/** Behind a tag of so many bytes. */
const readText = (from: Cursor, length: number, tagBytes: number): string | undefined => {
  const { bytes, at } = from;
  const end = at + length;
  if (end > bytes.byteLength) return failed(from);
  from.at = end;
  // To make a text out of units costs more than all else, but for the library, which leaves it to what is outside of the language.
  const quick = length <= shortMax ? shortText(bytes, at, length) : longText(bytes.subarray(at - tagBytes, end));
  return quick ?? readUtf8(bytes, at, end) ?? failed(from);
};

const readNumber = (from: Cursor, width: 1 | 2 | 4): number => {
  let number = 0;
  for (let read = 0; read < width; read++) number = number * 256 + readByte(from);
  return number;
};

/** Room for so many items is made before they are read. */
const itemsAtOnceMax = 4_096;

const readList = (from: Cursor, length: number, depth: number): unknown[] | undefined => {
  // Each takes a byte at least: who says more lies.
  if (depth >= depthMax || length > from.bytes.byteLength - from.at) return failed(from);
  // Nobody has shown yet that there are so many: lists in lists that each promise all of the rest would take a hundred times as much.
  const list = new Array<unknown>(Math.min(length, itemsAtOnceMax));
  for (let at = 0; at < length && !from.failed; at++) list[at] = readIn(from, depth + 1);
  return list;
};

const readRecord = (from: Cursor, size: number, depth: number): Record<string, unknown> | undefined => {
  if (depth >= depthMax || size > from.bytes.byteLength - from.at) return failed(from);
  const record: Record<string, unknown> = {};
  for (let read = 0; read < size && !from.failed; read++) {
    const key = readIn(from, depthMax);
    if (typeof key !== 'string' || key === '__proto__') return failed(from);
    record[key] = readIn(from, depth + 1);
  }
  return record;
};

/** A cursor behind which byte arrays are views of what is read, and not copies. */
export const viewsOf = (bytes: Uint8Array, at: number): Cursor => ({ bytes, at, failed: false, givesViews: true });

const readOctets = (from: Cursor, length: number): Uint8Array => {
  const raw = readRaw(from, length);
  return from.givesViews === true ? raw : raw.slice();
};

/** 64 bits: exact numbers only. */
const readLong = (from: Cursor, isSigned: boolean): number | undefined => {
  wordBytes.set(readRaw(from, 8).subarray(0, from.failed ? 0 : 8));
  const number = Number(isSigned ? word.getBigInt64(0) : word.getBigUint64(0));
  return Number.isSafeInteger(number) ? number : failed(from);
};

const readFloat = (from: Cursor, width: 4 | 8): number => {
  for (let at = 0; at < width; at++) wordBytes[at] = readByte(from);
  return width === 4 ? word.getFloat32(0) : word.getFloat64(0);
};

const readTagged = (from: Cursor, tag: number, depth: number): unknown => {
  switch (tag) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return readOctets(from, readNumber(from, 1));
    case 0xc5:
      return readOctets(from, readNumber(from, 2));
    case 0xc6:
      return readOctets(from, readNumber(from, 4));
    case 0xca:
      return readFloat(from, 4);
    case 0xcb:
      return readFloat(from, 8);
    case 0xcc:
      return readNumber(from, 1);
    case 0xcd:
      return readNumber(from, 2);
    case 0xce:
      return readNumber(from, 4);
    case 0xcf:
      return readLong(from, false);
    case 0xd0:
      return (readNumber(from, 1) << 24) >> 24;
    case 0xd1:
      return (readNumber(from, 2) << 16) >> 16;
    case 0xd2:
      return readNumber(from, 4) | 0;
    case 0xd3:
      return readLong(from, true);
    case 0xd9:
      return readText(from, readNumber(from, 1), 2);
    case 0xda:
      return readText(from, readNumber(from, 2), 3);
    case 0xdb:
      return readText(from, readNumber(from, 4), 5);
    case 0xdc:
      return readList(from, readNumber(from, 2), depth);
    case 0xdd:
      return readList(from, readNumber(from, 4), depth);
    case 0xde:
      return readRecord(from, readNumber(from, 2), depth);
    case 0xdf:
      return readRecord(from, readNumber(from, 4), depth);
    default:
      // Extensions, and the one tag that nobody uses.
      return failed(from);
  }
};

const readIn = (from: Cursor, depth: number): unknown => {
  const tag = readByte(from);
  if (from.failed) return undefined;
  if (tag < 0x80) return tag;
  if (tag < 0x90) return readRecord(from, tag & 0x0f, depth);
  if (tag < 0xa0) return readList(from, tag & 0x0f, depth);
  if (tag < 0xc0) return readText(from, tag & 0x1f, 1);
  return tag >= 0xe0 ? tag - 0x100 : readTagged(from, tag, depth);
};

/** The next value. Shares nothing with the bytes, unless they are `viewsOf`. Once `from.failed`, it is worthless: what stood there was no plain data. */
export const readPlain = (from: Cursor): unknown => readIn(from, 0);
