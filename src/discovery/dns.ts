// Members by DNS. `dns:_polity._tcp.example.org`: SRV records of a service (RFC 2782), and instances of it (RFC 6763) with their TXT
// records. `dns:nodes.example.org:7400`: every address of a name, as of a headless service of Kubernetes. Addresses are looked up
// here and not by who dials, so that their times to live count.
import type { Finding } from '../../actors/ports/index.ts';
import { isNodeName } from '../../machines/genesis/messages.ts';
import { createDnsClient, type DnsClient, type Found, systemServers } from './dns-client.ts';
import { type AskedType, areLabels, type DnsRecord, labelsOf, nameOf, recordsAt, type SrvRecord } from './dns-message.ts';
import { type DnsTarget, parseDnsTarget } from './dns-target.ts';
import { type LeaveOut, leaveOut } from './left-out.ts';
import { parseRecord, ttlWithin } from './record.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind, sourceLimits } from './source.ts';

type Labels = readonly string[];

/** Of what servers say beside their answers. */
const hintsMax = 1_000;

/** One member before its addresses are known. */
type Candidate = {
  host: string;
  port: number;
  priority: number;
  weight: number;
  peer: string | null;
  name: string | null;
  ttlMs: number;
};

/** Key and value as RFC 6763 §6.4 reads them: the first of a key counts, keys have no case. */
const attributesOf = ({ records }: Found<'TXT'>): Map<string, string> => {
  const attributes = new Map<string, string>();
  for (const text of records.flatMap(({ texts }) => texts)) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key !== undefined && !attributes.has(key.toLowerCase())) attributes.set(key.toLowerCase(), value ?? '');
  }
  return attributes;
};

const ttlOf = (records: readonly { ttlMs: number }[]): number =>
  Math.min(sourceLimits.ttlMaxMs, ...records.map(({ ttlMs }) => ttlMs));

/** IPv6 addresses of a link mean nothing without the link, and nobody listens at 0.0.0.0 or in a multicast group. */
const cannotBeDialled = (address: string): boolean =>
  /^(fe[89ab][0-9a-f]|ff[0-9a-f]{2}):/i.test(address) ||
  /^(0\.|22[4-9]\.|23\d\.|255\.255\.255\.255$)/.test(address) ||
  /^::$/.test(address);

const faultOf = (...results: PromiseSettledResult<unknown>[]): unknown =>
  results.find((result) => result.status === 'rejected')?.reason;

const resultOf = <T>(result: PromiseSettledResult<T>): T | null => (result.status === 'fulfilled' ? result.value : null);

/** One lookup: what was asked once is not asked again, and the shortest time of all answers is remembered for an empty one. */
const createLookup = (client: DnsClient, say: LeaveOut, signal: AbortSignal) => {
  const asked = new Map<string, Promise<unknown>>();
  const hints: DnsRecord[] = [];
  let shortestMs: number = sourceLimits.ttlMaxMs;

  const note = <T extends AskedType>(found: Found<T>): Found<T> => {
    shortestMs = Math.min(shortestMs, found.records.length === 0 ? found.emptyTtlMs : ttlOf(found.records));
    return found;
  };

  const ask = <T extends AskedType>(labels: Labels, type: T): Promise<Found<T>> => {
    const key = `${type} ${nameOf(labels)}`;
    const earlier = asked.get(key) as Promise<Found<T>> | undefined;
    if (earlier !== undefined) return earlier;
    const hinted = recordsAt(hints, { labels, type }) ?? [];
    const answer =
      hinted.length > 0
        ? Promise.resolve<Found<T>>({ records: hinted, additionals: [], emptyTtlMs: 0 })
        : client.ask({ labels, type }, signal);
    const noted = answer.then(note);
    asked.set(key, noted);
    return noted;
  };

  /** What a server says beside an answer (RFC 2782, RFC 6763 §12) need not be asked for. */
  const hint = ({ additionals }: { additionals: readonly DnsRecord[] }): void => {
    hints.push(...additionals.slice(0, hintsMax - hints.length));
  };

  const addressesOf = async (host: string): Promise<{ address: string; ttlMs: number }[]> => {
    const labels = labelsOf(host);
    if (!areLabels(labels)) return [];
    const [four, six] = await Promise.allSettled([ask(labels, 'A'), ask(labels, 'AAAA')]);
    const records = [...(resultOf(four)?.records ?? []), ...(resultOf(six)?.records ?? [])];
    const fault = faultOf(four, six);
    // Without any address and with a fault it is not known whether there are none.
    if (records.length === 0 && fault !== undefined) throw fault;
    return records.filter(({ address }) => !cannotBeDialled(address));
  };

  return { ask, hint, addressesOf, say, emptyTtlMs: () => ttlWithin(shortestMs) };
};
type Lookup = ReturnType<typeof createLookup>;

const multiaddrOf = (address: string, port: number): string =>
  `/${address.includes(':') ? 'ip6' : 'ip4'}/${address}/tcp/${port}`;

const candidateOf = ({ target, port, priority, weight, ttlMs }: SrvRecord): Candidate => ({
  ...{ host: target, port, priority, weight, ttlMs, peer: null, name: null },
});

const placeOf = ({ host, port }: Candidate): string => `${host}:${port}`;

/** RFC 2782: a target of "." says that the service is decidedly not available; port 0 cannot be dialled. */
const isServed = ({ target, port }: SrvRecord): boolean => target !== '.' && port !== 0;

/** What the records of one instance say (RFC 6763 §5, §6); nothing if it is another cluster's. */
const instanceOf = async (lookup: Lookup, instance: string, cluster: string): Promise<Candidate[]> => {
  const labels = labelsOf(instance);
  if (!areLabels(labels)) return [];
  const [srv, txt] = await Promise.allSettled([lookup.ask(labels, 'SRV'), lookup.ask(labels, 'TXT')]);
  const found = resultOf(srv);
  if (found === null) throw faultOf(srv);
  lookup.hint(found);
  const texts = resultOf(txt);
  const attributes = texts === null ? new Map<string, string>() : attributesOf(texts);
  if ((attributes.get('cluster') ?? cluster) !== cluster) return [];
  const name = [attributes.get('name'), labels[0]].find(isNodeName) ?? null;
  const peer = attributes.get('peer') || null;
  const ttlMs = texts === null ? sourceLimits.ttlMaxMs : ttlOf(texts.records);
  return found.records
    .filter(isServed)
    .map((record) => ({ ...candidateOf(record), name, peer, ttlMs: Math.min(record.ttlMs, ttlMs) }));
};

const instancesOf = async (lookup: Lookup, service: Labels, found: Found<'PTR'>, cluster: string): Promise<Candidate[]> => {
  // RFC 6763 §4.1: an instance is named below its service.
  const names = found.records.map(({ target }) => target).filter((target) => target.endsWith(`.${nameOf(service)}`));
  const some = [...new Set(names)].slice(0, sourceLimits.findingsMax);
  const results = await Promise.allSettled(some.map((name) => instanceOf(lookup, name, cluster)));
  const candidates = results.flatMap((result) => resultOf(result) ?? []);
  const fault = faultOf(...results);
  if (candidates.length === 0 && fault !== undefined) throw fault;
  const ttlMs = ttlOf(found.records);
  return candidates.map((candidate) => ({ ...candidate, ttlMs: Math.min(candidate.ttlMs, ttlMs) }));
};

/** The members that stand at the name of a service, by both ways to write them. */
const candidatesOf = async (lookup: Lookup, service: Labels, cluster: string): Promise<Candidate[]> => {
  const [srv, txt, ptr] = await Promise.allSettled([
    lookup.ask(service, 'SRV'),
    lookup.ask(service, 'TXT'),
    lookup.ask(service, 'PTR'),
  ]);
  for (const found of [resultOf(srv), resultOf(ptr)]) if (found !== null) lookup.hint(found);
  const texts = resultOf(txt);
  const theirs = texts !== null && (attributesOf(texts).get('cluster') ?? cluster) !== cluster;
  const plain = theirs ? [] : (resultOf(srv)?.records ?? []).filter(isServed).map(candidateOf);
  const [browsed] = await Promise.allSettled([
    ptr.status === 'fulfilled' ? instancesOf(lookup, service, ptr.value, cluster) : [],
  ]);
  // What is written down in both ways is one member, and the instance says more of it.
  const instances = resultOf(browsed) ?? [];
  const places = new Set(instances.map(placeOf));
  const candidates = [...instances, ...plain.filter((candidate) => !places.has(placeOf(candidate)))];
  const fault = faultOf(srv, ptr, browsed);
  if (candidates.length === 0 && fault !== undefined) throw fault;
  return candidates.toSorted((a, b) => a.priority - b.priority).slice(0, sourceLimits.findingsMax);
};

/** Null: a member of another cluster, or none that can be dialled. */
const findingOf = (lookup: Lookup, candidate: Candidate, addresses: readonly string[], ttlMs: number, cluster: string) => {
  const { host, peer, name, priority, weight } = candidate;
  const ended = peer === null ? addresses : addresses.map((address) => `${address}/p2p/${peer}`);
  const parsed = parseRecord({ peer, name, priority, weight, addresses: ended }, cluster, Math.min(candidate.ttlMs, ttlMs));
  if (parsed === null || !('problem' in parsed)) return parsed;
  lookup.say(labelsOf(host).join('.'), parsed.problem);
  return null;
};

const findService = async (lookup: Lookup, service: Labels, cluster: string): Promise<Finding[]> => {
  const candidates = await candidatesOf(lookup, service, cluster);
  const results = await Promise.allSettled(candidates.map(({ host }) => lookup.addressesOf(host)));
  if (results.every(({ status }) => status === 'rejected') && results.length > 0) throw faultOf(...results);
  const findings = candidates.map((candidate, index) => {
    const found = resultOf(results[index]!);
    // It is not known where this one is, but it is there: who dials may know.
    if (found === null)
      return findingOf(
        lookup,
        candidate,
        [`/dns/${candidate.host}/tcp/${candidate.port}`],
        sourceLimits.emptyTtlDefaultMs,
        cluster,
      );
    if (found.length === 0) return null;
    const addresses = found.map(({ address }) => multiaddrOf(address, candidate.port));
    return findingOf(lookup, candidate, addresses, ttlOf(found), cluster);
  });
  return findings.filter((finding) => finding !== null);
};

/** Whoever has an address under this name is a member of its own. */
const findHosts = async (lookup: Lookup, labels: Labels, port: number): Promise<Finding[]> => {
  const found = await lookup.addressesOf(nameOf(labels));
  return found.slice(0, sourceLimits.findingsMax).map(({ address, ttlMs }) => ({
    ...{ peer: null, name: null, addresses: [multiaddrOf(address, port)], priority: 0, weight: 0, healthy: true },
    ttlMs: ttlWithin(ttlMs),
  }));
};

/**
 * The source over a client that is made for each question. What is not known when the time is over is left out, so that one slow zone
 * does not hide what the others said.
 */
const dnsSource = (client: () => DnsClient, target: DnsTarget, context: SourceContext): Source => {
  const { name, labels, port } = target;
  const say = leaveOut(context.sink, name);
  return {
    async query(signal: AbortSignal): Promise<Answer> {
      const lookup = createLookup(client(), say, signal);
      const { cluster } = context;
      const findings = port === null ? await findService(lookup, labels, cluster) : await findHosts(lookup, labels, port);
      return { findings, emptyTtlMs: lookup.emptyTtlMs() };
    },
  };
};

export const dns: SourceKind = {
  scheme: 'dns',
  form: 'dns:_SERVICE._tcp.DOMAIN or dns:NAME:PORT, then [?server=IP:PORT&tcp]',
  parse(text) {
    const target = parseDnsTarget(text);
    if ('problem' in target) return target;
    return {
      name: target.name,
      async open(context) {
        const { default: codec } = await import('dns-packet').catch((cause) => {
          throw new LookupFault('SOURCE_UNAVAILABLE', 'the package dns-packet cannot be loaded', { cause });
        });
        const { servers, tcp } = target;
        const client = () => createDnsClient({ codec, tcp, servers: servers.length > 0 ? servers : systemServers() });
        return dnsSource(client, target, context);
      },
    };
  },
};
