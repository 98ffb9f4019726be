// Actors over HTTP, for those who may look on: lists and descriptions. Who may is one question for these and for the stream (row N7).
import type { IncomingMessage } from 'node:http';
import { onlyKey } from '../../actors/actor-api.ts';
import type { NodeApi } from '../../actors/api.ts';
import { inspectLimits, type ListedActor, type SilentNode } from '../../actors/inspect-api.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { toProblem } from '../errors.ts';
import { tokenText } from './answers.ts';
import type { Exchange } from './exchange.ts';
import { checkedAddress, Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

/** 'token': whoever got past the guard, which asks for it. */
export type MayInspect = 'off' | 'loopback' | 'token';

const isLoopback = (address: string | undefined): boolean =>
  address !== undefined && (/^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address) || address === '::1');

/** Why whoever sent this may not look on; null: he may. */
export const inspectRefusal = (may: MayInspect, request: IncomingMessage): Failure | null => {
  if (may === 'off') return failure('FORBIDDEN', 'this node lets nobody look at its actors (inspect: off)');
  if (may === 'token' || isLoopback(request.socket.remoteAddress)) return null;
  return failure('FORBIDDEN', "only programs on this node's machine may look at its actors (inspect: loopback)");
};

const listedFields = ({ token, ...actor }: ListedActor): Record<string, unknown> => ({
  ...actor,
  token: token === null ? null : tokenText(token),
});

const silentFields = ({ node, failure: why }: SilentNode): Record<string, unknown> => ({ node, ...toProblem(why) });

const timeoutOf = (query: Query): number => query.count('timeout-ms', 1, inspectLimits.timeoutMsMax) ?? inspectLimits.timeoutMs;

const list = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, ['type', 'prefix', 'node', 'scope', 'after', 'limit', 'timeout-ms']);
  const [type, prefix, node, after] = [query.text('type'), query.text('prefix'), query.text('node'), query.text('after')];
  const scope = query.oneOf('scope', ['node', 'cluster']) ?? 'node';
  if (node !== undefined && scope === 'cluster') return refuse('node is for one, scope=cluster for all of them');
  const wanted = {
    ...(type === undefined ? {} : { type }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(after === undefined ? {} : { after }),
    limit: query.count('limit', 1, inspectLimits.listMax) ?? inspectLimits.listDefault,
  };
  const answer: Parameters<NodeApi['inspect']['listAll']>[1] = (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    const { actors, more, silent } = outcome.value;
    const next = more ? (actors.at(-1)?.address ?? null) : null;
    exchange.json(JSON.stringify({ actors: actors.map(listedFields), next, silent: silent.map(silentFields) }));
  };
  if (scope === 'node' && node === undefined) return answer(api.inspect.list(wanted));
  api.inspect.listAll({ ...wanted, ...(node === undefined ? {} : { node }), timeoutMs: timeoutOf(query) }, answer);
};

const addressOf = (exchange: Exchange, query: Query): ActorAddress => {
  const type = segmentOfPath(exchange.url, 2, 'the type');
  const key = segmentOfPath(exchange.url, 3, 'the key');
  return checkedAddress({ type, key, node: query.text('node') ?? null });
};

const describe = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, ['node', 'timeout-ms']);
  const address = addressOf(exchange, query);
  api.inspect.describe(address, { timeoutMs: timeoutOf(query) }, (outcome) => {
    if (!outcome.ok) return exchange.problem(outcome.failure);
    const { view, ...rest } = outcome.value;
    exchange.json(JSON.stringify({ view: listedFields(view), ...rest }));
  });
};

/** Which groups hold actors of the cluster and who leads them, as this node knows it; with `type`, where that actor is, and why. */
const shards = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, ['type', 'key', 'node']);
  const [type, node] = [query.text('type'), query.text('node') ?? null];
  const key = query.text('key');
  if (type === undefined && (key !== undefined || node !== null))
    return refuse('key and node are those of an actor: name its type, too');
  const groups = api.shards
    .view()
    .map(({ token, ...group }) => ({ ...group, token: token === null ? null : tokenText(token) }));
  if (type === undefined) return exchange.json(JSON.stringify({ groups, place: null }));
  const address = checkedAddress({ type, key: key ?? onlyKey, node });
  const { failure: why, ...place } = api.shards.find(address);
  const failed = why === null ? null : toProblem(why);
  exchange.json(JSON.stringify({ groups, place: { address: addressText(address), ...place, failure: failed } }));
};

/** `may` is asked before anything else is said. */
export const inspectRoutes = (may: MayInspect): readonly Route[] => {
  const allowed =
    (handle: Route['handle']): Route['handle'] =>
    (exchange, api) => {
      const why = inspectRefusal(may, exchange.request.raw);
      if (why === null) handle(exchange, api);
      else exchange.problem(why);
    };
  return [
    { method: 'GET', path: '/v1/actors', handle: allowed(list) },
    { method: 'GET', path: '/v1/actors/shards', handle: allowed(shards) },
    { method: 'GET', path: '/v1/actors/:type/:key', handle: allowed(describe) },
  ];
};
