// How a registry (Consul, etcd) is written in the configuration: URLs, then options after the first '?'. Secrets stay in files that
// the options name, and are read when they are used: they may be rotated, and a text of the configuration is shown to people.
import { closeSync, openSync, readSync } from 'node:fs';
import { isIP } from 'node:net';
import { readSecretFile } from '../config/secrets.ts';
import { LookupFault, sourceLimits } from './source.ts';

const endpointsMax = 16;
const optionCharsMax = 1_024;
const keyBytesMax = 32 << 10;

export type Address = {
  /** At least one, each without a path, a user or a query. */
  endpoints: URL[];
  options: ReadonlyMap<string, string>;
};

/** Nobody else on the network sees what is sent there. */
export const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && hostname.startsWith('127.'));

/** Says nothing of the text itself where that could hold a password. */
const parseEndpoint = (text: string): URL | { problem: string } => {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { problem: 'has an endpoint that is no URL, as http://127.0.0.1:8500' };
  }
  if (url.username !== '' || url.password !== '')
    return { problem: 'has a user or password inside its URL, where everybody reads it: put it into a file and name that' };
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { problem: 'has an endpoint that is not http: or https:' };
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return { problem: 'has an endpoint with more than a host and a port' };
  return url;
};

const parseOptions = (query: string, known: readonly string[]): Map<string, string[]> | { problem: string } => {
  const options = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!known.includes(name)) return { problem: `has an option that is none of ${known.join(', ')}` };
    if (value === '') return { problem: `has nothing after ${name}=` };
    if (value.length > optionCharsMax) return { problem: `has more than ${optionCharsMax} characters after ${name}=` };
    const given = options.get(name);
    if (given !== undefined && name !== 'endpoint') return { problem: `names ${name} twice` };
    options.set(name, [...(given ?? []), value]);
  }
  return options;
};

/** One of several options that go with TLS only, or the other way round. */
const tlsProblem = (endpoints: readonly URL[], options: ReadonlyMap<string, unknown>): string | null => {
  const plain = endpoints.find(({ protocol }) => protocol === 'http:');
  const named = ['ca', 'cert', 'key'].find((name) => options.has(name));
  if (plain !== undefined && named !== undefined) return `names ${named}, but ${plain.origin} is without TLS`;
  if (options.has('cert') !== options.has('key')) return 'needs cert and key together';
  return null;
};

/**
 * `text` is what stands behind the scheme; without URLs it means `otherwise`. `known` are the names of its options, `endpoint` being one
 * that may be repeated; where one of `secrets` is given, every endpoint must be TLS or loopback.
 */
export const parseAddress = (
  text: string,
  otherwise: string,
  known: readonly string[],
  secrets: readonly string[],
): Address | { problem: string } => {
  const at = text.indexOf('?');
  const options = parseOptions(at < 0 ? '' : text.slice(at + 1), known);
  if ('problem' in options) return options;
  const written = at < 0 ? text : text.slice(0, at);
  const texts = [...written.split(',').filter((one) => one !== ''), ...(options.get('endpoint') ?? [])];
  if (texts.length > endpointsMax) return { problem: `has more than ${endpointsMax} endpoints` };
  const endpoints: URL[] = [];
  for (const one of texts.length === 0 ? [otherwise] : texts) {
    const url = parseEndpoint(one);
    if ('problem' in url) return url;
    endpoints.push(url);
  }
  const problem = tlsProblem(endpoints, options);
  if (problem !== null) return { problem };
  const bare = endpoints.find((url) => url.protocol === 'http:' && !isLoopback(url));
  const secret = secrets.find((name) => options.has(name));
  if (bare !== undefined && secret !== undefined)
    return { problem: `names ${secret}, but ${bare.origin} is without TLS: everybody on the way would read the secret` };
  return { endpoints, options: new Map([...options].map(([name, [value]]) => [name, value!])) };
};

/** As text; anew each time, because secrets are rotated. Keys and files with more than a secret in them are longer. */
export const readSecret = (path: string, bytesMax?: number): string => {
  const read = readSecretFile(path, bytesMax);
  if ('problem' in read) throw new LookupFault('SOURCE_UNAVAILABLE', read.problem);
  return Buffer.from(read.bytes).toString('utf8');
};

/** A file that is no secret, as a CA. */
const readOpenly = (path: string): string => {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(path, 'r');
    const buffer = Buffer.alloc(sourceLimits.answerBytesMax + 1);
    const size = readSync(descriptor, buffer);
    if (size <= sourceLimits.answerBytesMax) return buffer.toString('utf8', 0, size);
  } catch (error) {
    throw new LookupFault(
      'SOURCE_UNAVAILABLE',
      `'${path}' cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
    );
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
  throw new LookupFault('SOURCE_UNAVAILABLE', `'${path}' has more than ${sourceLimits.answerBytesMax} bytes`);
};

export type TlsFiles = { ca?: string; cert?: string; key?: string };

/** The contents of the files that the options name. */
export const readTls = (options: ReadonlyMap<string, string>): TlsFiles => {
  const [ca, cert, key] = [options.get('ca'), options.get('cert'), options.get('key')];
  return {
    ...(ca === undefined ? {} : { ca: readOpenly(ca) }),
    ...(cert === undefined ? {} : { cert: readOpenly(cert) }),
    ...(key === undefined ? {} : { key: readSecret(key, keyBytesMax) }),
  };
};
