// What calls carry, as JSON: the same for the gateway, the client and the command line. Bytes are written as replicated data writes them,
// `{"$base64":"…"}`.

import { parseJson, parseJsonBytes } from './json.ts';
import { base64Of, plainOf } from './replica-json.ts';

const depthMax = 64;

/** An input, or one item, as it came; throws INVALID_REQUEST. Nothing is null. */
export const valueOfBytes = (bytes: Uint8Array, what: string): unknown =>
  bytes.byteLength === 0 ? null : plainOf(parseJsonBytes(bytes, depthMax, what));

export const valueOfText = (text: string, what: string): unknown =>
  text.trim() === '' ? null : plainOf(parseJson(text, depthMax, what));

const write = (value: unknown, depth: number): string | null => {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value);
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : null;
  if (typeof value !== 'object' || depth >= depthMax) return null;
  if (value instanceof Uint8Array) return `{"$base64":"${base64Of(value)}"}`;
  if (Array.isArray(value))
    return joined(
      value.map((item) => write(item, depth + 1)),
      '[',
      ']',
    );
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (prototype !== Object.prototype && prototype !== null) return null;
  const fields = Object.entries(value).filter(([, item]) => item !== undefined);
  // A record of the user's that looks like bytes has one `$` more.
  const isLike = fields.length === 1 && /^\$+base64$/.test(fields[0]![0]);
  const named = ([name, item]: [string, unknown]): string | null => {
    const text = write(item, depth + 1);
    return text === null ? null : `${JSON.stringify(isLike ? `$${name}` : name)}:${text}`;
  };
  return joined(fields.map(named), '{', '}');
};

const joined = (parts: (string | null)[], open: string, close: string): string | null =>
  parts.includes(null) ? null : `${open}${parts.join()}${close}`;

/** Null: it holds what JSON cannot carry (a function, a Date, a circle), or throws when it is read. A handler may give that to calls of its own node. */
export const jsonOfValue = (value: unknown): string | null => {
  try {
    return write(value, 0);
  } catch {
    // A getter of it threw.
    return null;
  }
};
