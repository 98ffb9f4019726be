// Calls of services over HTTP: one result as JSON, or a stream of items as JSON lines at the reader's pace. A client that goes away gives the
// call up, and the node that executes it is told.
import type { NodeApi, Outcome } from '../../actors/api.ts';
import type { CallEvents, CallHandle, ServiceCall } from '../../actors/service-api.ts';
import { strategyNames } from '../../machines/balancer/index.ts';
import { importances } from '../../machines/bulkhead/index.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { rpcLimits } from '../../machines/rpc/index.ts';
import { limits as wireLimits } from '../../machines/wire/limits.ts';
import { toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { jsonOfValue, valueOfBytes } from '../service-json.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const timeoutMsDefault = 30_000;
/** Items of a stream that are under way to the reader's connection. */
const windowItems = 16;

const parameters = ['timeout-ms', 'version', 'node', 'strategy', 'key', 'importance', 'hedge-after-ms', 'stream'] as const;

const { principalCharsMax } = rpcLimits;
const requestIdForm = /^[\x20-\x7e]{1,128}$/;

const headerOf = ({ request }: Exchange, name: string): string | undefined => {
  const value = request.raw.headers[name];
  return typeof value === 'string' ? value : undefined;
};

const optional = <Name extends string, Value>(name: Name, value: Value | undefined): { [One in Name]?: Value } =>
  (value === undefined ? {} : { [name]: value }) as { [One in Name]?: Value };

const callOf = (exchange: Exchange, query: Query): ServiceCall & { timeoutMs: number } => {
  const service = segmentOfPath(exchange.url, 2, 'the service');
  const method = segmentOfPath(exchange.url, 3, 'the method');
  const principal = headerOf(exchange, 'polity-principal');
  if (principal !== undefined && (principal === '' || principal.length > principalCharsMax))
    return refuse(`Polity-Principal has 1 to ${principalCharsMax} characters`);
  const requestId = headerOf(exchange, 'idempotency-key');
  if (requestId !== undefined && !requestIdForm.test(requestId))
    return refuse('Idempotency-Key has 1 to 128 printable ASCII characters');
  return {
    ...{ service, method, input: valueOfBytes(exchange.body, 'the body'), takesItems: query.flag('stream') },
    timeoutMs: query.count('timeout-ms', 1, wireLimits.callTimeoutMsMax) ?? timeoutMsDefault,
    ...optional('version', query.text('version')),
    ...optional('node', query.text('node')),
    ...optional('strategy', query.oneOf('strategy', strategyNames)),
    ...optional('key', query.text('key')),
    ...optional('importance', query.oneOf('importance', importances)),
    ...optional('hedgeAfterMs', query.count('hedge-after-ms', 1, wireLimits.callTimeoutMsMax)),
    ...optional('principal', principal),
    ...optional('requestId', requestId),
    ...optional('trace', headerOf(exchange, 'traceparent')),
  };
};

/** RFC 9110 §10.2.3: whole seconds. */
const retryHeaders = ({ details }: Failure): Record<string, string> => {
  const afterMs = details?.retryAfterMs;
  return typeof afterMs === 'number' ? { 'retry-after': String(Math.max(1, Math.ceil(afterMs / 1_000))) } : {};
};

const unwritable = ({ service, method }: ServiceCall): Failure =>
  failure('SERVICE_FAILED', `${service}.${method} gave what JSON cannot carry`, { service, method });

/** A call for one result. */
class Asked implements CallEvents {
  readonly #exchange: Exchange;
  readonly #call: ServiceCall;

  constructor(exchange: Exchange, call: ServiceCall) {
    this.#exchange = exchange;
    this.#call = call;
  }

  item(): void {}

  end(outcome: Outcome<unknown>): void {
    if (!outcome.ok) return this.#exchange.problem(outcome.failure, retryHeaders(outcome.failure));
    const json = jsonOfValue(outcome.value);
    if (json === null) this.#exchange.problem(unwritable(this.#call));
    else this.#exchange.json(json);
  }
}

type Ports = { metrics: Metrics; limits: GatewayLimits; open: Set<Streamed> };

const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' };

/** A call for a stream: `{"item":…}` a line, and a last line that says how it ended. */
class Streamed implements CallEvents {
  readonly #exchange: Exchange;
  readonly #call: ServiceCall;
  readonly #ports: Ports;
  #handle: CallHandle | null = null;
  #outlet: Outlet | null = null;
  /** Items that the reader was sent since some were last asked for. */
  #unasked = 0;
  #isWaiting = false;
  #items = 0;
  #isOver = false;

  constructor(exchange: Exchange, call: ServiceCall, ports: Ports) {
    this.#exchange = exchange;
    this.#call = call;
    this.#ports = ports;
    ports.open.add(this);
    ports.metrics.streams('call', 1);
  }

  begin(handle: CallHandle): void {
    if (this.#isOver) return handle.cancel();
    this.#handle = handle;
    handle.more(windowItems);
  }

  #opened(): Outlet {
    if (this.#outlet !== null) return this.#outlet;
    this.#exchange.claim(200);
    this.#exchange.reply.hijack();
    const { streamGraceMs } = this.#ports.limits;
    this.#outlet = new Outlet({
      ...{ response: this.#exchange.reply.raw, headers, graceMs: streamGraceMs },
      // A window of items is all that waits.
      bytesMax: Number.POSITIVE_INFINITY,
      onClosed: () => this.#finish(),
    });
    return this.#outlet;
  }

  item(value: unknown): void {
    if (this.#isOver) return;
    const json = jsonOfValue(value);
    if (json === null) return this.fail(unwritable(this.#call));
    this.#items++;
    const outlet = this.#opened();
    outlet.write(`{"item":${json}}\n`);
    this.#unasked++;
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    outlet.drained(() => this.#took());
  }

  /** The reader has read most of it. */
  #took(): void {
    this.#isWaiting = false;
    if (this.#unasked < windowItems / 2) return;
    const items = this.#unasked;
    this.#unasked = 0;
    this.#handle?.more(items);
  }

  end(outcome: Outcome<unknown>): void {
    this.#handle = null;
    if (!outcome.ok) return this.fail(outcome.failure);
    // A method that gives one result.
    if (this.#items === 0 && outcome.value !== null && outcome.value !== undefined) this.item(outcome.value);
    if (this.#isOver) return;
    this.#opened().end('{"end":true}\n');
    this.#finish();
  }

  fail(why: Failure): void {
    if (this.#isOver) return;
    if (this.#outlet === null) this.#exchange.problem(why, retryHeaders(why));
    else this.#outlet.end(`${JSON.stringify({ failed: toProblem(why) })}\n`);
    this.#ports.metrics.streamEnded('call', why.code);
    this.#finish();
  }

  /** The reader is gone, or everything is said. */
  gone(): void {
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handle?.cancel();
    this.#handle = null;
    this.#ports.open.delete(this);
    this.#ports.metrics.streams('call', -1);
  }
}

export const createCallRoutes = (ports: {
  metrics: Metrics;
  limits: GatewayLimits;
}): { routes: readonly Route[]; close(why: Failure): void } => {
  const open = new Set<Streamed>();
  const call = (exchange: Exchange, api: NodeApi): void => {
    const asked = callOf(exchange, Query.of(exchange.url, parameters));
    const isStream = asked.takesItems === true;
    if (isStream && open.size >= ports.limits.callStreamsMax)
      return exchange.problem(failure('OVERLOADED', `this node has ${open.size} streams of calls open already`));
    exchange.effect = true;
    exchange.overdueAtMs = performance.now() + asked.timeoutMs;
    if (isStream) {
      const streamed = new Streamed(exchange, asked, { ...ports, open });
      exchange.reply.raw.once('close', () => streamed.gone());
      return streamed.begin(api.calls.call(asked, streamed));
    }
    const handle = api.calls.call(asked, new Asked(exchange, asked));
    exchange.reply.raw.once('close', () => {
      if (!exchange.answered) handle.cancel();
    });
  };
  return {
    routes: [{ method: 'POST', path: '/v1/services/:service/:method', handle: call }],
    close(why) {
      // It has begun, and what it did nobody takes back.
      const unknown = failure('OUTCOME_UNKNOWN', `the call was given up: ${why.message}`);
      for (const one of [...open]) one.fail(unknown);
    },
  };
};
