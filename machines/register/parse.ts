// What a user or another node asks for, checked field by field: a write or read of ours, or a failure that names the field. Fields
// nobody knows are refused, since a misspelt `ttlMs` must not make a key that lives for ever.
import { type ErrorCode, type Failure, failure } from '../errors.ts';
import { limits } from '../wire/limits.ts';
import { isWellFormed, utf8Length } from '../wire/octets.ts';
import { isSessionId } from './command.ts';
import type { Condition, Fence, FencingToken, RegisterRead, RegisterWrite } from './types.ts';

export type Parsed<T> = { ok: true; value: T } | { ok: false; failure: Failure };

/** The first thing that is wrong. */
type Check = { failure: Failure | null };
type Fields = Record<string, unknown>;

const wrong = (check: Check, message: string, code: ErrorCode = 'INVALID_REQUEST'): void => {
  check.failure ??= failure(code, message);
};

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

const fieldsOf = (check: Check, what: string, value: unknown, known: readonly string[]): Fields => {
  if (!isFields(value)) {
    wrong(check, `${what} must be an object`);
    return {};
  }
  for (const name of Object.keys(value))
    if (!known.includes(name)) wrong(check, `${what} has no field '${name.slice(0, 40)}'; it has ${known.join(', ')}`);
  return value;
};

const textOf = (check: Check, what: string, value: unknown, bytesMax: number): string => {
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

const nameOf = (check: Check, what: string, value: unknown, bytesMax: number): string => {
  if (value === '') wrong(check, `${what} must not be empty`);
  return textOf(check, what, value, bytesMax);
};

const keyOf = (check: Check, value: unknown): string => nameOf(check, 'key', value, limits.keyBytesMax);
const idOf = (check: Check, what: string, value: unknown): string => nameOf(check, what, value, limits.registerIdBytesMax);

const bytesOf = (check: Check, what: string, value: unknown, bytesMax: number): Uint8Array => {
  if (!(value instanceof Uint8Array)) {
    wrong(check, `${what} must be bytes`);
    return new Uint8Array(0);
  }
  if (value.byteLength > bytesMax) wrong(check, `${what} has ${value.byteLength} bytes, at most ${bytesMax}`, 'TOO_LARGE');
  return value;
};

const countOf = (check: Check, what: string, value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  wrong(check, `${what} must be a whole number from 0 to 2^53 - 1`);
  return 0;
};

const ttlOf = (check: Check, value: unknown): number => {
  const { ttlMsMin, ttlMsMax } = limits;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= ttlMsMin && value <= ttlMsMax) return value;
  wrong(check, `ttlMs must be a whole number of milliseconds from ${ttlMsMin} to ${ttlMsMax}`);
  return 0;
};

const tokenOf = (check: Check, value: unknown): FencingToken => {
  const fields = fieldsOf(check, 'token', value, ['term', 'index']);
  return { term: countOf(check, 'token.term', fields.term), index: countOf(check, 'token.index', fields.index) };
};

const conditionOf = (check: Check, value: unknown): Condition => {
  const kind = isFields(value) ? value.kind : undefined;
  if (kind === 'value') {
    const fields = fieldsOf(check, 'condition', value, ['kind', 'value']);
    return { kind, value: bytesOf(check, 'condition.value', fields.value, limits.conditionValueBytesMax) };
  }
  if (kind === 'index') {
    const fields = fieldsOf(check, 'condition', value, ['kind', 'index']);
    return { kind, index: countOf(check, 'condition.index', fields.index) };
  }
  wrong(check, `condition.kind must be 'value' or 'index'`);
  return { kind: 'index', index: 0 };
};

const fenceOf = (check: Check, value: unknown): Fence => {
  const fields = fieldsOf(check, 'fence', value, ['lock', 'token']);
  return { lock: idOf(check, 'fence.lock', fields.lock), token: tokenOf(check, fields.token) };
};

const guardsOf = (check: Check, fields: Fields): { condition?: Condition; fence?: Fence } => ({
  ...(fields.condition === undefined ? {} : { condition: conditionOf(check, fields.condition) }),
  ...(fields.fence === undefined ? {} : { fence: fenceOf(check, fields.fence) }),
});

// ---------------------------------------------------------------- writes

const fieldsOfWrite = {
  put: ['op', 'key', 'value', 'condition', 'fence', 'ttlMs', 'lease'],
  delete: ['op', 'key', 'condition', 'fence'],
  'lease-grant': ['op', 'lease', 'ttlMs'],
  'lease-renew': ['op', 'lease'],
  'lease-revoke': ['op', 'lease'],
  'lock-acquire': ['op', 'lock', 'lease', 'owner'],
  'lock-release': ['op', 'lock', 'token'],
} as const satisfies Record<Exclude<RegisterWrite['op'], 'expire'>, readonly string[]>;

const writeOf = (check: Check, value: unknown): RegisterWrite | null => {
  const op = isFields(value) ? value.op : undefined;
  if (typeof op !== 'string' || !Object.hasOwn(fieldsOfWrite, op)) {
    wrong(check, `op must be one of ${Object.keys(fieldsOfWrite).join(', ')}`);
    return null;
  }
  const known = op as keyof typeof fieldsOfWrite;
  const fields = fieldsOf(check, `a ${known}`, value, fieldsOfWrite[known]);
  switch (known) {
    case 'put':
      return {
        op: known,
        key: keyOf(check, fields.key),
        value: bytesOf(check, 'value', fields.value, limits.valueBytesMax),
        ...guardsOf(check, fields),
        ...(fields.ttlMs === undefined ? {} : { ttlMs: ttlOf(check, fields.ttlMs) }),
        ...(fields.lease === undefined ? {} : { lease: idOf(check, 'lease', fields.lease) }),
      };
    case 'delete':
      return { op: known, key: keyOf(check, fields.key), ...guardsOf(check, fields) };
    case 'lease-grant':
      return { op: known, lease: idOf(check, 'lease', fields.lease), ttlMs: ttlOf(check, fields.ttlMs) };
    case 'lease-renew':
    case 'lease-revoke':
      return { op: known, lease: idOf(check, 'lease', fields.lease) };
    case 'lock-acquire':
      return {
        op: known,
        lock: idOf(check, 'lock', fields.lock),
        lease: idOf(check, 'lease', fields.lease),
        owner: idOf(check, 'owner', fields.owner),
      };
    case 'lock-release':
      return { op: known, lock: idOf(check, 'lock', fields.lock), token: tokenOf(check, fields.token) };
  }
};

const parsed = <T>(check: Check, value: T | null): Parsed<T> => {
  if (check.failure !== null) return { ok: false, failure: check.failure };
  return value === null ? { ok: false, failure: failure('INVALID_REQUEST', 'the request is malformed') } : { ok: true, value };
};

/** A write as users may ask for it; `expire` is the leader's own. Byte arrays are kept, not copied. */
export const parseWrite = (value: unknown): Parsed<RegisterWrite> => {
  const check: Check = { failure: null };
  return parsed(check, writeOf(check, value));
};

export const parseIdempotencyKey = (value: unknown): Parsed<string> => {
  if (typeof value === 'string' && isSessionId(value)) return { ok: true, value };
  const message = `an idempotency key has 1 to ${limits.idempotencyKeyCharsMax} printable ASCII characters`;
  return { ok: false, failure: failure('INVALID_REQUEST', message) };
};

// ---------------------------------------------------------------- reads

const fieldsOfRead = {
  get: ['op', 'key'],
  list: ['op', 'prefix', 'after', 'limit'],
  'lock-get': ['op', 'lock'],
  'lease-get': ['op', 'lease'],
} as const satisfies Record<RegisterRead['op'], readonly string[]>;

const limitOf = (check: Check, value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= limits.listItemsMax) return value;
  wrong(check, `limit must be a whole number from 1 to ${limits.listItemsMax}`);
  return 1;
};

const readOf = (check: Check, value: unknown): RegisterRead | null => {
  const op = isFields(value) ? value.op : undefined;
  if (typeof op !== 'string' || !Object.hasOwn(fieldsOfRead, op)) {
    wrong(check, `op must be one of ${Object.keys(fieldsOfRead).join(', ')}`);
    return null;
  }
  const known = op as keyof typeof fieldsOfRead;
  const fields = fieldsOf(check, `a ${known}`, value, fieldsOfRead[known]);
  switch (known) {
    case 'get':
      return { op: known, key: keyOf(check, fields.key) };
    case 'list':
      return {
        op: known,
        prefix: textOf(check, 'prefix', fields.prefix, limits.keyBytesMax),
        ...(fields.after === undefined ? {} : { after: textOf(check, 'after', fields.after, limits.keyBytesMax) }),
        limit: limitOf(check, fields.limit),
      };
    case 'lock-get':
      return { op: known, lock: idOf(check, 'lock', fields.lock) };
    case 'lease-get':
      return { op: known, lease: idOf(check, 'lease', fields.lease) };
  }
};

export const parseRead = (value: unknown): Parsed<RegisterRead> => {
  const check: Check = { failure: null };
  return parsed(check, readOf(check, value));
};
