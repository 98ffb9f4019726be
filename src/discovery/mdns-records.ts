// This node as DNS-SD records (RFC 6763): what `avahi-browse` and Bonjour show to a person, and what other nodes read. All names are
// made of the peer id, which nobody else has: so they are not probed for (RFC 6762 §8.1 exists to find out whether a name is free),
// and clash neither with another node's names nor with the machine's own.
import { isIPv4, isIPv6 } from 'node:net';
import type { Announcement } from '../../actors/ports/index.ts';
import { type Face, isLoopback, isUnicast } from './mdns-faces.ts';
import type { Entry } from './mdns-packet.ts';
import { sourceLimits } from './source.ts';

/** RFC 6762 §10: records with a host's name or address live shorter than the others. */
export const hostTtlSeconds = 120;
export const otherTtlSeconds = 4_500;

/** RFC 6763 §9: under this name every type of service of the link is listed. */
export const metaName = '_services._dns-sd._udp.local';

/** Of a peer id, its end differs: 10 characters, even in one case, are 51 bits. */
const peerChars = 10;
const wordCharsMax = 25;
/** RFC 6763 §6.2: a TXT record should not need a packet of its own. */
const textBytesMax = 1_000;
const versionCharsMax = 64;

/** What a person sees: name, cluster and the end of the peer id, at most 62 characters of a-z, 0-9 and '-'. */
export const labelOf = ({ name, cluster, peer }: Announcement): string =>
  `${name.slice(0, wordCharsMax)}-${cluster.slice(0, wordCharsMax)}-${peer.slice(-peerChars)}`.toLowerCase();

const hostOf = ({ peer }: Announcement): string => `polity-${peer.slice(-20).toLowerCase()}.local`;

type Endpoint = { address: string; port: number };

/** Address and port of a multiaddr of an IP address; null for others, as those with a DNS name. */
const endpointOf = (text: string): Endpoint | null => {
  const [, address, port] = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)(?:\/p2p\/[^/]+)?$/.exec(text) ?? [];
  return address === undefined || (!isIPv4(address) && !isIPv6(address)) ? null : { address, port: Number(port) };
};

/** The addresses that mean something on this link: a wildcard is the interface's own, loopback stays on this machine. */
const onFace = (face: Face, { address, port }: Endpoint): Endpoint[] => {
  if (address === '0.0.0.0') return [{ address: face.address, port }];
  if (address === '::') return face.globals.map((own) => ({ address: own, port }));
  if (!isUnicast(address) || (isLoopback(address) && !face.loopback)) return [];
  return [{ address, port }];
};

const multiaddrOf = ({ address, port }: Endpoint): string => `/ip${isIPv4(address) ? 4 : 6}/${address}/tcp/${port}`;

/** The addresses of one port become the host's, which SRV leads to; the others are told as texts. */
const addressesOn = (face: Face, self: Announcement): { port: number; hosts: string[]; texts: string[] } | null => {
  const ends: Endpoint[] = [];
  const texts: string[] = [];
  for (const address of self.addresses.slice(0, sourceLimits.addressesMax)) {
    const end = endpointOf(address);
    if (end !== null) ends.push(...onFace(face, end));
    else texts.push(address.replace(/\/p2p\/[^/]+$/, ''));
  }
  const port = ends[0]?.port ?? Number(/\/tcp\/(\d+)/.exec(texts[0] ?? '')?.[1] ?? 0);
  if (port === 0) return null;
  const hosts = [...new Set(ends.filter((end) => end.port === port).map(({ address }) => address))];
  return { port, hosts, texts: [...ends.filter((end) => end.port !== port).map(multiaddrOf), ...texts] };
};

/** RFC 6763 §6: one text a key, each at most 255 bytes; what does not fit any more is left out, addresses first. */
const textsOf = (self: Announcement, addresses: readonly string[]): string[] => {
  const texts = [
    'txtvers=1',
    `cluster=${self.cluster}`,
    `peer=${self.peer}`,
    `name=${self.name}`,
    `version=${self.version.slice(0, versionCharsMax)}`,
    ...addresses.map((address, index) => `addr${index + 1}=${address}`),
  ].filter((text) => Buffer.byteLength(text) <= 255);
  let left = textBytesMax;
  return texts.filter((text) => (left -= Buffer.byteLength(text) + 1) >= 0);
};

/** The records of this node on one link, the shared ones first; none if it cannot be reached from there. */
export const recordsOn = (face: Face, self: Announcement, service: string): Entry[] => {
  const told = addressesOn(face, self);
  if (told === null) return [];
  const instance = `${labelOf(self)}.${service}`;
  const host = hostOf(self);
  const shared = { ttlSeconds: otherTtlSeconds, flush: false };
  const srv = { priority: 0, weight: 0, port: told.port, target: host };
  const types = [...new Set(told.hosts.map((address) => (isIPv4(address) ? 'A' : 'AAAA')))] as ('A' | 'AAAA')[];
  const unique = { ttlSeconds: hostTtlSeconds, flush: true };
  return [
    { ...shared, type: 'PTR', name: service, data: instance },
    { ...shared, type: 'PTR', name: metaName, data: service },
    { ...unique, type: 'SRV', name: instance, data: srv },
    { ...unique, type: 'TXT', name: instance, ttlSeconds: otherTtlSeconds, data: textsOf(self, told.texts) },
    ...told.hosts.map((address): Entry => ({ ...unique, type: isIPv4(address) ? 'A' : 'AAAA', name: host, data: address })),
    // §6.1: says that the name has no other types, so that nobody waits for them.
    { ...unique, type: 'NSEC', name: instance, data: { nextDomain: instance, rrtypes: ['TXT', 'SRV'] } },
    { ...unique, type: 'NSEC', name: host, data: { nextDomain: host, rrtypes: types } },
  ];
};
