// `GET /v1/watch`: events of a prefix as server-sent events (WHATWG HTML §9.2). The id of an event is its index in the log, so that a
// browser's own `Last-Event-ID` resumes after it; when the history from there is gone the answer is 410 before the stream begins,
// and an event `failed` inside it. Nothing is skipped: a reader that cannot keep up is ended and told so.
import type { NodeApi, WatchMessage } from '../../actors/api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import type { RegisterEvent } from '../../machines/register/types.ts';
import { limits } from '../../machines/wire/limits.ts';
import { toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { eventFields } from './answers.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';
import { Query, refuse } from './query.ts';
import type { Route } from './routes.ts';

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // A proxy that collects chunks would turn events into news of yesterday.
  'x-accel-buffering': 'no',
};

/** Only the last event of an index carries the id: who resumes from it has seen them all. */
const eventText = (event: RegisterEvent, isLast: boolean): string =>
  `event: ${event.type}\n${isLast ? `id: ${event.index}\n` : ''}data: ${JSON.stringify(eventFields(event))}\n\n`;

const eventsText = (events: readonly RegisterEvent[]): string =>
  events.map((event, at) => eventText(event, events[at + 1]?.index !== event.index)).join('');

const progressText = (index: number): string => `event: progress\nid: ${index}\ndata: {"index":${index}}\n\n`;

const failedText = (why: Failure): string => `event: failed\ndata: ${JSON.stringify(toProblem(why))}\n\n`;

/** The first index to tell; 0 = from now on. `Last-Event-ID` wins: a browser repeats the URL it began with. */
const fromOf = (exchange: Exchange, query: Query): number => {
  const from = query.count('from', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const last = exchange.request.raw.headers['last-event-id'];
  if (last === undefined || last === '') return from;
  if (typeof last !== 'string' || !/^\d{1,15}$/.test(last))
    return refuse('Last-Event-ID must be an index that this stream gave');
  return Number(last) + 1;
};

type WatchPorts = { metrics: Metrics; limits: GatewayLimits; open: Set<Outlet> };

class Watch {
  readonly #exchange: Exchange;
  readonly #ports: WatchPorts;
  /** Every event with a smaller index has been told. */
  #next: number;
  #outlet: Outlet | null = null;
  #stop: () => void = () => {};
  #over = false;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #begin: NodeJS.Timeout;
  #toldSince = false;

  constructor(exchange: Exchange, ports: WatchPorts, from: number) {
    this.#exchange = exchange;
    this.#ports = ports;
    this.#next = from;
    this.#heartbeat = setInterval(() => this.#beat(), ports.limits.heartbeatMs);
    this.#begin = setTimeout(
      () => this.#fail(failure('NOT_READY', 'the node did not begin to watch in time')),
      ports.limits.streamGraceMs,
    );
    exchange.reply.raw.once('close', () => this.#finish());
  }

  start(api: NodeApi, group: string | undefined, prefix: string): void {
    const from = this.#next;
    const stop = api.watch({ prefix, from, ...(group === undefined ? {} : { group }) }, (message) => this.#on(message));
    if (this.#over) stop();
    else this.#stop = stop;
  }

  #on(message: WatchMessage): void {
    if (this.#over) return;
    if (message.type === 'failed') return this.#fail(message.failure);
    const outlet = this.#opened();
    // A node that lags behind the one watched before may still apply what the reader has seen.
    const fresh = message.type === 'events' ? message.events.filter((event) => event.index >= this.#next) : [];
    const isNews = message.index >= this.#next;
    this.#next = Math.max(this.#next, message.index + 1);
    const text = fresh.length > 0 ? eventsText(fresh) : isNews ? progressText(message.index) : '';
    if (text === '') return;
    this.#toldSince = true;
    if (!outlet.write(text))
      this.#fail(failure('OVERLOADED', 'the reader is too slow for this watch; resume from the last index'));
  }

  #opened(): Outlet {
    if (this.#outlet !== null) return this.#outlet;
    clearTimeout(this.#begin);
    this.#exchange.claim(200);
    this.#exchange.reply.hijack();
    const { streamBytesMax, streamGraceMs } = this.#ports.limits;
    const response = this.#exchange.reply.raw;
    this.#outlet = new Outlet({
      response,
      headers,
      bytesMax: streamBytesMax,
      graceMs: streamGraceMs,
      onClosed: () => this.#finish(),
    });
    this.#ports.open.add(this.#outlet);
    this.#ports.metrics.streams('watch', 1);
    return this.#outlet;
  }

  #beat(): void {
    if (!this.#toldSince) this.#outlet?.write(this.#next > 0 ? progressText(this.#next - 1) : ': alive\n\n');
    this.#toldSince = false;
  }

  #fail(why: Failure): void {
    if (this.#over) return;
    if (this.#outlet === null) this.#exchange.problem(why);
    else {
      this.#ports.metrics.streamEnded('watch', why.code);
      this.#outlet.end(failedText(why));
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#begin);
    this.#stop();
    if (this.#outlet === null) return;
    this.#ports.open.delete(this.#outlet);
    this.#ports.metrics.streams('watch', -1);
  }
}

/** Watches that are open; `close` ends each with an event that says why. */
export const createWatches = (ports: {
  metrics: Metrics;
  limits: GatewayLimits;
}): { routes: readonly Route[]; close(why: Failure): void } => {
  const open = new Set<Outlet>();
  const watch = (exchange: Exchange, api: NodeApi): void => {
    const query = Query.of(exchange.url, ['prefix', 'from', 'group']);
    const prefix = query.text('prefix') ?? '';
    if (Buffer.byteLength(prefix) > limits.keyBytesMax)
      return refuse(`the prefix is longer than ${limits.keyBytesMax} bytes`, 'TOO_LARGE');
    const from = fromOf(exchange, query);
    if (open.size >= ports.limits.watchersMax)
      return exchange.problem(failure('OVERLOADED', `this node has ${open.size} watchers already`));
    new Watch(exchange, { ...ports, open }, from).start(api, query.text('group'), prefix);
  };
  return {
    routes: [{ method: 'GET', path: '/v1/watch', handle: watch }],
    close(why) {
      for (const outlet of [...open]) outlet.end(failedText(why));
    },
  };
};
