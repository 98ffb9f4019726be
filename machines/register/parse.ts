// What a user or another node asks for, checked field by field: a write or read of ours, or a failure that names the field.
import { failure } from '../errors.ts';
import { isQueueReadOp, isQueueWriteOp, queueReadOf, queueWriteOf } from '../queue/index.ts';
import type { QueueRead, QueueWrite } from '../queue/types.ts';
import { limits } from '../wire/limits.ts';
import { isSessionId } from './command.ts';
import {
  bytesOf,
  type Check,
  countOf,
  type Fields,
  fieldsOf,
  idOf,
  isFields,
  keyOf,
  type Parsed,
  parsed,
  textOf,
  tokenOf,
  ttlOf,
  wrong,
} from './fields.ts';
import { isTopicReadOp, isTopicWriteOp, topicReadOf, topicWriteOf } from './topic/parse.ts';
import type { TopicRead, TopicWrite } from './topic/types.ts';
import type { Condition, Fence, RegisterRead, RegisterWrite } from './types.ts';

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
} as const satisfies Record<
  Exclude<RegisterWrite['op'], 'expire' | 'actors' | 'entries' | QueueWrite['op'] | TopicWrite['op']>,
  readonly string[]
>;

const writeOf = (check: Check, value: unknown): RegisterWrite | null => {
  const op = isFields(value) ? value.op : undefined;
  if (typeof op === 'string' && isQueueWriteOp(op)) return queueWriteOf(check, op, value);
  if (isTopicWriteOp(op)) return topicWriteOf(check, op, value);
  if (typeof op !== 'string' || !Object.hasOwn(fieldsOfWrite, op)) {
    wrong(check, `op must be one of ${Object.keys(fieldsOfWrite).join(', ')}, or one of queues or topics`);
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
} as const satisfies Record<Exclude<RegisterRead['op'], QueueRead['op'] | TopicRead['op']>, readonly string[]>;

const limitOf = (check: Check, value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= limits.listItemsMax) return value;
  wrong(check, `limit must be a whole number from 1 to ${limits.listItemsMax}`);
  return 1;
};

const readOf = (check: Check, value: unknown): RegisterRead | null => {
  const op = isFields(value) ? value.op : undefined;
  if (typeof op === 'string' && isQueueReadOp(op)) return queueReadOf(check, op, value);
  if (isTopicReadOp(op)) return topicReadOf(check, op, value);
  if (typeof op !== 'string' || !Object.hasOwn(fieldsOfRead, op)) {
    wrong(check, `op must be one of ${Object.keys(fieldsOfRead).join(', ')}, or one of queues or topics`);
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
