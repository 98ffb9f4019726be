// What is drawn of a call: of which service, what its handler is to do, and how its caller goes about it.
import type { ServiceCall } from '../../actors/service-api.ts';
import { strategyNames } from '../../machines/balancer/index.ts';
import type { Chance } from '../world.ts';
import type { CallsJudge, How, Work } from './judge.ts';
import { inputOf, type MethodName, methods } from './services.ts';

export type Plan = {
  work: Work;
  call: ServiceCall;
  /** When its caller wants it no more; null: never. */
  cancelAfterMs: number | null;
  /** Items of a stream that are asked for at a time. */
  ahead: number;
};

const weighted = <Value>(chance: Chance, weights: ReadonlyMap<Value, number>): Value => {
  let left = chance.fraction() * [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  for (const [value, weight] of weights) {
    left -= weight;
    if (left < 0) return value;
  }
  return [...weights.keys()].at(-1)!;
};

const methodWeights = new Map<MethodName, number>([
  ...([
    ['add', 4],
    ['put', 3],
    ['items', 2],
  ] as const),
  ...([
    ['relay', 1],
    ['urgent', 1],
    ['bulk', 1],
  ] as const),
]);

const howWeights = new Map<How, number>([
  ...([
    ['ok', 12],
    ['early', 3],
    ['stubborn', 2],
    ['fail', 1],
  ] as const),
  ...([
    ['throw', 0.3],
    ['refuse', 1],
    ['hang', 0.5],
  ] as const),
]);

/** `offers`: by service, the names of those who offer it. */
export const drawPlan = (chance: Chance, judge: CallsJudge, offers: ReadonlyMap<string, readonly string[]>): Plan => {
  const service = chance.pick([...offers.keys()]);
  const method = weighted(chance, methodWeights);
  const { isStream, idempotent } = methods[method];
  const how = weighted(chance, howWeights);
  const isNamed = chance.happens(0.15) && !isStream && method !== 'relay';
  const work = judge.asks({
    ...{ service, method, how: method === 'relay' || isStream ? 'ok' : how, isIdempotent: idempotent },
    takesMs: chance.tail(0, 800),
    items: isStream ? chance.between(1, 30) : 0,
    requestId: isNamed ? `r${judge.works.length}` : null,
  });
  return {
    ...{ work, call: drawCall(chance, work, offers.get(service)!), ahead: chance.between(1, 6) },
    cancelAfterMs: chance.happens(0.1) ? chance.between(0, 500) : null,
  };
};

const drawCall = (chance: Chance, work: Work, offering: readonly string[]): ServiceCall => {
  const { service, method, requestId, isIdempotent } = work;
  // The same id twice has one effect at one node only.
  const node = requestId !== null || chance.happens(0.1) ? chance.pick(offering) : null;
  const strategy = chance.happens(0.5) ? chance.pick(strategyNames) : null;
  const principal = chance.pick([null, null, null, 'modest', 'greedy']);
  return {
    ...{ service, method, input: inputOf(work), timeoutMs: chance.pick([100, 500, 2_000, 5_000]) },
    ...(node === null ? {} : { node }),
    ...(requestId === null ? {} : { requestId }),
    ...(strategy === null ? {} : { strategy, key: `k${chance.between(0, 5)}` }),
    ...(principal === null ? {} : { principal }),
    ...(isIdempotent && chance.happens(0.2) ? { hedgeAfterMs: chance.between(5, 300) } : {}),
    ...(chance.happens(0.1) ? { importance: 'background' } : {}),
  };
};
