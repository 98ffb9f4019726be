// `POST /v1/run`: a graph of calls, run by this node. JSON lines, one for each step when it has settled, and a last one that says how it
// ended; so a reader knows a half answer from a whole one. Whoever goes away gives the run up: what happened is compensated. Not so a run
// with an id: that is durable, goes on in the cluster, and is looked at under `/v1/runs/ID`.
import type { NodeApi } from '../../actors/api.ts';
import type { GraphEvents, GraphHandle, GraphOptions } from '../../actors/graph-api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { durableGraphLimits, type GraphOutcome, type StepReport } from '../../machines/graph/index.ts';
import { rpcLimits } from '../../machines/rpc/index.ts';
import { toProblem } from '../errors.ts';
import { endLine, graphOfText, reportLine } from '../graph-json.ts';
import type { Metrics } from '../metrics.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';
import { Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' };
const { principalCharsMax } = rpcLimits;

type RunPorts = { metrics: Metrics; limits: GatewayLimits; open: Set<Run> };

class Run {
  readonly #exchange: Exchange;
  readonly #ports: RunPorts;
  readonly #reports = new Map<string, StepReport>();
  #outlet: Outlet | null = null;
  #handle: GraphHandle | null = null;
  #isOver = false;

  constructor(exchange: Exchange, ports: RunPorts) {
    this.#exchange = exchange;
    this.#ports = ports;
    ports.open.add(this);
    ports.metrics.streams('run', 1);
    exchange.reply.raw.once('close', () => this.#finish());
  }

  start(begin: (on: GraphEvents) => GraphHandle): void {
    this.#handle = begin({
      begun: () => this.opened(),
      step: (report) => this.#tell(report),
      compensated: (step, compensation) => this.#tell({ ...this.#reports.get(step)!, compensation }),
      end: (ended) => (ended.ok ? this.#end(ended.value) : this.fail(ended.failure)),
    });
  }

  /** It has begun: who asked hears that at once, whatever its first step takes. */
  opened(): void {
    if (!this.#isOver) this.#opened();
  }

  #tell(report: StepReport): void {
    if (this.#isOver) return;
    // For its compensation; its result was told.
    this.#reports.set(report.step, { ...report, result: null });
    if (this.#opened().write(reportLine(report))) return;
    this.fail(failure('OVERLOADED', 'the reader is too slow: nobody looks on any more'));
  }

  #end(outcome: GraphOutcome): void {
    if (this.#isOver) return;
    this.#handle = null;
    this.#opened().end(endLine(outcome));
    if (outcome.failure !== null) this.#ports.metrics.streamEnded('run', outcome.failure.code);
    this.#finish();
  }

  #opened(): Outlet {
    if (this.#outlet !== null) return this.#outlet;
    this.#exchange.claim(200);
    this.#exchange.reply.hijack();
    this.#outlet = new Outlet({
      ...{ response: this.#exchange.reply.raw, headers, bytesMax: this.#ports.limits.streamBytesMax },
      ...{ graceMs: this.#ports.limits.streamGraceMs, onClosed: () => this.#finish() },
    });
    return this.#outlet;
  }

  /** Nobody is told any more; a run that is not durable is given up. */
  fail(why: Failure): void {
    if (this.#isOver) return;
    if (this.#outlet === null) this.#exchange.problem(why);
    else this.#outlet.end(`${JSON.stringify({ failed: toProblem(why), failedStep: null, notUndone: [], tookMs: 0 })}\n`);
    this.#ports.metrics.streamEnded('run', why.code);
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handle?.leave();
    this.#ports.open.delete(this);
    this.#ports.metrics.streams('run', -1);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

const graphOf = ({ body }: Exchange): unknown => {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    return refuse('the graph is not UTF-8');
  }
  return graphOfText(text, 'the graph');
};

const durableOf = (query: Query): Pick<GraphOptions, 'durable'> => {
  const id = query.text('id');
  const keepMs = query.count('keep-ms', 0, durableGraphLimits.keepMsMax);
  if (id === undefined) return keepMs === undefined ? {} : refuse('keep-ms is for a run with an id');
  return { durable: { id, ...(keepMs === undefined ? {} : { keepMs }) } };
};

const optionsOf = ({ request }: Exchange): { principal?: string; trace?: string } => {
  const { 'polity-principal': principal, traceparent } = request.raw.headers;
  if (principal !== undefined && (typeof principal !== 'string' || principal === '' || principal.length > principalCharsMax))
    return refuse(`Polity-Principal has 1 to ${principalCharsMax} characters`);
  return {
    ...(principal === undefined ? {} : { principal }),
    ...(typeof traceparent === 'string' ? { trace: traceparent } : {}),
  };
};

/** Runs that are told to somebody; `close` gives them up. */
export const createRunRoutes = (ports: {
  metrics: Metrics;
  limits: GatewayLimits;
}): { routes: readonly Route[]; close(why: Failure): void } => {
  const open = new Set<Run>();
  const run = (exchange: Exchange, api: NodeApi): void => {
    const query = Query.of(exchange.url, ['check', 'id', 'keep-ms']);
    const graph = graphOf(exchange);
    const durable = durableOf(query);
    if (query.flag('check')) {
      const why = api.graph.check(graph);
      return why === null ? exchange.json('{"ok":true}') : exchange.problem(why);
    }
    const options = { ...optionsOf(exchange), ...durable };
    const one = opening(exchange);
    one?.start((on) => api.graph.run(graph, options, on));
    // A durable one may be refused until it is in the log.
    if (durable.durable === undefined) one?.opened();
  };
  const opening = (exchange: Exchange): Run | null => {
    if (open.size < ports.limits.runsMax) return new Run(exchange, { ...ports, open });
    exchange.problem(failure('OVERLOADED', `this node tells ${open.size} runs already`));
    return null;
  };
  const idOf = (exchange: Exchange): string => {
    Query.of(exchange.url, []);
    return segmentOfPath(exchange.url, 2, 'the id');
  };
  const attach = (exchange: Exchange, api: NodeApi): void => {
    const id = idOf(exchange);
    opening(exchange)?.start((on) => api.graph.attach(id, on));
  };
  const cancel = (exchange: Exchange, api: NodeApi): void =>
    api.graph.cancelDurable(idOf(exchange), (outcome) =>
      outcome.ok ? exchange.json('{"cancelled":true}') : exchange.problem(outcome.failure),
    );
  return {
    routes: [
      { method: 'POST', path: '/v1/run', handle: run },
      { method: 'GET', path: '/v1/runs/:id', handle: attach },
      { method: 'DELETE', path: '/v1/runs/:id', handle: cancel },
    ],
    close(why) {
      for (const one of [...open]) one.fail(why);
    },
  };
};
