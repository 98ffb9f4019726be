// An HTTP server on the loopback that does what a test tells it, and remembers what it was asked.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
};

export type Answering = (asked: Asked, response: ServerResponse) => void | Promise<void>;

export const json = (response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
};

/** Bytes without end, as fast as they are read. */
export const endless = (response: ServerResponse, chunk: string): void => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
};

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

export class FakeHttp implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly port: number;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets: Set<Socket>;
  readonly #scheme: string;

  private constructor(server: ReturnType<typeof createServer>, sockets: Set<Socket>, scheme: string) {
    this.#server = server;
    this.#sockets = sockets;
    this.#scheme = scheme;
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(answering: Answering, options: { port?: number; tls?: ServerOptions } = {}): Promise<FakeHttp> {
    const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const url = new URL(request.url!, 'http://fake');
      const { method = '', headers } = request;
      try {
        const asked = { method, path: url.pathname, query: url.searchParams, headers, body: await textOf(request) };
        fake.asked.push(asked);
        await answering(asked, response);
      } catch (error) {
        if (!response.destroyed) json(response, { fake: String(error) }, 599);
      }
    };
    const server = options.tls === undefined ? createServer(onRequest) : createTlsServer(options.tls, onRequest);
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    const fake = new FakeHttp(server, sockets, options.tls === undefined ? 'http' : 'https');
    return fake;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** As a network that fails: every connection ends without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
