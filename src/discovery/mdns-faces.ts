// On which interfaces multicast DNS is spoken. What is told is told to everybody on the link, so by default it is told where only
// the own network listens: on this machine itself (loopback) and on interfaces with private addresses. One with a public address has
// to be named.
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import type { networkInterfaces } from 'node:os';

/** One interface as multicast DNS sees it. */
export type Face = {
  name: string;
  /** Its IPv4 address: sent from, and joined with. */
  address: string;
  loopback: boolean;
  /** Every IPv4 network of the interface: who sends from elsewhere is not on this link (RFC 6762 §11). */
  networks: { address: number; mask: number }[];
  /** IPv6 addresses that mean the same on every link, when it was opened. */
  globals: string[];
};

/** More interfaces than a machine for people has; a host of containers may have hundreds. */
export const facesMax = 16;

const numberOf = (address: string): number => address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);

const rangesOf = (...ranges: string[]): BlockList => {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, bits] = range.split('/') as [string, string];
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
};

/** RFC 1918, and RFC 3927 for links without a router. */
const privateRange = rangesOf('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16');
const loopbackRange = rangesOf('127.0.0.0/8', '::1/128');
/** Nobody, groups, everybody, and IPv6 addresses that mean something only beside an interface. */
const elsewhereRange = rangesOf('0.0.0.0/8', '224.0.0.0/3', '::/128', 'ff00::/8', 'fe80::/10');
/** IPv4 in the clothes of IPv6. A list of its own, as every IPv4 address is found in it. */
const mappedRange = rangesOf('::ffff:0:0/96');

const isIn = (range: BlockList, address: string): boolean => range.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');

export const isLoopback = (address: string): boolean => isIn(loopbackRange, address);

/** An address that one host on the network can be reached under, in any spelling. */
export const isUnicast = (address: string): boolean =>
  isIP(address) !== 0 && !isIn(elsewhereRange, address) && !(isIPv6(address) && isIn(mappedRange, address));

/** Did this come from the link of the interface? */
export const isOnLink = (face: Face, sender: string): boolean =>
  isIPv4(sender) && face.networks.some(({ address, mask }) => ((numberOf(sender) ^ address) & mask) === 0);

export type Interfaces = ReturnType<typeof networkInterfaces>;

/** The interfaces to speak on: the one with the wanted address, or all that are safe. */
export const chooseFaces = (interfaces: Interfaces, wanted: string | null): Face[] => {
  const faces: Face[] = [];
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    const fours = addresses.filter(({ family }) => family === 'IPv4');
    const chosen = fours.find(({ address, internal }) =>
      wanted === null ? internal || isIn(privateRange, address) : address === wanted,
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

/** Two faces with the same key can share a socket. IPv6 addresses, some of which change by the day, are no reason to forget what was heard. */
export const faceKey = ({ name, address, networks }: Face): string => JSON.stringify([name, address, networks]);
