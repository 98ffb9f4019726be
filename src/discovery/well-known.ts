// Members from a document at a well-known place (RFC 8615) of a web server: `https://example.org` means
// https://example.org/.well-known/polity, whose form document.ts reads. Plain HTTP is for this machine only: whoever is on the way could
// name members of his own, which proves nothing but costs everybody dials.
import { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIPv4 } from 'node:net';
import { type Document, parseDocument } from './document.ts';
import { type Got, httpGet, statusText } from './http-get.ts';
import { readPlainFile } from './plain-file.ts';
import { ttlWithin } from './record.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind, sourceLimits } from './source.ts';

const pathDefault = '/.well-known/polity';
const urlCharsMax = 2_048;
const redirectsMax = 3;

type Target = { url: URL; caPath: string | null };

/** What was read last, to be asked for only if it changed (RFC 9110 §13.1.2). */
type Known = { href: string; etag: string; document: Document };

/** RFC 9110 §8.8.3, and short enough to be sent back. */
const etagOf = ({ etag = '' }: IncomingHttpHeaders): string | null =>
  /^(W\/)?"[\x21\x23-\x7e]{0,256}"$/.test(etag) ? etag : null;

/**
 * How long an answer may be believed (RFC 9111 §4.2): max-age without the time that it lay in caches on the way. Null where the server
 * says nothing, or that it may not be kept at all, which is meant for browsers.
 */
export const freshnessOf = (headers: IncomingHttpHeaders): number | null => {
  const directives = (headers['cache-control'] ?? '').split(',').map((one) => one.trim().toLowerCase());
  if (directives.includes('no-store') || directives.includes('no-cache')) return null;
  const maxAge = directives.map((one) => /^max-age="?(\d{1,12})"?$/.exec(one)?.[1]).find((one) => one !== undefined);
  const age = /^\d{1,12}$/.test(headers.age ?? '') ? Number(headers.age) : 0;
  const left = maxAge === undefined ? 0 : Number(maxAge) - age;
  return left > 0 ? left * 1_000 : null;
};

/** The word of the document, then of the server, then our own. */
const answerOf = ({ answer, ttlMs }: Document, headers: IncomingHttpHeaders): Answer => {
  const freshMs = freshnessOf(headers);
  if (ttlMs !== null || freshMs === null) return answer;
  const findings = answer.findings.map((finding) => ({ ...finding, ttlMs: ttlWithin(freshMs) }));
  return { findings, emptyTtlMs: Math.min(answer.emptyTtlMs, ttlWithin(freshMs)) };
};

/** Where a redirection leads: nowhere but within the same server, which is the one that was trusted. */
const redirected = (url: URL, { headers, status }: Got): URL => {
  const refuse = (words: string): LookupFault =>
    new LookupFault('SOURCE_REFUSED', `${url.host} answered ${status} and ${words}`);
  const { location = '' } = headers;
  if (location === '' || !URL.canParse(location, url)) throw refuse('does not say where to');
  const next = new URL(location, url);
  if (next.origin !== url.origin) throw refuse('leads to another server: name that one instead');
  return next;
};

const isRedirect = (status: number): boolean => [301, 302, 303, 307, 308].includes(status);

const readCa = async (path: string): Promise<string> => {
  const pem = Buffer.from((await readPlainFile(path)).bytes).toString('latin1');
  try {
    // Node takes what is no certificate without a word, and then trusts nobody.
    new X509Certificate(pem);
    return pem;
  } catch (cause) {
    throw new LookupFault('SOURCE_UNAVAILABLE', `the file ${path} holds no certificate (PEM)`, { cause });
  }
};

class WellKnown implements Source {
  readonly #target: Target;
  readonly #cluster: string;
  #known: Known | null = null;

  constructor(target: Target, { cluster }: SourceContext) {
    this.#target = target;
    this.#cluster = cluster;
  }

  async query(signal: AbortSignal): Promise<Answer> {
    const { caPath } = this.#target;
    // Read each time: it may be renewed while a node runs.
    const ca = caPath === null ? null : await readCa(caPath);
    let { url } = this.#target;
    for (let redirects = 0; redirects <= redirectsMax; redirects += 1) {
      const got = await this.#get(url, ca, signal);
      if (!isRedirect(got.status)) return this.#read(url, got);
      url = redirected(url, got);
    }
    throw new LookupFault('SOURCE_REFUSED', `${url.host} redirected more than ${redirectsMax} times`);
  }

  #get(url: URL, ca: string | null, signal: AbortSignal): Promise<Got> {
    const condition = this.#known?.href === url.href ? { 'if-none-match': this.#known.etag } : {};
    const headers = { accept: 'application/json', 'accept-encoding': 'identity', 'user-agent': 'polity', ...condition };
    return httpGet({ url, ca, headers, bytesMax: sourceLimits.answerBytesMax, signal });
  }

  #read(url: URL, { status, headers, body }: Got): Answer {
    const known = this.#known?.href === url.href ? this.#known : null;
    if (status === 304 && known !== null) return answerOf(known.document, headers);
    if (status !== 200) throw new LookupFault('SOURCE_REFUSED', `${url.host} answered ${statusText(status)}`);
    const document = parseDocument(body, `the document of ${url.host}`, this.#cluster);
    const etag = etagOf(headers);
    this.#known = etag === null ? null : { href: url.href, etag, document };
    return answerOf(document, headers);
  }
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'));

/** Takes what is Polity's own out of the query: the server never sees it. */
const takeCa = (url: URL): { caPath: string | null } | { problem: string } => {
  const [ca = null, ...more] = url.searchParams.getAll('ca');
  if (ca === '' || more.length > 0) return { problem: 'has a ca that is no path of a file' };
  if (ca !== null && url.protocol !== 'https:') return { problem: 'has a ca, but is plain HTTP' };
  // Only then: writing the rest anew may change how it is written.
  if (ca !== null) url.searchParams.delete('ca');
  return { caPath: ca };
};

const parseTarget = (text: string): Target | { problem: string } => {
  if (text.length > urlCharsMax) return { problem: `has more than ${urlCharsMax} characters` };
  if (!/^https?:\/\/[^/]/.test(text) || !URL.canParse(text)) return { problem: 'is no URL (https://example.org)' };
  const url = new URL(text);
  if (url.username !== '' || url.password !== '')
    return { problem: 'has a user or a password in it, which everybody would see' };
  if (url.hash !== '') return { problem: 'has a fragment (#), which no server sees' };
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return { problem: 'is plain HTTP to another machine: use https:' };
  const ca = takeCa(url);
  if ('problem' in ca) return ca;
  if (url.pathname === '/') url.pathname = pathDefault;
  return { url, ...ca };
};

/** As in the configuration, but values of the query may be secret. */
const nameOf = ({ url, caPath }: Target): string => {
  const query = [...url.searchParams.keys()].map((key) => `${key}=…`);
  const shown = [...query, ...(caPath === null ? [] : [`ca=${caPath}`])].join('&');
  return `${url.origin}${url.pathname}${shown === '' ? '' : `?${shown}`}`;
};

const kindOf = (scheme: 'https' | 'http', form: string): SourceKind => ({
  scheme,
  form,
  parse(text) {
    const target = parseTarget(`${scheme}:${text}`);
    if ('problem' in target) return target;
    return { name: nameOf(target), open: async (context) => new WellKnown(target, context) };
  },
});

export const wellKnown = kindOf('https', 'https://HOST[:PORT][/.well-known/polity][?ca=FILE]');
/** On this machine only. */
export const wellKnownPlain = kindOf('http', 'http://127.0.0.1:PORT[/.well-known/polity]');
