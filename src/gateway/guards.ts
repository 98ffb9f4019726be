// Who may speak to this node over HTTP at all. A browser on this machine is somebody else's program: a page of another site may
// send requests here, or bind its own name to our address (DNS rebinding), so `Host` must be a name of ours and `Origin`, where
// there is one, the very origin that is asked. With a token, everything but the health checks needs it.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { type Failure, failure } from '../../machines/errors.ts';

export type GuardOptions = {
  /** The host that the server listens on, as configured. */
  listenHost: string;
  /** Further names that clients use for this node. */
  hosts: readonly string[];
  token: string | null;
};

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]']);

export const isLoopbackHost = (host: string): boolean => {
  const bare = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || /^127\.\d+\.\d+\.\d+$/.test(bare);
};

/** `[::1]:7501` → `[::1]`, `Localhost:7501` → `localhost`; null for what is no host at all. */
export const nameOfHost = (host: string): string | null => {
  const match = /^(\[[0-9a-f:.%]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host);
  return match === null ? null : match[1]!.toLowerCase();
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Hosts already judged, so that a keep-alive connection pays for it once; names come from outside, hence the limit. */
const judgedMax = 64;

export type Guard = (headers: IncomingHttpHeaders, options: { public: boolean }) => Failure | null;

export const createGuard = ({ listenHost, hosts, token }: GuardOptions): Guard => {
  const bare = listenHost.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const allowed = new Set([...hosts.map((host) => host.toLowerCase()), ...loopbackNames]);
  allowed.add(bare.includes(':') ? `[${bare}]` : bare);
  const everyAddress = bare === '0.0.0.0' || bare === '::' || bare === '';
  const expected = token === null ? null : digest(token);
  const judged = new Map<string, boolean>();

  const judge = (host: string): boolean => {
    const name = nameOfHost(host);
    if (name === null) return false;
    if (allowed.has(name)) return true;
    // A rebound name is a name: an address in `Host` was typed or configured by somebody who meant this machine.
    return everyAddress && isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0;
  };

  const isAllowedHost = (host: string): boolean => {
    const known = judged.get(host);
    if (known !== undefined) return known;
    const verdict = judge(host);
    if (judged.size < judgedMax) judged.set(host, verdict);
    return verdict;
  };

  const hasToken = (authorization: string | undefined): boolean => {
    const match = /^Bearer +(\S+) *$/i.exec(authorization ?? '');
    // Digests are of one length, and comparing them tells nothing about how much of the token was right.
    return match !== null && timingSafeEqual(digest(match[1]!), expected!);
  };

  return ({ host, origin, authorization }, { public: isPublic }) => {
    if (host === undefined || !isAllowedHost(host))
      return failure(
        'FORBIDDEN',
        `this node does not answer to the host '${(host ?? '').slice(0, 100)}' (httpHosts adds names)`,
      );
    if (origin !== undefined && !isSameOrigin(origin, host))
      return failure('FORBIDDEN', `pages of '${origin.slice(0, 100)}' may not call this node`);
    if (expected === null || isPublic || hasToken(authorization)) return null;
    return failure('UNAUTHORIZED', 'send the token of this node as Authorization: Bearer …');
  };
};

const isSameOrigin = (origin: string, host: string): boolean => {
  const match = /^https?:\/\/([^/]+)$/i.exec(origin);
  return match !== null && match[1]!.toLowerCase() === host.toLowerCase();
};
