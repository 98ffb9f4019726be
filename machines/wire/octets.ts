// Fields as bytes, for what outlives the process or is proved by a MAC: commands in the log, records in the keyspace, published
// envelopes. Hand-made rather than msgpack, because every value must have exactly one encoding, for as long as logs live; whatever
// else is found is refused, not guessed. Counts are LEB128, texts are UTF-8 (RFC 3629) behind their length.

/** Bytes being written. Grows as needed; `dry` takes them and empties it. */
export type Ink = { bytes: Uint8Array; at: number };

const inkBytesKept = 16 << 10;

export const createInk = (): Ink => ({ bytes: new Uint8Array(inkBytesKept), at: 0 });

/** Room for so many more bytes at `at`. */
export const reserve = (ink: Ink, more: number): void => {
  if (ink.at + more <= ink.bytes.byteLength) return;
  const grown = new Uint8Array(Math.max(ink.bytes.byteLength * 2, ink.at + more));
  grown.set(ink.bytes.subarray(0, ink.at));
  ink.bytes = grown;
};

export const inkByte = (ink: Ink, byte: number): void => {
  reserve(ink, 1);
  ink.bytes[ink.at++] = byte;
};

const countBytesMax = 8;

/** A whole number from 0 to 2^53 - 1. Anything else is written as what no reader accepts, so that a bad command fails when read. */
export const inkCount = (ink: Ink, count: number): void => {
  reserve(ink, countBytesMax + 1);
  const { bytes } = ink;
  if (!Number.isSafeInteger(count) || count < 0) {
    bytes.fill(0xff, ink.at, (ink.at += countBytesMax + 1));
    return;
  }
  let rest = count;
  while (rest > 0x7fff_ffff) {
    bytes[ink.at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    bytes[ink.at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[ink.at++] = rest;
};

export const inkRaw = (ink: Ink, raw: Uint8Array): void => {
  reserve(ink, raw.byteLength);
  ink.bytes.set(raw, ink.at);
  ink.at += raw.byteLength;
};

export const inkBytes = (ink: Ink, bytes: Uint8Array): void => {
  inkCount(ink, bytes.byteLength);
  inkRaw(ink, bytes);
};

export const inkText = (ink: Ink, text: string): void => {
  const length = utf8Length(text);
  inkCount(ink, length);
  reserve(ink, length);
  ink.at = writeUtf8(text, ink.bytes, ink.at);
};

const slabBytes = 8 << 10;
const slabShareMax = 1 << 10;
let slab = new Uint8Array(0);
let slabAt = 0;

/**
 * Zeroes to write into, once. Small arrays share a backing store: one of its own is allocated outside the heap and tracked by the
 * garbage collector, which costs more than what is written into it.
 */
export const allocate = (length: number): Uint8Array => {
  if (length > slabShareMax) return new Uint8Array(length);
  if (slabAt + length > slab.byteLength) {
    slab = new Uint8Array(slabBytes);
    slabAt = 0;
  }
  return slab.subarray(slabAt, (slabAt += length));
};

/** What was written, followed by `tail`, in a copy of its own; the ink is empty again. */
export const dry = (ink: Ink, tail?: Uint8Array): Uint8Array => {
  const dried = allocate(ink.at + (tail === undefined ? 0 : tail.byteLength));
  dried.set(ink.at === ink.bytes.byteLength ? ink.bytes : ink.bytes.subarray(0, ink.at));
  if (tail !== undefined) dried.set(tail, ink.at);
  ink.at = 0;
  if (ink.bytes.byteLength > inkBytesKept) ink.bytes = new Uint8Array(inkBytesKept);
  return dried;
};

/**
 * Ink for pieces of bytes one behind the other in one backing store, so that none is copied: `turnPage` before each, `tearOff` after it.
 */
export const turnPage = (ink: Ink): number => {
  if (ink.bytes.byteLength > slabBytes || ink.at + slabShareMax > ink.bytes.byteLength) {
    ink.bytes = new Uint8Array(slabBytes);
    ink.at = 0;
  }
  return ink.at;
};

/** What was written since then; nobody writes there again. */
export const tearOff = (ink: Ink, start: number): Uint8Array => ink.bytes.subarray(start, ink.at);

// ---------------------------------------------------------------- reading

/** A place in bytes. Once `failed`, everything read is worthless; check it once at the end. */
export type Cursor = { readonly bytes: Uint8Array; at: number; failed: boolean; readonly givesViews?: boolean };

export const cursorOf = (bytes: Uint8Array, at = 0): Cursor => ({ bytes, at, failed: false, givesViews: false });

const fail = <T>(cursor: Cursor, instead: T): T => {
  cursor.failed = true;
  return instead;
};

export const readByte = (cursor: Cursor): number => {
  const byte = cursor.bytes[cursor.at++];
  return byte === undefined ? fail(cursor, 0) : byte;
};

export const readCount = (cursor: Cursor): number => {
  let count = 0;
  let scale = 1;
  for (let read = 0; read < countBytesMax; read++) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) return fail(cursor, 0);
    count += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      // One encoding per number: no padding by a last byte of zero.
      if ((byte === 0 && read > 0) || count > Number.MAX_SAFE_INTEGER) return fail(cursor, 0);
      return count;
    }
    scale *= 128;
  }
  return fail(cursor, 0);
};

const empty = new Uint8Array(0);

/** `length` bytes as a view of what is being read. */
export const readRaw = (cursor: Cursor, length: number): Uint8Array => {
  if (cursor.failed || length > cursor.bytes.byteLength - cursor.at) return fail(cursor, empty);
  return cursor.bytes.subarray(cursor.at, (cursor.at += length));
};

export const readBytes = (cursor: Cursor, lengthMax: number): Uint8Array => {
  const length = readCount(cursor);
  return length > lengthMax ? fail(cursor, empty) : readRaw(cursor, length);
};

/** Everything that is left, as a view. */
export const readRest = (cursor: Cursor, lengthMax: number): Uint8Array => {
  const length = cursor.bytes.byteLength - cursor.at;
  return length < 0 || length > lengthMax ? fail(cursor, empty) : readRaw(cursor, length);
};

export const readText = (cursor: Cursor, bytesMax: number): string => {
  const length = readCount(cursor);
  if (cursor.failed || length > bytesMax || length > cursor.bytes.byteLength - cursor.at) return fail(cursor, '');
  const text = readUtf8(cursor.bytes, cursor.at, cursor.at + length);
  cursor.at += length;
  return text === null ? fail(cursor, '') : text;
};

/** True when all was read and nothing failed. */
export const isSpent = (cursor: Cursor): boolean => !cursor.failed && cursor.at === cursor.bytes.byteLength;

// ---------------------------------------------------------------- UTF-8

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** No surrogate stands alone, so that the text has an encoding in UTF-8. */
export const isWellFormed = (text: string): boolean => {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    if (!isHigh(unit) || !isLow(text.charCodeAt(++at))) return false;
  }
  return true;
};

export const utf8Length = (text: string): number => {
  let length = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (isHigh(unit) && isLow(text.charCodeAt(at + 1))) {
      length += 2;
      at++;
    } else length += 2;
  }
  return length;
};

/** Writes at `at`, returns the end. A lone surrogate becomes three bytes that no reader accepts. */
export const writeUtf8 = (text: string, into: Uint8Array, at: number): number => {
  let end = at;
  for (let from = 0; from < text.length; from++) {
    let point = text.charCodeAt(from);
    if (point < 0x80) {
      into[end++] = point;
      continue;
    }
    if (point < 0x800) {
      into[end++] = 0xc0 | (point >> 6);
      into[end++] = 0x80 | (point & 0x3f);
      continue;
    }
    if (isHigh(point) && isLow(text.charCodeAt(from + 1))) {
      point = 0x10000 + ((point & 0x3ff) << 10) + (text.charCodeAt(++from) & 0x3ff);
      into[end++] = 0xf0 | (point >> 18);
      into[end++] = 0x80 | ((point >> 12) & 0x3f);
    } else into[end++] = 0xe0 | (point >> 12);
    into[end++] = 0x80 | ((point >> 6) & 0x3f);
    into[end++] = 0x80 | (point & 0x3f);
  }
  return end;
};

export const utf8 = (text: string): Uint8Array => {
  const bytes = new Uint8Array(utf8Length(text));
  writeUtf8(text, bytes, 0);
  return bytes;
};

const asciiAtOnceMax = 1_024;

/** Null unless the bytes are well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629 §3). */
export const readUtf8 = (bytes: Uint8Array, start: number, end: number): string | null => {
  let plain = start;
  while (plain < end && bytes[plain]! < 0x80) plain++;
  let text = '';
  for (let at = start; at < plain; at += asciiAtOnceMax)
    text += String.fromCharCode.apply(null, bytes.subarray(at, Math.min(plain, at + asciiAtOnceMax)) as unknown as number[]);
  let at = plain;
  while (at < end) {
    const lead = bytes[at++]!;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    const more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || at + more > end) return null;
    let point = lead & (0x3f >> more);
    for (let read = 0; read < more; read++) {
      const byte = bytes[at++]!;
      if ((byte & 0xc0) !== 0x80) return null;
      point = (point << 6) | (byte & 0x3f);
    }
    if (more === 2 && (point < 0x800 || (point >= 0xd800 && point <= 0xdfff))) return null;
    if (more === 3 && (point < 0x10000 || point > 0x10ffff)) return null;
    text += String.fromCodePoint(point);
  }
  return text;
};

/** The bytes that may follow a lead byte, and how many (Unicode 16, table 3-7). */
const continuationOf = (lead: number): { more: number; least: number; most: number } | null => {
  if (lead >= 0xc2 && lead <= 0xdf) return { more: 1, least: 0x80, most: 0xbf };
  if (lead >= 0xe0 && lead <= 0xef) return { more: 2, least: lead === 0xe0 ? 0xa0 : 0x80, most: lead === 0xed ? 0x9f : 0xbf };
  if (lead >= 0xf0 && lead <= 0xf4) return { more: 3, least: lead === 0xf0 ? 0x90 : 0x80, most: lead === 0xf4 ? 0x8f : 0xbf };
  return null;
};

/** The end of the longest beginning of a character at `at`, and whether it is a whole one. */
const partAt = (bytes: Uint8Array, at: number): { end: number; isWhole: boolean } => {
  if (bytes[at]! < 0x80) return { end: at + 1, isWhole: true };
  const expected = continuationOf(bytes[at]!);
  if (expected === null) return { end: at + 1, isWhole: false };
  let { least, most } = expected;
  for (let read = 1; read <= expected.more; read++) {
    const byte = bytes[at + read];
    if (byte === undefined || byte < least || byte > most) return { end: at + read, isWhole: false };
    [least, most] = [0x80, 0xbf];
  }
  return { end: at + 1 + expected.more, isWhole: true };
};

/** For people: what is malformed becomes U+FFFD, a byte order mark in front is left out (WHATWG Encoding, UTF-8 decode). */
export const showUtf8 = (bytes: Uint8Array): string => {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  const whole = readUtf8(bytes, start, bytes.byteLength);
  if (whole !== null) return whole;
  let text = '';
  for (let at = start; at < bytes.byteLength; ) {
    const { end, isWhole } = partAt(bytes, at);
    text += isWhole ? readUtf8(bytes, at, end) : '\ufffd';
    at = end;
  }
  return text;
};

/** Two small digits a byte. */
export const hexOf = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
};
