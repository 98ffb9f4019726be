// Health checks, status, members and metrics: what this node says of itself, from the one status store (decision 9).
import type { NodeApi, NodeStatus } from '../../actors/api.ts';
import { type ErrorCode, errorTable, type Failure, failure } from '../../machines/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Exchange } from './exchange.ts';
import { Query } from './query.ts';
import type { Route } from './routes.ts';

/** Why a node that is not ready is not, as a failure of the table; null when it is. */
export const notReady = ({ name, state, reason }: NodeStatus): Failure | null => {
  if (state === 'ready') return null;
  if (state === 'draining' || state === 'left') return failure('STOPPING', `${name} is stopping`, { state });
  const known = reason !== null && Object.hasOwn(errorTable, reason) && errorTable[reason as ErrorCode].status >= 500;
  const code = known ? (reason as ErrorCode) : 'NOT_READY';
  return failure(code, `${name} is ${state}${reason === null ? '' : ` (${reason})`}`, { state, reason });
};

/** Alive as long as a restart would not help: only a node that gave up is not. */
const live = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  const { name, state, reason } = api.status();
  if (state === 'failed')
    exchange.problem(failure('INTERNAL', `${name} gave up (${reason ?? 'no reason'}); restart it`, { state, reason }));
  else exchange.json(JSON.stringify({ live: true, state }));
};

const starting = (exchange: Exchange): void => exchange.json(JSON.stringify({ live: true, state: 'created' }));

const ready = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  const status = api.status();
  const why = notReady(status);
  if (why === null) exchange.json(JSON.stringify({ ready: true, state: status.state }));
  else exchange.problem(why);
};

const status = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify(api.status()));
};

const metricsOf =
  ({ registry }: Metrics) =>
  (exchange: Exchange): void => {
    Query.of(exchange.url, []);
    registry.metrics().then(
      (text) => exchange.send(200, { 'content-type': registry.contentType }, text),
      (error: unknown) => exchange.problem(failure('INTERNAL', `the metrics cannot be collected: ${String(error)}`)),
    );
  };

export const healthRoutes = (metrics: Metrics): readonly Route[] => [
  { method: 'GET', path: '/health/live', public: true, handle: live, starting },
  { method: 'GET', path: '/health/ready', public: true, handle: ready },
  { method: 'GET', path: '/v1/status', handle: status },
  { method: 'GET', path: '/metrics', handle: metricsOf(metrics) },
];
