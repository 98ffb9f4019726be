// Consul as its HTTP API is documented, as far as the source uses it: an agent that knows services and their TTL checks, a catalog
// whose index grows with every change, blocking queries that wait for that, tokens, and what agents and servers do at a restart.
import type { ServerResponse } from 'node:http';
import type { ConsulTiming } from '../../../src/discovery/consul.ts';
import { type Asked, FakeHttp, json } from './fake-http.ts';

/** Short, for tests. */
export const consulTiming: ConsulTiming = {
  ...{ waitMs: 5_000, gapMs: 10, checkTtlMs: 600, passMs: 100, answerMs: 1_000, farewellMs: 500 },
};

type Registration = {
  ID: string;
  Name: string;
  Address?: string;
  Port?: number;
  Meta?: Record<string, string>;
  Check?: { CheckID: string; TTL: string; Status?: string };
};
type Entry = { service: Registration; status: string; expires: NodeJS.Timeout | null };

/** Go's durations, of which the source uses one unit. */
const msOf = (duration: string): number => {
  const [, count, unit] = /^(\d+)(ms|s)$/.exec(duration) ?? [];
  if (count === undefined) throw new Error(`no duration: ${duration}`);
  return Number(count) * (unit === 's' ? 1_000 : 1);
};

export class FakeConsul implements AsyncDisposable {
  /** Null: everybody may do everything. */
  token: string | null = null;
  /** What the agent answers instead of doing its work, where that is a status. */
  broken: { status: number; text: string } | null = null;
  /** It takes connections and questions, and says nothing. */
  hangs = false;
  index = 40;
  readonly services = new Map<string, Entry>();
  readonly http: FakeHttp;
  readonly #waiting = new Set<() => void>();

  private constructor(http: FakeHttp) {
    this.http = http;
  }

  static async start(port = 0): Promise<FakeConsul> {
    const http = await FakeHttp.start((asked, response) => consul.#answer(asked, response), { port });
    const consul: FakeConsul = new FakeConsul(http);
    return consul;
  }

  get url(): string {
    return this.http.url;
  }

  asked(method: string, start: string): Asked[] {
    return this.http.asked.filter((one) => one.method === method && one.path.startsWith(start));
  }

  /** The agent begins again without its data, as a container does. */
  forget(): void {
    for (const id of [...this.services.keys()]) this.#drop(id);
  }

  /** The servers begin again from a snapshot: their index is lower than any that was told. */
  goBack(index: number): void {
    this.index = index;
    for (const wake of this.#waiting) wake();
  }

  /** By somebody else's means: a service definition in a file, say. */
  add(service: Registration, status = 'passing'): void {
    this.#drop(service.ID);
    this.services.set(service.ID, { service, status, expires: null });
    this.#change();
  }

  set(id: string, status: string): void {
    const entry = this.services.get(id);
    if (entry === undefined || entry.status === status) return;
    entry.status = status;
    this.#change();
  }

  #change(): void {
    this.index++;
    for (const wake of this.#waiting) wake();
  }

  #drop(id: string): void {
    const entry = this.services.get(id);
    if (entry === undefined) return;
    if (entry.expires !== null) clearTimeout(entry.expires);
    this.services.delete(id);
    this.#change();
  }

  #arm(id: string): void {
    const entry = this.services.get(id)!;
    if (entry.expires !== null) clearTimeout(entry.expires);
    const { Check } = entry.service;
    entry.expires = Check === undefined ? null : setTimeout(() => this.set(id, 'critical'), msOf(Check.TTL));
  }

  async #answer(asked: Asked, response: ServerResponse): Promise<void> {
    if (this.hangs) return;
    if (this.broken !== null) return void response.writeHead(this.broken.status).end(this.broken.text);
    if (this.token !== null && asked.headers['x-consul-token'] !== this.token)
      return void response.writeHead(403).end(`Permission denied: token with AccessorID 'anonymous' lacks permission`);
    const [, version, room, kind, ...rest] = asked.path.split('/').map(decodeURIComponent);
    const route = `${asked.method} /${version}/${room}/${kind}`;
    if (route === 'GET /v1/health/service') return this.#health(rest[0]!, asked.query, response);
    if (route === 'PUT /v1/agent/service') return this.#service(rest, asked, response);
    if (route === 'PUT /v1/agent/check' && rest[0] === 'update') return this.#update(rest[1]!, asked, response);
    response.writeHead(404).end('Invalid URL path: not a recognized HTTP API endpoint');
  }

  #service([verb, id]: string[], asked: Asked, response: ServerResponse): void {
    if (verb === 'deregister') {
      if (!this.services.has(id!)) return void response.writeHead(404).end(`Unknown service ID "${id}"`);
      this.#drop(id!);
      return void response.end();
    }
    const service = JSON.parse(asked.body) as Registration;
    if (Object.values(service.Meta ?? {}).some((value) => value.length > 512))
      return void response.writeHead(400).end('Invalid Service Meta: Value is too long (limit: 512 characters)');
    this.#drop(service.ID);
    this.services.set(service.ID, { service, status: service.Check?.Status ?? 'critical', expires: null });
    this.#arm(service.ID);
    this.#change();
    response.end();
  }

  #update(check: string, asked: Asked, response: ServerResponse): void {
    const found = [...this.services].find(([, { service }]) => service.Check?.CheckID === check);
    if (found === undefined) return void response.writeHead(404).end(`Unknown check ID "${check}"`);
    this.set(found[0], (JSON.parse(asked.body) as { Status: string }).Status);
    this.#arm(found[0]);
    response.end();
  }

  /** Blocks while nothing has changed since the index, for `wait` and a little more. */
  async #health(name: string, query: URLSearchParams, response: ServerResponse): Promise<void> {
    const since = Number(query.get('index') ?? 0);
    const until = performance.now() + msOf(query.get('wait') ?? '300s') * (1 + Math.random() / 16);
    while (since > 0 && this.index === since && performance.now() < until && !response.destroyed)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, Math.max(1, until - performance.now()));
        this.#waiting.add(done);
        response.once('close', done);
      });
    const entries = [...this.services.values()].filter(({ service }) => service.Name === name);
    json(response, entries.map(health), 200, { 'x-consul-index': String(this.index), 'x-consul-knownleader': 'true' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.forget();
    await this.http.stop();
  }
}

const health = ({ service, status }: Entry) => ({
  Node: { ID: '40e4a748-2192-161a-0510-9bf59fe950b5', Node: 'host', Address: '10.1.10.12', Datacenter: 'dc1', Meta: {} },
  Service: {
    ...{ ID: service.ID, Service: service.Name, Tags: [], Address: service.Address ?? '', Port: service.Port ?? 0 },
    ...{ Meta: service.Meta ?? {}, Weights: { Passing: 1, Warning: 1 }, EnableTagOverride: false },
  },
  Checks: [
    { Node: 'host', CheckID: 'serfHealth', Name: 'Serf Health Status', Status: 'passing', ServiceID: '' },
    { Node: 'host', CheckID: `service:${service.ID}`, Name: 'check', Status: status, ServiceID: service.ID },
  ],
});
