// A failure that comes from a peer: taken as far as it makes sense, and no larger than it may be.
import { type ErrorCode, errorTable, type Failure } from '../errors.ts';

const messageCharsMax = 1_000;
const detailsMax = 16;
const detailCharsMax = 1_024;

const isPlain = (value: unknown): value is string | number | boolean | null =>
  value === null ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && value.length <= detailCharsMax);

/** A known code, bounded text, plain details. Null: it is none. */
export const parseFailure = (value: unknown): Failure | null => {
  if (typeof value !== 'object' || value === null) return null;
  const { code, message, details } = value as Record<string, unknown>;
  if (typeof code !== 'string' || !Object.hasOwn(errorTable, code) || typeof message !== 'string') return null;
  const known = { code: code as ErrorCode, message: message.slice(0, messageCharsMax) };
  if (typeof details !== 'object' || details === null) return known;
  const entries = Object.entries(details).filter((entry): entry is [string, string | number | boolean | null] =>
    isPlain(entry[1]),
  );
  return { ...known, details: Object.fromEntries(entries.slice(0, detailsMax)) };
};
