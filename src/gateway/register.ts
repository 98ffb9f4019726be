// The register service over HTTP: keys, leases and locks. Parameters become one write or read of the register's own words, which
// the register's own parser checks; what the node answers becomes JSON.
import { createHash, randomBytes } from 'node:crypto';
import type { NodeApi } from '../../actors/api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import {
  type Condition,
  type Fence,
  parseIdempotencyKey,
  parseRead,
  parseWrite,
  type RegisterRead,
  type RegisterResult,
  type RegisterWrite,
} from '../../machines/register/index.ts';
import { limits } from '../../machines/wire/limits.ts';
import { PolityError } from '../errors.ts';
import { bufferOf, keyValueFields, parseTokenText, tokenText, writtenJson } from './answers.ts';
import { callOptionsOf, callParameters, type Exchange } from './exchange.ts';
import { Query, refuse, restOfPath, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const consistencies = ['linearizable', 'lease', 'local'] as const;
const listLimitDefault = 100;

const checked = <Value>(parsed: { ok: true; value: Value } | { ok: false; failure: Failure }): Value => {
  if (parsed.ok) return parsed.value;
  throw new PolityError(parsed.failure);
};

const idempotencyKeyOf = (exchange: Exchange): string | undefined => {
  const header = exchange.request.raw.headers['idempotency-key'];
  return header === undefined ? undefined : checked(parseIdempotencyKey(header));
};

const write = (exchange: Exchange, api: NodeApi, query: Query, asked: RegisterWrite): void => {
  const wanted = checked(parseWrite(asked));
  const idempotencyKey = idempotencyKeyOf(exchange);
  const options = { ...callOptionsOf(query), ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
  exchange.effect = true;
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  api.write(wanted, options, (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    const json = writtenJson(outcome.value);
    if (json === null) exchange.problem(failure('INTERNAL', `the node answered a ${wanted.op} with a ${outcome.value.op}`));
    else exchange.json(json);
  });
};

type Answered<Op extends RegisterRead['op']> = Extract<RegisterResult, { op: Op }>;

const read = <Op extends RegisterRead['op']>(
  exchange: Exchange,
  api: NodeApi,
  query: Query,
  asked: Extract<RegisterRead, { op: Op }>,
  answer: (result: Answered<Op>) => void,
): void => {
  const wanted = checked(parseRead(asked));
  const options = {
    ...callOptionsOf(query),
    consistency: query.oneOf('consistency', consistencies) ?? ('linearizable' as const),
  };
  exchange.overdueAtMs = performance.now() + options.timeoutMs;
  api.read(wanted, options, (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    if (outcome.value.op === asked.op) return answer(outcome.value as Answered<Op>);
    exchange.problem(failure('INTERNAL', `the node answered a ${asked.op} with a ${outcome.value.op}`));
  });
};

// ---------------------------------------------------------------- keys

const readParameters = [...callParameters, 'consistency'] as const;
const guardParameters = ['if-value', 'if-index', 'fence'] as const;

const conditionOf = (query: Query): Condition | undefined => {
  const value = query.bytes('if-value');
  const index = query.count('if-index', 0, Number.MAX_SAFE_INTEGER);
  if (value !== undefined && index !== undefined) return refuse('give if-value or if-index, not both');
  if (value !== undefined) return { kind: 'value', value };
  return index === undefined ? undefined : { kind: 'index', index };
};

/** `?fence=LOCK:TERM.INDEX`; the lock's name may hold colons itself. */
const fenceOf = (query: Query): Fence | undefined => {
  const text = query.text('fence');
  if (text === undefined) return undefined;
  const colon = text.lastIndexOf(':');
  const token = parseTokenText(text.slice(colon + 1));
  if (colon < 1 || token === null) return refuse('fence must be LOCK:TERM.INDEX, with the token that the lock was granted');
  return { lock: text.slice(0, colon), token };
};

const guardsOf = (query: Query): { condition?: Condition; fence?: Fence } => {
  const condition = conditionOf(query);
  const fence = fenceOf(query);
  return { ...(condition === undefined ? {} : { condition }), ...(fence === undefined ? {} : { fence }) };
};

const keyOf = (exchange: Exchange): string => {
  const key = restOfPath(exchange.url, 2, 'the key');
  return key === '' ? refuse('the key must not be empty') : key;
};

const putParameters = [...callParameters, ...guardParameters, 'ttl-ms', 'lease'] as const;

const put = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, putParameters);
  const ttlMs = query.count('ttl-ms', limits.ttlMsMin, limits.ttlMsMax);
  const lease = query.text('lease');
  write(exchange, api, query, {
    ...{ op: 'put', key: keyOf(exchange), value: exchange.body },
    ...guardsOf(query),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(lease === undefined ? {} : { lease }),
  });
};

const deleteParameters = [...callParameters, ...guardParameters] as const;

const remove = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, deleteParameters);
  write(exchange, api, query, { op: 'delete', key: keyOf(exchange), ...guardsOf(query) });
};

const getParameters = [...readParameters, 'raw'] as const;

const get = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, getParameters);
  const key = keyOf(exchange);
  const raw = query.flag('raw');
  read(exchange, api, query, { op: 'get', key }, ({ found, index }) => {
    if (found === null) return exchange.problem(failure('KEY_NOT_FOUND', `there is no key '${key}'`, { index }));
    if (!raw) return exchange.json(JSON.stringify(keyValueFields(found)));
    const headers = {
      // Bytes of a stranger: no browser shall take them for a page.
      ...{ 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' },
      ...{ 'polity-index': String(found.index), 'polity-term': String(found.term), 'polity-version': String(found.version) },
    };
    exchange.send(200, headers, bufferOf(found.value));
  });
};

const listParameters = [...readParameters, 'prefix', 'after', 'limit'] as const;

const list = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, listParameters);
  const after = query.text('after');
  const limit = query.count('limit', 1, limits.listItemsMax) ?? listLimitDefault;
  const asked = { op: 'list' as const, prefix: query.text('prefix') ?? '', limit, ...(after === undefined ? {} : { after }) };
  read(exchange, api, query, asked, ({ items, more, index }) => {
    exchange.json(JSON.stringify({ items: items.map(keyValueFields), more, index }));
  });
};

// ---------------------------------------------------------------- leases

/** A retry under the same idempotency key must ask for the same lease, or it would be another request. */
const newLeaseId = (idempotencyKey: string | undefined): string =>
  idempotencyKey === undefined
    ? randomBytes(12).toString('hex')
    : createHash('sha256').update(`lease\n${idempotencyKey}`).digest('hex').slice(0, 24);

const leaseOf = (exchange: Exchange): string => segmentOfPath(exchange.url, 2, 'the lease');

const grant = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const { ttlMs, lease } = exchange.fields(['ttlMs', 'lease']);
  const id = lease ?? newLeaseId(idempotencyKeyOf(exchange));
  // The register's parser says which field is wrong.
  write(exchange, api, query, { op: 'lease-grant', lease: id as string, ttlMs: ttlMs as number });
};

const renew = (exchange: Exchange, api: NodeApi): void =>
  write(exchange, api, Query.of(exchange.url, callParameters), { op: 'lease-renew', lease: leaseOf(exchange) });

const revoke = (exchange: Exchange, api: NodeApi): void =>
  write(exchange, api, Query.of(exchange.url, callParameters), { op: 'lease-revoke', lease: leaseOf(exchange) });

const getLease = (exchange: Exchange, api: NodeApi): void => {
  const lease = leaseOf(exchange);
  read(exchange, api, Query.of(exchange.url, readParameters), { op: 'lease-get', lease }, (result) => {
    if (result.lease === null)
      exchange.problem(failure('LEASE_NOT_FOUND', `there is no lease '${lease}'`, { index: result.index }));
    else exchange.json(JSON.stringify({ lease, ...result.lease, index: result.index }));
  });
};

// ---------------------------------------------------------------- locks

const lockOf = (exchange: Exchange): string => segmentOfPath(exchange.url, 2, 'the lock');

const acquire = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, callParameters);
  const { lease, owner } = exchange.fields(['lease', 'owner']);
  write(exchange, api, query, { op: 'lock-acquire', lock: lockOf(exchange), lease: lease as string, owner: owner as string });
};

const releaseParameters = [...callParameters, 'token'] as const;

const release = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, releaseParameters);
  const token = parseTokenText(query.text('token') ?? '');
  if (token === null) return refuse('token must be TERM.INDEX, as the lock was granted');
  write(exchange, api, query, { op: 'lock-release', lock: lockOf(exchange), token });
};

const getLock = (exchange: Exchange, api: NodeApi): void => {
  const lock = lockOf(exchange);
  read(exchange, api, Query.of(exchange.url, readParameters), { op: 'lock-get', lock }, ({ holder, index }) => {
    if (holder === null) return exchange.problem(failure('NOT_FOUND', `nobody holds the lock '${lock}'`, { index }));
    exchange.json(JSON.stringify({ lock, owner: holder.owner, lease: holder.lease, token: tokenText(holder.token), index }));
  });
};

export const registerRoutes: readonly Route[] = [
  { method: 'PUT', path: '/v1/kv/*', handle: put },
  { method: 'DELETE', path: '/v1/kv/*', handle: remove },
  { method: 'GET', path: '/v1/kv/*', handle: get },
  { method: 'GET', path: '/v1/kv', handle: list },
  { method: 'POST', path: '/v1/leases', handle: grant },
  { method: 'PUT', path: '/v1/leases/:lease', handle: renew },
  { method: 'DELETE', path: '/v1/leases/:lease', handle: revoke },
  { method: 'GET', path: '/v1/leases/:lease', handle: getLease },
  { method: 'POST', path: '/v1/locks/:lock', handle: acquire },
  { method: 'DELETE', path: '/v1/locks/:lock', handle: release },
  { method: 'GET', path: '/v1/locks/:lock', handle: getLock },
];
