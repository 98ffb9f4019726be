// Fields of requests, checked one by one: each check gives a value of the right form whatever comes, and remembers the first thing that
// is wrong. Fields nobody knows are refused, since a misspelt `ttlMs` must not make a key that lives for ever.
import { type ErrorCode, type Failure, failure } from '../errors.ts';
import { limits } from '../wire/limits.ts';
import { isWellFormed, utf8Length } from '../wire/octets.ts';
import type { FencingToken } from './types.ts';

export type Parsed<T> = { ok: true; value: T } | { ok: false; failure: Failure };

/** The first thing that is wrong. */
export type Check = { failure: Failure | null };
export type Fields = Record<string, unknown>;

export const wrong = (check: Check, message: string, code: ErrorCode = 'INVALID_REQUEST'): void => {
  check.failure ??= failure(code, message);
};

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

export const fieldsOf = (check: Check, what: string, value: unknown, known: readonly string[]): Fields => {
  if (!isFields(value)) {
    wrong(check, `${what} must be an object`);
    return {};
  }
  for (const name of Object.keys(value))
    if (!known.includes(name)) wrong(check, `${what} has no field '${name.slice(0, 40)}'; it has ${known.join(', ')}`);
  return value;
};

export const textOf = (check: Check, what: string, value: unknown, bytesMax: number): string => {
  if (typeof value !== 'string') {
    wrong(check, `${what} must be a string`);
    return '';
  }
  // A UTF-16 unit is at least one byte of UTF-8: no need to walk through what is too long by far.
  if (value.length > bytesMax || utf8Length(value) > bytesMax)
    wrong(check, `${what} is longer than ${bytesMax} bytes`, 'TOO_LARGE');
  else if (!isWellFormed(value)) wrong(check, `${what} is not well-formed Unicode`);
  else if (value.includes('\0')) wrong(check, `${what} contains NUL`);
  return value;
};

export const nameOf = (check: Check, what: string, value: unknown, bytesMax: number): string => {
  if (value === '') wrong(check, `${what} must not be empty`);
  return textOf(check, what, value, bytesMax);
};

export const keyOf = (check: Check, value: unknown): string => nameOf(check, 'key', value, limits.keyBytesMax);
export const idOf = (check: Check, what: string, value: unknown): string =>
  nameOf(check, what, value, limits.registerIdBytesMax);

export const bytesOf = (check: Check, what: string, value: unknown, bytesMax: number): Uint8Array => {
  if (!(value instanceof Uint8Array)) {
    wrong(check, `${what} must be bytes`);
    return new Uint8Array(0);
  }
  if (value.byteLength > bytesMax) wrong(check, `${what} has ${value.byteLength} bytes, at most ${bytesMax}`, 'TOO_LARGE');
  return value;
};

export const countOf = (check: Check, what: string, value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  wrong(check, `${what} must be a whole number from 0 to 2^53 - 1`);
  return 0;
};

export const ttlOf = (check: Check, value: unknown): number => {
  const { ttlMsMin, ttlMsMax } = limits;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= ttlMsMin && value <= ttlMsMax) return value;
  wrong(check, `ttlMs must be a whole number of milliseconds from ${ttlMsMin} to ${ttlMsMax}`);
  return 0;
};

export const tokenOf = (check: Check, value: unknown): FencingToken => {
  const fields = fieldsOf(check, 'token', value, ['term', 'index']);
  return { term: countOf(check, 'token.term', fields.term), index: countOf(check, 'token.index', fields.index) };
};

export const parsed = <T>(check: Check, value: T | null): Parsed<T> => {
  if (check.failure !== null) return { ok: false, failure: check.failure };
  return value === null ? { ok: false, failure: failure('INVALID_REQUEST', 'the request is malformed') } : { ok: true, value };
};
