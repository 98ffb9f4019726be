// Whom the DHT's host may dial. In a DHT every address is a stranger's word, and a stranger may well say 10.0.0.5 or the name of
// somebody's printer. So without `lan` only addresses of the public internet are dialled, kept and told on, with `lan` also those of
// private networks; never names, whose address is known only once it is dialled, and never what reaches this machine's own link
// or several machines at once. What the operator wrote into the configuration is the operator's word.
import { BlockList, isIP } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';

type Range = readonly [network: string, bits: number];

/** On nobody's word: this link (where clouds keep their metadata services), many at once, nobody. */
const never: readonly Range[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['::', 128],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
  // Ways to write an IPv4 address as IPv6: mapped, translated, 6to4, Teredo (RFC 4291, 6052, 8215, 3056, 4380).
  ['::ffff:0:0', 96],
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['2001::', 32],
];

/** The special-purpose registries of IANA (RFC 6890), as far as they are not in `never`. */
const lan: readonly Range[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['::1', 128],
  ['100::', 64],
  ['2001:db8::', 32],
  ['3fff::', 20],
  ['fc00::', 7],
];

type Family = 'ipv4' | 'ipv6';
const familyOf = (address: string): Family => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

// A list for each family: in one list, Node takes every IPv4 address for its mapped form too.
const listsOf = (ranges: readonly Range[]): Record<Family, BlockList> => {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const [network, bits] of ranges) lists[familyOf(network)].addSubnet(network, bits, familyOf(network));
  return lists;
};
const neverLists = listsOf(never);
const lanLists = listsOf(lan);

/** Where an IP address leads. */
export const reachOf = (address: string): 'public' | 'lan' | 'never' => {
  if (isIP(address) === 0) return 'never';
  const family = familyOf(address);
  // Before `never`: ::1 is also an address of ::/96.
  if (lanLists[family].check(address, family)) return 'lan';
  return neverLists[family].check(address, family) ? 'never' : 'public';
};

const withoutPeer = (address: string): string => address.replace(/\/p2p\/[A-Za-z0-9]{1,128}$/, '');

export class Reach {
  readonly #isLan: boolean;
  readonly #configured: ReadonlySet<string>;

  constructor(isLan: boolean, configured: readonly string[]) {
    this.#isLan = isLan;
    this.#configured = new Set(configured.map(withoutPeer));
  }

  /** May this multiaddr be dialled, kept and told? Only /ip4 or /ip6, then /tcp and perhaps whose it is. */
  allows(address: { toString(): string }): boolean {
    const text = withoutPeer(address.toString());
    if (this.#configured.has(text)) return true;
    try {
      const [host, port, ...rest] = multiaddr(text).getComponents();
      if ((host?.name !== 'ip4' && host?.name !== 'ip6') || port?.name !== 'tcp' || rest.length > 0) return false;
      if (port.value === undefined || port.value === '0') return false;
      const reach = reachOf(host.value ?? '');
      return reach === 'public' || (reach === 'lan' && this.#isLan);
    } catch {
      return false;
    }
  }
}
