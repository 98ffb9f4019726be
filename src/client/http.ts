// One HTTP request to one node, by node:http alone: the path goes out as it is (fetch would fold `..` in a key), and an error says
// whether the request can have reached the node, which decides whether trying again is safe.
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { failure, PolityError } from '../errors.ts';

export type Call = {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
};

export type Answered = { status: number; headers: IncomingHttpHeaders; bytes: Uint8Array };

/** The request got no answer. */
export class NoAnswer extends Error {
  /** False: it surely did not reach the node. */
  readonly sent: boolean;
  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = 'NoAnswer';
    this.sent = sent;
  }
}

export interface Wire {
  readonly base: URL;
  /** That every request carries: the token, if there is one. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole answer, within `timeLimitMs`. */
  ask(call: Call, timeLimitMs: number, signal?: AbortSignal): Promise<Answered>;
  /** The answer's head within `timeLimitMs`; the body is read by the caller, who is told of `silenceMs` without a byte. */
  open(call: Call, timeLimitMs: number, silenceMs: number, signal?: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

const answerBytesMax = 64 << 20;
const connectionsMax = 256;

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'nobody listens there';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its name is not known';
  return message || code || String(error);
};

/** The whole body of an answer, within a limit. */
export const collect = async (response: IncomingMessage): Promise<Uint8Array> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > answerBytesMax) throw new Error(`the answer has more than ${answerBytesMax} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
};

const invalidSignal = (): PolityError => new PolityError(failure('INVALID_REQUEST', 'signal must be an AbortSignal'));

export const createWire = (base: URL, token: string | undefined): Wire => {
  const { Agent, request: send } = base.protocol === 'https:' ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  const prefix = base.pathname.replace(/\/$/, '');
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };

  const begin = (
    call: Call,
    timeLimitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<{ response: IncomingMessage; over: () => void }> =>
    new Promise((resolve, reject) => {
      // Before there is a request, which nobody would hear when its time is over.
      if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidSignal();
      let sent = false;
      let failed: NoAnswer | null = null;
      const headers = {
        ...authorization,
        ...call.headers,
        ...(call.body === undefined ? {} : { 'content-length': call.body.byteLength }),
      };
      const { hostname, port } = base;
      const bare = hostname.replace(/^\[(.*)\]$/, '$1');
      const request = send({ agent, hostname: bare, port, method: call.method, path: `${prefix}${call.path}`, headers });
      const cut = (why: NoAnswer): void => {
        failed ??= why;
        request.destroy(why);
      };
      const limit = setTimeout(
        () => cut(new NoAnswer(`${base.origin} gave no answer in ${timeLimitMs} ms`, sent)),
        timeLimitMs,
      );
      const onAbort = (): void => cut(new NoAnswer('the call was cancelled', sent, signal?.reason));
      const over = (): void => {
        clearTimeout(limit);
        signal?.removeEventListener('abort', onAbort);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      request.on('socket', (socket) => {
        if (socket.connecting) socket.once(base.protocol === 'https:' ? 'secureConnect' : 'connect', () => (sent = true));
        else sent = true;
      });
      request.on('response', (response) => resolve({ response, over }));
      request.on('error', (error) => {
        over();
        reject(failed ?? new NoAnswer(`${base.origin} cannot be reached: ${reasonOf(error)}`, sent, error));
      });
      if (signal?.aborted === true) onAbort();
      else request.end(call.body);
    });

  const wholeBody = async (response: IncomingMessage): Promise<Uint8Array> => {
    try {
      return await collect(response);
    } catch (error) {
      throw error instanceof NoAnswer ? error : new NoAnswer(`${base.origin} broke off: ${reasonOf(error)}`, true, error);
    }
  };

  return {
    base,
    headers: authorization,
    async ask(call, timeLimitMs, signal) {
      const { response, over } = await begin(call, timeLimitMs, signal);
      try {
        return { status: response.statusCode!, headers: response.headers, bytes: await wholeBody(response) };
      } finally {
        over();
      }
    },
    async open(call, timeLimitMs, silenceMs, signal) {
      const { response, over } = await begin(call, timeLimitMs, signal);
      over();
      const onAbort = (): void => void response.destroy(new NoAnswer('the call was cancelled', true, signal?.reason));
      signal?.addEventListener('abort', onAbort, { once: true });
      response.once('close', () => signal?.removeEventListener('abort', onAbort));
      const { socket } = response;
      const onSilence = (): void => void response.destroy(new NoAnswer(`${base.origin} fell silent`, true));
      socket.setTimeout(silenceMs, onSilence);
      // The socket serves other calls after this one.
      response.once('close', () => void socket.setTimeout(0).off('timeout', onSilence));
      if (signal?.aborted === true) onAbort();
      return response;
    },
    close: () => agent.destroy(),
  };
};
