// The HTTP server of a node: fastify with the table of routes, guards before any body is read, one limit for everything, and a
// problem (RFC 9457) for whatever goes wrong. It listens before the node is there, so that a port that is taken ends the start
// early and health checks are answered from the first moment.
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { NodeApi } from '../../actors/api.ts';
import type { SinkPort } from '../../actors/ports/index.ts';
import { errorTable, type Failure, failure } from '../../machines/errors.ts';
import { PolityError, problemMediaType, toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { createActorRoutes } from './actors.ts';
import { createBackups } from './backup.ts';
import { breakerRoutes } from './breakers.ts';
import { createCallRoutes } from './calls.ts';
import { discoveryRoutes } from './discovery.ts';
import { createEventSockets } from './events.ts';
import { Exchange, problemBody } from './exchange.ts';
import { groupRoutes } from './groups.ts';
import { createGuard, type Guard } from './guards.ts';
import { healthRoutes } from './health.ts';
import { inspectRefusal, inspectRoutes, type MayInspect } from './inspect.ts';
import { createInspectSockets, inspectPath } from './inspect-socket.ts';
import { assertGatewayLimits, type GatewayLimits, gatewayLimits } from './limits.ts';
import { memberRoutes } from './members.ts';
import { peerRoutes } from './peer-routes.ts';
import { createQueueRoutes } from './queues.ts';
import { registerRoutes } from './register.ts';
import { createReplicaRoutes } from './replica.ts';
import { replicasRoutes } from './replicas.ts';
import { methodsOf, type Route } from './routes.ts';
import { createRunRoutes } from './run.ts';
import { createServiceRoutes } from './services.ts';
import { createTopicRoutes } from './topics.ts';
import { createWatches } from './watch.ts';

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange;
  }
}

export type GatewayOptions = {
  host: string;
  /** 0 = any free one. */
  port: number;
  token: string | null;
  /** Further names for `Host`. */
  hosts?: readonly string[];
  /** Who may look at actors; 'loopback' when absent. */
  inspect?: MayInspect;
  metrics: Metrics;
  sink: SinkPort;
  limits?: Partial<GatewayLimits>;
};

export interface Gateway {
  /** Where it listens, e.g. http://127.0.0.1:7501. */
  readonly url: string;
  /** host:port as listened on. */
  readonly address: string;
  /** Serves this node from now on; until then everything but health answers NOT_READY. */
  serve(api: NodeApi): void;
  /** Refuses new requests, lets those under way end, then closes. Safe to call twice. */
  close(): Promise<void>;
}

const eventsPath = '/v1/events';
const noQuery = (): Record<string, never> => ({});

/** Fastify's own errors in our words; `undefined` for what is a fault. */
const failureOfFramework = (
  error: { code?: string; statusCode?: number; message?: string },
  bodyBytesMax: number,
): Failure | undefined => {
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return failure('TOO_LARGE', `a body has at most ${bodyBytesMax} bytes`);
  const status = error.statusCode ?? 500;
  return status >= 400 && status < 500 ? failure('INVALID_REQUEST', error.message ?? 'the request is malformed') : undefined;
};

/** For connections that never became a request: malformed, too large or too slow. */
const failureOfConnection = (code: string | undefined): Failure => {
  if (code === 'HPE_HEADER_OVERFLOW') return failure('TOO_LARGE', 'the request line and headers are too large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return failure('INVALID_REQUEST', 'the request took too long to arrive');
  return failure('INVALID_REQUEST', 'this is not an HTTP request');
};

/** A whole response for a socket that no response object belongs to. */
const rawResponse = (why: Failure): string => {
  const body = JSON.stringify(toProblem(why));
  const { status } = errorTable[why.code];
  const head = [`content-type: ${problemMediaType}`, `content-length: ${Buffer.byteLength(body)}`, 'connection: close'];
  return `HTTP/1.1 ${status} ${why.code}\r\n${head.join('\r\n')}\r\n\r\n${body}`;
};

const answerRaw = (socket: Duplex, why: Failure): void => {
  if (socket.writable) socket.end(rawResponse(why), () => socket.destroy());
  else socket.destroy();
};

const plainRoutes = (metrics: Metrics, inspect: MayInspect): readonly Route[] => [
  ...inspectRoutes(inspect),
  ...registerRoutes,
  ...groupRoutes,
  ...memberRoutes,
  ...replicasRoutes,
  ...discoveryRoutes,
  ...breakerRoutes,
  ...peerRoutes,
  ...healthRoutes(metrics),
];

/** The whole table, for the reference page; the event sockets are no route. */
export const everyRoute = (metrics: Metrics): readonly Route[] => {
  const ports = { metrics, limits: gatewayLimits };
  return [
    ...plainRoutes(metrics, 'off'),
    ...createQueueRoutes().routes,
    ...createReplicaRoutes(ports).routes,
    ...createServiceRoutes(ports).routes,
    ...createCallRoutes(ports).routes,
    ...createActorRoutes({ ...ports, sink: { log: () => {}, count: () => {} }, inspect: 'off' }).routes,
    ...createRunRoutes(ports).routes,
    ...createWatches(ports).routes,
    ...createTopicRoutes(ports).routes,
    ...createBackups(ports).routes,
  ];
};

class GatewayServer implements Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #guard: Guard;
  readonly #app: FastifyInstance;
  readonly #routes: readonly Route[];
  readonly #watches: ReturnType<typeof createWatches>;
  readonly #topics: ReturnType<typeof createTopicRoutes>;
  readonly #queues = createQueueRoutes();
  readonly #replica: ReturnType<typeof createReplicaRoutes>;
  readonly #services: ReturnType<typeof createServiceRoutes>;
  readonly #calls: ReturnType<typeof createCallRoutes>;
  readonly #actors: ReturnType<typeof createActorRoutes>;
  readonly #runs: ReturnType<typeof createRunRoutes>;
  readonly #backups: ReturnType<typeof createBackups>;
  readonly #events: ReturnType<typeof createEventSockets>;
  readonly #inspects: ReturnType<typeof createInspectSockets>;
  /** Requests that have no answer yet. */
  readonly #open = new Set<Exchange>();
  #openBytes = 0;
  #api: NodeApi | null = null;
  #closing: Promise<void> | null = null;
  #sweep: NodeJS.Timeout | null = null;
  /** Told once no request is under way any more. */
  #idle: (() => void) | null = null;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { metrics, host, token, hosts = [] } = options;
    this.#limits = { ...gatewayLimits, ...options.limits };
    assertGatewayLimits(this.#limits);
    this.#guard = createGuard({ listenHost: host, hosts, token });
    const ports = { metrics, limits: this.#limits };
    this.#watches = createWatches(ports);
    this.#topics = createTopicRoutes(ports);
    this.#replica = createReplicaRoutes(ports);
    this.#services = createServiceRoutes(ports);
    this.#calls = createCallRoutes(ports);
    const inspect = options.inspect ?? 'loopback';
    this.#actors = createActorRoutes({ ...ports, sink: options.sink, inspect });
    this.#runs = createRunRoutes(ports);
    this.#backups = createBackups(ports);
    this.#events = createEventSockets(ports);
    this.#inspects = createInspectSockets(ports);
    this.#routes = [
      ...plainRoutes(metrics, inspect),
      ...this.#queues.routes,
      ...this.#replica.routes,
      ...this.#services.routes,
      ...this.#calls.routes,
      ...this.#actors.routes,
      ...this.#runs.routes,
      ...this.#watches.routes,
      ...this.#topics.routes,
      ...this.#backups.routes,
    ];
    this.#app = this.#build();
  }

  get address(): string {
    const { address, port, family } = this.#app.server.address() as AddressInfo;
    return `${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  serve(api: NodeApi): void {
    this.#api = api;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    await this.#app.listen({ host: host.replace(/^\[(.*)\]$/, '$1'), port });
    this.#sweep = setInterval(() => this.#answerOverdue(), 500);
  }

  // -------------------------------------------------------------- building

  #build(): FastifyInstance {
    const { bodyBytesMax, headBytesMax, headersMs, requestMs, keepAliveMs, checkEveryMs, connectionsMax } = this.#limits;
    const app = Fastify({
      ...{ logger: false, bodyLimit: bodyBytesMax, requestTimeout: requestMs, keepAliveTimeout: keepAliveMs },
      ...{ exposeHeadRoutes: false, return503OnClosing: false, forceCloseConnections: true },
      http: {
        ...{ maxHeaderSize: headBytesMax, headersTimeout: headersMs, connectionsCheckingInterval: checkEveryMs },
        // An offer of another protocol (curl's h2c) is not taken up, the request is answered as it is.
        shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === 'websocket',
      },
      routerOptions: { maxParamLength: headBytesMax, querystringParser: noQuery },
      clientErrorHandler: (error, socket) => answerRaw(socket, failureOfConnection((error as NodeJS.ErrnoException).code)),
      frameworkErrors: (error, request, reply) => this.#failed(error, request as FastifyRequest, reply as FastifyReply),
    });
    app.server.maxConnections = connectionsMax;
    app.decorateRequest('exchange');
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    this.#addHooks(app);
    for (const route of this.#routes) this.#addRoute(app, route);
    app.setNotFoundHandler((request) => this.#notFound(request.exchange));
    app.setErrorHandler((error, request, reply) => this.#failed(error as Error, request, reply));
    app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => this.#upgrade(request, socket, head));
    return app;
  }

  #addHooks(app: FastifyInstance): void {
    const unknown = this.#options.metrics.route('unknown');
    app.addHook('onRequest', (request, reply, done) => {
      const { polityRoute, metrics } = request.routeOptions.config as { polityRoute?: Route; metrics?: typeof unknown };
      const exchange = new Exchange(request, reply, metrics ?? unknown, this.#bytesOf(request));
      request.exchange = exchange;
      // A body is bytes, whatever it is said to be; a malformed type must not refuse it.
      request.raw.headers['content-type'] = undefined;
      const why = this.#refusal(exchange, polityRoute?.public === true);
      if (why !== null) return exchange.problem(why);
      this.#admit(exchange);
      done();
    });
  }

  #addRoute(app: FastifyInstance, route: Route): void {
    const metrics = this.#options.metrics.route(`${route.method} ${route.path}`);
    app.route({
      method: route.method,
      url: route.path,
      config: { polityRoute: route, metrics } as never,
      handler: (request) => {
        const { exchange } = request;
        if (this.#api === null)
          return route.starting?.(exchange) ?? exchange.problem(failure('NOT_READY', 'the node is starting'));
        try {
          route.handle(exchange, this.#api);
        } catch (error) {
          const fault = exchange.thrown(error);
          if (fault !== null) this.#logFault(fault, exchange.url);
        }
      },
    });
  }

  // -------------------------------------------------------------- limits

  #bytesOf(request: FastifyRequest): number {
    const { headers, method } = request.raw;
    if (method === 'GET') return 0;
    // A body of unknown length may become as large as any.
    if (headers['content-length'] === undefined)
      return headers['transfer-encoding'] === undefined ? 0 : this.#limits.bodyBytesMax;
    return Math.min(Number(headers['content-length']) || 0, this.#limits.bodyBytesMax);
  }

  #refusal(exchange: Exchange, isPublic: boolean): Failure | null {
    const why = this.#guard(exchange.request.raw.headers, { public: isPublic });
    if (why !== null) return why;
    if (isPublic) return null;
    if (this.#closing !== null) return failure('STOPPING', 'the node is stopping');
    const { requestsMax, requestBytesMax } = this.#limits;
    if (this.#open.size >= requestsMax || this.#openBytes + exchange.bytes > requestBytesMax)
      return failure('OVERLOADED', `this node has ${this.#open.size} requests with ${this.#openBytes} bytes under way`);
    return null;
  }

  #admit(exchange: Exchange): void {
    this.#open.add(exchange);
    this.#openBytes += exchange.bytes;
    const settle = (): void => {
      if (!this.#open.delete(exchange)) return;
      this.#openBytes -= exchange.bytes;
      if (this.#open.size === 0) this.#idle?.();
    };
    exchange.onAnswered = settle;
    // A client that went away: what was asked of the node still happens, its answer is dropped.
    exchange.reply.raw.once('close', settle);
  }

  #answerOverdue(): void {
    const nowMs = performance.now() - this.#limits.overdueMs;
    for (const exchange of [...this.#open]) if (exchange.overdueAtMs < nowMs) exchange.overdue();
  }

  // -------------------------------------------------------------- what goes wrong

  #notFound(exchange: Exchange): void {
    const path = exchange.url.split('?', 1)[0]!;
    if (path === eventsPath || path === inspectPath)
      return exchange.problem(failure('INVALID_REQUEST', `${path} is a WebSocket`), { upgrade: 'websocket' });
    const methods = methodsOf(this.#routes, path);
    const { method } = exchange.request.raw;
    if (methods.length === 0) return exchange.problem(failure('NOT_FOUND', `there is no ${path.slice(0, 200)} here`));
    const why = failure('METHOD_NOT_ALLOWED', `${path.slice(0, 200)} takes ${methods.join(', ')}, not ${method}`);
    exchange.problem(why, { allow: methods.join(', ') });
  }

  #failed(error: Error, request: FastifyRequest, reply: FastifyReply): void {
    const known = error instanceof PolityError ? error.failure : failureOfFramework(error, this.#limits.bodyBytesMax);
    if (known === undefined) this.#logFault(error, request.url);
    const why = known ?? failure('INTERNAL', 'the gateway failed on this request; the log says why');
    // What failed before the hooks ran has no exchange.
    const exchange = request.exchange as Exchange | undefined;
    if (exchange !== undefined) return exchange.problem(why);
    const problem = toProblem(why);
    reply.code(problem.status).header('content-type', problemMediaType).send(problemBody(problem));
  }

  #logFault(fault: unknown, url: string): void {
    this.#options.sink.log('error', 'GATEWAY_FAULT', 'a request failed inside the gateway', {
      url: url.split('?', 1)[0],
      fault,
    });
  }

  // -------------------------------------------------------------- sockets

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const path = (request.url ?? '').split('?', 1)[0];
    const { eventSocketsMax, inspectSocketsMax } = this.#limits;
    const [sockets, socketsMax] = path === inspectPath ? [this.#inspects, inspectSocketsMax] : [this.#events, eventSocketsMax];
    const refusal = (): Failure | null => {
      const why = this.#guard(request.headers, { public: false });
      if (why !== null) return why;
      if (path !== eventsPath && path !== inspectPath)
        return failure('NOT_FOUND', `there is no WebSocket but ${eventsPath} and ${inspectPath}`);
      const mayNot = path === inspectPath ? inspectRefusal(this.#options.inspect ?? 'loopback', request) : null;
      if (mayNot !== null) return mayNot;
      if (this.#closing !== null) return failure('STOPPING', 'the node is stopping');
      if (this.#api === null) return failure('NOT_READY', 'the node is starting');
      if (sockets.size >= socketsMax) return failure('OVERLOADED', `this node has ${sockets.size} sockets for ${path} already`);
      return null;
    };
    const why = refusal();
    if (why !== null) return answerRaw(socket, why);
    try {
      sockets.accept(request, socket, head, this.#api!);
    } catch (error) {
      if (!(error instanceof PolityError)) throw error;
      answerRaw(socket, error.failure);
    }
  }

  // -------------------------------------------------------------- the end

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const why = failure('STOPPING', 'the node is stopping; go on with another');
    this.#watches.close(why);
    this.#topics.close(why);
    this.#queues.close(why);
    this.#replica.close(why);
    this.#services.close(why);
    this.#calls.close(why);
    this.#actors.close(why);
    this.#runs.close(why);
    this.#backups.close(why);
    this.#events.close(why.message);
    this.#inspects.close(why);
    // No new connections; those that wait for an answer get it.
    this.#app.server.close();
    this.#app.server.closeIdleConnections();
    await new Promise<void>((resolve) => {
      const limit = setTimeout(resolve, this.#limits.closeMs);
      this.#idle = () => {
        clearTimeout(limit);
        // The last answer is written in this turn and leaves in the next.
        setImmediate(resolve);
      };
      if (this.#open.size === 0) this.#idle();
    });
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#app.server.closeAllConnections();
    await this.#app.close();
  }
}

/** Listens; rejects with an error that names the address when that is not possible. */
export const openGateway = async (options: GatewayOptions): Promise<Gateway> => {
  const gateway = new GatewayServer(options);
  try {
    await gateway.listen();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const at = `${options.host}:${options.port}`;
    const reason =
      code === 'EADDRINUSE' ? 'another process listens there' : code === 'EACCES' ? 'this user may not listen there' : message;
    throw new Error(`HTTP cannot listen on ${at}: ${reason}`, { cause: error });
  }
  return gateway;
};
