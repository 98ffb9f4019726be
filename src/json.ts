// JSON from outside, of which a value becomes data that stays. `JSON.parse` alone would take what nobody meant: integers whose last
// digits it makes up, 1e999 as infinity, and depths that break whoever walks through them; so the text is looked at first.
import { failure, PolityError } from '../machines/errors.ts';

const refuse = (message: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', message));
};

const quote = 0x22;
const backslash = 0x5c;

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39;

/** An integer is kept if it is written again as it came: 2^53 and smaller, or what JSON itself says for a larger one. */
const assertKept = (source: string): void => {
  const value = Number(source);
  if (Number.isNaN(value)) return;
  const isKept = /^-?\d+$/.test(source) ? Number.isSafeInteger(value) || String(value) === source : Number.isFinite(value);
  if (!isKept) refuse(`the number ${source.slice(0, 40)} cannot be kept as it is; send it as a text`);
};

/** So many characters without an exponent are kept whatever they are. */
const keptCharsMax = 15;

/** Of what begins like a number: digits, `.`, `+`, `-`, `e` and `E`. */
const endOfNumber = (text: string, from: number): number => {
  let at = from + 1;
  let hasExponent = false;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (isDigit(unit) || unit === 0x2e || unit === 0x2b || unit === 0x2d) continue;
    if (unit !== 0x65 && unit !== 0x45) break;
    hasExponent = true;
  }
  if (hasExponent || at - from > keptCharsMax) assertKept(text.slice(from, at));
  return at;
};

const endOfString = (text: string, from: number): number => {
  let at = from;
  for (let unit = text.charCodeAt(at); unit !== quote && at < text.length; unit = text.charCodeAt(at))
    at += unit === backslash ? 2 : 1;
  return at + 1;
};

const assertFit = (text: string, depthMax: number, what: string): void => {
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    if (unit === quote) at = endOfString(text, at + 1);
    else if (isDigit(unit) || unit === 0x2d) at = endOfNumber(text, at);
    else {
      if (unit === 0x5b || unit === 0x7b) depth++;
      else if (unit === 0x5d || unit === 0x7d) depth--;
      if (depth > depthMax) refuse(`${what} has more than ${depthMax} lists and objects inside each other`);
      at++;
    }
  }
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** `what` it is, for a person; throws INVALID_REQUEST. */
export const parseJson = (text: string, depthMax: number, what: string): unknown => {
  assertFit(text, depthMax, what);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return refuse(`${what} is not JSON`);
  }
};

export const parseJsonBytes = (bytes: Uint8Array, depthMax: number, what: string): unknown => {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return refuse(`${what} is not UTF-8`);
  }
  return parseJson(text, depthMax, what);
};

// ---------------------------------------------------------------- twice

const space = /[ \t\r\n]*/y;

/** The field of an object that is there twice, of which `JSON.parse` keeps the last and says nothing. The text is JSON. */
export const fieldGivenTwice = (text: string): string | null => {
  /** Of each object or list that is open; lists have no names. */
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    if (unit !== quote) {
      if (unit === 0x7b) open.push(new Set());
      else if (unit === 0x5b) open.push(null);
      else if (unit === 0x7d || unit === 0x5d) open.pop();
      at++;
      continue;
    }
    const end = endOfString(text, at + 1);
    space.lastIndex = end;
    space.exec(text);
    const names = open.at(-1);
    if (names != null && text[space.lastIndex] === ':') {
      const name = JSON.parse(text.slice(at, end)) as string;
      if (names.has(name)) return name;
      names.add(name);
    }
    at = end;
  }
  return null;
};
