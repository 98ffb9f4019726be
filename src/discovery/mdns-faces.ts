// On which interfaces multicast DNS is spoken. What is told is told to everybody on the link, so by default it is told where only
// the own network listens: on this machine itself (loopback) and on interfaces with private addresses. One with a public address has
// to be named.
import { isIPv4 } from 'node:net';
import type { networkInterfaces } from 'node:os';

/** One interface as multicast DNS sees it. */
export type Face = {
  name: string;
  /** Its IPv4 address: sent from, and joined with. */
  address: string;
  loopback: boolean;
  /** Every IPv4 network of the interface: who sends from elsewhere is not on this link (RFC 6762 §11). */
  networks: { address: number; mask: number }[];
  /** IPv6 addresses that mean the same on every link. */
  globals: string[];
};

/** More interfaces than a machine for people has; a host of containers may have hundreds. */
export const facesMax = 16;

const numberOf = (address: string): number => address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);

const within = (address: number, network: number, mask: number): boolean => ((address ^ network) & mask) === 0;

/** RFC 1918, and RFC 3927 for links without a router. */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'].map((text) => {
  const [address, bits] = text.split('/') as [string, string];
  return { address: numberOf(address), mask: -1 << (32 - Number(bits)) };
});

const isPrivate = (address: string): boolean => privateNetworks.some((net) => within(numberOf(address), net.address, net.mask));

export const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

/** An address that one host on the network can be reached under: not a group, not everybody, not nobody. */
export const isUnicast = (address: string): boolean => {
  if (!isIPv4(address)) return !/^(::$|ff|fe[89ab])/i.test(address);
  const first = Number(address.split('.')[0]);
  return first > 0 && first < 224;
};

/** Did this come from the link of the interface? */
export const isOnLink = (face: Face, sender: string): boolean =>
  isIPv4(sender) && face.networks.some(({ address, mask }) => within(numberOf(sender), address, mask));

export type Interfaces = ReturnType<typeof networkInterfaces>;

/** The interfaces to speak on: the one with the wanted address, or all that are safe. */
export const chooseFaces = (interfaces: Interfaces, wanted: string | null): Face[] => {
  const faces: Face[] = [];
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    const fours = addresses.filter(({ family }) => family === 'IPv4');
    const chosen = fours.find(({ address, internal }) =>
      wanted === null ? internal || isPrivate(address) : address === wanted,
    );
    if (chosen === undefined) continue;
    const networks = fours.map(({ address, netmask }) => ({ address: numberOf(address), mask: numberOf(netmask) | 0 }));
    const globals = addresses
      .filter(({ family, address }) => family === 'IPv6' && isUnicast(address))
      .map(({ address }) => address);
    faces.push({ name, address: chosen.address, loopback: chosen.internal, networks, globals });
  }
  return faces.slice(0, facesMax);
};

/** Two faces with the same key are the same interface with the same addresses. */
export const faceKey = (face: Face): string => JSON.stringify(face);
