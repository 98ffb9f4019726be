// Which multiaddrs Polity can listen on and dial: a host, TCP, a port, and perhaps whose it is.
import { multiaddr } from '@multiformats/multiaddr';

/** Why this text is no address to listen on or dial over TCP; null if it is one. */
export const addressProblem = (address: string): string | null => {
  try {
    const protocols = multiaddr(address).getComponents();
    const [host, port] = protocols;
    if (host === undefined || !['ip4', 'ip6', 'dns', 'dns4', 'dns6'].includes(host.name))
      return 'must begin with /ip4, /ip6 or /dns';
    if (port?.name !== 'tcp') return 'must go on with /tcp and a port';
    const rest = protocols.slice(2).find((one) => one.name !== 'p2p');
    return rest === undefined ? null : `holds /${rest.name}, but Polity speaks plain TCP`;
  } catch {
    return 'is not a multiaddr';
  }
};

/** The peer id that a multiaddr ends with, or null. */
export const peerOfAddress = (address: string): string | null => /\/p2p\/([A-Za-z0-9]{1,128})$/.exec(address)?.[1] ?? null;

export const withoutPeer = (address: string): string => address.replace(/\/p2p\/[A-Za-z0-9]{1,128}$/, '');

/** It means another machine on every machine. */
export const isLoopbackAddress = (address: string): boolean => /^\/(ip4\/127\.|ip6\/(::1|0:0:0:0:0:0:0:1)\/)/.test(address);
