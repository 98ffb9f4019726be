// What EndpointSlices (discovery.k8s.io/v1) say of where the pods of a service are. One service has several slices, by address family
// and by size, and an endpoint may stand in two of them while it is moved: who reads them must merge them, says their documentation.
import { isIP } from 'node:net';
import type { Finding } from '../../actors/ports/index.ts';
import { isNodeName } from '../../machines/genesis/messages.ts';
import { isRecord } from './exchange.ts';
import { cut, type LeaveOut } from './left-out.ts';
import { ttlWithin, usable } from './record.ts';
import { sourceLimits } from './source.ts';

/** What Kubernetes itself allows. */
const endpointsMax = 1_000;

type Endpoint = { pod: string | null; address: string; healthy: boolean };
export type Slice = { name: string; endpoints: Endpoint[] };

/** By number, by name, or the only one. */
export type Port = number | string | null;

const isTcp = (port: unknown): port is Record<string, unknown> & { port: number } =>
  isRecord(port) && (port.protocol ?? 'TCP') === 'TCP' && Number.isInteger(port.port) && Number(port.port) > 0;

const portOf = (ports: unknown, wanted: Port): number | { problem: string } => {
  if (typeof wanted === 'number') return wanted;
  const tcp = (Array.isArray(ports) ? ports : []).filter(isTcp);
  const fitting = wanted === null ? tcp : tcp.filter(({ name }) => name === wanted);
  if (fitting.length === 1) return fitting[0]!.port;
  if (wanted !== null) return { problem: `has no TCP port named '${wanted}'` };
  return { problem: tcp.length === 0 ? 'has no TCP port' : 'has several TCP ports: say which with ?port=' };
};

/**
 * `ready` is true also for pods that are not, where the service says publishNotReadyAddresses: then `serving` tells. Absent means
 * true, except for `terminating`.
 */
const isHealthy = (conditions: unknown): boolean => {
  const { ready, serving, terminating } = isRecord(conditions) ? conditions : {};
  return (serving ?? ready ?? true) !== false && terminating !== true;
};

const endpointOf = (value: unknown, port: number): Endpoint | null => {
  if (!isRecord(value) || !Array.isArray(value.addresses)) return null;
  // "Consumers may assume fungibility": the first stands for all.
  const [address] = value.addresses as unknown[];
  if (typeof address !== 'string' || isIP(address) === 0) return null;
  const { kind, name } = isRecord(value.targetRef) ? value.targetRef : {};
  return {
    pod: kind === 'Pod' && typeof name === 'string' && name.length <= 253 ? name : null,
    address: `/ip${isIP(address)}/${address}/tcp/${port}`,
    healthy: isHealthy(value.conditions),
  };
};

/** Null: no slice at all. */
export const parseSlice = (value: unknown, wanted: Port, say: LeaveOut): Slice | null => {
  if (!isRecord(value) || !isRecord(value.metadata)) return null;
  const { name } = value.metadata;
  if (typeof name !== 'string' || name === '' || name.length > 253) return null;
  const endpoints = Array.isArray(value.endpoints) ? value.endpoints.slice(0, endpointsMax) : [];
  const leave = (problem: string): Slice => {
    if (endpoints.length > 0) say(`EndpointSlice ${name}`, problem);
    return { name, endpoints: [] };
  };
  if (value.addressType !== 'IPv4' && value.addressType !== 'IPv6')
    return leave(`has addresses of type ${typeof value.addressType === 'string' ? value.addressType : 'unknown'}`);
  const port = portOf(value.ports, wanted);
  if (typeof port === 'object') return leave(port.problem);
  const parsed = endpoints.map((endpoint) => endpointOf(endpoint, port));
  if (parsed.includes(null)) say(`EndpointSlice ${name}`, 'has an endpoint without an IP address');
  return { name, endpoints: parsed.filter((endpoint) => endpoint !== null) };
};

/** One finding a pod, with the addresses of both families. */
export const findingsOf = (slices: Iterable<Slice>, ttlMs: number, say: LeaveOut): Finding[] => {
  const places = new Map<string, { name: string | null; addresses: Set<string>; healthy: boolean }>();
  for (const { endpoints } of slices)
    for (const { pod, address, healthy } of endpoints) {
      const key = pod ?? address;
      const place = places.get(key) ?? { name: isNodeName(pod) ? pod : null, addresses: new Set(), healthy: false };
      place.addresses.add(address);
      place.healthy ||= healthy;
      places.set(key, place);
    }
  const findings = [...places.values()].map(
    ({ name, addresses, healthy }): Finding => ({
      ...{ peer: null, name, addresses: usable([...addresses].slice(0, sourceLimits.addressesMax), null) },
      ...{ priority: 0, weight: 0, healthy, ttlMs: ttlWithin(ttlMs) },
    }),
  );
  return cut(
    findings.filter(({ addresses }) => addresses.length > 0),
    say,
    'the service',
  );
};
