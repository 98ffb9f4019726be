// Who offers what, over HTTP (row K1): listed, described and watched at this very node, which asks no other.
import type { NodeApi } from '../../actors/api.ts';
import { catalogLimits, offerKinds } from '../../machines/catalog/index.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import {
  describeService,
  followServices,
  listServices,
  resourcesOfPairs,
  type ServiceEvent,
  type ServiceFollowing,
  type ServiceQuery,
} from '../catalog/index.ts';
import { PolityError, toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';
import { Query, refuse, restOfPath } from './query.ts';
import type { Route } from './routes.ts';

const listLimitDefault = 100;
const neededParameters = ['kind', 'version', 'capability', 'resource', 'tag', 'node'] as const;
const namedParameters = ['name', 'prefix', ...neededParameters] as const;

const resourcesOf = (pairs: readonly string[]): Record<string, number | string> =>
  resourcesOfPairs(pairs) ?? refuse('resource is NAME=AMOUNT or NAME=WORD, each name once, with commas between');

const askedOf = (query: Query): ServiceQuery => {
  const kind = query.oneOf('kind', offerKinds);
  const resource = query.words('resource');
  const asked = {
    ...{ kind, name: query.text('name'), prefix: query.text('prefix'), version: query.text('version') },
    ...{ capabilities: query.words('capability'), tags: query.words('tag'), node: query.text('node') },
    resources: resource === undefined ? undefined : resourcesOf(resource),
  };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
};

const list = (exchange: Exchange, api: NodeApi): void => {
  const query = Query.of(exchange.url, [...namedParameters, 'limit', 'cursor']);
  const limit = query.count('limit', 1, catalogLimits.listItemsMax) ?? listLimitDefault;
  exchange.json(JSON.stringify(listServices(api, askedOf(query), { limit, cursor: query.text('cursor') ?? null })));
};

const describe = (exchange: Exchange, api: NodeApi): void => {
  const asked = askedOf(Query.of(exchange.url, neededParameters));
  const name = restOfPath(exchange.url, 2, 'the name');
  const described = describeService(api, { ...asked, name });
  if (described !== null) return exchange.json(JSON.stringify(described));
  exchange.problem(failure('SERVICE_NOT_FOUND', `nobody offers '${name.slice(0, 128)}' as it is asked for`));
};

// ---------------------------------------------------------------- watching

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
};

const failedText = (why: Failure): string => `event: failed\ndata: ${JSON.stringify(toProblem(why))}\n\n`;

const textOf = (event: ServiceEvent): string => {
  const data =
    event.type === 'ready'
      ? { revision: event.revision }
      : event.type === 'end'
        ? { ...event.offer, why: event.why }
        : event.offer;
  return `event: ${event.type}\ndata: ${JSON.stringify(data)}\n\n`;
};

const stopping = failure('STOPPING', 'the node is stopping; go on with another');
const tooSlow = failure('OVERLOADED', 'the reader is too slow for this watch; begin again');

type WatchPorts = { metrics: Metrics; limits: GatewayLimits };

/** One reader: what is offered as fast as he reads it, what changes meanwhile at once. */
class ServicesWatch {
  readonly #ports: WatchPorts;
  readonly #following: ServiceFollowing;
  readonly #onClosed: () => void;
  #outlet: Outlet | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #toldSince = false;

  /** Throws what is wrong with the query, before anything is answered. */
  constructor(api: NodeApi, asked: ServiceQuery, ports: WatchPorts, onClosed: () => void) {
    this.#ports = ports;
    this.#onClosed = onClosed;
    this.#following = followServices(
      api,
      asked,
      (events) => this.#tell(events),
      () => this.end(stopping),
    );
  }

  begin(exchange: Exchange): void {
    const { limits, metrics } = this.#ports;
    exchange.claim(200);
    exchange.reply.hijack();
    metrics.streams('services', 1);
    this.#outlet = new Outlet({
      ...{ response: exchange.reply.raw, headers, bytesMax: limits.streamBytesMax, graceMs: limits.streamGraceMs },
      onClosed: () => {
        this.#following.end();
        if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
        metrics.streams('services', -1);
        this.#onClosed();
      },
    });
    this.#heartbeat = setInterval(() => this.#beat(), limits.heartbeatMs);
    this.#nextPage();
  }

  #nextPage(): void {
    if (this.#outlet === null || this.#outlet.ended) return;
    const page = this.#following.page();
    if (page === null) return;
    this.#tell(page);
    this.#outlet.drained(() => setImmediate(() => this.#nextPage()));
  }

  #tell(events: readonly ServiceEvent[]): void {
    this.#toldSince = true;
    if (events.length > 0 && this.#outlet?.write(events.map(textOf).join('')) === false) this.end(tooSlow);
  }

  #beat(): void {
    if (!this.#toldSince) this.#outlet?.write(': alive\n\n');
    this.#toldSince = false;
  }

  end(why: Failure): void {
    if (this.#outlet === null || this.#outlet.ended) return;
    this.#following.end();
    this.#ports.metrics.streamEnded('services', why.code);
    this.#outlet.end(failedText(why));
  }
}

// ---------------------------------------------------------------- routes

/** `close` ends what is being watched with an event that says why. */
export const createServiceRoutes = (ports: WatchPorts): { routes: readonly Route[]; close(why: Failure): void } => {
  const open = new Set<ServicesWatch>();
  const watch = (exchange: Exchange, api: NodeApi): void => {
    const asked = askedOf(Query.of(exchange.url, namedParameters));
    if (open.size >= ports.limits.servicesWatchersMax)
      throw new PolityError(failure('OVERLOADED', `this node has ${open.size} watchers of services already`));
    // Who left before it was answered would never be missed.
    if (exchange.reply.raw.destroyed) return;
    const begun: ServicesWatch = new ServicesWatch(api, asked, ports, () => open.delete(begun));
    open.add(begun);
    begun.begin(exchange);
  };
  return {
    routes: [
      { method: 'GET', path: '/v1/services', handle: list },
      { method: 'GET', path: '/v1/services/*', handle: describe },
      { method: 'GET', path: '/v1/watch/services', handle: watch },
    ],
    close(why) {
      for (const watched of [...open]) watched.end(why);
    },
  };
};
