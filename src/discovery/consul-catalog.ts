// What a member is in Consul's catalog: a service with an id of its own, an address for people and DNS, and the record in its Meta,
// whose values hold 512 bytes. A service that was registered by somebody else's means is a member where its address says.
import { isIP } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import type { Announcement, Finding } from '../../actors/ports/index.ts';
import { isRecord } from './exchange.ts';
import { cut, type LeaveOut } from './left-out.ts';
import { parseRecord } from './record.ts';

const metaBytesMax = 512;
/** Consul itself takes no less than a minute. */
const deregisterAfter = '1m';

export const serviceId = ({ peer }: Announcement): string => `polity-${peer}`;

/** Without the peer id, which has a value of its own: so twice as many fit. What does not fit is left out, the last first. */
const addressesIn = ({ peer, addresses }: Announcement): string => {
  const suffix = `/p2p/${peer}`;
  const bare = addresses.map((address) => (address.endsWith(suffix) ? address.slice(0, -suffix.length) : address));
  let text = '';
  for (const address of new Set(bare)) {
    const longer = text === '' ? address : `${text} ${address}`;
    if (Buffer.byteLength(longer) > metaBytesMax) break;
    text = longer;
  }
  return text;
};

/** For those who ask Consul by DNS, or look at its pages. */
const placeOf = ({ addresses }: Announcement): Record<string, unknown> => {
  const [host, port] = addresses[0] === undefined ? [] : multiaddr(addresses[0]).getComponents();
  return host === undefined || port === undefined ? {} : { Address: host.value, Port: Number(port.value) };
};

export const registrationOf = (self: Announcement, service: string, checkTtlMs: number): Record<string, unknown> => ({
  ...{ ID: serviceId(self), Name: service, ...placeOf(self) },
  Meta: { cluster: self.cluster, peer: self.peer, name: self.name, version: self.version, addresses: addressesIn(self) },
  Check: {
    ...{ CheckID: `service:${serviceId(self)}`, Name: 'Polity is alive', TTL: `${checkTtlMs}ms`, Status: 'passing' },
    DeregisterCriticalServiceAfter: deregisterAfter,
  },
});

const textOr = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** A service says where it is, or means its node; a port it must have. */
const addressOf = (node: Record<string, unknown>, { Address, Port }: Record<string, unknown>): string | null => {
  const host = textOr(Address) ?? textOr(node.Address);
  if (host === undefined || typeof Port !== 'number' || Port < 1) return null;
  const version = isIP(host);
  return `/${version === 0 ? 'dns' : `ip${version}`}/${host}/tcp/${Port}`;
};

/** Its own check, those of its node, and maintenance, which is a check too. */
const isPassing = (checks: unknown): boolean =>
  Array.isArray(checks) && checks.every((check) => isRecord(check) && check.Status === 'passing');

const weightOf = ({ Weights }: Record<string, unknown>): number => {
  const weight = isRecord(Weights) ? Weights.Passing : 0;
  return typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 && weight <= 65_535 ? weight : 0;
};

const findingOf = (
  { Node, Service, Checks }: Record<string, unknown>,
  cluster: string,
  ttlMs: number,
): Finding | { problem: string } | null => {
  if (!isRecord(Service)) return { problem: 'is no service' };
  const meta = isRecord(Service.Meta) ? Service.Meta : {};
  const listed = textOr(meta.addresses);
  const plain = addressOf(isRecord(Node) ? Node : {}, Service);
  const addresses = listed?.split(' ') ?? (plain === null ? [] : [plain]);
  const told = { cluster: textOr(meta.cluster), peer: textOr(meta.peer), name: textOr(meta.name), addresses };
  return parseRecord({ ...told, healthy: isPassing(Checks), weight: weightOf(Service) }, cluster, ttlMs);
};

/** The members of this cluster in an answer of /v1/health/service; null if it is none. */
export const parseCatalog = (value: unknown, cluster: string, ttlMs: number, say: LeaveOut): Finding[] | null => {
  if (!Array.isArray(value)) return null;
  const findings: Finding[] = [];
  for (const entry of value) {
    const finding = findingOf(isRecord(entry) ? entry : {}, cluster, ttlMs);
    if (finding === null) continue;
    const id = isRecord(entry) && isRecord(entry.Service) ? entry.Service.ID : null;
    if ('problem' in finding) say(`service ${textOr(id) ?? 'without an ID'}`, finding.problem);
    else findings.push(finding);
  }
  return cut(findings, say, 'the catalog');
};
