// Who takes part in the rounds of replicated data, over HTTP; and who does not any more.
import type { NodeApi } from '../../actors/api.ts';
import type { Exchange } from './exchange.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

/** Longer than the node itself tries. */
const overdueMs = 10_000;
const namedCharsMax = 128;

const list = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  exchange.json(JSON.stringify(api.replica.replicas()));
};

const retire = (exchange: Exchange, api: NodeApi): void => {
  Query.of(exchange.url, []);
  const named = segmentOfPath(exchange.url, 2, 'the replica');
  if (named.length > namedCharsMax) return refuse(`a replica's id or name has at most ${namedCharsMax} characters`);
  exchange.effect = true;
  exchange.overdueAtMs = performance.now() + overdueMs;
  api.replica.retire(named, (outcome) => {
    if (outcome.ok) exchange.json(JSON.stringify(outcome.value));
    else exchange.problem(outcome.failure);
  });
};

export const replicasRoutes: readonly Route[] = [
  { method: 'GET', path: '/v1/replicas', handle: list },
  { method: 'POST', path: '/v1/replicas/:replica/retire', handle: retire },
];
