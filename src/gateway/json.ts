// JSON from outside, of which a value becomes data that stays. `JSON.parse` alone would take what nobody meant: integers whose last
// digits it makes up, 1e999 as infinity, and depths that break whoever walks through them; so the text is looked at first.
import { refuse } from './query.ts';

const quote = 0x22;
const backslash = 0x5c;

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39;

const numberAt = /-?\d[\d.eE+-]*/y;

/** An integer is kept if it is written again as it came: 2^53 and smaller, or what JSON itself says for a larger one. */
const assertKept = (source: string): void => {
  const value = Number(source);
  if (Number.isNaN(value)) return;
  const isKept = /^-?\d+$/.test(source) ? Number.isSafeInteger(value) || String(value) === source : Number.isFinite(value);
  if (!isKept) refuse(`the number ${source.slice(0, 40)} cannot be kept as it is; send it as a text`);
};

const endOfString = (text: string, from: number): number => {
  let at = from;
  for (let unit = text.charCodeAt(at); unit !== quote && at < text.length; unit = text.charCodeAt(at))
    at += unit === backslash ? 2 : 1;
  return at + 1;
};

const assertFit = (text: string, depthMax: number): void => {
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const unit = text.charCodeAt(at);
    if (unit === quote) at = endOfString(text, at + 1);
    else if (isDigit(unit) || unit === 0x2d) {
      numberAt.lastIndex = at;
      const source = numberAt.exec(text)?.[0] ?? '-';
      assertKept(source);
      at += source.length;
    } else {
      if (unit === 0x5b || unit === 0x7b) depth++;
      else if (unit === 0x5d || unit === 0x7d) depth--;
      if (depth > depthMax) refuse(`the body has more than ${depthMax} lists and objects inside each other`);
      at++;
    }
  }
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

export const parseJson = (body: Uint8Array, depthMax: number): unknown => {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    return refuse('the body is not UTF-8');
  }
  assertFit(text, depthMax);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return refuse('the body is not JSON');
  }
};
