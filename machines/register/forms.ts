// Requests and outcomes as they travel between nodes, inside an envelope's body: compact arrays in, checked values out, null for
// whatever a node of ours would not have sent.
import { errorTable, type Failure } from '../errors.ts';
import { formQueueResult, isQueueOp, parseQueueResult } from '../queue/index.ts';
import type { QueueResult } from '../queue/types.ts';
import { limits } from '../wire/limits.ts';
import { decodeCommand, encodeCommand } from './command.ts';
import { parseRead } from './parse.ts';
import { formTopicResult, isTopicOp, isTopicResult, parseTopicResult } from './topic/forms.ts';
import type { TopicResult } from './topic/types.ts';
import type { FencingToken, KeyValue, RegisterOutcome, RegisterRead, RegisterResult, RegisterWrite } from './types.ts';

// ---------------------------------------------------------------- requests

export type WriteRequest = { write: RegisterWrite; idempotencyKey: string | null };
export type ReadRequest = { read: RegisterRead; lease: boolean };

/** A write travels as the very bytes that the log will carry. */
export const formRequestWrite = ({ write, idempotencyKey }: WriteRequest): Uint8Array =>
  encodeCommand(idempotencyKey === null ? { write } : { write, session: { id: idempotencyKey } });

/** Nobody asks for these. */
const isOfLeader = ({ op }: RegisterWrite): boolean => op === 'expire' || op === 'actors' || op === 'entries';

export const parseRequestWrite = (body: unknown): WriteRequest | null => {
  const command = body instanceof Uint8Array ? decodeCommand(body) : null;
  if (command === null || isOfLeader(command.write)) return null;
  return { write: command.write, idempotencyKey: command.session?.id ?? null };
};

export const formRequestRead = ({ read, lease }: ReadRequest): unknown => [read, lease];

export const parseRequestRead = (body: unknown): ReadRequest | null => {
  if (!Array.isArray(body) || body.length !== 2) return null;
  const [value, lease] = body as unknown[];
  const read = parseRead(value);
  return read.ok && typeof lease === 'boolean' ? { read: read.value, lease } : null;
};

// ---------------------------------------------------------------- results

const formToken = (token: FencingToken): unknown => [token.term, token.index];

const formKeyValue = (found: KeyValue): unknown => [
  found.key,
  found.value,
  found.index,
  found.term,
  found.createIndex,
  found.version,
  found.expiresAtMs,
  found.lease,
];

const isQueueResult = (result: RegisterResult): result is QueueResult => isQueueOp(result.op);

/** `[op, index, …]`, the rest by op. */
export const formResult = (result: RegisterResult): unknown => {
  if (isQueueResult(result)) return formQueueResult(result);
  if (isTopicResult(result)) return formTopicResult(result);
  const head = [result.op, result.index];
  switch (result.op) {
    case 'put':
    case 'delete':
      return [...head, result.term, result.key];
    case 'lease-grant':
    case 'lease-renew':
    case 'lease-revoke':
      return [...head, result.term, result.lease, result.expiresAtMs];
    case 'lock-acquire':
    case 'lock-release':
      return [...head, result.term, result.lock, formToken(result.token)];
    case 'expire':
    case 'actors':
    case 'entries':
      return [...head, result.term];
    case 'get':
      return [...head, result.found === null ? null : formKeyValue(result.found)];
    case 'list':
      return [...head, result.items.map(formKeyValue), result.more];
    case 'lock-get': {
      const { holder } = result;
      return [...head, holder === null ? null : [holder.owner, holder.lease, formToken(holder.token)]];
    }
    case 'lease-get':
      return [...head, result.lease === null ? null : [result.lease.ttlMs, result.lease.expiresAtMs]];
  }
};

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isKey = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limits.keyBytesMax;
const isId = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limits.registerIdBytesMax;

const parseToken = (value: unknown): FencingToken | null => {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [term, index] = value as unknown[];
  return isCount(term) && isCount(index) ? { term, index } : null;
};

const parseKeyValue = (form: unknown): KeyValue | null => {
  if (!Array.isArray(form) || form.length !== 8) return null;
  const [key, value, index, term, createIndex, version, expiresAtMs, lease] = form as unknown[];
  if (!isKey(key) || !(value instanceof Uint8Array) || value.byteLength > limits.valueBytesMax) return null;
  if (!isCount(index) || !isCount(term) || !isCount(createIndex) || !isCount(version)) return null;
  if (!(expiresAtMs === null || isCount(expiresAtMs)) || !(lease === null || isId(lease))) return null;
  return { key, value, index, term, createIndex, version, expiresAtMs, lease };
};

const parseList = (form: unknown): KeyValue[] | null => {
  if (!Array.isArray(form) || form.length > limits.listItemsMax) return null;
  const items = (form as unknown[]).map(parseKeyValue);
  return items.includes(null) ? null : (items as KeyValue[]);
};

const parseHolder = (form: unknown): { owner: string; lease: string; token: FencingToken } | null => {
  if (!Array.isArray(form) || form.length !== 3) return null;
  const [owner, lease, tokenForm] = form as unknown[];
  const token = parseToken(tokenForm);
  return isId(owner) && isId(lease) && token !== null ? { owner, lease, token } : null;
};

type OwnOp = Exclude<RegisterResult['op'], 'actors' | 'entries' | QueueResult['op'] | TopicResult['op']>;

/** How many elements the form of each result has. */
const lengths: Record<OwnOp, number> = {
  put: 4,
  delete: 4,
  'lease-grant': 5,
  'lease-renew': 5,
  'lease-revoke': 5,
  'lock-acquire': 5,
  'lock-release': 5,
  expire: 3,
  get: 3,
  list: 4,
  'lock-get': 3,
  'lease-get': 3,
};

export const parseResult = (form: unknown): RegisterResult | null => {
  if (!Array.isArray(form)) return null;
  if (isQueueOp(form[0])) return parseQueueResult(form);
  if (isTopicOp(form[0])) return parseTopicResult(form);
  const [op, index, ...rest] = form as [OwnOp, unknown, ...unknown[]];
  if (typeof op !== 'string' || !Object.hasOwn(lengths, op) || form.length !== lengths[op] || !isCount(index)) return null;
  return lengths[op] === 3 && op !== 'expire' ? parseAnswer(op, index, rest) : parseWritten(op, index, rest);
};

const parseWritten = (op: OwnOp, index: number, rest: unknown[]): RegisterResult | null => {
  const [term, name, extra] = rest;
  if (op === 'list') {
    const items = parseList(rest[0]);
    return items !== null && typeof rest[1] === 'boolean' ? { op, items, more: rest[1], index } : null;
  }
  if (!isCount(term)) return null;
  switch (op) {
    case 'put':
    case 'delete':
      return isKey(name) ? { op, key: name, index, term } : null;
    case 'lease-grant':
    case 'lease-renew':
    case 'lease-revoke':
      return isId(name) && isCount(extra) ? { op, lease: name, index, term, expiresAtMs: extra } : null;
    case 'lock-acquire':
    case 'lock-release': {
      const token = parseToken(extra);
      return isId(name) && token !== null ? { op, lock: name, token, index, term } : null;
    }
    case 'expire':
      return { op, index, term };
    default:
      return null;
  }
};

const parseAnswer = (op: OwnOp, index: number, [form]: unknown[]): RegisterResult | null => {
  if (op === 'get') {
    const found = form === null ? null : parseKeyValue(form);
    return form !== null && found === null ? null : { op, found, index };
  }
  if (op === 'lock-get') {
    const holder = form === null ? null : parseHolder(form);
    return form !== null && holder === null ? null : { op, holder, index };
  }
  if (op !== 'lease-get') return null;
  if (form === null) return { op, lease: null, index };
  if (!Array.isArray(form) || form.length !== 2) return null;
  const [ttlMs, expiresAtMs] = form as unknown[];
  return isCount(ttlMs) && isCount(expiresAtMs) ? { op, lease: { ttlMs, expiresAtMs }, index } : null;
};

// ---------------------------------------------------------------- outcomes

const messageCharsMax = 1_000;
const detailsMax = 16;
const detailCharsMax = 1_024;

export const formOutcome = (outcome: RegisterOutcome): unknown => {
  if (outcome.ok) return [true, formResult(outcome.result)];
  const { code, message, details } = outcome.failure;
  return [false, code, message, details ?? null];
};

const isDetail = (value: unknown): value is string | number | boolean | null =>
  value === null ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && value.length <= detailCharsMax);

const parseFailure = ([code, message, details]: unknown[]): Failure | null => {
  if (typeof code !== 'string' || !Object.hasOwn(errorTable, code)) return null;
  if (typeof message !== 'string' || message.length > messageCharsMax) return null;
  const known = { code: code as Failure['code'], message };
  if (details === null) return known;
  if (typeof details !== 'object' || Array.isArray(details)) return null;
  const entries = Object.entries(details as Record<string, unknown>);
  if (entries.length > detailsMax || !entries.every(([, value]) => isDetail(value))) return null;
  return { ...known, details: Object.fromEntries(entries) as NonNullable<Failure['details']> };
};

export const parseOutcome = (form: unknown): RegisterOutcome | null => {
  if (!Array.isArray(form)) return null;
  const [ok, ...rest] = form as unknown[];
  if (ok === true && rest.length === 1) {
    const result = parseResult(rest[0]);
    return result === null ? null : { ok: true, result };
  }
  const why = ok === false && rest.length === 3 ? parseFailure(rest) : null;
  return why === null ? null : { ok: false, failure: why };
};
