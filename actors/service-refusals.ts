// Why a node does not execute a call, in words and figures: each names the service, the node and what can be done about it. All but the last
// are definite: nothing was executed.
import type { Shed } from '../machines/bulkhead/index.ts';
import { parseRange } from '../machines/catalog/index.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { LimiterRefusal, Rate } from '../machines/limiter/index.ts';
import type { Execution } from './service-api.ts';
import type { Run } from './service-run.ts';
import type { Hosted } from './service-table.ts';

export const stops = (node: string): Failure => failure('STOPPING', `${node} is stopping`, { node });

export const notFound = (node: string, offered: readonly string[], { service, version }: Execution): Failure => {
  const details = { service, version, node };
  if (version !== null && parseRange(version) === null)
    return failure('INVALID_REQUEST', `'${String(version).slice(0, 64)}' is no range of versions`, details);
  const what = version === null ? service : `${service}@${version}`;
  const instead = offered.length === 0 ? '' : `, but ${offered.slice(0, 8).join(', ')}`;
  return failure('SERVICE_NOT_FOUND', `${node} does not offer ${what}${instead}`, details);
};

export const noMethod = (node: string, { service: { offer }, methods }: Hosted, { method }: Execution): Failure => {
  const known = [...methods.keys()].slice(0, 16).join(', ');
  const why = `${offer.name}@${offer.version} has no method '${String(method).slice(0, 64)}', but ${known}`;
  return failure('METHOD_NOT_FOUND', why, { service: offer.name, version: offer.version, node });
};

export const tooLong = ({ chain, service, method }: Execution): Failure =>
  failure('LOOP_DETECTED', `${service}.${method} is called within ${chain.length} calls`, {
    ...{ service, method, chain: chain.slice(-8).join(' > ') },
  });

export const givesStream = ({ service, method }: Execution): Failure =>
  failure('INVALID_REQUEST', `${service}.${method} gives a stream, and is called for one result`, { service, method });

export const rateLimited = (
  node: string,
  { by, why, retryAfterMs }: LimiterRefusal,
  { tokens, periodMs, burst }: Rate,
  cost: number,
  { service, method, caller, principal }: Execution,
): Failure => {
  const limit = `calls.limits.${by}`;
  const who = by === 'node' ? `node ${caller}` : `principal ${(principal ?? '').slice(0, 64)}`;
  const period = periodMs === 3_600_000 ? 'an hour' : `in ${periodMs} ms`;
  const told: Record<LimiterRefusal['why'], string> = {
    rate: `try again in ${retryAfterMs} ms`,
    cost: `${service}.${method} costs ${cost}, which is never there at once`,
    name: 'its name is too long to be counted',
  };
  const most = `${tokens} calls ${period}, ${burst} at once (${limit} of ${node})`;
  return failure('RATE_LIMITED', `${who} may make ${most}; ${told[why]}`, { service, method, node, by, limit, retryAfterMs });
};

const shedWords: Record<Exclude<Shed, 'stopping' | 'deadline-passed'>, string> = {
  full: 'has no room for another call',
  displaced: 'needed the room for calls that matter more or are fewer',
  'deadline-unreachable': 'could not do it in time',
  'waited-too-long': 'had no time for the call',
};

export const shed = (node: string, { execution, hosted }: Run, why: Shed, retryAfterMs: number | null): Failure => {
  const { service, method } = execution;
  const details = { service, method, node, why, retryAfterMs };
  switch (why) {
    case 'stopping':
      return hosted.isRemoved ? failure('SERVICE_NOT_FOUND', `${node} offers ${service} no longer`, details) : stops(node);
    case 'deadline-passed':
      return failure('DEADLINE_EXCEEDED', `the time of ${service}.${method} was over before ${node} began`, details);
    default:
      return failure('OVERLOADED', `${service} at ${node} ${shedWords[why]}; try again in ${retryAfterMs} ms`, details);
  }
};

/** The node did not wait for its end: whether it happened, nobody knows. */
export const cutOff = (node: string, { service, method }: Execution): Failure =>
  failure('OUTCOME_UNKNOWN', `${node} stopped while it executed ${service}.${method}`, { service, method, node });
