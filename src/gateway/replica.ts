// Replicated data over HTTP (decision 6, AP): read, changed and watched at this very node, which asks no other. What the types are called
// here and how their values look in JSON is in ../replica-json.ts.
import type { NodeApi, ReplicaApi } from '../../actors/api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { isKey, replicatorLimits } from '../../machines/replicator/index.ts';
import { strategyNames } from '../../machines/replicator/strategies.ts';
import { limits as wireLimits } from '../../machines/wire/limits.ts';
import { PolityError } from '../errors.ts';
import { parseJsonBytes } from '../json.ts';
import type { Metrics } from '../metrics.ts';
import { isInsideType, isReplicaType, machineTypes, type ReplicaType, replicaTypeOf, replicaTypes } from '../replica-json.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Query, refuse, restOfPath, segmentOfPath } from './query.ts';
import { changeInside, changeOf } from './replica-changes.ts';
import { type AskedObject, headOf, objectJson, readObject } from './replica-values.ts';
import { createReplicaWatches } from './replica-watch.ts';
import type { Route } from './routes.ts';

const listLimitDefault = 100;

/** A value, and the changes of maps inside each other around it. */
const bodyDepthMax = replicatorLimits.depthMax + replicatorLimits.mapsDepthMax + 2;

const typeOf = (name: string): ReplicaType =>
  isReplicaType(name)
    ? name
    : refuse(`there is no replicated type '${name.slice(0, 40)}'; there is ${replicaTypes.join(', ')}`);

/** `/v1/replica/{type}/{key}` from the segment `from` on, with the parameters that say more. */
const askedOf = ({ url }: Exchange, from: number, query: Query): AskedObject => {
  const type = typeOf(segmentOfPath(url, from, 'the type'));
  const key = restOfPath(url, from + 1, 'the key');
  if (!isKey(key)) return refuse(`a key has 1 to ${replicatorLimits.keyBytesMax} bytes of UTF-8 and no control characters`);
  const at = query.steps('at', replicatorLimits.mapsDepthMax) ?? [];
  if (at.length > 0 && !isInsideType(type)) return refuse(`a ${type} cannot be inside of a tree`);
  const entry = query.text('entry');
  if (entry !== undefined && type !== 'map') return refuse('only a map has entries to ask for');
  const conflicts = query.oneOf('conflicts', strategyNames);
  if (conflicts !== undefined && type !== 'register' && type !== 'tree')
    return refuse('only registers, alone or in a tree, keep conflicting values');
  return { type, key, at, entry, conflicts: conflicts ?? 'last-writer' };
};

const assertRead = (api: NodeApi): void => {
  if (api.replica.summary().replica === null)
    throw new PolityError(failure('NOT_READY', `replicated objects on ${api.status().name} are being read from the disk`));
};

// ---------------------------------------------------------------- reading

const readParameters = ['at', 'entry', 'conflicts'] as const;

const nothingAt = ({ type, key, at, entry }: AskedObject): Failure => {
  const inside = at.length === 0 ? '' : `at ${at.join('/')} in the tree `;
  return failure(
    'KEY_NOT_FOUND',
    `there is no ${entry === undefined ? type : `entry '${entry}' in the map`} ${inside}'${key}'`,
  );
};

/** Once the answer has left, or nobody can read it any more: of answers that wait behind another, only the socket says that. */
const onceGone = ({ reply, request }: Exchange, run: () => void): void => {
  const { socket } = request.raw;
  const gone = (): void => {
    reply.raw.off('close', gone);
    socket.off('close', gone);
    run();
  };
  if (socket.destroyed) return run();
  reply.raw.once('close', gone);
  socket.once('close', gone);
};

const createGet = (limits: GatewayLimits): Route['handle'] => {
  /** Values may be large, and whoever asks for many and reads none must not fill the memory with them. */
  let unreadBytes = 0;
  return (exchange, api) => {
    const asked = askedOf(exchange, 2, Query.of(exchange.url, readParameters));
    assertRead(api);
    const json = objectJson(api.replica, asked, limits);
    if (json === null) return exchange.problem(nothingAt(asked));
    const bytes = Buffer.byteLength(json);
    if (unreadBytes + bytes > limits.replicaAnswersBytesMax)
      return exchange.problem(failure('OVERLOADED', `${unreadBytes} bytes of answers wait to be read`));
    unreadBytes += bytes;
    onceGone(exchange, () => void (unreadBytes -= bytes));
    exchange.json(json);
  };
};

/** Whatever has exactly this key, of which there is one a type at most. */
const named = ({ replica }: NodeApi, key: string): { type: string; key: string }[] =>
  replicaTypes.filter((type) => replica.read(machineTypes[type], key) !== undefined).map((type) => ({ type, key }));

/** `TYPE/KEY`, the last one of the page before. */
const afterOf = (query: Query): { after?: { type: string; key: string } } => {
  const after = query.text('after');
  if (after === undefined) return {};
  const slash = after.indexOf('/');
  if (slash === -1) return refuse('after must be TYPE/KEY, the last object of the page before');
  return { after: { type: machineTypes[typeOf(after.slice(0, slash))], key: after.slice(slash + 1) } };
};

const listParameters = ['type', 'prefix', 'after', 'limit', 'key'] as const;

const list = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, listParameters);
  const key = query.text('key');
  if (key !== undefined) {
    Query.of(exchange.url, ['key']);
    assertRead(api);
    return exchange.json(JSON.stringify({ items: named(api, key) }));
  }
  const name = query.text('type');
  const type = name === undefined ? {} : { type: machineTypes[typeOf(name)] };
  const prefix = query.text('prefix') ?? '';
  const limit = query.count('limit', 1, wireLimits.listItemsMax) ?? listLimitDefault;
  assertRead(api);
  const items = api.replica
    .list({ ...type, ...afterOf(query), prefix, limit })
    .map(({ type: machineType, key }) => ({ type: replicaTypeOf(machineType) ?? machineType, key }));
  exchange.json(JSON.stringify({ items }));
};

const summary = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify(api.replica.summary()));
};

// ---------------------------------------------------------------- changing

const changeParameters = ['at', 'timeout-ms'] as const;

/** What became of it, where that is one number or switch. */
const answerOf = (api: ReplicaApi, asked: AskedObject): string => {
  const { type } = asked;
  const head = headOf(asked);
  if (type === 'counter' || type === 'tally') return `${head},"value":${Number(readObject(api, asked) ?? 0)}}`;
  if (type === 'flag' || type === 'off-flag') return `${head},"value":${readObject(api, asked) === true}}`;
  return `${head}}`;
};

const change = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, changeParameters);
  if (exchange.request.raw.headers['idempotency-key'] !== undefined)
    return refuse('changes of replicated data know no Idempotency-Key: what is added twice counts twice');
  const asked = askedOf(exchange, 2, query);
  const { type, key, at } = asked;
  const timeoutMs = query.count('timeout-ms', 1, wireLimits.callTimeoutMsMax) ?? wireLimits.callTimeoutMsDefault;
  const own = changeOf(type, parseJsonBytes(exchange.body, bodyDepthMax, 'the body'));
  const wanted = at.length === 0 ? own : changeInside(at, type, own);
  exchange.effect = true;
  exchange.overdueAtMs = performance.now() + timeoutMs;
  api.replica.change(machineTypes[at.length === 0 ? type : 'tree'], key, wanted, (outcome) => {
    if (outcome.ok) exchange.json(answerOf(api.replica, asked));
    else exchange.problem(outcome.failure);
  });
};

// ---------------------------------------------------------------- routes

/** `close` ends what is being watched with an event that says why. */
export const createReplicaRoutes = (ports: {
  metrics: Metrics;
  limits: GatewayLimits;
}): { routes: readonly Route[]; close(why: Failure): void } => {
  const watches = createReplicaWatches(ports);
  const watch = (exchange: Exchange, api: NodeApi): void => {
    const asked = askedOf(exchange, 3, Query.of(exchange.url, readParameters));
    assertRead(api);
    watches.watch(exchange, api, asked, { type: machineTypes[asked.at.length === 0 ? asked.type : 'tree'], key: asked.key });
  };
  return {
    routes: [
      { method: 'GET', path: '/v1/replica', handle: list },
      { method: 'GET', path: '/v1/replica/summary', handle: summary },
      { method: 'GET', path: '/v1/replica/watch/:type/*', handle: watch },
      { method: 'GET', path: '/v1/replica/:type/*', handle: createGet(ports.limits) },
      { method: 'POST', path: '/v1/replica/:type/*', handle: change },
    ],
    close: watches.close.bind(watches),
  };
};
