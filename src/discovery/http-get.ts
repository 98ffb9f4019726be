// One bounded GET (RFC 9110). Not fetch: that knows no certificate authority but the system's without a package of its own, asks for
// compressed answers (a small one may become a large one), and holds connections open that keep a process from ending.
import { type IncomingHttpHeaders, type IncomingMessage, request as requestPlain, STATUS_CODES } from 'node:http';
import { request as requestTls } from 'node:https';
import { LookupFault } from './source.ts';

export type Get = {
  url: URL;
  headers: Readonly<Record<string, string>>;
  /** PEM; trusted instead of what the system trusts. */
  ca: string | null;
  bytesMax: number;
  signal: AbortSignal;
};

/** `body` is there for status 200 only; of other answers nothing is read. */
export type Got = { status: number; headers: IncomingHttpHeaders; body: Buffer };

const certificateCode = /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|ERR_TLS_CERT_|PATH_LENGTH)/;

/** Not a word of the server's: what a failure is, the codes of Node and OpenSSL say. */
const faultOf = (host: string, error: Error, begun: boolean): LookupFault => {
  if (error instanceof LookupFault) return error;
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  const fault = (kind: LookupFault['code'], words: string): LookupFault => new LookupFault(kind, words, { cause: error });
  if (code.startsWith('HPE_')) return fault('SOURCE_MALFORMED', `${host} answered what is not HTTP (${code})`);
  if (certificateCode.test(code)) return fault('SOURCE_UNREACHABLE', `the certificate of ${host} is not trusted (${code})`);
  if (begun) return fault('SOURCE_UNREACHABLE', `${host} broke off in the middle of its answer (${code})`);
  return fault('SOURCE_UNREACHABLE', `${host} cannot be reached (${code})`);
};

/** "404 Not Found", in the words of the standard. */
export const statusText = (status: number): string => `${status} ${STATUS_CODES[status] ?? ''}`.trim();

const readBody = (response: IncomingMessage, host: string, bytesMax: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const tooMuch = (): void => {
      reject(new LookupFault('SOURCE_MALFORMED', `${host} answered more than ${bytesMax} bytes`));
      response.destroy();
    };
    const coding = response.headers['content-encoding'] ?? 'identity';
    if (coding !== 'identity') {
      reject(new LookupFault('SOURCE_MALFORMED', `${host} answered compressed, which it was not asked for`));
      return response.destroy();
    }
    if (Number(response.headers['content-length'] ?? 0) > bytesMax) return tooMuch();
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > bytesMax) tooMuch();
    });
    response.on('end', () => resolve(Buffer.concat(chunks)));
    response.on('error', reject);
    response.on('close', () => reject(new Error('closed')));
  });

export const httpGet = ({ url, headers, ca, bytesMax, signal }: Get): Promise<Got> =>
  new Promise((resolve, reject) => {
    const { host } = url;
    let begun = false;
    const fail = (error: Error): void => {
      const late = new LookupFault('SOURCE_TIMED_OUT', `${host} did not answer in time`);
      reject(signal.aborted ? late : faultOf(host, error, begun));
    };
    const send = url.protocol === 'https:' ? requestTls : requestPlain;
    // A connection of its own: the next question is half a minute away.
    const asked = send(url, { agent: false, signal, headers, ...(ca === null ? {} : { ca }) });
    asked.on('error', fail);
    asked.on('close', () => fail(new Error('closed')));
    asked.on('response', (response) => {
      begun = true;
      const status = response.statusCode ?? 0;
      const body = status === 200 ? readBody(response, host, bytesMax) : Promise.resolve(Buffer.alloc(0));
      body.then((read) => resolve({ status, headers: response.headers, body: read }), fail).finally(() => asked.destroy());
    });
    asked.end();
  });
