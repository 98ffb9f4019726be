// What the records of one instance of our service say of a member (RFC 6763). All of it was written by others.
import { isIPv4 } from 'node:net';
import type { Finding } from '../../actors/ports/index.ts';
import { isLoopback, isUnicast } from './mdns-faces.ts';
import type { SrvData } from './mdns-packet.ts';
import { parseRecord } from './record.ts';
import { sourceLimits } from './source.ts';

/** RFC 6763 §6.4: keys in any case, the first of each counts. */
export const textOf = (texts: readonly string[]): Map<string, string> => {
  const found = new Map<string, string>();
  for (const text of texts) {
    const [key = '', ...rest] = text.split('=');
    if (key !== '' && !found.has(key.toLowerCase())) found.set(key.toLowerCase(), rest.join('='));
  }
  return found;
};

/** May a record say so? `loopback`: it was said on this machine, where addresses of the machine itself mean what they say. */
export const isBelievable = (address: string, loopback: boolean): boolean =>
  isUnicast(address) && (loopback || !isLoopback(address));

/** What is told beside SRV, in the texts `addr1` to `addr8`: other ports, and hosts by name. */
export const addressesTold = (text: ReadonlyMap<string, string>, loopback: boolean): string[] => {
  const told = Array.from({ length: sourceLimits.addressesMax }, (_, index) => text.get(`addr${index + 1}`) ?? '');
  return told.filter((address) => {
    const [, host] = /^\/ip[46]\/([^/]+)\//.exec(address) ?? [];
    return address !== '' && (host === undefined || isBelievable(host, loopback));
  });
};

export type InstanceRecords = {
  cluster: string;
  loopback: boolean;
  srv: SrvData;
  texts: readonly string[];
  /** Of the host that SRV names. */
  addresses: readonly string[];
};

/** How long it may be believed is for the cache to say. Null: another cluster's, another version's, or nowhere to be reached. */
export const findingOf = (records: InstanceRecords): Finding | { problem: string } | null => {
  const { cluster, loopback, srv, texts } = records;
  const text = textOf(texts);
  if ((text.get('txtvers') ?? '1') !== '1') return null;
  const hosts = srv.port === 0 ? [] : records.addresses;
  const addresses = [
    ...hosts.map((address) => `/ip${isIPv4(address) ? 4 : 6}/${address}/tcp/${srv.port}`),
    ...addressesTold(text, loopback),
  ];
  if (addresses.length === 0) return null;
  const said = ['cluster', 'peer', 'name'].flatMap((key) => (text.has(key) ? [[key, text.get(key)] as const] : []));
  const record = { ...Object.fromEntries(said), addresses, priority: srv.priority, weight: srv.weight };
  return parseRecord(record, cluster, sourceLimits.ttlDefaultMs);
};
