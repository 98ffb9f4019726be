// Asking a registry over HTTP (RFC 9112) and following a stream of its lines: bounded in bytes, ended by a signal, every failure a
// LookupFault. Not fetch, which knows no CA or client certificate of its own; redirects are not followed, as they could lead a token
// elsewhere. One connection an exchange: a few a minute, and none that broke in silence is used again.
import { type IncomingHttpHeaders, type IncomingMessage, request as overHttp } from 'node:http';
import { request as overHttps, type RequestOptions } from 'node:https';
import { LookupFault } from './source.ts';

const wordsCharsMax = 160;
/** A connection that is open for long is probed by the kernel: the other end may have lost its power. */
const keepAliveMs = 5_000;

export type Call = {
  url: URL;
  method: 'GET' | 'POST' | 'PUT';
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** CA and certificates, or an agent that has them. */
  tls?: RequestOptions;
  /** Ends it, also while it streams. */
  signal: AbortSignal;
  /** Of the body, or of one line of a stream. */
  bytesMax: number;
  /** What must stand in no error, as servers may repeat what they are sent. */
  secrets?: readonly string[];
  /** The server's own reason in an answer that is no success; all of it where this is absent. */
  reasonIn?(text: string): string;
};

export type Reply = { status: number; headers: IncomingHttpHeaders; text: string };

const faultOf = (error: unknown, { url, signal }: Call, connected: boolean): LookupFault => {
  if (error instanceof LookupFault) return error;
  if (signal.aborted) return new LookupFault('SOURCE_TIMED_OUT', `${url.host} did not answer in time`);
  const code = String((error as NodeJS.ErrnoException).code ?? 'unknown').slice(0, 64);
  if (code.startsWith('HPE_')) return new LookupFault('SOURCE_MALFORMED', `${url.host} does not speak HTTP (${code})`);
  const what = connected ? `the connection to ${url.host} was lost` : `no connection to ${url.host}`;
  return new LookupFault('SOURCE_UNREACHABLE', `${what} (${code})`);
};

const open = (call: Call): Promise<IncomingMessage> => {
  const { url, method, body, signal, tls } = call;
  const headers = {
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    ...call.headers,
  };
  return new Promise((resolve, reject) => {
    try {
      const request = (url.protocol === 'https:' ? overHttps : overHttp)(url, {
        agent: false,
        ...tls,
        method,
        headers,
        signal,
      });
      request.once('response', resolve);
      request.on('error', (error) => reject(faultOf(error, call, false)));
      request.once('socket', (socket) => socket.setKeepAlive(true, keepAliveMs));
      request.end(body);
    } catch (error) {
      // A header that cannot be sent, a key that does not belong to its certificate.
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      reject(new LookupFault('SOURCE_UNAVAILABLE', `${url.host} cannot be asked with these certificates or secrets (${code})`));
    }
  });
};

const bodyOf = async (message: IncomingMessage, call: Call): Promise<string> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      if ((bytes += chunk.byteLength) > call.bytesMax)
        throw new LookupFault('SOURCE_MALFORMED', `${call.url.host} answered more than ${call.bytesMax} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw faultOf(error, call, true);
  }
  return Buffer.concat(chunks).toString('utf8');
};

/** Whatever its status is. */
export const exchange = async (call: Call): Promise<Reply> => {
  const message = await open(call);
  return { status: message.statusCode ?? 0, headers: message.headers, text: await bodyOf(message, call) };
};

/** The beginning of what a server said, fit for a line of a log. */
const wordsOf = (text: string): string => {
  const words = text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, wordsCharsMax);
  return words === '' ? '' : `: ${words}`;
};

/** With the status, where a source knows what to do about it. */
export class RefusedFault extends LookupFault {
  readonly status: number;

  constructor(status: number, message: string) {
    super('SOURCE_REFUSED', message);
    this.status = status;
  }
}

/** What an answer that is no success is. */
export const refusal = ({ url, secrets = [], reasonIn }: Call, { status, text }: Reply): RefusedFault => {
  const words = secrets.some((secret) => text.includes(secret)) ? '' : wordsOf(reasonIn?.(text) ?? text);
  return new RefusedFault(status, `${url.host} answered ${status}${words}`);
};

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is no JSON is undefined. */
export const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export const parseJson = (text: string, host: string): unknown => {
  const value = jsonOf(text);
  if (value === undefined) throw new LookupFault('SOURCE_MALFORMED', `${host} answered what is no JSON`);
  return value;
};

/** The lines of a body that does not end, as many at once as came together; ends where the server ends it. */
export async function* lines(call: Call): AsyncGenerator<string[], void, undefined> {
  const message = await open(call);
  if (message.statusCode !== 200)
    throw refusal(call, { status: message.statusCode ?? 0, headers: message.headers, text: await bodyOf(message, call) });
  const decoder = new TextDecoder();
  let held = '';
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      const text = decoder.decode(chunk, { stream: true });
      const at = text.lastIndexOf('\n');
      const whole = at < 0 ? [] : (held + text.slice(0, at)).split('\n').filter((line) => line.trim() !== '');
      held = at < 0 ? held + text : text.slice(at + 1);
      if ([held, ...whole].some((line) => line.length > call.bytesMax))
        throw new LookupFault('SOURCE_MALFORMED', `${call.url.host} sent a line of more than ${call.bytesMax} bytes`);
      if (whole.length > 0) yield whole;
    }
  } catch (error) {
    throw faultOf(error, call, true);
  }
}

/** Runs with a signal that is `parent`'s and a time limit's; nothing of it stays at `parent`, which lives for months. */
export const within = async <Result>(
  parent: AbortSignal,
  limitMs: number,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> => {
  const ends = new AbortController();
  const end = (): void => ends.abort();
  const timer = setTimeout(end, limitMs);
  parent.addEventListener('abort', end, { once: true });
  if (parent.aborted) end();
  try {
    return await run(ends.signal);
  } finally {
    clearTimeout(timer);
    parent.removeEventListener('abort', end);
  }
};

/** Resolves after the time, or as soon as the signal aborts. */
export const rest = (restMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, restMs);
    signal.addEventListener('abort', done, { once: true });
  });
