// What the text of a DNS source means: `_polity._tcp.example.org`, `nodes.example.org:7400`, and options behind it.
import { isIP } from 'node:net';
import { dnsLimits, parseServer } from './dns-client.ts';
import type { DnsServer } from './dns-exchange.ts';
import { areLabels } from './dns-message.ts';

export type DnsTarget = {
  /** As the configuration has it. */
  name: string;
  labels: readonly string[];
  /** Null: a service, whose records name ports. */
  port: number | null;
  /** Empty: those of the system. */
  servers: readonly DnsServer[];
  tcp: boolean;
};

/** Host names as RFC 1123 §2.1 writes them, with the underscore of services; a dot at the end changes nothing. */
const parseName = (text: string): readonly string[] | null => {
  const labels = text.replace(/\.$/, '').split('.');
  return areLabels(labels) && labels.every((label) => /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/.test(label))
    ? labels
    : null;
};

const parseOptions = (text: string): { servers: DnsServer[]; tcp: boolean } | { problem: string } => {
  const servers: DnsServer[] = [];
  let tcp = false;
  for (const [key, value] of new URLSearchParams(text)) {
    const server = key === 'server' ? parseServer(value) : null;
    if (server !== null) servers.push(server);
    else if (key === 'server') return { problem: `has the server '${value}', which is no IP:PORT` };
    else if (key === 'tcp' && value === '') tcp = true;
    else return { problem: `has the option '${key}', which is none of server=IP:PORT and tcp` };
  }
  if (servers.length > dnsLimits.serversMax) return { problem: `names more than ${dnsLimits.serversMax} servers` };
  return { servers, tcp };
};

export const parseDnsTarget = (text: string): DnsTarget | { problem: string } => {
  const [, host = '', digits, rest = ''] = /^([^?:]*)(?::([^?]*))?(?:\?(.*))?$/s.exec(text) ?? [];
  if (isIP(host) !== 0) return { problem: 'is an address and no name: a static source needs no DNS' };
  const labels = parseName(host);
  if (labels === null) return { problem: 'has no name that DNS knows (letters, digits and hyphens between dots)' };
  const isService = host.startsWith('_');
  if (isService && digits !== undefined) return { problem: 'has a port, but the records of a service name their own' };
  if (isService && (labels.length < 3 || labels[1]?.toLowerCase() !== '_tcp'))
    return { problem: 'is no service over TCP in a domain (_polity._tcp.example.org)' };
  if (!isService && digits === undefined) return { problem: 'has no port (nodes.example.org:7400)' };
  const port = digits === undefined ? null : Number(digits);
  if (port !== null && !(/^\d{1,5}$/.test(digits ?? '') && port >= 1 && port <= 65_535))
    return { problem: 'has a port that is no number from 1 to 65535' };
  const options = parseOptions(rest);
  return 'problem' in options ? options : { name: `dns:${text}`, labels, port, ...options };
};
